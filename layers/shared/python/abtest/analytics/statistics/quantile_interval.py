"""A quantile such as p95 with the exact interval between two order statistics, if there is one.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.statistics.quantile_difference`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Exact binomial interval of a quantile",
    formula="X ~ Binomial(n, q): from x_(l) to x_(u), l = quantile of X at alpha / 2, u = quantile at 1 - alpha / 2, "
    "plus 1; coverage = P(l <= X < u); no lower end when l = 0, no upper end when u > n",
    source="David and Nagaraja (2003), Order statistics, section 7.1; point estimate by linear interpolation, "
    "Hyndman and Fan (1996), type 7",
)


@dataclass(frozen=True)
class QuantileRanks:
    """Which order statistics bound a quantile.

    Args:
        n: observations.
        lower_rank: 1-based rank of the lower end; 0 when there is none.
        upper_rank: 1-based rank of the upper end; n + 1 when there is none.
        coverage: exact probability that the interval holds the quantile, an end that does not exist being infinite.
        min_n_for_lower: smallest n that has a lower end.
        min_n_for_upper: smallest n that has an upper end.
    """

    n: int
    lower_rank: int
    upper_rank: int
    coverage: float
    min_n_for_lower: int
    min_n_for_upper: int

    @property
    def has_lower(self) -> bool:
        """Whether the lower end exists."""
        return self.lower_rank >= 1

    @property
    def has_upper(self) -> bool:
        """Whether the upper end exists."""
        return self.upper_rank <= self.n


@dataclass(frozen=True)
class QuantileInterval:
    """A quantile and its interval; an end that does not exist is None, and then the status is `too_few`."""

    status: Status
    ranks: QuantileRanks
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


def quantile_ranks(n: int, q: float, alpha: float = 0.05) -> QuantileRanks:
    """Return the ranks of the order statistics that bound a quantile, from the number of observations alone.

    Args:
        n: observations, at least 0.
        q: which quantile, between 0 and 1.
        alpha: two-sided error rate.

    Raises:
        ValueError: n is negative, or q or alpha is not between 0 and 1.

    Assumes: independent observations of one continuous distribution; with ties the coverage is at least that.
    """
    check_alpha(alpha)
    _check_q(q)
    if n < 0:
        raise ValueError(f"a number of observations is at least 0; got {n}")
    lower, upper = _binomial_quantile(alpha / 2, n, q), _binomial_quantile(1 - alpha / 2, n, q) + 1
    coverage = _at_most(upper - 1, n, q) - _at_most(lower - 1, n, q)
    return QuantileRanks(n, lower, upper, coverage, _smallest_n(1 - q, alpha / 2), _smallest_n(q, alpha / 2))


def quantile_interval(values: Any, q: float, alpha: float = 0.05) -> QuantileInterval:
    """Return a quantile with its order-statistic interval.

    Args:
        values: observations, shape (n,), finite.
        q: which quantile, between 0 and 1.
        alpha: two-sided error rate.

    Raises:
        ValueError: an observation is not finite, or q or alpha is not between 0 and 1.

    Assumes: independent observations of one distribution.
    """
    x = _observations(values)
    ranks = quantile_ranks(int(x.size), q, alpha)
    if x.size == 0:
        return QuantileInterval("no_data", ranks)
    ordered = np.sort(x)
    return QuantileInterval(
        status="ok" if ranks.has_lower and ranks.has_upper else "too_few",
        ranks=ranks,
        estimate=float(np.quantile(ordered, q)),
        ci_low=float(ordered[ranks.lower_rank - 1]) if ranks.has_lower else None,
        ci_high=float(ordered[ranks.upper_rank - 1]) if ranks.has_upper else None,
    )


def quantile_test(values: Any, q: float, supposed: float) -> float | None:
    """Return the two-sided p-value of "the quantile is the supposed value"; None without an observation.

    Args:
        values: observations, shape (n,), finite.
        q: which quantile, between 0 and 1.
        supposed: its value under the hypothesis.

    Raises:
        ValueError: an observation is not finite, or q is not between 0 and 1.

    Assumes: independent observations of one distribution.
    Source: Conover (1999), Practical nonparametric statistics, section 3.2, the binomial test of a quantile.
    """
    x = _observations(values)
    _check_q(q)
    if x.size == 0:
        return None
    n = int(x.size)
    upto, below = int(np.count_nonzero(x <= supposed)), int(np.count_nonzero(x < supposed))
    # P(X >= below) from the mirrored binomial, which keeps the digits of a small tail.
    tail = min(_at_most(upto, n, q), _at_most(n - below, n, 1 - q))
    return min(1.0, max(SMALLEST_P, 2 * tail))


def _observations(values: Any) -> npt.NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("observations are a list of finite numbers; leave out what is missing")
    return x


def _check_q(q: float) -> None:
    if not 0 < q < 1:
        raise ValueError(f"a quantile is named by a share between 0 and 1, both excluded; got {q}")


def _smallest_n(share: float, tail: float) -> int:
    """Return the smallest n with share^n at most tail."""
    n = max(1, math.ceil(math.log(tail) / math.log(share)) - 1)
    while share**n > tail:
        n += 1
    return n


def _at_most(k: int, n: int, q: float) -> float:
    """Return P(X <= k), X ~ Binomial(n, q)."""
    from scipy.special import betainc

    if k < 0:
        return 0.0
    return 1.0 if k >= n else float(betainc(n - k, k + 1, 1 - q))


def _binomial_quantile(probability: float, n: int, q: float) -> int:
    """Return the smallest k with P(X <= k) >= probability, X ~ Binomial(n, q)."""
    low, high = -1, n
    # The share of rounding that keeps a probability which is met exactly from being missed.
    wanted = probability * (1 - 64 * np.finfo(np.float64).eps)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _at_most(middle, n, q) >= wanted else (middle, high)
    return high
