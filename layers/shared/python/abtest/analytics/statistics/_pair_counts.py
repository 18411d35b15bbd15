"""Counts of pairwise comparisons between k variants, plain and by sample; the sum of two is that of the pooled ones.

Depends on: numpy. Used by: `abtest.analytics.statistics.bradley_terry` and the statistics that rank by comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
FIRST_WINS, SECOND_WINS, TIE = 0, 1, 2
"""Codes of a verdict, by which of the two variants won."""
_OUTCOMES = 3


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Comparisons by pair and outcome.

    Args:
        wins: shape (k, k); wins[i, j] is how often i beat j; the diagonal is 0.
        ties: shape (k, k), symmetric; ties[i, j] = ties[j, i] is how often i and j tied; the diagonal is 0.

    Raises:
        ValueError: the tables are not such counts.
    """

    wins: Integers
    ties: Integers

    def __post_init__(self) -> None:
        for name in ("wins", "ties"):
            given = np.asarray(getattr(self, name))
            if given.ndim != 2 or given.shape[0] != given.shape[1] or given.shape != np.shape(self.wins):
                raise ValueError(
                    f"{name} must be a square table, one row and column a variant; got shape {given.shape}"
                )
            if given.size and not (np.isfinite(given).all() and (given >= 0).all() and (given == np.rint(given)).all()):
                raise ValueError(f"{name} must be whole numbers of at least 0")
            if np.diagonal(given).any():
                raise ValueError(f"{name} has comparisons of a variant with itself on its diagonal")
            object.__setattr__(self, name, given.astype(np.int64))
        if not np.array_equal(self.ties, self.ties.T):
            raise ValueError("ties must be symmetric: one tie of i with j counts at [i, j] and at [j, i]")

    @classmethod
    def none(cls, n_variants: int) -> PairCounts:
        """Return the counts of no comparison between so many variants."""
        return cls.of([], [], [], n_variants)

    @classmethod
    def of(cls, first_codes: Any, second_codes: Any, verdict_codes: Any, n_variants: int) -> PairCounts:
        """Return the counts of comparisons.

        Args:
            first_codes: variant of each comparison, shape (n,), from 0 to n_variants - 1.
            second_codes: the other variant, in the same order.
            verdict_codes: `FIRST_WINS` 0, `SECOND_WINS` 1 or `TIE` 2, in the same order.
            n_variants: how many variants there are, compared or not.

        Raises:
            ValueError: lengths differ, a code is out of range, or a variant meets itself.
        """
        i, j, verdict = _checked(first_codes, second_codes, verdict_codes, n_variants)
        cells = np.bincount((i * n_variants + j) * _OUTCOMES + verdict, minlength=n_variants * n_variants * _OUTCOMES)
        table = cells.reshape(n_variants, n_variants, _OUTCOMES)
        ties = table[:, :, TIE]
        return cls(table[:, :, FIRST_WINS] + table[:, :, SECOND_WINS].T, ties + ties.T)

    def __add__(self, other: PairCounts) -> PairCounts:
        if self.n_variants != other.n_variants:
            raise ValueError(f"counts of {self.n_variants} and {other.n_variants} variants do not add up")
        return PairCounts(self.wins + other.wins, self.ties + other.ties)

    @property
    def n_variants(self) -> int:
        """How many variants there are, compared or not."""
        return int(self.wins.shape[0])

    @property
    def n_ties(self) -> int:
        """Tied comparisons."""
        return int(self.ties.sum()) // 2

    @property
    def n(self) -> int:
        """All comparisons."""
        return int(self.wins.sum()) + self.n_ties

    def among(self, variants: tuple[int, ...]) -> PairCounts:
        """Return the counts of the comparisons between some of the variants, numbered in that order."""
        chosen = np.ix_(variants, variants)
        return PairCounts(self.wins[chosen], self.ties[chosen])


