"""Ranks all variants by every pair of them, on the primary metric or from the verdicts themselves.

Depends on: numpy, `abtest.analytics.statistics`. Used by: `abtest.analytics.service`,
`abtest.analytics.offline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.comparison.sensitivity import ROUNDING
from abtest.analytics.data.scores import ALONE, SampleScores
from abtest.analytics.data.table_scores import sides
from abtest.analytics.data.tables import FIRST, SECOND, TIE, PairwiseTable, PreferenceTable, Values
from abtest.analytics.model import AnalysisPlan, RankedVariant, Ranking
from abtest.analytics.statistics._pair_counts import ClusteredPairCounts, PairCounts
from abtest.analytics.statistics.bradley_terry import (
    BradleyTerry,
    bradley_terry,
    bradley_terry_by_parts,
    clustered_bradley_terry,
)
from abtest.analytics.statistics.ranking import ranking

_EVEN = 1e-9
"""Preferences this near to one half are ties."""
_PART = 1 << 16
"""Samples whose comparisons are held at once."""
_ALL = slice(None)

Rows = npt.NDArray[np.intp]


def ranking_of(plan: AnalysisPlan, scores: SampleScores) -> Ranking | None:
    """Return the variants by strength from who scores higher, sample by sample; None under a sequential design.

    Args:
        plan: names variants, primary metric and tie margin.
        scores: of all samples.
    """
    if plan.design.kind != "fixed":
        return None
    sign = -1.0 if plan.lower_is_better(plan.primary_metric) else 1.0
    values = [scores.column(variant, plan.primary_metric) for variant in plan.variants]
    # Judges of pairs compared each treatment with the control, and no two treatments with each other.
    control = plan.variants.index(plan.control) if plan.is_preference(plan.primary_metric) else None
    columns = _Columns(values, sign, plan.tie_margin + _rounding(values), control)
    if len(plan.variants) == 2 and scores.cluster is None:
        # One comparison a sample: its own sandwich error is the clustered one.
        return _ranked(plan.variants, bradley_terry(columns.counts()), plan.alpha)
    parts = (columns.by_cluster(rows, _clusters(scores, rows)) for rows in _parts(scores))
    return _ranked(plan.variants, bradley_terry_by_parts(columns.counts(), parts), plan.alpha)


@dataclass(frozen=True)
class _Columns:
    """Scores of all variants, compared two by two: rows of comparisons exist for a part of the samples at a time.

    Args:
        values: scores of each variant, shape (samples,), NaN being missing.
        sign: -1 where less is more.
        tie_margin: scores no further apart tie.
        control: position of the one variant that the others were compared with; None compares every two.
    """

    values: Sequence[Values]
    sign: float
    tie_margin: float
    control: int | None = None

    def counts(self) -> PairCounts:
        """Return who scores higher how often, over all samples."""
        k = len(self.values)
        wins, ties = np.zeros((k, k), dtype=np.int64), np.zeros((k, k), dtype=np.int64)
        for i, j in self._compared():
            gap = self._gap(i, j)
            known = gap.size - np.count_nonzero(np.isnan(gap))
            wins[i, j] = np.count_nonzero(gap > self.tie_margin)
            wins[j, i] = np.count_nonzero(gap < -self.tie_margin)
            ties[i, j] = ties[j, i] = known - wins[i, j] - wins[j, i]
        return PairCounts(wins, ties)

    def by_cluster(self, rows: Rows, clusters: npt.NDArray[np.int64]) -> ClusteredPairCounts:
        """Return who scores higher in some samples, by their clusters."""
        found = []
        for i, j in self._compared():
            gap = self._gap(i, j, rows)
            known = np.flatnonzero(~np.isnan(gap))
            gap = gap[known]
            verdict = np.where(gap > self.tie_margin, FIRST, np.where(gap < -self.tie_margin, SECOND, TIE))
            found.append((np.full(known.size, i), np.full(known.size, j), verdict, clusters[known]))
        first, second, verdict, cluster = (np.concatenate(column) for column in zip(*found, strict=True))
        return ClusteredPairCounts.of(first, second, verdict, cluster, len(self.values))

    def _compared(self) -> list[tuple[int, int]]:
        every = combinations(range(len(self.values)), 2)
        return [pair for pair in every if self.control is None or self.control in pair]

    def _gap(self, i: int, j: int, rows: Rows | slice = _ALL) -> Values:
        gap: Values = self.values[i][rows] - self.values[j][rows]
        return gap if self.sign > 0 else -gap


def _rounding(values: Sequence[Values]) -> float:
    """Return the difference that rounding alone can make between two equal scores, as the comparisons take it."""
    ends = (float(np.fmax.reduce(np.abs(column), initial=0.0)) for column in values)
    return ROUNDING * max(1.0, *ends)


def _parts(scores: SampleScores) -> Iterator[Rows]:
    """Yield the samples in parts of about `_PART`, those of a cluster in one of them."""
    if scores.cluster is None:
        for start in range(0, scores.samples, _PART):
            yield np.arange(start, min(start + _PART, scores.samples))
        return
    order = np.argsort(scores.cluster.codes, kind="stable")
    ranked = scores.cluster.codes[order]
    start = 0
    while start < order.size:
        last = ranked[min(start + _PART, order.size) - 1]
        # Samples on their own have the lowest code, and may be parted anywhere.
        end = min(start + _PART, order.size) if last == ALONE else int(np.searchsorted(ranked, last, side="right"))
        yield order[start:end]
        start = end


def ranking_of_verdicts(
    variants: tuple[str, ...], table: PairwiseTable | PreferenceTable, scores: SampleScores, alpha: float
) -> Ranking:
    """Return the variants by strength from the verdicts themselves.

    Args:
        variants: those of the table.
        table: checked rows; a verdict that could not be read does not count.
        scores: knows the clusters of the samples.
        alpha: two-sided error rate.
    """
    left, right, share = sides(table)
    known = ~np.isnan(share)
    verdict = np.where(share > 0.5 + _EVEN, FIRST, np.where(share < 0.5 - _EVEN, SECOND, TIE))[known]
    clusters = _clusters(scores, table.sample[known])
    counts = ClusteredPairCounts.of(left[known], right[known], verdict, clusters, len(variants))
    return _ranked(variants, clustered_bradley_terry(counts), alpha)


def _clusters(scores: SampleScores, rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the cluster of each row's sample: every sample is one, with the others of its cluster."""
    own = rows.astype(np.int64)
    if scores.cluster is None:
        return own
    codes = scores.cluster.codes[own].astype(np.int64)
    return np.where(codes < 0, len(scores.cluster.names) + own, codes)


def _ranked(variants: tuple[str, ...], fit: BradleyTerry, alpha: float) -> Ranking:
    if fit.status != "ok" or fit.theta is None:
        return Ranking(status=fit.status)
    errors = fit.standard_errors()
    ranks = {one.variant: one.rank for one in ranking(fit, alpha).variants}
    z = NormalDist().inv_cdf(1 - alpha / 2)
    found = []
    for code in sorted(range(len(variants)), key=lambda code: -fit.theta[code]):  # type: ignore[index]
        strength, se = fit.theta[code], errors[code] if errors else None
        found.append(
            RankedVariant(
                variant=variants[code],
                log_strength=strength,
                se=se,
                ci_low=None if se is None else strength - z * se,
                ci_high=None if se is None else strength + z * se,
                rank=ranks.get(code),
            )
        )
    return Ranking(status="ok", variants=tuple(found))
