"""The gate of a batch: what a call passes, what it gives back, and how it ends; in virtual time over real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
from limit_world import LoopClock, run_virtually
from provider_fakes import PROVIDER, DictLedger, RunRecord, ScriptedTransport, request

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts.records import Usage
from abtest.core.errors import StoreError, StoreUnavailableError
from abtest.providers.gate import BatchGate
from abtest.providers.health import circuit as machine
from abtest.providers.health.record import ProviderHealth, health_key, read_health
from abtest.providers.limits.bucket import limit_key
from abtest.providers.limits.permits import PermitPool
from abtest.providers.model import BatchSettings, CallCost, CallFailure, Deferral, SeenAttempt
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import RateLimit
from abtest.providers.stop import StopSignal

LIMIT = RateLimit(requests_per_minute=60)
LIMITED = PROVIDER.model_copy(update={"limits": {"*": LIMIT}})
COST = CallCost(10, 10)
ANSWERED = SeenAttempt(None, Usage(input_tokens=1, output_tokens=1), 20.0)
DOWN = SeenAttempt(CallFailure(failure_reason="connection", retryable=True, detail="no way"), None, 20.0)
HEALTH, BUCKET = health_key(PROVIDER, "small"), limit_key(PROVIDER, "small")


class FragileState(MemorySharedState):
    """A store that fails for keys that begin with a word."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, Exception] = {}

    def change(self, key: str, decide: Callable[[Any], tuple[Mapping[str, Any], Any]]) -> Any:
        for start, error in self.broken.items():
            if key.startswith(start):
                raise error
        return super().change(key, decide)


class Scene:
    """One gate in a virtual loop."""

    def __init__(self, state: MemorySharedState | None = None) -> None:
        self.state = state or FragileState()
        self.clock = LoopClock()

    def gate(self, provider: Any = LIMITED, in_flight: int = 10, owner: str = "me") -> tuple[BatchGate, StopSignal]:
        """Return a gate and what stops its batch."""
        stop = StopSignal()
        ports = BatchPorts(
            ScriptedTransport(),
            DictLedger(),
            RunRecord(),
            self.clock,
            lambda: 600.0,
            lambda: 0.5,
            self.state,
            owner,
        )
        settings = BatchSettings("run_1", max_in_flight=in_flight)
        return BatchGate(provider, request(1), ports, settings, stop), stop

    def open_circuit(self, wait_s: float) -> None:
        """Let the circuit be open, with a probe after so many seconds."""
        probe_at_s = self.clock.now().timestamp() + wait_s
        health = ProviderHealth(circuit=machine.Circuit(generation=1, closed=False, probe_at_s=probe_at_s))
        self.state.change(HEALTH, lambda _document: (health.document(), None))

    @property
    def circuit(self) -> machine.Circuit:
        """The circuit as it is shared."""
        return read_health(self.state.read(HEALTH)).circuit

    @property
    def slots_taken(self) -> bool:
        """Whether the bucket has given out a slot that lies ahead."""
        document = self.state.read(BUCKET)
        return bool(document) and document["last_s"] > self.clock.now().timestamp()


def virtually(play: Callable[[Scene], Coroutine[Any, Any, None]], state: MemorySharedState | None = None) -> Scene:
    scene = Scene(state)
    run_virtually(play(scene))
    return scene


def entering(gate: BatchGate, count: int = 1) -> list[asyncio.Task[bool]]:
    return [asyncio.create_task(gate.enter(CallCost(10, 10))) for _ in range(count)]


def test_one_call_passes_at_a_time__one_place():
    async def play(scene: Scene) -> None:
        gate, _ = scene.gate(PROVIDER, in_flight=1)
        await gate.start()
        assert await gate.enter(COST)
        (second,) = entering(gate)
        await asyncio.sleep(5)
        assert not second.done()
        gate.leave(COST, ANSWERED)
        assert await second
        assert gate.attempts == 2
        gate.leave(COST, ANSWERED)
        await gate.close()
        assert gate.has_answered_before

    virtually(play)


