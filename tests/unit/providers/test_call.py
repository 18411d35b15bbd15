"""One call: how long it goes on, what it leaves behind, and what it waits for elsewhere; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from limit_world import LoopClock, run_virtually
from provider_fakes import (
    CONNECTION_LOST,
    PROVIDER,
    DictLedger,
    Reply,
    RunRecord,
    ScriptedTransport,
    ok,
    refused,
    request,
)

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.providers.call import LONGEST_PARKED_S, Called, Caller
from abtest.providers.gate import expected_cost
from abtest.providers.model import Answer, CallCost, CallFailure, RetryPolicy, SeenAttempt
from abtest.providers.ports import BatchPorts
from abtest.providers.registry import codec_of
from abtest.providers.stop import StopSignal

POLICY = RetryPolicy()


@dataclass
class OpenGate:
    """Lets everybody through after a wait, and keeps what it is told.

    Args:
        wait_s: before the first attempt.
        lets_calls_out: as the circuit.
    """

    wait_s: float = 0.0
    lets_calls_out: bool = True
    entered: int = 0
    left: list[SeenAttempt | None] = field(default_factory=list)

    async def enter(self, _cost: CallCost) -> bool:
        await asyncio.sleep(0 if self.entered else self.wait_s)
        self.entered += 1
        return True

    def leave(self, _cost: CallCost, seen: SeenAttempt | None) -> None:
        self.left.append(seen)


@dataclass
class Scene:
    """A call, what it goes through, and how long it took."""

    transport: ScriptedTransport
    gate: OpenGate = field(default_factory=OpenGate)
    policy: RetryPolicy = POLICY
    before: Callable[[StopSignal], None] = lambda _stop: None
    took_s: float = 0.0
    stop: StopSignal | None = None

    def call(self) -> Called:
        return run_virtually(self._call())

    async def _call(self) -> Called:
        self.stop = StopSignal()
        self.before(self.stop)
        codec, asked, clock = codec_of("openai_chat"), request(1), LoopClock()
        ports = BatchPorts(
            self.transport,
            DictLedger(),
            RunRecord(),
            clock,
            lambda: 600.0,
            lambda: 0.5,
            MemorySharedState(),
            "worker",
        )
        caller = Caller(codec, ports, self.policy, 600.0, self.stop, self.gate)
        started_s = clock.monotonic_s()
        try:
            return await caller.call(codec.build(asked, PROVIDER, "key"), expected_cost(asked))
        finally:
            self.took_s = clock.monotonic_s() - started_s


def scripted(*replies: Reply, latency_s: float = 0.0) -> ScriptedTransport:
    """Return a provider that gives these replies in order, and the last one from then on."""
    return ScriptedTransport(lambda _prompt, n: replies[min(n, len(replies)) - 1], latency_s)


def after(wait_s: float, reason: str) -> Callable[[StopSignal], None]:
    """Return what stops a batch after some time."""
    return lambda stop: asyncio.get_running_loop().call_later(wait_s, stop.set, reason) and None


def test_a_call_has_all_its_attempts__long_wait_for_a_place():
    scene = Scene(scripted(refused(500), refused(500), ok()), OpenGate(wait_s=10 * POLICY.longest_call_s))
    called = scene.call()
    assert isinstance(called.result, Answer)
    assert [attempt.status for attempt in called.attempts] == [500, 500, 200]


def test_a_call_ends__its_own_attempts_take_long():
    scene = Scene(scripted(refused(500), latency_s=POLICY.longest_call_s))
    called = scene.call()
    assert (len(called.attempts), called.interrupted) == (1, False)


def test_an_outage_is_waited_for_only_so_long__circuit_never_closes():
    scene = Scene(scripted(CONNECTION_LOST), OpenGate(lets_calls_out=False))
    called = scene.call()
    assert isinstance(called.result, CallFailure)
    assert not called.interrupted
    assert POLICY.longest_call_s <= scene.took_s <= POLICY.longest_call_s + 2


def test_a_call_ends_with_its_attempts__circuit_closed():
    scene = Scene(scripted(CONNECTION_LOST))
    called = scene.call()
    assert (len(called.attempts), called.interrupted) == (POLICY.max_attempts, False)
    assert scene.took_s < 10


@pytest.mark.parametrize(
    "hint", [{"retry_after": "1e300"}, {"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}], ids=["seconds", "date"]
)
def test_a_wait_beyond_the_calendar_is_cut__server_asks_for_it(hint: dict[str, str]):
    scene = Scene(scripted(refused(429, **hint)))
    called = scene.call()
    assert called.interrupted
    assert scene.stop is not None
    assert scene.stop.deferral is not None
    assert scene.stop.deferral.wait_s == LONGEST_PARKED_S


def test_not_now_uses_up_no_attempt_of_another_kind__both_come_in_turn():
    turns = [refused(429), refused(500)] * 3
    called = Scene(scripted(*turns, ok())).call()
    assert isinstance(called.result, Answer)
    assert len(called.attempts) == 7 > POLICY.max_attempts


def test_a_parked_call_leaves_the_batch_running__told_not_now_each_time():
    scene = Scene(scripted(refused(529)))
    called = scene.call()
    assert (len(called.attempts), called.interrupted) == (POLICY.max_throttled, True)
    assert scene.stop is not None
    assert (scene.stop.reason, scene.stop.deferral and scene.stop.deferral.why) == (None, "provider_throttles")


def test_a_refusal_that_stands_fails__server_says_not_to_retry():
    called = Scene(scripted(refused(429, x_should_retry="false"))).call()
    assert (len(called.attempts), called.interrupted) == (1, False)


def test_a_long_wait_ends_at_once__batch_stops_at_its_deadline():
    scene = Scene(scripted(refused(500, retry_after="100")), before=after(3.0, "deadline"))
    called = scene.call()
    assert called.interrupted
    assert scene.took_s == pytest.approx(3.0)


def test_the_gate_hears_once_of_each_attempt__answered_in_the_end():
    scene = Scene(scripted(refused(500), CONNECTION_LOST, ok()))
    scene.call()
    reasons = [seen and seen.failure and seen.failure.failure_reason for seen in scene.gate.left]
    assert reasons == ["server_error", "connection", None]
    assert scene.gate.left[-1] is not None
    assert scene.gate.left[-1].usage is not None


def test_the_gate_hears_of_an_attempt_that_was_cut_off__cancelled_in_flight():
    scene = Scene(scripted(ok(), latency_s=50))

    async def cut_off() -> None:
        task = asyncio.create_task(scene._call())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(cut_off())
    assert (scene.gate.entered, scene.gate.left) == (1, [None])


def test_the_gate_hears_of_an_attempt_that_broke__mistake_in_the_transport():
    def broken(_prompt: str, _n: int) -> Reply:
        raise LookupError

    scene = Scene(ScriptedTransport(broken))
    with pytest.raises(LookupError):
        scene.call()
    assert scene.gate.left == [None]


def test_no_attempt_is_lost_from_the_call__fewer_allowed():
    policy = replace(POLICY, max_attempts=2)
    called = Scene(scripted(refused(500), CONNECTION_LOST, ok()), policy=policy).call()
    assert [attempt.failure_reason for attempt in called.attempts] == ["server_error", "connection"]
