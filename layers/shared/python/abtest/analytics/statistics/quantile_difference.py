"""Difference of a quantile such as p95 latency, B - A, by the bootstrap: of unpaired groups, of pairs, of clusters.

A resampled quantile lies between two order statistics, so only their ranks are drawn: for unpaired groups from their
exact Beta distribution, for pairs as multinomial counts of the few pairs near the quantile.

Depends on: numpy, `abtest.analytics.statistics._quantile_resampling`. Used by: `abtest.analytics.comparison.guarding`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics import _quantile_resampling as resampling
from abtest.analytics.statistics._wald import check_alpha, quantile
from abtest.analytics.statistics.quantile_interval import quantile_ranks

STATISTIC = Method(
    name="Bootstrap of the difference of a quantile",
    formula="quantile(B, q) - quantile(A, q), type 7; SE = sd of the resampled differences, interval between their "
    "alpha / 2 and 1 - alpha / 2 quantiles; pairs (and clusters) are resampled whole",
    source="Efron and Tibshirani (1993), An introduction to the bootstrap, sections 8.3 and 13.3; ranks of resampled "
    "order statistics after David and Nagaraja (2003), Order statistics, section 2.3",
)
WOODRUFF = Method(
    name="Normal interval of the difference of a quantile",
    formula="SE^2 = sum over clusters of (sum of (s_B (q - [b <= Q_B]) - s_A (q - [a <= Q_A])))^2 / n^2, "
    "s = (quantile at q + h less that at q - h) / (2 h), h = 1.96 SE of the share below the quantile",
    source="Woodruff (1952), Confidence intervals for medians and other position measures; linear form after "
    "Bahadur (1966), A note on quantiles in large samples",
)
RESAMPLES = 9_999
PAIRED_RESAMPLES = 1_999
MOST_PAIRS = 200_000
"""More pairs than this are not resampled: the normal interval is as good and needs one pass."""
MOST_CLUSTERED = 10_000
"""The same for pairs in clusters, where every pair takes part in every resample."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class QuantileDifference:
    """The difference of one quantile, B - A; what does not exist is None and `status` says why.

    Args:
        status: `ok`; `no_data`; `too_few`: a group is too small for this quantile to have an interval at all;
            `one_cluster`; `constant`: no resample differs from another.
        n_a: observations of A; `n_b`: of B.
        quantile_a: A's quantile, type 7; `quantile_b`: B's.
        difference: the second less the first.
        se: its standard error.
        ci_low: lower end of the interval with level 1 - alpha; `ci_high`: its upper end.
        method: how error and interval were computed.
        seed: of the resamples; None where nothing was drawn.
        resamples: how many; None where nothing was drawn.
    """

    status: Status
    n_a: int
    n_b: int
    quantile_a: float | None = None
    quantile_b: float | None = None
    difference: float | None = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    method: str = "none"
    seed: int | None = None
    resamples: int | None = None


def quantile_difference(
    a: Any, b: Any, q: float, *, alpha: float = 0.05, seed: int, resamples: int = RESAMPLES
) -> QuantileDifference:
    """Return the difference of a quantile of two unpaired groups with its percentile bootstrap interval.

    Args:
        a: observations of the control, shape (n_a,), finite.
        b: observations of the treatment, shape (n_b,), finite.
        q: which quantile, between 0 and 1.
        alpha: two-sided error rate.
        seed: of the resamples.
        resamples: how many, at least 2.

    Raises:
        ValueError: an observation is not finite, or an argument is out of its range.

    Assumes: independent observations; both groups are large enough for the quantile to be bounded on both sides.
    """
    x, y = np.sort(_observations(a)), np.sort(_observations(b))
    found = _estimates(x, y, q, alpha, resamples)
    if found.status != "ok":
        return found
    rng = np.random.default_rng(seed)
    drawn = [resampling.resampled_quantiles(values, q, resamples, rng) for values in (x, y)]
    found = replace(found, method="unpaired bootstrap", seed=seed, resamples=resamples)
    return _with_percentiles(found, drawn[1] - drawn[0], alpha)