def test_calls_that_wait_for_permits_end_at_once_and_take_none__batch_stops():
    async def play(scene: Scene) -> None:
        gate, stop = scene.gate()
        await gate.start()
        calls = entering(gate, 9)
        await asyncio.sleep(0.1)
        let_in = sum(call.done() and call.result() for call in calls)
        before_s = scene.clock.monotonic_s()
        stop.set("budget")
        assert sum(await asyncio.gather(*calls)) == let_in == gate.attempts
        assert scene.clock.monotonic_s() == before_s
        for _ in range(let_in):
            gate.leave(COST, ANSWERED)
        await gate.close()
        # What was reserved for those that wait is there for another worker.
        pool = PermitPool(scene.state, BUCKET, LIMIT, run_id="run_1", clock=scene.clock, jitter=lambda: 0.5)
        for _ in range(2):
            assert await pool.acquire(CallCost(10, 10)) is None
        assert scene.clock.monotonic_s() - before_s < 2.5
        await pool.close()

    virtually(play)


def test_calls_that_wait_for_a_place_end_at_once__batch_stops():
    async def play(scene: Scene) -> None:
        gate, stop = scene.gate(PROVIDER, in_flight=1)
        await gate.start()
        assert await gate.enter(COST)
        calls = entering(gate, 3)
        await asyncio.sleep(1)
        stop.set("cancelled")
        assert await asyncio.gather(*calls) == [False] * 3
        gate.leave(COST, None)
        await gate.close()

    virtually(play)


def test_nobody_passes_any_more__batch_has_stopped():
    async def play(scene: Scene) -> None:
        gate, stop = scene.gate(PROVIDER)
        await gate.start()
        stop.set("deadline")
        assert not await gate.enter(COST)
        await gate.close()

    assert virtually(play).state.read(BUCKET) is None


@pytest.mark.parametrize("waits_for", ["place", "permit", "circuit"])
def test_a_place_is_free_again__call_cancelled_while_it_waits(waits_for: str):
    async def play(scene: Scene) -> None:
        if waits_for == "circuit":
            scene.open_circuit(3.0)
        gate, _ = scene.gate(PROVIDER if waits_for == "place" else LIMITED, in_flight=1)
        await gate.start()
        if waits_for != "circuit":
            assert await gate.enter(COST)
        if waits_for == "permit":
            # The next slot is a second away.
            gate.leave(COST, ANSWERED)
        (waiting,) = entering(gate)
        await asyncio.sleep(0.2)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        if waits_for == "place":
            gate.leave(COST, ANSWERED)
        assert await asyncio.wait_for(gate.enter(COST), 30)
        gate.leave(COST, ANSWERED)
        await gate.close()

    virtually(play)


def test_a_place_is_free_again_and_the_error_is_told__limits_cannot_be_read():
    state = FragileState()

    async def play(scene: Scene) -> None:
        gate, stop = scene.gate(in_flight=1)
        await gate.start()
        state.broken["limit#"] = StoreUnavailableError("away")
        for _ in range(3):
            with pytest.raises(StoreError, match="away"):
                await gate.enter(COST)
        assert stop.reason is None
        state.broken.clear()
        assert await gate.enter(COST)
        gate.leave(COST, ANSWERED)
        await gate.close()

    virtually(play, state)


def test_a_long_wait_for_a_permit_ends_the_batch__limit_taken():
    async def play(scene: Scene) -> None:
        slow = PROVIDER.model_copy(update={"limits": {"*": RateLimit(requests_per_minute=4)}})
        gate, stop = scene.gate(slow, in_flight=50)
        await gate.start()
        results = await asyncio.gather(*entering(gate, 50))
        assert (stop.reason, stop.deferral and stop.deferral.why) == ("deferred", "rate_limit")
        assert 0 < sum(results) < 50
        for _ in range(sum(results)):
            gate.leave(COST, ANSWERED)
        await gate.close()

    virtually(play)


