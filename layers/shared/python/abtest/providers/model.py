"""What the providers domain speaks of: registrations, requests, answers, failures, and one batch of them.

Depends on: `abtest.contracts`, `abtest.core`. Used by: the codecs, the service, the API's provider routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from pydantic import Field

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Attempt, FailureReason, ModelResponse, Usage
from abtest.core.errors import ProviderError
from abtest.providers.registration import Value

CacheMode = Literal["off", "read", "on"]
AnsweredOutcome = Literal["answered", "refused", "filtered", "truncated"]
StopReason = Literal["cancelled", "budget", "deadline", "deferred"]
WaitingFor = Literal["rate_limit", "provider_throttles", "circuit_open", "batch_interface"]


class ChatMessage(Value):
    """One rendered message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ModelRequest(Value):
    """One call to be made: what is asked, and for which sample of which variant.

    Args:
        provider: id of the registered provider.
        messages: the rendered prompt; empty for recorded answers.
        repeat_index: from 0; asks the same question again on purpose.
        mode: how it is asked; answers of a batch interface are kept apart, since their price is another.
    """

    provider: str
    vendor: str
    model: str
    messages: tuple[ChatMessage, ...] = ()
    parameters: Parameters = Parameters()
    sample_id: str
    variant: str
    repeat_index: int = Field(default=0, ge=0)
    mode: Literal["direct", "batch"] = "direct"


class AwsSigning(Value):
    """How a request to AWS is to be signed when it is sent; a signature holds the time, which codecs do not know.

    Args:
        service: the signing name, such as `bedrock`.
        credentials: JSON with `access_key_id`, `secret_access_key` and maybe `session_token`; None signs as the
            function itself.
    """

    service: str
    region: str
    credentials: str | None = Field(default=None, repr=False)


class HttpRequest(Value):
    """An HTTP request, ready to be sent; its headers hold the key and its body the prompt, so neither is shown."""

    method: Literal["GET", "POST"] = "POST"
    url: str
    headers: Mapping[str, str] = Field(repr=False)
    body: bytes = Field(repr=False)
    signing: AwsSigning | None = None


class HttpReply(Value):
    """What came back over HTTP: header names are lower case, the body is decoded from any compression."""

    status: int
    headers: Mapping[str, str] = Field(repr=False)
    body: bytes = Field(repr=False)


class Answer(Value):
    """What a model said, or that it declined to; `usage` None means that the provider did not say."""

    outcome: AnsweredOutcome
    text: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    provider_request_id: str | None = None
    served_model: str | None = None


class CallFailure(Value):
    """Why one HTTP attempt has no answer.

    Args:
        retryable: the same request may succeed later.
        retry_after_s: what the server asks to wait; None when it says nothing.
        status: HTTP status; None when no answer came.
        detail: a few words for a person; never a prompt, an answer or a key.
    """

    failure_reason: FailureReason
    retryable: bool
    retry_after_s: float | None = None
    status: int | None = None
    detail: str = ""


class Capabilities(Value):
    """What a vendor's wire format can carry.

    Args:
        parameters: names of the fields of `Parameters` it can send.
        calls_http: False for recorded answers, which need neither prompt nor key.
        default_base_url: the vendor's own address; None when there is none, or options say where it is.
        needs_base_url: the registration must give an address.
    """

    parameters: frozenset[str]
    calls_http: bool = True
    default_base_url: str | None = None
    needs_base_url: bool = False


