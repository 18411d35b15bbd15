"""Intervals for one share of yes among n independent answers: Wilson, Clopper-Pearson, Jeffreys.

Depends on: scipy.special. Used by: `abtest.analytics.statistics.win_rate`, `abtest.analytics.statistics.position_bias`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._wald import check_alpha, quantile

STATISTIC = Method(
    name="Wilson score interval of a share",
    formula="p = x / n, z normal quantile: (p + z^2 / (2 n) -+ z sqrt(p (1 - p) / n + z^2 / (4 n^2))) / (1 + z^2 / n)",
    source="Wilson (1927), Probable inference, the law of succession, and statistical inference; "
    "Brown, Cai and DasGupta (2001), section 3.1.1",
)
CLOPPER_PEARSON = Method(
    name="Clopper-Pearson interval of a share",
    formula="low = BetaQuantile(alpha / 2; x, n - x + 1); high = BetaQuantile(1 - alpha / 2; x + 1, n - x)",
    source="Clopper and Pearson (1934), The use of confidence or fiducial limits; "
    "Brown, Cai and DasGupta (2001), section 4.2.1",
)
JEFFREYS = Method(
    name="Jeffreys interval of a share",
    formula="BetaQuantile(alpha / 2 and 1 - alpha / 2; x + 1/2, n - x + 1/2); low = 0 at x = 0, high = 1 at x = n",
    source="Brown, Cai and DasGupta (2001), Interval estimation for a binomial proportion, section 3.1.3",
)


@dataclass(frozen=True)
class ShareInterval:
    """A share and its interval, both from 0 to 1; None with status `no_data` when n is 0."""

    status: Status
    n: float
    share: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


def wilson(successes: float, n: float, alpha: float = 0.05) -> ShareInterval:
    """Return the share with Wilson's score interval, without continuity correction.

    Args:
        successes: answers that are yes; halves are allowed (a tie counted as half a win).
        n: all answers.
        alpha: two-sided error rate.

    Raises:
        ValueError: the counts are not 0 <= successes <= n, or alpha is not between 0 and 1.

    Assumes: independent answers. With halves the interval is too wide, since a half varies less than a whole.
    Source: Wilson (1927).
    """
    z = quantile(alpha)
    if _is_empty(successes, n):
        return ShareInterval("no_data", n)
    p, squared = successes / n, z * z / n
    root = z * math.sqrt(p * (1 - p) / n + squared / (4 * n))
    high = min(1.0, (p + squared / 2 + root) / (1 + squared))
    # The product of the two ends is p^2 / (1 + z^2 / n); dividing keeps the digits that a difference loses near 0.
    low = p * p / ((1 + squared) * high)
    return ShareInterval("ok", n, p, low, 1.0 if successes == n else high)


def clopper_pearson(successes: int, n: int, alpha: float = 0.05) -> ShareInterval:
    """Return the share with the exact interval, which covers at least 1 - alpha for every true share.

    Args:
        successes: answers that are yes.
        n: all answers.
        alpha: two-sided error rate.

    Raises:
        ValueError: the counts are not 0 <= successes <= n, or alpha is not between 0 and 1.

    Assumes: independent answers. Source: Clopper and Pearson (1934).
    """
    check_alpha(alpha)
    if _is_empty(successes, n):
        return ShareInterval("no_data", n)
    from scipy.special import betaincinv

    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, alpha / 2))
    high = 1.0 if successes == n else _upper(successes + 1, n - successes, alpha)
    return ShareInterval("ok", n, successes / n, low, high)


def jeffreys(successes: float, n: float, alpha: float = 0.05) -> ShareInterval:
    """Return the share with the equal-tailed interval of the Beta posterior under Jeffreys' prior.

    Args:
        successes: answers that are yes.
        n: all answers.
        alpha: two-sided error rate.

    Raises:
        ValueError: the counts are not 0 <= successes <= n, or alpha is not between 0 and 1.

    Assumes: independent answers. Source: Brown, Cai and DasGupta (2001), with the ends moved to 0 and 1 at the border.
    """
    check_alpha(alpha)
    if _is_empty(successes, n):
        return ShareInterval("no_data", n)
    from scipy.special import betaincinv

    low = 0.0 if successes == 0 else float(betaincinv(successes + 0.5, n - successes + 0.5, alpha / 2))
    high = 1.0 if successes == n else _upper(successes + 0.5, n - successes + 0.5, alpha)
    return ShareInterval("ok", n, successes / n, low, high)


def _upper(a: float, b: float, alpha: float) -> float:
    """Return the Beta(a, b) quantile at 1 - alpha / 2."""
    from scipy.special import betaincinv

    # 1 - alpha / 2 rounds when alpha is tiny; the mirror takes alpha / 2 as it is.
    if alpha < 1e-6:
        return 1 - float(betaincinv(b, a, alpha / 2))
    return float(betaincinv(a, b, 1 - alpha / 2))


def _is_empty(successes: float, n: float) -> bool:
    if not (math.isfinite(n) and 0 <= successes <= n):
        raise ValueError(f"a share needs counts with 0 <= successes <= n; got {successes} of {n}")
    return n == 0
