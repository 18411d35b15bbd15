"""Batches that come back: what they wait for, when it is enough, what they leave; over memory."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from entities import definition_body
from step_world import COST_USD, PROVIDER, WORKSPACE, Reply, StepWorld, ok, refusal, rows

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts.steps import GenerateMessage, GenerateResult
from abtest.core.errors import StoreUnavailableError
from abtest.management.model import Progress
from abtest.providers.model import CallFailure, HttpReply
from abtest.providers.registration import ModelProvider, RateLimit
from abtest.runtime.steps.put_off import LONGEST_DELAY_S

POISON = "Capital of Land3?"
LOST = CallFailure(failure_reason="connection", retryable=True, detail="no connection could be made")
LONG_AGO_S = PROVIDER.give_up_after_s + 1


def planned(count: int = 10, provider: ModelProvider | None = None) -> StepWorld:
    world = StepWorld(definition_body(), rows(count), batch_size=count)
    if provider is not None:
        world.providers.put(WORKSPACE, provider)
    world.plan()
    return world


def refuses(*prompts: str, status: int = 429) -> Any:
    return lambda prompt: refusal(status) if prompt in prompts else ok("x")


def prompts(count: int) -> list[str]:
    return [f"Capital of Land{number}?" for number in range(count)]


def back(world: StepWorld) -> GenerateMessage:
    """Return the message that was put back last, as the queue counts it."""
    message = world.queue.put[-1][0]
    return message.model_copy(update={"deferrals": message.deferrals + 1})


def since(world: StepWorld, age_s: float) -> dict[str, float]:
    return {"waiting_since_s": world.clock.now().timestamp() - age_s}


def stop_of(world: StepWorld) -> str | None:
    return world.runs.spending(WORKSPACE, world.run.run_id).stop


def progress(world: StepWorld) -> Progress:
    return world.runs.progress(WORKSPACE, world.run.run_id)


def calls(world: StepWorld) -> int:
    return world.runs.spending(WORKSPACE, world.run.run_id).calls


# Waiting and its end


def test_sample_that_is_always_told_not_now_fails_alone__after_the_time_its_registration_gives() -> None:
    world = planned()
    world.provider.script = refuses(POISON)
    assert world.call() is None
    first = back(world)
    assert first.waiting_since_s is None
    assert world.call(first) is None
    second = back(world)
    assert second.waiting_since_s is not None

    result = world.call(second.model_copy(update=since(world, LONG_AGO_S)))

    assert result == GenerateResult(responses=10, failed=1, from_ledger=0)
    responses = world.bodies.responses(0, "terse", 0)
    failed = [(row.sample_id, row.failure_reason) for row in responses if row.outcome == "failed"]
    assert failed == [("s003", "rate_limited")]
    assert [attempt.status for row in responses for attempt in row.attempts if attempt.failure_reason] == [429] * 18
    assert [row.sample_id for row in responses] == [sample.id for sample in world.bodies.samples(0, 0)]
    assert (world.tasks.failed, stop_of(world)) == ([], None)
    assert (progress(world).responses_done, progress(world).responses_failed, progress(world).waiting) == (10, 1, ())
    assert calls(world) == 9
    assert all(count == 1 for prompt, count in world.provider.asked.items() if prompt != POISON)


@pytest.mark.parametrize(("refused", "ends_well"), [(5, True), (6, False)])
def test_provider_that_refuses_most_of_a_batch_fails_the_run__and_few_samples_do_not(
    refused: int, ends_well: bool
) -> None:
    world = planned()
    world.provider.script = refuses(*prompts(refused))
    world.call()

    result = world.call(back(world).model_copy(update=since(world, LONG_AGO_S)))

    if ends_well:
        assert result == GenerateResult(responses=10, failed=refused, from_ledger=0)
        assert stop_of(world) is None
        return
    assert result is None
    ((_, error, cause),) = world.tasks.failed
    assert error == "ProviderUnavailableError"
    assert "it limits or refuses each call for now" in cause
    assert stop_of(world) == "failed"
    # What was answered is kept, and nothing is said of the rest.
    assert len(world.bodies.responses(0, "terse", 0)) == 10 - refused


def test_provider_that_refuses_everybody_is_given_up__however_tight_its_limit() -> None:
    world = planned(10, PROVIDER.model_copy(update={"limits": {"*": RateLimit(requests_per_minute=2)}}))
    world.provider.script = lambda _prompt: refusal(429)
    assert world.call() is None
    message = back(world)
    assert message.waiting_since_s is not None
    # The next slot has come.
    world.shared = MemorySharedState()
    assert world.call(message.model_copy(update=since(world, LONG_AGO_S))) is None
    assert stop_of(world) == "failed"


def test_time_stands_still_for_our_own_limit__and_is_not_forgotten() -> None:
    world = planned(10, PROVIDER.model_copy(update={"limits": {"*": RateLimit(requests_per_minute=2)}}))
    assert world.call() is None
    fresh = back(world)
    assert (fresh.waiting_since_s, progress(world).waiting[0].why) == (None, "rate_limit")
    waited = since(world, LONG_AGO_S)

    # The next slot is half a minute away: nothing can be asked.
    assert world.call(fresh.model_copy(update=waited)) is None

    again, delay_s = world.queue.put[-1]
    assert again.waiting_since_s is not None
    assert again.waiting_since_s == waited["waiting_since_s"] + delay_s
    assert stop_of(world) is None


def test_own_limit_that_is_waited_for_is_no_reason_to_give_up__nothing_answered_before() -> None:
    world = planned(4, PROVIDER.model_copy(update={"limits": {"*": RateLimit(requests_per_minute=2)}}))
    world.call()
    assert world.call(back(world)) is None
    assert back(world).waiting_since_s is None


def test_answer_starts_the_time_anew__whatever_else_is_refused() -> None:
    world = planned()
    world.provider.script = refuses(POISON)
    old = world.message().model_copy(update=since(world, LONG_AGO_S))
    assert world.call(old) is None
    assert back(world).waiting_since_s is None


def test_no_wait_at_all__registration_gives_no_time() -> None:
    world = planned(10, PROVIDER.model_copy(update={"give_up_after_s": 0}))
    world.provider.script = refuses(POISON)
    world.call()
    assert world.call(back(world)) == GenerateResult(responses=10, failed=1, from_ledger=0)


def test_wait_of_any_length_is_shown_and_looked_after__server_asks_for_it() -> None:
    world = planned()
    reply = HttpReply(status=429, headers={"retry-after": "1e300"}, body=b'{"error": {"message": "no"}}')
    world.provider.script = lambda prompt: reply if prompt == POISON else ok("x")
    assert world.call() is None
    assert world.queue.put[-1][1] == LONGEST_DELAY_S
    assert progress(world).waiting[0].until > world.clock.now()


# The deadline


LATER = HttpReply(status=500, headers={"retry-after": "100"}, body=b"{}")


def outlasting(world: StepWorld, answered: int = 0) -> None:
    """Let all calls but so many last until their worker has no time left."""
    world.remaining_s = 120.0

    def runs_out(_prompt: str) -> Reply:
        if world.provider.asked.total() <= answered:
            return ok("x")
        world.remaining_s = 10.0
        return LATER

    world.provider.script = runs_out


def test_calls_that_outlast_every_worker_end_the_run__after_the_time_its_registration_gives() -> None:
    world = planned()
    outlasting(world)
    assert world.call() is None
    message, delay_s = world.queue.put[-1]
    assert (message.waiting_since_s is not None, delay_s) == (True, 0)

    outlasting(world)
    assert world.call(message) is None
    assert world.queue.put[-1][0].waiting_since_s == message.waiting_since_s

    outlasting(world)
    assert world.call(message.model_copy(update=since(world, LONG_AGO_S))) is None
    ((_, error, cause),) = world.tasks.failed
    assert error == "ProviderUnavailableError"
    assert "no call came to an end" in cause
    assert len(world.queue.put) == 2


def test_deadline_keeps_the_time__no_call_was_made() -> None:
    world = planned()
    world.remaining_s = 10.0
    old = world.message().model_copy(update=since(world, LONG_AGO_S))
    assert world.call(old) is None
    assert world.queue.put == [(old, 0)]


def test_deadline_starts_the_time_anew__calls_were_answered() -> None:
    world = planned(30)
    outlasting(world, answered=4)
    assert world.call(world.message().model_copy(update=since(world, LONG_AGO_S))) is None
    assert world.queue.put[-1][0].waiting_since_s is None
    assert calls(world) > 0


# What is left meanwhile


def test_rows_that_are_asked_again_are_not_done__batch_waits() -> None:
    world = planned()
    broken = "Capital of Land7?"
    statuses = {POISON: 429, broken: 400}
    world.provider.script = lambda prompt: refusal(statuses[prompt]) if prompt in statuses else ok("x")
    world.call()
    assert (progress(world).responses_done, progress(world).responses_failed) == (8, 0)
    assert world.bodies.responses_so_far(0, "terse", 0) == []

    world.provider.script = refuses(broken, status=400)
    assert world.call(back(world)) == GenerateResult(responses=10, failed=1, from_ledger=0)
    assert (progress(world).responses_done, progress(world).responses_failed) == (10, 1)


def test_cancel_while_a_batch_waits_keeps_what_was_answered() -> None:
    world = planned()
    world.provider.script = refuses(POISON)
    world.call()
    asked = world.provider.asked.total()
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    assert world.call(back(world)) is None

    assert world.tasks.failed[-1][1] == "RunCancelledError"
    assert len(world.bodies.responses(0, "terse", 0)) == 9
    assert (progress(world).responses_done, progress(world).waiting) == (9, ())
    assert world.provider.asked.total() == asked
    assert stop_of(world) == "cancelled"


def test_budget_reached_while_a_batch_waits_ends_it() -> None:
    world = StepWorld(definition_body(budget={"cap_usd": 1}), rows(10))
    world.plan()
    world.provider.script = refuses(POISON)
    world.call()
    # By other batches of the run.
    world.runs.spend(WORKSPACE, world.run.run_id, calls=1, cost_usd=Decimal(1))

    assert world.call(back(world)) == GenerateResult(responses=10, failed=1, from_ledger=0)

    assert [row.failure_reason for row in world.bodies.responses(0, "terse", 0) if row.failure_reason] == ["budget"]


def test_second_worker_that_puts_a_finished_batch_off_spoils_nothing() -> None:
    world = planned()
    world.provider.script = refuses(POISON)
    world.call()
    message = back(world)
    # The message comes twice: one worker is told not now, and comes to its end after the other one has finished.
    write = world.runs.record_batch
    finished: list[Any] = []

    def late(*facts: Any) -> None:
        if not finished and len(facts) == 5:
            finished.append(None)
            world.provider.script = lambda _prompt: ok("x")
            finished.append(world.call(message))
        write(*facts)

    world.runs.record_batch = late  # type: ignore[method-assign]
    assert world.call(message) is None
    assert finished[1] == GenerateResult(responses=10, failed=0, from_ledger=0)
    assert progress(world).waiting != ()

    assert world.call(back(world)) == finished[1]
    assert (progress(world).responses_done, progress(world).waiting) == (10, ())
    assert calls(world) == 10


def test_two_workers_with_one_batch_lose_nothing__message_delivered_twice() -> None:
    world = planned()
    inner: list[GenerateResult | None] = []

    def twice(_prompt: str) -> Reply:
        if not inner:
            inner.append(None)
            world.provider.script = lambda _prompt: ok("x")
            inner.append(world.call())
        return ok("y")

    def in_a_thread(prompt: str) -> Reply:
        # Another worker is another process: its event loop is not this one's.
        reply: list[Reply] = []
        thread = threading.Thread(target=lambda: reply.append(twice(prompt)))
        thread.start()
        thread.join()
        return reply[0]

    world.provider.script = in_a_thread
    assert world.call() == inner[1] == GenerateResult(responses=10, failed=0, from_ledger=0)
    assert len(world.bodies.responses(0, "terse", 0)) == 10
    assert len(world.tasks.succeeded) == 2
    # At worst each worker paid once; the record says so.
    assert 10 <= calls(world) <= 20
    assert world.runs.spending(WORKSPACE, world.run.run_id).spent_usd == calls(world) * COST_USD


def test_message_comes_back_by_itself__queue_does_not_take_it() -> None:
    world = planned()
    world.provider.script = refuses(POISON)

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("SQS did not answer.")

    put_back = world.queue.put_back
    world.queue.put_back = away  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailableError):
        world.call()
    world.queue.put_back = put_back  # type: ignore[method-assign]
    world.provider.script = lambda _prompt: ok("x")
    assert world.call() == GenerateResult(responses=10, failed=0, from_ledger=0)
    assert calls(world) == 10


def test_outage_in_the_middle_is_waited_for__by_both_variants_batches() -> None:
    variants = definition_body()["variants"]
    both = {**variants, "again": {**variants["terse"], "parameters": {"temperature": 1}}}
    world = StepWorld(definition_body(variants=both), rows(40), batch_size=40)
    world.plan()
    first, second = (world.message(number) for number in (0, 1))

    def goes_down(_prompt: str) -> Reply:
        return ok("x") if world.provider.asked.total() <= 20 else LOST

    world.provider.latency_s = 0.05
    world.provider.script = goes_down
    assert world.call(first) is None
    assert world.call(second) is None
    assert (stop_of(world), {one.why for one in progress(world).waiting}) == (None, {"circuit_open"})
    asked = world.provider.asked.total()
    assert asked < 80


def test_samples_that_failed_for_good_are_not_asked_again__batch_comes_back() -> None:
    world = planned()
    broken, garbled, lost = prompts(3)
    # An answer that cannot be read is paid for like any other.
    answers = {broken: refusal(400), garbled: HttpReply(status=200, headers={}, body=b"{}"), lost: LOST}
    world.provider.script = lambda prompt: refusal(429) if prompt == POISON else answers.get(prompt, ok("x"))
    world.call()
    message = GenerateMessage.model_validate_json(back(world).model_dump_json())
    assert {row.sample_id for row in message.failed} == {"s000", "s001"}
    assert world.call(message) is None

    world.provider.script = lambda _prompt: ok("x")
    assert world.call(back(world)) == GenerateResult(responses=10, failed=2, from_ledger=0)

    assert (world.provider.asked[broken], world.provider.asked[garbled]) == (1, 1)
    by_id = {row.sample_id: row for row in world.bodies.responses(0, "terse", 0)}
    assert [by_id[sample].failure_reason for sample in ("s000", "s001", "s002")] == ["bad_request", "malformed", None]
    assert by_id["s000"].attempts[0].status == 400
    assert calls(world) == 8


def test_answer_goes_before_an_earlier_failure__another_run_has_paid_for_it() -> None:
    world = planned()
    world.provider.script = lambda prompt: refusal(429 if prompt == POISON else 400)
    world.call()
    message = back(world)
    assert len(message.failed) == 9
    # Another run of the same test, with the cache on.
    run = world.run
    world.runs.finish(run, "cancel")
    world.start()
    world.plan()
    world.provider.script = lambda _prompt: ok("x")
    assert world.call() == GenerateResult(responses=10, failed=0, from_ledger=0)
    world.run = run
    assert world.call(message) == GenerateResult(responses=10, failed=0, from_ledger=10)


def test_every_attempt_stands_in_the_row__of_all_passes() -> None:
    world = planned()
    turns = iter([*[refusal(429)] * 6, ok("at last")])
    world.provider.script = lambda prompt: next(turns) if prompt == "Capital of Land3?" else ok("x")

    assert world.call() is None
    (again, _delay_s) = world.queue.put[0]
    assert {sample: len(attempts) for sample, attempts in again.attempts.items()} == {"s003": 6}
    assert world.call(again) is not None

    row = next(row for row in world.bodies.responses(0, "terse", 0) if row.sample_id == "s003")
    assert [attempt.status for attempt in row.attempts] == [429] * 6 + [200]
    assert (row.text, row.from_ledger) == ("at last", False)
