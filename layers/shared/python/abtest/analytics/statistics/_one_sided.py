"""One-sided tail of Student's t distribution.

Depends on: `abtest.analytics.statistics._student`. Used by: `abtest.analytics.statistics.equivalence`,
`abtest.analytics.statistics.non_inferiority_mean`, `abtest.analytics.statistics.normal_posterior`.
"""

from __future__ import annotations

from abtest.analytics.statistics._student import SMALLEST_P, two_sided_p


def above(t: float, df: float) -> float:
    """Return P(T > t), T of Student's distribution; never 0, so that it can be shown as less than the smallest.

    Args:
        t: finite.
        df: degrees of freedom, above 0; infinite ones are the normal distribution.
    """
    half = two_sided_p(t, df) / 2
    return max(SMALLEST_P, half) if t > 0 else 1 - half
