"""The service: exact numbers of calls, whatever fails, stops or comes twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal

import pytest
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

from abtest.contracts.records import Recording
from abtest.core.clock import SystemClock
from abtest.core.errors import (
    ProviderAuthError,
    ProviderConfigurationError,
    ProviderUnavailableError,
    StoreError,
    StoreUnavailableError,
)
from abtest.providers.model import BatchSettings, ControlState, LedgerEntry, ModelRequest, RetryPolicy
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import REPLAY_PROVIDER
from abtest.providers.registry import codec_of
from abtest.providers.service import Batch, answer_batch


def test_rows_come_in_the_order_of_the_requests__all_answered():
    world = World(ScriptedTransport(lambda prompt, _n: ok(f"re {prompt}")))
    result = world.answer(requests(60))
    assert [row.sample_id for row in result.responses] == [f"s{number}" for number in range(60)]
    assert [row.text for row in result.responses] == [f"re question {number}" for number in range(60)]
    assert not result.unfinished
    assert result.stopped is None
    assert result.fatal is None


def test_each_answer_is_paid_and_recorded_once__all_answered():
    world = World()
    result = world.answer(requests(60))
    assert set(world.transport.calls.values()) == {1}
    assert world.record.calls == 60
    assert world.record.spent_usd == 60 * COST_USD
    assert len(world.ledger.entries) == 60
    assert sum(world.ledger.writes) == 60
    first = result.responses[0]
    assert (first.cost_usd, first.price_source, first.from_ledger) == (COST_USD, "configured", False)
    assert first.attempts[0].status == 200
    assert first.latency_ms == first.attempts[0].latency_ms


def test_the_key_goes_into_the_header__provider_with_a_secret():
    world = World()
    world.answer(requests(1))
    assert world.transport.keys == {"Bearer key-1"}


def test_no_more_calls_are_in_flight_than_allowed__slow_provider():
    world = World(ScriptedTransport(latency_s=0.005))
    world.answer(requests(40), max_in_flight=7)
    assert world.transport.most_in_flight == 7


def test_writes_are_gathered__many_answers():
    world = World(ScriptedTransport(latency_s=0.002))
    world.answer(requests(100), flush_interval_s=5.0, flush_size=25)
    assert len(world.ledger.writes) <= 5
    assert max(world.ledger.writes) >= 25


def test_nothing_is_called_or_spent__all_in_the_ledger():
    world = World()
    live = world.answer(requests(150)).responses
    world.transport.calls.clear()
    retried = world.answer(requests(150)).responses
    again = world.answer(requests(150), ledger_scope="run_2").responses
    assert not world.transport.calls
    assert world.record.calls == 150
    # What a redelivered batch had paid for is its own; for another run it costs nothing now.
    assert list(retried) == list(live)
    assert all(row.from_ledger for row in again)
    assert [row.model_copy(update={"from_ledger": False}) for row in again] == list(live)


def test_lookups_are_batched_by_hundred__large_batch():
    world = World()
    world.answer(requests(250))
    assert world.ledger.reads == [100, 100, 50]


def test_identical_requests_are_called_once__same_prompt_in_one_batch():
    world = World()
    result = world.answer([request(number, prompt="same") for number in range(5)])
    assert world.transport.calls == {"same": 1}
    assert world.record.calls == 1
    assert [row.from_ledger for row in result.responses] == [False, True, True, True, True]
    assert [row.sample_id for row in result.responses] == [f"s{number}" for number in range(5)]


def test_every_sample_is_its_own_call__cache_off():
    world = World()
    result = world.answer([request(number, prompt="same") for number in range(5)], cache="off")
    assert world.transport.calls == {"same": 5}
    assert not any(row.from_ledger for row in result.responses)


def test_a_retry_of_the_run_pays_nothing__cache_off():
    world = World()
    world.answer(requests(5), cache="off")
    assert not any(row.from_ledger for row in world.answer(requests(5), cache="off").responses)
    assert world.record.calls == 5


def test_another_run_pays_again__cache_off():
    world = World()
    world.answer(requests(5), cache="off")
    world.answer(requests(5), cache="off", ledger_scope="run_2")
    assert world.record.calls == 10


def test_shared_answers_are_read_and_none_is_shared__cache_read():
    world = World()
    world.answer(requests(3), cache="on")
    world.answer(requests(5), cache="read", ledger_scope="run_2")
    assert world.record.calls == 5
    retried = world.answer(requests(5), cache="read", ledger_scope="run_2").responses
    assert [row.from_ledger for row in retried] == [True, True, True, False, False]
    world.answer(requests(5), cache="on", ledger_scope="run_3")
    assert world.record.calls == 7


def test_a_passing_failure_is_retried__provider_fails_first():
    script = {1: refused(500), 2: CONNECTION_LOST}
    world = World(ScriptedTransport(lambda _prompt, n: script.get(n, ok())))
    row = world.answer(requests(1)).responses[0]
    assert row.outcome == "answered"
    assert [attempt.failure_reason for attempt in row.attempts] == ["server_error", "connection", None]
    assert [attempt.status for attempt in row.attempts] == [500, None, 200]
    assert world.record.calls == 1


def test_the_hint_of_the_server_is_kept_with_the_attempt__rate_limited_once():
    limited = refused(429, retry_after_ms="3")
    world = World(ScriptedTransport(lambda _prompt, n: limited if n == 1 else ok()))
    row = world.answer(requests(1)).responses[0]
    assert row.attempts[0].failure_reason == "rate_limited"
    assert row.attempts[0].retry_after_s == 0.003


@pytest.mark.parametrize(
    ("reply", "reason", "calls"),
    [
        (refused(400), "bad_request", 1),
        (refused(422), "bad_request", 1),
        (refused(500), "server_error", 4),
        (refused(400, "context_length_exceeded"), "context_length", 1),
        (CONNECTION_LOST, "connection", 4),
        (ok(choices=[]), "malformed", 1),
    ],
)
def test_a_failed_call_is_a_row_and_never_in_the_ledger__others_answered(reply: Reply, reason: str, calls: int):
    world = World(ScriptedTransport(lambda prompt, _n: reply if prompt == "question 3" else ok()))
    result = world.answer(requests(10))
    assert result.fatal is None
    assert not result.unfinished
    failed = result.responses[3]
    assert (failed.outcome, failed.failure_reason, failed.text) == ("failed", reason, None)
    assert len(failed.attempts) == calls == world.transport.calls["question 3"]
    assert len(world.ledger.entries) == 9
    assert world.record.calls == 9


@pytest.mark.parametrize("status", [401, 403])
def test_the_batch_ends_at_once__key_refused(status: int):
    world = World(ScriptedTransport(lambda _prompt, _n: refused(status, "invalid_api_key"), latency_s=0.001))
    result = world.answer(requests(200), max_in_flight=5)
    assert isinstance(result.fatal, ProviderAuthError)
    assert world.transport.calls.total() <= 10
    for part in ("'local'", str(status), "invalid_api_key"):
        assert part in result.fatal.message
    assert "abtest/local/providers/local" in result.fatal.details["what_to_do"]
    assert "SECRET PROMPT" not in result.fatal.message
    assert "key-1" not in result.fatal.message
    assert result.unfinished


def test_the_batch_ends_at_once__unknown_model():
    world = World(ScriptedTransport(lambda _prompt, _n: refused(404, "model_not_found"), latency_s=0.001))
    result = world.answer(requests(200), max_in_flight=5)
    assert isinstance(result.fatal, ProviderConfigurationError)
    assert "'small'" in result.fatal.message
    assert "404" in result.fatal.message
    assert world.transport.calls.total() <= 10


def test_a_call_that_is_told_not_now_waits_elsewhere__others_are_answered():
    world = World(ScriptedTransport(lambda prompt, _n: refused(429) if prompt == "question 3" else ok()))
    result = world.answer(requests(10))
    assert (result.stopped, result.fatal, result.answered_now) == ("deferred", None, 9)
    assert result.deferral is not None
    assert (result.deferral.why, result.deferral.detail) == ("provider_throttles", "HTTP 429, type some_error")
    assert [row.sample_id for row in result.responses] == [f"s{n}" for n in range(10) if n != 3]
    assert world.transport.calls["question 3"] == RetryPolicy().max_throttled

    world.transport.script = lambda _prompt, _n: ok()
    again = world.answer(requests(10))
    assert (again.stopped, len(again.responses)) == (None, 10)
    assert world.record.calls == 10


def test_a_long_hint_is_waited_for_elsewhere__over_what_a_worker_waits():
    def script(prompt: str, _n: int) -> Reply:
        return refused(429, retry_after="60") if prompt == "question 0" else ok()

    result = World(ScriptedTransport(script)).answer(requests(4))
    assert result.deferral is not None
    assert 60 <= result.deferral.wait_s <= 66


def test_the_batch_ends_at_once__credit_used_up():
    world = World(ScriptedTransport(lambda _prompt, _n: refused(429, "insufficient_quota"), latency_s=0.001))
    result = world.answer(requests(200), max_in_flight=5)
    assert isinstance(result.fatal, ProviderUnavailableError)
    assert "credit" in result.fatal.details["what_to_do"]
    assert world.transport.calls.total() <= 10


def test_a_provider_that_answered_before_is_waited_for__no_call_of_the_batch_answered():
    world = World()
    world.answer(requests(3))
    world.transport.script = lambda _prompt, _n: refused(500)
    result = world.answer([request(number) for number in range(10, 14)])
    assert (result.fatal, result.stopped) == (None, "deferred")
    assert result.deferral is not None
    assert result.deferral.why == "circuit_open"


def test_the_circuit_opens_for_all_workers__outage_in_the_middle():
    world = World(ScriptedTransport(latency_s=0.001))
    world.answer(requests(30))
    world.transport.script = lambda _prompt, _n: refused(500)
    result = world.answer([request(number) for number in range(100, 400)], retry=RetryPolicy())
    asked = world.transport.calls.total()
    assert (result.fatal, result.stopped) == (None, "deferred")
    assert result.deferral is not None
    assert result.deferral.why == "circuit_open"
    assert asked < 300
    later = world.answer([request(number) for number in range(500, 600)])
    assert later.stopped == "deferred"
    assert world.transport.calls.total() == asked


def test_the_provider_is_unavailable__no_call_answered():
    script = {0: refused(500), 1: CONNECTION_LOST, 2: CONNECTION_LOST}
    world = World(ScriptedTransport(lambda prompt, _n: script[int(prompt[-1]) % 3]))
    result = world.answer(requests(5))
    assert isinstance(result.fatal, ProviderUnavailableError)
    assert result.fatal.details["failures"] == {"server_error": 2, "connection": 3}
    for part in ("'local'", "127.0.0.1:9", "5 calls", "server_error 2", "connection 3"):
        assert part in result.fatal.message
    assert result.fatal.details["what_to_do"]
    assert world.record.calls == 0


def test_unavailability_is_told_early__large_batch():
    world = World(ScriptedTransport(lambda _prompt, _n: refused(500), latency_s=0.001))
    result = world.answer(requests(500), max_in_flight=5)
    assert isinstance(result.fatal, ProviderUnavailableError)
    assert 20 <= world.transport.calls.total() <= 130
    assert result.unfinished


def test_one_answer_keeps_the_batch_alive__all_others_fail():
    world = World(ScriptedTransport(lambda prompt, _n: ok() if prompt == "question 0" else refused(500)))
    result = world.answer(requests(60), max_in_flight=1)
    assert result.fatal is None
    assert [row.outcome for row in result.responses] == ["answered"] + ["failed"] * 59


def test_one_ledger_hit_keeps_the_batch_alive__small_batch_fails():
    world = World()
    world.answer(requests(1))
    world.transport.script = lambda _prompt, _n: refused(500)
    result = world.answer(requests(4))
    assert result.fatal is None
    assert [row.outcome for row in result.responses] == ["answered", "failed", "failed", "failed"]


def test_the_configuration_is_wrong__every_request_refused():
    world = World(ScriptedTransport(lambda _prompt, _n: refused(400, "unsupported_parameter")))
    result = world.answer(requests(100), max_in_flight=4)
    assert isinstance(result.fatal, ProviderConfigurationError)
    assert "unsupported_parameter" in result.fatal.message
    assert world.transport.calls.total() < 30


def test_a_few_refused_requests_are_rows__small_batch():
    world = World(ScriptedTransport(lambda _prompt, _n: refused(400, "context_length_exceeded")))
    result = world.answer(requests(3))
    assert result.fatal is None
    assert {row.failure_reason for row in result.responses} == {"context_length"}


def test_the_overshoot_is_bounded_by_the_calls_in_flight__budget_hit():
    record = RunRecord(cap_usd=10 * COST_USD)
    world = World(ScriptedTransport(latency_s=0.002), record=record)
    result = world.answer(requests(100), max_in_flight=4)
    assert result.stopped == "budget"
    assert not result.unfinished
    answered = [row for row in result.responses if row.outcome == "answered"]
    assert 10 <= len(answered) <= 13
    assert record.spent_usd == len(answered) * COST_USD
    rest = [row for row in result.responses if row.outcome == "failed"]
    assert len(rest) == 100 - len(answered)
    assert {row.failure_reason for row in rest} == {"budget"}


def test_nothing_is_called_but_the_ledger_serves__budget_already_spent():
    world = World()
    world.answer(requests(3))
    world.record.cap_usd = world.record.spent_usd
    world.transport.calls.clear()
    result = world.answer(requests(5))
    assert not world.transport.calls
    assert [row.outcome for row in result.responses] == ["answered"] * 3 + ["failed"] * 2
    assert result.stopped == "budget"


def test_a_waiting_retry_ends_as_budget__budget_hit_meanwhile():
    def script(prompt: str, _n: int) -> Reply:
        return refused(429, retry_after="4") if prompt == "question 20" else ok()

    world = World(ScriptedTransport(script, latency_s=0.001), record=RunRecord(cap_usd=25 * COST_USD))
    result = world.answer(requests(60), max_in_flight=2)
    waited = result.responses[20]
    assert (waited.outcome, waited.failure_reason) == ("failed", "budget")
    assert [attempt.failure_reason for attempt in waited.attempts] == ["rate_limited"]


def test_the_rest_has_no_rows__cancelled_in_the_middle():
    world = World(ScriptedTransport(latency_s=0.002), record=RunRecord(cancel_after_calls=10))
    result = world.answer(requests(200), max_in_flight=5)
    assert result.stopped == "cancelled"
    assert result.unfinished
    assert 10 <= len(result.responses) < 100
    assert all(row.outcome == "answered" for row in result.responses)
    assert len(result.responses) == len(world.ledger.entries) == world.record.calls


def test_nothing_is_called__cancelled_before():
    world = World(record=RunRecord(cancel_after_calls=0))
    result = world.answer(requests(5))
    assert not world.transport.calls
    assert result.stopped == "cancelled"
    assert result.responses == ()


def test_calls_in_flight_get_only_a_grace__cancelled_while_the_provider_hangs():
    world = World(
        ScriptedTransport(hangs=lambda prompt: prompt != "question 0"), record=RunRecord(cancel_after_calls=1)
    )
    result = world.answer(requests(20), max_in_flight=5)
    assert result.stopped == "cancelled"
    assert [row.sample_id for row in result.responses] == ["s0"]


def test_the_state_is_looked_at_while_nothing_is_written__slow_calls():
    world = World(ScriptedTransport(latency_s=0.2))
    world.answer(requests(1), refresh_s=0.02)
    assert world.record.looks >= 3


def test_finished_answers_are_kept_and_the_rest_is_left__deadline_near():
    started_s = time.monotonic()
    world = World(ScriptedTransport(latency_s=0.01))
    world.remaining_s = lambda: 0.1 - (time.monotonic() - started_s)
    result = world.answer(requests(500), max_in_flight=2, start_margin_s=0.03, finish_margin_s=0.0)
    assert result.stopped == "deadline"
    assert result.unfinished
    assert 0 < len(result.responses) == len(world.ledger.entries) == world.record.calls < 500
    world.remaining_s = lambda: 600.0
    world.transport.latency_s = 0.0
    rest = world.answer(requests(500))
    assert not rest.unfinished
    assert world.transport.calls.total() == world.record.calls == 500


def test_calls_in_flight_are_given_up__deadline_passes():
    started_s = time.monotonic()
    world = World(ScriptedTransport(latency_s=60))
    world.remaining_s = lambda: 0.1 - (time.monotonic() - started_s)
    result = world.answer(requests(5), start_margin_s=0.05, finish_margin_s=0.02)
    assert result.stopped == "deadline"
    assert result.responses == ()


def test_no_undecided_call_is_called_out_of_budget__deadline_passes_after_the_budget_is_hit():
    started_s = time.monotonic()
    world = World(ScriptedTransport(hangs=lambda prompt: prompt != "question 0"), record=RunRecord(cap_usd=COST_USD))
    world.remaining_s = lambda: 0.1 - (time.monotonic() - started_s)
    result = world.answer(requests(10), max_in_flight=3, start_margin_s=0.01, finish_margin_s=0.005)
    assert result.stopped == "deadline"
    assert [row.sample_id for row in result.responses] == ["s0"]


def test_progress_counts_absolutely__slow_batch():
    world = World()
    world.answer(requests(2))
    world.transport = ScriptedTransport(
        lambda prompt, _n: refused(400) if prompt == "question 2" else ok(), latency_s=0.02
    )
    world.answer(requests(10), max_in_flight=1, progress_s=0.03, ledger_scope="run_2")
    assert world.progress
    for done, failed, from_ledger, cost_usd in world.progress:
        assert from_ledger == 2
        assert cost_usd == (done - failed - from_ledger) * COST_USD
    assert world.progress == sorted(world.progress)
    assert world.progress[-1][1] == 1


class CrashError(Exception):
    """The worker dies."""


class CrashingLedger(DictLedger):
    """Dies at the first write, after the spending was recorded."""

    def put_many(self, entries: Mapping[str, LedgerEntry], /) -> None:
        raise CrashError


def test_spending_is_counted_too_high_never_too_low__crash_between_the_writes():
    world = World(ledger=CrashingLedger())
    with pytest.raises(CrashError):
        world.answer(requests(10))
    spent_before = world.record.spent_usd
    assert spent_before >= COST_USD
    world.ledger = DictLedger()
    assert not world.answer(requests(10)).unfinished
    assert world.record.spent_usd == spent_before + 10 * COST_USD


def test_answers_stay_and_nothing_more_is_called__store_goes_away():
    world = World(ScriptedTransport(latency_s=0.002))
    world.ledger.broken = StoreError("the table is gone")
    with pytest.raises(StoreError, match="the table is gone"):
        world.answer(requests(500), max_in_flight=5)
    assert world.transport.calls.total() < 100
    world.ledger.broken = None
    assert not world.answer(requests(500)).unfinished


def test_a_busy_store_is_asked_again__throttled_once():
    world = World()
    world.ledger.failures_left = 1
    assert not world.answer(requests(5)).unfinished
    assert world.record.calls == 5
    assert len(world.ledger.entries) == 5


def test_a_failed_look_at_the_run_is_no_reason_to_stop__store_hiccup():
    class Hiccup(RunRecord):
        def state(self) -> ControlState:
            if self.looks:
                raise StoreUnavailableError("not now")
            return super().state()

    world = World(ScriptedTransport(latency_s=0.1), record=Hiccup())
    assert not world.answer(requests(1), refresh_s=0.01).unfinished


def test_a_mistake_in_the_code_is_not_swallowed__transport_raises():
    def broken(_prompt: str, _n: int) -> Reply:
        raise LookupError("a mistake")

    world = World(ScriptedTransport(broken))
    with pytest.raises(LookupError, match="a mistake"):
        world.answer(requests(20))


def test_an_unknown_price_stays_unknown__model_without_a_price():
    world = World()
    row = world.answer([request(1, model="free-of-price")]).responses[0]
    assert (row.outcome, row.cost_usd, row.price_source) == ("answered", None, None)
    assert world.record.calls == 1
    assert world.record.spent_usd == 0


def test_nothing_happens__empty_batch():
    world = World()
    assert world.answer([]).responses == ()
    assert not world.ledger.reads


def test_recorded_answers_touch_nothing__replay():
    class Untouchable:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(f"{name} was used")

    asked = [
        ModelRequest(provider="replay", vendor="replay", model="old", sample_id=sample_id, variant="a")
        for sample_id in ("s1", "s2")
    ]
    recordings = {"s1": Recording(id="s1", output="42", latency_ms=12.5, cost_usd=Decimal("0.01"))}
    batch = Batch(REPLAY_PROVIDER, asked, codec_of("replay"), recordings=recordings)
    nothing = Untouchable()
    ports = BatchPorts(nothing, nothing, nothing, SystemClock(), lambda: 1.0, lambda: 0.5, nothing, "worker")  # type: ignore[arg-type]
    result = asyncio.run(answer_batch(batch, ports, BatchSettings("run_1")))
    assert [(row.outcome, row.failure_reason, row.text) for row in result.responses] == [
        ("answered", None, "42"),
        ("failed", "no_recording", None),
    ]
    assert not result.unfinished


def test_the_address_hides_nothing_but_its_credentials__unavailable_provider():
    provider = PROVIDER.model_copy(update={"base_url": "http://user:pass@127.0.0.1:9/v1"})
    world = World(ScriptedTransport(lambda _prompt, _n: CONNECTION_LOST))
    fatal = world.answer(requests(2), provider=provider).fatal
    assert fatal is not None
    assert "127.0.0.1:9" in fatal.message
    assert "pass@" not in fatal.message
