"""Judging a run anew over the API: who may, what comes back, what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from entities import definition_body
from function_tools import Answer, call

from abtest.runtime.wiring import wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

ROWS = [{"id": f"s{n}", "inputs": {"country": f"Country {n}"}, "reference": f"City {n}"} for n in range(40)]
SHORT = {"judges": {"short": {"type": "length", "at_most": 5}}}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def good(answer: Answer, status: int = 200) -> dict[str, Any]:
    assert answer.status == status, answer.body
    body: dict[str, Any] = answer.body
    return body


def dataset(groups: str) -> str:
    rows = "\n".join(map(json.dumps, ROWS)).encode()
    registration = {"name": "capitals", "kind": "samples", "size_bytes": len(rows)}
    new = good(call("POST", "/v1/datasets", body=registration, groups=groups), 201)
    where = new["upload"]
    sent = requests.request(where["method"], where["url"], data=rows, headers=where["headers"], timeout=5)
    assert sent.status_code == 200
    return str(good(call("POST", f"/v1/datasets/{new['dataset_id']}/complete", groups=groups))["version"])


def completed(groups: str, workspace: str) -> dict[str, Any]:
    """Return a run that reached its verdict."""
    price = {"input_usd_per_million": "1", "output_usd_per_million": "4"}
    registration = {
        "vendor": "openai_chat",
        "base_url": "http://127.0.0.1:8000/v1",
        "prices": {"small": price, "judge": price},
    }
    good(call("PUT", "/v1/providers/local", body=registration, groups=groups))
    body = definition_body(dataset={"version": dataset(groups)}, budget={"cap_usd": "0.75"})
    test = good(call("POST", "/v1/tests", body=body, groups=groups), 201)
    run = good(call("POST", f"/v1/tests/{test['test_id']}/runs", groups=groups), 202)
    runs = wiring("api").runs
    assert runs.finish(runs.get(workspace, run["run_id"]), "complete")
    return run


def rejudge(groups: str, run_id: str, body: dict[str, Any], key: str | None = None) -> Answer:
    headers = {"idempotency-key": key} if key else None
    return call("POST", f"/v1/runs/{run_id}/rejudge", body=body, groups=groups, headers=headers)


def test_a_run_is_judged_anew__beside_the_old_one(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)

    new = good(rejudge(admin, old["run_id"], {**SHORT, "cap_usd": "0.25"}), 202)

    assert (new["rejudges"], new["test_id"], new["status"], new["cap_usd"]) == (
        old["run_id"],
        old["test_id"],
        "RUNNING",
        "0.25",
    )
    assert list(new["definition"]["judges"]) == ["short"]
    assert new["definition"]["primary_metric"] == "short"
    assert new["estimate"]["calls"] == 0
    assert good(call("GET", f"/v1/runs/{new['run_id']}", groups=admin)) == new
    assert old["rejudges"] is None


def test_runs_that_judge_anew_are_listed__without_their_definition(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)
    new = good(rejudge(admin, old["run_id"], SHORT), 202)

    listed = good(call("GET", "/v1/runs", groups=admin, query={"test_id": old["test_id"]}))["items"]

    assert {run["run_id"]: run["rejudges"] for run in listed} == {old["run_id"]: None, new["run_id"]: old["run_id"]}
    assert not any({"definition", "estimate", "warnings"} & run.keys() for run in listed)


def test_a_dry_run_shows_what_judges_will_cost__and_starts_nothing(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)
    quality = {"type": "rubric", "provider": "local", "model": "judge", "dimensions": ["accuracy", "style"]}
    body = {"judges": {"quality": quality}, "primary_metric": "quality.accuracy", "dry_run": True}

    planned = good(rejudge(admin, old["run_id"], body))

    assert set(planned) == {"rejudges", "definition", "estimate", "warnings"}
    (judge,) = planned["estimate"]["by_judge"]
    assert (judge["judge"], judge["model"], judge["calls"]) == ("quality", "judge", 80)
    assert planned["estimate"]["calls"] == 80
    assert float(planned["estimate"]["cost_usd_max"]) == float(judge["cost_usd_max"]) > 0
    listed = good(call("GET", "/v1/runs", groups=admin, query={"test_id": old["test_id"]}))["items"]
    assert [run["run_id"] for run in listed] == [old["run_id"]]


def test_the_same_key_starts_nothing_twice(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)

    first, again = (good(rejudge(admin, old["run_id"], SHORT, "key-1"), 202) for _ in range(2))
    other = rejudge(admin, old["run_id"], {**SHORT, "add": True}, "key-1")

    assert first["run_id"] == again["run_id"]
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")


def test_wrong_judges_are_told_at_once__templates_that_nobody_has_among_them(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)
    named = {"type": "rubric", "provider": "nobody", "model": "m", "dimensions": ["accuracy"]}
    judges = {"quality": {**named, "template": {"name": "house", "version": 1}}, "short": {"type": "length"}}

    answer = rejudge(admin, old["run_id"], {"judges": judges, "primary_metric": "qualty", "cap_usd": "a lot"})

    assert (answer.status, answer.body["code"]) == (422, "invalid_input")
    assert {issue["path"].removesuffix(".at_least") for issue in answer.body["errors"]} >= {
        "judges.quality.template",
        "judges.quality.provider",
        "primary_metric",
        "cap_usd",
    }


def test_a_template_of_the_workspace_stands_in_the_definition_as_its_text(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)
    built_in = next(
        one
        for one in good(call("GET", "/v1/judges/templates", groups=admin))["items"]
        if one["built_in"] and one["name"] == "rubric"
    )
    texts = good(call("GET", f"/v1/judges/templates/{built_in['name']}", groups=admin))
    body = {"judge": "rubric", "system": f"{texts['system']}\nBe strict.", "user": texts["user"]}
    kept = good(call("PUT", "/v1/judges/templates/house", body=body, groups=admin))
    judge = {
        "type": "rubric",
        "provider": "local",
        "model": "judge",
        "dimensions": ["accuracy"],
        "template": {"name": "house", "version": kept["version"]},
    }

    planned = good(rejudge(admin, old["run_id"], {"judges": {"quality": judge}, "dry_run": True}))
    created = definition_body(
        dataset=planned["definition"]["dataset"], judges={"quality": judge}, primary_metric="quality"
    )
    test = good(call("POST", "/v1/tests", body=created, groups=admin), 201)

    for definition in (planned["definition"], test["definition"]):
        assert definition["judges"]["quality"]["template"] == {"system": body["system"], "user": body["user"]}


def test_a_run_that_is_not_completed_is_a_conflict(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)
    running = good(rejudge(admin, old["run_id"], SHORT), 202)

    unfinished = rejudge(admin, running["run_id"], SHORT)
    second = rejudge(admin, old["run_id"], SHORT)

    assert (unfinished.status, unfinished.body["code"]) == (409, "conflict")
    assert "only a completed run" in unfinished.body["detail"]
    assert (second.status, second.body["code"]) == (409, "illegal_transition")


def test_viewers_judge_nothing__and_other_workspaces_see_nothing(admin: str, workspace: str) -> None:
    old = completed(admin, workspace)

    viewer = rejudge(admin.replace("admin", "viewer"), old["run_id"], SHORT)
    unknown = rejudge(admin, "run_unknown", SHORT)

    assert viewer.status == 403
    assert unknown.status == 404
