"""Power, sample size and detectable effect of a t test of means: paired, one sample or two samples.

Depends on: numpy, scipy.special. Used by: the planning of a test.
"""

from __future__ import annotations

import math
from typing import Literal

from abtest.analytics.model import Method
from abtest.analytics.planning._noncentral_t import upper_tail
from abtest.analytics.planning._plan import (
    Alternative,
    DetectableEffect,
    Power,
    SampleSize,
    check_rates,
    check_samples,
    size_of,
)
from abtest.analytics.sequential._root import root

STATISTIC = Method(
    name="Power of a t test",
    formula="P(|T| > t(1 - alpha / 2; df)), T noncentral t with df = n - 1, ncp = d sqrt(n) (paired, one sample) or "
    "df = 2 (n - 1), ncp = d sqrt(n / 2) (two samples of n)",
    source="Cohen (1988), Statistical power analysis for the behavioral sciences, chapter 2; both tails counted",
)
Design = Literal["paired", "one_sample", "two_sample"]
_FEWEST = 2.0
_MOST = 1e12


def power_t(
    n: float, effect: float, *, design: Design = "paired", alpha: float = 0.05, alternative: Alternative = "two_sided"
) -> Power:
    """Return the chance that a t test finds a standardised effect.

    Args:
        n: pairs, or observations in each of two samples; need not be whole.
        effect: mean difference divided by the standard deviation of the differences (paired), of the observations
            (one sample) or within a sample (two samples), B - A.
        design: which test.
        alpha: error rate, two-sided unless the alternative is one-sided.
        alternative: what the test looks for.

    Returns:
        `too_few` below two observations (in each sample).

    Raises:
        ValueError: an argument out of its range.

    Assumes: independent near normal differences or observations, with one variance in both samples.
    """
    check_samples(n)
    _check(effect, alpha)
    if n < _FEWEST:
        return Power("too_few")
    return Power("ok", _power(n, effect, design, alpha, alternative))


def sample_size_t(
    effect: float,
    *,
    power: float = 0.8,
    design: Design = "paired",
    alpha: float = 0.05,
    alternative: Alternative = "two_sided",
) -> SampleSize:
    """Return the number of pairs, or of observations in each sample, with which a t test has a given power.

    Args:
        effect: standardised, as in `power_t`.
        power: chance to find it, between alpha and 1.
        design: which test.
        alpha: error rate, two-sided unless the alternative is one-sided.
        alternative: what the test looks for.

    Returns:
        At least 2; `unreachable` for no effect, one on the other side of a one-sided test, or one below a millionth.

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, power)
    _check(effect, alpha)
    if effect == 0 or (alternative == "greater" and effect < 0) or (alternative == "less" and effect > 0):
        return SampleSize("unreachable")

    def excess(log_n: float) -> float:
        return _power(math.exp(log_n), effect, design, alpha, alternative) - power

    if excess(math.log(_FEWEST)) >= 0:
        return size_of(_FEWEST)
    if excess(math.log(_MOST)) < 0:
        return SampleSize("unreachable")
    return size_of(math.exp(root(excess, math.log(_FEWEST), math.log(_MOST))))


def detectable_effect_t(
    n: float,
    *,
    power: float = 0.8,
    design: Design = "paired",
    alpha: float = 0.05,
    alternative: Alternative = "two_sided",
) -> DetectableEffect:
    """Return the smallest standardised effect that a t test finds with a given power; negative for `less`.

    Args:
        n: pairs, or observations in each sample.
        power: chance to find it, between alpha and 1.
        design: which test.
        alpha: error rate, two-sided unless the alternative is one-sided.
        alternative: what the test looks for.

    Returns:
        `too_few` below two observations (in each sample).

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, power)
    check_samples(n)
    if n < _FEWEST:
        return DetectableEffect("too_few")
    side: Alternative = "two_sided" if alternative == "two_sided" else "greater"

    def excess(effect: float) -> float:
        return _power(n, effect, design, alpha, side) - power

    high = 1.0 / math.sqrt(n)
    while excess(high) < 0:
        high *= 2
    effect = root(excess, 0.0, high, tolerance=1e-15)
    return DetectableEffect("ok", -effect if alternative == "less" else effect)


def _power(n: float, effect: float, design: Design, alpha: float, alternative: Alternative) -> float:
    from scipy.special import stdtrit

    samples = 2 if design == "two_sample" else 1
    df, noncentrality = samples * (n - 1), effect * math.sqrt(n / samples)
    if alternative == "two_sided":
        critical = -float(stdtrit(df, alpha / 2))
        return min(1.0, upper_tail(critical, df, noncentrality) + upper_tail(critical, df, -noncentrality))
    return upper_tail(-float(stdtrit(df, alpha)), df, noncentrality if alternative == "greater" else -noncentrality)


def _check(effect: float, alpha: float) -> None:
    if not math.isfinite(effect):
        raise ValueError(f"a standardised effect is finite; got {effect}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is an error rate between 0 and 1, both excluded; got {alpha}")
