"""Scores aligned by sample: one array for every variant and metric, from batches of a run or from a file.

Depends on: numpy, `abtest.analytics.data.tables`. Used by: `abtest.analytics.data.accumulate`, the comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from abtest.analytics.data.judging import NOT_BOTH
from abtest.analytics.data.reasons import Reasons
from abtest.analytics.data.tables import Codes, Values

ALONE = -1
"""Code of a sample that names no cluster, or no slice."""
MOST_SLICES = 30
"""A column with more values than this names samples, not slices of them."""

ANSWER_LENGTH = "(answer length)"
"""A column that is no metric: characters of each answer, where judges may prefer long ones."""

Where = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """A word for each sample, as codes.

    Args:
        names: the words, by code.
        codes: shape (samples,); `ALONE` where a sample has none.
    """

    names: tuple[str, ...]
    codes: Codes

    @classmethod
    def of(cls, words: Sequence[str | None]) -> Column:
        """Return the column of some words, codes given in the order of their first sample."""
        known: dict[str, int] = {}
        codes = [ALONE if word is None else known.setdefault(word, len(known)) for word in words]
        return cls(tuple(known), np.asarray(codes, dtype=np.int32))


@dataclass(frozen=True)
class Pairs:
    """The complete pairs of two variants on one metric.

    Args:
        a: scores of the control, shape (n,).
        b: scores of the treatment, shape (n,).
        cluster: code of each pair's cluster, every pair without one having a code of its own; None when no two
            pairs belong together.
        rows: index of each pair's sample, shape (n,).
    """

    a: Values
    b: Values
    cluster: Codes | None
    rows: npt.NDArray[np.intp]

    @property
    def n(self) -> int:
        """The number of complete pairs."""
        return int(self.a.size)

    @property
    def units(self) -> int:
        """The number of independent units: clusters where there are any, else pairs."""
        return self.n if self.cluster is None else int(np.count_nonzero(np.bincount(self.cluster)))

    @cached_property
    def difference(self) -> Values:
        """Treatment minus control, shape (n,)."""
        return self.b - self.a


@dataclass(frozen=True)
class SampleScores:
    """Scores of every variant on every metric, aligned by sample.

    Args:
        samples: number of samples that were asked.
        values: (variant, metric) to an array of shape (samples,), NaN being missing.
        cluster: what each sample belongs to; None when no sample names a cluster.
        slices: name of a fact about samples to its column.
        names: identifier of every sample, or none when nobody asks for them.
        why: variant to codes of why the primary metric is missing, shape (samples,); see `REASONS`.
        orders: (treatment, pairwise judge) to which position won in each order, shape (samples,); see `position_code`.
            Of a dimension that the test is decided by the same, under its metric.
    """

    samples: int = 0
    values: Mapping[tuple[str, str], Values] = field(default_factory=dict)
    cluster: Column | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    why: Mapping[str, Reasons] = field(default_factory=dict)
    orders: Mapping[tuple[str, str], Reasons] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Iterable[ScoredBatch]) -> SampleScores:
        """Return the scores of several batches, in their order; each value is copied once."""
        batches = list(parts)
        if not batches:
            return cls()
        keys = list(dict.fromkeys(key for batch in batches for key in batch.values))
        clusters = [name for batch in batches for name in batch.clusters]
        facts = list(dict.fromkeys(name for batch in batches for name in batch.slices))
        variants = list(dict.fromkeys(name for batch in batches for name in batch.why))
        ordered = list(dict.fromkeys(key for batch in batches for key in batch.orders))
        return cls(
            samples=sum(len(batch.names) for batch in batches),
            values={key: np.concatenate([batch.column(key) for batch in batches]) for key in keys},
            cluster=Column.of(clusters) if any(name is not None for name in clusters) else None,
            slices=_usable(
                {name: Column.of([word for batch in batches for word in batch.slice(name)]) for name in facts}
            ),
            names=tuple(name for batch in batches for name in batch.names),
            why={name: np.concatenate([batch.reasons(name) for batch in batches]) for name in variants},
            orders={key: np.concatenate([batch.order(key) for batch in batches]) for key in ordered},
        )

    def column(self, variant: str, metric: str) -> Values:
        """Return the scores of one variant on one metric, shape (samples,), all missing where there are none."""
        found = self.values.get((variant, metric))
        return np.full(self.samples, np.nan) if found is None else found

    def pairs(self, control: str, treatment: str, metric: str, where: Where | None = None) -> Pairs:
        """Return the complete pairs of two variants.

        Args:
            control: whose scores are subtracted.
            treatment: whose scores they are subtracted from.
            metric: of both.
            where: which samples count, shape (samples,); None for all.
        """
        a, b = self.column(control, metric), self.column(treatment, metric)
        complete = ~(np.isnan(a) | np.isnan(b))
        if where is not None:
            complete &= where
        if complete.all():
            # The usual case at a million samples: the columns themselves, not copies of them.
            every = np.arange(a.size)
            return Pairs(a, b, self._clusters(every), every)
        rows = np.flatnonzero(complete)
        return Pairs(a[rows], b[rows], self._clusters(rows), rows)

    def _clusters(self, rows: npt.NDArray[np.intp]) -> Codes | None:
        if self.cluster is None:
            return None
        codes = self.cluster.codes[rows]
        alone = codes == ALONE
        # A sample on its own is a cluster of one: it gets a code after those of the named ones.
        codes = np.where(alone, len(self.cluster.names) + np.cumsum(alone, dtype=np.int32) - 1, codes)
        shared = bool((np.bincount(codes) > 1).any())
        return codes.astype(np.int32, copy=False) if shared else None


@dataclass(frozen=True)
class ScoredBatch:
    """Scores of one batch of samples, before clusters and slices have codes.

    Args:
        names: identifiers of the samples.
        values: (variant, metric) to an array of shape (samples,), NaN being missing.
        clusters: of each sample; None for one on its own.
        slices: name of a fact to its word for each sample.
        why: as of `SampleScores`.
        orders: as of `SampleScores`.
    """

    names: tuple[str, ...]
    values: Mapping[tuple[str, str], Values]
    clusters: tuple[str | None, ...]
    slices: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    why: Mapping[str, Reasons] = field(default_factory=dict)
    orders: Mapping[tuple[str, str], Reasons] = field(default_factory=dict)

    def column(self, key: tuple[str, str]) -> Values:
        """Return one column, all missing where the batch has none."""
        found = self.values.get(key)
        return np.full(len(self.names), np.nan) if found is None else found

    def slice(self, name: str) -> tuple[str | None, ...]:
        """Return one fact of each sample, None where the batch has none."""
        return self.slices.get(name, (None,) * len(self.names))

    def reasons(self, variant: str) -> Reasons:
        """Return why each sample lacks the primary metric, code 0 where the batch does not say."""
        found = self.why.get(variant)
        return np.zeros(len(self.names), dtype=np.int8) if found is None else found

    def order(self, key: tuple[str, str]) -> Reasons:
        """Return which position won in each order, `NOT_BOTH` where the batch has no such pair."""
        found = self.orders.get(key)
        return np.full(len(self.names), NOT_BOTH, dtype=np.int8) if found is None else found


def _usable(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if 2 <= len(column.names) <= MOST_SLICES}
