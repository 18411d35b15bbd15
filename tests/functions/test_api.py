"""The API, event by event: what each route answers, to whom, and how it refuses."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import boto3
import pytest
import requests
from aws_fakes import BUCKET, REGION, FakeAws
from entities import definition_body, replay_body
from function_tools import Answer, LambdaContext, api_event, call, load_handler

from abtest.contracts import object_keys
from abtest.evaluation.registry import judge_types
from abtest.management.model import RunPhase, RunVerdict
from abtest.runtime.wiring import wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

ROWS = [{"id": f"s{n}", "inputs": {"country": f"Country {n}"}, "reference": f"City {n}"} for n in range(60)]
RECORDED = [{"id": row["id"], "output": row["reference"], "cost_usd": "0.001"} for row in ROWS]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem, and return it."""
    assert answer.status == status, answer.body
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.body
    assert set(body) == {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert (body["status"], body["code"], body["request_id"]) == (status, code, "request-1")
    assert body["type"] == f"urn:abtest:problem:{code}"
    return body


def good(answer: Answer, status: int = 200) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.content_type == "application/json"
    body: dict[str, Any] = answer.body
    return body


def upload(rows: list[Any], groups: str, kind: str = "samples") -> str:
    """Register a dataset, send its rows the way a client does, and return its identifier."""
    body = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
    registration = {"name": "capitals", "kind": kind, "size_bytes": len(body)}
    new = good(call("POST", "/v1/datasets", body=registration, groups=groups), 201)
    assert new["status"] == "awaiting_upload"
    where = new["upload"]
    sent = requests.request(where["method"], where["url"], data=body, headers=where["headers"], timeout=5)
    assert sent.status_code == 200
    return str(new["dataset_id"])


def dataset(groups: str, rows: list[Any] | None = None, kind: str = "samples") -> str:
    dataset_id = upload(rows if rows is not None else ROWS, groups, kind)
    return str(good(call("POST", f"/v1/datasets/{dataset_id}/complete", groups=groups))["version"])


def provider(groups: str) -> None:
    registration = {
        "vendor": "openai_chat",
        "base_url": "http://127.0.0.1:8000/v1",
        "prices": {"small": {"input_usd_per_million": "0.1", "output_usd_per_million": "0.4"}},
    }
    good(call("PUT", "/v1/providers/local", body=registration, groups=groups))


def new_test(groups: str, **changes: Any) -> dict[str, Any]:
    provider(groups)
    body = definition_body(dataset={"version": dataset(groups)}, **changes)
    return good(call("POST", "/v1/tests", body=body, groups=groups), 201)


def run_of(groups: str, test_id: str, key: str | None = None) -> Answer:
    return call("POST", f"/v1/tests/{test_id}/runs", groups=groups, headers={"idempotency-key": key} if key else None)


# The whole way


def test_dataset_becomes_a_test_and_a_run__over_the_api_alone(admin: str, workspace: str, aws: FakeAws) -> None:
    test = new_test(admin, budget={"cap_usd": "0.50"})
    assert test["status"] == "READY"
    assert test["estimate"]["calls"] == 120
    assert Decimal(test["estimate"]["cost_usd_max"]) > 0
    counted = {row["input_counted_by"] for row in test["estimate"]["by_variant"]}
    assert counted == {"tokenizer o200k_base as a stand-in"}
    assert "o200k_base" in test["dataset"]["input_tokens"]
    # Ten workers at once, as the environment says where nothing else is set.
    assert "calls in flight at local, 0.2 s each (assumed)" in test["estimate"]["duration_bound"]
    assert test["definition"]["budget"]["cap_usd"] == "0.50"
    assert "workspace" not in test

    run = good(run_of(admin, test["test_id"]), 202)

    assert (run["status"], run["phase"], run["test_id"]) == ("RUNNING", "planning", test["test_id"])
    assert run["cap_usd"] == "0.50"
    assert run["progress"] == {
        "responses": {"done": 0, "total": 0, "failed": 0, "from_ledger": 0},
        "verdicts": {"done": 0, "total": 0},
    }
    execution = boto3.client("stepfunctions", region_name=REGION).describe_execution(executionArn=run["execution_arn"])
    assert execution["name"] == run["run_id"]
    assert json.loads(execution["input"]) == {"workspace": workspace, "run_id": run["run_id"]}
    assert good(call("GET", f"/v1/runs/{run['run_id']}", groups=admin)) == run
    assert good(call("GET", f"/v1/tests/{test['test_id']}", groups=admin))["status"] == "RUNNING"


def test_recorded_answers_become_a_test__without_a_provider(admin: str) -> None:
    samples, recording = dataset(admin), dataset(admin, RECORDED, "recording")
    other = dataset(admin, [{**row, "output": "wrong"} for row in RECORDED], "recording")
    variants = {
        "old": {"provider": "replay", "model": "one", "recording": {"version": recording}},
        "new": {"provider": "replay", "model": "two", "recording": {"version": other}},
    }

    body = replay_body(dataset={"version": samples}, variants=variants)
    test = good(call("POST", "/v1/tests", body=body, groups=admin), 201)

    assert test["estimate"]["calls"] == 0
    assert test["estimate"]["cost_usd_max"] == "0"


# Who may


@pytest.mark.parametrize(
    ("method", "path", "body", "needed"),
    [
        ("GET", "/v1/providers", None, "viewer"),
        ("GET", "/v1/judges", None, "viewer"),
        ("GET", "/v1/tests", None, "viewer"),
        ("GET", "/v1/tests/test_x", None, "viewer"),
        ("GET", "/v1/runs", None, "viewer"),
        ("GET", "/v1/runs/run_x", None, "viewer"),
        ("GET", "/v1/runs/run_x/analysis", None, "viewer"),
        ("GET", "/v1/runs/run_x/artifacts", None, "viewer"),
        ("GET", "/v1/datasets/dataset_x", None, "viewer"),
        ("GET", "/v1/providers/local", None, "viewer"),
        ("POST", "/v1/datasets", {}, "experimenter"),
        ("POST", "/v1/datasets/dataset_x/complete", None, "experimenter"),
        ("POST", "/v1/tests", {}, "experimenter"),
        ("POST", "/v1/tests/test_x/runs", None, "experimenter"),
        ("POST", "/v1/runs/run_x/cancel", None, "experimenter"),
        ("PUT", "/v1/providers/local", {}, "admin"),
    ],
)
def test_lower_role_is_refused__before_anything_is_looked_at(method: str, path: str, body: Any, needed: str) -> None:
    lower = {"viewer": ["[]", "[staff]"], "experimenter": ["[viewer]"], "admin": ["[viewer]", "[experimenter]"]}[needed]
    for groups in lower:
        refusal = problem(call(method, path, body=body, groups=groups), 403, "access_denied")
        assert f"needs the role {needed}" in refusal["detail"]
    allowed = call(method, path, body=body, groups=f"[{needed}]")
    assert allowed.status in (200, 404, 422)


def test_request_without_identity_is_refused() -> None:
    refusal = problem(call("GET", "/v1/tests", groups=None), 403, "access_denied")

    assert "abtest login" in refusal["detail"]


def test_health_needs_no_identity__and_says_where_to_sign_in() -> None:
    health = good(call("GET", "/v1/health", groups=None))

    assert (health["status"], health["environment"]) == ("ok", "local")
    assert health["version"]
    assert health["sign_in"] == {
        "issuer": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf",
        "client_id": "client-1",
        "region": "us-east-1",
        "idp_endpoint_url": None,
    }


def test_signed_caller_finds_the_same_routes__behind_the_service_prefix() -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/pipeline/ci"

    assert "items" in good(call("GET", "/service/v1/tests", user_arn=arn))
    problem(call("PUT", "/service/v1/providers/local", body={}, user_arn=arn), 403, "access_denied")
    problem(call("GET", "/service/v1/runs/run_x", user_arn=arn), 404, "not_found")


def test_workspace_sees_only_its_own(admin: str) -> None:
    test = new_test(admin)
    run = good(run_of(admin, test["test_id"]), 202)

    for other in ("[admin]", "[admin workspace.someone-else]"):
        problem(call("GET", f"/v1/tests/{test['test_id']}", groups=other), 404, "not_found")
        problem(call("GET", f"/v1/runs/{run['run_id']}", groups=other), 404, "not_found")
        problem(call("POST", f"/v1/runs/{run['run_id']}/cancel", groups=other), 404, "not_found")
        problem(run_of(other, test["test_id"]), 404, "not_found")


# What is not there, or not possible


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tests/test_unknown",
        "/v1/runs/run_01J9Z3ABCDEFGHJKMNPQRSTVWX",
        "/v1/runs/run_x/analysis",
        "/v1/runs/run_x/artifacts",
        "/v1/datasets/dataset_unknown",
        "/v1/providers/nobody",
        "/v1/tests/a%20b",
        f"/v1/tests/{'x' * 3_000}",
        "/v1/nothing",
        "/v2/tests",
        "/",
    ],
)
def test_what_nobody_knows_is_not_found(path: str, admin: str) -> None:
    assert problem(call("GET", path, groups=admin), 404, "not_found")["detail"]


