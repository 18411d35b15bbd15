"""Makes `ModelPerformance` of what a run's calls were like, and says what a reader must know of them.

Depends on: `abtest.analytics.data.accumulate`. Used by: `abtest.analytics.service`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from abtest.analytics.data.accumulate import VariantStatistics
from abtest.analytics.data.calls import CallStatistics
from abtest.analytics.performance import EstimateCheck, LatencySummary, ModelPerformance
from abtest.analytics.plan import AnalysisPlan, ExpectedUse
from abtest.analytics.statistics.descriptive import Observations

_FEW_MODELS = 3
"""Names of served models that a sentence tells."""


def performances_of(plan: AnalysisPlan, variants: Mapping[str, VariantStatistics]) -> tuple[ModelPerformance, ...]:
    """Return how each variant's model performed, in the order of the definition.

    Args:
        plan: names variants and what was expected of them.
        variants: what each did.
    """
    return tuple(_performance(plan, name, variants.get(name, VariantStatistics())) for name in plan.variants)


def served_model_warnings(performances: tuple[ModelPerformance, ...]) -> list[str]:
    """Return a sentence for each variant that more than one model answered: it was no one treatment."""
    warnings = []
    for one in performances:
        names = sorted(one.served_models, key=lambda name: (-one.served_models[name], name))
        if len(names) > 1:
            told = ", ".join(f"{name} ({one.served_models[name]:,})" for name in names[:_FEW_MODELS])
            more = f" and {len(names) - _FEW_MODELS} more" if len(names) > _FEW_MODELS else ""
            warnings.append(
                f"{one.variant} was answered by {len(names)} models, as the provider names them: {told}{more}. "
                "Name a dated version of the model, so that it stays one treatment."
            )
    return warnings


def _performance(plan: AnalysisPlan, variant: str, found: VariantStatistics) -> ModelPerformance:
    calls = found.calls
    answers = sum(found.outcomes.values()) - found.outcomes.get("failed", 0)
    priced = answers - found.cost_unknown
    expected = plan.expected.get(variant)
    cost_usd = None if found.cost_unknown or not answers else found.cost_usd
    return ModelPerformance(
        variant=variant,
        model=plan.models.get(variant),
        asked=found.asked,
        outcomes=dict(found.outcomes),
        failures=dict(found.failures),
        from_ledger=found.from_ledger,
        ledger_share=found.from_ledger / answers if answers else None,
        attempts=calls.attempts,
        retries=calls.retries,
        retried_calls=calls.retried_calls,
        attempt_failures=dict(calls.attempt_failures),
        tokens=calls.tokens,
        tokens_paid=calls.tokens_paid,
        latency_ms=_latency(calls.latency_ms),
        latency_from_ledger_ms=_latency(calls.latency_from_ledger_ms),
        cost_usd_paid=found.spent_usd,
        cost_usd_uncached=cost_usd,
        cost_unknown=found.cost_unknown,
        price_sources=tuple(sorted(found.price_sources)),
        served_models=dict(calls.served_models),
        estimate=None if expected is None else _check(expected, calls, found.cost_usd, priced),
    )


def _latency(observed: Observations) -> LatencySummary:
    if not observed.chunks:
        return LatencySummary()
    values = np.concatenate(observed.chunks)
    p50, p95, p99 = (float(value) for value in np.quantile(values, (0.5, 0.95, 0.99)))
    return LatencySummary(n=int(values.size), mean=float(values.mean()), p50=p50, p95=p95, p99=p99)


def _check(expected: ExpectedUse, calls: CallStatistics, cost_usd: Decimal, priced: int) -> EstimateCheck:
    tokens = calls.tokens

    def ratio(actual: float, counted: int, planned: float | None) -> float | None:
        """Return a mean call by the planned mean call."""
        if not counted or not planned or not expected.calls:
            return None
        return (actual / counted) / (planned / expected.calls)

    cost = float(cost_usd)
    return EstimateCheck(
        **expected.model_dump(exclude={"calls"}),
        input_ratio=ratio(tokens.total_input, tokens.answers, expected.input_tokens_expected),
        output_ratio=ratio(tokens.total_output, tokens.answers, expected.output_tokens_expected),
        cost_ratio=ratio(cost, priced, _number(expected.cost_usd_expected)),
        cost_of_max=ratio(cost, priced, _number(expected.cost_usd_max)),
    )


def _number(amount_usd: Decimal | None) -> float | None:
    return None if amount_usd is None else float(amount_usd)
