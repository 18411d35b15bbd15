"""Student's t distribution by `scipy.special`, because `scipy.stats` costs two seconds of start.

Depends on: scipy.special. Used by: the statistics beside it.
"""

from __future__ import annotations

import math

SMALLEST_P = 1e-300
"""A p-value is never 0; what is smaller is shown as less than this."""


def two_sided_p(t: float, df: float) -> float:
    """Return the two-sided p-value of a t statistic.

    Args:
        t: the statistic, finite.
        df: degrees of freedom, at least 1; infinite ones are the normal distribution.

    Source: P(|T| > t) = I_x(df/2, 1/2) with x = df / (df + t^2), Abramowitz and Stegun 26.5.27.
    """
    from scipy.special import betainc

    if math.isinf(df):
        return max(SMALLEST_P, math.erfc(abs(t) / math.sqrt(2)))
    if abs(t) < 1:
        # Near 0 the argument rounds to 1; the complement keeps the digits.
        return 1 - float(betainc(0.5, df / 2, t * t / (df + t * t)))
    return max(SMALLEST_P, float(betainc(df / 2, 0.5, df / (df + t * t))))


def critical_value(alpha: float, df: float) -> float:
    """Return the t that a two-sided test at level alpha must exceed."""
    from scipy.special import stdtrit

    return -float(stdtrit(df, alpha / 2))