def test_wrong_method_is_told() -> None:
    answer = call("DELETE", "/v1/tests", groups="[admin]")

    assert answer.status in (404, 405)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("body", [None, "", "{", "[]", "3", "null", '"text"', "[" * 100_000])
def test_body_that_is_no_object_is_told(body: str | None, admin: str) -> None:
    for path in ("/v1/tests", "/v1/datasets"):
        assert problem(call("POST", path, body=body, groups=admin), 422, "invalid_input")["errors"] == [
            {"path": "(body)", "message": "not a JSON object", "allowed": "a JSON object"}
        ]


def test_body_in_base64_is_read__as_api_gateway_may_send_it(admin: str) -> None:
    event = api_event("POST", "/v1/datasets", groups=admin)
    event |= {"body": "eyJuYW1lIjogImEiLCAic2l6ZV9ieXRlcyI6IDF9", "isBase64Encoded": True}

    answer = load_handler("api").lambda_handler(event, LambdaContext())

    assert answer["statusCode"] == 201


@pytest.mark.parametrize("limit", ["0", "101", "many", "-1", "1.5", "²"])
def test_page_size_out_of_range_is_told(limit: str, admin: str) -> None:
    for path in ("/v1/tests", "/v1/runs"):
        (issue,) = problem(call("GET", path, query={"limit": limit}, groups=admin), 422, "invalid_input")["errors"]
        assert (issue["path"], issue["allowed"]) == ("limit", "1 to 100")


