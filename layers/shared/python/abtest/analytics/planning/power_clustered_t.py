"""Power, sample size and detectable effect of a t test of means whose samples belong together.

Few clusters leave few degrees of freedom however many samples they hold, which the design effect alone does not count.

Depends on: numpy, scipy.special. Used by: the planning of a test.
"""

from __future__ import annotations

import math

from abtest.analytics.model import Method
from abtest.analytics.planning._noncentral_t import upper_tail
from abtest.analytics.planning._plan import (
    DetectableEffect,
    Power,
    SampleSize,
    check_rates,
    check_samples,
    size_of,
)
from abtest.analytics.planning.design_effect import DesignEffect
from abtest.analytics.planning.sample_size_t import Design
from abtest.analytics.sequential._root import root

STATISTIC = Method(
    name="Power of a t test of clustered samples",
    formula="P(|T| > t(1 - alpha / 2; df)), T noncentral t, ncp = d sqrt(n / deff) and df = G - 1 (paired), "
    "ncp = d sqrt(n / (2 deff)) and df = 2 (G - 1) (two samples of n), G = n / mean cluster size",
    source="Donner and Klar (2000), Design and analysis of cluster randomization trials in health research, chapter 5; "
    "design effect of Kish (1965)",
)
_FEWEST_CLUSTERS = 2.0
_MOST = 1e12


def power_clustered_t(
    n: float, effect: float, shape: DesignEffect, mean_size: float, *, design: Design = "paired", alpha: float = 0.05
) -> Power:
    """Return the chance that a two-sided t test with cluster-robust error finds a standardised effect.

    Args:
        n: pairs, or observations in each of two samples; need not be whole.
        effect: mean difference in standard deviations, as in `power_t`.
        shape: design effect of the clusters.
        mean_size: mean number of samples in a cluster, at least 1.
        design: which test.
        alpha: two-sided error rate.

    Returns:
        `too_few` below two clusters (in each sample).

    Raises:
        ValueError: an argument out of its range.

    Assumes: independent clusters alike in size; very unequal ones leave fewer degrees of freedom.
    """
    check_rates(alpha, (1 + alpha) / 2)
    check_samples(n)
    _check(effect, shape, mean_size)
    if n / mean_size < _FEWEST_CLUSTERS:
        return Power("too_few")
    return Power("ok", _power(n, effect, shape, mean_size, design=design, alpha=alpha))


def sample_size_clustered_t(
    effect: float,
    shape: DesignEffect,
    mean_size: float,
    *,
    power: float = 0.8,
    design: Design = "paired",
    alpha: float = 0.05,
) -> SampleSize:
    """Return the observations (in each sample) with which the test has a given power.

    Args:
        effect: standardised.
        shape: design effect of the clusters.
        mean_size: mean number of samples in a cluster.
        power: chance to find the effect, between alpha and 1.
        design: which test.
        alpha: two-sided error rate.

    Returns:
        At least two clusters; `unreachable` without an effect.

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, power)
    _check(effect, shape, mean_size)
    fewest = _FEWEST_CLUSTERS * mean_size
    if effect == 0:
        return SampleSize("unreachable")

    def excess(log_n: float) -> float:
        return _power(math.exp(log_n), effect, shape, mean_size, design=design, alpha=alpha) - power

    if excess(math.log(fewest)) >= 0:
        return size_of(fewest)
    if excess(math.log(_MOST)) < 0:
        return SampleSize("unreachable")
    return size_of(math.exp(root(excess, math.log(fewest), math.log(_MOST))))


def detectable_effect_clustered_t(
    n: float,
    shape: DesignEffect,
    mean_size: float,
    *,
    power: float = 0.8,
    design: Design = "paired",
    alpha: float = 0.05,
) -> DetectableEffect:
    """Return the smallest standardised effect that the test finds with a given power.

    Args:
        n: pairs, or observations in each sample.
        shape: design effect of the clusters.
        mean_size: mean number of samples in a cluster.
        power: chance to find it, between alpha and 1.
        design: which test.
        alpha: two-sided error rate.

    Returns:
        `too_few` below two clusters (in each sample).

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, power)
    check_samples(n)
    _check(0.0, shape, mean_size)
    if n / mean_size < _FEWEST_CLUSTERS:
        return DetectableEffect("too_few")

    def excess(effect: float) -> float:
        return _power(n, effect, shape, mean_size, design=design, alpha=alpha) - power

    high = 1.0 / math.sqrt(n)
    while excess(high) < 0:
        high *= 2
    return DetectableEffect("ok", root(excess, 0.0, high, tolerance=1e-15))


def _power(n: float, effect: float, shape: DesignEffect, mean_size: float, *, design: Design, alpha: float) -> float:
    from scipy.special import stdtrit

    samples = 2 if design == "two_sample" else 1
    df = samples * (n / mean_size - 1)
    noncentrality = effect * math.sqrt(n / (samples * (shape.design_effect or 1.0)))
    critical = -float(stdtrit(df, alpha / 2))
    return min(1.0, upper_tail(critical, df, noncentrality) + upper_tail(critical, df, -noncentrality))


def _check(effect: float, shape: DesignEffect, mean_size: float) -> None:
    if not math.isfinite(effect):
        raise ValueError(f"a standardised effect is finite; got {effect}")
    if not shape.design_effect:
        raise ValueError(f"clusters need a design effect above 0; got {shape.design_effect}")
    if not (math.isfinite(mean_size) and mean_size >= 1):
        raise ValueError(f"a cluster has at least one sample; got a mean of {mean_size}")
