"""Analyses the labels of one metric: agreement, the effect corrected by people, the budget for more labels.

Depends on: numpy, the modules beside it, `abtest.analytics.statistics`. Used by: `abtest.runtime.label_analysis`.
"""

from __future__ import annotations

import numpy as np

from abtest.analytics.labels import correction, rates, wording
from abtest.analytics.labels.agreement import human_human, judge_human
from abtest.analytics.labels.correction import corrected_mean, plain_mean, width
from abtest.analytics.labels.inputs import LabelData, LabelKind, ScoredComparison, Values
from abtest.analytics.labels.model import CorrectedEffect, LabelAnalysis, LabelBudget, LabelCounts, RatesEffect
from abtest.analytics.model import Method
from abtest.analytics.statistics import (
    cohen_kappa,
    gwet_agreement,
    krippendorff_alpha,
    label_budget,
    raw_agreement,
)
from abtest.analytics.statistics.prediction_powered import PredictionPowered

FACTORS = (0.5, 0.75)
"""Widths, as shares of the present one, whose labels are told."""


def analyse_labels(data: LabelData, counts: LabelCounts, alpha: float = 0.05) -> LabelAnalysis:
    """Return all that labels say of one metric.

    Args:
        data: scores and settled labels.
        counts: what came in.
        alpha: two-sided error rate.
    """
    agreement = tuple(
        judge_human(items, chosen=chosen, kind=data.kind, alpha=alpha) for chosen, items in data.items.items()
    )
    people = human_human(data)
    effects = tuple(_effect(one, data, alpha) for one in data.comparisons)
    return LabelAnalysis(
        run_id=data.run_id,
        metric=data.metric,
        kind=data.kind,
        scale=data.scale,
        control=data.control,
        alpha=alpha,
        counts=counts,
        judge_human=agreement,
        human_human=people,
        effects=effects,
        warnings=tuple(wording.label_warnings(counts, effects, agreement)),
        methods=_methods(data.kind, several=people is not None),
    )


def _effect(one: ScoredComparison, data: LabelData, alpha: float) -> CorrectedEffect:
    null = 0.5 if data.kind == "preference" else 0.0
    judge, human = one.judge_treatment - one.judge_control, one.human_treatment - one.human_control
    corrected, trust = corrected_mean(human, judge, one.clusters, null=null, alpha=alpha, trust=None)
    labelled = ~np.isnan(human) & ~np.isnan(judge)
    alone, _ = corrected_mean(human, judge, one.clusters, null=null, alpha=alpha, trust=0.0)
    ours, theirs = width(corrected), width(alone)
    found = CorrectedEffect(
        treatment=one.treatment,
        null=null,
        status=corrected.status,
        labelled=int(np.count_nonzero(labelled)),
        judged=int(np.count_nonzero(~np.isnan(judge))),
        corrected=corrected,
        labels_alone=alone,
        judge_alone=plain_mean(judge, one.clusters, null=null, alpha=alpha),
        judge_error=plain_mean(np.where(labelled, judge - human, np.nan), one.clusters, null=0.0, alpha=alpha),
        trust=trust,
        narrower=1 - ours / theirs if ours is not None and theirs else None,
        rates=_rates(one, data, alpha),
        budget=_budget(human, judge, data.kind, alpha) if corrected.status == "ok" else (),
    )
    sentence = wording.effect_sentence(found, data.kind, data.control, alpha)
    return found.model_copy(update={"sentence": sentence})


def _rates(one: ScoredComparison, data: LabelData, alpha: float) -> RatesEffect | None:
    judged = np.concatenate((one.judge_control, one.judge_treatment))
    people = np.concatenate((one.human_control, one.human_treatment))
    # A panel may join binary scores to a share, which is no verdict with error rates.
    if data.kind != "binary" or not _zero_or_one(judged) or not _zero_or_one(people):
        return None
    return rates.rates_effect(one, data.control, alpha)


def _zero_or_one(values: Values) -> bool:
    return bool(np.isin(values[~np.isnan(values)], (0.0, 1.0)).all())


def _budget(human: Values, judge: Values, kind: LabelKind, alpha: float) -> tuple[LabelBudget, ...]:
    seen = PredictionPowered.of_samples(human, judge)
    items = 1 if kind == "preference" else 2
    found = []
    for factor in FACTORS:
        told = label_budget.label_budget(seen, factor=factor, alpha=alpha)
        more = told.more_labels
        found.append(
            LabelBudget(
                factor=factor,
                status=told.status,
                more_samples=more,
                more_items=None if more is None else items * more,
            )
        )
    return tuple(found)


def _methods(kind: LabelKind, *, several: bool) -> tuple[Method, ...]:
    used = [correction.METHOD, label_budget.STATISTIC, raw_agreement.STATISTIC, cohen_kappa.STATISTIC]
    if kind == "binary":
        used.insert(1, rates.METHOD)
    if kind != "scale":
        used.append(gwet_agreement.STATISTIC)
    return (*used, krippendorff_alpha.STATISTIC) if several else tuple(used)
