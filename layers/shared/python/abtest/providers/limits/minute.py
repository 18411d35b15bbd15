"""What the slots of the last minute were charged with, second by second: the exact guard of a limit on tokens.

Spacing alone keeps a limit on requests, which are all alike. Calls differ in tokens, and what a call really took is
known only afterwards, so for tokens the sum over every minute is kept as well, and corrected at the second of the call.

Depends on: nothing. Used by: `abtest.providers.limits.bucket`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WINDOW_S = 60.75
"""A minute, and what calls may differ in how late they arrive: clocks differ, permits are used late, networks vary.

The account counts whole seconds, so that most calls have another half of a second.
"""


class MinuteAccount:
    """Charges by second; slots arrive in order of time, corrections in any order.

    Args:
        first: the epoch second of the first amount.
        amounts: the charge of each second from there on.
    """

    def __init__(self, first: int = 0, amounts: Sequence[int] = ()) -> None:
        self._first = first
        self._amounts = list(amounts)
        self._total = sum(amounts)

    def earliest_s(self, slot_s: float, amount: int, limit: int) -> float:
        """Return the first time from `slot_s` on at which an amount can be added and no window exceeds the limit.

        Args:
            slot_s: epoch seconds, not before any slot that was added.
            amount: at most `limit`.
        """
        total = self._total
        if total + amount <= limit:
            return slot_s
        end_s = self._first + 1 + WINDOW_S
        for charged in self._amounts:
            # A second that has left the window counts no more; one that has not may be waited for.
            if end_s > slot_s:
                if total + amount <= limit:
                    return slot_s
                slot_s = end_s
            total -= charged
            end_s += 1
        return slot_s

    def add(self, slot_s: float, amount: int) -> None:
        """Charge a slot; seconds that no later slot's window reaches are forgotten."""
        second = math.floor(slot_s)
        self._forget(second)
        if not self._amounts:
            self._first = second
        missing = second - self._first + 1 - len(self._amounts)
        if missing > 0:
            self._amounts.extend([0] * missing)
        self._amounts[second - self._first] += amount
        self._total += amount

    def correct(self, slot_s: float, difference: int) -> None:
        """Change the charge of a slot that was added; one that is forgotten matters no more."""
        index = math.floor(slot_s) - self._first
        if 0 <= index < len(self._amounts):
            self._amounts[index] += difference
            self._total += difference

    def as_json(self) -> list[int]:
        """Return the account as a list: the first second, then the charges."""
        return [self._first, *self._amounts]

    def _forget(self, second: int) -> None:
        gone = math.floor(second - WINDOW_S) - self._first
        old = min(len(self._amounts), max(0, gone))
        if old:
            self._total -= sum(self._amounts[:old])
            del self._amounts[:old]
            self._first += old
