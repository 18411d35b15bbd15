"""Power, sample size and detectable difference of two independent shares.

Depends on: scipy.special. Used by: the planning of a test.
"""

from __future__ import annotations

import math

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
    name="Sample size of two independent shares",
    formula="n = (z(1 - alpha / 2) sqrt(2 p q) + z(power) sqrt(p1 q1 + p2 q2))^2 / (p2 - p1)^2 in each group, "
    "p = (p1 + p2) / 2, q = 1 - p",
    source="Fleiss, Levin and Paik (2003), Statistical methods for rates and proportions, chapter 4",
)
_SMALLEST = 1e-12


def sample_size_proportions(p1: float, p2: float, *, power: float = 0.8, alpha: float = 0.05) -> SampleSize:
    """Return the observations in each group with which a two-sided test of two shares has a given power.

    Args:
        p1: share of the control, from 0 to 1.
        p2: share of the treatment, from 0 to 1.
        power: chance to find the difference, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` where the shares are equal.

    Raises:
        ValueError: an argument out of its range.

    Assumes: two independent groups of one size, the normal approximation, no continuity correction; the tail on the
    other side is not counted. For pairs see McNemar's test, which needs fewer.
    """
    check_rates(alpha, power)
    _check(p1, p2)
    if p1 == p2:
        return SampleSize("unreachable")
    null, alternative = _spreads(p1, p2)
    reach = upper_quantile(alpha / 2) * null + upper_quantile(1 - power) * alternative
    ratio = reach / (p2 - p1)
    # A product, because a power of a huge number raises where the product is infinite.
    return size_of(ratio * ratio)


def power_proportions(n: float, p1: float, p2: float, *, alpha: float = 0.05) -> Power:
    """Return the chance that a two-sided test of two independent shares finds their difference.

    Args:
        n: observations in each group.
        p1: share of the control.
        p2: share of the treatment.
        alpha: two-sided error rate.

    Returns:
        `too_few` without observations; `constant` where both shares are 0 or both are 1, which no test tells apart.

    Raises:
        ValueError: an argument out of its range.
    """
    check_samples(n)
    _check(p1, p2)
    reach = upper_quantile(_alpha(alpha) / 2)
    null, alternative = _spreads(p1, p2)
    if n == 0 or null == 0:
        return Power("too_few" if n == 0 else "constant")
    excess = math.sqrt(n) * abs(p2 - p1) - reach * null
    if alternative == 0:
        return Power("ok", float(excess > 0))
    from scipy.special import ndtr

    return Power("ok", float(ndtr(excess / alternative)))


def detectable_difference(n: float, p1: float, *, power: float = 0.8, alpha: float = 0.05) -> DetectableEffect:
    """Return the smallest gain p2 - p1 over a share that is found with a given power.

    Args:
        n: observations in each group.
        p1: share of the control, below 1.
        power: chance to find it, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` where not even a share of 1 would be found.

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, power)
    check_samples(n)
    _check(p1, p1)

    def excess(p2: float) -> float:
        null, alternative = _spreads(p1, p2)
        return math.sqrt(n) * (p2 - p1) - upper_quantile(alpha / 2) * null - upper_quantile(1 - power) * alternative

    if p1 == 1 or excess(1.0) < 0:
        return DetectableEffect("unreachable")
    # At p1 the excess is below 0, but for p1 = 0, where it is 0 and the root lies above.
    low = max(p1, _SMALLEST)
    return DetectableEffect("ok", (low if excess(low) >= 0 else root(excess, low, 1.0)) - p1)


def _spreads(p1: float, p2: float) -> tuple[float, float]:
    """Return sqrt(n) times the standard error of the difference without and with an effect."""
    mean = (p1 + p2) / 2
    return math.sqrt(2 * mean * (1 - mean)), math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))


def _check(p1: float, p2: float) -> None:
    if not (0 <= p1 <= 1 and 0 <= p2 <= 1):
        raise ValueError(f"shares lie between 0 and 1; got {p1} and {p2}")


def _alpha(alpha: float) -> float:
    check_rates(alpha, (1 + alpha) / 2)
    return alpha
