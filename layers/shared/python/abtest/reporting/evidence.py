"""The evidence beside the effects, as a report shows it: guardrails, other tests, slices, the declared design.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.reporting.report`.
"""

from __future__ import annotations

from typing import Any

from abtest.analytics.model import AnalysisResult, GuardrailResult, SensitivityTest
from abtest.analytics.wording import amount_text, effect_text, p_text, probability_text, value_text

NONE = "–"
VERDICT_TONES = {"holds": "good", "broken": "bad", "unclear": "open"}


def p_cell(p: float | None, alpha: float) -> str:
    """Return a p-value for a table, without the letter; a dash when there is none."""
    return NONE if p is None else p_text(p, alpha).removeprefix("p ").removeprefix("= ")


def guardrail_rows(analysis: AnalysisResult) -> list[dict[str, str]]:
    """Return one row a guardrail and treatment."""
    return [
        {
            "name": guardrail.name,
            "what": _statistic(guardrail),
            "treatment": guardrail.treatment,
            "control_value": value_text(guardrail.value_control, guardrail.unit),
            "treatment_value": value_text(guardrail.value_treatment, guardrail.unit),
            "loss": amount_text(guardrail.loss, guardrail.unit),
            "bound": amount_text(guardrail.loss_high, guardrail.unit),
            "margin": amount_text(guardrail.margin, guardrail.unit),
            "p": p_cell(guardrail.p_value_adjusted, analysis.plan.alpha),
            "verdict": guardrail.verdict if guardrail.status == "ok" else guardrail.status.replace("_", " "),
            "tone": VERDICT_TONES[guardrail.verdict],
        }
        for guardrail in analysis.guardrails
    ]


def _statistic(guardrail: GuardrailResult) -> str:
    """Return what is compared, where the guardrail's name does not say it already."""
    what = guardrail.metric if guardrail.statistic == "mean" else f"{guardrail.statistic} of {guardrail.metric}"
    return "" if guardrail.name in (what, f"{guardrail.metric}:{guardrail.statistic}") else what


def sensitivity_rows(analysis: AnalysisResult) -> list[dict[str, str]]:
    """Return the primary comparisons by every other test; none under a design that forbids them."""
    alpha, rows = analysis.plan.alpha, []
    for comparison in analysis.comparisons:
        tests = comparison.sensitivity
        if not comparison.primary or tests is None:
            continue
        better = tests.bayesian.probability_better
        rows.append(
            {
                "treatment": comparison.treatment,
                "t": _test(tests.t, alpha),
                "permutation": _test(tests.permutation, alpha),
                "sign": _test(tests.sign, alpha),
                "wilcoxon": _test(tests.wilcoxon, alpha),
                "better": NONE if better is None else probability_text(better),
                "loss": amount_text(tests.bayesian.expected_loss_treatment, comparison.unit),
            }
        )
    return rows


def _test(test: SensitivityTest, alpha: float) -> str:
    return p_cell(test.p_value, alpha) if test.p_value is not None else test.status.replace("_", " ")


def slice_rows(analysis: AnalysisResult) -> list[dict[str, str]]:
    """Return one row a slice and treatment, in the order of the facts."""
    unit = analysis.plan.unit(analysis.plan.primary_metric)
    return [
        {
            "slice": effect.slice,
            "value": effect.value,
            "treatment": effect.treatment,
            "n": f"{effect.n:,}",
            "effect": NONE if effect.effect is None else effect_text(effect.effect, unit),
            "interval": _interval(effect.ci_low, effect.ci_high, analysis),
            "p": p_cell(effect.p_value_adjusted, analysis.plan.alpha),
        }
        for effect in analysis.slices
    ]


def _interval(low: float | None, high: float | None, analysis: AnalysisResult) -> str:
    if low is None or high is None:
        return NONE
    unit = analysis.plan.unit(analysis.plan.primary_metric)
    return f"{effect_text(low, unit, with_unit=False)} to {effect_text(high, unit, with_unit=False)}"


def design_text(analysis: AnalysisResult) -> str:
    """Return the declared design in one sentence, and which of its looks this is."""
    plan, look = analysis.plan, analysis.look
    rest = f"alpha {plan.alpha:g} two-sided, primary metric {plan.primary_metric}, control {plan.control}."
    if plan.design.kind == "fixed":
        return f"Fixed: one analysis at the end, {rest}"
    where = f"this is look {look.number} of {plan.design.looks}" if plan.design.looks > 1 else "this is one look"
    asked: Any = look.asked[-1] if look.asked else None
    if asked is not None and look.planned:
        where += f", {asked:,} of {look.planned:,} planned samples"
    if plan.design.kind == "group_sequential":
        spending = {"obrien_fleming": "O'Brien-Fleming-type", "pocock": "Pocock-type"}[plan.design.spending]
        return f"Group sequential with {spending} spending (Lan-DeMets); {where}; {rest}"
    tuned = f", narrowest at {plan.design.tuned_at:,} samples" if plan.design.tuned_at else ""
    return f"Always valid: an asymptotic confidence sequence{tuned}; {where}; {rest}"
