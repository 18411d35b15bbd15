"""Bonferroni's adjustment: every p-value times the number of tests.

Depends on: `abtest.analytics.statistics._p_values`. Used by: where each p-value must not depend on the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.model import Method
from abtest.analytics.statistics._p_values import ranked

STATISTIC = Method(
    name="Bonferroni adjustment",
    formula="adjusted p(i) = min(1, m p(i))",
    source="Dunn (1961), Multiple comparisons among means, section 2",
)


def bonferroni(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for the chance of any false finding, in the order of the input.

    Args:
        p_values: raw p-values; None (no test) stays None and does not count.

    Raises:
        ValueError: one is outside [0, 1].

    Assumes: nothing. Holm's adjustment holds the same level and never has less power. Source: Dunn (1961).
    """
    order = ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    for p, index in order:
        adjusted[index] = min(1.0, len(order) * p)
    return adjusted
