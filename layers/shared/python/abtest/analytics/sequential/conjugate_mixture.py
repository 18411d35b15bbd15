"""Normal mixture boundaries for sums with a known variance (or bound of it), and the mixture sequential ratio test.

Needs the number and the mean of the scores only, so batches add up in any order.

Depends on: numpy, scipy.special. Used by: analyses of bounded scores under an always-valid design.
"""

from __future__ import annotations

import math

from abtest.analytics.model import Method
from abtest.analytics.sequential._root import root
from abtest.analytics.sequential._sequence import SequenceInterval, p_of
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Normal mixture boundary and mSPRT",
    formula="|s| < sqrt((v + rho) ln((v + rho) / (rho alpha^2))); ln e = ln(rho / (v + rho)) / 2 + "
    "s^2 / (2 (v + rho)), s = sum of x - mu0, v = n sigma^2, rho = sigma^2 / tau^2",
    source="Howard, Ramdas, McAuliffe and Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence "
    "sequences, section 3.2; Robbins (1970); Johari, Pekelis, Koomen and Walsh (2022), Always valid inference",
)
_HOEFFDING = 0.25
"""A score in [0, 1] is sub-Gaussian with this variance."""


def tuned_mixture(v_opt: float, alpha: float = 0.05) -> float:
    """Return the rho with which the two-sided boundary is about lowest at a given variance.

    Args:
        v_opt: intrinsic time v = n sigma^2 at which the answer is expected, above 0.
        alpha: two-sided error rate.

    Raises:
        ValueError: an argument out of its range.
    """
    check_alpha(alpha)
    if not (math.isfinite(v_opt) and v_opt > 0):
        raise ValueError(f"a boundary is tuned for a finite variance above 0; got {v_opt}")
    return v_opt / (-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha)))


def two_sided_boundary(v: float, rho: float, alpha: float = 0.05) -> float:
    """Return what |s| stays below at all times with probability 1 - alpha.

    Args:
        v: intrinsic time n sigma^2, at least 0.
        rho: of the mixture, above 0.
        alpha: two-sided error rate.

    Raises:
        ValueError: an argument out of its range.
    """
    check_alpha(alpha)
    _check(v, rho)
    return math.sqrt((v + rho) * (math.log1p(v / rho) - 2 * math.log(alpha)))


def one_sided_boundary(v: float, rho: float, alpha: float = 0.05) -> float:
    """Return what s stays below at all times with probability 1 - alpha, by a mixture over positive effects only.

    Args:
        v: intrinsic time n sigma^2, at least 0.
        rho: of the mixture, above 0.
        alpha: one-sided error rate.

    Raises:
        ValueError: an argument out of its range.

    Source: Howard et al. (2021), section 3.2, one-sided normal mixture: the s at which
    ln(4 rho / (v + rho)) / 2 + s^2 / (2 (v + rho)) + ln Phi(s / sqrt(v + rho)) is -ln(alpha).
    """
    check_alpha(alpha)
    _check(v, rho)
    from scipy.special import log_ndtr

    constant = math.log(4) / 2 - math.log1p(v / rho) / 2 + math.log(alpha)

    def excess(z: float) -> float:
        return constant + z * z / 2 + float(log_ndtr(z))

    # At 0 the excess is at most ln(alpha); at the two-sided boundary of alpha / 2 it is 2 ln(2) + ln(Phi) > 0.
    highest = two_sided_boundary(v, rho, alpha / 2) / math.sqrt(v + rho)
    return root(excess, 0.0, highest) * math.sqrt(v + rho)


def log_e_value(s: float, v: float, rho: float) -> float:
    """Return the natural logarithm of the mixture likelihood ratio (mSPRT) against a mean of mu0.

    Args:
        s: sum of x - mu0, finite.
        v: intrinsic time n sigma^2, at least 0; 0 before the first score.
        rho: sigma^2 / tau^2 for a normal prior of the effect with variance tau^2, above 0.

    Raises:
        ValueError: an argument out of its range.
    """
    _check(v, rho)
    if not math.isfinite(s):
        raise ValueError(f"a sum must be finite; got {s}")
    return s * s / (2 * (v + rho)) - math.log1p(v / rho) / 2


def hoeffding_sequence(
    n: int,
    mean: float,
    *,
    alpha: float = 0.05,
    tuned_at: float = 100,
    low: float = 0.0,
    high: float = 1.0,
    null: float | None = None,
) -> SequenceInterval:
    """Return the interval of the mean of bounded scores from their number and mean alone.

    Args:
        n: scores so far.
        mean: of them, in [low, high]; any number when there is none.
        alpha: two-sided error rate.
        tuned_at: scores at which the interval is narrowest; chosen before the first look.
        low: smallest possible score; `high`: the largest.
        null: mean to speak against; the middle of the range (0 for differences) where None.

    Returns:
        Without a score: the whole range, p = 1 and status `no_data`.

    Raises:
        ValueError: an argument out of its range.

    Assumes: every score has the same mean given those before it.
    """
    if n < 0 or not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"a sequence needs n >= 0 and a finite range with low < high; got {n}, [{low}, {high}]")
    rho = tuned_mixture(_HOEFFDING * tuned_at, alpha)
    if n == 0:
        return SequenceInterval("no_data", 0, None, low, high, 1.0, 0.0)
    if not low <= mean <= high:
        raise ValueError(f"the mean must lie in [{low}, {high}]; got {mean}")
    span = high - low
    reach = span * two_sided_boundary(_HOEFFDING * n, rho, alpha) / n
    against = (low + high) / 2 if null is None else null
    evidence = log_e_value(n * (mean - against) / span, _HOEFFDING * n, rho)
    return SequenceInterval("ok", n, mean, max(low, mean - reach), min(high, mean + reach), p_of(evidence), evidence)


def _check(v: float, rho: float) -> None:
    if not (math.isfinite(v) and v >= 0 and math.isfinite(rho) and rho > 0):
        raise ValueError(f"a boundary needs v >= 0 and rho > 0, both finite; got {v}, {rho}")
