"""What the analysis of labels takes: judge scores of all, labels of some, aligned; numbers only, no text.

Depends on: numpy. Used by: `abtest.analytics.labels.*`, `abtest.runtime.label_analysis`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
LabelKind = Literal["binary", "scale", "preference"]
Choice = Literal["random", "disagreement"]


@dataclass(frozen=True)
class ScoredComparison:
    """One treatment against the control, aligned by sample, NaN being missing; every array has shape (samples,).

    Args:
        treatment: its name.
        clusters: what each sample belongs to; None is a sample on its own.
        judge_control, judge_treatment: the judge's scores; of a preference the control's are 0 and the treatment's its
            share of the preference.
        human_control, human_treatment: settled labels of items that were drawn at random, on the judge's scale.
    """

    treatment: str
    clusters: tuple[str | None, ...]
    judge_control: Values
    judge_treatment: Values
    human_control: Values
    human_treatment: Values


@dataclass(frozen=True)
class LabelledItems:
    """Items that carry a settled label and a judge's score, chosen in one way; arrays have shape (items,).

    Args:
        judge: the judge's scores.
        human: settled labels.
        units: sample or cluster of each item: items of one unit are not independent.
    """

    judge: Values
    human: Values
    units: tuple[str, ...]


@dataclass(frozen=True)
class LabelData:
    """All that is known of one metric's labels.

    Args:
        scale: lowest and highest score; of a preference 0 and 1.
        items: by how they were chosen.
        labellers: who labelled; `ratings` has a row for each, shape (labellers, items), NaN where they did not.
    """

    run_id: str
    metric: str
    kind: LabelKind
    scale: tuple[float, float]
    control: str
    comparisons: tuple[ScoredComparison, ...]
    items: Mapping[Choice, LabelledItems] = field(default_factory=dict)
    labellers: tuple[str, ...] = ()
    ratings: Values = field(default_factory=lambda: np.empty((0, 0)))
