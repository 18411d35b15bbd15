"""An interval of an average effect that holds at all looks together, for means of any scale, from n, mean and variance.

Depends on: numpy. Used by: the always-valid design.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.model import Method
from abtest.analytics.sequential._sequence import SequenceInterval, p_of
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Asymptotic confidence sequence",
    formula="effect -+ sqrt(s2) sqrt(2 (n rho^2 + 1) / (n rho)^2 ln(sqrt(n rho^2 + 1) / alpha)), s2 = n SE^2, "
    "rho = sqrt((-2 ln alpha + ln(1 - 2 ln alpha)) / n*)",
    source="Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory and asymptotic "
    "confidence sequences, theorem 2.2; rho tuned for n* as in its appendix B",
)


@dataclass(frozen=True)
class Arm:
    """Number, mean and variance of one arm's observations."""

    n: int
    mean: float
    variance: float

    @classmethod
    def of_share(cls, successes: int, n: int) -> Arm:
        """Return an arm of yes and no, with the variance p (1 - p).

        Raises:
            ValueError: the counts are not 0 <= successes <= n.
        """
        if not 0 <= successes <= n:
            raise ValueError(f"a share needs counts with 0 <= successes <= n; got {successes} of {n}")
        share = successes / n if n else 0.0
        return cls(n, share, share * (1 - share))


def tuned_rho(tuned_at: float, alpha: float = 0.05) -> float:
    """Return the rho with which the interval is narrowest when there are `tuned_at` observations.

    Args:
        tuned_at: observations at which the answer is expected, above 0; any choice is valid.
        alpha: two-sided error rate.

    Raises:
        ValueError: an argument out of its range.
    """
    check_alpha(alpha)
    if not (math.isfinite(tuned_at) and tuned_at > 0):
        raise ValueError(f"a sequence is tuned for a number of observations above 0; got {tuned_at}")
    return math.sqrt((-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))) / tuned_at)


def half_width(se: float, n: float, rho: float, alpha: float = 0.05) -> float:
    """Return how far the interval reaches to either side.

    Args:
        se: standard error of the effect, at least 0.
        n: observations it rests on, above 0.
        rho: of `tuned_rho`, chosen before the first look and the same at all looks.
        alpha: two-sided error rate.

    Raises:
        ValueError: an argument out of its range.
    """
    check_alpha(alpha)
    _check(se, n, rho)
    scaled = n * rho * rho
    return se * math.sqrt((scaled + 1) / scaled * (math.log1p(scaled) - 2 * math.log(alpha)))


def log_e_value(effect: float, se: float, n: float, rho: float) -> float:
    """Return the natural logarithm of the evidence against no effect; the interval leaves 0 out at -ln(alpha).

    Args:
        effect: estimate, finite.
        se: its standard error, above 0.
        n: observations it rests on, above 0.
        rho: of `tuned_rho`.

    Raises:
        ValueError: an argument out of its range.
    """
    _check(se, n, rho)
    if not (math.isfinite(effect) and se > 0):
        raise ValueError(f"evidence needs a finite effect and a standard error above 0; got {effect}, {se}")
    scaled = n * rho * rho
    return scaled / (scaled + 1) * (effect / se) ** 2 / 2 - math.log1p(scaled) / 2


def asymptotic_confidence_sequence(
    effect: float, se: float, n: int, *, alpha: float = 0.05, tuned_at: float = 5000
) -> SequenceInterval:
    """Return the interval and p-value of an effect that may be read at every look.

    Args:
        effect: estimate, finite.
        se: its standard error.
        n: observations it rests on; of both arms together when they are not paired.
        alpha: two-sided error rate.
        tuned_at: observations at which the interval is narrowest; chosen before the first look.

    Returns:
        `no_data`, `too_few` (below two observations) or `constant` (no spread) without an interval.

    Raises:
        ValueError: an argument out of its range.

    Assumes: independent observations, enough of them at the first look (some dozens) for a near normal mean.
    Source: Waudby-Smith et al. (2024), theorem 2.2; the p-value is where its interval meets 0.
    """
    rho = tuned_rho(tuned_at, alpha)
    if n < 0 or not math.isfinite(effect) or not (math.isfinite(se) and se >= 0):
        raise ValueError(f"a sequence needs n >= 0, a finite effect and SE >= 0; got {n}, {effect}, {se}")
    if n == 0:
        return SequenceInterval("no_data", 0)
    if n == 1 or se == 0:
        return SequenceInterval("too_few" if n == 1 else "constant", n, effect)
    reach, evidence = half_width(se, n, rho, alpha), log_e_value(effect, se, n, rho)
    return SequenceInterval("ok", n, effect, effect - reach, effect + reach, p_of(evidence), evidence)


def difference_of_arms(
    control: Arm, treatment: Arm, *, alpha: float = 0.05, tuned_at: float = 5000
) -> SequenceInterval:
    """Return the sequence of treatment minus control for two independent arms.

    Args:
        control: number, mean and variance.
        treatment: the same.
        alpha: two-sided error rate.
        tuned_at: observations of both arms together at which the interval is narrowest.
    """
    if control.n == 0 or treatment.n == 0:
        return SequenceInterval("no_data", control.n + treatment.n)
    return asymptotic_confidence_sequence(
        treatment.mean - control.mean,
        standard_error(control, treatment),
        control.n + treatment.n,
        alpha=alpha,
        tuned_at=tuned_at,
    )


def standard_error(control: Arm, treatment: Arm) -> float:
    """Return the standard error of the difference of two independent means, each of at least one observation."""
    return math.sqrt(control.variance / control.n + treatment.variance / treatment.n)


def _check(se: float, n: float, rho: float) -> None:
    if not (math.isfinite(se) and se >= 0 and math.isfinite(n) and n > 0 and math.isfinite(rho) and rho > 0):
        raise ValueError(f"a sequence needs SE >= 0, n > 0 and rho > 0, all finite; got {se}, {n}, {rho}")
