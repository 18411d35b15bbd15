"""`POST /v1/analysis/power`, event by event: plans, pilots, and how it refuses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from entities import a_run, a_test
from function_tools import Answer, LambdaContext, call, load_handler

from abtest.analytics.model import AnalysisResult, Comparison, Coverage, Decision, McNemarTable
from abtest.analytics.plan import AnalysisPlan, JudgeMetric
from abtest.contracts import object_keys
from abtest.management.model import RunPhase, RunVerdict
from abtest.runtime.wiring import wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

PATH = "/v1/analysis/power"
BODY = {"metric": "proportion", "discordance": 0.2, "effect": 0.05}


def ask(body: Any, groups: str | None = "[viewer]", **options: Any) -> Answer:
    return call("POST", options.pop("path", PATH), folder="plan_analysis", body=body, groups=groups, **options)


def refused(answer: Answer, status: int, code: str) -> dict[str, str]:
    """Check that an answer is a problem, and return its issues by path."""
    assert (answer.status, answer.content_type) == (status, "application/problem+json"), answer.body
    assert (answer.body["code"], answer.body["request_id"]) == (code, "request-1")
    return {issue["path"]: issue["message"] for issue in answer.body["errors"]}


def analysis(run_id: str) -> AnalysisResult:
    """Return an analysis of 200 pairs of which 40 differ."""
    plan = AnalysisPlan(
        test_name="t",
        run_id=run_id,
        control="old",
        variants=("old", "new"),
        judges=(JudgeMetric(name="correct", type="exact_match", binary=True),),
        primary_metric="correct",
    )
    comparison = Comparison(
        metric="correct",
        unit="points",
        control="old",
        treatment="new",
        primary=True,
        lower_is_better=False,
        n=200,
        n_missing=0,
        mean_control=0.7,
        mean_treatment=0.72,
        effect=0.02,
        se=0.0316,
        test="exact_mcnemar",
        status="ok",
        wins=22,
        losses=18,
        ties=160,
        mcnemar=McNemarTable(both=122, only_control=18, only_treatment=22, neither=38),
    )
    return AnalysisResult(
        plan=plan,
        decision=Decision(outcome="undecided", sentence="No difference was found."),
        coverage=Coverage(asked=200, paired={"new": 200}, variants=()),
        comparisons=(comparison,),
    )


@pytest.fixture
def run_id(workspace: str) -> str:
    """A completed run of the workspace."""
    wired = wiring("api")
    test = a_test(workspace)
    wired.tests.create(test)
    run = wired.runs.start(a_run(test), None)
    body = analysis(run.run_id).model_dump_json().encode()
    wired.objects.put(object_keys.artifact(workspace, run.run_id, object_keys.ANALYSIS), body)
    verdict = RunVerdict(decision="undecided", sentence="No difference was found.")
    ended = {"phase": RunPhase.DONE, "artifacts": object_keys.ARTIFACTS, "verdict": verdict}
    wired.runs.finish(run.model_copy(update=ended), "complete")
    return str(run.run_id)


def test_plan_is_answered__with_table_curve_and_methods() -> None:
    answer = ask({**BODY, "running": {"cost_usd_per_sample": "0.0025", "calls_per_minute": 120}})
    assert (answer.status, answer.content_type) == (200, "application/json")
    plan = answer.body
    assert (plan["status"], plan["samples"], plan["schema_version"]) == ("ok", 658, "1")
    assert Decimal(plan["cost_usd"]) == Decimal("1.645") and plan["duration_s"] == 658
    assert plan["answer"].startswith("You need 658 samples (pairs)")
    assert len(plan["curve"]) == 25 and len(plan["table"]) == 6 and len(plan["sizes"]) == 7
    assert {"name", "formula", "source"} == set(plan["methods"][0])


def test_signed_caller_finds_it__behind_the_service_prefix() -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/pipeline/ci"
    assert ask(BODY, path=f"/service{PATH}", user_arn=arn).body["samples"] == 658


@pytest.mark.parametrize("groups", [None, "[]", "[staff]"])
def test_who_is_no_viewer__is_refused(groups: str | None) -> None:
    refused(ask(BODY, groups), 403, "access_denied")


def test_everything_wrong__is_told_at_once() -> None:
    issues = refused(ask({**BODY, "effect": 0.3, "ties": 0.1, "design": {"looks": 3}}), 422, "invalid_input")
    assert set(issues) == {"discordance", "ties", "design.looks"}
    shapes = refused(ask({"metric": "median", "alpha": 2, "samples": 0, "seed": 1}), 422, "invalid_input")
    assert set(shapes) == {"metric", "alpha", "samples", "seed"}
    assert set(refused(ask("[1]"), 422, "invalid_input")) == {"(body)"}


def test_numbers_json_does_not_have__are_refused() -> None:
    for word in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = f'{{"metric": "mean", "sd_difference": 1, "effect": {word}}}'
        assert set(refused(ask(text), 422, "invalid_input")) == {"effect"}


def test_finished_run__is_a_pilot(admin: str, run_id: str) -> None:
    plan = ask({"effect": 0.05, "pilot_run_id": run_id}, admin).body
    assert (plan["metric"], plan["samples"]) == ("proportion", 658)
    assert any(run_id in sentence for sentence in plan["assumptions"])
    issues = refused(
        ask({"effect": 0.05, "pilot_run_id": run_id, "pilot_metric": "other"}, admin), 422, "invalid_input"
    )
    assert set(issues) == {"pilot"}


def test_run_that_is_no_pilot__is_refused(admin: str, workspace: str, run_id: str) -> None:
    refused(ask({"effect": 0.05, "pilot_run_id": run_id}, "[viewer workspace.other]"), 404, "not_found")
    refused(ask({"effect": 0.05, "pilot_run_id": "run_0"}, admin), 404, "not_found")
    assert set(refused(ask({**BODY, "pilot_metric": "correct"}, admin), 422, "invalid_input")) == {"pilot_run_id"}
    wired = wiring("api")
    test = a_test(workspace)
    wired.tests.create(test)
    running = wired.runs.start(a_run(test), None)
    refused(ask({"effect": 0.05, "pilot_run_id": running.run_id}, admin), 409, "conflict")
    wired.objects.put(object_keys.artifact(workspace, run_id, object_keys.ANALYSIS), b'{"schema_version": "0"}')
    refused(ask({"effect": 0.05, "pilot_run_id": run_id}, admin), 409, "conflict")


def test_other_path__is_missing_here() -> None:
    refused(ask(BODY, path="/v1/analysis/other"), 404, "not_found")


def test_warm_up_answers__without_a_request() -> None:
    assert load_handler("plan_analysis").lambda_handler({"warm": True}, LambdaContext()) == {"warm": True}
