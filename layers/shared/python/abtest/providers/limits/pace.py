"""What part of a registered limit is used: less while the provider refuses calls all the same, more as it stays quiet.

A provider refuses calls within the limit when others use the account too. The outcomes of all workers are counted in
rounds; each round raises the pace a little and cuts it in proportion to the share of refusals, to half when every call
was refused. So a few refusals among many answers cost little, and the pace settles just above what the provider takes.

Depends on: nothing. Used by: `abtest.providers.limits.bucket`.

Source: the cut in proportion as in Alizadeh et al., "Data center TCP (DCTCP)", SIGCOMM 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LOWEST = 0.05
ROUND_S = 5.0
"""How long outcomes are counted before the pace follows them."""
RAISE = 0.025
"""Part of the limit by which each round raises the pace."""


class Pace:
    """The part of the limit that is used.

    Args:
        stored: `as_json` of an earlier one; None starts with the whole limit.
        now_s: epoch seconds.
    """

    def __init__(self, stored: Sequence[Any] | None, now_s: float) -> None:
        factor, round_s, attempts, refusals = stored or (1.0, now_s, 0, 0)
        rounds = int((now_s - round_s) / ROUND_S)
        if rounds >= 1:
            factor *= 1 - min(1.0, refusals / max(1, attempts, refusals)) / 2
            factor = min(1.0, max(LOWEST, factor + RAISE * rounds))
            round_s, attempts, refusals = now_s, 0, 0
        self.factor: float = factor
        self._round_s: float = round_s
        self._attempts: int = attempts
        self._refusals: int = refusals

    def observe(self, attempts: int, refusals: int) -> None:
        """Count attempts that came to an end, and those of them that were refused for the rate."""
        self._attempts += attempts
        self._refusals += refusals

    def as_json(self) -> list[Any]:
        """Return the pace and the round so far as a list."""
        return [round(self.factor, 4), self._round_s, self._attempts, self._refusals]
