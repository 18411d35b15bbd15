"""The watch of one worker, and twenty over one store: openings, single probes, closings, a store that is away."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts.records import FailureReason
from abtest.core.clock import SystemClock
from abtest.core.errors import StoreUnavailableError
from abtest.providers.health.circuit import LEASE_S
from abtest.providers.health.record import read_health, view
from abtest.providers.health.watch import Admission, HealthWatch
from abtest.providers.model import CallFailure, SeenAttempt

KEY = "health#account#model"
EPOCH_S = 1_800_000_000.0


class TestClock:
    """Time that passes when it is told to; a worker's may differ from the others'."""

    __test__ = False

    def __init__(self, skew_s: float = 0.0) -> None:
        self.seconds = 0.0
        self.skew_s = skew_s

    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH_S + self.seconds + self.skew_s, UTC)

    def monotonic_s(self) -> float:
        return self.seconds


class Store(MemorySharedState):
    """A store that counts, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = 0
        self.away = False
        self.lost_answers = 0

    def read(self, key: str) -> Mapping[str, Any] | None:
        self._there()
        self.reads += 1
        return super().read(key)

    def change(self, key: str, decide: Callable[[Any], Any]) -> Any:
        self._there()
        self.writes += 1
        # Pure decisions may be asked for twice, as they are when another worker was faster.
        decide(super().read(key))
        result = super().change(key, decide)
        if self.lost_answers:
            self.lost_answers -= 1
            raise StoreUnavailableError("The table did not answer.")
        return result

    def _there(self) -> None:
        if self.away:
            raise StoreUnavailableError("The table did not answer.")


def seen(reason: FailureReason | None = None, latency_ms: float = 10.0, **facts: Any) -> SeenAttempt:
    failure = CallFailure(failure_reason=reason, retryable=True, **facts) if reason else None
    return SeenAttempt(failure=failure, usage=None, latency_ms=latency_ms)


class Worker:
    """A watch whose time and whose telling are driven by the test."""

    def __init__(self, store: Store, clock: TestClock, owner: str = "a") -> None:
        self.clock = clock
        self.watch = HealthWatch(store, KEY, clock, owner, tell_interval_s=3600)

    async def calls(self, times: int, reason: FailureReason | None = None, latency_ms: float = 10.0) -> None:
        for _ in range(times):
            assert self.watch.admit().kind == "allowed"
        self.clock.seconds += latency_ms / 1000
        for _ in range(times):
            self.watch.note(seen(reason, latency_ms))
        await self.watch.refresh()


async def opened(store: Store, clock: TestClock, owner: str = "a") -> Worker:
    worker = Worker(store, clock, owner)
    await worker.watch.start()
    await worker.calls(20, "overloaded")
    assert worker.watch.admit().kind == "blocked"
    return worker


def state(store: Store, clock: TestClock) -> str:
    health = read_health(MemorySharedState.read(store, KEY))
    return view(health, "p", "m", clock.now().timestamp()).circuit.state


def test_calls__are_allowed_and_recorded_while_the_circuit_is_closed() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = Worker(store, clock)
        await worker.watch.start()
        await worker.calls(30, latency_ms=200)
        await worker.calls(3, "rate_limited")
        await worker.watch.close()
        shown = view(read_health(store.read(KEY)), "p", "m", clock.now().timestamp())
        assert (shown.attempts, shown.answered, shown.failed) == (33, 30, {"rate_limited": 3})
        assert shown.latency_p50_ms == pytest.approx(200, rel=0.045)

    asyncio.run(scenario())


@pytest.mark.parametrize("reason", ["rate_limited", "bad_request", "auth", "context_length", "quota", "malformed"])
def test_failures_that_are_not_the_providers__open_nothing(reason: FailureReason) -> None:
    async def scenario() -> None:
        worker = Worker(Store(), TestClock())
        await worker.watch.start()
        for _ in range(5):
            await worker.calls(100, reason)
        assert worker.watch.is_closed
        assert worker.watch.admit() == Admission("allowed")
        await worker.watch.close()

    asyncio.run(scenario())


