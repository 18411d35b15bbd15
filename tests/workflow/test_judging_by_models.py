"""Judges that ask a model on the embedded AWS: whole runs, workers that die, fallbacks, escalation, judging anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from harness.judge_server import JudgingModel, dissents, judging_model, score_of
from harness.judged_runs import letter_of, number_of, plan_of, register, rows_of
from harness.platform import MockProvider, Platform, free_port
from harness.workers import kill_workers

pytestmark = pytest.mark.workflow

FLUSH_SIZE = 25
RUBRIC = {
    "type": "rubric",
    "provider": "judges",
    "model": "judge-1",
    "dimensions": ["helpfulness"],
    # It looks like an answer, and the model takes whatever looks so for one.
    "reference": "never",
}


@pytest.fixture(scope="module")
def _judges() -> Iterator[JudgingModel]:
    with judging_model() as model:
        yield model


@pytest.fixture
def judges(_judges: JudgingModel, platform: Platform, mock: MockProvider) -> JudgingModel:
    """A model that judges, registered as `judges` and in another vendor's format as `backup`; variants ask the mock."""
    _judges.behave()
    register(platform, "judges", f"{_judges.url}/v1")
    register(platform, "backup", _judges.url, vendor="anthropic")
    return _judges


def test_run_with_a_rubric_judge_and_one_in_code__goes_from_start_to_verdict(
    platform: Platform, mock: MockProvider, judges: JudgingModel, tag: str
) -> None:
    plan = judges.behave(garbled=0.1)
    both = {"good": RUBRIC, "correct": {"type": "exact_match"}}
    run = platform.wait(platform.start(plan_of(platform, 120, tag, both))["run_id"])

    assert run["status"] == "COMPLETED", run
    assert run["progress"]["verdicts"] == {"done": 480, "total": 480}
    found = rows_of(platform, run["run_id"], "verdicts/good")
    assert len(found) == len({(row["sample_id"], row["variant"]) for row in found}) == 240
    assert all(row["score"] == score_of(plan, "judge-1", letter_of(row), number_of(row)) for row in found)
    # A tenth of the prompts was asked about twice, and each only once.
    repaired = [row for row in found if row["votes"][0]["repaired"]]
    assert 5 <= len(repaired) <= 50
    assert judges.served()["by_model"] == {"judge-1": 240 + len(repaired)}
    assert max(judges.served()["by_prompt_sha"].values()) == 1
    calls = rows_of(platform, run["run_id"], "judge_calls/good")
    assert len(calls) == 240 + len(repaired)
    assert len(rows_of(platform, run["run_id"], "verdicts/correct")) == 240
    # Variants and judges are paid for by the same run.
    assert float(run["spent_usd"]) > 240 * (100 * 10 + 20 * 50) / 1e6
    assert run["verdict"]["sentence"]
    assert mock.calls()["total"] == 240


def test_worker_dies_while_it_asks_a_judge__nothing_is_asked_twice_beyond_its_window(
    platform: Platform, judges: JudgingModel, tag: str
) -> None:
    judges.behave(latency_ms=300)
    started = platform.start(plan_of(platform, 150, tag, {"good": RUBRIC}))
    platform.wait(started["run_id"], until=lambda run: run["progress"]["verdicts"]["done"] >= 30)
    killed = kill_workers(platform, "call_provider")
    in_flight = judges.served()["in_flight"]
    run = platform.wait(started["run_id"], timeout_s=150)

    assert killed >= 1
    assert run["status"] == "COMPLETED", run
    assert run["progress"]["verdicts"] == {"done": 300, "total": 300}
    found = rows_of(platform, run["run_id"], "verdicts/good")
    assert {row["status"] for row in found} == {"scored"}
    repeated = sum(times - 1 for times in judges.served()["by_prompt_sha"].values())
    assert repeated <= in_flight + killed * FLUSH_SIZE
    # What a batch paid for before its worker died is its own.
    assert {row["use"]["from_ledger"] for row in found} == {0}


