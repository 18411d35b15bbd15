"""Judging that meets trouble: repairs nobody takes, full messages, messages that come twice, money that runs out."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from entities import an_estimate, definition_body
from harness.judge_server import filled, schema_in
from step_world import PROVIDER, WORKSPACE, Reply, StepWorld, ok, refusal, rows

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts import object_keys
from abtest.contracts.records import Attempt, ModelResponse
from abtest.contracts.steps import AskItem, JudgeMessage, JudgeResult, WaveState
from abtest.providers.model import BatchResult, Deferral
from abtest.providers.registration import ModelProvider
from abtest.runtime.steps.finish_run import FinishRunPorts, finish_run
from abtest.runtime.steps.put_off import AskedBatch, put_off
from abtest.runtime.steps.take_look import take_look

RUBRIC = {"type": "rubric", "provider": "local", "model": "judge-1", "dimensions": ["helpfulness"]}
WITH_FALLBACK = RUBRIC | {"fallbacks": [{"provider": "backup", "model": "judge-2"}]}
BACKUP = ModelProvider(id="backup", vendor="openai_chat", base_url="http://127.0.0.1:8/v1", prices=PROVIDER.prices)
MOST_BYTES = 256 * 1024
LONGEST_TOKEN = 2_048
"""Of a task, in characters; Step Functions says so."""


def world_of(count: int = 10, *, judges: dict[str, Any] | None = None, batch_size: int = 100, **more: Any) -> StepWorld:
    named = judges or {"good": RUBRIC}
    body = definition_body(**{"judges": named, "primary_metric": next(iter(named)), **more})
    world = StepWorld(body, rows(count), batch_size=batch_size)
    world.providers.put(WORKSPACE, BACKUP)
    # Both variants say something else, so that no two questions are alike.
    world.provider.script = lambda prompt: ok(prompt)
    return world


def answered(world: StepWorld, wave: int = 0) -> None:
    for item in world.generate_items(wave):
        world.call(world.message().model_copy(update={"batch": item, "task_token": item.progress_key}))


def planned_and_answered(count: int = 10, **more: Any) -> StepWorld:
    world = world_of(count, **more)
    world.plan()
    answered(world)
    return world


def scored(body: dict[str, Any], score: int = 3) -> Reply:
    return ok(json.dumps(filled(schema_in(body), score)))


def asks_again(body: dict[str, Any]) -> bool:
    return "You were asked this before" in body["messages"][-1]["content"]


def message_of(item: AskItem) -> JudgeMessage:
    return JudgeMessage(task_token="token-j", batch=item)


def stop_of(world: StepWorld) -> str | None:
    return world.runs.spending(WORKSPACE, world.run.run_id).stop


# Repairs


def test_repairs_that_are_all_refused_fail_no_run__their_provider_has_answered() -> None:
    world = planned_and_answered(40)
    # As a model does whose context the first prompt just fits.
    world.provider.judge = lambda body: refusal(400) if asks_again(body) else ok("Dunno.")

    assert world.call(message_of(world.ask_items()[0])) == JudgeResult(verdicts=80, not_scored=80)

    assert stop_of(world) is None
    assert {verdict.status for verdict in world.bodies.verdicts(0, "good", 0)} == {"invalid"}


def test_repair_that_times_out_keeps_nobody_waiting__when_the_rest_was_answered() -> None:
    world = planned_and_answered(10)

    def judge(body: dict[str, Any]) -> Reply:
        if asks_again(body):
            return refusal(504)
        return ok("Dunno.") if "Land3?" in body["messages"][-1]["content"] else scored(body)

    world.provider.judge = judge

    assert world.call(message_of(world.ask_items()[0])) == JudgeResult(verdicts=20, not_scored=2)
    assert world.queue.put == []


def test_pinned_example_that_times_out_keeps_nobody_waiting() -> None:
    pinned = [{"name": "fine", "inputs": {"question": "2 + 2?"}, "answer": "4", "score": 5}]
    world = planned_and_answered(4, judges={"good": RUBRIC | {"pinned_examples": pinned}})
    world.provider.judge = lambda body: refusal(504) if "2 + 2?" in body["messages"][-1]["content"] else scored(body)

    assert world.call(message_of(world.ask_items()[0])) == JudgeResult(verdicts=8, not_scored=0)
    assert [one.status for one in world.bodies.pinned_verdicts("good")] == ["not_judged"]


def test_provider_that_answers_no_first_question_still_fails_the_run() -> None:
    world = planned_and_answered(40)
    world.provider.judge = lambda _body: refusal(400)

    assert world.call(message_of(world.ask_items()[0])) is None

    assert stop_of(world) == "failed"


# The size of a message


def failed_row(name: str, *, for_good: bool, attempts: int) -> ModelResponse:
    reason: Any = "bad_request" if for_good else "server_error"
    tried = Attempt(status=500, latency_ms=123_456.789, failure_reason=reason, retry_after_s=1234.5)
    return ModelResponse(
        sample_id=name, variant="judge/good", outcome="failed", failure_reason=reason, attempts=(tried,) * attempts
    )


@pytest.mark.parametrize("letter", ["x", "\N{GRINNING FACE}", "\x01"])
@pytest.mark.parametrize(("questions", "attempts"), [(40, 100), (500, 4), (1_000, 1), (20_000, 1)])
def test_message_that_is_put_back_fits_into_its_queue(letter: str, questions: int, attempts: int) -> None:
    world = planned_and_answered(2)
    message = JudgeMessage(task_token="t" * LONGEST_TOKEN, batch=world.ask_items()[0])
    names = [f"{number}{letter * 250}/{'v' * 64}/treatment_first/9/repair" for number in range(questions)]
    for_good = tuple(failed_row(name, for_good=True, attempts=attempts) for name in names[::2])
    tried = tuple(failed_row(name, for_good=False, attempts=attempts) for name in names[1::2])
    deferral = Deferral(5.0, "provider_throttles", "HTTP 429")
    result = BatchResult(for_good, stopped="deferred", deferral=deferral, answered_now=1, attempts_now=1)
    asked = AskedBatch(PROVIDER, "judge-1", replace(result, if_given_up=(*for_good, *tried)), {"done": 0})

    assert put_off(message, asked, StepPorts(world)) is None

    ((again, _),) = world.queue.put
    assert len(again.model_dump_json().encode()) < MOST_BYTES
    assert again.failed
    assert again.attempts or questions == 20_000


class StepPorts:
    """What putting off needs of a world."""

    def __init__(self, world: StepWorld) -> None:
        self.runs, self.queues, self.clock = world.runs, world.queue, world.clock


# Messages that come twice


def test_worker_that_was_overtaken_by_the_fallback_leaves_its_verdicts__a_look_may_have_read_them() -> None:
    world = planned_and_answered(4, judges={"good": WITH_FALLBACK})
    message = message_of(world.ask_items()[0])
    world.provider.judge = lambda _body: refusal(401)
    assert world.call(message) is None
    onward = world.queue.put[-1][0]

    def recovers_slowly(body: dict[str, Any]) -> Reply:
        """Let the fallback finish while the first model, which serves again, is asked by the message's twin."""
        if body["model"] == "judge-2":
            return scored(body, 5)
        if not world.bodies.verdicts_so_far(0, "good", 0):
            twin = threading.Thread(target=world.call, args=(onward,))
            twin.start()
            twin.join()
        return scored(body, 1)

    world.provider.judge = recovers_slowly

    assert world.call(message) == JudgeResult(verdicts=8, not_scored=0)
    assert {verdict.score for verdict in world.bodies.verdicts(0, "good", 0)} == {5.0}
    assert [token for token, _ in world.tasks.succeeded[-2:]] == ["token-j", "token-j"]


