"""Which methods an analysis used: what its footer and `analysis.json` name, with formula and source.

Depends on: `abtest.analytics.statistics`, `abtest.analytics.sequential`. Used by: `abtest.analytics.engine`.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.model import AnalysisPlan, AnalysisResult, Comparison, GuardrailResult, Method, SliceEffect
from abtest.analytics.sequential import asymptotic_confidence_sequence, group_sequential
from abtest.analytics.statistics import (
    benjamini_hochberg,
    bradley_terry,
    cluster_robust,
    clustered_mean,
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
        result: with ranking, agreement, position and length.
    """
    agreement, position = result.agreement, result.position
    ranked = result.ranking is not None and len(result.ranking.variants) > 2
    rated = agreement is not None and agreement.raw is not None
    wanted = (
        (ranked, bradley_terry.STATISTIC),
        (ranked, ranking.STATISTIC),
        (agreement is not None and agreement.krippendorff_alpha is not None, krippendorff_alpha.STATISTIC),
        (rated, raw_agreement.STATISTIC),
        (agreement is not None and agreement.cohen_kappa is not None, cohen_kappa.STATISTIC),
        (agreement is not None and agreement.fleiss_kappa is not None, fleiss_kappa.STATISTIC),
        (agreement is not None and agreement.gwet_ac1 is not None, gwet_agreement.STATISTIC),
        (position is not None and position.pairs > 0, position_bias.STATISTIC),
        (any(found.win_rate is not None for found in result.length_controlled), length_controlled_win_rate.STATISTIC),
    )
    return [method for used, method in wanted if used]
