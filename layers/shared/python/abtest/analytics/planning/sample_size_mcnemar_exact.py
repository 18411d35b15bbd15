"""Sample size of the exact McNemar test, which needs a few pairs more than its normal approximation says.

Depends on: `abtest.analytics.planning.power_mcnemar`. Used by: the planning of a test.
"""

from __future__ import annotations

from abtest.analytics.planning._plan import SampleSize
from abtest.analytics.planning.power_mcnemar import EXACT_POWER, power_mcnemar, sample_size_mcnemar

STATISTIC = EXACT_POWER
WHERE_EXACTNESS_ENDS = 100_000
"""Pairs from which on counts may be taken for normal."""
_WINDOW = 32


def sample_size_mcnemar_exact(p_b: float, p_c: float, *, power: float = 0.8, alpha: float = 0.05) -> SampleSize:
    """Return the pairs from which on the exact McNemar test has a given power.

    Args:
        p_b: share of pairs that only one side passes.
        p_c: share of pairs that only the other side passes.
        power: chance to find the difference, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` where both shares are equal.

    Raises:
        ValueError: an argument out of its range.

    Assumes: independent pairs. Beyond a hundred thousand pairs the normal approximation is taken, which is then off
    by some tenths of a percent. Because counts are whole, power falls a little now and then while pairs grow; the
    answer is the number after the last such fall among the numbers looked at.
    """
    approximate = sample_size_mcnemar(p_b, p_c, power=power, alpha=alpha)
    if approximate.samples is None or approximate.samples > WHERE_EXACTNESS_ENDS:
        return approximate

    def enough(pairs: int) -> bool:
        return (power_mcnemar(pairs, p_b, p_c, alpha=alpha).power or 0.0) >= power

    high = approximate.samples
    while not enough(high):
        high += max(8, high // 8)
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    failing = [pairs for pairs in range(high, high + _WINDOW) if not enough(pairs)]
    pairs = failing[-1] + 1 if failing else high
    return SampleSize("ok", float(pairs), pairs)
