"""What crosses a boundary reads back as it was written, and step payloads stay small."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from abtest.contracts import object_keys
from abtest.contracts.records import Attempt, ModelResponse, Recording, Sample, Usage, Verdict
from abtest.contracts.steps import (
    AskItem,
    FailedState,
    GenerateItem,
    GenerateMessage,
    JudgeItem,
    JudgeMessage,
    RunInput,
    WaveState,
    queued_message,
)

ITEM = GenerateItem(
    workspace="default",
    run_id="run_1",
    wave=0,
    batch=3,
    variant="terse",
    vendor="openai_chat",
    queue_url="https://sqs/queue",
    size=100,
)


def test_response_reads_back__with_money_exact() -> None:
    response = ModelResponse(
        sample_id="s1",
        variant="terse",
        outcome="answered",
        text="Línea\u2028dos",
        usage=Usage(input_tokens=3, cache_read_tokens=2, output_tokens=4, reasoning_tokens=1),
        latency_ms=12.5,
        cost_usd=Decimal("0.00000012"),
        attempts=(Attempt(status=200, latency_ms=12.5),),
    )

    line = response.model_dump_json()

    assert "\n" not in line
    assert json.loads(line)["cost_usd"] == "1.2E-7"
    assert ModelResponse.model_validate_json(line) == response


def test_usage_sums__cached_input_and_reasoning_output() -> None:
    usage = Usage(input_tokens=3, cache_read_tokens=2, cache_write_tokens=1, output_tokens=4, reasoning_tokens=5)

    assert (usage.total_input_tokens, usage.total_output_tokens) == (6, 9)


def test_verdict_may_lack_a_score__and_says_why() -> None:
    verdict = Verdict(sample_id="s1", variant="a", judge="correct", status="not_judged", reason="the call failed")

    assert verdict.score is None


@pytest.mark.parametrize(
    "body", [{"id": ""}, {"id": "x" * 257}, {"id": 1}, {"id": "a", "input": {}}, {"id": "a", "inputs": []}, {}]
)
def test_sample_refuses__what_it_does_not_know(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(body)


def test_recording_refuses__negative_counts() -> None:
    with pytest.raises(ValidationError):
        Recording.model_validate({"id": "a", "output": "x", "latency_ms": -1})


def test_step_ignores_fields__of_a_later_version() -> None:
    later = {"workspace": "default", "run_id": "run_1", "new_field": 1}

    assert RunInput.model_validate(later) == RunInput(workspace="default", run_id="run_1")


def test_message_reads_back__from_its_queue() -> None:
    message = GenerateMessage(task_token="token", batch=ITEM, deferrals=2)

    assert GenerateMessage.model_validate_json(message.model_dump_json()) == message


def test_message_without_deferrals_is_read__as_the_state_machine_sends_it() -> None:
    sent = {"task_token": "token", "batch": ITEM.model_dump(mode="json")}

    assert GenerateMessage.model_validate(sent).deferrals == 0


ASKED = AskItem(
    workspace="w", run_id="r", wave=1, batch=2, judge="good", size=20, vendor="anthropic", queue_url="https://sqs/a"
)


@pytest.mark.parametrize(
    "message",
    [
        GenerateMessage(task_token="token", batch=ITEM, deferrals=2),
        JudgeMessage(task_token="token", batch=ASKED.model_copy(update={"fallback": 1, "panels": ("council",)})),
    ],
)
def test_whatever_is_on_a_queue_reads_back__as_what_it_was(message: GenerateMessage | JudgeMessage) -> None:
    assert queued_message(message.model_dump_json()) == message


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "{}", '{"task_token": "t", "batch": {"workspace": "w", "run_id": "r"}}']
)
def test_whatever_else_is_on_a_queue__is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        queued_message(body)


def test_batches_have_names_of_their_own__in_the_progress_of_a_run() -> None:
    in_code = JudgeItem(workspace="w", run_id="r", wave=1, batch=2, judge="exact", size=20)

    assert (in_code.progress_key, ASKED.progress_key) == ("J#1#exact#2", "J#1#good#2")
    assert ITEM.progress_key == GenerateItem.key_of(ITEM.wave, ITEM.variant, ITEM.batch)


def test_next_wave_has_its_own_keys__and_what_holds_for_the_run() -> None:
    run = RunInput(workspace="w", run_id="r")
    first = WaveState.of(run, 0, copied=True, scored_by_code=False, asks_judges=True, escalates=True)

    second = first.model_copy(update={"escalation": "done"}).next_wave()

    assert second == WaveState.of(
        run, 1, "next_wave", copied=True, scored_by_code=False, asks_judges=True, escalates=True
    )
    assert (second.answers, second.escalation) == ("copied", "due")
    assert WaveState.of(run, 0).next_wave().escalation == "none"


def test_state_machine_hands_every_field_of_a_wave_on__where_it_leads_to_disagreements() -> None:
    machine = json.loads((Path(__file__).parents[3] / "statemachines/test_lifecycle.asl.json").read_text("utf-8"))
    handed = machine["States"]["Escalate"]["Parameters"]

    assert {name.removesuffix(".$") for name in handed} == set(WaveState.model_fields)
    changed = {name: value for name, value in handed.items() if value != f"$.{name.removesuffix('.$')}"}
    assert changed == {"ask_manifest_key.$": "$.escalation_manifest_key", "escalation": "done"}


def test_first_wave_is_the_state__before_any_look() -> None:
    state = WaveState(
        workspace="w", run_id="r", wave=0, generate_manifest_key="g", judge_manifest_key="j", map_results_prefix="m"
    )

    assert state.next == "first_wave"
    assert FailedState.model_validate({**state.model_dump(), "failure": {"Error": "X"}}).failure == {"Error": "X"}


def test_object_keys_are_distinct__and_within_the_workspace() -> None:
    keys = {
        object_keys.upload("w", "d"),
        object_keys.dataset_rows("w", "v"),
        object_keys.frozen("w", "r"),
        object_keys.generate_manifest("w", "r", 1),
        object_keys.judge_manifest("w", "r", 1),
        object_keys.ask_manifest("w", "r", 1),
        object_keys.escalation_manifest("w", "r", 1),
        object_keys.judge_calls("w", "r", 1, "a", 2, fallback=0),
        object_keys.judge_calls("w", "r", 1, "a", 2, fallback=1),
        object_keys.judge_pinned("w", "r", "a"),
        object_keys.map_results("w", "r", 1),
        object_keys.samples("w", "r", 1, 2),
        object_keys.responses("w", "r", 1, "a", 2),
        object_keys.verdicts("w", "r", 1, "a", 2),
        *(object_keys.artifact("w", "r", name) for name in object_keys.ARTIFACTS),
        object_keys.portfolio("w", "2026-03-01", "portfolio.html"),
    }

    assert len(keys) == 18
    assert {key.split("/")[1] for key in keys} == {"w"}


def test_object_keys_sort__as_waves_and_batches_count() -> None:
    keys = [object_keys.responses("w", "r", wave, "a", batch) for wave in (0, 2, 10) for batch in (0, 9, 10, 1000)]

    assert keys == sorted(keys)
    assert keys[0] == "runs/w/r/waves/0000/responses/a/00000.jsonl"
