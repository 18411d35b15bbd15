"""Analyses a run: what its scores say, what each variant did, what a reader must know.

Depends on: `abtest.analytics.data.accumulate`, `abtest.analytics.engine`. Used by: `abtest.runtime.steps.run_analysis`.
"""

from __future__ import annotations

from decimal import Decimal

from abtest.analytics.comparison.ranking import ranking_of
from abtest.analytics.data.accumulate import RunStatistics, VariantStatistics
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.engine import analyse_scores
from abtest.analytics.insights.generator import InsightGenerator
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
from abtest.analytics.statistics.descriptive import Observations


def analyse(plan: AnalysisPlan, statistics: RunStatistics, look: LookPosition | None = None) -> AnalysisResult:
    """Return all that a run says.

    Args:
        plan: what was declared before the run.
        statistics: of all its batches.
        look: where in the run this is; None for the end of a run that was not cut.
    """
    position = look or LookPosition(asked=(statistics.asked,), planned=statistics.asked)
    scores = statistics.scores
    covered = coverage_of(plan, statistics, scores)
    found = analyse_scores(plan, scores, covered, position)
    variants = summaries_of(plan, statistics)
    performance = performances_of(plan, statistics.variants)
    spent_usd = sum((variant.spent_usd for variant in variants), Decimal(0))
    result = found.model_copy(
        update={
            "variants": variants,
            "performance": performance,
            "ranking": ranking_of(plan, scores),
            "spent_usd": None if any(variant.cost_unknown for variant in variants) else spent_usd,
            "spent_at_least_usd": spent_usd,
            "warnings": (*found.warnings, *served_model_warnings(performance), *_warnings(variants, covered)),
        }
    )
    return result.model_copy(update={"insights": InsightGenerator(result, scores).insights()})


def coverage_of(plan: AnalysisPlan, statistics: RunStatistics, scores: SampleScores) -> Coverage:
    """Return how many samples reached the primary metric."""
    rows = []
    for variant in plan.variants:
        tally = _variant(statistics, variant).coverage
        rows.append(
            VariantCoverage(
                variant=variant,
                asked=tally.asked,
                answered=tally.answered,
                judged=tally.judged,
                missing=dict(tally.missing),
            )
        )
    paired = {t: scores.pairs(plan.control, t, plan.primary_metric).n for t in plan.treatments}
    return Coverage(asked=statistics.asked, paired=paired, variants=tuple(rows))


def summaries_of(plan: AnalysisPlan, statistics: RunStatistics) -> tuple[VariantSummary, ...]:
    """Return the variants side by side, in the order of the definition."""
    return tuple(_summary(plan, variant, _variant(statistics, variant)) for variant in plan.variants)


def _variant(statistics: RunStatistics, variant: str) -> VariantStatistics:
    return statistics.variants.get(variant, VariantStatistics())


def _summary(plan: AnalysisPlan, variant: str, found: VariantStatistics) -> VariantSummary:
    described = {
        metric: found.quantities.get(metric, Observations()).describe()
        for metric in ("latency_ms", "input_tokens", "output_tokens", "cost_usd")
    }
    priced = described["cost_usd"].n
    known = found.cost_unknown == 0 and priced > 0
    return VariantSummary(
        variant=variant,
        model=plan.models.get(variant),
        asked=found.coverage.asked,
        outcomes=dict(found.outcomes),
        failures=dict(found.failures),
        metrics={
            name: MetricSummary(n=score.n, mean=score.mean if score.n else None) for name, score in found.scores.items()
        },
        cost_usd_total=found.cost_usd if known else None,
        cost_usd_mean=found.cost_usd / priced if known else None,
        cost_unknown=found.cost_unknown,
        spent_usd=found.spent_usd,
        from_ledger=found.from_ledger,
        price_sources=tuple(sorted(found.price_sources)),
        **described,
    )


def _warnings(variants: tuple[VariantSummary, ...], covered: Coverage) -> list[str]:
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
    warnings.extend(
        f"The judge could not score {row.missing['judge_invalid']} answers of {row.variant}; they count as missing."
        for row in covered.variants
        if row.missing.get("judge_invalid")
    )
    return warnings
