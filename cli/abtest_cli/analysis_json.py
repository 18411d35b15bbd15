"""An analysis of files of results as JSON for machines.

Depends on: `abtest.analytics.model`. Used by: `commands.analyze`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abtest.analytics.model import Agreement, AnalysisResult, Comparison, PositionBias, RankedVariant

LEVEL_OF_CI95 = 0.05


def analysis_object(result: AnalysisResult) -> dict[str, Any]:
    """Return an analysis as the object `abtest analyze --json` prints; absent numbers are null.

    `ci95` is there at alpha 0.05 only: an interval of another level is `ci`, beside `ci_level`.

    Args:
        result: what the engine says.
    """
    # The same fields whatever the input: a number that does not exist is null beside a status that says why.
    agreement = result.agreement or Agreement(judges=(), units=0, status="single_judge")
    position = result.position or PositionBias(status="no_data")
    return {
        "decision": {
            "outcome": result.decision.outcome,
            "treatment": result.decision.treatment,
            "sentence": result.decision.sentence,
            "reasons": list(result.decision.reasons),
        },
        "coverage": _coverage(result),
        "comparisons": [_comparison(c, result.plan.alpha) for c in result.comparisons],
        "guardrails": [guardrail.model_dump(mode="json") for guardrail in result.guardrails],
        "slices": [effect.model_dump(mode="json") for effect in result.slices],
        "ranking": [_ranked(one, result.plan.alpha) for one in result.ranking.variants] if result.ranking else [],
        "ranking_status": result.ranking.status if result.ranking else None,
        "agreement": agreement.model_dump(mode="json"),
        "position": position.model_dump(mode="json"),
        "length_controlled": [found.model_dump(mode="json") for found in result.length_controlled],
        "insights": [insight.model_dump(mode="json") for insight in result.insights],
        "warnings": list(result.warnings),
        "plan": result.plan.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        "methods": [method.model_dump(mode="json") for method in result.methods],
    }


def _coverage(result: AnalysisResult) -> dict[str, Any]:
    """Count samples: those every compared variant answered, those it has a score of, those without a pair."""
    coverage = result.coverage
    paired = min(coverage.paired.values(), default=0)
    return {
        "asked": coverage.asked,
        "answered": min((row.answered for row in coverage.variants), default=0),
        "judged": min((row.judged for row in coverage.variants), default=0),
        "paired": paired,
        "missing": coverage.asked - paired,
        "pairs": dict(coverage.paired),
        "variants": [row.model_dump(mode="json") for row in coverage.variants],
    }


def _comparison(comparison: Comparison, alpha: float) -> dict[str, Any]:
    interval = _interval(comparison.ci_low, comparison.ci_high)
    return {
        "metric": comparison.metric,
        "control": comparison.control,
        "treatment": comparison.treatment,
        "primary": comparison.primary,
        "n": comparison.n,
        "n_missing": comparison.n_missing,
        "clusters": comparison.clusters,
        "mean_control": comparison.mean_control,
        "mean_treatment": comparison.mean_treatment,
        "effect": comparison.effect,
        "se": comparison.se,
        "ci95": interval if _is_ci95(alpha) else None,
        "ci": interval,
        "ci_level": 1 - alpha,
        "p_value": comparison.p_value,
        # A family of one is adjusted for one: the p-value itself.
        "p_adjusted": comparison.decisive_p,
        "test": comparison.test,
        "status": comparison.status,
        "wins": comparison.wins,
        "losses": comparison.losses,
        "ties": comparison.ties,
        "win_rate": comparison.win_rate,
        "win_rate_se": comparison.win_rate_se,
        "standardised_effect": comparison.standardised_effect,
        "samples_to_decide": comparison.samples_to_decide,
        "mcnemar": None if comparison.mcnemar is None else comparison.mcnemar.model_dump(mode="json"),
        "sensitivity": None if comparison.sensitivity is None else comparison.sensitivity.model_dump(mode="json"),
    }


def _ranked(one: RankedVariant, alpha: float) -> Mapping[str, Any]:
    interval = _interval(one.ci_low, one.ci_high)
    return {
        "variant": one.variant,
        "log_strength": one.log_strength,
        "se": one.se,
        "ci95": interval if _is_ci95(alpha) else None,
        "ci": interval,
        "rank": one.rank,
    }


def _interval(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [low, high]


def _is_ci95(alpha: float) -> bool:
    return abs(alpha - LEVEL_OF_CI95) < 1e-12
