"""The analysis of scores, wherever they came from: a run, or files of results.

Everything is paired, in the order that keeps the errors honest: the primary metric decides (Holm over treatments),
guardrails are tested against their margins (Holm over guardrails), everything else is exploratory
(Benjamini-Hochberg over all of it).

Depends on: `abtest.analytics.comparison`, `abtest.analytics.decision`. Used by: `abtest.analytics.service`,
`abtest.analytics.offline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abtest.analytics.comparison import methods
from abtest.analytics.comparison.comparing import compare
from abtest.analytics.comparison.guarding import guardrails_of, non_inferiorities
from abtest.analytics.comparison.missing import missing_of
from abtest.analytics.comparison.slicing import slice_effects
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.decision.deciding import TreatmentEvidence, decide
from abtest.analytics.inference import inference_of
from abtest.analytics.model import (
    AnalysisPlan,
    AnalysisResult,
    Comparison,
    Coverage,
    GuardrailResult,
    LookPosition,
    SliceEffect,
)
from abtest.analytics.statistics.benjamini_hochberg import benjamini_hochberg
from abtest.analytics.statistics.holm import holm
from abtest.analytics.summaries import Missingness


@dataclass(frozen=True)
class Findings:
    """All that scores say, before it is put into words.

    Args:
        comparisons: primary metric first, treatments in the order of the plan; p-values adjusted.
        guardrails: of all treatments.
        no_worse: treatment to the primary metric against its margin; empty where none was declared.
        slices: of all treatments; none under a sequential design.
        missing: treatment to how its answers are missing.
    """

    comparisons: tuple[Comparison, ...]
    guardrails: tuple[GuardrailResult, ...]
    no_worse: dict[str, GuardrailResult]
    slices: tuple[SliceEffect, ...]
    missing: dict[str, Missingness]


def findings_of(plan: AnalysisPlan, scores: SampleScores, look: LookPosition) -> Findings:
    """Return all that scores say.

    Args:
        plan: the declared analysis.
        scores: of all samples asked so far.
        look: where in the run this is.
    """
    inference = inference_of(plan.design, look, plan.alpha)
    metrics = sorted(_measured(plan, scores), key=lambda metric: metric != plan.primary_metric)
    comparisons = [compare(plan, scores, t, m, inference) for m in metrics for t in plan.treatments]
    guardrails = [g for t in plan.treatments for g in guardrails_of(plan, scores, t, inference)]
    return Findings(
        comparisons=_adjusted(plan, comparisons),
        guardrails=tuple(guardrails),
        no_worse=non_inferiorities(plan, scores, inference),
        slices=tuple(slice_effects(plan, scores)) if plan.design.kind == "fixed" else (),
        missing={t: missing_of(plan, scores, t) for t in plan.treatments},
    )


def analyse_scores(plan: AnalysisPlan, scores: SampleScores, coverage: Coverage, look: LookPosition) -> AnalysisResult:
    """Return the analysis of scores, without what only a run or a table of judges knows.

    Args:
        plan: the declared analysis.
        scores: of all samples asked so far.
        coverage: how much of what was asked they are.
        look: where in the run this is.
    """
    found = findings_of(plan, scores, look)
    evidence = [_evidence(found, treatment) for treatment in plan.treatments]
    return AnalysisResult(
        plan=plan,
        decision=decide(plan, evidence, coverage),
        coverage=coverage,
        comparisons=found.comparisons,
        guardrails=found.guardrails,
        slices=found.slices,
        look=look,
        warnings=tuple(_warnings(plan, found)),
        methods=tuple(methods.used_by(plan, found.comparisons, found.guardrails, found.slices)),
    )


def _measured(plan: AnalysisPlan, scores: SampleScores) -> Sequence[str]:
    known = {metric for _, metric in scores.values}
    return [metric for metric in plan.compared if metric in known or metric == plan.primary_metric]


def _evidence(found: Findings, treatment: str) -> TreatmentEvidence:
    return TreatmentEvidence(
        comparison=next(c for c in found.comparisons if c.primary and c.treatment == treatment),
        no_worse=found.no_worse.get(treatment),
        guardrails=tuple(g for g in found.guardrails if g.treatment == treatment),
        missing=found.missing[treatment],
    )


def _adjusted(plan: AnalysisPlan, comparisons: list[Comparison]) -> tuple[Comparison, ...]:
    """Adjust primary p-values over several treatments, and the exploratory ones over all of them."""
    primary = [c for c in comparisons if c.primary]
    others = [c for c in comparisons if not c.primary]
    if len(plan.treatments) > 1:
        primary = _with(primary, holm([c.p_value for c in primary]))
    if len([c for c in others if c.p_value is not None]) > 1:
        others = _with(others, benjamini_hochberg([c.p_value for c in others]))
    return (*primary, *others)


def _with(comparisons: list[Comparison], adjusted: Sequence[float | None]) -> list[Comparison]:
    pairs = zip(comparisons, adjusted, strict=True)
    return [c.model_copy(update={"p_value_adjusted": p}) for c, p in pairs]


def _warnings(plan: AnalysisPlan, found: Findings) -> list[str]:
    warnings = []
    if any(not c.primary and c.p_value is not None for c in found.comparisons):
        warnings.append(
            "Only the primary metric decides. The other comparisons are exploratory: their p-values are adjusted "
            "(Benjamini-Hochberg), their intervals are not."
        )
    if plan.design.kind != "fixed":
        warnings.append(
            "Intervals and p-values are those of the declared design, which allow for its looks; tests at a fixed "
            "time, slices and posterior probabilities are not shown, because looking spoils them."
        )
    return warnings
