"""Holm's adjustment: the chance of any false finding among several comparisons stays at alpha.

Depends on: `abtest.analytics.statistics._p_values`. Used by: `abtest.analytics.engine`,
`abtest.analytics.comparison.guarding`.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.model import Method
from abtest.analytics.statistics._p_values import ranked

STATISTIC = Method(
    name="Holm's step-down adjustment",
    formula="sorted p(1) <= ... <= p(m): adjusted p(i) = max over j <= i of min(1, (m - j + 1) p(j))",
    source="Holm (1979), A simple sequentially rejective multiple test procedure",
)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return adjusted p-values in the order of the input.

    Args:
        p_values: raw p-values; None (no test) stays None and does not count.

    Raises:
        ValueError: one is outside [0, 1].

    Assumes: nothing about how the tests depend on each other. Source: Holm (1979).
    """
    order = ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[index] = highest
    return adjusted
