"""The gate of one batch: each attempt passes the circuit, a place in flight and a permit of the shared limits.

A wait of seconds is waited for here. A longer one ends the batch as deferred: it waits in its queue, with no worker.

Depends on: `abtest.providers` (health, limits, stop). Used by: the service.
"""

from __future__ import annotations

from abtest.providers.health.record import health_key
from abtest.providers.health.watch import Admission, HealthWatch
from abtest.providers.limits.bucket import limit_key
from abtest.providers.limits.concurrency import AimdLimit, InFlight
from abtest.providers.limits.headers import server_limits
from abtest.providers.limits.permits import PermitPool
from abtest.providers.model import BatchSettings, CallCost, Deferral, ModelRequest, SeenAttempt
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import ModelProvider
from abtest.providers.retry import THROTTLED
from abtest.providers.stop import StopSignal

CHARACTERS_PER_TOKEN = 3
"""Rather more tokens than text in Latin script has; a limit's reservation is settled with the true number."""
TOKENS_OF_A_FRAME = 16


def expected_cost(request: ModelRequest) -> CallCost:
    """Return what a call is expected to take from a provider's limits; what it took is settled after the answer.

    Args:
        request: its messages count by their characters, its answer as long as it may become.
    """
    characters = sum(len(message.content) for message in request.messages)
    input_tokens = characters // CHARACTERS_PER_TOKEN + TOKENS_OF_A_FRAME
    return CallCost(input_tokens, request.parameters.max_tokens)


class BatchGate:
    """Implements `CallGate` for the calls of one batch; lives in one event loop.

    Args:
        provider: its registration says which limits hold.
        request: any of the batch; names its model and its variant, whose length of answers is learned by itself.
        ports: the shared state, the clock, and this worker's name.
        settings: the run, whose share permits come from, and the most calls in flight.
        stop: told when the batch should wait elsewhere; a batch that stops lets nobody through.
    """

    def __init__(
        self,
        provider: ModelProvider,
        request: ModelRequest,
        ports: BatchPorts,
        settings: BatchSettings,
        stop: StopSignal,
    ) -> None:
        model = request.model
        self._clock, self._stop, self._patience_s = ports.clock, stop, settings.retry.patience_s
        self._watch = HealthWatch(ports.shared, health_key(provider, model), ports.clock, ports.owner)
        self._permits = PermitPool(
            ports.shared,
            limit_key(provider, model),
            provider.limit_of(model),
            run_id=settings.ledger_scope,
            clock=ports.clock,
            jitter=ports.jitter,
            kind=request.variant,
        )
        self._limit = AimdLimit(settings.max_in_flight)
        self._places = InFlight(self._limit)
        self._blocked_since_s: float | None = None
        self.attempts = 0
        """Attempts that were let in so far."""

    @property
    def has_answered_before(self) -> bool:
        """Whether the provider is known to have answered somebody with this model; changes while the batch runs."""
        return self._watch.has_answered_before

    @property
    def lets_calls_out(self) -> bool:
        """Whether the circuit is closed, as far as is known."""
        return self._watch.is_closed

    async def start(self) -> None:
        """Learn how the provider is, and begin to share what this batch sees of it."""
        await self._watch.start()

    async def close(self) -> None:
        """Share what is left, and give back what was reserved and not used. Call it after `start`, whatever came."""
        try:
            await self._permits.close()
        finally:
            # Without it nobody else may probe until the lease ends.
            await self._watch.close()

    async def enter(self, cost: CallCost) -> bool:
        """Wait until an attempt may be made; False when this batch should make none any more."""
        let_in = await self._stop.unless_stopped(self._enter(cost))
        self.attempts += let_in
        return let_in

    def leave(self, cost: CallCost, seen: SeenAttempt | None) -> None:
        """Take what an attempt showed, None when it was cut off; once after each `enter` that returned True."""
        try:
            self._watch.note(seen)
            if seen is not None:
                self._learn(seen)
            self._permits.settle(cost, seen.usage if seen is not None else None)
        finally:
            self._places.leave()

    async def _enter(self, cost: CallCost) -> bool:
        await self._places.enter()
        let_in = False
        try:
            let_in = await self._let_in(cost)
            return let_in
        finally:
            if not let_in:
                self._places.leave()

    async def _let_in(self, cost: CallCost) -> bool:
        while self._stop.reason is None:
            admission = self._watch.look()
            if admission.may_call:
                deferral = await self._permits.acquire(cost)
                if deferral is not None:
                    self._stop.defer(deferral)
                    return False
                if self._stop.leaves_permits and (admission := self._watch.admit()).may_call:
                    self._blocked_since_s = None
                    return True
                # The circuit opened, or the batch stopped, while the call waited for its permit.
                self._permits.give_back(cost)
            await self._wait_for_circuit(admission)
        return False

    async def _wait_for_circuit(self, admission: Admission) -> None:
        """Wait a little, or let the batch wait elsewhere when it is blocked for longer than a worker is kept for."""
        now_s = self._clock.monotonic_s()
        if self._blocked_since_s is None:
            self._blocked_since_s = now_s
        if now_s - self._blocked_since_s + admission.wait_s > self._patience_s:
            self._stop.defer(Deferral(max(1.0, admission.wait_s), "circuit_open", admission.detail))
        else:
            await self._stop.within(admission.wait_s)

    def _learn(self, seen: SeenAttempt) -> None:
        if seen.failure is not None and seen.failure.failure_reason in THROTTLED:
            self._limit.on_throttled(self._clock.monotonic_s(), seen.latency_ms / 1000)
            if seen.failure.failure_reason == "rate_limited":
                self._permits.throttled(seen.failure.retry_after_s)
                if seen.failure.retry_after_s is not None:
                    # The provider names the wait itself; what its headers let us guess may only be longer.
                    return
        elif seen.failure is None:
            self._limit.on_success()
        limits = server_limits(seen.headers, self._clock.now()) if seen.headers else None
        if limits is not None and limits.pause_s > 0:
            self._permits.hold(limits.pause_s)
