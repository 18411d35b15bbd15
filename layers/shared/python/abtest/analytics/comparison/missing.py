"""Whether missing answers are alike on both sides, and whether they could reverse the result.

In a paired run every variant is asked every sample, so the sides cannot differ in what they were asked (a sample-ratio
mismatch); they can differ in what came back. Missingness that depends on the variant makes the complete pairs a
selection. Its exact test is McNemar's on "has a score", at the level of an alarm; its harm is bounded by giving every
missing score the worst value for the side that looks better (Horowitz and Manski 2000, worst-case bounds).

A preference is missing on both sides at once, whoever did not answer: there the sides differ in who had an answer.

Depends on: numpy, `abtest.analytics.statistics.mcnemar`. Used by: `abtest.analytics.engine`,
`abtest.analytics.insights.facts`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abtest.analytics.data.scores import SampleScores
from abtest.analytics.data.tables import Values
from abtest.analytics.plan import AnalysisPlan
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.summaries import Missingness

Present = npt.NDArray[np.bool_]


def missing_of(plan: AnalysisPlan, scores: SampleScores, treatment: str) -> Missingness:
    """Return how what is missing of the primary metric differs between the control and a treatment.

    Args:
        plan: the declared analysis.
        scores: of all samples; of a preference with the answers' errors, without which nothing is known to differ.
        treatment: a variant that is not the control.
    """
    control, own = (scores.column(variant, plan.primary_metric) for variant in (plan.control, treatment))
    if not plan.is_preference(plan.primary_metric):
        return missingness(control, own)
    answered = (scores.column(variant, "error_rate") == 0 for variant in (plan.control, treatment))
    return missing_answers(own - control, *answered)


def missing_answers(net: Values, answered_control: Present, answered_treatment: Present) -> Missingness:
    """Return how the answers differ that pairs without a preference lack.

    A pair that both sides answered is alike on both sides, whatever the judge made of it.

    Args:
        net: treatment's share of the preference less the control's, shape (samples,), NaN being missing.
        answered_control: whether the control answered, shape (samples,).
        answered_treatment: whether the treatment did.
    """
    known = ~np.isnan(net)
    has_control, has_treatment = known | answered_control, known | answered_treatment
    one_sided = int(np.count_nonzero(has_control != has_treatment))
    if not one_sided:
        return Missingness()
    table = McNemar.of(has_control.astype(np.float64), has_treatment.astype(np.float64))
    judged = net[known]
    effect = float(judged.mean()) if judged.size else 0.0
    lost = -1.0 if effect >= 0 else 1.0
    worst = float(judged.sum() + lost * one_sided) / (judged.size + one_sided) if judged.size else None
    return Missingness(
        only_control=table.only_a,
        only_treatment=table.only_b,
        p_value=table.result().p_value,
        worst_case_effect=worst,
        reversible=worst is not None and worst * effect <= 0,
    )


def missingness(control: Values, treatment: Values) -> Missingness:
    """Return how the missing scores of two variants differ.

    Args:
        control: scores, shape (samples,), NaN being missing.
        treatment: scores, shape (samples,), NaN being missing.
    """
    has_control, has_treatment = ~np.isnan(control), ~np.isnan(treatment)
    if np.array_equal(has_control, has_treatment):
        return Missingness()
    table = McNemar.of(has_control.astype(np.float64), has_treatment.astype(np.float64))
    both = has_control & has_treatment
    worst = _worst_case(control, treatment, has_control, has_treatment) if both.any() else None
    effect = float((treatment[both] - control[both]).mean()) if both.any() else 0.0
    return Missingness(
        only_control=table.only_a,
        only_treatment=table.only_b,
        p_value=table.result().p_value,
        worst_case_effect=worst,
        reversible=worst is not None and worst * effect <= 0,
    )


def _worst_case(control: Values, treatment: Values, has_control: Present, has_treatment: Present) -> float:
    """Return the mean difference over all samples with any score, the missing one at its worst."""
    seen = np.concatenate([control[has_control], treatment[has_treatment]])
    low, high = float(seen.min()), float(seen.max())
    both = has_control & has_treatment
    better = float((treatment[both] - control[both]).mean()) >= 0
    any_score = has_control | has_treatment
    worst_control, worst_treatment = (high, low) if better else (low, high)
    a = np.where(has_control, control, worst_control)[any_score]
    b = np.where(has_treatment, treatment, worst_treatment)[any_score]
    return float((b - a).mean())
