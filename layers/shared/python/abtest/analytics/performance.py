"""`ModelPerformance`: what the calls of one variant were like, apart from what its answers are worth.

Depends on: pydantic. Used by: `abtest.analytics.model`, which names it again for everyone else.
"""

from __future__ import annotations

from decimal import Decimal

from abtest.analytics.plan import AnalysisModel
from abtest.analytics.status import Number


class TokenTotals(AnalysisModel):
    """Tokens by kind, summed over answers; the sum of two is that of the answers of both.

    Args:
        answers: answers whose usage the provider gave.
        unknown: answers without a usage; nothing of them is in the sums.
        input: that were not cached; `cache_read` and `cache_write` are the rest of the input.
        output: without reasoning, which stands beside it.
    """

    answers: int = 0
    unknown: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: TokenTotals) -> TokenTotals:
        return TokenTotals(**{name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields})

    @property
    def total_input(self) -> int:
        """All tokens that went in."""
        return self.input + self.cache_read + self.cache_write

    @property
    def total_output(self) -> int:
        """All tokens that came out."""
        return self.output + self.reasoning


class LatencySummary(AnalysisModel):
    """Mean and quantiles of the latency of answers, in milliseconds; None when n is 0."""

    n: int = 0
    mean: Number | None = None
    p50: Number | None = None
    p95: Number | None = None
    p99: Number | None = None


class EstimateCheck(AnalysisModel):
    """The estimate from before the run against what was used.

    Ratios are actual by expected for a mean call, so that calls that were not made or failed do not count; None where
    one of both is unknown. `max` is the upper bound that was shown.

    Args:
        input_counted_by: how the input had been counted.
        input_error: how far off it was said to be at most, as a share.
        input_ratio, output_ratio, cost_ratio: 1 is a perfect estimate.
        cost_of_max: cost by its upper bound.
    """

    input_tokens_expected: int | None = None
    input_tokens_max: int
    input_counted_by: str | None = None
    input_error: Number | None = None
    input_ratio: Number | None = None
    output_tokens_expected: int | None = None
    output_tokens_max: int
    output_ratio: Number | None = None
    cost_usd_expected: Decimal | None = None
    cost_usd_max: Decimal | None = None
    cost_ratio: Number | None = None
    cost_of_max: Number | None = None


class ModelPerformance(AnalysisModel):
    """How one variant's model performed.

    Args:
        model: provider and model, for a person; None when not told.
        asked: samples it was asked.
        outcomes: outcome to count.
        failures: failure reason to count.
        from_ledger: answers that had been paid for before.
        ledger_share: of the answers, from 0 to 1; None when there are none.
        attempts: HTTP requests that this run made; those behind answers from the ledger were made before.
        retries: of those, the ones after the first of each call.
        retried_calls: calls that needed more than one.
        attempt_failures: failure reason of single attempts to count, retried ones included.
        tokens: of all answers.
        tokens_paid: of the answers that this run paid for.
        latency_ms: of the attempts that answered in this run.
        latency_from_ledger_ms: of answers from the ledger, as measured when they were paid for.
        cost_usd_paid: known cost of what this run paid for.
        cost_usd_uncached: what all answers would have cost without the ledger; None when a price is unknown.
        cost_unknown: answers without a known price.
        price_sources: where the prices came from, lists with their day.
        served_models: the model's name as the provider gave it to answers; empty where it gave none.
        estimate: against what was expected before the run; None when nothing was.
    """

    variant: str
    model: str | None = None
    asked: int
    outcomes: dict[str, int]
    failures: dict[str, int]
    from_ledger: int = 0
    ledger_share: Number | None = None
    attempts: int = 0
    retries: int = 0
    retried_calls: int = 0
    attempt_failures: dict[str, int]
    tokens: TokenTotals = TokenTotals()
    tokens_paid: TokenTotals = TokenTotals()
    latency_ms: LatencySummary = LatencySummary()
    latency_from_ledger_ms: LatencySummary = LatencySummary()
    cost_usd_paid: Decimal = Decimal(0)
    cost_usd_uncached: Decimal | None = None
    cost_unknown: int = 0
    price_sources: tuple[str, ...] = ()
    served_models: dict[str, int]
    estimate: EstimateCheck | None = None
