"""What a pool of permits saw lately: how fast calls come, how large they are, how many were refused.

Depends on: `abtest.providers.model`. Used by: the permit pool.
"""

from __future__ import annotations

import math
from collections import deque

from abtest.providers.model import CallCost

_SPAN_S = 1.0
_COSTS = 20
_ATTEMPTS = 50
MANY_REFUSALS = 0.2
"""The share of refusals in the last fifty attempts or so, from which the provider refuses everybody."""


class Demand:
    """How fast calls come: a count that fades within a second or so."""

    def __init__(self) -> None:
        self._count = 0.0
        self._noted_s = 0.0
        self._costs: deque[CallCost] = deque(maxlen=_COSTS)

    def note(self, cost: CallCost, now_s: float) -> None:
        """Note that a call wants a permit.

        Args:
            now_s: monotonic seconds.
        """
        self._count = self._count * math.exp((self._noted_s - now_s) / _SPAN_S) + 1
        self._noted_s = now_s
        self._costs.append(cost)

    def expected(self, ahead_s: float) -> int:
        """Return how many calls will come within that time, if it goes on as it did until the last one came."""
        return int(self._count / _SPAN_S * ahead_s)

    def largest(self) -> CallCost:
        """Return the costliest of the last calls; there must have been one."""
        return max(self._costs, key=lambda cost: cost.input_tokens + cost.output_tokens)


class Refusals:
    """The share of the last attempts that were refused for the rate."""

    def __init__(self) -> None:
        self._attempts = 0.0
        self._refusals = 0.0

    def note_attempt(self) -> None:
        """Note an attempt that came to an end."""
        kept = 1 - 1 / _ATTEMPTS
        self._attempts = self._attempts * kept + 1
        self._refusals *= kept

    def note_refusal(self) -> None:
        """Note that an attempt was refused, before it is noted as an attempt."""
        self._refusals += 1

    @property
    def are_many(self) -> bool:
        """Whether it looks as if the provider refused everybody."""
        return self._refusals >= MANY_REFUSALS * (self._attempts + 1)
