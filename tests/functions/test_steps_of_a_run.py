"""The steps of a run over memory: planning, calling, judging, looking, and what each leaves when it breaks."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from entities import definition_body, replay_body
from step_world import COST_USD, PROVIDER, SECRET, WORKSPACE, StepWorld, ok, refusal, rows

from abtest.contracts import object_keys
from abtest.contracts.steps import GenerateResult
from abtest.core.errors import (
    BudgetExceededError,
    ConflictError,
    InvalidInputError,
    MessageUndeliverableError,
    NotFoundError,
    ProviderConfigurationError,
    RunCancelledError,
    StoreError,
    StoreUnavailableError,
)
from abtest.management.model import RunPhase
from abtest.providers.model import CallFailure
from abtest.runtime.steps.dead_letter import DeadLetterPorts, dead_letter
from abtest.runtime.steps.put_off import LONGEST_DELAY_S
from abtest.runtime.steps.queue_worker import parsed_message
from abtest.runtime.steps.take_look import take_look

WORDY = {
    "provider": "local",
    "model": "small",
    "prompt": {"system": "You know geography.", "user": "What is the capital of {{ country }}?"},
    "parameters": {"temperature": 0},
}


def world_of(count: int = 10, *, batch_size: int = 10, **changes: Any) -> StepWorld:
    return StepWorld(definition_body(**changes), rows(count), batch_size=batch_size)


def planned(count: int = 10, *, batch_size: int = 10, **changes: Any) -> StepWorld:
    world = world_of(count, batch_size=batch_size, **changes)
    world.plan()
    return world


def stop_of(world: StepWorld) -> str | None:
    return world.runs.spending(WORKSPACE, world.run.run_id).stop


def spent(world: StepWorld) -> Decimal:
    return world.runs.spending(WORKSPACE, world.run.run_id).spent_usd


# PlanRun


def test_plan_shares_the_samples_out__and_leads_into_the_first_wave() -> None:
    world = world_of(25)

    state = world.plan()

    assert state.wave == 0
    assert state.next == "first_wave"
    assert state.generate_manifest_key == object_keys.generate_manifest(WORKSPACE, world.run.run_id, 0)
    batches = [[sample.id for sample in world.bodies.samples(0, batch)] for batch in range(3)]
    assert sorted(name for batch in batches for name in batch) == [row["id"] for row in world.rows]
    assert [(item.batch, item.variant, item.size) for item in world.generate_items()] == [
        (batch, variant, len(batches[batch])) for batch in range(3) for variant in ("terse", "wordy")
    ]
    assert {item.queue_url for item in world.generate_items()} == {"https://sqs/openai_chat"}
    assert [(item.batch, item.judge) for item in world.judge_items()] == [(b, "correct") for b in range(3)]


def test_plan_says_what_the_run_will_ask_for() -> None:
    world = world_of(25, budget={"cap_usd": "0.75"})

    world.plan()

    run = world.stored
    assert run.phase is RunPhase.GENERATING
    assert (run.responses_total, run.verdicts_total) == (50, 50)
    assert run.reserved_usd == Decimal("0.75")


def test_plan_freezes_what_the_run_was_started_with__without_a_secrets_value() -> None:
    world = planned(25)

    frozen = world.bodies.frozen()

    assert frozen.definition == world.test.definition
    assert frozen.batches_by_wave == (3,)
    assert frozen.providers == {"local": PROVIDER.model_dump(mode="json")}
    assert frozen.versions["abtest"]
    assert "sk-1" not in world.objects.get(object_keys.frozen(WORKSPACE, world.run.run_id)).decode()


def test_later_registration_changes_no_run_that_was_planned() -> None:
    world = planned()
    world.providers.put(WORKSPACE, PROVIDER.model_copy(update={"secret_name": None, "base_url": "http://other/v1"}))

    world.call()

    assert world.provider.keys == {"Bearer sk-1"}


def test_plan_repeated_is_the_same_plan__and_reserves_once() -> None:
    world = world_of(25, budget={"cap_usd": "0.60"})
    world.workspace_budget_usd = Decimal("1.00")
    first = world.plan()
    bodies = {key: world.objects.get(key) for key in world.objects.keys("runs/")}

    assert world.plan() == first

    assert {key: world.objects.get(key) for key in world.objects.keys("runs/")} == bodies
    world.budgets.reserve(WORKSPACE, "run_other", Decimal("0.40"), Decimal("1.00"))


def test_run_whose_cap_exceeds_the_workspaces_budget_is_not_planned() -> None:
    world = world_of(budget={"cap_usd": "0.60"})
    world.workspace_budget_usd = Decimal("0.50")

    with pytest.raises(BudgetExceededError):
        world.plan()
    assert world.objects.keys("runs/") == []


def test_run_without_a_cap_reserves_the_estimates_upper_bound() -> None:
    world = planned()

    assert world.stored.reserved_usd == world.test.estimate.cost_usd_max


def test_run_of_unknown_price_reserves_nothing() -> None:
    world = world_of()
    unknown = world.test.estimate.model_copy(update={"cost_usd_max": None})
    world.tests._tests[WORKSPACE, world.test.test_id] = world.test.model_copy(update={"estimate": unknown})
    world.workspace_budget_usd = Decimal("0.01")

    world.plan()

    assert world.stored.reserved_usd is None


def test_run_that_ended_is_not_planned() -> None:
    world = world_of()
    world.runs.finish(world.run, "cancel")

    with pytest.raises(ConflictError, match="CANCELLED"):
        world.plan()


def test_provider_that_is_gone_is_told__before_anything_is_reserved() -> None:
    world = world_of()
    world.providers._providers.clear()

    with pytest.raises(ProviderConfigurationError, match="No longer registered: local") as caught:
        world.plan()
    assert "Register the provider again" in caught.value.details["what_to_do"]


def test_vendor_without_a_queue_is_told() -> None:
    world = world_of()
    del world.queue_urls["openai_chat"]

    with pytest.raises(ProviderConfigurationError, match="no queue for: openai_chat"):
        world.plan()


# CallProvider


def test_batch_is_answered_paid_and_reported() -> None:
    world = planned(25)

    result = world.call()

    assert result == GenerateResult(responses=9, failed=0, from_ledger=0)
    assert world.tasks.succeeded == [("token-0", result)]
    assert world.tasks.failed == []
    ids = [sample.id for sample in world.bodies.samples(0, 0)]
    responses = world.bodies.responses(0, "terse", 0)
    assert [row.sample_id for row in responses] == ids
    assert {row.outcome for row in responses} == {"answered"}
    assert {row.cost_usd for row in responses} == {COST_USD}
    assert all(row.text == f"Land{int(row.sample_id[1:])} City" for row in responses)
    assert spent(world) == 9 * COST_USD
    assert world.runs.progress(WORKSPACE, world.run.run_id).responses_done == 9
    assert world.provider.keys == {"Bearer sk-1"}
    assert world.queue.kept[0] == ("https://sqs/openai_chat", "receipt", 30)


def test_recorded_answers_are_served__without_a_call() -> None:
    samples = rows(12)
    world = StepWorld(replay_body(), samples)
    world.runs.finish(world.run, "cancel")
    recorded = [{"id": row["id"], "output": row["reference"], "latency_ms": 3} for row in samples[:11]]
    variants = {
        "old": {"provider": "replay", "model": "one", "recording": {"version": world.freeze(recorded, "recording")}},
        "new": {
            "provider": "replay",
            "model": "two",
            "recording": {"version": world.freeze(recorded[:1], "recording")},
        },
    }
    world = StepWorld(replay_body(variants=variants), samples, batch_size=50)
    world.freeze(recorded, "recording")
    world.freeze(recorded[:1], "recording")
    world.plan()

    assert world.call(world.message(0)) == GenerateResult(responses=12, failed=1, from_ledger=0)
    assert world.call(world.message(1)) == GenerateResult(responses=12, failed=11, from_ledger=0)

    by_id = {row.sample_id: row for row in world.bodies.responses(0, "old", 0)}
    assert by_id["s000"].text == "Land0 City"
    assert by_id["s000"].latency_ms == 3
    assert (by_id["s011"].outcome, by_id["s011"].failure_reason) == ("failed", "no_recording")
    assert world.provider.asked.total() == 0
    assert spent(world) == 0


def test_second_delivery_of_a_finished_batch_pays_nothing__and_reports_again() -> None:
    world = planned()
    first = world.call()
    asked = world.provider.asked.total()

    assert world.call() == first
    assert world.provider.asked.total() == asked
    assert len(world.tasks.succeeded) == 2
    assert spent(world) == 10 * COST_USD


def test_worker_that_died_before_it_wrote_its_answers_paid_them_once() -> None:
    world = planned()
    world.objects.away = "/responses/"
    with pytest.raises(StoreUnavailableError):
        world.call()
    assert world.tasks.succeeded == world.tasks.failed == []

    world.objects.away = None
    assert world.call() == GenerateResult(responses=10, failed=0, from_ledger=0)

    assert set(world.provider.asked.values()) == {1}
    assert spent(world) == 10 * COST_USD


def test_worker_that_died_amid_its_batch_is_followed_by_one_that_asks_the_rest_only() -> None:
    world = planned(10)
    answered: list[str] = []

    def dies_after_six(prompt: str) -> Any:
        if len(answered) == 6:
            raise MemoryError
        answered.append(prompt)
        return ok("x")

    world.provider.script, world.provider.latency_s = dies_after_six, 0.06
    with pytest.raises(MemoryError):
        world.call()
    world.provider.script, world.provider.latency_s = lambda _prompt: ok("x"), 0.0

    result = world.call()

    assert result is not None
    assert (result.responses, result.failed) == (10, 0)
    assert result.from_ledger == 0
    assert all(world.provider.asked[prompt] == 1 for prompt in answered)
    assert spent(world) == 10 * COST_USD


def test_batch_without_time_left_is_put_back__and_nothing_is_reported() -> None:
    world = planned()
    world.remaining_s = 10.0

    assert world.call() is None

    assert world.queue.put == [(world.message(), 0)]
    assert world.tasks.succeeded == world.tasks.failed == []
    assert world.provider.asked.total() == 0
    assert world.bodies.responses_so_far(0, "terse", 0) == []
    assert stop_of(world) is None


def test_batch_that_was_cut_off_goes_on__where_it_ended() -> None:
    world = planned(30, batch_size=30)
    world.provider.latency_s = 0.05

    def runs_out(prompt: str) -> Any:
        if world.provider.asked.total() >= 12:
            world.remaining_s = 10.0
        return ok("x")

    world.provider.script = runs_out
    assert world.call() is None
    first = world.provider.asked.total()
    assert 0 < first < 30

    world.remaining_s = 120.0
    world.provider.script = lambda _prompt: ok("x")
    result = world.call(world.queue.put[0][0])

    assert result == GenerateResult(responses=30, failed=0, from_ledger=0)
    assert set(world.provider.asked.values()) == {1}


def test_refused_key_stops_the_run__with_what_to_do() -> None:
    world = planned()
    world.provider.script = lambda _prompt: refusal(401)

    assert world.call() is None

    ((token, error, cause),) = world.tasks.failed
    assert (token, error) == ("token-0", "ProviderAuthError")
    assert stop_of(world) == "failed"
    kept = world.runs.stop_error(WORKSPACE, world.run.run_id)
    assert kept is not None
    assert (kept["code"], kept["message"]) == ("provider_auth", cause)
    assert SECRET in kept["what_to_do"]


DOWN = CallFailure(failure_reason="connection", retryable=False, detail="no connection could be made")


def test_provider_that_never_answered_stops_the_run__and_says_why() -> None:
    world = planned(20, batch_size=10, variants={**definition_body()["variants"], "wordy": WORDY})
    world.provider.script = lambda _prompt: DOWN

    assert world.call(world.message(0)) is None

    assert world.tasks.failed[0][1] == "ProviderUnavailableError"
    assert stop_of(world) == "failed"
    assert {row.failure_reason for row in world.bodies.responses(0, "terse", 0)} == {"connection"}


def test_provider_that_goes_down_is_waited_for__and_the_run_shows_it() -> None:
    world = planned(40, batch_size=10, variants={**definition_body()["variants"], "wordy": WORDY})
    for number in (0, 2, 4):
        world.call(world.message(number))
    world.provider.script = lambda _prompt: DOWN

    assert world.call(world.message(1)) is None

    assert (world.tasks.failed, stop_of(world)) == ([], None)
    again, delay_s = world.queue.put[0]
    assert 1 <= delay_s <= LONGEST_DELAY_S
    assert again.waiting_since_s is not None
    (waiting,) = world.runs.progress(WORKSPACE, world.run.run_id).waiting
    assert (waiting.provider, waiting.why, waiting.batches) == (PROVIDER.id, "circuit_open", 1)
    assert waiting.detail == DOWN.detail

    world.provider.script = lambda _prompt: ok("x")
    assert world.call(again) is not None
    assert world.runs.progress(WORKSPACE, world.run.run_id).waiting == ()


def test_provider_that_stays_down_stops_the_run__after_the_time_its_registration_gives() -> None:
    world = planned(20, batch_size=10, variants={**definition_body()["variants"], "wordy": WORDY})
    world.call(world.message(0))
    world.provider.script = lambda _prompt: DOWN
    since_s = world.clock.now().timestamp() - PROVIDER.give_up_after_s - 1
    tired = world.message(1).model_copy(update={"waiting_since_s": since_s})

    assert world.call(tired) is None

    assert world.tasks.failed[0][1] == "ProviderUnavailableError"
    assert "it is down" in world.tasks.failed[0][2]
    assert stop_of(world) == "failed"
    assert len(world.bodies.responses(0, "terse", 0)) == 10


def test_single_failures_are_rows__and_no_failure_of_the_run() -> None:
    world = planned()
    broken = {"Capital of Land3?", "Capital of Land4?"}
    world.provider.script = lambda prompt: refusal(400) if prompt in broken else ok("x")

    assert world.call() == GenerateResult(responses=10, failed=2, from_ledger=0)
    assert stop_of(world) is None


def test_cancelled_run_makes_no_call__and_fails_its_task() -> None:
    world = planned()
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    assert world.call() is None

    assert [failed[:2] for failed in world.tasks.failed] == [("token-0", "RunCancelledError")]
    assert world.provider.asked.total() == 0
    assert world.runs.stop_error(WORKSPACE, world.run.run_id) is None


def test_late_delivery_after_the_stop_loses_nothing__of_what_was_answered() -> None:
    world = planned()
    world.call()
    before = world.bodies.responses(0, "terse", 0)
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    assert world.call() is None

    assert world.bodies.responses(0, "terse", 0) == before
    assert world.runs.progress(WORKSPACE, world.run.run_id).responses_done == 10
    assert world.tasks.failed[-1][1] == "RunCancelledError"


def test_cancel_amid_a_batch_keeps_what_was_answered() -> None:
    world = planned(40, batch_size=40)
    world.provider.latency_s = 0.15

    def cancels(prompt: str) -> Any:
        if world.provider.asked.total() >= 8:
            world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)
        return ok("x")

    world.provider.script = cancels

    assert world.call() is None

    kept = world.bodies.responses(0, "terse", 0)
    assert 8 <= len(kept) < 40
    assert spent(world) == len(kept) * COST_USD
    assert world.tasks.failed[-1][1] == "RunCancelledError"
    assert world.tasks.succeeded == []


def test_batch_that_ended_early_is_never_taken_for_a_finished_one__if_its_worker_dies() -> None:
    # A refused key leaves some rows: a worker that dies after writing them must not make them the batch's result.
    world = planned()
    world.provider.script = lambda _prompt: refusal(401)
    record = world.runs.record_batch

    def dies(*_: Any) -> None:
        raise StoreUnavailableError("DynamoDB did not answer.")

    world.runs.record_batch = dies  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailableError):
        world.call()
    world.runs.record_batch = record  # type: ignore[method-assign]

    assert world.call() is None
    assert world.tasks.succeeded == []
    assert [failed[1] for failed in world.tasks.failed] == ["RunCancelledError"]
    kept = world.runs.stop_error(WORKSPACE, world.run.run_id)
    assert kept is not None
    assert kept["code"] == "provider_auth"


def test_cap_ends_the_calls__and_the_rows_say_so() -> None:
    world = planned(40, batch_size=40, budget={"cap_usd": "0.010"})
    world.provider.latency_s = 0.02

    result = world.call()

    assert result is not None
    assert result.responses == 40
    by_reason = [row.failure_reason for row in world.bodies.responses(0, "terse", 0)]
    paid = by_reason.count(None)
    # The cap pays for ten; overshoot is bounded by the four calls in flight.
    assert 10 <= paid <= 13
    assert by_reason.count("budget") == 40 - paid
    assert spent(world) == paid * COST_USD
    assert world.tasks.succeeded
    assert stop_of(world) is None


def test_answers_of_another_run_are_free__when_the_cache_is_on() -> None:
    world = planned()
    world.call()
    world.runs.finish(world.run, "complete")
    world.start()
    world.plan()

    assert world.call() == GenerateResult(responses=10, failed=0, from_ledger=10)
    assert spent(world) == 0


@pytest.mark.parametrize("cache", ["off", "read"])
def test_own_answers_are_found_again__whatever_the_cache(cache: str) -> None:
    world = planned(cache=cache)
    world.objects.away = "/responses/"
    with pytest.raises(StoreError):
        world.call()
    world.objects.away = None

    assert world.call() == GenerateResult(responses=10, failed=0, from_ledger=0)
    assert set(world.provider.asked.values()) == {1}


def test_samples_that_a_template_cannot_take_are_told__before_anything_is_spent() -> None:
    body = definition_body()
    body["variants"]["terse"]["prompt"] = {"user": "{{ country.name }}"}
    world = StepWorld(body, rows(3))

    with pytest.raises(InvalidInputError, match="3 prompts cannot be made, and nothing was spent") as told:
        world.plan()

    assert [issue.line for issue in told.value.issues] == [1, 2, 3]
    assert all("has no attribute 'name'" in issue.message for issue in told.value.issues)
    assert world.provider.asked.total() == 0


def test_prompts_that_come_out_empty_are_told__before_anything_is_spent() -> None:
    body = definition_body()
    body["variants"]["terse"]["prompt"] = {"user": "{% if country == 'nowhere' %}{{ country }}{% endif %}"}
    world = StepWorld(body, rows(2))

    with pytest.raises(InvalidInputError, match="the prompt is empty"):
        world.plan()


def test_missing_secret_stops_the_run__before_a_call() -> None:
    world = planned()
    world.secrets.clear()

    assert world.call() is None
    assert world.tasks.failed[0][1] == "ProviderConfigurationError"
    assert world.provider.asked.total() == 0


def test_lease_that_cannot_be_renewed_is_no_failure() -> None:
    world = planned()

    def broken(*_: Any) -> None:
        raise StoreUnavailableError("SQS did not answer.")

    world.queue.keep = broken  # type: ignore[method-assign]

    assert world.call() is not None


def test_execution_that_waits_no_more_is_no_failure() -> None:
    world = planned()
    world.tasks.waiting = False

    assert world.call() is not None


def test_message_of_nobody_goes_to_the_dead_letters_at_once() -> None:
    world = planned()
    ports = world.call_ports(asyncio.new_event_loop())
    try:
        good = parsed_message(world.message().model_dump_json(), "arn:aws:sqs:r:1:openai_chat", "receipt", ports)
        with pytest.raises(MessageUndeliverableError, match="openai_chat"):
            parsed_message('{"hello": 1}', "arn:aws:sqs:r:1:openai_chat", "receipt", ports)
    finally:
        ports.run_async.__self__.close()  # type: ignore[attr-defined]

    assert good == world.message()
    assert world.queue.kept == [("https://sqs/openai_chat", "receipt", 0)]


# JudgeBatch


def answered(world: StepWorld) -> StepWorld:
    for number in range(len(world.generate_items())):
        world.call(world.message(number))
    return world


def test_batch_is_judged__every_variant() -> None:
    world = planned(12, batch_size=6)
    world.provider.script = lambda prompt: ok("Land1 City") if "Land1?" in prompt else ok("nowhere")
    answered(world)

    results = [world.judge(item) for item in world.judge_items()]

    assert [result.verdicts for result in results] == [12, 12]
    assert sum(result.not_scored for result in results) == 0
    verdicts = [v for item in world.judge_items() for v in world.bodies.verdicts(0, "correct", item.batch)]
    assert {(v.sample_id, v.variant) for v in verdicts if v.score == 1} == {("s001", "terse"), ("s001", "wordy")}
    assert len(verdicts) == 24
    assert world.runs.progress(WORKSPACE, world.run.run_id).verdicts_done == 24


def test_failed_answers_are_not_judged__and_counted() -> None:
    world = planned(10)
    world.provider.script = lambda prompt: refusal(400) if "Land3?" in prompt else ok("x")
    answered(world)

    result = world.judge(world.judge_items()[0])

    assert (result.verdicts, result.not_scored) == (20, 2)
    missing = [v for v in world.bodies.verdicts(0, "correct", 0) if v.status == "not_judged"]
    assert {(v.sample_id, v.score) for v in missing} == {("s003", None)}


def test_judging_again_counts_once() -> None:
    world = answered(planned(10))
    item = world.judge_items()[0]

    assert world.judge(item) == world.judge(item)
    assert world.runs.progress(WORKSPACE, world.run.run_id).verdicts_done == 20


def test_batch_without_answers_cannot_be_judged() -> None:
    world = planned(10)

    with pytest.raises(NotFoundError):
        world.judge(world.judge_items()[0])


# TakeLook


def test_fixed_design_ends_with_its_only_wave() -> None:
    world = world_of(25)
    state = world.plan()

    assert take_look(state, world.runs, world.objects) == state.model_copy(update={"next": "finish"})


def test_look_leads_into_the_next_wave__where_there_is_one() -> None:
    world = world_of(25)
    state = world.plan()
    frozen = world.bodies.frozen().model_copy(update={"batches_by_wave": (2, 1)})
    world.objects.put(object_keys.frozen(WORKSPACE, world.run.run_id), frozen.model_dump_json().encode())

    second = take_look(state, world.runs, world.objects)

    assert (second.wave, second.next) == (1, "next_wave")
    assert second.generate_manifest_key == object_keys.generate_manifest(WORKSPACE, world.run.run_id, 1)
    assert take_look(second, world.runs, world.objects).next == "finish"


def test_look_at_a_cancelled_run_ends_it() -> None:
    world = world_of()
    state = world.plan()
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    with pytest.raises(RunCancelledError):
        take_look(state, world.runs, world.objects)


# DeadLetter


def buried(world: StepWorld, body: str) -> bool:
    return dead_letter("message-1", body, DeadLetterPorts(world.runs, world.objects, world.tasks))


def test_message_nobody_could_process_fails_its_task__with_a_reason() -> None:
    world = planned()
    body = world.message().model_dump_json()

    assert buried(world, body) is True

    ((token, error, cause),) = world.tasks.failed
    assert (token, error) == ("token-0", "MessageUndeliverableError")
    assert "Batch 0 of variant 'terse'" in cause
    kept = world.runs.stop_error(WORKSPACE, world.run.run_id)
    assert kept is not None
    assert "logs of call_provider" in kept["what_to_do"]
    assert world.objects.get("dead-letters/message-1.json") == body.encode()


def test_earlier_reason_stays__when_a_message_is_buried() -> None:
    world = planned()
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    buried(world, world.message().model_dump_json())

    assert stop_of(world) == "cancelled"


@pytest.mark.parametrize("body", ["", "{", json.dumps({"task_token": "t"})])
def test_message_of_nobody_is_kept_for_the_operator(body: str) -> None:
    world = planned()

    assert buried(world, body) is False

    assert world.tasks.failed == []
    assert stop_of(world) is None
    assert world.objects.keys("dead-letters/") == ["dead-letters/message-1.json"]
