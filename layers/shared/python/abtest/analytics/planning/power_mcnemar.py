"""Power, sample size and detectable difference of McNemar's test of pairs of pass and fail.

Depends on: numpy, scipy.special. Used by: the planning of a test, `abtest.analytics.planning.sample_size_win_rate`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method
from abtest.analytics.planning._plan import (
    DetectableEffect,
    Power,
    SampleSize,
    check_rates,
    check_samples,
    size_of,
    upper_quantile,
)
from abtest.analytics.sequential._root import root

STATISTIC = Method(
    name="Sample size of McNemar's test",
    formula="n = (z(1 - alpha / 2) sqrt(psi) + z(power) sqrt(psi - delta^2))^2 / delta^2, psi = p_b + p_c, "
    "delta = p_b - p_c, the shares of pairs only one side passes",
    source="Connor (1987), Sample size for testing differences in proportions for the paired-sample design",
)
EXACT_POWER = Method(
    name="Power of the exact McNemar test",
    formula="sum over m of P(M = m) P(2 P(Bin(m, 1/2) <= min(X, m - X)) <= alpha), M ~ Bin(n, p_b + p_c), "
    "X ~ Bin(m, p_b / (p_b + p_c))",
    source="Duffy (1984), Asymptotic and exact power for the McNemar test and its analogue with R controls per case",
)
_SPREAD = 12.0


def sample_size_mcnemar(p_b: float, p_c: float, *, power: float = 0.8, alpha: float = 0.05) -> SampleSize:
    """Return the pairs with which McNemar's test has a given power, by the normal approximation.

    Args:
        p_b: share of pairs that only one side passes.
        p_c: share of pairs that only the other side passes.
        power: chance to find the difference, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` where both shares are equal.

    Raises:
        ValueError: shares that are no shares of the same pairs, or a rate out of its range.

    Assumes: independent pairs. The exact test needs a few more; see `power_mcnemar`.
    """
    check_rates(alpha, power)
    discordance, difference = _checked(p_b, p_c), abs(p_b - p_c)
    if difference == 0:
        return SampleSize("unreachable")
    # Rounding can put the variance, which is at least 0, below it.
    spread = math.sqrt(max(0.0, discordance - difference**2))
    reach = upper_quantile(alpha / 2) * math.sqrt(discordance) + upper_quantile(1 - power) * spread
    # A product, because a power of a huge number raises where the product is infinite.
    ratio = reach / difference
    return size_of(ratio * ratio)


def power_mcnemar(pairs: int, p_b: float, p_c: float, *, alpha: float = 0.05) -> Power:
    """Return the chance that the exact McNemar test finds a difference, over all numbers of pairs that differ.

    Args:
        pairs: all pairs, those that agree too.
        p_b: share of pairs that only one side passes.
        p_c: share of pairs that only the other side passes.
        alpha: two-sided error rate.

    Returns:
        `too_few` without pairs; 0 where no pair ever differs.

    Raises:
        ValueError: an argument out of its range.

    Source: Duffy (1984); numbers of differing pairs beyond twelve standard deviations are left out.
    """
    check_rates(alpha, (1 + alpha) / 2)
    check_samples(pairs)
    discordance = _checked(p_b, p_c)
    if pairs == 0:
        return Power("too_few")
    if discordance == 0:
        return Power("ok", 0.0)
    return Power("ok", _exact_power(int(pairs), discordance, p_b / discordance, alpha))


def detectable_difference_mcnemar(
    pairs: int, discordance: float, *, power: float = 0.8, alpha: float = 0.05
) -> DetectableEffect:
    """Return the smallest difference of two pass rates that the exact McNemar test finds with a given power.

    Args:
        pairs: all pairs.
        discordance: share of pairs in which the two sides differ, in (0, 1].
        power: chance to find it, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` where not even the largest difference, which is the discordance, is found with that chance.

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, power)
    check_samples(pairs)
    if not 0 < discordance <= 1:
        raise ValueError(f"the discordance is a share in (0, 1]; got {discordance}")

    def excess(difference: float) -> float:
        return _exact_power(int(pairs), discordance, 0.5 + difference / (2 * discordance), alpha) - power

    if pairs == 0 or excess(discordance) < 0:
        return DetectableEffect("unreachable")
    return DetectableEffect("ok", root(excess, 0.0, discordance, tolerance=1e-12))


def _exact_power(pairs: int, discordance: float, share: float, alpha: float) -> float:
    from scipy.special import bdtr

    share = min(1.0, max(0.0, share))
    centre, spread = pairs * discordance, math.sqrt(pairs * discordance * (1 - discordance))
    low = max(0, math.floor(centre - _SPREAD * spread - _SPREAD))
    high = min(pairs, math.ceil(centre + _SPREAD * spread + _SPREAD))
    differing = np.arange(low, high + 1)
    cumulative = bdtr(differing.astype(np.float64), pairs, discordance)
    first = bdtr(low - 1.0, pairs, discordance) if low else 0.0
    weights = np.diff(cumulative, prepend=first)
    fewest = _largest_rejected(differing, alpha)
    rejects = fewest >= 0
    m, k = differing[rejects], fewest[rejects].astype(np.float64)
    # Either side may be the rarer one; the upper tail is the lower one with the shares exchanged.
    tails = bdtr(k, m, share) + bdtr(k, m, 1 - share)
    return float(np.clip(weights[rejects] @ tails, 0.0, 1.0))


def _largest_rejected(differing: npt.NDArray[np.int64], alpha: float) -> npt.NDArray[np.int64]:
    """Return the largest k with 2 P(Bin(m, 1/2) <= k) <= alpha for each m, or -1 where even k = 0 is not rejected."""
    from scipy.special import bdtr, ndtri

    m = differing.astype(np.float64)
    guess = np.floor(m / 2 + float(ndtri(alpha / 2)) * np.sqrt(m) / 2)
    k = np.clip(guess, -1, np.ceil(m / 2) - 1)

    def rejected(at: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        tail = bdtr(np.maximum(at, 0), differing, 0.5)
        return np.asarray(np.where(at < 0, True, 2 * tail <= alpha) & (at <= m), dtype=bool)

    while not (fine := rejected(k)).all():
        k = np.where(fine, k, k - 1)
    while (more := rejected(k + 1)).any():
        k = np.where(more, k + 1, k)
    return k.astype(np.int64)


def _checked(p_b: float, p_c: float) -> float:
    if not (p_b >= 0 and p_c >= 0 and p_b + p_c <= 1 + 1e-12):
        raise ValueError(f"two shares of the same pairs are at least 0 and at most 1 together; got {p_b} and {p_c}")
    return min(1.0, p_b + p_c)