@pytest.mark.parametrize("cursor", ["nonsense", "e30=", "é"])
def test_wrong_cursor_is_told(cursor: str, admin: str) -> None:
    for path in ("/v1/tests", "/v1/runs"):
        problem(call("GET", path, query={"cursor": cursor}, groups=admin), 422, "invalid_input")


def test_unforeseen_failure_says_nothing__but_where_to_look(admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is 1234")

    monkeypatch.setattr(type(wiring("api").tests), "list", broken)

    refusal = problem(call("GET", "/v1/tests", groups=admin), 500, "internal_error")
    assert "1234" not in json.dumps(refusal)


# Datasets


def test_dataset_is_checked_and_frozen(admin: str) -> None:
    dataset_id = upload(ROWS, admin)

    ready = good(call("POST", f"/v1/datasets/{dataset_id}/complete", groups=admin))

    assert (ready["status"], ready["rows"], ready["kind"]) == ("ready", 60, "samples")
    assert len(ready["version"]) == 64
    assert ready["summary"]["references"] == 60
    assert good(call("GET", f"/v1/datasets/{dataset_id}", groups=admin)) == ready
    assert good(call("POST", f"/v1/datasets/{dataset_id}/complete", groups=admin)) == ready


def test_every_bad_row_is_told__with_its_line(admin: str) -> None:
    dataset_id = upload([ROWS[0], "{", {"id": 1}, ROWS[0], {"id": "x", "extra": 1}], admin)

    refusal = problem(call("POST", f"/v1/datasets/{dataset_id}/complete", groups=admin), 422, "invalid_input")

    assert [(issue["line"], issue["path"]) for issue in refusal["errors"]] == [
        (2, "(row)"),
        (3, "id"),
        (4, "id"),
        (5, "extra"),
    ]
    assert "4 of the dataset's rows" in refusal["detail"]
    assert good(call("GET", f"/v1/datasets/{dataset_id}", groups=admin))["status"] == "awaiting_upload"


def test_completing_before_the_upload_is_a_conflict(admin: str) -> None:
    new = good(call("POST", "/v1/datasets", body={"name": "a", "size_bytes": 1}, groups=admin), 201)

    problem(call("POST", f"/v1/datasets/{new['dataset_id']}/complete", groups=admin), 409, "conflict")


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, {"name", "size_bytes"}),
        ({"name": "", "size_bytes": 0, "kind": "images", "more": 1}, {"name", "size_bytes", "kind", "more"}),
        ({"name": "a", "size_bytes": 10**12}, {"size_bytes"}),
    ],
)
def test_wrong_registration_of_a_dataset_is_told__field_by_field(
    body: dict[str, Any], paths: set[str], admin: str
) -> None:
    refusal = problem(call("POST", "/v1/datasets", body=body, groups=admin), 422, "invalid_input")

    assert {issue["path"] for issue in refusal["errors"]} == paths