def test_an_opening__blocks_every_worker_and_says_how_long_and_why() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        other = Worker(store, clock, "b")
        await other.watch.start()
        first = Worker(store, clock, "a")
        await first.watch.start()
        for _ in range(20):
            first.watch.admit()
        clock.seconds += 0.01
        for _ in range(20):
            first.watch.note(seen("overloaded", status=529, detail="HTTP 529, type overloaded_error"))
        await first.watch.refresh()
        assert other.watch.admit().kind == "allowed"
        await other.watch.refresh()
        for worker in (first, other):
            admission = worker.watch.admit()
            assert admission.kind == "blocked"
            assert not admission.may_call
            assert admission.wait_s == pytest.approx(10, abs=0.1)
            assert admission.detail == "HTTP 529, type overloaded_error"
            await worker.watch.close()

    asyncio.run(scenario())


def test_a_probe__is_given_out_once_and_its_success_closes_for_all() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        first = await opened(store, clock, "a")
        second = Worker(store, clock, "b")
        clock.seconds += 10
        await second.watch.start()
        assert [second.watch.admit().kind for _ in range(50)].count("probe") == 1
        await first.watch.refresh()
        assert first.watch.admit() == Admission("blocked", 1.0, "another worker sends a probe; overloaded")
        assert state(store, clock) == "half_open"
        clock.seconds += 2
        second.watch.note(seen(latency_ms=2000))
        assert second.watch.admit().kind == "blocked"
        await second.watch.refresh()
        await first.watch.refresh()
        assert state(store, clock) == "closed"
        assert first.watch.admit().kind == second.watch.admit().kind == "allowed"
        for worker in (first, second):
            await worker.watch.close()

    asyncio.run(scenario())


def test_a_failed_probe__opens_for_twice_as_long() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = await opened(store, clock)
        clock.seconds += 10
        assert worker.watch.admit().kind == "blocked"
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "probe"
        clock.seconds += 0.1
        worker.watch.note(seen("timeout", latency_ms=100))
        await worker.watch.refresh()
        assert worker.watch.admit().wait_s == pytest.approx(20, abs=0.2)
        await worker.watch.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("reason", ["rate_limited", "bad_request", "auth"])
def test_a_probe_that_the_provider_refuses__shows_that_it_serves(reason: FailureReason) -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = await opened(store, clock)
        clock.seconds += 10
        worker.watch.admit()
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "probe"
        clock.seconds += 0.1
        worker.watch.note(seen(reason, latency_ms=50))
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "allowed"
        await worker.watch.close()

    asyncio.run(scenario())


def test_late_successes_of_calls_from_before_the_opening__close_nothing() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = Worker(store, clock)
        await worker.watch.start()
        for _ in range(10):
            worker.watch.admit()
        await worker.calls(30, "server_error")
        assert state(store, clock) == "open"
        clock.seconds += 10.5
        worker.watch.admit()
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "probe"
        clock.seconds += 1
        for _ in range(9):
            worker.watch.note(seen(latency_ms=11_500))
        await worker.watch.refresh()
        assert state(store, clock) == "half_open"
        # The probe's own failure decides, and a late success after it changes nothing.
        worker.watch.note(seen("connection", latency_ms=900))
        await worker.watch.refresh()
        worker.watch.note(seen(latency_ms=12_000))
        await worker.watch.refresh()
        assert state(store, clock) == "open"
        assert worker.watch.admit().wait_s == pytest.approx(20, abs=1)
        await worker.watch.close()

    asyncio.run(scenario())


def test_late_failures_of_calls_from_before_the_closing__open_nothing() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = Worker(store, clock)
        await worker.watch.start()
        for _ in range(50):
            worker.watch.admit()
        await worker.calls(60, "timeout")
        clock.seconds += 10
        worker.watch.admit()
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "probe"
        clock.seconds += 0.5
        worker.watch.note(seen(latency_ms=400))
        await worker.watch.refresh()
        assert state(store, clock) == "closed"
        for _ in range(50):
            worker.watch.note(seen("timeout", latency_ms=10_500))
        await worker.watch.refresh()
        assert state(store, clock) == "closed"
        await worker.watch.close()

    asyncio.run(scenario())


def test_a_lease_nobody_uses__is_given_back() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = await opened(store, clock)
        clock.seconds += 10
        worker.watch.admit()
        await worker.watch.refresh()
        assert state(store, clock) == "half_open"
        clock.seconds += 5.1
        await worker.watch.refresh()
        assert state(store, clock) == "open"
        assert worker.watch.admit().kind == "blocked"
        await worker.watch.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("sent", [False, True])
