"""Two-sided tests of a fair coin: the exact binomial p-value and its mid-p version.

Depends on: scipy.special. Used by: `abtest.analytics.statistics.mcnemar`, `abtest.analytics.statistics.sign_test`.
"""

from __future__ import annotations

from abtest.analytics.statistics._student import SMALLEST_P


def fair_coin_p(heads: int, tosses: int) -> float:
    """Return min(1, 2 P(X <= min(heads, tails))) for X ~ Binomial(tosses, 1/2); 1 without a toss."""
    fewer = min(heads, tosses - heads)
    return min(1.0, max(SMALLEST_P, 2 * _at_most(fewer, tosses)))


def fair_coin_mid_p(heads: int, tosses: int) -> float:
    """Return the exact p-value less half of what the observed count weighs in both tails; 1 without a toss.

    Source: Fagerland, Lydersen and Laake (2013), with 1 - P(X = heads) when heads and tails are equal.
    """
    if tosses == 0:
        return 1.0
    fewer = min(heads, tosses - heads)
    upto, below = _at_most(fewer, tosses), _at_most(fewer - 1, tosses)
    return max(SMALLEST_P, 1 - (upto - below) if 2 * fewer == tosses else upto + below)


def _at_most(k: int, tosses: int) -> float:
    from scipy.special import betainc

    if k < 0:
        return 0.0
    if k >= tosses:
        return 1.0
    # P(X <= k) for Binomial(m, 1/2) is the regularised incomplete beta function I_{1/2}(m - k, k + 1).
    return float(betainc(tosses - k, k + 1, 0.5))
