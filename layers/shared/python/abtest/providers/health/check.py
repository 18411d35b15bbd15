"""The live check of a model: one attempt that spends at most one token, and what it shows.

It goes the way of every call, through the vendor's codec and the transport, so that what it finds wrong is what a run
would find wrong: the key, the model's name, the address, the certificate. It feeds the health record like any attempt,
and decides about an open circuit only when it holds the lease of the probe.

Depends on: the watch, `abtest.providers` (advice, capabilities, pricing, retry). Used by:
`abtest.runtime.provider_check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from abtest.contracts.definition import Parameters
from abtest.contracts.records import FailureReason, Usage
from abtest.core.clock import Clock
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.providers import registry
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.capabilities import unsupported
from abtest.providers.health.record import health_key
from abtest.providers.health.watch import HealthWatch
from abtest.providers.model import (
    Answer,
    AnsweredOutcome,
    CallFailure,
    ChatMessage,
    HttpReply,
    ModelRequest,
    SeenAttempt,
)
from abtest.providers.ports import HttpCodec, SharedState, Transport
from abtest.providers.pricing import price_of
from abtest.providers.registration import ModelProvider, Value
from abtest.providers.retry import with_hints

LONGEST_CHECK_S = 20.0
"""API Gateway waits 29 seconds; the check ends well before."""

_PROMPT = "Hi"
_FEWEST_TOKENS = {"openai_responses": 16}
"""Where a vendor refuses a limit of one token, the smallest it takes. Source: what the Responses API says to a smaller
one, "Expected a value >= 16", as reported in github.com/vectorize-io/hindsight/issues/58."""

# Reasoning models of OpenAI answer 400 with this sentence when the limit ends them before the first visible token, as
# recorded in github.com/weave-os/router/pull/589. Key, address and model were right then.
_ENDED_BY_LIMIT = b"max_tokens or model output limit was reached"


@dataclass(frozen=True, slots=True)
class CheckPorts:
    """What a check needs from outside.

    Args:
        owner: a name no other worker has.
    """

    transport: Transport
    state: SharedState
    clock: Clock
    owner: str


class CheckResult(Value):
    """What a check showed.

    Args:
        ok: the model answered, be it with a refusal or a cut answer: the registration works.
        outcome: of the answer; None when there was none.
        reason: why there was none.
        status: HTTP status; None when no answer came.
        what_to_do: one sentence; None when it is ok.
        latency_ms: of the attempt; None when nothing was sent.
        most_tokens: the limit that was set for the answer.
        cost_usd: None is unknown.
        decided_circuit: the check was the probe of an open circuit.
    """

    provider: str
    model: str
    ok: bool
    outcome: AnsweredOutcome | None = None
    reason: FailureReason | None = None
    status: int | None = None
    detail: str = ""
    what_to_do: str | None = None
    latency_ms: float | None = None
    served_model: str | None = None
    most_tokens: int
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    price_source: str | None = None
    decided_circuit: bool = False


def check_request(provider: ModelProvider, model: str) -> ModelRequest:
    """Return the request of a check: a greeting, and the smallest answer there is.

    Raises:
        InvalidInputError: the vendor serves recorded answers, or the model takes no limit of its answer, so that
            nobody could say what a check costs.
    """
    _http_codec(provider)
    parameters = Parameters(max_tokens=most_tokens(provider))
    refused = unsupported(provider, model, parameters)
    if refused:
        issue = InputIssue("model", f"its answer cannot be limited: {refused['max_tokens']}", model)
        raise InvalidInputError("The model cannot be checked for the price of a token.", [issue])
    return ModelRequest(
        provider=provider.id,
        vendor=provider.vendor,
        model=model,
        messages=(ChatMessage(role="user", content=_PROMPT),),
        parameters=parameters,
        sample_id="check",
        variant="check",
    )


def most_tokens(provider: ModelProvider) -> int:
    """Return the limit a check sets for the answer: one token, or the fewest the vendor takes."""
    return _FEWEST_TOKENS.get(provider.vendor, 1)


def without_key(provider: ModelProvider, model: str, detail: str) -> CheckResult:
    """Return the result of a check that had no key to send; nothing was sent.

    Args:
        detail: why, in a sentence for a person.
    """
    return _failed(provider, model, CallFailure(failure_reason="auth", retryable=False, detail=detail))


async def check_provider(provider: ModelProvider, model: str, api_key: str | None, ports: CheckPorts) -> CheckResult:
    """Return what one attempt shows; it ends within 20 seconds, or the provider's shorter time.

    Args:
        provider: the registration.
        model: the provider's name of the model.
        api_key: None sends none.
        ports: what is outside.

    Raises:
        InvalidInputError: there is nothing to check.
    """
    codec, request = _http_codec(provider), check_request(provider, model)
    watch = HealthWatch(ports.state, health_key(provider, model), ports.clock, ports.owner)
    await watch.start()
    try:
        # Blocked or not, it calls: somebody asked for it, and one call burdens nobody.
        probing = watch.admit().kind == "probe"
        sent_s = ports.clock.monotonic_s()
        reply = await ports.transport.send(
            codec.build(request, provider, api_key), min(LONGEST_CHECK_S, provider.timeout_s)
        )
        latency_ms = round((ports.clock.monotonic_s() - sent_s) * 1000, 3)
        result = _understood(codec, reply, ports.clock)
        watch.note(_seen(result, reply, latency_ms))
    finally:
        await watch.close()
    if isinstance(result, CallFailure):
        shown = _failed(provider, model, result)
    else:
        shown = _answered(provider, model, result, ports.clock)
    facts = {"status": reply.status, "latency_ms": latency_ms, "decided_circuit": probing}
    return shown.model_copy(update=facts)


def _http_codec(provider: ModelProvider) -> HttpCodec:
    codec = registry.codec_of(provider.vendor)
    if not isinstance(codec, HttpCodec):
        issue = InputIssue("provider_id", "serves recorded answers; there is nothing to call", provider.id)
        raise InvalidInputError("The provider cannot be checked.", [issue])
    return codec


def _understood(codec: HttpCodec, reply: HttpReply | CallFailure, clock: Clock) -> Answer | CallFailure:
    if isinstance(reply, CallFailure):
        return reply
    result = codec.parse(reply.status, reply.headers, reply.body)
    if isinstance(result, Answer):
        return result
    if reply.status == 400 and _ENDED_BY_LIMIT in reply.body:
        return Answer(outcome="truncated")
    return with_hints(result, reply.headers, clock.now())


def _seen(result: Answer | CallFailure, reply: HttpReply | CallFailure, latency_ms: float) -> SeenAttempt:
    return SeenAttempt(
        failure=result if isinstance(result, CallFailure) else None,
        usage=result.usage if isinstance(result, Answer) else None,
        latency_ms=latency_ms,
        headers=reply.headers if isinstance(reply, HttpReply) else {},
    )


def _failed(provider: ModelProvider, model: str, failure: CallFailure) -> CheckResult:
    return CheckResult(
        provider=provider.id,
        model=model,
        ok=False,
        reason=failure.failure_reason,
        detail=failure.detail,
        what_to_do=_advice(provider, failure.failure_reason),
        most_tokens=most_tokens(provider),
    )


def _answered(provider: ModelProvider, model: str, answer: Answer, clock: Clock) -> CheckResult:
    cost_usd, source = price_of(provider, model, answer.usage, clock.now())
    return CheckResult(
        provider=provider.id,
        model=model,
        ok=True,
        outcome=answer.outcome,
        served_model=answer.served_model,
        most_tokens=most_tokens(provider),
        usage=answer.usage,
        cost_usd=cost_usd,
        price_source=source,
    )


def _advice(provider: ModelProvider, reason: FailureReason) -> str:
    if reason == "auth" and provider.secret_name is None:
        return "The provider is registered without secret_name, so no key was sent: register it with one."
    if reason == "bad_request":
        # The request of a check is ours: there is no variant to correct.
        return "The model refuses the smallest request there is: check the model, the vendor and the options."
    return WHAT_TO_DO[reason]