def test_replies_that_were_kept_at_a_hand_over_outlive_a_key_that_is_gone() -> None:
    world = planned_and_answered(8, judges={"good": WITH_FALLBACK})
    message = message_of(world.ask_items()[0])
    world.provider.judge = lambda body: refusal(401) if len(world.provider.bodies) > 5 else scored(body, 2)
    assert world.call(message) is None
    world.secrets.clear()

    assert world.call(message) is None

    kept = world.bodies.judge_calls(0, "good", 0)
    assert sum(call.response.outcome == "answered" for call in kept) == 5


# Money


def finished(world: StepWorld, state: WaveState) -> dict[str, Any]:
    finish_run(state, FinishRunPorts(world.runs, world.budgets, world.objects, world.clock, MemorySharedState()))
    key = object_keys.artifact(WORKSPACE, world.run.run_id, object_keys.ANALYSIS)
    analysis: dict[str, Any] = json.loads(world.objects.get(key))
    return analysis


def judged_and_finished(world: StepWorld, state: WaveState) -> dict[str, Any]:
    for item in world.ask_items():
        assert world.ask(item) is not None
    return finished(world, take_look(state, world.runs, world.objects))


def test_run_whose_cap_is_reached_by_its_judges_says_so() -> None:
    world = world_of(40, batch_size=10, budget={"cap_usd": "0.1"})
    state = world.plan()
    answered(world)

    analysis = judged_and_finished(world, state)

    (told,) = [warning for warning in analysis["warnings"] if "cap" in warning]
    missing = analysis["coverage"]["variants"][0]["missing"]["not_judged"] * 2
    assert told.startswith(f"The run reached its cap of $0.1: judges were not asked for {missing} verdicts")
    assert world.stored.status == "COMPLETED"


