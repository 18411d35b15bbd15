"""Analyses a finished run.

Depends on: `abtest.analytics.accumulate`, `abtest.analytics.statistics`. Used by: `functions/finish_run`.
"""

from __future__ import annotations

from decimal import Decimal

from abtest.analytics.accumulate import RunStatistics, VariantStatistics
from abtest.analytics.decision import decide
from abtest.analytics.model import (
    AnalysisPlan,
    AnalysisResult,
    Comparison,
    Coverage,
    McNemarTable,
    Method,
    MetricSummary,
    VariantCoverage,
    VariantSummary,
)
from abtest.analytics.statistics import clustered_mean, coverage, descriptive, mcnemar, paired_mean
from abtest.analytics.statistics import holm as holm_statistic
from abtest.analytics.statistics.clustered_mean import ClusteredMean
from abtest.analytics.statistics.descriptive import Observations
from abtest.analytics.statistics.mcnemar import McNemar


def analyse(plan: AnalysisPlan, statistics: RunStatistics) -> AnalysisResult:
    """Return all that a finished run says.

    Args:
        plan: what was declared before the run.
        statistics: of all its batches.
    """
    covered = coverage_of(plan, statistics)
    comparisons = _adjusted(
        plan, [_comparison(plan, statistics, t, m) for m in _primary_first(plan) for t in plan.treatments]
    )
    primary = [comparison for comparison in comparisons if comparison.primary]
    variants = summaries_of(plan, statistics)
    spent_usd = sum((variant.spent_usd for variant in variants), Decimal(0))
    return AnalysisResult(
        plan=plan,
        decision=decide(plan, primary, covered),
        coverage=covered,
        comparisons=tuple(comparisons),
        variants=variants,
        spent_usd=None if any(variant.cost_unknown for variant in variants) else spent_usd,
        spent_at_least_usd=spent_usd,
        warnings=tuple(_warnings(comparisons, variants, covered)),
        methods=tuple(_methods(comparisons)),
    )


def coverage_of(plan: AnalysisPlan, statistics: RunStatistics) -> Coverage:
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
    paired = {t: _pairs(statistics, t, plan.primary_metric).pairs.n for t in plan.treatments}
    return Coverage(asked=statistics.asked, paired=paired, variants=tuple(rows))


def summaries_of(plan: AnalysisPlan, statistics: RunStatistics) -> tuple[VariantSummary, ...]:
    """Return the variants side by side, in the order of the definition."""
    return tuple(_summary(plan, variant, _variant(statistics, variant)) for variant in plan.variants)


def _variant(statistics: RunStatistics, variant: str) -> VariantStatistics:
    return statistics.variants.get(variant, VariantStatistics())


def _pairs(statistics: RunStatistics, treatment: str, metric: str) -> ClusteredMean:
    return statistics.pairs.get((treatment, metric), ClusteredMean())


def _primary_first(plan: AnalysisPlan) -> list[str]:
    return sorted(plan.metrics, key=lambda metric: metric != plan.primary_metric)


def _comparison(plan: AnalysisPlan, statistics: RunStatistics, treatment: str, metric: str) -> Comparison:
    pairs = _pairs(statistics, treatment, metric)
    means = pairs.result(plan.alpha)
    lower_is_better = plan.lower_is_better(metric)
    wins, losses = pairs.pairs.above, pairs.pairs.below
    if lower_is_better:
        wins, losses = losses, wins
    clustered = pairs.is_clustered
    comparison = Comparison(
        metric=metric,
        unit=plan.unit(metric),
        control=plan.control,
        treatment=treatment,
        primary=metric == plan.primary_metric,
        lower_is_better=lower_is_better,
        n=means.n,
        n_missing=statistics.asked - means.n,
        clusters=means.clusters,
        mean_control=means.mean_a,
        mean_treatment=means.mean_b,
        effect=means.effect,
        se=means.se,
        ci_low=means.ci_low,
        ci_high=means.ci_high,
        p_value=means.p_value,
        test="clustered_t" if clustered else "exact_mcnemar" if plan.is_binary(metric) else "paired_t",
        status=means.status,
        wins=wins,
        losses=losses,
        ties=pairs.pairs.ties,
    )
    if not plan.is_binary(metric):
        return comparison
    return _with_mcnemar(comparison, statistics.tables.get((treatment, metric), McNemar()), clustered)


def _with_mcnemar(comparison: Comparison, table: McNemar, clustered: bool) -> Comparison:
    """Add the 2 x 2 counts, and let the exact test decide where the pairs are independent."""
    exact = table.result()
    counts = McNemarTable(
        both=table.both,
        only_control=table.only_a,
        only_treatment=table.only_b,
        neither=table.neither,
        p_value=exact.p_value,
    )
    if clustered or comparison.status in ("no_data", "too_few"):
        return comparison.model_copy(update={"mcnemar": counts})
    return comparison.model_copy(
        update={
            "mcnemar": counts,
            "status": exact.status,
            "se": None if comparison.se is None else table.se,
            "p_value": exact.p_value,
            "p_value_t": comparison.p_value,
        }
    )


def _adjusted(plan: AnalysisPlan, comparisons: list[Comparison]) -> list[Comparison]:
    """Adjust the primary p-values when there are several treatments."""
    if len(plan.treatments) == 1:
        return comparisons
    primary = [comparison for comparison in comparisons if comparison.primary]
    adjusted = dict(zip((c.treatment for c in primary), holm_statistic.holm([c.p_value for c in primary]), strict=True))
    return [c.model_copy(update={"p_value_adjusted": adjusted[c.treatment]}) if c.primary else c for c in comparisons]


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


def _warnings(comparisons: list[Comparison], variants: tuple[VariantSummary, ...], covered: Coverage) -> list[str]:
    warnings = []
    if any(not c.primary and c.p_value is not None for c in comparisons):
        warnings.append(
            "Only the primary metric decides. The other comparisons are exploratory: their p-values and intervals are "
            "not adjusted for their number."
        )
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


def _methods(comparisons: list[Comparison]) -> list[Method]:
    tests = {comparison.test for comparison in comparisons}
    wanted = (
        ("exact_mcnemar" in tests, mcnemar.STATISTIC),
        (bool({"paired_t", "exact_mcnemar"} & tests), paired_mean.STATISTIC),
        ("clustered_t" in tests, clustered_mean.STATISTIC),
        (any(c.p_value_adjusted is not None for c in comparisons), holm_statistic.STATISTIC),
        (True, descriptive.STATISTIC),
        (True, coverage.STATISTIC),
    )
    return [method for used, method in wanted if used]
