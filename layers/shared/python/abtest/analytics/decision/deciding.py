"""Turns the primary comparison and the guardrails into one decision and one honest sentence.

The rule: the decision rests on the primary metric, by the test its design declares. A treatment that is better ships
when every guardrail holds; one that is shown to be no worse than the declared margin is `no_worse` when every guardrail
holds; one that is worse, or breaks a guardrail, is not taken. Everything else is undecided, which is not the same as
equal. Missing answers that could reverse the result, and that are not alike on both sides, block it.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`, `abtest.analytics.decision.wording`. Used by:
`abtest.analytics.engine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abtest.analytics.decision.wording import (
    LEAST_COVERAGE,
    Verdict,
    comparison_reasons,
    guardrail_objection,
    guardrail_sentence,
    headline,
    margin_reasons,
    missing_sentence,
    more_samples_sentence,
)
from abtest.analytics.model import AnalysisPlan, Comparison, Coverage, Decision, GuardrailResult, Outcome
from abtest.analytics.summaries import Missingness


@dataclass(frozen=True)
class TreatmentEvidence:
    """All that speaks for or against one treatment.

    Args:
        comparison: on the primary metric, adjusted where there are several treatments.
        no_worse: the primary metric against its declared margin; None where there is none.
        guardrails: of this treatment.
        missing: which side lacks answers, and whether they could reverse the result.
    """

    comparison: Comparison
    no_worse: GuardrailResult | None
    guardrails: tuple[GuardrailResult, ...]
    missing: Missingness


def decide(plan: AnalysisPlan, evidence: Sequence[TreatmentEvidence], coverage: Coverage) -> Decision:
    """Return the decision.

    Args:
        plan: the declared analysis.
        evidence: one a treatment, in the order of the plan.
        coverage: how much of what was asked it rests on.
    """
    found = [_Judged.of(plan, one, coverage) for one in evidence]
    if len(found) == 1:
        (only,) = found
        return Decision(
            outcome=only.outcome,
            treatment=only.comparison.treatment,
            sentence=only.sentence,
            reasons=tuple(only.reasons),
        )
    return _decide_among(plan, found)


def _decide_among(plan: AnalysisPlan, found: Sequence[_Judged]) -> Decision:
    notes = [reason for one in found for reason in one.reasons]
    notes.append(
        f"P-values are Holm-adjusted over {len(found)} treatments; intervals are not adjusted, and each treatment was "
        "compared with the control only."
    )
    for outcome in ("ship_treatment", "no_worse"):
        chosen = [one for one in found if one.outcome == outcome]
        if chosen:
            best = max(chosen, key=lambda one: one.gain)
            others = [one.sentence for one in found if one is not best]
            reasons = tuple(dict.fromkeys([*best.reasons, *others, *notes]))
            return Decision(
                outcome=best.outcome, treatment=best.comparison.treatment, sentence=best.sentence, reasons=reasons
            )
    reasons = tuple(dict.fromkeys([*(one.sentence for one in found), *notes]))
    if all(one.outcome == "keep_control" for one in found):
        worse = all(one.verdict == "worse" for one in found)
        why = f"worse than {plan.control} on {plan.primary_metric}" if worse else "worse, or breaks a guardrail"
        return Decision(outcome="keep_control", sentence=f"Every treatment is {why}.", reasons=reasons)
    sentence = f"No treatment is shown to be better than {plan.control} on {plan.primary_metric}."
    if any(one.verdict == "better" for one in found):
        sentence = f"No treatment is shown to be better than {plan.control} and to keep every guardrail."
    return Decision(outcome="undecided", sentence=sentence, reasons=reasons)


@dataclass(frozen=True)
class _Judged:
    """One treatment with its outcome, sentence and reasons."""

    comparison: Comparison
    verdict: Verdict
    outcome: Outcome
    sentence: str
    reasons: list[str]

    @property
    def gain(self) -> float:
        """How much better the treatment is, in the metric's unit."""
        effect = self.comparison.effect or 0.0
        return -effect if self.comparison.lower_is_better else effect

    @classmethod
    def of(cls, plan: AnalysisPlan, evidence: TreatmentEvidence, coverage: Coverage) -> _Judged:
        comparison = evidence.comparison
        verdict = _verdict(plan, evidence, coverage)
        outcome = _outcome(verdict, evidence.guardrails)
        reasons = [guardrail_sentence(g, plan) for g in evidence.guardrails if g.verdict != "holds"]
        kept = [g.name for g in evidence.guardrails if g.verdict == "holds"]
        if kept:
            reasons.append(f"Guardrails that {comparison.treatment} is shown to keep: {', '.join(kept)}.")
        if evidence.missing.blocks:
            reasons.append(missing_sentence(plan, comparison, evidence.missing))
        reasons += comparison_reasons(plan, comparison, coverage)
        if verdict == "no_worse" or (verdict == "undecided" and comparison.status == "ok"):
            reasons += margin_reasons(plan, comparison, evidence.no_worse)
        if outcome == "undecided" and verdict == "undecided":
            reasons += more_samples_sentence(plan, comparison)
        but = guardrail_objection(evidence.guardrails)
        sentence = headline(plan, evidence.comparison, evidence.no_worse, coverage, verdict, but=but)
        return cls(comparison, verdict, outcome, sentence, reasons)


def _outcome(verdict: Verdict, guardrails: Sequence[GuardrailResult]) -> Outcome:
    if verdict == "worse" or any(guardrail.verdict == "broken" for guardrail in guardrails):
        return "keep_control"
    if verdict == "undecided" or any(guardrail.verdict == "unclear" for guardrail in guardrails):
        return "undecided"
    return "ship_treatment" if verdict == "better" else "no_worse"


def _verdict(plan: AnalysisPlan, evidence: TreatmentEvidence, coverage: Coverage) -> Verdict:
    comparison = evidence.comparison
    share = coverage.share(comparison.treatment)
    if evidence.missing.blocks or (share is not None and share < LEAST_COVERAGE):
        return "undecided"
    p, effect = comparison.decisive_p, comparison.effect
    different = comparison.status == "ok" and p is not None and p < plan.alpha and bool(effect)
    better = different and ((effect or 0.0) < 0) == comparison.lower_is_better
    if better:
        return "better"
    if evidence.no_worse is not None and evidence.no_worse.verdict == "holds":
        return "no_worse"
    return "worse" if different else "undecided"