def test_judge_whose_provider_is_down__is_followed_by_its_fallback(
    platform: Platform, judges: JudgingModel, tag: str
) -> None:
    register(platform, "gone", f"http://127.0.0.1:{free_port()}/v1", timeout_s=2)
    judge = RUBRIC | {"provider": "gone", "fallbacks": [{"provider": "backup", "model": "judge-1"}]}
    run = platform.wait(platform.start(plan_of(platform, 30, tag, {"good": judge}))["run_id"], timeout_s=120)

    assert run["status"] == "COMPLETED", run
    found = rows_of(platform, run["run_id"], "verdicts/good")
    assert len(found) == 60
    assert {(row["status"], row["votes"][0]["fallback"]) for row in found} == {("scored", 1)}
    assert judges.served()["by_model"] == {"judge-1": 60}


def test_judge_whose_provider_is_down__and_no_fallback_fails_the_run_with_a_sentence(
    platform: Platform, judges: JudgingModel, tag: str
) -> None:
    register(platform, "gone", f"http://127.0.0.1:{free_port()}/v1", timeout_s=2)
    plan = plan_of(platform, 30, tag, {"good": RUBRIC | {"provider": "gone"}})
    run = platform.wait(platform.start(plan)["run_id"], timeout_s=120)

    assert run["status"] == "FAILED"
    assert run["error"]["code"] == "provider_unavailable"
    assert "gone" in run["error"]["message"]
    # The answers are there: they can be judged anew.
    assert run["progress"]["responses"]["done"] == 60


def test_strong_judge_is_asked_only__where_two_cheap_ones_disagree(
    platform: Platform, judges: JudgingModel, tag: str
) -> None:
    plan = judges.behave(dissent=0.15)
    panel = {
        "type": "panel",
        "members": ["cheap", "other"],
        "consensus": "mean",
        "agree_within": 1,
        "on_disagreement": "escalate",
        "escalate_to": "strong",
    }
    members = {"cheap": RUBRIC, "other": RUBRIC | {"model": "judge-2"}, "strong": RUBRIC | {"model": "strong"}}
    run = platform.wait(platform.start(plan_of(platform, 60, tag, {"council": panel, **members}))["run_id"])

    assert run["status"] == "COMPLETED", run
    disputed = {(i, letter) for i in range(60) for letter in "AB" if dissents(plan, letter, i)}
    assert 5 < len(disputed) < 40
    assert judges.served()["by_model"] == {"judge-1": 120, "judge-2": 120, "strong": len(disputed)}
    strong = rows_of(platform, run["run_id"], "verdicts/strong")
    assert {(number_of(row), letter_of(row)) for row in strong} == disputed
    done = 240 + len(disputed)
    assert run["progress"]["verdicts"] == {"done": done, "total": done}
    entered = entered_states(platform, run)
    assert entered.count("AskJudges") == 2
    assert "Escalate" in entered
    assert "JudgeResponses" not in entered


def test_finished_run_is_judged_anew__and_no_variant_is_asked(
    platform: Platform, mock: MockProvider, judges: JudgingModel, tag: str
) -> None:
    plan = plan_of(platform, 40, tag, {"correct": {"type": "exact_match"}})
    first = platform.wait(platform.start(plan)["run_id"])
    assert first["status"] == "COMPLETED", first
    asked = mock.calls()["received"]

    started = platform.call(
        "POST", f"/v1/runs/{first['run_id']}/rejudge", json={"judges": {"good": RUBRIC}, "primary_metric": "good"}
    )
    run = platform.wait(started["run_id"])

    assert run["status"] == "COMPLETED", run
    assert mock.calls()["received"] == asked == 80
    assert judges.served()["by_model"] == {"judge-1": 80}
    responses = {"done": 80, "total": 80, "failed": 0, "from_ledger": 80}
    assert run["progress"] == {"responses": responses, "verdicts": {"done": 80, "total": 80}}
    assert run["rejudges"] == first["run_id"]
    assert "GenerateResponses" not in entered_states(platform, run)


def entered_states(platform: Platform, run: dict[str, Any]) -> list[str]:
    platform.execution(run)
    steps = platform.aws("stepfunctions")
    history = steps.get_execution_history(executionArn=run["execution_arn"], maxResults=1000)["events"]
    return [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]
