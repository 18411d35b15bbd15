"""`POST /v1/providers/{provider_id}/check` and `GET .../health`, event by event: who may ask, and what is answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_fakes import REGION, SECRETS_PREFIX, FakeAws
from function_tools import Answer, LambdaContext, call, load_handler

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.recording_server import RecordingServer, recording_server

from abtest.runtime.wiring import wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

ANSWER = {
    "id": "chatcmpl-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9},
}
REFUSED = {"error": {"message": "Incorrect API key provided: old", "type": "x", "code": "invalid_api_key"}}


@pytest.fixture(scope="module", autouse=True)
def _worker_that_ends(aws: FakeAws) -> Iterator[None]:
    """Close what a worker keeps until its process ends."""
    yield
    wired = wiring("check_provider")
    wired.event_loop.run_until_complete(wired.transport.__aexit__(None, None, None))
    wired.event_loop.close()


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with recording_server() as started:
        started.answers(ANSWER)
        yield started


@pytest.fixture
def registered(admin: str, workspace: str, server: RecordingServer) -> str:
    """The groups of an experimenter of a workspace with the provider `mine`, whose key is `old`."""
    secret_name = f"{SECRETS_PREFIX}{workspace}"
    boto3.client("secretsmanager", region_name=REGION).create_secret(Name=secret_name, SecretString="old")
    body = {"vendor": "openai_chat", "base_url": f"{server.url}/v1", "secret_name": secret_name}
    assert call("PUT", "/v1/providers/mine", body=body, groups=admin).status == 200
    return f"[experimenter workspace.{workspace}]"


def check(provider_id: str = "mine", body: Any = None, **options: Any) -> Answer:
    asked = {"model": "small"} if body is None else body
    path = options.pop("path", f"/v1/providers/{provider_id}/check")
    return call("POST", path, folder="check_provider", body=asked, **options)


def health(groups: str, model: str = "small", provider_id: str = "mine") -> Answer:
    return call("GET", f"/v1/providers/{provider_id}/health", query={"model": model}, groups=groups)


def test_check__calls_the_model_and_shows_it(registered: str, server: RecordingServer) -> None:
    answer = check(groups=registered)
    assert answer.status == 200, answer.body
    assert (answer.body["ok"], answer.body["outcome"], answer.body["reason"]) == (True, "truncated", None)
    assert answer.body["usage"]["output_tokens"] == 1
    assert answer.body["cost_usd"] is None, "no price is known of this model, and unknown is not 0"
    asked = server.take()
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer old"
    assert asked.json()["max_tokens"] == 1


def test_check__that_fails_is_an_answer_not_an_error(registered: str, server: RecordingServer) -> None:
    server.answers(REFUSED, 401)
    answer = check(groups=registered)
    assert answer.status == 200
    assert (answer.body["ok"], answer.body["reason"], answer.body["status"]) == (False, "auth", 401)
    assert "valid key" in answer.body["what_to_do"]
    assert "Incorrect" not in json.dumps(answer.body)


def test_check__reads_a_corrected_key_at_once(registered: str, workspace: str, server: RecordingServer) -> None:
    check(groups=registered)
    client = boto3.client("secretsmanager", region_name=REGION)
    client.put_secret_value(SecretId=f"{SECRETS_PREFIX}{workspace}", SecretString="new")
    check(groups=registered)
    assert [asked.headers["authorization"] for asked in server.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("secret_name", [f"{SECRETS_PREFIX}nobody-made-it", "elsewhere/key"])
def test_check__without_a_readable_secret_sends_nothing(admin: str, server: RecordingServer, secret_name: str) -> None:
    body = {"vendor": "openai_chat", "base_url": f"{server.url}/v1", "secret_name": secret_name}
    assert call("PUT", "/v1/providers/keyless", body=body, groups=admin).status == 200
    answer = check("keyless", groups=admin)
    assert (answer.status, answer.body["ok"], answer.body["reason"]) == (200, False, "auth")
    assert secret_name in answer.body["detail"]
    assert answer.body["latency_ms"] is None
    assert server.requests == []


@pytest.mark.parametrize("role", ["viewer", "nobody"])
def test_check__needs_an_experimenter(registered: str, server: RecordingServer, role: str) -> None:
    answer = check(groups=registered.replace("experimenter", role))
    assert (answer.status, answer.body["code"]) == (403, "access_denied")
    assert server.requests == []


def test_check__behind_iam() -> None:
    answer = check(path="/service/v1/providers/nobody/check", user_arn="arn:aws:iam::123456789012:role/pipeline")
    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_check__of_another_workspaces_provider_finds_nothing(registered: str) -> None:
    assert check(groups="[experimenter workspace.other]").status == 404


@pytest.mark.parametrize("body", [{}, {"model": ""}, {"model": "x" * 201}, {"model": "m", "prompt": "long"}, "[]"])
def test_check__of_a_body_that_does_not_fit_says_where(registered: str, server: RecordingServer, body: Any) -> None:
    answer = check(body=body, groups=registered)
    assert (answer.status, answer.body["code"]) == (422, "invalid_input")
    assert answer.body["errors"]
    assert server.requests == []


def test_check__of_recordings_is_refused(registered: str) -> None:
    answer = check("replay", groups=registered)
    assert (answer.status, answer.body["code"]) == (422, "invalid_input")
    assert "recorded answers" in answer.body["errors"][0]["message"]


def test_check__is_warmed_without_a_call() -> None:
    assert load_handler("check_provider").lambda_handler({"warm": True}, LambdaContext()) == {"warm": True}


def test_health__shows_what_checks_showed(registered: str, server: RecordingServer) -> None:
    viewer = registered.replace("experimenter", "viewer")
    nothing = health(viewer)
    assert nothing.status == 200, nothing.body
    assert (nothing.body["attempts"], nothing.body["success_rate"], nothing.body["last_error"]) == (0, None, None)
    check(groups=registered)
    server.answers(REFUSED, 401)
    check(groups=registered)
    found = health(viewer).body
    assert (found["attempts"], found["answered"], found["failed"]) == (2, 1, {"auth": 1})
    assert found["success_rate"] == 0.5
    assert found["latency_p50_ms"] > 0
    assert (found["last_error"]["reason"], found["last_error"]["status"]) == ("auth", 401)
    assert found["circuit"] == {"state": "closed", "since": None, "next_probe_at": None, "failed_probes": 0}
    assert health(viewer, model="another").body["attempts"] == 0


def test_health__of_no_model_or_no_provider(registered: str) -> None:
    for model in ("", "x" * 201):
        answer = health(registered, model=model)
        assert (answer.status, answer.body["code"]) == (422, "invalid_input")
        assert answer.body["errors"][0]["path"] == "model"
    assert health(registered, provider_id="nobody").status == 404


def test_health__needs_a_viewer(registered: str) -> None:
    assert health(registered.replace("experimenter", "nobody")).status == 403
