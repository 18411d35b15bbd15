"""Score test and interval of the difference of two unpaired shares (Miettinen and Nurminen; Farrington and Manning).

Depends on: `abtest.analytics.statistics.share_difference`, `abtest.analytics.sequential._root`. Used by:
`abtest.analytics.statistics.non_inferiority_proportion`.
"""

from __future__ import annotations

import math

from abtest.analytics.model import Method
from abtest.analytics.sequential._root import root
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics._wald import quantile
from abtest.analytics.statistics.share_difference import ShareDifference, TwoShares

STATISTIC = Method(
    name="Score interval of the difference of two shares",
    formula="z(d) = (p_B - p_A - d) / sqrt((q_B (1 - q_B) / n_B + q_A (1 - q_A) / n_A) N / (N - 1)), q the likeliest "
    "shares with q_B - q_A = d, N = n_A + n_B; the interval holds every d with |z(d)| <= z",
    source="Miettinen and Nurminen (1985), Comparative analysis of two rates, eq. 8 and 9; without the factor "
    "N / (N - 1): Farrington and Manning (1990)",
)


def score_interval(shares: TwoShares, alpha: float = 0.05, *, as_statsmodels: bool = False) -> ShareDifference:
    """Return the difference with the interval of all differences that the score test does not reject.

    Args:
        shares: counts of both groups.
        alpha: two-sided error rate.
        as_statsmodels: see `constrained_shares`.

    Assumes: independent answers. Source: Miettinen and Nurminen (1985).
    """
    z = quantile(alpha)
    if shares.is_empty:
        return ShareDifference("no_data")
    effect = shares.effect
    low = -1.0 if effect <= -1 else root(lambda d: score_z(shares, d, as_statsmodels=as_statsmodels) - z, -1.0, effect)
    high = 1.0 if effect >= 1 else root(lambda d: score_z(shares, d, as_statsmodels=as_statsmodels) + z, effect, 1.0)
    return ShareDifference("ok", effect, low, high)


def score_p_below(shares: TwoShares, margin: float, *, as_statsmodels: bool = False) -> float | None:
    """Return the p-value of "the difference is at least margin"; None when a group is empty.

    Args:
        shares: counts of both groups.
        margin: a difference, above -1 and below 1.
        as_statsmodels: see `constrained_shares`.

    Raises:
        ValueError: the margin is no difference of shares.

    Assumes: independent answers. Source: Miettinen and Nurminen (1985), eq. 8.
    """
    if not -1 < margin < 1:
        raise ValueError(f"a margin of a share is between -1 and 1; got {margin}")
    if shares.is_empty:
        return None
    z = score_z(shares, margin, as_statsmodels=as_statsmodels)
    return min(1.0, max(SMALLEST_P, math.erfc(-z / math.sqrt(2)) / 2))


def score_z(shares: TwoShares, difference: float, *, as_statsmodels: bool = False) -> float:
    """Return how many standard errors the observed difference lies above a supposed one.

    Args:
        shares: counts of two groups that have answers.
        difference: the supposed difference B - A, from -1 to 1.
        as_statsmodels: see `constrained_shares`.
    """
    q_a, q_b = constrained_shares(shares, difference, as_statsmodels=as_statsmodels)
    total = shares.n_a + shares.n_b
    variance = (q_b * (1 - q_b) / shares.n_b + q_a * (1 - q_a) / shares.n_a) * total / (total - 1)
    gap = shares.effect - difference
    if abs(gap) < 1e-15:
        return 0.0
    # Only at a difference of -1 or 1 is there no variance: nothing else than that difference could be observed.
    return gap / math.sqrt(variance) if variance > 1e-300 else math.copysign(1e150, gap)


def constrained_shares(shares: TwoShares, difference: float, *, as_statsmodels: bool = False) -> tuple[float, float]:
    """Return the likeliest shares of A and B among those that differ by B - A = difference.

    Args:
        shares: counts of two groups that have answers.
        difference: the supposed difference B - A, from -1 to 1.
        as_statsmodels: solve the equation as statsmodels 0.15.0 writes it, with x_A d^2 where the paper has n_A d^2.
            These are not the likeliest shares, and the interval is a little too short: only to compare with it.

    Source: Miettinen and Nurminen (1985), appendix 1: the root of a cubic equation, in its trigonometric form.
    """
    n_a, n_b, x_a, x_b = shares.n_a, shares.n_b, shares.successes_a, shares.successes_b
    total = n_a + n_b
    c2 = ((n_b + 2 * n_a) * difference - total - x_a - x_b) / (3 * total)
    square = x_a if as_statsmodels and difference != 0 else n_a
    c1 = (square * difference * difference - difference * (total + 2 * x_a) + x_a + x_b) / total
    c0 = x_a * difference * (1 - difference) / total
    q = c2**3 - c2 * c1 / 2 + c0 / 2
    p = math.copysign(math.sqrt(max(0.0, c2 * c2 - c1 / 3)), q)
    angle = (math.pi + math.acos(min(1.0, max(-1.0, q / p**3 if p else 0.0)))) / 3
    q_a = min(max(2 * p * math.cos(angle) - c2, 0.0, -difference), 1.0, 1 - difference)
    return q_a, q_a + difference