# Tests


def test_wrong_definition_is_told__every_issue_at_once(admin: str) -> None:
    provider(admin)
    body = definition_body(
        dataset={"version": dataset(admin)},
        control="ters",
        primary_metric="corect",
        judges={"correct": {"type": "exact_mach"}},
        cache="maybe",
    )
    body["variants"]["terse"]["provider"] = "locl"
    body["variants"]["wordy"]["prompt"]["user"] = "{{ contry }}"

    refusal = problem(call("POST", "/v1/tests", body=body, groups=admin), 422, "invalid_input")

    told = {issue["path"]: issue for issue in refusal["errors"]}
    assert set(told) == {
        "control",
        "primary_metric",
        "judges.correct.type",
        "cache",
        "variants.terse.provider",
        "variants.wordy.prompt.user",
    }
    assert "did you mean 'local'?" in told["variants.terse.provider"]["message"]
    assert "did you mean 'country'?" in told["variants.wordy.prompt.user"]["message"]
    assert good(call("GET", "/v1/tests", groups=admin))["items"] == []


def test_tests_are_listed__newest_first_and_page_by_page(admin: str) -> None:
    made = [new_test(admin, name=f"test-{number}")["test_id"] for number in range(3)]

    first = good(call("GET", "/v1/tests", query={"limit": "2"}, groups=admin))
    rest = good(call("GET", "/v1/tests", query={"limit": "2", "cursor": first["next_cursor"]}, groups=admin))

    listed = [test["test_id"] for test in (*first["items"], *rest["items"])]
    assert sorted(listed) == sorted(made)
    assert listed == sorted(made, reverse=True)
    assert rest["next_cursor"] is None


def test_definition_comes_back__as_it_was_sent(admin: str) -> None:
    test = new_test(admin, description="Línea \u2028 «dos»")

    assert test["definition"]["description"] == "Línea \u2028 «dos»"
    assert test["definition"]["judges"] == {"correct": {"type": "exact_match"}}
    assert good(call("GET", f"/v1/tests/{test['test_id']}", groups=admin)) == test


# Runs