def test_close__gives_back_a_lease_that_decided_nothing(sent: bool) -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = await opened(store, clock)
        clock.seconds += 10
        worker.watch.admit()
        await worker.watch.refresh()
        if sent:
            assert worker.watch.admit().kind == "probe"
            worker.watch.note(None)
        await worker.watch.close()
        assert state(store, clock) == "open"
        next_worker = Worker(store, clock, "b")
        await next_worker.watch.start()
        assert next_worker.watch.admit().kind == "probe"
        await next_worker.watch.close()

    asyncio.run(scenario())


def test_close__tells_what_the_probe_showed() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        await (await opened(store, clock)).watch.close()
        clock.seconds += 10
        worker = Worker(store, clock, "b")
        await worker.watch.start()
        assert worker.watch.admit().kind == "probe"
        clock.seconds += 0.1
        worker.watch.note(seen(latency_ms=50))
        await worker.watch.close()
        assert state(store, clock) == "closed"

    asyncio.run(scenario())


def test_a_long_probe__keeps_its_lease() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        prober, other = await opened(store, clock), Worker(store, clock, "b")
        clock.seconds += 10
        prober.watch.admit()
        await prober.watch.refresh()
        assert prober.watch.admit().kind == "probe"
        await other.watch.start()
        for _ in range(90):
            clock.seconds += 1
            await prober.watch.refresh()
            await other.watch.refresh()
            assert other.watch.admit().kind == "blocked"
        prober.watch.note(seen("timeout", latency_ms=90_000))
        await prober.watch.refresh()
        assert prober.watch.admit().wait_s == pytest.approx(20, abs=0.2)
        for worker in (prober, other):
            await worker.watch.close()

    asyncio.run(scenario())


def test_a_lease_that_may_have_run_out__is_not_used() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = await opened(store, clock)
        clock.seconds += 10
        worker.watch.admit()
        await worker.watch.refresh()
        # The worker was frozen, as functions are between two messages.
        clock.seconds += LEASE_S + 1
        other = Worker(store, clock, "b")
        await other.watch.start()
        assert worker.watch.admit().kind == "blocked"
        assert other.watch.admit().kind == "probe"
        for each in (worker, other):
            await each.watch.close()

    asyncio.run(scenario())


def test_a_store_that_is_away_from_the_start__stops_no_call() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        store.away = True
        worker = Worker(store, clock)
        await worker.watch.start()
        for _ in range(3):
            await worker.calls(50, "connection")
        assert worker.watch.admit().kind == "allowed"
        await worker.watch.close()
        assert worker.watch.store_errors == 5

    asyncio.run(scenario())


def test_what_a_store_did_not_take__is_told_later() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = Worker(store, clock)
        await worker.watch.start()
        store.away = True
        await worker.calls(15, "timeout")
        await worker.calls(4)
        store.away = False
        await worker.calls(15, "timeout")
        assert worker.watch.admit().kind == "blocked"
        shown = view(read_health(store.read(KEY)), "p", "m", clock.now().timestamp())
        assert (shown.answered, shown.failed) == (4, {"timeout": 30})
        await worker.watch.close()

    asyncio.run(scenario())


def test_a_store_that_goes_away_while_the_circuit_is_open__blocks_for_the_cool_down_only() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = await opened(store, clock)
        assert not worker.watch.is_closed
        store.away = True
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "blocked"
        clock.seconds += 10
        assert worker.watch.admit().kind == "allowed"
        await worker.watch.close()

    asyncio.run(scenario())


def test_a_lease_whose_answer_was_lost__is_the_workers_all_the_same() -> None:
    async def scenario() -> None:
        store, clock = Store(), TestClock()
        worker = await opened(store, clock)
        clock.seconds += 10
        worker.watch.admit()
        store.lost_answers = 1
        await worker.watch.refresh()
        assert state(store, clock) == "half_open"
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "blocked"
        await worker.watch.refresh()
        assert worker.watch.admit().kind == "probe"
        await worker.watch.close()

    asyncio.run(scenario())


def test_the_background_task__tells_and_hears_by_itself() -> None:
    async def scenario() -> None:
        store = Store()
        talker, listener = (
            HealthWatch(store, KEY, SystemClock(), owner, tell_interval_s=0.01, hear_interval_s=0.03) for owner in "ab"
        )
        await talker.start()
        await listener.start()
        for _ in range(25):
            talker.admit()
            talker.note(seen("connection", latency_ms=0))
        deadline = time.monotonic() + 5
        while listener.admit().may_call and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert listener.admit().kind == "blocked"
        await talker.close()
        await listener.close()

    asyncio.run(scenario())