@dataclass(frozen=True, slots=True)
class CallCost:
    """What one call is expected to take from the limits, before it is made.

    Args:
        input_tokens: an estimate from the characters of the prompt.
        output_tokens: the most the answer may have.
    """

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class SeenAttempt:
    """What one HTTP attempt showed of the provider.

    Args:
        failure: None when there was an answer.
        usage: tokens of the answer; None when there is none or the provider did not say.
        headers: of the reply, names in lower case; empty when there was none.
    """

    failure: CallFailure | None
    usage: Usage | None
    latency_ms: float
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why a batch should wait elsewhere: longer than a worker is kept for.

    Args:
        wait_s: seconds after which it is worth another try.
        why: what is waited for.
        detail: the last failure in a few words; empty when there was none.
    """

    wait_s: float
    why: WaitingFor
    detail: str = ""


class LedgerEntry(Value):
    """One answer that was paid for, as the ledger keeps it: everything but whose sample asked.

    Args:
        paid_by: of `payer`: the sample of the run that paid. For every other one the answer costs nothing now.
        latency_ms: None for an answer of a batch interface, whose time says nothing about the model.
    """

    paid_by: str
    outcome: AnsweredOutcome
    text: str | None = None
    usage: Usage | None = None
    latency_ms: float | None = None
    cost_usd: Decimal | None = None
    price_source: str | None = None
    attempts: tuple[Attempt, ...] = ()
    finish_reason: str | None = None
    provider_request_id: str | None = None
    served_model: str | None = None

    def response(self, request: ModelRequest, *, from_ledger: bool) -> ModelResponse:
        """Return the row this answer makes for a request.

        Args:
            request: names the sample and the variant.
            from_ledger: the answer cost nothing now.
        """
        return ModelResponse(
            sample_id=request.sample_id,
            variant=request.variant,
            outcome=self.outcome,
            text=self.text,
            usage=self.usage,
            latency_ms=self.latency_ms,
            cost_usd=self.cost_usd,
            price_source=self.price_source,
            from_ledger=from_ledger,
            attempts=self.attempts,
            finish_reason=self.finish_reason,
            provider_request_id=self.provider_request_id,
            served_model=self.served_model,
        )


@dataclass(frozen=True, slots=True)
class ControlState:
    """What the run's record says now.

    Args:
        cancel_requested: somebody asked the run to stop.
        spent_usd: the known prices of all calls of the run so far, over all workers.
        cap_usd: the most the run may spend; None is no cap.
        calls: answers of the run that were paid for so far, over all workers.
    """

    cancel_requested: bool = False
    spent_usd: Decimal = Decimal(0)
    cap_usd: Decimal | None = None
    calls: int = 0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one call is tried.

    Args:
        max_attempts: the first attempt included.
        base_s: upper bound of the wait after the first attempt; it doubles with each.
        cap_s: upper bound of any wait the server did not ask for.
        longest_hint_s: a server that asks for a longer wait is not asked again.
        longest_call_s: no attempt starts later than this after the first one started.
        max_throttled: attempts that were refused because the provider has too much to do, before the batch waits
            elsewhere; they do not count towards `max_attempts`.
        patience_s: a call that is told "not now" for longer is not waited for by a worker: the batch waits elsewhere.
    """

    max_attempts: int = 4
    base_s: float = 0.5
    cap_s: float = 8.0
    longest_hint_s: float = 120.0
    longest_call_s: float = 300.0
    max_throttled: int = 6
    patience_s: float = 5.0


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How one batch is answered.

    Args:
        ledger_scope: the run's id: what only this run may find again is kept under it.
        cache: `on` reads and writes answers that every run shares; `read` reads them, and writes for this run only;
            `off` shares nothing: each sample of each variant is its own call, found again by a retry of this run only.
        max_in_flight: most calls at the same time in this batch.
        flush_interval_s: longest time an answer waits before it is written to the ledger.
        flush_size: number of waiting answers that are written at once without waiting longer.
        refresh_s: longest time between two looks at the run's state.
        progress_s: shortest time between two reports of progress.
        start_margin_s: no call starts with less time left than this.
        finish_margin_s: calls in flight are given up with less time left than this; the rest is for writing.
        stop_grace_s: how long calls in flight may still finish after a cancellation or a fatal failure.
        tick_s: how often time and progress are looked at.
        retry: how each call is retried.
    """

    ledger_scope: str
    cache: CacheMode = "on"
    max_in_flight: int = 50
    flush_interval_s: float = 0.05
    flush_size: int = 25
    refresh_s: float = 1.0
    progress_s: float = 1.0
    start_margin_s: float = 30.0
    finish_margin_s: float = 5.0
    stop_grace_s: float = 3.0
    tick_s: float = 0.2
    retry: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch.

    Args:
        responses: rows in the order of the requests; a request that was not finished has none.
        unfinished: at least one request has no row.
        stopped: why the batch ended early; None when it did not, or when `fatal` says why.
        fatal: the failure that makes every further call of this provider pointless; None when there is none.
        deferral: what the batch should wait for, exactly when it stopped as `deferred`; its rows are then provisional,
            for what failed is asked again.
        answered_now: calls that were answered in this pass: progress, whatever else happened.
        attempts_now: HTTP attempts of this pass, whatever came of them.
        if_given_up: when it stopped as `deferred` or `deadline`, every row as it is if nobody waits any longer: an
            unfinished request failed as its last attempt did. Empty otherwise.
    """

    responses: tuple[ModelResponse, ...]
    unfinished: bool = False
    stopped: StopReason | None = None
    fatal: ProviderError | None = None
    deferral: Deferral | None = None
    answered_now: int = 0
    attempts_now: int = 0
    if_given_up: tuple[ModelResponse, ...] = ()
