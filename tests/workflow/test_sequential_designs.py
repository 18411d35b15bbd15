"""Designs that look before the end, on the embedded AWS: a run stops at a look, or goes on to its end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from harness.platform import MockProvider, Platform, definition, samples

pytestmark = pytest.mark.workflow


def looks_of(platform: Platform, run_id: str, waves: int) -> list[dict[str, Any]]:
    """Return what each look of a run saw."""
    bucket, s3 = platform.stack.outputs["DataBucketName"], platform.aws("s3")
    keys = [f"runs/default/{run_id}/waves/{wave:04d}/look.json" for wave in range(waves)]
    return [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def states_of(platform: Platform, run: dict[str, Any]) -> list[str]:
    history = platform.aws("stepfunctions").get_execution_history(executionArn=run["execution_arn"], maxResults=1000)
    names = [e["stateEnteredEventDetails"]["name"] for e in history["events"] if "stateEnteredEventDetails" in e]
    return [name for name in names if name not in ("CallProvider", "JudgeBatch")]


@pytest.mark.parametrize("kind", ["group_sequential", "always_valid"])
def test_large_effect__stops_the_run_at_an_early_look(
    kind: str, platform: Platform, mock: MockProvider, tag: str
) -> None:
    design = {"kind": kind, "looks": 5}
    run = platform.start(definition(platform.dataset(samples(200, tag)), design=design))
    done = platform.wait(run["run_id"])

    assert done["status"] == "COMPLETED", done
    assert done["stopped_early"] == "efficacy"
    assert (done["looks_planned"], done["looks_taken"]) == (5, 1)
    assert done["verdict"]["decision"] == "keep_control"
    # One wave of 40 samples was asked of each of the two variants, and no more.
    assert mock.calls()["total"] == 80
    assert states_of(platform, done).count("GenerateResponses") == 1
    analysis = platform.call("GET", f"/v1/runs/{run['run_id']}/analysis")
    primary = analysis["comparisons"][0]
    assert (analysis["coverage"]["asked"], primary["n"], primary["test"]) == (40, 40, kind)
    assert primary["p_value"] < 0.05
    assert primary["sensitivity"] is None
    assert primary["mcnemar"]["p_value"] is None
    assert any("ended early, after look 1 of 5, 40 of 200 samples" in warning for warning in analysis["warnings"])
    (look,) = looks_of(platform, run["run_id"], 1)
    assert (look["stop"], look["treatments"][0]["decided"]) == ("efficacy", True)
    html = platform.artifact(run["run_id"], "report.html").decode()
    assert "this is look 1 of 5, 40 of 200 planned samples" in re.sub(r"\s+", " ", html)


def test_no_effect__runs_to_the_last_look(platform: Platform, mock: MockProvider, tag: str) -> None:
    variants = definition("0" * 64)["variants"]
    variants["prefixed"]["prompt"] = {"user": "{{ q }}", "system": "Answer."}
    rows = samples(120, tag)
    run = platform.start(
        definition(platform.dataset(rows), variants=variants, design={"kind": "group_sequential", "looks": 3})
    )
    done = platform.wait(run["run_id"])

    assert done["status"] == "COMPLETED", done
    assert (done["looks_taken"], done["stopped_early"]) == (3, None)
    assert done["verdict"]["decision"] == "undecided"
    assert mock.calls()["total"] == 240
    assert states_of(platform, done).count("TakeLook") == 3
    looks = looks_of(platform, run["run_id"], 3)
    assert [look["position"]["asked"][-1] for look in looks] == [40, 80, 120]
    assert [look["treatments"][0]["n"] for look in looks] == [40, 80, 120]


def test_spent_cap__stops_at_the_look(platform: Platform, mock: MockProvider, tag: str) -> None:
    design = {"kind": "group_sequential", "looks": 4}
    variants = definition("0" * 64)["variants"]
    variants["prefixed"]["prompt"] = {"user": "{{ q }}", "system": "Answer."}
    version = platform.dataset(samples(400, tag))
    capped = definition(version, variants=variants, design=design, budget={"cap_usd": "0.05"})
    done = platform.wait(platform.start(capped)["run_id"])

    assert done["status"] == "COMPLETED", done
    assert done["stopped_early"] == "budget"
    assert done["looks_taken"] < 4
    assert mock.calls()["total"] < 800


def test_futile_trend__ends_the_run_at_the_look(platform: Platform, mock: MockProvider, tag: str) -> None:
    variants = definition("0" * 64)["variants"]
    variants["prefixed"]["prompt"] = {"user": "{{ q }}", "system": "Answer."}
    design = {"kind": "group_sequential", "looks": 3, "futility": 0.1}
    body = definition(platform.dataset(samples(120, tag)), variants=variants, design=design)
    done = platform.wait(platform.start(body)["run_id"])

    assert done["status"] == "COMPLETED", done
    assert done["stopped_early"] == "futility"
    assert done["looks_taken"] < 3
    assert mock.calls()["total"] == 80 * done["looks_taken"]
    assert done["verdict"]["decision"] == "undecided"


def test_guardrails_and_margin__decide_with_the_primary_metric(
    platform: Platform, mock: MockProvider, tag: str
) -> None:
    variants = definition("0" * 64)["variants"]
    variants["prefixed"]["prompt"] = {"user": "{{ q }}", "system": "Answer."}
    guardrails = {
        "errors": {"metric": "error_rate", "margin": 0.1},
        "p95": {"metric": "latency_ms", "statistic": "p95", "margin": 10_000},
        "length": {"metric": "input_tokens", "margin_relative": 0.0001},
    }
    body = definition(platform.dataset(samples(100, tag)), variants=variants, primary_margin=0.1, guardrails=guardrails)
    run = platform.start(body)
    done = platform.wait(run["run_id"])

    analysis = platform.call("GET", f"/v1/runs/{run['run_id']}/analysis")
    verdicts = {guardrail["name"]: guardrail["verdict"] for guardrail in analysis["guardrails"]}
    assert verdicts["errors"] == "holds"
    assert verdicts["p95"] == "holds"
    assert verdicts["length"] == "broken"
    assert done["verdict"]["decision"] == "keep_control"


def test_running_fixed_test__shows_no_result(platform: Platform, mock: MockProvider, tag: str) -> None:
    mock.behave(latency_ms=400)
    run = platform.start(definition(platform.dataset(samples(100, tag))))
    now = platform.wait(run["run_id"], until=lambda r: r["progress"]["responses"]["done"] > 0)
    assert (now["status"], now["verdict"]) == ("RUNNING", None)
    refused = platform.http.get(f"/v1/runs/{run['run_id']}/analysis")
    assert refused.status_code == 409
    assert "p_value" not in refused.text
    assert platform.wait(run["run_id"])["status"] == "COMPLETED"
