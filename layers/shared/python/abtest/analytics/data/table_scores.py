"""Turns tables of results into scores aligned by sample: judges averaged, positions and baselines undone.

A pairwise verdict becomes a share of the preference: 1 for a win, 0.5 for a tie, 0 for a loss, averaged over judges and
orders within the sample. The two variants of a pair share it, so that their difference is the net preference.

Depends on: numpy, `abtest.analytics.data.scores`, `abtest.analytics.data.tables`. Used by: `abtest.analytics.offline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from abtest.analytics.data.scores import ALONE, Column, SampleScores
from abtest.analytics.data.tables import (
    FIRST,
    INVALID,
    SECOND,
    TIE,
    Codes,
    PairwiseTable,
    PreferenceTable,
    SampleGroups,
    ScoreTable,
    Values,
)

PREFERENCE = "preference"
"""Name of the metric that pairwise verdicts and preferences make."""


@dataclass(frozen=True)
class Answered:
    """Which variants have a row of a sample at all, a missing score included; shape (samples,) each."""

    rows: Mapping[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]


def scores_of(table: ScoreTable) -> tuple[SampleScores, Answered]:
    """Return the scores of every variant on every metric, the mean over the judges that gave one.

    Args:
        table: checked rows.
    """
    samples = len(table.groups.samples)
    values: dict[tuple[str, str], Values] = {}
    answered = {}
    for v, variant in enumerate(table.variants):
        rows = np.flatnonzero(table.variant == v)
        sample, score, metrics = table.sample[rows], table.score[rows], table.metric[rows]
        answered[variant] = _seen(sample, samples)
        for m, metric in enumerate(table.metrics):
            mine = metrics == m if len(table.metrics) > 1 else slice(None)
            values[variant, metric] = _mean_by(sample[mine], score[mine], samples)
    return _grouped(table.groups, values), Answered(answered)


def preferences_of(
    table: PairwiseTable | PreferenceTable, control: str, treatment: str
) -> tuple[SampleScores, Answered]:
    """Return how much of the preference each of two variants gets, sample by sample.

    Args:
        table: checked rows.
        control: one variant.
        treatment: the other.
    """
    one, other = table.variants.index(control), table.variants.index(treatment)
    samples = len(table.groups.samples)
    left, right, share = sides(table)
    straight, turned = (left == other) & (right == one), (left == one) & (right == other)
    chosen = straight | turned
    of_treatment = np.where(straight, share, 1 - share)
    wins = _mean_by(table.sample[chosen], of_treatment[chosen], samples)
    seen = _seen(table.sample[chosen], samples)
    values = {(treatment, PREFERENCE): wins, (control, PREFERENCE): 1 - wins}
    return _grouped(table.groups, values), Answered({control: seen, treatment: seen})


def sides(table: PairwiseTable | PreferenceTable) -> tuple[Codes, Codes, Values]:
    """Return both variants of each row and the share of the preference that the left one gets, NaN being missing."""
    if isinstance(table, PreferenceTable):
        return table.variant, table.baseline, table.preference
    share = np.empty(4)
    share[[FIRST, SECOND, TIE, INVALID]] = (1.0, 0.0, 0.5, np.nan)
    return table.first, table.second, share[table.verdict]


def _mean_by(sample: Codes, score: Values, samples: int) -> Values:
    present = ~np.isnan(score)
    codes, known = (sample, score) if present.all() else (sample[present], score[present])
    counts = np.bincount(codes, minlength=samples)
    sums = np.bincount(codes, weights=known, minlength=samples)
    means: Values = np.divide(sums, counts, out=np.full(samples, np.nan), where=counts > 0)
    return means


def _seen(sample: Codes, samples: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    seen = np.zeros(samples, dtype=np.bool_)
    seen[sample] = True
    return seen


def _grouped(groups: SampleGroups, values: Mapping[tuple[str, str], Values]) -> SampleScores:
    has_clusters = bool(groups.clusters) and bool((groups.cluster != ALONE).any())
    return SampleScores(
        samples=len(groups.samples),
        values=values,
        cluster=Column(groups.clusters, groups.cluster) if has_clusters else None,
        slices={"slice": Column(groups.slices, groups.slice)} if len(groups.slices) > 1 else {},
        names=groups.samples,
    )
