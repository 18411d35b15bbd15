"""Bootstrap intervals of a mean: percentile, basic and BCa.

Depends on: numpy, scipy.special, `_resampling`. Used by: intervals of skewed quantities such as cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._resampling import Scheme, resampled_sums
from abtest.analytics.statistics._values import finite_list
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Bootstrap of the mean (BCa)",
    formula="quantiles of the resampled means at Phi(z0 + (z0 + z) / (1 - a (z0 + z))), z0 = Phi^-1(P(T* < T)), "
    "a = sum u^3 / (6 (sum u^2)^1.5), u = x - mean",
    source="Efron (1987), Better bootstrap confidence intervals; Efron and Tibshirani (1993), eq. 14.10, 14.14 and "
    "14.15; percentile and basic: Davison and Hinkley (1997), eq. 5.18 and 5.6",
)
_SAME = 1e-12

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class BootstrapResult:
    """An estimate and its bootstrap intervals; what does not exist is None and `status` says why.

    Args:
        n: resampled units: observations, or clusters.
        estimate: the statistic of the data.
        se: standard deviation of the replicates.
        percentile: their quantiles; `basic`: those mirrored at the estimate.
        bca: bias-corrected and accelerated; None for quantiles, whose acceleration the jackknife cannot tell, and
            where all replicates lie on one side of the estimate.
        bias_correction: z0; `acceleration`: a.
        replicates: how many; `seed`: where they came from; `scheme`: how they were drawn.
    """

    status: Status
    n: int
    estimate: float | None = None
    se: float | None = None
    percentile: Interval | None = None
    basic: Interval | None = None
    bca: Interval | None = None
    bias_correction: float | None = None
    acceleration: float | None = None
    replicates: int | None = None
    seed: int | None = None
    scheme: Scheme | None = None


def bootstrap_mean(values: Any, alpha: float = 0.05, *, replicates: int = 9_999, seed: int = 0) -> BootstrapResult:
    """Return the mean with percentile, basic and BCa intervals.

    Args:
        values: observations, shape (n,), finite; for pairs the differences B - A.
        alpha: two-sided error rate.
        replicates: resamples, at least 1 / alpha.
        seed: of the resamples.

    Raises:
        ValueError: an observation is not finite, alpha is no error rate, or the replicates are too few for it.

    Assumes: observations are independent; below about 20 of them every bootstrap interval is too short.
    Source: Efron (1987); Efron and Tibshirani (1993), section 14.3; the jackknife of a mean in closed form.
    """
    check_replicates(replicates, alpha)
    x = finite_list(values, "observations")
    if x.size == 0:
        return BootstrapResult("no_data", 0)
    n, mean, scale = int(x.size), float(x.mean()), _SAME * max(1e-300, float(np.abs(x).max()))
    if n == 1:
        return BootstrapResult("too_few", 1, mean)
    if float(np.ptp(x)) <= scale:
        return BootstrapResult("constant", n, mean, 0.0, (mean, mean), (mean, mean), (mean, mean))
    centred = x - mean
    drawn = resampled_sums(centred[:, None], replicates, np.random.default_rng(seed))
    deviations = drawn.sums[:, 0] / n
    bias, acceleration = bias_correction(deviations, 0.0, scale), acceleration_of(centred)
    found = BootstrapResult("ok", n, mean, replicates=replicates, seed=seed, scheme=drawn.scheme)
    found = summarised(found, deviations + mean, alpha)
    bca = _bca(deviations + mean, bias, acceleration, alpha)
    return replace(found, bca=bca, bias_correction=bias, acceleration=acceleration)


def check_replicates(replicates: int, alpha: float) -> None:
    """Refuse a number of replicates whose extremes do not reach the quantiles that alpha asks for.

    Raises:
        ValueError: alpha is not between 0 and 1, or (replicates + 1) alpha / 2 is below 1.
    """
    check_alpha(alpha)
    if (replicates + 1) * alpha / 2 < 1:
        raise ValueError(
            f"{replicates} replicates are too few for alpha {alpha}; at least {2 / alpha - 1:.0f} are needed"
        )


def summarised(found: BootstrapResult, drawn: Floats, alpha: float) -> BootstrapResult:
    """Return a result with standard error, percentile and basic interval of its replicates, shape (replicates,)."""
    if found.estimate is None:
        raise ValueError("intervals need an estimate")
    estimate, (low, high) = found.estimate, _quantiles(drawn, np.asarray((alpha / 2, 1 - alpha / 2)))
    basic = 2 * estimate - high, 2 * estimate - low
    return replace(found, se=float(drawn.std(ddof=1)), percentile=(low, high), basic=basic)


def acceleration_of(influence: Floats) -> float:
    """Return the acceleration from centred influence values (of a mean: the centred observations), shape (n,).

    Source: Efron and Tibshirani (1993), eq. 14.15.
    """
    scaled = influence / float(np.abs(influence).max())
    squares = scaled * scaled
    return float(squares @ scaled) / (6 * math.sqrt(float(squares.sum())) ** 3)


def bias_correction(drawn: Floats, estimate: float, same: float) -> float | None:
    """Return z0 = Phi^-1(share of replicates below the estimate); None when none or all are.

    Args:
        drawn: replicates, shape (replicates,).
        estimate: the statistic of the data.
        same: replicates closer than this equal the estimate.
    """
    from scipy.special import ndtri

    share = np.count_nonzero(drawn < estimate - same) / drawn.size
    return float(ndtri(share)) if 0 < share < 1 else None


def _bca(drawn: Floats, bias: float | None, acceleration: float, alpha: float) -> Interval | None:
    from scipy.special import ndtr, ndtri

    if bias is None:
        return None
    reach = bias + ndtri(np.asarray((alpha / 2, 1 - alpha / 2)))
    stretch = 1 - acceleration * reach
    if (stretch <= 0).any():
        # The transformation to normality is not monotone there: so skewed a sample has no BCa interval.
        return None
    low, high = _quantiles(drawn, ndtr(bias + reach / stretch))
    return low, high


def _quantiles(drawn: Floats, levels: Floats) -> Interval:
    # (B + 1) p is the rank: with B = 9,999 the usual levels are order statistics.
    low, high = np.quantile(drawn, levels, method="weibull")
    return float(low), float(high)
