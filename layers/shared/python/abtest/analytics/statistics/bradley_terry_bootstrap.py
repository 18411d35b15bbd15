"""Bootstrap of Bradley-Terry strengths: resampled comparisons, or resampled clusters of them.

Resampling works on counts: a replicate of independent comparisons is one multinomial draw over the outcomes that
occurred, a replicate of clusters is a weighted sum of their counts. Memory is bounded, whatever the comparisons.

Depends on: numpy, `abtest.analytics.statistics.bradley_terry`. Used by: `abtest.analytics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics import _comparison_graph as graph
from abtest.analytics.statistics._pair_counts import ClusteredPairCounts, PairCounts, counts_of_cells
from abtest.analytics.statistics._wald import Estimate, Floats, check_alpha
from abtest.analytics.statistics.bradley_terry import BradleyTerry, bradley_terry, fit_points

STATISTIC = Method(
    name="Bootstrap of Bradley-Terry strengths",
    formula="refit on B resamples of the comparisons (multinomial over pair and outcome) or of the clusters; "
    "SE = sd of the refits (ddof 1), interval = their alpha/2 and 1 - alpha/2 quantiles (type 7)",
    source="Efron and Tibshirani (1993), An Introduction to the Bootstrap, algorithm 6.1 and section 13.3; "
    "clusters after Davison and Hinkley (1997), section 3.8",
)
Resampler = Callable[[np.random.Generator], Iterator[Floats]]
_MOST_SEPARATED = 0.01
_BATCH = 500_000
_ROUNDS = 20
_SETTLED = 1e-8


@dataclass(frozen=True, eq=False)
class BootstrapStrengths:
    """Refitted strengths.

    Args:
        status: that of the fit on the data; `separated` also when over 1 % of the resamples have no finite strengths.
        replicates: resamples drawn.
        separated: resamples without finite strengths; they are left out.
        seed: of the generator.
        theta: strengths on the data, shape (k,).
        refits: strengths of the resamples, shape (replicates - separated, k).
    """

    status: Status
    replicates: int
    separated: int
    seed: int
    theta: tuple[float, ...] | None = None
    refits: Floats | None = None

    def contrast(self, treatment: int, control: int, alpha: float = 0.05) -> Estimate:
        """Return strength of treatment minus control with the bootstrap's error and percentile interval; no p-value.

        Raises:
            ValueError: there are no refits, or alpha is not between 0 and 1.
        """
        check_alpha(alpha)
        if self.refits is None or self.theta is None:
            raise ValueError(f"there are no strengths to compare: {self.status}")
        spread = self.refits[:, treatment] - self.refits[:, control]
        low, high = np.quantile(spread, [alpha / 2, 1 - alpha / 2])
        value = self.theta[treatment] - self.theta[control]
        return Estimate(value, float(spread.std(ddof=1)), float(low), float(high))


def bootstrap_bradley_terry(counts: PairCounts, seed: int, replicates: int = 1000) -> BootstrapStrengths:
    """Return the strengths of resampled comparisons.

    Args:
        counts: comparisons by pair and outcome.
        seed: of the generator.
        replicates: resamples, at least 2.

    Raises:
        ValueError: fewer than two replicates.

    Assumes: independent comparisons. Source: Efron and Tibshirani (1993), algorithm 6.1.
    """
    _check(replicates)
    fitted = bradley_terry(counts)
    return _bootstrapped(fitted, lambda random: _resampled(counts, random, replicates), seed, replicates)


def bootstrap_clustered_bradley_terry(
    counts: ClusteredPairCounts, seed: int, replicates: int = 1000
) -> BootstrapStrengths:
    """Return the strengths of resampled clusters of comparisons.

    Args:
        counts: comparisons by cluster, pair and outcome.
        seed: of the generator.
        replicates: resamples, at least 2.

    Raises:
        ValueError: fewer than two replicates.

    Assumes: independent clusters. Source: Davison and Hinkley (1997), section 3.8.
    """
    _check(replicates)
    fitted = bradley_terry(counts.pooled())
    if fitted.status == "ok" and counts.n_clusters == 1:
        fitted = replace(fitted, status="one_cluster")
    return _bootstrapped(fitted, lambda random: _resampled_clusters(counts, random, replicates), seed, replicates)


def _check(replicates: int) -> None:
    if replicates < 2:
        raise ValueError(f"a bootstrap needs at least 2 replicates; got {replicates}")


def _bootstrapped(fitted: BradleyTerry, resampled: Resampler, seed: int, replicates: int) -> BootstrapStrengths:
    found = BootstrapStrengths(fitted.status, replicates, 0, seed, fitted.theta)
    if fitted.status != "ok" or fitted.theta is None or fitted.covariance_model is None:
        return found
    start, inverse = np.asarray(fitted.theta), fitted.covariance_model
    refits = np.concatenate([_refit(points, start, inverse) for points in resampled(np.random.default_rng(seed))])
    separated = replicates - refits.shape[0]
    if separated > _MOST_SEPARATED * replicates:
        return replace(found, status="separated", separated=separated)
    return replace(found, separated=separated, refits=refits)


def _resampled(counts: PairCounts, random: np.random.Generator, replicates: int) -> Iterator[Floats]:
    """Yield batches of resampled points, shape (batch, k, k): wins plus half the ties of the one against the other."""
    k = counts.n_variants
    winners, losers = np.nonzero(counts.wins)
    first, second = np.nonzero(np.triu(counts.ties))
    cells = np.r_[counts.wins[winners, losers], counts.ties[first, second]]
    for size in _batches(replicates, k):
        drawn = random.multinomial(counts.n, cells / counts.n, size=size)
        points = np.zeros((size, k, k))
        points[:, winners, losers] = drawn[:, : winners.size]
        halves = drawn[:, winners.size :] / 2
        points[:, first, second] += halves
        points[:, second, first] += halves
        yield points


def _resampled_clusters(counts: ClusteredPairCounts, random: np.random.Generator, replicates: int) -> Iterator[Floats]:
    """Yield batches of resampled points as `_resampled` does, each cluster weighted by how often it was drawn."""
    k, clusters, index = counts.n_variants, counts.n_clusters, counts.cluster_index
    for size in _batches(replicates, k):
        points = np.zeros((size, k, k))
        for row in range(size):
            weight = np.bincount(random.integers(0, clusters, size=clusters), minlength=clusters)
            drawn = counts_of_cells(counts.cells, counts.counts * weight[index], k)
            points[row] = drawn.wins + drawn.ties / 2
        yield points


def _batches(replicates: int, k: int) -> Iterator[int]:
    size = max(1, _BATCH // (k * k))
    for start in range(0, replicates, size):
        yield min(size, replicates - start)


def _refit(points: Floats, start: Floats, inverse: Floats) -> Floats:
    """Return the strengths of those resamples that have finite ones, shape (at most batch, k)."""
    exists = np.asarray([graph.is_strongly_connected(one > 0) for one in points])
    points = points[exists]
    theta, settled = _chord(points, start, inverse)
    for row in np.flatnonzero(~settled):
        maximum = fit_points(points[row])
        theta[row] = maximum.at if maximum.converged else np.nan
    theta = theta[np.isfinite(theta).all(axis=1)]
    return np.asarray(theta - theta.mean(axis=1, keepdims=True), dtype=np.float64)


def _chord(points: Floats, start: Floats, inverse: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return strengths of resamples after Newton steps with the covariance on the data, and which of them settled.

    The information of a resample is near that of the data: more steps, but none of them solves k equations. Where it
    is not near, the steps do not settle.
    """
    from scipy.special import expit

    theta = np.tile(start, (points.shape[0], 1))
    settled = np.zeros(points.shape[0], dtype=bool)
    for _ in range(_ROUNDS):
        left = np.flatnonzero(~settled)
        if left.size == 0:
            break
        surprise = points[left] * expit(theta[left, None, :] - theta[left, :, None])
        step = (surprise.sum(axis=2) - surprise.sum(axis=1)) @ inverse
        theta[left] += step
        settled[left] = np.abs(step).max(axis=1) <= _SETTLED
    return theta, settled
