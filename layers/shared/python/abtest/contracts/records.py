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
Order = Literal["control_first", "treatment_first"]
"""Which answer of a pair a judge was shown first."""
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Record(BaseModel):
    """A row: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Turn(Record):
    """One earlier message of a sample's conversation; its text is sent as it is."""

    role: Literal["user", "assistant"]
    content: Annotated[str, StringConstraints(min_length=1, max_length=200_000)]


class Document(Record):
    """A text that the answer should rest on, such as a search result."""

    text: Annotated[str, StringConstraints(min_length=1)]
    title: str | None = None


class Sample(Record):
    """One input of the dataset (`TestSample`).

    Args:
        id: unique in the dataset.
        inputs: what the prompt template may use, by name.
        reference: what a judge compares with; None where there is none.
        messages: earlier turns of the conversation, between the prompt's own earlier turns and its last message.
        documents: what the answer should rest on; the prompt template may use them as `documents`.
        expected_outcome: what the conversation should come to, for judges that ask a model.
        rubric: what a good answer to this sample has, for judges that ask a model; goes beside the dimensions.
        cluster: samples that belong together share it; None makes the sample its own cluster.
        metadata: free facts for slices; never sent to a model.
    """

    id: Identifier
    inputs: dict[str, Any] = Field(default_factory=dict)
    reference: Any = None
    messages: tuple[Turn, ...] = Field(default=(), max_length=200)
    documents: tuple[Document, ...] = Field(default=(), max_length=100)
    expected_outcome: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] | None = None
    rubric: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] | None = None
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


class Vote(Record):
    """What one call of a judge's model said; a verdict is made of all votes on one answer or pair.

    Args:
        order: which answer was shown first; None where one answer was shown.
        repeat: from 0.
        score: of an answer on the judge's scale; of a pair the treatment's share of the preference: 1, 0.5 or 0.
        dimensions: the same by dimension.
        reason: what the judge wrote before it scored, shortened.
        repaired: its first output could not be read, and its second could.
        fallback: which of the judge's fallback models said it, from 1; 0 is the judge's own model.
    """

    order: Order | None = None
    repeat: int = 0
    status: VerdictStatus
    score: float | None = None
    dimensions: dict[str, float] = Field(default_factory=dict)
    reason: str | None = None
    repaired: bool = False
    fallback: int = 0


class JudgeUse(Record):
    """What the calls behind one verdict took.

    Args:
        calls: answered calls, repairs included.
        repairs: of those, second attempts at an output that could not be read.
        from_ledger: of those, the ones that had been paid for before.
        cost_usd: price of all of them when they were paid for; None when any is unknown.
        spent_usd: what this run paid itself, as far as it is known.
    """

    calls: int = 0
    repairs: int = 0
    from_ledger: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    spent_usd: Decimal = Decimal(0)


class JudgeCall(Record):
    """One call of a judge's model, as it is kept for whoever wants to read what the judge wrote.

    Args:
        question: names the question within the judge and batch.
        fallback: which of the judge's models was asked; 0 is its own.
        response: its `sample_id` and `variant` are the question's and the judge's, not a test's.
    """

    question: str
    fallback: int = 0
    response: ModelResponse


class Verdict(Record):
    """What one judge says of one response, or of a pair (`EvaluationResult`).

    Args:
        variant: whose answer was judged; of a pair the treatment.
        judge: the judge's name in the test, which is also the metric's name.
        status: `scored` carries a score; `not_judged` (no response to judge, or the judge could not be asked) and
            `invalid` (the judge could not say) do not, and are counted as missing.
        score: on the judge's scale; 0 or 1 for a binary judge; of a pair the treatment's share of the preference,
            averaged over orders and repeats.
        reason: one short sentence for a person.
        against: of a pair the control; None where one answer was judged.
        dimensions: the scores by dimension, where the judge has several.
        votes: what the calls of a judge's model said, one by one.
        judge_version: of the judge that asked a model; see `JudgeFacts.version`.
        use: what its calls took; None where nothing was asked.
    """

    sample_id: str
    variant: str
    judge: str
    status: VerdictStatus
    score: float | None = None
    reason: str | None = None
    against: str | None = None
    dimensions: dict[str, float] = Field(default_factory=dict)
    votes: tuple[Vote, ...] = ()
    judge_version: str | None = None
    use: JudgeUse | None = None


class PinnedVerdict(Record):
    """What a judge said in one run of a pinned example, beside the score that its author expects.

    Args:
        example: its name, or its number from 1.
        expected: on the judge's scale; of a pair the second answer's share of the preference.
        score: None when the judge could not be asked or read.
    """

    judge: str
    judge_version: str
    example: str
    status: VerdictStatus
    expected: float
    score: float | None = None


class ImportedScore(Record):
    """One score or preference that was given elsewhere, for the judge `imported`; `id` is the sample's.

    Either `variant` with `score`, or `winner` with the two variants in `first` and `second`.

    Args:
        variant: whose answer was scored.
        score: on the judge's scale.
        dimensions: scores by dimension, where there are several.
        first, second: the variants whose answers were compared, in the order in which they were shown.
        winner: one of both, or `tie`.
        repeat: from 0, where one judge was asked several times.
        reason: one short sentence for a person.
    """

    id: Identifier
    variant: str | None = None
    # Strict: a text or a truth value is not taken for the number it might stand for.
    score: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    dimensions: dict[str, Annotated[float, Field(strict=True)]] = Field(default_factory=dict)
    first: str | None = None
    second: str | None = None
    winner: str | None = None
    repeat: int = Field(default=0, ge=0)
    reason: str | None = None