def test_same_key_replays_the_start(admin: str) -> None:
    test = new_test(admin)

    first, second = run_of(admin, test["test_id"], "key-1"), run_of(admin, test["test_id"], "key-1")

    assert (first.status, second.status) == (202, 202)
    assert first.body["run_id"] == second.body["run_id"]
    assert len(good(call("GET", "/v1/runs", groups=admin))["items"]) == 1


def test_same_key_for_another_test_is_refused(admin: str) -> None:
    one, other = new_test(admin), new_test(admin)
    run_of(admin, one["test_id"], "key-1")

    problem(run_of(admin, other["test_id"], "key-1"), 409, "idempotency_key_reused")


def test_key_too_long_is_told(admin: str) -> None:
    test = new_test(admin)

    (issue,) = problem(run_of(admin, test["test_id"], "k" * 3_000), 422, "invalid_input")["errors"]
    assert issue["path"] == "Idempotency-Key"


def test_second_run_while_one_goes_on_is_a_conflict(admin: str) -> None:
    test = new_test(admin)
    run_of(admin, test["test_id"])

    refusal = problem(run_of(admin, test["test_id"]), 409, "illegal_transition")
    assert "RUNNING" in refusal["detail"]


def test_runs_are_listed__of_all_tests_or_one(admin: str) -> None:
    tests = [new_test(admin)["test_id"] for _ in range(2)]
    runs = [good(run_of(admin, test_id), 202)["run_id"] for test_id in tests]

    everything = good(call("GET", "/v1/runs", groups=admin))
    one = good(call("GET", "/v1/runs", query={"test_id": tests[0]}, groups=admin))

    assert [run["run_id"] for run in everything["items"]] == sorted(runs, reverse=True)
    assert [run["run_id"] for run in one["items"]] == [runs[0]]
    assert good(call("GET", "/v1/runs", query={"test_id": "x" * 3_000}, groups=admin))["items"] == []


def test_cancelling_says_so__and_a_run_that_ended_refuses(admin: str, workspace: str) -> None:
    run_id = good(run_of(admin, new_test(admin)["test_id"]), 202)["run_id"]

    asked = good(call("POST", f"/v1/runs/{run_id}/cancel", groups=admin), 202)

    assert asked["cancel_requested"] is True
    assert good(call("GET", f"/v1/runs/{run_id}", groups=admin))["cancel_requested"] is True
    runs = wiring("api").runs
    runs.finish(runs.get(workspace, run_id), "cancel")
    problem(call("POST", f"/v1/runs/{run_id}/cancel", groups=admin), 409, "conflict")


def test_progress_and_spending_are_shown__while_it_runs(admin: str, workspace: str) -> None:
    run_id = good(run_of(admin, new_test(admin)["test_id"]), 202)["run_id"]
    runs = wiring("api").runs
    planned = {"phase": RunPhase.GENERATING, "responses_total": 4, "verdicts_total": 4}
    runs.update(runs.get(workspace, run_id).model_copy(update=planned))

    def phase() -> str:
        return str(good(call("GET", f"/v1/runs/{run_id}", groups=admin))["phase"])

    assert phase() == "generating"
    runs.record_batch(workspace, run_id, "G#0#terse#0", {"done": 2, "failed": 1, "from_ledger": 1})
    runs.spend(workspace, run_id, calls=1, cost_usd=Decimal("0.0012"))
    shown = good(call("GET", f"/v1/runs/{run_id}", groups=admin))
    assert shown["progress"]["responses"] == {"done": 2, "total": 4, "failed": 1, "from_ledger": 1}
    assert shown["spent_usd"] == "0.0012"
    assert phase() == "generating"
    runs.record_batch(workspace, run_id, "G#0#wordy#0", {"done": 2})
    assert phase() == "judging"
    runs.record_batch(workspace, run_id, "J#0#correct#0", {"done": 4})
    assert phase() == "analysing"


