"""What the calls of one variant were like, batch by batch: sums that add up, and latencies at 8 bytes each.

Depends on: numpy, contracts. Used by: `abtest.analytics.data.accumulate`, `abtest.analytics.measuring`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from abtest.analytics.performance import TokenTotals
from abtest.analytics.statistics.coverage import added
from abtest.analytics.statistics.descriptive import Observations
from abtest.contracts.records import ModelResponse


@dataclass(frozen=True)
class CallStatistics:
    """What calls were like; the sum of two is that of both batches.

    Args:
        attempts: HTTP requests of this run.
        retries: of those, the ones after the first of each call.
        retried_calls: calls with more than one.
        attempt_failures: failure reason of single attempts to count.
        tokens: of all answers.
        tokens_paid: of answers that were paid for in this run.
        latency_ms: of answers of this run.
        latency_from_ledger_ms: of the others.
        served_models: name to count.
    """

    attempts: int = 0
    retries: int = 0
    retried_calls: int = 0
    attempt_failures: Mapping[str, int] = field(default_factory=dict)
    tokens: TokenTotals = field(default_factory=TokenTotals)
    tokens_paid: TokenTotals = field(default_factory=TokenTotals)
    latency_ms: Observations = field(default_factory=Observations)
    latency_from_ledger_ms: Observations = field(default_factory=Observations)
    served_models: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, responses: Sequence[ModelResponse]) -> CallStatistics:
        """Return the statistics of the responses of one variant in one batch."""
        answers = [response for response in responses if response.outcome != "failed"]
        own = [response for response in responses if not response.from_ledger]
        tried = [response.attempts for response in own]
        return cls(
            attempts=sum(map(len, tried)),
            retries=sum(max(0, len(attempts) - 1) for attempts in tried),
            retried_calls=sum(len(attempts) > 1 for attempts in tried),
            attempt_failures=dict(
                Counter(a.failure_reason for attempts in tried for a in attempts if a.failure_reason is not None)
            ),
            tokens=_tokens(answers),
            tokens_paid=_tokens(answer for answer in answers if not answer.from_ledger),
            latency_ms=_latency(answer for answer in answers if not answer.from_ledger),
            latency_from_ledger_ms=_latency(answer for answer in answers if answer.from_ledger),
            served_models=dict(Counter(answer.served_model for answer in answers if answer.served_model)),
        )

    def __add__(self, other: CallStatistics) -> CallStatistics:
        return CallStatistics(
            attempts=self.attempts + other.attempts,
            retries=self.retries + other.retries,
            retried_calls=self.retried_calls + other.retried_calls,
            attempt_failures=added(self.attempt_failures, other.attempt_failures),
            tokens=self.tokens + other.tokens,
            tokens_paid=self.tokens_paid + other.tokens_paid,
            latency_ms=self.latency_ms + other.latency_ms,
            latency_from_ledger_ms=self.latency_from_ledger_ms + other.latency_from_ledger_ms,
            served_models=added(self.served_models, other.served_models),
        )


def _latency(answers: Iterable[ModelResponse]) -> Observations:
    return Observations.of([answer.latency_ms for answer in answers if answer.latency_ms is not None])


def _tokens(answers: Iterable[ModelResponse]) -> TokenTotals:
    usages = [answer.usage for answer in answers]
    known = [usage for usage in usages if usage is not None]
    return TokenTotals(
        answers=len(known),
        unknown=len(usages) - len(known),
        input=sum(usage.input_tokens for usage in known),
        cache_read=sum(usage.cache_read_tokens for usage in known),
        cache_write=sum(usage.cache_write_tokens for usage in known),
        output=sum(usage.output_tokens for usage in known),
        reasoning=sum(usage.reasoning_tokens for usage in known),
    )
