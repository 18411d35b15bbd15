"""Which methods an analysis used: what its footer and `analysis.json` name, with formula and source.

Depends on: `abtest.analytics.statistics`, `abtest.analytics.sequential`. Used by: `abtest.analytics.engine`.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.model import AnalysisPlan, AnalysisResult, Comparison, GuardrailResult, Method, SliceEffect
from abtest.analytics.panels import load_consensus
from abtest.analytics.sequential import asymptotic_confidence_sequence, group_sequential
from abtest.analytics.statistics import (
    benjamini_hochberg,
    bradley_terry,
    cluster_robust,
    clustered_mean,
    clustered_share,
    cohen_kappa,
    coverage,
    descriptive,
    fleiss_kappa,
    gwet_agreement,
    holm,
    krippendorff_alpha,
    length_controlled_win_rate,
    mcnemar,
    non_inferiority_proportion,
    normal_posterior,
    paired_mean,
    position_bias,
    quantile_difference,
    ranking,
    raw_agreement,
    sign_flip_permutation,
    sign_test,
    wilcoxon_signed_rank,
)


def used_by(
    plan: AnalysisPlan,
    comparisons: Sequence[Comparison],
    guardrails: Sequence[GuardrailResult],
    slices: Sequence[SliceEffect],
) -> list[Method]:
    """Return the methods in the order in which a reader meets them.

    Args:
        plan: the declared analysis.
        comparisons: all of them.
        guardrails: all of them.
        slices: all of them.
    """
    tests = {comparison.test for comparison in comparisons}
    other = any(comparison.sensitivity is not None for comparison in comparisons)
    adjusted = {c.primary for c in comparisons if c.p_value_adjusted is not None}
    quantiles = any(guardrail.statistic != "mean" for guardrail in guardrails)
    rates = any("Newcombe" in guardrail.method for guardrail in guardrails)
    wanted = (
        ("exact_mcnemar" in tests, mcnemar.STATISTIC),
        (bool({"paired_t", "exact_mcnemar", "group_sequential", "always_valid"} & tests), paired_mean.STATISTIC),
        ("clustered_t" in tests, clustered_mean.STATISTIC),
        ("clustered_t_cr2" in tests, cluster_robust.STATISTIC),
        (plan.design.kind == "group_sequential", group_sequential.STATISTIC),
        (plan.design.kind == "always_valid", asymptotic_confidence_sequence.STATISTIC),
        (other, sign_flip_permutation.STATISTIC),
        (other, sign_test.STATISTIC),
        (other, wilcoxon_signed_rank.STATISTIC),
        (other, normal_posterior.STATISTIC),
        (rates, non_inferiority_proportion.STATISTIC),
        (quantiles, quantile_difference.STATISTIC),
        (True in adjusted or len(plan.guardrails) > 1, holm.STATISTIC),
        (False in adjusted or bool(slices), benjamini_hochberg.STATISTIC),
        (True, descriptive.STATISTIC),
        (True, coverage.STATISTIC),
    )
    return [method for used, method in wanted if used]


def of_judges(result: AnalysisResult) -> list[Method]:
    """Return the methods behind the ranking and what is told of the judges, where there is any of it.

    Args:
        result: with ranking, agreement, position, length, judges and panels.
    """
    agreements = result.agreements or ((result.agreement,) if result.agreement is not None else ())
    positions = [result.position, *(judge.position for judge in result.judges)]
    lengths = [*result.length_controlled, *(one for judge in result.judges for one in judge.length_controlled)]
    ranked = result.ranking is not None and len(result.ranking.variants) > 2
    joined = [load_consensus(name).method for name in dict.fromkeys(panel.consensus for panel in result.panels)]
    flips = any(p is not None and p.pairs > 0 for p in positions)
    # Pairs belong together in clusters, as several treatments of one sample, and as several judges of one pair.
    together = len(result.plan.treatments) > 1 or any(c.clusters is not None for c in result.comparisons)
    together = together or (not result.judges and result.agreement is not None)
    one_order = any(p is not None and p.pairs == 0 and p.p_value is not None for p in positions)

    def rated(name: str) -> bool:
        return any(getattr(agreement, name) is not None for agreement in agreements)

    wanted = (
        (ranked, bradley_terry.STATISTIC),
        (ranked, ranking.STATISTIC),
        (rated("krippendorff_alpha"), krippendorff_alpha.STATISTIC),
        (rated("raw"), raw_agreement.STATISTIC),
        (rated("cohen_kappa"), cohen_kappa.STATISTIC),
        (rated("fleiss_kappa"), fleiss_kappa.STATISTIC),
        (rated("gwet_ac1"), gwet_agreement.STATISTIC),
        (flips, position_bias.STATISTIC),
        (flips and together and result.plan.design.kind == "fixed", clustered_share.STATISTIC),
        (one_order, position_bias.POSITION_EFFECT),
        (any(found.win_rate is not None for found in lengths), length_controlled_win_rate.STATISTIC),
    )
    return [*joined, *(method for used, method in wanted if used)]