def test_a_burst_of_quick_failures__is_told_before_its_time() -> None:
    async def scenario() -> float:
        store = Store()
        watch = HealthWatch(store, KEY, SystemClock(), "a", tell_interval_s=30)
        await watch.start()
        started_s = time.monotonic()
        while watch.admit().may_call and time.monotonic() < started_s + 5:
            watch.note(seen("connection", latency_ms=1))
            await asyncio.sleep(0.01)
        took_s = time.monotonic() - started_s
        assert store.writes <= 3
        await watch.close()
        return took_s

    assert 0.5 <= asyncio.run(scenario()) < 5


def test_a_store_that_is_away__is_not_asked_for_each_failure() -> None:
    async def scenario() -> int:
        store = Store()
        store.away = True
        watch = HealthWatch(store, KEY, SystemClock(), "a", tell_interval_s=30)
        await watch.start()
        for _ in range(300):
            watch.admit()
            watch.note(seen("connection", latency_ms=1))
            await asyncio.sleep(0)
        await watch.close()
        return watch.store_errors

    assert asyncio.run(scenario()) == 2


def test_an_idle_watch__reads_now_and_then_and_writes_nothing() -> None:
    async def scenario() -> None:
        store = Store()
        watch = HealthWatch(store, KEY, SystemClock(), "a", tell_interval_s=0.005, hear_interval_s=0.04)
        await watch.start()
        await asyncio.sleep(0.3)
        await watch.close()
        assert store.writes == 0
        assert 2 <= store.reads <= 12

    asyncio.run(scenario())


class Simulation:
    """Twenty workers with calls in flight against a provider that falls ill; time is simulated, the store is shared.

    Args:
        fate: of an attempt that begins at a second: how long it takes and why it fails, None for an answer.
        workers: how many.
        in_flight: calls of each worker at the same time.
    """

    def __init__(
        self, fate: Callable[[float, random.Random], tuple[float, FailureReason | None]], workers: int, in_flight: int
    ) -> None:
        self.fate, self.in_flight = fate, in_flight
        self.chance = random.Random(7)
        self.store = Store()
        self.workers = [
            Worker(self.store, TestClock(skew_s=self.chance.uniform(-0.05, 0.05)), f"worker {number}")
            for number in range(workers)
        ]
        self.sent: list[float] = []
        self.probes: list[float] = []
        self.states: list[tuple[float, str]] = []

    async def run(self, until_s: float) -> None:
        order = itertools.count()
        events: list[tuple[float, int, Callable[[], Any]]] = []

        def at(second: float, action: Callable[[], Any]) -> None:
            heapq.heappush(events, (second, next(order), action))

        def attempt(worker: Worker, now_s: float) -> None:
            admission = worker.watch.admit()
            if not admission.may_call:
                at(now_s + max(admission.wait_s, 0.05), lambda: attempt(worker, worker.clock.seconds))
                return
            self.sent.append(now_s)
            if admission.kind == "probe":
                self.probes.append(now_s)
            took_s, reason = self.fate(now_s, self.chance)
            at(now_s + took_s, lambda: ended(worker, took_s, reason))

        def ended(worker: Worker, took_s: float, reason: FailureReason | None) -> None:
            worker.watch.note(seen(reason, took_s * 1000))
            pause_s = self.chance.uniform(0, 1) if reason else 0.0
            at(worker.clock.seconds + pause_s + 1e-6, lambda: attempt(worker, worker.clock.seconds))

        async def tells(worker: Worker) -> None:
            await worker.watch.refresh()
            now_s = worker.clock.seconds
            if self.states[-1:] != [(now_s, state(self.store, worker.clock))]:
                self.states.append((now_s, state(self.store, worker.clock)))
            # A lease that is wanted and a probe that ended are told at once; 0.2 s stands for that.
            hurried = state(self.store, worker.clock) != "closed"
            at(now_s + (0.2 if hurried else 1.0), lambda: tells(worker))

        for worker in self.workers:
            await worker.watch.start()
            for _ in range(self.in_flight):
                at(self.chance.uniform(0, 0.01), lambda w=worker: attempt(w, w.clock.seconds))
            at(self.chance.uniform(0.5, 1.5), lambda w=worker: tells(w))
        while events and events[0][0] <= until_s:
            second, _, action = heapq.heappop(events)
            for worker in self.workers:
                worker.clock.seconds = second
            result = action()
            if result is not None:
                await result
        for worker in self.workers:
            await worker.watch.close()

    def changes(self) -> list[tuple[float, str]]:
        """States, each at the second it was first seen."""
        return [
            (second, name)
            for index, (second, name) in enumerate(self.states)
            if index == 0 or self.states[index - 1][1] != name
        ]