def paired_quantile_difference(
    a: Any,
    b: Any,
    q: float,
    *,
    cluster: Any = None,
    alpha: float = 0.05,
    seed: int,
    resamples: int = PAIRED_RESAMPLES,
) -> QuantileDifference:
    """Return the difference of a quantile over the same samples, with both sides of a pair resampled together.

    Args:
        a: observations of the control, shape (n,), finite.
        b: observations of the treatment, shape (n,), finite, in the same order.
        q: which quantile, between 0 and 1.
        cluster: code of each pair's cluster, shape (n,), a pair on its own having a code of its own; None when no two
            pairs belong together.
        alpha: two-sided error rate.
        seed: of the resamples.
        resamples: how many, at least 2.

    Raises:
        ValueError: the lists differ in length, an observation is not finite, or an argument is out of its range.

    Assumes: independent pairs (or clusters, some dozens of them). Above `MOST_PAIRS` pairs, or `MOST_CLUSTERED` in
    clusters, nothing is drawn and the interval is the normal one (Woodruff).
    """
    x, y = _observations(a), _observations(b)
    codes = _cluster_codes(x, y, cluster)
    found = _estimates(np.sort(x), np.sort(y), q, alpha, resamples)
    if found.status == "ok" and codes is not None and int(codes.max()) == 0:
        return replace(found, status="one_cluster")
    if found.status != "ok":
        return found
    if x.size > (MOST_PAIRS if codes is None else MOST_CLUSTERED):
        return _with_normal(replace(found, method="normal (Woodruff)"), x, y, q, codes=codes, alpha=alpha)
    rng = np.random.default_rng(seed)
    if codes is None:
        drawn = resampling.resampled_pair_differences(x, y, q, resamples, rng)
    else:
        drawn = resampling.resampled_cluster_differences(x, y, q, codes, resamples=resamples, rng=rng)
    method = "paired bootstrap" if codes is None else "cluster bootstrap"
    return _with_percentiles(replace(found, method=method, seed=seed, resamples=resamples), drawn, alpha)


def _cluster_codes(x: Floats, y: Floats, cluster: Any) -> npt.NDArray[np.intp] | None:
    """Return the clusters of pairs as numbers from 0; None when every pair stands alone."""
    if x.size != y.size:
        raise ValueError(f"pairs need two lists of one length; got {x.size} and {y.size}")
    if cluster is None:
        return None
    codes = np.unique(np.asarray(cluster), return_inverse=True)[1].ravel()
    if codes.size != x.size:
        raise ValueError(f"{x.size} pairs need as many clusters; got {codes.size}")
    return None if codes.size == 0 or int(codes.max()) + 1 == codes.size else codes


def _estimates(x: Floats, y: Floats, q: float, alpha: float, resamples: int) -> QuantileDifference:
    """Return the point estimates of two sorted groups, and whether their interval can exist."""
    check_alpha(alpha)
    if resamples < 2:
        raise ValueError(f"an interval needs at least 2 resamples; got {resamples}")
    ranks = [quantile_ranks(int(values.size), q, alpha) for values in (x, y)]
    if x.size == 0 or y.size == 0:
        return QuantileDifference("no_data", int(x.size), int(y.size))
    at = [float(np.quantile(values, q)) for values in (x, y)]
    found = QuantileDifference("ok", int(x.size), int(y.size), at[0], at[1], at[1] - at[0])
    bounded = all(rank.has_lower and rank.has_upper for rank in ranks)
    return found if bounded else replace(found, status="too_few")


def _with_percentiles(found: QuantileDifference, drawn: Floats, alpha: float) -> QuantileDifference:
    if drawn.min() == drawn.max():
        return replace(found, status="constant", se=0.0)
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    return replace(found, se=float(drawn.std(ddof=1)), ci_low=float(low), ci_high=float(high))


def _with_normal(
    found: QuantileDifference, x: Floats, y: Floats, q: float, *, codes: npt.NDArray[np.intp] | None, alpha: float
) -> QuantileDifference:
    parts = resampling.influence(y, q, codes) - resampling.influence(x, q, codes)
    variance = resampling.variance_of_mean(parts, codes)
    if variance <= 0 or found.difference is None:
        return replace(found, status="constant", se=0.0)
    se = variance**0.5
    reach = quantile(alpha) * se
    return replace(found, se=se, ci_low=found.difference - reach, ci_high=found.difference + reach)


def _observations(values: Any) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("observations are a list of finite numbers; leave out what is missing")
    return x
