"""The sentences of a decision: what was found, what it rests on, what a reader must know with it.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.analytics.decision.deciding`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from abtest.analytics.model import AnalysisPlan, Comparison, Coverage, GuardrailResult
from abtest.analytics.summaries import Missingness
from abtest.analytics.wording import TEST_NAMES, amount_text, effect_text, interval_text, level_text, p_text

ENOUGH_COVERAGE = 0.9
"""Below this share of complete pairs the reader is warned."""
LEAST_COVERAGE = 0.5
"""Below this share nothing is decided: what is missing could reverse what is there."""
FEW_PAIRS = 30
FEW_CLUSTERS = 10
MOST_SAMPLES = 1_000_000
"""A plan for more paired samples than this is no plan."""

Verdict = Literal["better", "worse", "no_worse", "undecided"]
NO_SPREAD = "no interval: every pair differs alike"
NOT_EQUAL = "This does not show that they are equal."


def headline(
    plan: AnalysisPlan,
    comparison: Comparison,
    no_worse: GuardrailResult | None,
    coverage: Coverage,
    verdict: Verdict,
    *,
    but: str = "",
) -> str:
    """Return the one sentence about a treatment, with its figures after a colon.

    Args:
        plan: the declared analysis.
        comparison: on the primary metric.
        no_worse: the primary metric against its margin.
        coverage: how much of what was asked it rests on.
        verdict: of the primary metric alone.
        but: what keeps a treatment that is better, or no worse, from being taken; see `guardrail_objection`.
    """
    treatment, control, metric = comparison.treatment, comparison.control, comparison.metric
    if comparison.status != "ok" or comparison.effect is None or comparison.p_value is None:
        return _degenerate(comparison)
    if _mostly_missing(comparison, coverage):
        return (
            f"No conclusion about {treatment} and {control} on {metric}: only {comparison.n:,} of {coverage.asked:,} "
            "samples have a score of both, fewer than half, and the missing ones could reverse any difference."
        )
    effect = effect_text(comparison.effect, comparison.unit)
    numbers = f"{effect} ({_evidence(plan, comparison, coverage)})"
    if verdict == "no_worse" and no_worse is not None:
        margin = amount_text(no_worse.margin, comparison.unit)
        return f"{treatment} is no worse than {control} on {metric} by the declared margin of {margin}{but}: {numbers}."
    if verdict == "undecided" and (comparison.decisive_p or 1.0) < plan.alpha:
        return (
            f"No conclusion about {treatment} and {control} on {metric}, because answers are not missing alike: "
            f"{numbers}."
        )
    if verdict == "undecided":
        return f"No significant difference between {treatment} and {control} on {metric}: {numbers}. {NOT_EQUAL}"
    objection = but if verdict == "better" else ""
    return f"{treatment} is {verdict} than {control} on {metric}{objection}: {numbers}."


def guardrail_objection(guardrails: Sequence[GuardrailResult]) -> str:
    """Return what the guardrails that do not hold object, as the end of a clause; nothing where all hold."""
    for verdict, words in (("broken", ", but breaks"), ("unclear", ", but is not shown to keep")):
        names = [g.name for g in guardrails if g.verdict == verdict]
        if names:
            return f"{words} {'the guardrails' if len(names) > 1 else 'the guardrail'} {', '.join(names)}"
    return ""


def margin_reasons(plan: AnalysisPlan, comparison: Comparison, no_worse: GuardrailResult | None) -> list[str]:
    """Return how far a treatment that is not better was shown to lose less than the declared margin."""
    if no_worse is None or no_worse.n == 0:
        return []
    if no_worse.loss_high is None or no_worse.margin is None:
        return [f"The margin on {comparison.metric} cannot be tested ({no_worse.status.replace('_', ' ')})."]
    adjusted = "" if no_worse.p_value_adjusted is None else "Holm-adjusted "
    margin, bound = (amount_text(value, comparison.unit) for value in (no_worse.margin, no_worse.loss_high))
    p = no_worse.p_value if no_worse.p_value_adjusted is None else no_worse.p_value_adjusted
    if no_worse.verdict == "holds" and p is not None:
        return [
            f"{comparison.treatment} loses less than {bound} with {level_text(plan.alpha)} confidence, where the "
            f"margin is {margin} (one-sided {adjusted}{p_text(p, plan.alpha)})."
        ]
    return [
        f"{comparison.treatment} is not shown to lose less than the margin of {margin}: it may lose up to {bound} "
        f"({level_text(plan.alpha)} bound{_only_unadjusted(no_worse, plan)})."
    ]


def _only_unadjusted(guardrail: GuardrailResult, plan: AnalysisPlan) -> str:
    """Return the adjusted p-value where the bound alone would seem to keep the margin."""
    p, high, margin = guardrail.p_value_adjusted, guardrail.loss_high, guardrail.margin
    if p is None or high is None or margin is None or high >= margin:
        return ""
    return f", not adjusted; Holm-adjusted one-sided {p_text(p, plan.alpha)}"


def guardrail_sentence(guardrail: GuardrailResult, plan: AnalysisPlan) -> str:
    """Return what a guardrail that does not hold says."""
    what = guardrail.metric if guardrail.statistic == "mean" else f"{guardrail.statistic} of {guardrail.metric}"
    told = guardrail.name in (what, f"{guardrail.metric}:{guardrail.statistic}")
    about = f"Guardrail {guardrail.name}{'' if told else f' ({what})'}"
    if guardrail.loss is None or guardrail.loss_high is None or guardrail.loss_low is None:
        few = f"no bound from {guardrail.n:,} pairs yet"
        why = few if guardrail.status == "ok" else guardrail.status.replace("_", " ")
        return f"{about}: cannot be shown to hold for {guardrail.treatment} ({why})."
    unit = guardrail.unit
    loss = f"{guardrail.treatment} loses {amount_text(guardrail.loss, unit)}"
    margin = amount_text(guardrail.margin, unit)
    level = level_text(plan.alpha)
    if guardrail.verdict == "broken":
        bound = f"at least {amount_text(guardrail.loss_low, unit)} with {level} confidence"
        return f"{about} is broken: {loss}, {bound}, more than the margin of {margin}."
    bound = f"the {level} bound is {amount_text(guardrail.loss_high, unit)}{_only_unadjusted(guardrail, plan)}"
    return f"{about} is not shown to hold: {loss}, and {bound}, where the margin is {margin}."


def missing_sentence(plan: AnalysisPlan, comparison: Comparison, missing: Missingness) -> str:
    """Return why missing answers block the verdict; without the figure of a test where the design forbids it."""
    p = f" (exact McNemar {p_text(missing.p_value or 1.0)})" if plan.design.kind == "fixed" else ""
    what = "an answer" if plan.is_preference(comparison.metric) else "a score"
    return (
        f"Answers are not missing alike: {missing.only_control:,} samples have {what} of {comparison.control} only, "
        f"{missing.only_treatment:,} of {comparison.treatment} only{p}, and the missing ones could reverse the "
        "result. Find out why they are missing before trusting any difference."
    )


def more_samples_sentence(plan: AnalysisPlan, comparison: Comparison) -> list[str]:
    """Return how many samples would decide at the effect found, where that is a plan."""
    needed = comparison.samples_to_decide
    if needed is None or needed > MOST_SAMPLES:
        return []
    if needed <= comparison.n:
        return []
    how = "A new run" if plan.design.kind == "fixed" else "A run"
    told = math.ceil(needed / (step := 10 ** max(0, len(str(needed)) - 3))) * step
    return [
        f"{how} of about {told:,} paired samples (there are {comparison.n:,}) would find a true effect of "
        f"{effect_text(comparison.effect or 0.0, comparison.unit)} four times in five."
    ]


def _evidence(plan: AnalysisPlan, comparison: Comparison, coverage: Coverage) -> str:
    interval = interval_text(comparison)
    none = "no interval at this look yet" if comparison.test == "group_sequential" else NO_SPREAD
    shown = f"{level_text(plan.alpha)} interval {interval}" if interval else none
    adjusted = "Holm-adjusted " if comparison.p_value_adjusted is not None else ""
    p = p_text(comparison.decisive_p or 1.0, plan.alpha)
    of_all = "" if comparison.n == coverage.asked else f" of {coverage.asked:,}"
    units = f" in {comparison.clusters} clusters" if comparison.clusters is not None else ""
    return f"{shown}; {adjusted}{TEST_NAMES[comparison.test]} {p}; {comparison.n:,} paired samples{of_all}{units}"


def _mostly_missing(comparison: Comparison, coverage: Coverage) -> bool:
    share = coverage.share(comparison.treatment)
    return share is not None and share < LEAST_COVERAGE


def _degenerate(comparison: Comparison) -> str:
    treatment, control, metric = comparison.treatment, comparison.control, comparison.metric
    about = f"No conclusion about {treatment} and {control} on {metric}"
    if comparison.status == "no_data":
        return f"{about}: no sample has a score of both."
    if comparison.status == "too_few":
        return f"{about}: only one sample has a score of both, and one pair has no spread to judge chance by."
    if comparison.status == "one_cluster":
        return (
            f"{about}: all {comparison.n} paired samples belong to one cluster, "
            "so there is one independent observation and no error can be estimated."
        )
    effect = comparison.effect or 0.0
    alike = comparison.wins == comparison.losses == 0 or comparison.clusters is None
    if comparison.status == "no_discordant_pairs" or (abs(effect) < 1e-12 and alike):
        return (
            f"{treatment} and {control} score the same on {metric} in each of the {comparison.n} paired samples, "
            f"so there is no difference to test. {NOT_EQUAL}"
        )
    return (
        f"{about}: each of the {comparison.n} paired samples (or clusters) differs by the same "
        f"{effect_text(effect, comparison.unit)}, so chance cannot be estimated from their spread."
    )


def comparison_reasons(plan: AnalysisPlan, comparison: Comparison, coverage: Coverage) -> list[str]:
    """Return what a reader must know beside the sentence."""
    reasons = [*_coverage_reasons(comparison, coverage)]
    if comparison.test == "exact_mcnemar":
        reasons += _mcnemar_reasons(plan, comparison)
    elif comparison.status == "ok" and comparison.clusters is None and comparison.n < FEW_PAIRS:
        reasons.append(f"With {comparison.n} pairs the t interval is a rough one.")
    if comparison.clusters is not None and comparison.clusters < FEW_CLUSTERS and comparison.ci_low is not None:
        reasons.append(f"With {comparison.clusters} clusters the interval is a rough one.")
    return reasons


def _coverage_reasons(comparison: Comparison, coverage: Coverage) -> list[str]:
    share = coverage.share(comparison.treatment)
    if share is None or share >= ENOUGH_COVERAGE:
        return []
    return [
        f"Only {comparison.n} of {coverage.asked} samples ({100 * share:.0f} %) have {comparison.metric} of both "
        f"{comparison.treatment} and {comparison.control}: if the missing ones differ from the rest, so does the truth."
    ]


def _mcnemar_reasons(plan: AnalysisPlan, comparison: Comparison) -> list[str]:
    table, low, high, p = comparison.mcnemar, comparison.ci_low, comparison.ci_high, comparison.p_value
    reasons = []
    if low is not None and high is not None and p is not None and (low > 0 or high < 0) != (p < plan.alpha):
        reasons.append(
            f"The interval ({'with' if low <= 0 <= high else 'without'} 0) and the exact test "
            f"({p_text(p, plan.alpha)}) disagree at {plan.alpha:g}: the result is borderline; the exact test decides."
        )
    discordant = 0 if table is None else table.only_control + table.only_treatment
    if discordant and 2 * 0.5**discordant >= plan.alpha:
        reasons.append(
            f"The variants differ in {discordant} of {comparison.n} pairs: too few for this test to find anything."
        )
    return reasons
