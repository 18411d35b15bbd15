"""What asking the same sample several times buys: power with K answers of each variant to each sample.

Depends on: scipy.special. Used by: the planning of a test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.planning._plan import (
    DetectableEffect,
    Power,
    SampleSize,
    check_rates,
    check_samples,
    size_of,
    upper_quantile,
)

STATISTIC = Method(
    name="Sample size with K answers for each sample",
    formula="n = (z(1 - alpha / 2) + z(power))^2 (omega^2 + (sigma_A^2 + sigma_B^2) / K) / delta^2; "
    "SE^2 = (omega^2 + (sigma_A^2 + sigma_B^2) / K) / n",
    source="Miller (2024), Adding error bars to evals, section 5",
)


@dataclass(frozen=True)
class Resamples:
    """How many answers of each variant to each sample a power needs; `unreachable` where no number is enough."""

    status: Status
    k: float | None = None
    answers: int | None = None


@dataclass(frozen=True)
class VarianceComponents:
    """Where the difference of two variants varies.

    Args:
        between: omega^2, variance over samples of the expected difference B - A.
        within: sigma_A^2 + sigma_B^2, mean variance of an answer's score to the same sample, both variants added.
    """

    between: float
    within: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(part) and part >= 0 for part in (self.between, self.within)):
            raise ValueError(f"variances are finite and at least 0; got {self.between} and {self.within}")

    def of_mean(self, k: float) -> float:
        """Return the variance of one sample's mean difference when each variant answers it k times."""
        if not (math.isfinite(k) and k > 0):
            raise ValueError(f"each sample needs a number of answers above 0; got {k}")
        return self.between + self.within / k


def squared_error(components: VarianceComponents, n: float, k: float = 1) -> float | None:
    """Return the squared standard error of the mean difference; None without samples.

    Args:
        components: of the variance.
        n: samples.
        k: answers of each variant to each sample.
    """
    check_samples(n)
    return components.of_mean(k) / n if n else None


def sample_size_resamples(
    components: VarianceComponents, effect: float, *, k: float = 1, power: float = 0.8, alpha: float = 0.05
) -> SampleSize:
    """Return the samples with which a mean difference is found with a given power.

    Args:
        components: of the variance.
        effect: true mean difference, in the score's unit.
        k: answers of each variant to each sample.
        power: chance to find it, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` without an effect.

    Raises:
        ValueError: an argument out of its range.

    Assumes: independent samples, and the normal approximation.
    """
    reach = _reach(alpha, power, effect)
    if effect == 0:
        return SampleSize("unreachable")
    return size_of(reach**2 * components.of_mean(k) / effect**2)


def resamples_needed(
    components: VarianceComponents, effect: float, n: float, *, power: float = 0.8, alpha: float = 0.05
) -> Resamples:
    """Return how many answers to each sample find a mean difference with a given power, at a fixed number of samples.

    Args:
        components: of the variance.
        effect: true mean difference, in the score's unit.
        n: samples.
        power: chance to find it, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` where the samples alone vary too much: only more samples help then.

    Raises:
        ValueError: an argument out of its range.
    """
    check_samples(n)
    room = n * effect**2 / _reach(alpha, power, effect) ** 2 - components.between
    if effect == 0 or room < 0 or (room == 0 and components.within > 0):
        return Resamples("unreachable")
    k = components.within / room if components.within else 1.0
    return Resamples("ok", k, max(1, size_of(k).samples or 1))


def power_resamples(
    components: VarianceComponents, effect: float, n: float, *, k: float = 1, alpha: float = 0.05
) -> Power:
    """Return the chance that a mean difference is found; the tail on the other side is not counted.

    Args:
        components: of the variance.
        effect: true mean difference.
        n: samples.
        k: answers of each variant to each sample.
        alpha: two-sided error rate.

    Returns:
        `too_few` without samples; `constant` where nothing varies, which no test with an error rate describes.

    Raises:
        ValueError: an argument out of its range.
    """
    _reach(alpha, (1 + alpha) / 2, effect)
    error = squared_error(components, n, k)
    if not error:
        return Power("too_few" if error is None else "constant")
    from scipy.special import ndtr

    return Power("ok", float(ndtr(abs(effect) / math.sqrt(error) - upper_quantile(alpha / 2))))


def detectable_effect_resamples(
    components: VarianceComponents, n: float, *, k: float = 1, power: float = 0.8, alpha: float = 0.05
) -> DetectableEffect:
    """Return the smallest mean difference that is found with a given power.

    Args:
        components: of the variance.
        n: samples.
        k: answers of each variant to each sample.
        power: chance to find it, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `too_few` without samples.

    Raises:
        ValueError: an argument out of its range.
    """
    reach = _reach(alpha, power, 0.0)
    error = squared_error(components, n, k)
    return DetectableEffect("too_few") if error is None else DetectableEffect("ok", reach * math.sqrt(error))


def _reach(alpha: float, power: float, effect: float) -> float:
    check_rates(alpha, power)
    if not math.isfinite(effect):
        raise ValueError(f"an effect is finite; got {effect}")
    return upper_quantile(alpha / 2) + upper_quantile(1 - power)
