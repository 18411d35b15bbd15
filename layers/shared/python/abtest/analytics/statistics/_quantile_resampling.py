"""Resampled quantiles without resampled data: only the ranks between which a quantile lies are drawn.

Depends on: numpy. Used by: `abtest.analytics.statistics.quantile_difference`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Counts = npt.NDArray[np.int64]

_BATCH = 1_000_000
"""Counts held at a time."""
_REACH = 8.0
"""Standard deviations of a rank beyond which no resample comes."""
_NINETY_FIVE = 1.959963984540054


def resampled_quantiles(ordered: Floats, q: float, resamples: int, rng: np.random.Generator) -> Floats:
    """Return type 7 quantiles of resamples of one sorted group, shape (resamples,).

    The k-th smallest of n draws from n observations is the observation that the k-th smallest of n uniform numbers
    points at, and that number is Beta(k, n - k + 1); the next one up splits what is left.
    """
    n = ordered.size
    k, fraction = _position(n, q)
    at = rng.beta(k, n - k + 1, resamples)
    low = ordered[np.minimum((at * n).astype(np.intp), n - 1)]
    if fraction == 0:
        return np.asarray(low, dtype=np.float64)
    next_at = at + (1 - at) * rng.beta(1, n - k, resamples)
    high = ordered[np.minimum((next_at * n).astype(np.intp), n - 1)]
    return np.asarray(low + fraction * (high - low), dtype=np.float64)


def resampled_pair_differences(x: Floats, y: Floats, q: float, resamples: int, rng: np.random.Generator) -> Floats:
    """Return B's quantile less A's in resamples of independent pairs, shape (resamples,).

    Pairs near neither quantile matter only by the side they are on, so they are four cells of one multinomial draw.
    """
    n = x.size
    sides = [_Side(values, q) for values in (x, y)]
    near = np.flatnonzero(sides[0].near | sides[1].near)
    far = ~(sides[0].near | sides[1].near)
    groups = [
        far & (sides[0].below == one) & (sides[1].below == other) for one in (True, False) for other in (True, False)
    ]
    sizes = [int(np.count_nonzero(group)) for group in groups]
    shares = np.concatenate((np.asarray(sizes) / n, np.full(near.size, 1 / n)))
    below = (np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0]))
    drawn = np.empty(resamples)
    step = max(1, _BATCH // shares.size)
    for start in range(0, resamples, step):
        counts = rng.multinomial(n, shares, size=min(step, resamples - start))
        ends = [
            side.quantiles(counts[:, :4] @ cells, counts[:, 4:], near) for side, cells in zip(sides, below, strict=True)
        ]
        drawn[start : start + counts.shape[0]] = ends[1] - ends[0]
    return drawn


def resampled_cluster_differences(
    x: Floats, y: Floats, q: float, codes: Codes, *, resamples: int, rng: np.random.Generator
) -> Floats:
    """Return B's quantile less A's in resamples of whole clusters, shape (resamples,)."""
    clusters = int(codes.max()) + 1
    orders = [np.argsort(values, kind="stable") for values in (x, y)]
    drawn = np.empty(resamples)
    step = max(1, _BATCH // x.size)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        offsets = np.arange(rows)[:, None] * clusters
        picks = rng.integers(0, clusters, (rows, clusters)) + offsets
        counts = np.bincount(picks.ravel(), minlength=rows * clusters).reshape(rows, clusters)
        ends = [
            _weighted(values[order], counts[:, codes[order]], q) for values, order in zip((x, y), orders, strict=True)
        ]
        drawn[start : start + rows] = ends[1] - ends[0]
    return drawn


def influence(values: Floats, q: float, codes: Codes | None) -> Floats:
    """Return what each observation adds to n times the quantile, to first order, shape (n,)."""
    beyond = np.asarray(q - (values <= float(np.quantile(values, q))), dtype=np.float64)
    half = _NINETY_FIVE * math.sqrt(variance_of_mean(beyond, codes))
    low, high = max(0.0, q - half), min(1.0, q + half)
    ends = np.quantile(values, [low, high])
    slope = float(ends[1] - ends[0]) / (high - low) if high > low else 0.0
    return np.asarray(slope * beyond, dtype=np.float64)


def variance_of_mean(values: Floats, codes: Codes | None) -> float:
    """Return the squared standard error of a mean, from the sums over clusters where there are any."""
    sums = values if codes is None else np.bincount(codes, weights=values)
    centred = sums - sums.mean()
    return float(centred @ centred) * sums.size / (sums.size - 1) / values.size**2


class _Side:
    """One side of the pairs: which of them are near its quantile, and the resampled quantile from their counts."""

    def __init__(self, values: Floats, q: float) -> None:
        n = values.size
        order = np.argsort(values, kind="stable")
        rank = np.empty(n, dtype=np.intp)
        rank[order] = np.arange(n)
        self._k, self._fraction = _position(n, q)
        reach = math.ceil(_REACH * math.sqrt(n * q * (1 - q))) + 10
        low, high = max(0, self._k - reach), min(n, self._k + reach)
        self.below = rank < low
        self.near = ~self.below & (rank < high)
        self._rank = rank
        self._values = values

    def quantiles(self, far_below: Counts, counts: Counts, near: Codes) -> Floats:
        """Return the quantile of each resample.

        Args:
            far_below: draws of pairs that are near neither quantile and below this one, shape (resamples,).
            counts: draws of each near pair, shape (resamples, near pairs).
            near: index of each near pair.
        """
        here = np.flatnonzero(self.near[near])
        here = here[np.argsort(self._rank[near[here]])]
        base = far_below + counts[:, self.below[near]].sum(axis=1)
        upto = base[:, None] + np.cumsum(counts[:, here], axis=1)
        return _between(self._values[near[here]], upto, np.full(len(base), self._k), np.full(len(base), self._fraction))


def _position(n: int, q: float) -> tuple[int, float]:
    """Return the 1-based rank below a type 7 quantile, and how far it lies toward the next."""
    at = (n - 1) * q
    # (n - 1) q is often a whole number but for its last digit.
    at = round(at) if abs(at - round(at)) < 1e-9 else at
    k = min(n, math.floor(at) + 1)
    return k, at - (k - 1)


def _weighted(ordered: Floats, counts: Counts, q: float) -> Floats:
    """Return type 7 quantiles of sorted values that occur as often as each row of counts says."""
    upto = np.cumsum(counts, axis=1)
    at = (upto[:, -1] - 1) * q
    k = np.floor(at + 1e-9).astype(np.int64) + 1
    return _between(ordered, upto, k, np.clip(at - (k - 1), 0.0, 1.0))


def _between(ordered: Floats, upto: Counts, k: Counts, fraction: Floats) -> Floats:
    """Return the value of rank k, moved by a fraction toward that of rank k + 1."""
    last = ordered.size - 1
    low = ordered[np.minimum((upto < k[:, None]).sum(axis=1), last)]
    high = ordered[np.minimum((upto < k[:, None] + 1).sum(axis=1), last)]
    return np.asarray(low + fraction * (high - low), dtype=np.float64)
