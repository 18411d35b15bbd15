"""The state machine on the embedded AWS, from start request to verdict, with real handlers."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from harness.platform import MockProvider, Platform, definition, samples

pytestmark = pytest.mark.workflow


def test_run__completes_with_verdict_artifacts_and_readable_history(
    platform: Platform, mock: MockProvider, tag: str
) -> None:
    run = platform.start(definition(platform.dataset(samples(120, tag))))
    done = platform.wait(run["run_id"])

    assert done["status"] == "COMPLETED", done
    assert done["verdict"]["decision"] == "keep_control"
    assert done["progress"] == {
        "responses": {"done": 240, "total": 240, "failed": 0, "from_ledger": 0},
        "verdicts": {"done": 240, "total": 240},
    }
    assert mock.calls()["total"] == 240
    analysis = platform.call("GET", f"/v1/runs/{run['run_id']}/analysis")
    assert analysis["coverage"]["asked"] == 120
    assert analysis["comparisons"][0]["mean_control"] == 1.0
    assert analysis["comparisons"][0]["mean_treatment"] == 0.0
    rows = list(csv.DictReader(io.StringIO(platform.artifact(run["run_id"], "samples.csv").decode())))
    assert len(rows) == 240
    assert {row["correct"] for row in rows if row["variant"] == "same"} == {"1"}
    html = platform.artifact(run["run_id"], "report.html").decode()
    assert done["verdict"]["sentence"].partition(": ")[0] in html
    assert not re.search(r"(src|href)=[\"']https?://", html)

    steps = platform.aws("stepfunctions")
    execution = platform.execution(done)
    assert execution["status"] == "SUCCEEDED"
    history = steps.get_execution_history(executionArn=done["execution_arn"], maxResults=1000)["events"]
    entered = [e["stateEnteredEventDetails"]["name"] for e in history if "stateEnteredEventDetails" in e]
    assert [name for name in entered if name not in ("CallProvider", "JudgeBatch")] == [
        "PlanRun", "ChooseAnswers", "GenerateResponses", "ChooseScoring", "JudgeResponses", "ChooseAsking",
        "ChooseEscalation", "TakeLook", "ChooseNext", "FinishRun", "RunCompleted",
    ]  # fmt: skip
    map_runs = steps.list_map_runs(executionArn=done["execution_arn"])["mapRuns"]
    assert len(map_runs) == 2


def test_run_again__pays_nothing_twice(platform: Platform, mock: MockProvider, tag: str) -> None:
    test = platform.call("POST", "/v1/tests", json=definition(platform.dataset(samples(30, tag))))
    first = platform.wait(platform.call("POST", f"/v1/tests/{test['test_id']}/runs")["run_id"])
    again = platform.wait(platform.call("POST", f"/v1/tests/{test['test_id']}/runs")["run_id"])

    assert mock.calls()["total"] == 60
    assert again["progress"]["responses"]["from_ledger"] == 60
    assert (first["spent_usd"] != "0", again["spent_usd"]) == (True, "0")
    assert again["verdict"] == first["verdict"]


def test_start__same_idempotency_key_starts_one_run(platform: Platform, mock: MockProvider, tag: str) -> None:
    test = platform.call("POST", "/v1/tests", json=definition(platform.dataset(samples(10, tag))))
    path = f"/v1/tests/{test['test_id']}/runs"
    runs = [platform.call("POST", path, headers={"Idempotency-Key": f"key-{tag}"})["run_id"] for _ in range(3)]

    assert len(set(runs)) == 1
    assert platform.wait(runs[0])["status"] == "COMPLETED"
    assert mock.calls()["total"] == 20


def test_faults__every_sample_has_an_outcome_and_none_is_paid_twice(
    platform: Platform, mock: MockProvider, tag: str
) -> None:
    mock.behave(rate_429=0.05, rate_500=0.05, rate_disconnect=0.05, latency_ms=10)
    run = platform.wait(platform.start(definition(platform.dataset(samples(150, tag))))["run_id"])

    assert run["status"] == "COMPLETED"
    rows = list(csv.DictReader(io.StringIO(platform.artifact(run["run_id"], "samples.csv").decode())))
    assert len(rows) == 300
    assert all(row["outcome"] == "answered" or row["failure_reason"] for row in rows)
    assert max(mock.calls()["by_prompt_sha"].values()) == 1


def test_budget__run_stops_at_its_cap_and_says_so(platform: Platform, mock: MockProvider, tag: str) -> None:
    mock.behave(latency_ms=100)
    capped = definition(platform.dataset(samples(200, tag)), budget={"cap_usd": "0.1"})
    run = platform.wait(platform.start(capped)["run_id"])

    assert run["status"] == "COMPLETED"
    analysis = platform.call("GET", f"/v1/runs/{run['run_id']}/analysis")
    assert any("reached its cap of $0.1" in warning for warning in analysis["warnings"]), analysis["warnings"]
    answered, paid = mock.calls()["total"], float(run["spent_usd"])
    assert 0 < answered < 400
    # Overshoot is bounded: two workers, each with 20 calls in flight and 20 answers the other has not heard of.
    assert 0.1 <= paid <= 0.1 + 80 * paid / answered
    missing = sum(row["missing"].get("budget", 0) for row in analysis["coverage"]["variants"])
    assert missing == 400 - answered


def test_portfolio__lists_runs(platform: Platform, mock: MockProvider, tag: str) -> None:
    run = platform.wait(platform.start(definition(platform.dataset(samples(10, tag)), name=f"p{tag}"))["run_id"])
    name = json.loads(platform.stack.outputs["FunctionNames"])["daily_analytics"]
    answer = json.loads(platform.aws("lambda").invoke(FunctionName=name, Payload=b"{}")["Payload"].read())

    assert answer["workspaces"] == 1
    s3, bucket = platform.aws("s3"), platform.stack.outputs["DataBucketName"]
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="portfolio/default/")["Contents"]]
    (page,) = [key for key in keys if key.endswith("portfolio.html")]
    html = s3.get_object(Bucket=bucket, Key=page)["Body"].read().decode()
    assert f"p{tag}" in html
    assert run["verdict"]["sentence"].partition(":")[0] in html
