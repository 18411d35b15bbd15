"""Benjamini and Hochberg's adjustment: the expected share of false findings among the findings stays at alpha.

Depends on: `abtest.analytics.statistics._p_values`. Used by: `abtest.analytics.engine`,
`abtest.analytics.comparison.slicing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.model import Method
from abtest.analytics.statistics._p_values import step_up

STATISTIC = Method(
    name="Benjamini-Hochberg adjustment (false discovery rate)",
    formula="sorted p(1) <= ... <= p(m): adjusted p(i) = min over j >= i of min(1, m p(j) / j)",
    source="Benjamini and Hochberg (1995), Controlling the false discovery rate, section 3.1",
)


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for the false discovery rate, in the order of the input.

    Args:
        p_values: raw p-values; None (no test) stays None and does not count.

    Raises:
        ValueError: one is outside [0, 1].

    Assumes: the tests are independent or positively dependent. Source: Benjamini and Hochberg (1995).
    """
    return step_up(p_values, lambda j, m: m / j)