def test_an_open_circuit_takes_no_permits__many_calls_wait():
    async def play(scene: Scene) -> None:
        scene.open_circuit(4.0)
        gate, stop = scene.gate(in_flight=50)
        await gate.start()
        calls = entering(gate, 50)
        await asyncio.sleep(3.5)
        assert not any(call.done() for call in calls)
        assert scene.state.read(BUCKET) is None
        stop.set("deadline")
        await asyncio.gather(*calls)
        await gate.close()

    virtually(play)


def test_the_batch_waits_elsewhere__circuit_open_for_long():
    async def play(scene: Scene) -> None:
        scene.open_circuit(60.0)
        gate, stop = scene.gate(in_flight=5)
        await gate.start()
        assert await asyncio.gather(*entering(gate, 5)) == [False] * 5
        assert stop.deferral is not None
        assert (stop.reason, stop.deferral.why) == ("deferred", "circuit_open")
        assert 59 < stop.deferral.wait_s <= 60
        await gate.close()

    virtually(play)


def test_one_probe_is_sent_and_opens_the_way_for_all__provider_is_back():
    async def play(scene: Scene) -> None:
        scene.open_circuit(1.0)
        gate, stop = scene.gate(PROVIDER, in_flight=20)
        await gate.start()
        calls = entering(gate, 20)
        await asyncio.sleep(2.5)
        assert sum(call.done() for call in calls) == 1
        gate.leave(COST, ANSWERED)
        assert all(await asyncio.gather(*calls))
        assert stop.reason is None
        for _ in range(19):
            gate.leave(COST, ANSWERED)
        await gate.close()

    assert virtually(play).circuit.closed


def test_the_probe_is_free_for_others__batch_ends_before_it_shows_anything():
    async def play(scene: Scene) -> None:
        scene.open_circuit(0.0)
        gate, stop = scene.gate(PROVIDER)
        await gate.start()
        assert await gate.enter(COST)
        assert scene.circuit.lease is not None
        stop.set("cancelled")
        gate.leave(COST, None)
        await gate.close()
        assert scene.circuit.lease is None
        other, _ = scene.gate(PROVIDER, owner="other")
        await other.start()
        assert await asyncio.wait_for(other.enter(COST), 1.0)
        await asyncio.sleep(0.02)
        other.leave(COST, DOWN)
        await other.close()

    assert virtually(play).circuit.failed_probes == 1


def test_the_probe_is_free_for_others__its_call_gets_no_permit():
    async def play(scene: Scene) -> None:
        # The limit is taken for minutes, by another worker.
        until_s = scene.clock.now().timestamp() + 300
        scene.state.change(BUCKET, lambda _document: ({"version": 1, "pause_until_s": until_s}, None))
        scene.open_circuit(0.0)
        gate, stop = scene.gate()
        await gate.start()
        assert not await gate.enter(COST)
        assert (stop.reason, stop.deferral and stop.deferral.why) == ("deferred", "provider_throttles")
        await gate.close()

    circuit = virtually(play).circuit
    assert (circuit.lease, circuit.failed_probes) == (None, 0)


def test_the_lease_is_given_back__limits_break_at_the_end():
    state = FragileState()

    async def play(scene: Scene) -> None:
        scene.open_circuit(0.0)
        gate, _ = scene.gate()
        await gate.start()
        assert await gate.enter(COST)
        gate.leave(COST, None)
        state.broken["limit#"] = LookupError("a mistake")
        with pytest.raises(LookupError):
            await gate.close()

    assert virtually(play, state).circuit.lease is None