@dataclass(frozen=True, eq=False)
class ClusteredPairCounts:
    """Comparisons by cluster (such as the sample they are about), pair and outcome.

    One row for each combination that occurs: memory is linear in the comparisons, whatever the number of variants.

    Args:
        n_variants: how many variants there are.
        clusters: cluster code of each row, sorted.
        cells: (i * k + j) * 3 + verdict with i < j, sorted within a cluster.
        counts: comparisons of each row.
    """

    n_variants: int
    clusters: Integers
    cells: Integers
    counts: Integers

    @classmethod
    def of(
        cls, first_codes: Any, second_codes: Any, verdict_codes: Any, cluster_codes: Any, n_variants: int
    ) -> ClusteredPairCounts:
        """Return the counts of comparisons.

        Args:
            first_codes: as in `PairCounts.of`.
            second_codes: as in `PairCounts.of`.
            verdict_codes: as in `PairCounts.of`.
            cluster_codes: an integer that names the cluster of each comparison, the same one in every batch.
            n_variants: how many variants there are.

        Raises:
            ValueError: lengths differ, a code is out of range, or a variant meets itself.
        """
        i, j, verdict = _checked(first_codes, second_codes, verdict_codes, n_variants)
        clusters = _codes("cluster codes", cluster_codes)
        if clusters.size != i.size:
            raise ValueError(f"{i.size} comparisons need as many cluster codes; got {clusters.size}")
        # Each pair is written with the smaller variant first; the verdict turns with it.
        turned = np.where((i > j) & (verdict != TIE), 1 - verdict, verdict)
        cells = (np.minimum(i, j) * n_variants + np.maximum(i, j)) * _OUTCOMES + turned
        return cls._merged(n_variants, clusters, cells, np.ones(i.size, dtype=np.int64))

    @classmethod
    def _merged(cls, n_variants: int, clusters: Integers, cells: Integers, counts: Integers) -> ClusteredPairCounts:
        order = np.lexsort((cells, clusters))
        clusters, cells, counts = clusters[order], cells[order], counts[order]
        if clusters.size == 0:
            return cls(n_variants, clusters, cells, counts)
        new = np.r_[True, (np.diff(clusters) != 0) | (np.diff(cells) != 0)]
        starts = np.flatnonzero(new)
        return cls(n_variants, clusters[starts], cells[starts], np.add.reduceat(counts, starts))

    def __add__(self, other: ClusteredPairCounts) -> ClusteredPairCounts:
        if self.n_variants != other.n_variants:
            raise ValueError(f"counts of {self.n_variants} and {other.n_variants} variants do not add up")
        return self._merged(
            self.n_variants,
            np.r_[self.clusters, other.clusters],
            np.r_[self.cells, other.cells],
            np.r_[self.counts, other.counts],
        )

    @property
    def cluster_index(self) -> Integers:
        """The cluster of each row, numbered from 0 without gaps."""
        if self.clusters.size == 0:
            return self.clusters
        return np.asarray(np.r_[0, np.cumsum(np.diff(self.clusters) != 0)], dtype=np.int64)

    @property
    def n_clusters(self) -> int:
        """How many clusters there are."""
        return int(self.cluster_index[-1]) + 1 if self.clusters.size else 0

    def pooled(self) -> PairCounts:
        """Return the counts without the clusters."""
        return counts_of_cells(self.cells, self.counts, self.n_variants)


def counts_of_cells(cells: Integers, counts: Any, n_variants: int) -> PairCounts:
    """Return pair counts from cell codes, (i * k + j) * 3 + verdict, and how often each occurred."""
    size = n_variants * n_variants * _OUTCOMES
    # Whole numbers up to 2^53 are exact in the floats that weights turn into.
    table = np.rint(np.bincount(cells, weights=counts, minlength=size)).astype(np.int64)
    table = table.reshape(n_variants, n_variants, _OUTCOMES)
    ties = table[:, :, TIE]
    return PairCounts(table[:, :, FIRST_WINS] + table[:, :, SECOND_WINS].T, ties + ties.T)


def _codes(name: str, given: Any) -> Integers:
    values = np.asarray(given)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one list; got shape {values.shape}")
    if values.size and not (np.issubdtype(values.dtype, np.integer) or values.dtype == np.bool_):
        raise ValueError(f"{name} must be whole numbers; got {values.dtype}")
    return values.astype(np.int64)


def _checked(first: Any, second: Any, verdict: Any, n_variants: int) -> tuple[Integers, Integers, Integers]:
    if n_variants < 1:
        raise ValueError(f"comparisons need at least one variant; got {n_variants}")
    i, j, v = _codes("first codes", first), _codes("second codes", second), _codes("verdict codes", verdict)
    if not i.size == j.size == v.size:
        raise ValueError(f"comparisons need three lists of one length; got {i.size}, {j.size} and {v.size}")
    if i.size == 0:
        return i, j, v
    if min(i.min(), j.min()) < 0 or max(i.max(), j.max()) >= n_variants:
        raise ValueError(f"variant codes go from 0 to {n_variants - 1}")
    if v.min() < 0 or v.max() >= _OUTCOMES:
        raise ValueError("verdict codes are 0 (first wins), 1 (second wins) and 2 (tie)")
    if (i == j).any():
        raise ValueError("a variant cannot be compared with itself")
    return i, j, v
