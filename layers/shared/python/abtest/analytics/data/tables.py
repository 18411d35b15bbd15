"""Results as columns: what a file of scores, pairwise verdicts or preferences becomes before it is analysed.

Names are kept once and rows as integer codes, so that a million pairs cost tens of bytes a row.

Depends on: numpy. Used by: `abtest.analytics.offline`, the command line's readers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
Values = npt.NDArray[np.float64]

FIRST, SECOND, TIE, INVALID = 0, 1, 2, 3
"""Codes of a pairwise verdict: a position, a tie, or a verdict that could not be read."""
VERDICTS = ("first", "second", "tie", "invalid")


@dataclass(frozen=True)
class SampleGroups:
    """The samples of a table, and what they belong to.

    Args:
        samples: name of every sample, by its code.
        clusters: names of the clusters, by code; empty when no row names one.
        cluster: code of the cluster of every sample, shape (samples,); -1 is a sample on its own.
        slices: names of the slices, by code; empty when no row names one.
        slice: code of the slice of every sample, shape (samples,); -1 is none.
    """

    samples: tuple[str, ...]
    clusters: tuple[str, ...]
    cluster: Codes
    slices: tuple[str, ...]
    slice: Codes


@dataclass(frozen=True)
class ScoreTable:
    """One score a row: sample x variant x metric x judge, each combination at most once.

    Args:
        groups: the samples.
        variants: names by code, in the order of their first row.
        metrics: names by code; `("score",)` when no row names one.
        judges: names by code; `("",)` when no row names one.
        sample: shape (rows,).
        variant: shape (rows,).
        metric: shape (rows,).
        judge: shape (rows,).
        score: shape (rows,), finite, NaN being missing.
    """

    groups: SampleGroups
    variants: tuple[str, ...]
    metrics: tuple[str, ...]
    judges: tuple[str, ...]
    sample: Codes
    variant: Codes
    metric: Codes
    judge: Codes
    score: Values


@dataclass(frozen=True)
class PairwiseTable:
    """One verdict a row: a judge saw two variants' answers to a sample, `first` before `second`.

    Args:
        groups: the samples.
        variants: names by code, in the order of their first row.
        judges: names by code; `("",)` when no row names one.
        sample: shape (rows,).
        first: variant shown first, shape (rows,).
        second: variant shown second, shape (rows,).
        verdict: `FIRST`, `SECOND`, `TIE` or `INVALID`, shape (rows,).
        judge: shape (rows,).
    """

    groups: SampleGroups
    variants: tuple[str, ...]
    judges: tuple[str, ...]
    sample: Codes
    first: Codes
    second: Codes
    verdict: Codes
    judge: Codes


@dataclass(frozen=True)
class PreferenceTable:
    """One graded preference a row: how much a judge prefers a variant to a baseline.

    Args:
        groups: the samples.
        variants: names by code, baselines among them.
        judges: names by code; `("",)` when no row names one.
        sample: shape (rows,).
        variant: shape (rows,).
        baseline: shape (rows,).
        preference: for the variant, from 0 to 1, shape (rows,), NaN being missing.
        judge: shape (rows,).
        length_variant: length of the variant's answer, shape (rows,), NaN being unknown; None when no row tells.
        length_baseline: the same of the baseline's answer.
    """

    groups: SampleGroups
    variants: tuple[str, ...]
    judges: tuple[str, ...]
    sample: Codes
    variant: Codes
    baseline: Codes
    preference: Values
    judge: Codes
    length_variant: Values | None
    length_baseline: Values | None


ResultTable = ScoreTable | PairwiseTable | PreferenceTable
