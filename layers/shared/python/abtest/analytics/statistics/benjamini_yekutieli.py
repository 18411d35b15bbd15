"""Benjamini and Yekutieli's adjustment: the false discovery rate whatever the dependence between the tests.

Depends on: `abtest.analytics.statistics._p_values`. Used by: many metrics that may oppose each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.model import Method
from abtest.analytics.statistics._p_values import harmonic, step_up

STATISTIC = Method(
    name="Benjamini-Yekutieli adjustment (false discovery rate, any dependence)",
    formula="sorted p(1) <= ... <= p(m): adjusted p(i) = min over j >= i of min(1, (1 + 1/2 + ... + 1/m) m p(j) / j)",
    source="Benjamini and Yekutieli (2001), The control of the false discovery rate in multiple testing under "
    "dependency, theorem 1.3",
)


def benjamini_yekutieli(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for the false discovery rate, in the order of the input.

    Args:
        p_values: raw p-values; None (no test) stays None and does not count.

    Raises:
        ValueError: one is outside [0, 1].

    Assumes: nothing about how the tests depend on each other. Source: Benjamini and Yekutieli (2001).
    """
    total = harmonic(sum(p is not None for p in p_values))
    return step_up(p_values, lambda j, m: total * m / j)
