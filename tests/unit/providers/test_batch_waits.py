"""A batch that waits elsewhere, or whose stores fail: nothing is lost, nothing is asked for ever; in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from limit_world import START, LoopClock, run_virtually
from provider_fakes import (
    CONNECTION_LOST,
    COST_USD,
    PROVIDER,
    DictLedger,
    Reply,
    RunRecord,
    ScriptedTransport,
    World,
    ok,
    refused,
    request,
    requests,
)

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.core.errors import ProviderUnavailableError, StoreError, StoreUnavailableError
from abtest.providers.health.record import HealthReport, health_key, merge, read_health
from abtest.providers.model import BatchResult, BatchSettings, ControlState, ModelRequest
from abtest.providers.registration import ModelProvider, RateLimit
from abtest.providers.registry import codec_of
from abtest.providers.service import Batch, answer_batch

HEALTH = health_key(PROVIDER, "small")


class Away(MemorySharedState):
    """A store that is away for keys that begin with one of some words, from some change on."""

    def __init__(self, *away: str, after: int = 0) -> None:
        super().__init__()
        self.away, self.left = away, after

    def change(self, key: str, decide: Callable[[Any], tuple[Mapping[str, Any], Any]]) -> Any:
        if key.startswith(self.away):
            self.left -= 1
            if self.left < 0:
                raise StoreUnavailableError("the shared state is away")
        return super().change(key, decide)


def answer(
    world: World, asked: Sequence[ModelRequest], provider: ModelProvider = PROVIDER, **settings: Any
) -> BatchResult:
    """Return what became of a batch, in virtual time that goes on from pass to pass."""
    clock = VirtualClock(world)
    ports = replace(world._ports(), clock=clock)
    batch = Batch(provider, asked, codec_of(provider.vendor), api_key="key-1")
    facts: dict[str, Any] = {"ledger_scope": "run_1", "max_in_flight": 10}

    async def go() -> BatchResult:
        result = await answer_batch(batch, ports, BatchSettings(**(facts | settings)))
        clock.remember()
        return result

    return run_virtually(go())


class VirtualClock(LoopClock):
    """Goes on where the last pass of a world ended."""

    def __init__(self, world: World) -> None:
        super().__init__(getattr(world, "passed_s", 0.0))
        self._world = world

    def remember(self, more_s: float = 0.0) -> None:
        self._world.passed_s = (self.now() - START).total_seconds() + more_s  # type: ignore[attr-defined]


def wait(world: World, wait_s: float) -> None:
    """Let time pass between two passes."""
    world.passed_s += wait_s  # type: ignore[attr-defined]


def limited(**per_minute: int) -> ModelProvider:
    return PROVIDER.model_copy(update={"limits": {"*": RateLimit(**per_minute)}})


def never(_prompt: str, _n: int) -> Reply:
    return refused(429)


# Waiting


@pytest.mark.parametrize("per_minute", [1, 4, 12])
def test_every_pass_makes_progress__fewer_calls_a_minute_than_the_batch_has(per_minute: int):
    world = World(ScriptedTransport(latency_s=0.3))
    passes = 0
    while (result := answer(world, requests(6), limited(requests_per_minute=per_minute))).stopped == "deferred":
        assert result.deferral is not None
        assert result.deferral.why == "rate_limit"
        passes += 1
        assert passes <= 12
        wait(world, result.deferral.wait_s)
    assert [row.outcome for row in result.responses] == ["answered"] * 6
    assert set(world.transport.calls.values()) == {1}
    assert world.record.calls == 6


def test_what_is_waited_for_is_the_provider__it_refuses_each_call_of_a_limited_model():
    world = World(ScriptedTransport(never))
    for _ in range(4):
        result = answer(world, requests(30), limited(requests_per_minute=20))
        assert (result.stopped, result.fatal) == ("deferred", None)
        assert result.deferral is not None
        assert result.deferral.why == "provider_throttles"
        assert result.deferral.detail == "HTTP 429, type some_error"
        wait(world, result.deferral.wait_s)


def test_our_own_limit_is_told_as_such__provider_answers():
    result = answer(World(), requests(30), limited(requests_per_minute=10))
    assert result.deferral is not None
    assert (result.deferral.why, result.deferral.detail) == ("rate_limit", "")


def test_the_rest_is_not_asked__call_after_call_is_told_not_now():
    world = World(ScriptedTransport(never))
    result = answer(world, requests(500), max_in_flight=10)
    assert (result.stopped, result.fatal, result.responses) == ("deferred", None, ())
    assert result.deferral is not None
    assert result.deferral.why == "provider_throttles"
    assert 20 <= len(world.transport.calls) <= 40


def test_the_rest_is_asked__some_calls_are_told_not_now():
    def script(prompt: str, _n: int) -> Reply:
        return refused(429) if int(prompt.split()[1]) % 2 else ok()

    world = World(ScriptedTransport(script))
    result = answer(world, requests(80), max_in_flight=10)
    assert (result.stopped, result.answered_now, len(world.transport.calls)) == ("deferred", 40, 80)


def test_every_request_has_one_row_in_order__given_up():
    def script(prompt: str, _n: int) -> Reply:
        number = int(prompt.split()[1])
        return {1: refused(429), 2: refused(400), 3: refused(529)}.get(number, ok())

    asked = [*requests(5), request(9, prompt="question 1")]
    result = answer(World(ScriptedTransport(script)), asked)
    assert result.stopped == "deferred"
    rows = [(row.sample_id, row.failure_reason, len(row.attempts)) for row in result.if_given_up]
    assert rows == [
        ("s0", None, 1),
        ("s1", "rate_limited", 6),
        ("s2", "bad_request", 1),
        ("s3", "overloaded", 6),
        ("s4", None, 1),
        ("s9", "rate_limited", 6),
    ]
    assert [row.sample_id for row in result.responses] == ["s0", "s2", "s4"]


def test_requests_nobody_sent_fail_for_what_was_waited_for__given_up():
    world = World()
    provider = limited(requests_per_minute=2)
    result = answer(world, requests(3), provider)
    assert [row.failure_reason for row in result.if_given_up] == [None, "rate_limited", "rate_limited"]


def test_no_rows_to_give_up__finished_cancelled_or_out_of_budget():
    for record in (RunRecord(), RunRecord(cancel_after_calls=3), RunRecord(cap_usd=3 * COST_USD)):
        result = answer(World(ScriptedTransport(latency_s=0.2), record=record), requests(30), max_in_flight=1)
        assert result.stopped != "deferred"
        assert result.if_given_up == ()


def test_a_batch_that_waits_ends_for_the_budget__others_spent_it_meanwhile():
    world = World(ScriptedTransport(lambda prompt, _n: refused(429) if prompt == "question 1" else ok()))
    assert answer(world, requests(4)).stopped == "deferred"
    world.record.cap_usd = world.record.spent_usd
    result = answer(world, requests(4))
    assert (result.stopped, result.unfinished) == ("budget", False)
    assert [row.failure_reason for row in result.responses] == [None, "budget", None, None]
    assert world.record.calls == 3


def test_what_was_answered_is_kept__cancelled_while_it_waits():
    world = World(ScriptedTransport(lambda prompt, _n: refused(429) if prompt == "question 1" else ok()))
    answer(world, requests(4))
    asked = world.transport.calls.total()
    world.record.cancel_after_calls = 0
    result = answer(world, requests(4))
    assert (result.stopped, [row.sample_id for row in result.responses]) == ("cancelled", ["s0", "s2", "s3"])
    assert world.transport.calls.total() == asked


def test_calls_that_outlast_a_worker_are_told__deadline_without_an_answer():
    world = World(ScriptedTransport(latency_s=600))
    clock = VirtualClock(world)
    ports = replace(world._ports(), clock=clock, remaining_s=lambda: 100 - clock.monotonic_s())
    batch = Batch(PROVIDER.model_copy(update={"timeout_s": 600}), requests(2), codec_of("openai_chat"), "key-1")
    result = run_virtually(answer_batch(batch, ports, BatchSettings("run_1")))
    assert (result.stopped, result.answered_now, result.attempts_now) == ("deadline", 0, 2)
    assert [row.failure_reason for row in result.if_given_up] == ["timeout", "timeout"]


def test_no_attempt_is_told__no_time_to_begin_with():
    world = World(remaining_s=lambda: 20.0)
    result = answer(world, requests(2))
    assert (result.stopped, result.attempts_now) == ("deadline", 0)


# Who is down


def test_a_provider_that_answers_others_meanwhile_is_waited_for__first_batch_of_all_fails():
    shared = MemorySharedState()

    def script(_prompt: str, _n: int) -> Reply:
        if world.transport.calls.total() >= 12 and not read_health(shared.read(HEALTH)).last_success_at_s:
            # Another worker's first answer.
            now_s = START.timestamp() + 1
            report = HealthReport(answered=1, last_success_at_s=now_s)
            shared.change(HEALTH, lambda document: (merge(read_health(document), report, now_s).document(), None))
        return CONNECTION_LOST

    world = World(ScriptedTransport(script, latency_s=0.2), shared=shared)
    result = answer(world, requests(200), max_in_flight=5)
    assert (result.fatal, result.stopped) == (None, "deferred")
    assert result.deferral is not None
    assert result.deferral.why == "circuit_open"


@pytest.mark.parametrize("count", [3, 200])
def test_the_run_ends_soon__provider_never_answered_though_another_one_did(count: int):
    class OtherVariant(RunRecord):
        def _state(self) -> ControlState:
            return replace(super()._state(), calls=500)

    world = World(ScriptedTransport(lambda _prompt, _n: CONNECTION_LOST), record=OtherVariant())
    result = answer(world, requests(count), max_in_flight=5)
    assert isinstance(result.fatal, ProviderUnavailableError)


def test_the_circuit_another_worker_opened_ends_the_run__provider_never_answered():
    world = World(ScriptedTransport(lambda _prompt, _n: CONNECTION_LOST))
    answer(world, requests(200))
    asked = world.transport.calls.total()
    result = answer(world, [request(number) for number in range(300, 310)])
    assert isinstance(result.fatal, ProviderUnavailableError)
    assert world.transport.calls.total() == asked


def test_two_variants_share_what_is_known__one_provider():
    world = World()
    answer(world, requests(30))
    world.transport.script = lambda _prompt, _n: CONNECTION_LOST
    assert answer(world, [request(n, variant="b") for n in range(100, 200)]).stopped == "deferred"
    asked = world.transport.calls.total()
    assert answer(world, [request(n, variant="a") for n in range(200, 300)]).stopped == "deferred"
    assert world.transport.calls.total() <= asked + 1


# Stores


def test_calls_in_flight_are_paid_and_kept__limits_go_away():
    shared = Away("limit#", after=2)
    world = World(ScriptedTransport(latency_s=1.5), shared=shared)
    with pytest.raises(StoreError, match="the shared state is away"):
        answer(world, requests(300), limited(requests_per_minute=600), max_in_flight=20)
    assert 0 < world.transport.calls.total() < 300
    assert len(world.ledger.entries) == world.record.calls == world.transport.calls.total()
    shared.away = ()
    assert not answer(world, requests(20)).unfinished


def test_the_call_in_flight_gets_no_more_than_a_grace__limits_go_away_and_the_provider_hangs():
    world = World(ScriptedTransport(hangs=lambda _prompt: True), shared=Away("limit#", after=1))
    with pytest.raises(StoreError):
        answer(world, requests(300), limited(requests_per_minute=600), max_in_flight=20)
    assert world.transport.in_flight == 0


def test_the_last_answers_are_written__gate_breaks_at_the_end():
    class Broken(Away):
        def change(self, key: str, decide: Any) -> Any:
            if key.startswith("limit#") and world.transport.calls.total() == 4:
                raise LookupError("a mistake")
            return super().change(key, decide)

    world = World(ScriptedTransport(latency_s=0.1), shared=Broken())
    with pytest.raises(LookupError, match="a mistake"):
        answer(world, requests(4), limited(requests_per_minute=600), flush_interval_s=60.0)
    assert len(world.ledger.entries) == world.record.calls == 4


def test_the_last_answers_are_written_at_once__shared_state_is_as_slow_as_the_ledger():
    written_s: list[float] = []

    class Noting(DictLedger):
        def put_many(self, entries: Any, /) -> None:
            written_s.append(clock.monotonic_s())
            super().put_many(entries)

    def script(_prompt: str, _n: int) -> Reply:
        written_s.append(clock.monotonic_s())
        return ok()

    world = World(ScriptedTransport(script), ledger=Noting())
    clock = VirtualClock(world)
    batch = Batch(PROVIDER, requests(1), codec_of("openai_chat"), "key-1")
    settings = BatchSettings("run_1", flush_interval_s=60.0, refresh_s=60.0, progress_s=60.0)
    run_virtually(answer_batch(batch, replace(world._ports(), clock=clock), settings), lambda: 1.0)
    answered_s, kept_s = written_s
    # The spending goes first, a second's trip; the health of the provider is told meanwhile.
    assert 1 < kept_s - answered_s < 2


def test_nothing_is_lost__health_cannot_be_shared():
    world = World(shared=Away("health#"))
    assert not answer(world, requests(40)).unfinished
    assert world.record.calls == 40


def test_the_batch_goes_on__its_progress_cannot_be_reported():
    reports: list[int] = []

    def listener(done: int, _failed: int, _from_ledger: int, _cost_usd: Decimal) -> None:
        reports.append(done)
        raise StoreUnavailableError("busy")

    world = World(ScriptedTransport(latency_s=0.5))
    clock = VirtualClock(world)
    ports = replace(world._ports(), clock=clock, on_progress=listener)
    batch = Batch(PROVIDER, requests(20), codec_of("openai_chat"), "key-1")
    result = run_virtually(answer_batch(batch, ports, BatchSettings("run_1", max_in_flight=2)))
    assert len(reports) > 2
    assert (result.unfinished, world.record.calls) == (False, 20)
