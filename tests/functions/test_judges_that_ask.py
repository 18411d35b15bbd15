"""Judges that ask a model, as steps of a run: their batches go the way of all calls, and every reply is kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from entities import definition_body
from harness.judge_server import filled, schema_in
from step_world import COST_USD, PROVIDER, WORKSPACE, Reply, StepWorld, ok, refusal, rows

from abtest.contracts.records import Verdict
from abtest.contracts.steps import AskItem, JudgeMessage, JudgeResult
from abtest.core.errors import ProviderConfigurationError, StoreUnavailableError
from abtest.providers.registration import ModelProvider
from abtest.runtime.steps.dead_letter import DeadLetterPorts, dead_letter
from abtest.runtime.steps.take_look import take_look

RUBRIC = {"type": "rubric", "provider": "local", "model": "judge-1", "dimensions": ["helpfulness"]}
PAIRWISE = {"type": "pairwise", "provider": "local", "model": "judge-1", "dimensions": ["helpfulness"]}
BACKUP = ModelProvider(
    id="backup", vendor="anthropic", base_url="http://127.0.0.1:9", max_in_flight=4, prices=PROVIDER.prices
)
FALLBACK = {"provider": "backup", "model": "judge-2"}
LONG_AGO_S = 7_200.0


def world_of(count: int = 10, *, batch_size: int = 10, **changes: Any) -> StepWorld:
    world = StepWorld(definition_body(**changes), rows(count), batch_size=batch_size)
    world.queue_urls["anthropic"] = "https://sqs/anthropic"
    world.providers.put(WORKSPACE, BACKUP)
    return world


def answered(world: StepWorld) -> StepWorld:
    """Plan a run and let its variants answer."""
    world.plan()
    for number in range(len(world.generate_items())):
        assert world.call(world.message(number)) is not None
    world.provider.bodies.clear()
    return world


def rubric_world(
    count: int = 10, *, batch_size: int = 10, judge: dict[str, Any] | None = None, **more: Any
) -> StepWorld:
    judges = {"correct": {"type": "exact_match"}, "good": judge or RUBRIC}
    return answered(world_of(count, batch_size=batch_size, **{"judges": judges, **more}))


def message_of(item: AskItem) -> JudgeMessage:
    return JudgeMessage(task_token="token-j", batch=item)


def verdicts_of(world: StepWorld, judge: str = "good", batch: int = 0) -> list[Verdict]:
    return world.bodies.verdicts(0, judge, batch)


def progress(world: StepWorld) -> Any:
    return world.runs.progress(WORKSPACE, world.run.run_id)


def stop_of(world: StepWorld) -> str | None:
    return world.runs.spending(WORKSPACE, world.run.run_id).stop


def spent(world: StepWorld) -> Decimal:
    return world.runs.spending(WORKSPACE, world.run.run_id).spent_usd


def shown_in(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def replies(text: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], Reply]:
    return lambda body: ok(text(body))


def scored(score: int) -> Callable[[dict[str, Any]], Reply]:
    return replies(lambda body: json.dumps(filled(schema_in(body), score)))


# Planning


def test_plan_has_a_manifest_for_each_kind_of_judge__and_freezes_their_facts() -> None:
    council = {"type": "panel", "members": ["good", "better"], "consensus": "mean"}
    judges = {"correct": {"type": "exact_match"}, "good": RUBRIC, "better": RUBRIC | {"model": "judge-2"}}
    world = world_of(25, judges={**judges, "council": council})

    state = world.plan()

    assert (state.scored_by_code, state.asks_judges, state.escalation, state.answers) == (True, True, "none", "asked")
    assert {item.judge for item in world.judge_items()} == {"correct"}
    assert [(item.batch, item.judge) for item in world.ask_items()] == [
        (batch, judge) for batch in range(3) for judge in ("good", "better")
    ]
    assert {(item.vendor, item.queue_url) for item in world.ask_items()} == {("openai_chat", "https://sqs/openai_chat")}
    assert world.stored.verdicts_total == 3 * 50
    frozen = world.bodies.frozen()
    assert list(frozen.judges) == ["correct", "good", "better", "council"]
    assert [facts.kind for facts in frozen.judges.values()] == ["code", "model", "model", "panel"]


def test_pairwise_judge_gives_a_verdict_a_pair__and_the_total_says_so() -> None:
    variants = definition_body()["variants"]
    world = world_of(
        7, judges={"better": PAIRWISE}, variants={**variants, "third": variants["wordy"]}, primary_metric="better"
    )

    state = world.plan()

    assert (state.scored_by_code, state.asks_judges) == (False, True)
    assert world.stored.verdicts_total == 14
    assert world.objects.keys("runs/").count(state.judge_manifest_key) == 0


def test_providers_of_judges_and_of_their_fallbacks_are_frozen_with_the_run() -> None:
    world = world_of(judges={"good": RUBRIC | {"fallbacks": [FALLBACK]}}, primary_metric="good")

    world.plan()

    assert set(world.bodies.frozen().providers) == {"local", "backup"}


def test_judge_without_a_provider_or_queue_is_told__before_anything_is_spent() -> None:
    judge = RUBRIC | {"fallbacks": [FALLBACK]}
    world = world_of(judges={"good": judge}, primary_metric="good")
    del world.queue_urls["anthropic"]
    with pytest.raises(ProviderConfigurationError, match="no queue for: anthropic"):
        world.plan()

    del world.providers._providers[WORKSPACE, "backup"]
    with pytest.raises(ProviderConfigurationError, match="No longer registered: backup"):
        world.plan()


# Asking


def test_batch_is_judged_by_a_model__paid_kept_and_reported() -> None:
    world = rubric_world()
    before = spent(world)

    result = world.ask(world.ask_items()[0])

    assert result == JudgeResult(verdicts=20, not_scored=0)
    assert world.tasks.succeeded[-1] == ("J#0#good#0", result)
    found = verdicts_of(world)
    assert [(v.status, v.score) for v in found] == [("scored", 4.0)] * 20
    assert {(v.sample_id, v.variant) for v in found} == {
        (row["id"], variant) for row in world.rows for variant in ("terse", "wordy")
    }
    assert {v.judge_version for v in found} == {world.bodies.frozen().judges["good"].version}
    assert len(world.provider.bodies) == 20
    assert spent(world) - before == 20 * COST_USD
    calls = world.bodies.judge_calls(0, "good", 0)
    assert len(calls) == 20
    assert {(call.fallback, call.response.variant) for call in calls} == {(0, "judge/good")}
    assert progress(world).verdicts_done == 20


def test_judge_sends_its_schema_and_its_parameters() -> None:
    world = rubric_world(2, judge=RUBRIC | {"parameters": {"max_tokens": 300, "temperature": 0.5}})

    world.ask(world.ask_items()[0])

    body = world.provider.bodies[0]
    assert (body["model"], body["temperature"], body["seed"]) == ("judge-1", 0.5, 0)
    assert 300 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert schema_in(body)["type"] == "object"


def test_what_a_judges_model_refuses_is_left_out__unless_a_person_wrote_it() -> None:
    world = world_of(2, judges={"good": RUBRIC | {"parameters": {"seed": 3}}}, primary_metric="good")
    refused = {"judge-1": ("output_schema", "temperature")}
    world.providers.put(WORKSPACE, PROVIDER.model_copy(update={"unsupported_parameters": refused}))
    answered(world)
    world.provider.judge = replies(lambda _body: '{"helpfulness": {"reason": "so", "score": 2}}')

    assert world.ask(world.ask_items()[0]) is not None

    body = world.provider.bodies[0]
    assert "response_format" not in body
    assert "temperature" not in body
    assert body["seed"] == 3


def test_second_delivery_of_a_judged_batch_asks_nothing__and_reports_again() -> None:
    world = rubric_world()
    item = world.ask_items()[0]
    first = world.ask(item)
    asked = len(world.provider.bodies)

    assert world.ask(item) == first
    assert len(world.provider.bodies) == asked
    assert progress(world).verdicts_done == 20


def test_worker_that_died_before_it_wrote_its_verdicts_paid_them_once() -> None:
    world = rubric_world()
    world.objects.away = "/verdicts/"
    with pytest.raises(StoreUnavailableError):
        world.ask(world.ask_items()[0])
    asked, paid = len(world.provider.bodies), spent(world)
    assert [token for token, _ in world.tasks.succeeded if token.startswith("J")] == []

    world.objects.away = None
    assert world.ask(world.ask_items()[0]) == JudgeResult(verdicts=20, not_scored=0)

    assert (len(world.provider.bodies), spent(world)) == (asked, paid)
    assert {v.use.from_ledger for v in verdicts_of(world, "good") if v.use and v.variant == "terse"} == {0}


def test_second_run_with_the_same_judge_pays_nothing() -> None:
    world = rubric_world()
    world.ask(world.ask_items()[0])
    world.runs.finish(world.run, "complete")
    world.start()
    answered(world)

    world.ask(world.ask_items()[0])

    assert world.provider.bodies == []
    assert spent(world) == 0
    assert all(v.use is not None and v.use.from_ledger == v.use.calls == 1 for v in verdicts_of(world))


def test_output_that_cannot_be_read_is_asked_for_once_more() -> None:
    world = rubric_world(4)

    def mends(body: dict[str, Any]) -> str:
        if len(body["messages"]) > 2 or "Dunno" in shown_in(body):
            return json.dumps(filled(schema_in(body), 5))
        return "Dunno."

    world.provider.judge = replies(mends)
    assert world.ask(world.ask_items()[0]) == JudgeResult(verdicts=8, not_scored=0)

    votes = [vote for v in verdicts_of(world) for vote in v.votes]
    assert {(vote.status, vote.repaired, vote.score) for vote in votes} == {("scored", True, 5.0)}
    assert {v.use.repairs for v in verdicts_of(world) if v.use} == {1}
    assert len(world.provider.bodies) == len(world.bodies.judge_calls(0, "good", 0)) == 16


def test_output_that_never_can_be_read_is_invalid__counted_and_no_score() -> None:
    world = rubric_world(4)
    world.provider.judge = replies(lambda _body: "Dunno.")

    assert world.ask(world.ask_items()[0]) == JudgeResult(verdicts=8, not_scored=8)
    assert {(v.status, v.score) for v in verdicts_of(world)} == {("invalid", None)}


def test_answers_that_failed_are_not_judged__and_nobody_is_asked_about_them() -> None:
    world = world_of(5, judges={"good": RUBRIC}, primary_metric="good")
    world.provider.script = lambda prompt: refusal(400) if "Land3?" in prompt else ok(f"It is {prompt}")
    answered(world)

    assert world.ask(world.ask_items()[0]) == JudgeResult(verdicts=10, not_scored=2)
    assert len(world.provider.bodies) == 8
    assert {v.sample_id for v in verdicts_of(world) if v.status == "not_judged"} == {"s003"}


def test_pair_is_asked_about_in_both_orders() -> None:
    world = world_of(6, judges={"better": PAIRWISE}, primary_metric="better")
    world.provider.script = lambda prompt: ok("short" if prompt.startswith("Capital") else "long and friendly")
    answered(world)
    # It prefers whatever is shown first.
    world.provider.judge = replies(lambda body: json.dumps(filled(schema_in(body), "1")))

    assert world.ask(world.ask_items()[0]) == JudgeResult(verdicts=6, not_scored=0)

    found = verdicts_of(world, "better")
    assert {(v.variant, v.against, v.score) for v in found} == {("wordy", "terse", 0.5)}
    assert {tuple((vote.order, vote.score) for vote in v.votes) for v in found} == {
        (("control_first", 0.0), ("treatment_first", 1.0))
    }
    assert len(world.provider.bodies) == 12


def test_repeats_are_calls_of_their_own() -> None:
    world = rubric_world(3, judge=RUBRIC | {"repeats": 3})

    world.ask(world.ask_items()[0])

    assert len(world.provider.bodies) == 18
    assert {len(v.votes) for v in verdicts_of(world)} == {3}


# Waiting, the budget, the end


def test_batch_of_a_judge_waits_in_its_queue__as_one_of_a_variant_does() -> None:
    world = rubric_world(6)
    world.provider.judge = lambda body: refusal(429) if "Land2 City" in shown_in(body) else scored(3)(body)
    item = world.ask_items()[0]

    assert world.call(message_of(item)) is None

    ((again, delay_s),) = world.queue.put
    assert isinstance(again, JudgeMessage)
    assert (again.batch, delay_s > 0) == (item, True)
    (waiting,) = progress(world).waiting
    assert (waiting.provider, waiting.model, waiting.why) == ("local", "judge-1", "provider_throttles")
    assert progress(world).verdicts_done == 10
    assert world.bodies.verdicts_so_far(0, "good", 0) == []

    world.provider.judge = scored(3)
    assert world.call(again) == JudgeResult(verdicts=12, not_scored=0)
    assert (progress(world).verdicts_done, progress(world).waiting) == (12, ())


def test_questions_that_nobody_had_money_for_are_not_judged() -> None:
    world = world_of(10, judges={"good": RUBRIC}, primary_metric="good", budget={"cap_usd": "0.025"})
    world.provider.script = lambda prompt: ok(prompt)
    answered(world)

    result = world.ask(world.ask_items()[0])

    assert result is not None
    assert 0 < result.not_scored < 20
    assert {v.status for v in verdicts_of(world)} == {"scored", "not_judged"}
    assert stop_of(world) is None
    assert spent(world) <= Decimal("0.025") + 8 * COST_USD


def test_cancelled_run_asks_no_judge() -> None:
    world = rubric_world()
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    assert world.ask(world.ask_items()[0]) is None

    assert world.provider.bodies == []
    assert world.tasks.failed[-1][1] == "RunCancelledError"


def test_cancel_while_a_judges_batch_waits_keeps_what_was_said() -> None:
    world = rubric_world(6)
    world.provider.judge = lambda body: refusal(429) if "Land2 City" in shown_in(body) else scored(3)(body)
    world.call(message_of(world.ask_items()[0]))
    asked = len(world.provider.bodies)
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    # As the queue counts it.
    assert world.call(world.queue.put[-1][0].model_copy(update={"deferrals": 1})) is None

    assert world.tasks.failed[-1][1] == "RunCancelledError"
    assert Counter(v.status for v in verdicts_of(world)) == {"scored": 10, "not_judged": 2}
    assert len(world.provider.bodies) == asked


def test_judge_whose_provider_refuses_the_key_fails_the_run__and_says_why() -> None:
    world = rubric_world()
    world.provider.judge = lambda _body: refusal(401)

    assert world.ask(world.ask_items()[0]) is None

    assert world.tasks.failed[-1][1] == "ProviderAuthError"
    kept = world.runs.stop_error(WORKSPACE, world.run.run_id)
    assert kept is not None
    assert "judge-1" in kept["what_to_do"]
    assert {v.status for v in verdicts_of(world)} == {"not_judged"}


def test_message_of_a_judge_nobody_could_process_fails_its_task() -> None:
    world = rubric_world()
    body = message_of(world.ask_items()[0]).model_dump_json()

    assert dead_letter("message-1", body, DeadLetterPorts(world.runs, world.objects, world.tasks)) is True

    assert "Batch 0 of judge 'good'" in world.tasks.failed[-1][2]


# Fallbacks


def messages_text(text: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "judge-2",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def speaks_both(first: Callable[[dict[str, Any]], Reply], second: int) -> Callable[[dict[str, Any]], Reply]:
    """Let `judge-1` reply by a function, and `judge-2`, in its own wire format, give one score."""

    def reply(body: dict[str, Any]) -> Reply:
        if body["model"] == "judge-1":
            return first(body)
        spoken = messages_text(json.dumps(filled(schema_in(body), second)))
        return ok("").model_copy(update={"body": json.dumps(spoken).encode()})

    return reply


def asked_of(world: StepWorld) -> Counter[str]:
    return Counter(str(body["model"]) for body in world.provider.bodies)


def test_fallback_is_asked_what_is_missing__and_the_vote_says_so() -> None:
    world = rubric_world(8, judge=RUBRIC | {"fallbacks": [FALLBACK]})

    def dies_after_five(body: dict[str, Any]) -> Reply:
        if len(world.provider.bodies) > 5:
            return refusal(401)
        return scored(2)(body)

    world.provider.judge = speaks_both(dies_after_five, 5)
    item = world.ask_items()[0]
    assert world.call(message_of(item)) is None

    ((onward, delay_s),) = world.queue.put
    assert isinstance(onward, JudgeMessage)
    assert (onward.batch.fallback, onward.batch.vendor, delay_s) == (1, "anthropic", 0)
    assert onward.batch.queue_url == "https://sqs/anthropic"
    assert (onward.task_token, onward.failed, onward.waiting_since_s) == ("token-j", (), None)
    assert stop_of(world) is None

    assert world.call(onward) == JudgeResult(verdicts=16, not_scored=0)

    # What the first model had answered is kept; the second one is asked the rest.
    by_model = Counter((v.votes[0].fallback, v.score) for v in verdicts_of(world))
    assert by_model == {(0, 2.0): 5, (1, 5.0): 11}
    assert asked_of(world)["judge-2"] == 11
    calls = world.bodies.judge_calls(0, "good", 0, models=2)
    assert {call.fallback for call in calls if call.response.outcome == "answered"} == {0, 1}


def test_provider_that_is_given_up_is_followed_by_the_fallback__even_where_most_is_answered() -> None:
    world = rubric_world(10, judge=RUBRIC | {"fallbacks": [FALLBACK]})

    def first(body: dict[str, Any]) -> Reply:
        return refusal(429) if "Land2 City" in shown_in(body) else scored(2)(body)

    world.provider.judge = speaks_both(first, 5)
    assert world.call(message_of(world.ask_items()[0])) is None
    ((waiting, _),) = world.queue.put
    since = {"waiting_since_s": world.clock.now().timestamp() - LONG_AGO_S}

    assert world.call(waiting.model_copy(update=since)) is None
    assert (progress(world).verdicts_done, progress(world).waiting) == (18, ())
    onward = world.queue.put[-1][0]
    assert isinstance(onward, JudgeMessage)
    assert onward.batch.fallback == 1
    assert world.call(onward) == JudgeResult(verdicts=20, not_scored=0)
    assert Counter(v.votes[0].fallback for v in verdicts_of(world)) == {0: 18, 1: 2}


def test_fallback_repairs_what_the_first_model_wrote() -> None:
    world = rubric_world(4, judge=RUBRIC | {"fallbacks": [FALLBACK]})

    def scrawls_and_dies(_body: dict[str, Any]) -> Reply:
        return ok("Dunno.") if len(world.provider.bodies) <= 8 else refusal(401)

    world.provider.judge = speaks_both(scrawls_and_dies, 5)
    assert world.call(message_of(world.ask_items()[0])) is None
    assert world.call(world.queue.put[-1][0]) == JudgeResult(verdicts=8, not_scored=0)

    votes = [vote for v in verdicts_of(world) for vote in v.votes]
    assert {(vote.status, vote.score, vote.repaired, vote.fallback) for vote in votes} == {("scored", 5.0, True, 1)}
    assert asked_of(world)["judge-2"] == 8


def test_last_fallback_that_cannot_serve_fails_the_run() -> None:
    world = rubric_world(4, judge=RUBRIC | {"fallbacks": [FALLBACK]})
    world.provider.judge = lambda _body: refusal(401)
    world.call(message_of(world.ask_items()[0]))

    assert world.call(world.queue.put[-1][0]) is None

    assert world.tasks.failed[-1][1] == "ProviderAuthError"
    assert stop_of(world) == "failed"


def test_key_that_is_gone_is_no_end_where_another_model_can_be_asked() -> None:
    world = world_of(4, judges={"good": RUBRIC | {"fallbacks": [FALLBACK]}}, primary_metric="good")
    answered(world)
    world.secrets.clear()

    assert world.call(message_of(world.ask_items()[0])) is None
    assert [item.batch.fallback for item, _ in world.queue.put if isinstance(item, JudgeMessage)] == [1]


def test_message_that_comes_twice_after_it_was_handed_on_is_handed_on_again__and_judged_once() -> None:
    world = rubric_world(4, judge=RUBRIC | {"fallbacks": [FALLBACK]})
    world.provider.judge = speaks_both(lambda _body: refusal(401), 5)
    message = message_of(world.ask_items()[0])
    world.call(message)
    world.call(message)
    first, second = (put for put, _ in world.queue.put)
    world.call(first)
    asked = asked_of(world)["judge-2"]

    assert world.call(second) == JudgeResult(verdicts=8, not_scored=0)
    assert asked_of(world)["judge-2"] == asked == 8
    assert world.call(message) == JudgeResult(verdicts=8, not_scored=0)


# Pinned examples

PINNED = [
    {"name": "fine", "inputs": {"question": "2 + 2?"}, "answer": "4", "score": 5},
    {"name": "poor", "inputs": {"question": "2 + 2?"}, "answer": "5", "score": 1},
]


def test_pinned_examples_are_asked_about_once_a_run__whatever_the_ledger_has() -> None:
    judge = RUBRIC | {"pinned_examples": PINNED}
    world = rubric_world(6, batch_size=3, judge=judge)
    for item in world.ask_items():
        world.ask(item)

    found = world.bodies.pinned_verdicts("good")
    assert [(one.example, one.expected, one.score) for one in found] == [("fine", 5.0, 4.0), ("poor", 1.0, 4.0)]
    assert len(world.provider.bodies) == 12 + 2
    calls = Counter(call.response.variant for call in world.bodies.judge_calls(0, "good", 0))
    assert calls == {"judge/good": 6, "judge/good/pinned": 2}

    world.runs.finish(world.run, "complete")
    world.start()
    answered(world)
    for item in world.ask_items():
        world.ask(item)
    assert len(world.provider.bodies) == 2
    assert spent(world) == 2 * COST_USD


def test_pinned_examples_are_not_asked_of_a_fallback__it_is_another_instrument() -> None:
    world = rubric_world(4, judge=RUBRIC | {"pinned_examples": PINNED, "fallbacks": [FALLBACK]})
    world.provider.judge = speaks_both(lambda _: refusal(401), 5)
    assert world.call(message_of(world.ask_items()[0])) is None
    ((onward, _),) = world.queue.put
    assert isinstance(onward, JudgeMessage)

    assert world.call(onward) == JudgeResult(verdicts=8, not_scored=0)

    assert asked_of(world)["judge-2"] == 8
    assert {(one.status, one.score) for one in world.bodies.pinned_verdicts("good")} == {("not_judged", None)}


def test_pinned_example_that_cannot_be_read_is_asked_for_once_more() -> None:
    world = rubric_world(2, judge=RUBRIC | {"pinned_examples": PINNED[:1]})
    seen: Counter[str] = Counter()

    def first_no(body: dict[str, Any]) -> Reply:
        about = "pinned" if "2 + 2?" in shown_in(body) else "other"
        seen[about] += 1
        return ok("Dunno.") if (about, seen[about]) == ("pinned", 1) else scored(3)(body)

    world.provider.judge = first_no
    world.ask(world.ask_items()[0])

    assert [(one.status, one.score) for one in world.bodies.pinned_verdicts("good")] == [("scored", 3.0)]
    assert seen["pinned"] == 2


# Escalation

CHEAP = RUBRIC | {"model": "judge-1"}
COUNCIL = {
    "type": "panel",
    "members": ["cheap", "other"],
    "consensus": "mean",
    "agree_within": 1,
    "on_disagreement": "escalate",
    "escalate_to": "strong",
}


def escalating(count: int = 6) -> StepWorld:
    judges = {
        "cheap": CHEAP,
        "other": CHEAP | {"model": "judge-2"},
        "strong": RUBRIC | {"model": "judge-3", "pinned_examples": PINNED[:1]},
        "council": COUNCIL,
    }
    world = world_of(count, judges=judges, primary_metric="council")
    world.provider.script = lambda prompt: ok(prompt)
    return answered(world)


def test_strong_judge_is_asked_only_where_the_panel_disagrees() -> None:
    world = escalating()
    assert world.stored.verdicts_total == 2 * 12
    assert [item.judge for item in world.escalation_items()] == ["strong"]

    def reply(body: dict[str, Any]) -> Reply:
        if body["model"] == "judge-3":
            return scored(5)(body)
        disputed = "Capital of Land2?" in shown_in(body) or "Capital of Land4?" in shown_in(body)
        return scored(1 if disputed and body["model"] == "judge-2" else 4)(body)

    world.provider.judge = reply
    for item in world.ask_items():
        assert world.ask(item) == JudgeResult(verdicts=12, not_scored=0)
    assert progress(world).verdicts_done == world.stored.verdicts_total

    result = world.ask(world.escalation_items()[0])

    assert result == JudgeResult(verdicts=2, not_scored=0)
    assert {(v.sample_id, v.variant) for v in verdicts_of(world, "strong")} == {("s002", "terse"), ("s004", "terse")}
    # Two disputed answers, and the pinned example.
    assert asked_of(world)["judge-3"] == 3
    assert len(world.bodies.pinned_verdicts("strong")) == 1
    now = progress(world)
    assert (now.verdicts_done, now.verdicts_added) == (26, 2)


def test_strong_judge_is_asked_nothing__where_all_agree() -> None:
    world = escalating(3)
    for item in world.ask_items():
        world.ask(item)

    assert world.ask(world.escalation_items()[0]) == JudgeResult(verdicts=0, not_scored=0)
    assert verdicts_of(world, "strong") == []
    assert (progress(world).verdicts_done, progress(world).verdicts_added) == (12, 0)


def test_escalation_is_due_in_each_wave() -> None:
    judges = {"cheap": CHEAP, "other": CHEAP | {"model": "judge-2"}, "strong": RUBRIC | {"model": "judge-3"}}
    world = world_of(4, judges={"correct": {"type": "exact_match"}, **judges, "council": COUNCIL})
    state = world.plan().model_copy(update={"escalation": "done"})
    frozen = world.bodies.frozen().model_copy(update={"batches_by_wave": (1, 1)})
    world.objects.put(
        state.generate_manifest_key.rpartition("/waves/")[0] + "/frozen.json", frozen.model_dump_json().encode()
    )

    following = take_look(state, world.runs, world.objects)

    assert (following.wave, following.next, following.escalation) == (1, "next_wave", "due")
    assert following.asks_judges
    assert following.ask_manifest_key.endswith("waves/0001/ask.jsonl")