def test_run_that_judges_anew_does_not_take_the_cap_of_the_one_before_for_its_own() -> None:
    world = world_of(20, budget={"cap_usd": "0.02"})
    world.plan()
    answered(world)
    source = world.run
    world.runs.finish(world.stored, "complete")
    capped = world.test.definition.budget.model_copy(update={"cap_usd": Decimal(5)})
    definition = world.test.definition.model_copy(update={"budget": capped})
    told_at_start = ("kind: this guardrail is left out, because nobody measures its metric here.",)
    world.start(
        rejudges=source.run_id,
        definition=definition,
        estimate=an_estimate(),
        cap_usd=Decimal(5),
        warnings=told_at_start,
    )

    analysis = judged_and_finished(world, world.plan())

    assert analysis["warnings"][0] == told_at_start[0]
    (told,) = [warning for warning in analysis["warnings"] if "cap" in warning]
    assert told.startswith(f"Run {source.run_id}, whose answers are judged here, reached its cap")


# Looks


JUDGES = {
    "council": {
        "type": "panel",
        "members": ["cheap", "other"],
        "consensus": "mean",
        "agree_within": 1,
        "on_disagreement": "escalate",
        "escalate_to": "strong",
    },
    "cheap": RUBRIC,
    "other": RUBRIC | {"model": "judge-2"},
    "strong": RUBRIC | {"model": "judge-3"},
}


def disputed(body: dict[str, Any]) -> Reply:
    """Let two models disagree about every other answer, of which the third prefers those of one variant."""
    shown = body["messages"][-1]["content"]
    if body["model"] == "judge-3":
        return scored(body, 5 if "Capital of" in shown else 1)
    return scored(body, 1 if body["model"] == "judge-2" and sum(shown.encode()) % 2 else 4)


@pytest.mark.parametrize("kind", ["group_sequential", "always_valid"])
def test_each_look_reads_what_its_own_wave_was_escalated_to(kind: str) -> None:
    world = world_of(40, judges=JUDGES, batch_size=5, design={"kind": kind, "looks": 4})
    world.provider.judge = disputed
    state, looks = world.plan(), 0
    while state.next != "finish":
        wave = state.wave
        answered(world, wave)
        for item in world.ask_items(wave):
            world.ask(item)
        added = sum(result.verdicts for result in map(world.ask, world.escalation_items(wave)) if result)
        assert added > 0
        state, looks = take_look(state.model_copy(update={"escalation": "done"}), world.runs, world.objects), looks + 1
        now = world.runs.progress(WORKSPACE, world.run.run_id)
        judged = 2 * now.responses_done + now.verdicts_added
        assert now.verdicts_done == judged

    seen = json.loads(world.objects.get(object_keys.look(WORKSPACE, world.run.run_id, looks - 1)))
    analysis = finished(world, state)

    assert looks > 1
    council = next(one for one in analysis["comparisons"] if one["metric"] == "council")
    assert seen["treatments"][0]["effect"] == pytest.approx(council["effect"])
    assert council["effect"] < -0.5
    assert council["n"] == analysis["coverage"]["asked"] == 10 * looks
