"""Bootstrap intervals of a quantile, such as the median or the 95th percentile.

Depends on: numpy, `abtest.analytics.statistics.bootstrap`. Used by: intervals of latency.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method
from abtest.analytics.statistics._values import finite_list
from abtest.analytics.statistics.bootstrap import (
    BootstrapResult,
    acceleration_of,
    bias_correction,
    check_replicates,
    summarised,
)

STATISTIC = Method(
    name="Bootstrap of a quantile (percentile)",
    formula="resampled order statistics are x(ceil(n U)), U_(k) ~ Beta(k, n - k + 1); interval between quantiles of "
    "the resampled type 7 quantile",
    source="Efron (1979), Bootstrap methods, section 3, for the distribution; Davison and Hinkley (1997), example 2.16 "
    "and eq. 5.18; Hyndman and Fan (1996), type 7",
)
Floats = npt.NDArray[np.float64]


def bootstrap_quantile(
    values: Any, q: float, alpha: float = 0.05, *, replicates: int = 9_999, seed: int = 0
) -> BootstrapResult:
    """Return a quantile (type 7) with percentile and basic intervals; no BCa, which does not suit quantiles.

    The resampled order statistics are drawn from their own distribution: the cost does not grow with n x replicates.

    Args:
        values: observations, shape (n,), finite.
        q: the quantile, between 0 and 1.
        alpha: two-sided error rate.
        replicates: resamples, at least 1 / alpha.
        seed: of the resamples.

    Raises:
        ValueError: an observation is not finite, q or alpha is not between 0 and 1, or the replicates are too few.

    Assumes: observations are independent, and n (1 - q) and n q are 5 or more. `acceleration` is for information.
    Source: Davison and Hinkley (1997), example 2.16.
    """
    check_replicates(replicates, alpha)
    ranked = _ranked(values, q)
    if ranked.size == 0:
        return BootstrapResult("no_data", 0)
    n, estimate = int(ranked.size), float(np.quantile(ranked, q))
    if n == 1:
        return BootstrapResult("too_few", 1, estimate)
    if ranked[0] == ranked[-1]:
        ends = (estimate, estimate)
        return BootstrapResult("constant", n, estimate, 0.0, ends, ends)
    drawn = _resampled(ranked, q, replicates, np.random.default_rng(seed))
    bias = bias_correction(drawn, estimate, 1e-12 * float(np.abs(ranked).max()))
    found = BootstrapResult("ok", n, estimate, bias_correction=bias, acceleration=_acceleration(ranked, q))
    return summarised(replace(found, replicates=replicates, seed=seed, scheme="rows"), drawn, alpha)


def _ranked(values: Any, q: float) -> Floats:
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, both excluded; got {q}")
    x = finite_list(values, "observations")
    return np.sort(x)


def _position(n: int, q: float) -> tuple[int, float]:
    """Return the rank from 1 below the type 7 quantile, and the weight of the next."""
    place = (n - 1) * q
    rank = min(math.floor(place) + 1, n - 1)
    return rank, place - (rank - 1)


def _resampled(ranked: Floats, q: float, replicates: int, random: np.random.Generator) -> Floats:
    n = int(ranked.size)
    rank, weight = _position(n, q)
    below = random.beta(rank, n - rank + 1, replicates)
    # Given the k-th smallest of n uniform numbers, the next is the smallest of n - k above it.
    above = below + (1 - below) * random.beta(1, n - rank, replicates)
    first = ranked[np.clip(np.ceil(n * below).astype(np.intp), 1, n) - 1]
    second = ranked[np.clip(np.ceil(n * above).astype(np.intp), 1, n) - 1]
    return np.asarray(first + weight * (second - first), dtype=np.float64)


def _acceleration(ranked: Floats, q: float) -> float | None:
    """Return the jackknife's acceleration; None when no observation moves the quantile when left out."""
    n = int(ranked.size)
    if n < 3:
        return None
    rank, weight = _position(n - 1, q)
    left_out = np.arange(1, n + 1)
    # Without observation i the k-th smallest is the (k + 1)-th of all, once i is among the first k.
    first, second = (ranked[np.where(left_out <= k, k, k - 1)] for k in (rank, rank + 1))
    values = first + weight * (second - first)
    influence = values.mean() - values
    return acceleration_of(influence) if np.abs(influence).max() > 0 else None
