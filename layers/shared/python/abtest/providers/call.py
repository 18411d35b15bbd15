"""One call: attempts over HTTP until there is an answer, the failure stands, or the batch stops.

Every attempt passes the gate, a repeated one too: to the provider's limits it is one more request.

Depends on: `abtest.providers.retry`, `abtest.providers.stop`. Used by: the service.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from abtest.contracts.records import Attempt
from abtest.providers.model import (
    Answer,
    CallCost,
    CallFailure,
    Deferral,
    HttpReply,
    HttpRequest,
    RetryPolicy,
    SeenAttempt,
)
from abtest.providers.outage import UNAVAILABLE_REASONS
from abtest.providers.ports import BatchPorts, CallGate, HttpCodec
from abtest.providers.retry import THROTTLED, Retry, decide, with_hints
from abtest.providers.stop import StopSignal

LONGEST_PARKED_S = 86_400.0
"""A server may ask for any number of seconds; a wait must still be a time in the calendar."""
_WAIT_AFTER_THROTTLES_S = 15.0
_WAIT_WHILE_DOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a call.

    Args:
        result: the answer, or the failure of the last attempt; None when there was no attempt.
        attempts: every HTTP attempt, in order.
        latency_ms: of the last attempt.
        interrupted: the batch stopped while an attempt was due, so the failure does not stand.
    """

    result: Answer | CallFailure | None
    attempts: tuple[Attempt, ...] = ()
    latency_ms: float = 0.0
    interrupted: bool = False


@dataclass(slots=True)
class _Course:
    """One call so far; it starts when its first attempt is sent, for what it waits for before is not its own."""

    started_s: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    throttled: int = 0
    parked: bool = False
    result: Answer | CallFailure | None = None

    def ended(self, *, interrupted: bool = False) -> Called:
        latency_ms = self.attempts[-1].latency_ms if self.attempts else 0.0
        return Called(self.result, tuple(self.attempts), latency_ms, interrupted)


@dataclass(frozen=True, slots=True)
class Caller:
    """What all calls of a batch share."""

    codec: HttpCodec
    ports: BatchPorts
    policy: RetryPolicy
    timeout_s: float
    stop: StopSignal
    gate: CallGate

    async def call(self, request: HttpRequest, cost: CallCost) -> Called:
        """Return what became of a call.

        Args:
            request: as the codec built it; sent unchanged with each attempt.
            cost: what each attempt is expected to take from the limits.
        """
        course = _Course()
        while True:
            if not await self.gate.enter(cost):
                return course.ended(interrupted=True)
            failure = await self._attempt(request, cost, course)
            if failure is None:
                return course.ended()
            wait_s = self._next(failure, course)
            if wait_s is None:
                return course.ended(interrupted=course.parked)
            if await self.stop.within(wait_s):
                return course.ended(interrupted=True)

    async def _attempt(self, request: HttpRequest, cost: CallCost, course: _Course) -> CallFailure | None:
        sent_s = self.ports.clock.monotonic_s()
        if not course.attempts:
            course.started_s = sent_s
        seen: SeenAttempt | None = None
        try:
            reply = await self.ports.transport.send(request, self.timeout_s)
            latency_ms = (self.ports.clock.monotonic_s() - sent_s) * 1000
            result = self._understood(reply)
            failure = result if isinstance(result, CallFailure) else None
            usage = result.usage if isinstance(result, Answer) else None
            headers = reply.headers if isinstance(reply, HttpReply) else {}
            seen = SeenAttempt(failure, usage, latency_ms, headers)
        finally:
            # Cancelled in flight, too, an attempt has passed the gate and must be taken off its counts.
            self.gate.leave(cost, seen)
        course.result = result
        course.attempts.append(_attempt(reply, result, latency_ms))
        return failure

    def _next(self, failure: CallFailure, course: _Course) -> float | None:
        """Return the wait before the next attempt, or None when there is none."""
        throttled = failure.failure_reason in THROTTLED
        course.throttled += throttled
        number = course.throttled if throttled else len(course.attempts) - course.throttled
        elapsed_s = self.ports.clock.monotonic_s() - course.started_s
        decision = decide(failure, number, elapsed_s, self.policy, self.ports.jitter())
        if isinstance(decision, Retry) and decision.after_s <= self.policy.patience_s:
            return decision.after_s
        if throttled and failure.retryable:
            # The provider answers, only not now: that is nothing a sample should fail for.
            wait_s = decision.after_s if isinstance(decision, Retry) else decision.wait_s
            wait_s = _WAIT_AFTER_THROTTLES_S if wait_s is None else min(wait_s, LONGEST_PARKED_S)
            self.stop.park(Deferral(wait_s, "provider_throttles", failure.detail))
            course.parked = True
            return None
        if isinstance(decision, Retry):
            return decision.after_s
        if self._is_outage(failure) and elapsed_s < self.policy.longest_call_s:
            # The circuit is open: the sample waits at the gate with all others, and does not fail for an outage.
            return _WAIT_WHILE_DOWN_S
        return None

    def _is_outage(self, failure: CallFailure) -> bool:
        return failure.failure_reason in UNAVAILABLE_REASONS and failure.retryable and not self.gate.lets_calls_out

    def _understood(self, reply: HttpReply | CallFailure) -> Answer | CallFailure:
        if isinstance(reply, CallFailure):
            return reply
        result = self.codec.parse(reply.status, reply.headers, reply.body)
        if isinstance(result, CallFailure):
            return with_hints(result, reply.headers, self.ports.clock.now())
        return result


def _attempt(reply: HttpReply | CallFailure, result: Answer | CallFailure, latency_ms: float) -> Attempt:
    # Three decimals of a millisecond are more than a clock shows, and rows are many.
    latency_ms = round(latency_ms, 3)
    if isinstance(result, Answer):
        return Attempt(status=reply.status, latency_ms=latency_ms)
    return Attempt(
        status=reply.status,
        latency_ms=latency_ms,
        failure_reason=result.failure_reason,
        retry_after_s=result.retry_after_s,
    )
