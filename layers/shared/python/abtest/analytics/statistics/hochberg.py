"""Hochberg's adjustment: as Holm's, with more power where the tests do not oppose each other.

Depends on: `abtest.analytics.statistics._p_values`. Used by: comparisons of several treatments or metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.model import Method
from abtest.analytics.statistics._p_values import step_up

STATISTIC = Method(
    name="Hochberg's step-up adjustment",
    formula="sorted p(1) <= ... <= p(m): adjusted p(i) = min over j >= i of min(1, (m - j + 1) p(j))",
    source="Hochberg (1988), A sharper Bonferroni procedure for multiple tests of significance",
)


def hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for the chance of any false finding, in the order of the input.

    Args:
        p_values: raw p-values; None (no test) stays None and does not count.

    Raises:
        ValueError: one is outside [0, 1].

    Assumes: the tests are independent or positively dependent (Simes' inequality holds). Source: Hochberg (1988).
    """
    return step_up(p_values, lambda j, m: m - j + 1)