def test_result_can_be_read__when_the_run_is_complete(admin: str, workspace: str) -> None:
    run_id = good(run_of(admin, new_test(admin)["test_id"]), 202)["run_id"]
    problem(call("GET", f"/v1/runs/{run_id}/analysis", groups=admin), 409, "conflict")
    assert good(call("GET", f"/v1/runs/{run_id}/artifacts", groups=admin)) == {"artifacts": {}}

    wired = wiring("api")
    for name in object_keys.ARTIFACTS:
        wired.objects.put(object_keys.artifact(workspace, run_id, name), b'{"decision": "ship"}')
    verdict = RunVerdict(decision="ship", sentence="B is better.")
    ended = {"phase": RunPhase.DONE, "artifacts": object_keys.ARTIFACTS, "verdict": verdict}
    wired.runs.finish(wired.runs.get(workspace, run_id).model_copy(update=ended), "complete")

    assert good(call("GET", f"/v1/runs/{run_id}/analysis", groups=admin)) == {"decision": "ship"}
    shown = good(call("GET", f"/v1/runs/{run_id}", groups=admin))
    assert (shown["status"], shown["phase"]) == ("COMPLETED", "done")
    assert shown["verdict"] == {"decision": "ship", "sentence": "B is better."}
    artifacts = good(call("GET", f"/v1/runs/{run_id}/artifacts", groups=admin))["artifacts"]
    assert set(artifacts) == set(object_keys.ARTIFACTS)
    for name, artifact in artifacts.items():
        download = requests.get(artifact["url"], timeout=5)
        assert download.content == b'{"decision": "ship"}'
        assert name in download.headers["content-disposition"]


# Providers and judges


def test_provider_is_registered_and_read(admin: str) -> None:
    provider(admin)

    shown = good(call("GET", "/v1/providers/local", groups=admin))
    listed = good(call("GET", "/v1/providers", groups=admin))["items"]

    assert shown["base_url"] == "http://127.0.0.1:8000/v1"
    assert shown["prices"]["small"]["input_usd_per_million"] == "0.1"
    assert [item["id"] for item in listed] == ["local", "replay"]


@pytest.mark.parametrize(
    ("name", "body", "path"),
    [
        ("local", {"vendor": "nobody"}, "vendor"),
        ("local", {}, "vendor"),
        ("local", {"vendor": "openai_chat", "base_url": "ftp://x"}, "base_url"),
        ("local", {"vendor": "openai_chat", "base_url": "http://user:secret@host/v1"}, "base_url"),
        ("local", {"vendor": "openai_chat", "max_in_flight": 0}, "max_in_flight"),
        ("local", {"vendor": "openai_chat", "api_key": "sk-1"}, "api_key"),
        ("replay", {"vendor": "openai_chat"}, "id"),
        ("1st", {"vendor": "openai_chat"}, "id"),
    ],
)
def test_wrong_registration_of_a_provider_is_told(name: str, body: dict[str, Any], path: str, admin: str) -> None:
    refusal = problem(call("PUT", f"/v1/providers/{name}", body=body, groups=admin), 422, "invalid_input")

    assert path in {issue["path"] for issue in refusal["errors"]}
    assert "secret@" not in json.dumps(refusal)


def test_judges_are_described__for_a_person_who_chooses(admin: str) -> None:
    judges = {judge["type"]: judge for judge in good(call("GET", "/v1/judges", groups=admin))["items"]}

    assert set(judges) == set(judge_types())
    assert all(judge["summary"] and judge["parameters"]["type"] == "object" for judge in judges.values())


def test_warm_up_answers__without_a_request() -> None:
    assert load_handler("api").lambda_handler({"warm": True}, LambdaContext()) == {"warm": True}


def test_nothing_but_the_upload_is_in_the_bucket__before_a_dataset_is_good(admin: str, workspace: str) -> None:
    upload(["{"], admin)

    listed = boto3.client("s3", region_name=REGION).list_objects_v2(Bucket=BUCKET, Prefix=f"datasets/{workspace}")
    assert listed["KeyCount"] == 0
