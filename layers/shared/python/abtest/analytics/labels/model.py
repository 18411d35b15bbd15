"""What the analysis of labels says: frozen, JSON-ready, without NaN or infinities.

A number that does not exist is None and stands beside a status that says why.

Depends on: pydantic, `abtest.analytics.model`. Used by: `abtest.analytics.labels.*`, the API, the command line.
"""

from __future__ import annotations

from typing import Literal

from abtest.analytics.labels.inputs import Choice, LabelKind
from abtest.analytics.model import Agreement, AnalysisModel, Method, Number, Probability, Status


class Estimated(AnalysisModel):
    """A mean with its interval.

    Args:
        n: samples it comes from.
        units: independent ones among them: clusters, or samples.
    """

    status: Status
    n: int
    units: int
    value: Number | None = None
    se: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None
    p_value: Probability | None = None


class Confusion(AnalysisModel):
    """Items of a binary metric, by what people and the judge say."""

    both_pass: int
    only_judge_passes: int
    only_people_pass: int
    both_fail: int


class JudgeHumanAgreement(AnalysisModel):
    """How far the judge says what people say.

    Args:
        chosen: how the items were chosen; those chosen by disagreement are the hard ones, and speak for no others.
        items: with a settled label and a judge's score; units: samples or clusters among them.
        raw: share on which both say the same; of a preference the same winner, or both a tie.
        accuracy: of a preference and of 0 and 1: mean of 1 - |judge - people|, so that a verdict that flips with the
            order is half right, with a cluster-robust interval.
        cohen_kappa: quadratic weights on a scale, else plain.
        gwet_ac1: AC1; on a scale None.
        mean_absolute_difference: on the metric's scale.
        mean_difference: judge less people: whether the judge is lenient (above 0) or strict, with its interval.
        pearson, spearman: correlation, on a scale only; None where one side is constant.
    """

    chosen: Choice
    status: Status
    items: int
    units: int
    raw: Number | None = None
    accuracy: Number | None = None
    accuracy_low: Number | None = None
    accuracy_high: Number | None = None
    cohen_kappa: Number | None = None
    gwet_ac1: Number | None = None
    mean_absolute_difference: Number | None = None
    mean_difference: Estimated | None = None
    pearson: Number | None = None
    spearman: Number | None = None
    confusion: Confusion | None = None


class CorrectedShare(AnalysisModel):
    """The pass rate of one variant, corrected by the judge's error rates on that variant (Rogan-Gladen).

    Args:
        raw_rate: what the judge passes of the unlabelled samples.
        rate: corrected, as it comes: it can lie outside 0 to 1 when labels are few.
    """

    variant: str
    status: Status
    sensitivity: Number | None = None
    specificity: Number | None = None
    raw_rate: Number | None = None
    rate: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None


class RatesEffect(AnalysisModel):
    """The effect on a binary metric by Rogan-Gladen: the difference of two corrected rates over the same samples."""

    status: Status
    control: CorrectedShare
    treatment: CorrectedShare
    effect: Estimated


class LabelBudget(AnalysisModel):
    """Labels to add for a narrower interval.

    Args:
        factor: wanted width, as a share of the present one.
        status: `unreachable`: not even a label on every judged sample makes it that narrow.
        more_samples: samples to label beyond the present ones.
        more_items: the same in items of a sheet.
    """

    factor: float
    status: Status
    more_samples: int | None = None
    more_items: int | None = None


class CorrectedEffect(AnalysisModel):
    """One treatment against the control, as people would see it.

    Args:
        null: the value of no difference: 0, or 0.5 of a preference.
        status: of `corrected`.
        corrected: PPI++, see `correction.METHOD`; of a preference the treatment's share of it, else treatment less
            control.
        labels_alone: from the labelled samples alone.
        judge_alone: from all the judge's scores, biased by whatever the judge gets wrong.
        judge_error: judge less people on the labelled samples: by how much the judge misstates the effect.
        trust: how much of the judge is used, from 0 (it adds nothing) to 1.
        narrower: by which share the corrected interval is narrower than that of the labels alone.
        rates: Rogan-Gladen beside it, of a binary metric.
        budget: labels for narrower intervals.
        sentence: all of it for a person.
    """

    treatment: str
    null: float
    status: Status
    labelled: int
    judged: int
    corrected: Estimated
    labels_alone: Estimated
    judge_alone: Estimated
    judge_error: Estimated
    trust: Number | None = None
    narrower: Number | None = None
    rates: RatesEffect | None = None
    budget: tuple[LabelBudget, ...] = ()
    sentence: str = ""


class LabelCounts(AnalysisModel):
    """What came in.

    Args:
        sheets: sheets of the metric.
        items: their items; labelled: those with a label of anybody.
        conflicts: items on which people disagree; left_out: those that no value could be given.
        replaced: labels that a later one of the same person replaced.
        unlabelled_random: items of random sheets without any label: leaving them out is harmless only where which
            ones are missing has nothing to do with how good they are.
        unjudged: labelled items to which the judge gave no score.
    """

    sheets: int = 0
    items: int = 0
    labelled: int = 0
    labellers: tuple[str, ...] = ()
    several: int = 0
    conflicts: int = 0
    left_out: int = 0
    replaced: int = 0
    unlabelled_random: int = 0
    unjudged: int = 0
    settled_by: str = ""


class LabelAnalysis(AnalysisModel):
    """All that labels say of one metric of one run.

    Args:
        human_human: how far people agree with each other; None where nobody labelled what another did.
    """

    schema_version: Literal["1"] = "1"
    run_id: str
    metric: str
    kind: LabelKind
    scale: tuple[float, float]
    control: str
    alpha: float
    counts: LabelCounts
    judge_human: tuple[JudgeHumanAgreement, ...] = ()
    human_human: Agreement | None = None
    effects: tuple[CorrectedEffect, ...] = ()
    warnings: tuple[str, ...] = ()
    methods: tuple[Method, ...] = ()
