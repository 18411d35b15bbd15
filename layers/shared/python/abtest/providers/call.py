"""One call: attempts over HTTP until there is an answer, the failure stands, or the batch stops.

Depends on: `abtest.providers.retry`. Used by: the service.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from abtest.contracts.records import Attempt
from abtest.providers.model import Answer, CallFailure, HttpReply, HttpRequest, RetryPolicy
from abtest.providers.ports import BatchPorts, HttpCodec
from abtest.providers.retry import GiveUp, decide, with_hints


class StopSignal:
    """Why a batch ends early, once there is a reason; waiting calls hear it at once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason: str | None = None

    def set(self, reason: str) -> None:
        """Stop for a reason; the first reason stays."""
        if self.reason is None:
            self.reason = reason
            self._event.set()

    def cut_off(self) -> None:
        """Say that time ran out for calls in flight; a stop that would have waited for them ends as a deadline."""
        if self.reason in {None, "budget"}:
            self.reason = "deadline"
            self._event.set()

    async def within(self, wait_s: float) -> bool:
        """Wait, and return whether the batch stopped meanwhile."""
        try:
            await asyncio.wait_for(self._event.wait(), wait_s)
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a call.

    Args:
        result: the answer, or the failure of the last attempt.
        attempts: every HTTP attempt, in order.
        latency_ms: of the last attempt.
        interrupted: the batch stopped while another attempt was due, so the failure does not stand.
    """

    result: Answer | CallFailure
    attempts: tuple[Attempt, ...]
    latency_ms: float
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """What all calls of a batch share."""

    codec: HttpCodec
    ports: BatchPorts
    policy: RetryPolicy
    timeout_s: float
    stop: StopSignal

    async def call(self, request: HttpRequest) -> Called:
        """Return what became of a call after at most `policy.max_attempts` attempts.

        Args:
            request: as the codec built it; sent unchanged with each attempt.
        """
        attempts: list[Attempt] = []
        started_s = self.ports.clock.monotonic_s()
        while True:
            sent_s = self.ports.clock.monotonic_s()
            reply = await self.ports.transport.send(request, self.timeout_s)
            ended_s = self.ports.clock.monotonic_s()
            result = self._understood(reply)
            attempts.append(_attempt(reply, result, (ended_s - sent_s) * 1000))
            latency_ms = attempts[-1].latency_ms
            if isinstance(result, Answer):
                return Called(result, tuple(attempts), latency_ms)
            decision = decide(result, len(attempts), ended_s - started_s, self.policy, self.ports.jitter())
            if isinstance(decision, GiveUp):
                return Called(result, tuple(attempts), latency_ms)
            if await self.stop.within(decision.after_s):
                return Called(result, tuple(attempts), latency_ms, interrupted=True)

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
