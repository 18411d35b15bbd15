"""The rows that live on S3 as JSONL: samples, recordings, responses, verdicts.

Depends on: `abtest.core`. Used by: every domain, the workers and the command line.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Outcome = Literal["answered", "refused", "filtered", "truncated", "failed"]
"""What became of one call. Only `failed` has no answer of the model; the others are the model's doing."""

FailureReason = Literal[
    "timeout",
    "connection",
    "tls",
    "rate_limited",
    "overloaded",
    "server_error",
    "quota",
    "auth",
    "permission",
    "clock_skew",
    "bad_request",
    "context_length",
    "not_found",
    "model_not_found",
    "model_retired",
    "html_page",
    "invalid_utf8",
    "malformed",
    "mismatched",
    "too_large",
    "batch_expired",
    "batch_failed",
    "no_recording",
    "budget",
    "cancelled",
]
"""Why a call has no answer; `abtest.providers.advice` says of each what to do."""

VerdictStatus = Literal["scored", "not_judged", "invalid"]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Record(BaseModel):
    """A row: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(Record):
    """One input of the dataset (`TestSample`).

    Args:
        id: unique in the dataset.
        inputs: what the prompt template may use, by name.
        reference: what a judge compares with; None where there is none.
        cluster: samples that belong together share it; None makes the sample its own cluster.
        metadata: free facts for slices; never sent to a model.
    """

    id: Identifier
    inputs: dict[str, Any] = Field(default_factory=dict)
    reference: Any = None
    cluster: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class Recording(Record):
    """One answer recorded elsewhere, for the provider `replay`; `id` is the sample's."""

    id: Identifier
    output: str
    latency_ms: float | None = Field(default=None, ge=0)
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    cost_usd: Decimal | None = Field(default=None, ge=0)


class Usage(Record):
    """Tokens of one call, normalised: input is uncached input, output includes no reasoning."""

    input_tokens: int = Field(default=0, ge=0)
    cache_read_tokens: int = Field(default=0, ge=0)
    cache_write_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)

    @property
    def total_input_tokens(self) -> int:
        """All tokens that went in, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def total_output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output_tokens + self.reasoning_tokens


class Attempt(Record):
    """One HTTP attempt of a call: status None when no answer came."""

    status: int | None = None
    latency_ms: float
    failure_reason: FailureReason | None = None
    retry_after_s: float | None = None


class ModelResponse(Record):
    """One answer of one variant to one sample, or why there is none.

    Args:
        outcome: see `Outcome`.
        failure_reason: set exactly when the outcome is `failed`.
        text: the answer; None when there is none.
        latency_ms: of the attempt that answered, as measured when it was paid for.
        cost_usd: price of the call when it was paid for; None is unknown.
        price_source: where the price came from; None when unknown.
        from_ledger: the answer had been paid for before and cost nothing now.
        served_model: the model's name as the provider gave it with the answer; aliases resolve to dated versions.
    """

    sample_id: str
    variant: str
    outcome: Outcome
    failure_reason: FailureReason | None = None
    text: str | None = None
    usage: Usage | None = None
    latency_ms: float | None = None
    cost_usd: Decimal | None = None
    price_source: str | None = None
    from_ledger: bool = False
    attempts: tuple[Attempt, ...] = ()
    finish_reason: str | None = None
    provider_request_id: str | None = None
    served_model: str | None = None


class Verdict(Record):
    """What one judge says of one response (`EvaluationResult`).

    Args:
        judge: the judge's name in the test, which is also the metric's name.
        status: `scored` carries a score; `not_judged` (no response to judge) and `invalid` (the judge could not
            say) do not, and are counted as missing.
        score: on the judge's scale; 0 or 1 for a binary judge.
        reason: one short sentence for a person.
    """

    sample_id: str
    variant: str
    judge: str
    status: VerdictStatus
    score: float | None = None
    reason: str | None = None