def test_a_call_that_is_not_sent_is_not_charged__circuit_opened_while_it_waited_for_its_permit():
    async def play(scene: Scene) -> None:
        # A call keeps the limit busy for two seconds, as far as is known before it was made.
        tokens = PROVIDER.model_copy(update={"limits": {"*": RateLimit(tokens_per_minute=610)}})
        gate, stop = scene.gate(tokens)
        await gate.start()
        start_s = scene.clock.now().timestamp()
        assert await gate.enter(COST)
        (waiting,) = entering(gate)
        await asyncio.sleep(0.3)
        scene.open_circuit(100.0)
        await gate._watch.refresh()
        assert not await waiting
        assert (gate.attempts, stop.deferral and stop.deferral.why) == (1, "circuit_open")
        gate.leave(COST, ANSWERED)
        await gate.close()
        document = scene.state.read(BUCKET)
        assert document is not None
        free_s = document["tokens_per_minute"][0] - start_s
        assert free_s < 1.0

    virtually(play)


def test_the_next_call_has_the_slot__call_given_up_before_it_was_sent():
    async def play(scene: Scene) -> None:
        pool = PermitPool(scene.state, BUCKET, LIMIT, run_id="run_1", clock=scene.clock, jitter=lambda: 0.5)
        assert await pool.acquire(COST) is None
        before_s = scene.clock.monotonic_s()
        pool.give_back(COST)
        assert await pool.acquire(COST) is None
        assert scene.clock.monotonic_s() == before_s
        pool.settle(COST, None)
        await pool.close()

    virtually(play)


# The signal


def test_the_first_reason_stays__unless_it_only_waits():
    for first, second, stays in [
        ("budget", "deferred", "budget"),
        ("deferred", "budget", "budget"),
        ("deferred", "deadline", "deferred"),
        ("deadline", "deferred", "deadline"),
        ("deadline", "cancelled", "cancelled"),
        ("cancelled", "fatal", "cancelled"),
    ]:
        stop = StopSignal()
        stop.set(first)
        stop.set(second)
        assert stop.reason == stays


def test_what_all_wait_for_is_told__one_call_waits_longer():
    stop = StopSignal()
    stop.park(Deferral(15.0, "provider_throttles", "HTTP 429"))
    stop.defer(Deferral(4.0, "circuit_open", "no way"))
    stop.park(Deferral(99.0, "provider_throttles"))
    assert stop.deferral == Deferral(15.0, "circuit_open", "no way")


def test_a_batch_that_waits_keeps_what_it_waits_for__calls_in_flight_are_cut_off():
    stop = StopSignal()
    stop.defer(Deferral(4.0, "circuit_open"))
    stop.cut_off()
    assert (stop.reason, stop.deferral) == ("deferred", Deferral(4.0, "circuit_open"))


def test_the_end_is_heard__wait_of_nothing():
    async def play(_scene: Scene) -> None:
        stop = StopSignal()
        assert not await stop.within(0)
        stop.set("budget")
        assert await stop.within(0)

    virtually(play)


def test_a_time_out_of_the_work_itself_is_told__no_stop():
    async def late() -> bool:
        raise TimeoutError

    async def play(_scene: Scene) -> None:
        with pytest.raises(TimeoutError):
            await StopSignal().unless_stopped(late())

    virtually(play)


def test_a_cancelled_call_stays_cancelled__batch_stops_in_the_same_moment():
    async def play(_scene: Scene) -> None:
        stop = StopSignal()
        task = asyncio.create_task(stop.unless_stopped(asyncio.sleep(9, result=True)))
        await asyncio.sleep(1)
        stop.set("budget")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    virtually(play)


def test_the_named_wait_holds_and_not_the_headers_guess__refusal_carries_both():
    async def play(scene: Scene) -> None:
        gate, _ = scene.gate(PROVIDER)
        await gate.start()
        assert await gate.enter(COST)
        empty = {"x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "0"}
        headers = {**empty, "x-ratelimit-reset-tokens": "250s"}
        named = CallFailure(failure_reason="rate_limited", retryable=True, status=429, retry_after_s=1.0)
        gate.leave(COST, SeenAttempt(named, None, 20.0, headers))
        before_s = scene.clock.monotonic_s()
        assert await gate.enter(COST)
        # The headers alone would ask for the longest pause, 5 s.
        assert scene.clock.monotonic_s() - before_s < 2.0
        gate.leave(COST, ANSWERED)
        await gate.close()

    virtually(play)