def simulate(
    fate: Callable[[float, random.Random], tuple[float, FailureReason | None]],
    until_s: float,
    workers: int = 20,
    in_flight: int = 10,
) -> Simulation:
    simulation = Simulation(fate, workers, in_flight)
    asyncio.run(simulation.run(until_s))
    return simulation


def test_simulation__a_provider_that_is_down_for_a_minute_gets_one_probe_at_a_time() -> None:
    down_s, back_s = 20.0, 80.0

    def fate(now_s: float, chance: random.Random) -> tuple[float, FailureReason | None]:
        if down_s <= now_s < back_s:
            return 0.02, "connection"
        return chance.lognormvariate(0, 0.3), None

    simulation = simulate(fate, until_s=130)
    openings = [second for second, name in simulation.changes() if name == "open"]
    assert down_s < openings[0] < down_s + 3, "it opens within seconds"
    during = [second for second in simulation.sent if openings[0] + 2.5 < second < back_s]
    assert during == [second for second in simulation.probes if openings[0] + 2.5 < second < back_s]
    assert 2 <= len(during) <= 4, "10 s, 20 s and 40 s apart"
    assert all(later - earlier > 9 for earlier, later in itertools.pairwise(simulation.probes))
    closings = [second for second, name in simulation.changes() if name == "closed" and second > back_s]
    assert closings
    assert closings[0] < back_s + 45
    assert sum(second > closings[0] + 3 for second in simulation.sent) > 1000, "all work again"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.3])
def test_simulation__quick_failures_beside_slow_answers_open_nothing(share: float) -> None:
    def fate(now_s: float, chance: random.Random) -> tuple[float, FailureReason | None]:
        if chance.random() < share:
            return 0.005, "overloaded"
        return chance.lognormvariate(2.3, 0.4), None

    simulation = simulate(fate, until_s=60, workers=5, in_flight=100)
    assert {name for _, name in simulation.states} == {"closed"}


def test_simulation__most_calls_failing_at_once_open_it() -> None:
    def fate(now_s: float, chance: random.Random) -> tuple[float, FailureReason | None]:
        return (0.005, "overloaded") if chance.random() < 0.8 else (chance.lognormvariate(2.3, 0.4), None)

    simulation = simulate(fate, until_s=20, workers=5, in_flight=100)
    assert "open" in {name for second, name in simulation.states if second < 5}


def test_simulation__a_provider_that_hangs_opens_it_with_its_first_time_outs() -> None:
    simulation = simulate(lambda _now_s, _chance: (30.0, "timeout"), until_s=40, workers=3, in_flight=20)
    openings = [second for second, name in simulation.changes() if name == "open"]
    assert openings
    assert 30 < openings[0] < 34
    assert len(simulation.sent) < 3 * 20 * 2 + 3


def test_note_and_admit__take_microseconds() -> None:
    async def scenario() -> float:
        watch = HealthWatch(Store(), KEY, SystemClock(), "a", tell_interval_s=3600)
        await watch.start()
        for _ in range(100):
            watch.admit()
        attempt, rounds = seen(latency_ms=50), []
        for _ in range(5):
            started_s = time.process_time()
            for _ in range(2000):
                watch.admit()
                watch.note(attempt)
            rounds.append((time.process_time() - started_s) / 2000)
        await watch.close()
        return statistics.median(rounds)

    assert asyncio.run(scenario()) < 100e-6


def test_document__holds_neither_key_nor_prompt() -> None:
    async def scenario() -> str:
        store = Store()
        worker = Worker(store, TestClock())
        await worker.watch.start()
        await worker.calls(25, "overloaded")
        await worker.watch.close()
        return json.dumps(MemorySharedState.read(store, KEY))

    assert set(json.loads(asyncio.run(scenario()))) <= {"buckets", "last_error", "last_success_at_s", "circuit"}
