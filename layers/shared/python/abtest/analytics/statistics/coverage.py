"""How many samples reached a metric, and why the others did not.

Depends on: nothing. Used by: `abtest.analytics.data.accumulate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from abtest.analytics.model import Method

STATISTIC = Method(
    name="Coverage",
    formula="asked = judged + missing by reason; a pair counts when both sides have the metric",
    source="complete-pair analysis with the loss reported: Little and Rubin (2019), section 3.2",
)


@dataclass(frozen=True)
class Tally:
    """Counts of one variant; the sum of two is that of both batches."""

    asked: int = 0
    answered: int = 0
    judged: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.asked + other.asked,
            self.answered + other.answered,
            self.judged + other.judged,
            added(self.missing, other.missing),
        )


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of two counts by name, the names sorted."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}
