"""Analyses a run: what its scores say, what each variant did, what a reader must know.

Depends on: `abtest.analytics.data.accumulate`, `abtest.analytics.engine`, `abtest.analytics.judge_measuring`,
`abtest.analytics.panels`. Used by: `abtest.runtime.steps.run_analysis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from abtest.analytics.comparison import methods
from abtest.analytics.comparison.ranking import ranking_of
from abtest.analytics.data.accumulate import RunStatistics, VariantStatistics
from abtest.analytics.data.reasons import missing_by_reason
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.data.tables import Values
from abtest.analytics.engine import analyse_scores
from abtest.analytics.insights.generator import InsightGenerator
from abtest.analytics.judge_measuring import judges_of, length_controlled_of, position_of_dimension
from abtest.analytics.judge_sentences import judge_warnings, trust_reasons
from abtest.analytics.measuring import performances_of, served_model_warnings
from abtest.analytics.model import (
    AnalysisPlan,
    AnalysisResult,
    Coverage,
    LookPosition,
    MetricSummary,
    VariantCoverage,
    VariantSummary,
)
from abtest.analytics.panel_measuring import panels_of
from abtest.analytics.panels import ConsensusBuilder, PanelFindings
from abtest.analytics.statistics.descriptive import Observations
from abtest.contracts.records import PinnedVerdict


@dataclass(frozen=True)
class RunScores:
    """The scores of a run, those of panels among them.

    Args:
        scores: of all samples.
        panels: what each panel did.
    """

    scores: SampleScores
    panels: tuple[PanelFindings, ...]

    @classmethod
    def of(cls, plan: AnalysisPlan, statistics: RunStatistics) -> RunScores:
        """Return the scores of all batches, with the panels' built from their members'."""
        return cls(*ConsensusBuilder(plan).build(statistics.scores))


def analyse(
    plan: AnalysisPlan,
    statistics: RunStatistics,
    look: LookPosition | None = None,
    *,
    pinned: Sequence[PinnedVerdict] = (),
    run: RunScores | None = None,
) -> AnalysisResult:
    """Return all that a run says.

    Args:
        plan: what was declared before the run.
        statistics: of all its batches.
        look: where in the run this is; None for the end of a run that was not cut.
        pinned: what judges said in it of their pinned examples.
        run: its scores, where somebody made them already.
    """
    position = look or LookPosition(asked=(statistics.asked,), planned=statistics.asked)
    made = run or RunScores.of(plan, statistics)
    covered = coverage_of(plan, statistics, made.scores)
    found = analyse_scores(plan, made.scores, covered, position)
    variants = summaries_of(plan, statistics, made.scores)
    performance = performances_of(plan, statistics.variants)
    result = found.model_copy(
        update={
            "variants": variants,
            "performance": performance,
            "ranking": ranking_of(plan, made.scores),
            **_instruments(plan, statistics, made, found, pinned),
            **_spent(variants, statistics),
        }
    )
    return _told(result, made.scores, covered)


def _instruments(
    plan: AnalysisPlan,
    statistics: RunStatistics,
    made: RunScores,
    found: AnalysisResult,
    pinned: Sequence[PinnedVerdict],
) -> dict[str, Any]:
    """Return what is known of judges and panels."""
    judges = judges_of(plan, statistics.judges, made.scores, found.comparisons, pinned)
    panels, agreements = panels_of(plan, made.scores, made.panels, statistics.judges)
    primary = plan.judge(plan.primary_metric)
    deciding = next((j for j in judges if primary is not None and j.judge == primary.name), None)
    preferred = primary is not None and primary.pairwise
    position = None if deciding is None else deciding.position
    if primary is not None and preferred and primary.dimension and primary.panel is None:
        position = position_of_dimension(plan, primary.name, made.scores)
    return {
        "judges": judges,
        "panels": panels,
        "agreements": agreements,
        "agreement": next((one for one in agreements if one.metric == plan.primary_metric), None),
        "position": position,
        "length_controlled": length_controlled_of(plan, plan.primary_metric, made.scores) if preferred else (),
    }


def _spent(variants: Sequence[VariantSummary], statistics: RunStatistics) -> dict[str, Any]:
    """Return what the run paid, variants and judges."""
    on_judges = sum((judge.spent_usd for judge in statistics.judges.values()), Decimal(0))
    spent_usd = sum((variant.spent_usd for variant in variants), on_judges)
    unknown = any(variant.cost_unknown for variant in variants)
    unknown = unknown or any(judge.cost_unknown for judge in statistics.judges.values())
    return {
        "spent_usd": None if unknown else spent_usd,
        "spent_at_least_usd": spent_usd,
        "spent_on_judges_usd": on_judges,
    }


def _told(result: AnalysisResult, scores: SampleScores, covered: Coverage) -> AnalysisResult:
    """Return a result with all that is to be said about it in words."""
    decision = result.decision
    reasons = (*decision.reasons, *trust_reasons(result))
    warnings = (
        *result.warnings,
        *served_model_warnings(result.performance),
        *_warnings(result.plan, result.variants, covered),
        *judge_warnings(result),
    )
    return result.model_copy(
        update={
            "decision": decision.model_copy(update={"reasons": reasons}),
            "warnings": warnings,
            "insights": InsightGenerator(result, scores).insights(),
            "methods": (*result.methods, *methods.of_judges(result)),
        }
    )


def coverage_of(plan: AnalysisPlan, statistics: RunStatistics, scores: SampleScores) -> Coverage:
    """Return how many samples reached the primary metric."""
    rows = []
    for variant in plan.variants:
        found = _variant(statistics, variant)
        absent = np.isnan(scores.column(variant, plan.primary_metric))
        rows.append(
            VariantCoverage(
                variant=variant,
                asked=found.asked,
                answered=found.answered,
                judged=int(np.count_nonzero(~absent)),
                missing=missing_by_reason(absent, scores.why.get(variant)),
            )
        )
    paired = {t: scores.pairs(plan.control, t, plan.primary_metric).n for t in plan.treatments}
    return Coverage(asked=statistics.asked, paired=paired, variants=tuple(rows))


def summaries_of(plan: AnalysisPlan, statistics: RunStatistics, scores: SampleScores) -> tuple[VariantSummary, ...]:
    """Return the variants side by side, in the order of the definition."""
    return tuple(_summary(plan, variant, _variant(statistics, variant), scores) for variant in plan.variants)


def _variant(statistics: RunStatistics, variant: str) -> VariantStatistics:
    return statistics.variants.get(variant, VariantStatistics())


def _mean(values: Values) -> MetricSummary:
    present = values[~np.isnan(values)]
    return MetricSummary(n=int(present.size), mean=float(present.mean()) if present.size else None)


def _summary(plan: AnalysisPlan, variant: str, found: VariantStatistics, scores: SampleScores) -> VariantSummary:
    described = {
        metric: found.quantities.get(metric, Observations()).describe()
        for metric in ("latency_ms", "input_tokens", "output_tokens", "cost_usd")
    }
    priced = described["cost_usd"].n
    known = found.cost_unknown == 0 and priced > 0
    return VariantSummary(
        variant=variant,
        model=plan.models.get(variant),
        asked=found.asked,
        outcomes=dict(found.outcomes),
        failures=dict(found.failures),
        metrics={judge.name: _mean(scores.column(variant, judge.name)) for judge in plan.judges},
        cost_usd_total=found.cost_usd if known else None,
        cost_usd_mean=found.cost_usd / priced if known else None,
        cost_unknown=found.cost_unknown,
        spent_usd=found.spent_usd,
        from_ledger=found.from_ledger,
        price_sources=tuple(sorted(found.price_sources)),
        **described,
    )


def _warnings(plan: AnalysisPlan, variants: tuple[VariantSummary, ...], covered: Coverage) -> list[str]:
    warnings = []
    for variant in variants:
        if variant.cost_unknown:
            warnings.append(
                f"The price of {variant.cost_unknown} answers of {variant.variant} is unknown; it is not taken for 0."
            )
        if variant.from_ledger:
            warnings.append(
                f"{variant.from_ledger} answers of {variant.variant} had been paid for before: they cost nothing now, "
                "and their latency is the one measured then."
            )
    deciding = plan.judge(plan.primary_metric)
    # Of a judge that asks a model, its own warning says more.
    warnings.extend(
        f"The judge could not score {row.missing['judge_invalid']} answers of {row.variant}; they count as missing."
        for row in covered.variants
        if row.missing.get("judge_invalid") and deciding is not None and deciding.kind == "code"
    )
    return warnings
