"""Turns the primary comparison into one decision and one honest sentence.

The rule, under the declared fixed design: the decision rests on the primary metric alone. Its test is McNemar's exact
one for a binary metric, the paired t test otherwise, and the clustered t test whenever samples belong together
(McNemar's test would take them for independent). Several treatments are adjusted by Holm. A difference with p < alpha
decides for the better side; everything else is undecided, which is not the same as equal.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.analytics.service`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from abtest.analytics.model import AnalysisPlan, Comparison, Coverage, Decision, Outcome
from abtest.analytics.wording import TEST_NAMES, effect_text, interval_text, level_text, p_text

ENOUGH_COVERAGE = 0.9
"""Below this share of complete pairs the reader is warned."""
LEAST_COVERAGE = 0.5
"""Below this share nothing is decided: what is missing could reverse what is there."""
FEW_PAIRS = 30
FEW_CLUSTERS = 10

Verdict = Literal["better", "worse", "undecided"]
NOT_EQUAL = "This does not show that they are equal."


def decide(plan: AnalysisPlan, comparisons: Sequence[Comparison], coverage: Coverage) -> Decision:
    """Return the decision of a finished run.

    Args:
        plan: the declared analysis.
        comparisons: the primary metric's, one a treatment, with p-values adjusted where there are several.
        coverage: how much of what was asked they rest on.
    """
    verdicts = {c.treatment: _verdict(plan, c, coverage) for c in comparisons}
    sentences = {c.treatment: _sentence(plan, c, coverage) for c in comparisons}
    if len(comparisons) == 1:
        (only,) = comparisons
        verdict = verdicts[only.treatment]
        outcome: Outcome = (
            "ship_treatment" if verdict == "better" else "keep_control" if verdict == "worse" else "undecided"
        )
        return Decision(
            outcome=outcome,
            treatment=only.treatment,
            sentence=sentences[only.treatment],
            reasons=tuple(_reasons(plan, only, coverage)),
        )
    return _decide_among(plan, comparisons, coverage, verdicts, sentences)


def _decide_among(
    plan: AnalysisPlan,
    comparisons: Sequence[Comparison],
    coverage: Coverage,
    verdicts: dict[str, Verdict],
    sentences: dict[str, str],
) -> Decision:
    better = [c for c in comparisons if verdicts[c.treatment] == "better"]
    notes = [reason for c in comparisons for reason in _reasons(plan, c, coverage)]
    notes.append(
        f"P-values are Holm-adjusted over {len(comparisons)} treatments; intervals are not adjusted, "
        "and the treatments were not compared with each other."
    )
    if better:
        best = max(better, key=lambda c: abs(c.effect or 0.0))
        others = [sentence for name, sentence in sentences.items() if name != best.treatment]
        reasons = tuple(dict.fromkeys([*others, *notes]))
        chosen = sentences[best.treatment]
        return Decision(outcome="ship_treatment", treatment=best.treatment, sentence=chosen, reasons=reasons)
    reasons = tuple(dict.fromkeys([*sentences.values(), *notes]))
    if all(verdict == "worse" for verdict in verdicts.values()):
        sentence = f"Every treatment is worse than {plan.control} on {plan.primary_metric}."
        return Decision(outcome="keep_control", sentence=sentence, reasons=reasons)
    sentence = f"No treatment is shown to be better than {plan.control} on {plan.primary_metric}."
    return Decision(outcome="undecided", sentence=sentence, reasons=reasons)


def _verdict(plan: AnalysisPlan, comparison: Comparison, coverage: Coverage) -> Verdict:
    p, effect = comparison.decisive_p, comparison.effect
    if comparison.status != "ok" or p is None or not effect or p >= plan.alpha or _mostly_missing(comparison, coverage):
        return "undecided"
    return "better" if (effect < 0) == comparison.lower_is_better else "worse"


def _mostly_missing(comparison: Comparison, coverage: Coverage) -> bool:
    share = coverage.share(comparison.treatment)
    return comparison.n > 1 and share is not None and share < LEAST_COVERAGE


def _sentence(plan: AnalysisPlan, comparison: Comparison, coverage: Coverage) -> str:
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
    verdict = _verdict(plan, comparison, coverage)
    if verdict == "undecided":
        return f"No significant difference between {treatment} and {control} on {metric}: {numbers}. {NOT_EQUAL}"
    return f"{treatment} is {verdict} than {control} on {metric}: {numbers}."


def _evidence(plan: AnalysisPlan, comparison: Comparison, coverage: Coverage) -> str:
    interval = interval_text(comparison)
    shown = f"{level_text(plan.alpha)} interval {interval}" if interval else "no interval: every pair differs alike"
    adjusted = "Holm-adjusted " if comparison.p_value_adjusted is not None else ""
    p = p_text(comparison.decisive_p or 1.0, plan.alpha)
    of_all = "" if comparison.n == coverage.asked else f" of {coverage.asked:,}"
    units = f" in {comparison.clusters} clusters" if comparison.clusters is not None else ""
    return f"{shown}; {adjusted}{TEST_NAMES[comparison.test]} {p}; {comparison.n:,} paired samples{of_all}{units}"


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
    if comparison.status == "no_discordant_pairs" or abs(effect) < 1e-12:
        return (
            f"{treatment} and {control} score the same on {metric} in each of the {comparison.n} paired samples, "
            f"so there is no difference to test. {NOT_EQUAL}"
        )
    return (
        f"{about}: each of the {comparison.n} paired samples (or clusters) differs by the same "
        f"{effect_text(effect, comparison.unit)}, so chance cannot be estimated from their spread."
    )


def _reasons(plan: AnalysisPlan, comparison: Comparison, coverage: Coverage) -> list[str]:
    """Say what a reader must know beside the sentence."""
    reasons = [*_coverage_reasons(comparison, coverage)]
    if comparison.test == "exact_mcnemar":
        reasons += _mcnemar_reasons(plan, comparison)
    elif comparison.status == "ok" and comparison.clusters is None and comparison.n < FEW_PAIRS:
        reasons.append(f"With {comparison.n} pairs the t interval is a rough one.")
    if comparison.clusters is not None and comparison.clusters < FEW_CLUSTERS:
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
