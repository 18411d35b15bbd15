"""`POST /v1/judges/try`, event by event: what is asked, what is answered, what it costs, and what it leaves behind."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_fakes import REGION, SECRETS_PREFIX, TABLE, FakeAws
from function_tools import Answer, LambdaContext, call, load_handler

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.recording_server import GivenReply, RecordedRequest, RecordingServer, recording_server

from abtest.runtime import judge_trials
from abtest.runtime.wiring import wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

RUBRIC = {"type": "rubric", "provider": "mine", "model": "small", "dimensions": ["accuracy"]}
PAIRWISE = {**RUBRIC, "type": "pairwise"}
SAMPLE = {"inputs": {"question": "What is the capital of France?"}, "reference": "Paris"}
PRICES = {"small": {"input_usd_per_million": "1", "output_usd_per_million": "10"}}
Says = Callable[[str], str]


def said(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return {"id": "chatcmpl-1", "model": "small-2026-01-31", "choices": [choice], "usage": usage}


def graded(score: Any, dimension: str = "accuracy") -> str:
    return json.dumps({dimension: {"reason": "It says so.", "score": score}})


def preferred(preference: str) -> str:
    return json.dumps({"accuracy": {"reason": "It says so.", "preference": preference}})


class Model(RecordingServer):
    """Answers each prompt as `says` says, or with a score of its own by the model's name."""

    def __init__(self, server: RecordingServer) -> None:
        self.url, self.requests = server.url, server.requests
        self.says: Says = lambda _prompt: graded(4)
        self.by_model: dict[str, int] = {}
        self.delay_s = 0.0
        self._lock = threading.Lock()

    def record(self, request: RecordedRequest) -> GivenReply:
        with self._lock:
            self.requests.append(request)
        time.sleep(self.delay_s)
        asked = request.json()
        own = self.by_model.get(asked["model"])
        text = self.says(asked["messages"][-1]["content"]) if own is None else graded(own)
        return GivenReply(body=json.dumps(said(text)).encode(), headers={"content-type": "application/json"})


@pytest.fixture(scope="module", autouse=True)
def _worker_that_ends(aws: FakeAws) -> Iterator[None]:
    """Close what a worker keeps until its process ends."""
    yield
    wired = wiring("try_judge")
    if "transport" in vars(wired):
        wired.event_loop.run_until_complete(wired.transport.__aexit__(None, None, None))
    wired.event_loop.close()


@pytest.fixture
def model() -> Iterator[Model]:
    with recording_server() as server:
        scripted = Model(server)
        server.record = scripted.record  # type: ignore[method-assign]
        yield scripted


@pytest.fixture
def groups(admin: str, workspace: str, model: Model) -> str:
    """The groups of an experimenter of a workspace with the provider `mine`."""
    register(admin, model)
    return f"[experimenter workspace.{workspace}]"


def register(admin: str, model: Model, provider_id: str = "mine", **facts: Any) -> None:
    body = {"vendor": "openai_chat", "base_url": f"{model.url}/v1", "prices": PRICES, **facts}
    answer = call("PUT", f"/v1/providers/{provider_id}", body=body, groups=admin)
    assert answer.status == 200, answer.body


def attempt(groups: str, **body: Any) -> Answer:
    path = body.pop("path", "/v1/judges/try")
    return call("POST", path, folder="try_judge", body={"judge": RUBRIC, "sample": SAMPLE, **body}, groups=groups)


def tried(groups: str, **body: Any) -> dict[str, Any]:
    answer = attempt(groups, **body)
    assert answer.status == 200, answer.body
    assert answer.content_type == "application/json"
    result: dict[str, Any] = answer.body
    return result


def refused(answer: Answer) -> dict[str, str]:
    assert (answer.status, answer.body["code"]) == (422, "invalid_input"), answer.body
    return {issue["path"]: issue["message"] for issue in answer.body["errors"]}


def only(result: dict[str, Any]) -> dict[str, Any]:
    """Return the one judge of a result."""
    (judge,) = result["judges"]
    return dict(judge)


def committed_usd(workspace: str) -> Decimal:
    """Return what the workspace's budget has spent and holds."""
    key = {"pk": f"WS#{workspace}#BUDGET", "sk": "TOTAL"}
    item = boto3.resource("dynamodb", region_name=REGION).Table(TABLE).get_item(Key=key).get("Item", {})
    return Decimal(str(item.get("committed_usd", 0)))


def set_budget(monkeypatch: pytest.MonkeyPatch, usd: str) -> None:
    wired = wiring("try_judge")
    limited = wired.settings.model_copy(update={"workspace_budget_usd": Decimal(usd)})
    monkeypatch.setattr(wired, "settings", limited)


# A judge that asks a model


def test_rubric__shows_prompt_reply_vote_verdict_and_cost(groups: str, model: Model, workspace: str) -> None:
    result = tried(groups, answer="Paris")
    judge = only(result)
    assert (judge["type"], judge["kind"], judge["provider"], judge["model"]) == ("rubric", "model", "mine", "small")
    assert judge["scale"] == [1, 5]
    (prompt,), (reply,), (verdict,) = judge["prompts"], judge["replies"], judge["verdicts"]
    assert [message["role"] for message in prompt["messages"]] == ["system", "user"]
    assert (reply["question"], reply["text"], reply["served_model"]) == (
        prompt["question"],
        graded(4),
        "small-2026-01-31",
    )
    assert (verdict["status"], verdict["score"], verdict["judge_version"]) == ("scored", 4.0, judge["version"])
    assert [(vote["score"], vote["reason"]) for vote in verdict["votes"]] == [(4.0, "It says so.")]
    assert (result["calls"], result["input_tokens"], result["output_tokens"]) == (1, 100, 10)
    assert Decimal(result["cost_usd"]) == Decimal("0.0002")
    assert committed_usd(workspace) == Decimal("0.0002"), "the trial's price is in the budget, and no more"


def test_rubric__asks_what_the_prompt_shows(groups: str, model: Model) -> None:
    result = tried(groups, answer="Paris, I think")
    (request,) = model.requests
    body = request.json()
    assert body["messages"] == only(result)["prompts"][0]["messages"]
    assert "Paris, I think" in body["messages"][1]["content"]
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["accuracy"]
    assert (body["temperature"], body["seed"]) == (0, 0)


def test_rubric__of_two_answers_grades_both(groups: str, model: Model) -> None:
    model.says = lambda prompt: graded(1 if "Lyon" in prompt else 5)
    judge = only(tried(groups, answers={"control": "Lyon", "treatment": "Paris"}))
    assert {verdict["variant"]: verdict["score"] for verdict in judge["verdicts"]} == {"control": 1, "treatment": 5}


def test_pairwise__is_asked_in_both_orders(groups: str, model: Model) -> None:
    model.says = lambda prompt: preferred("1" if prompt.index("Paris!") < prompt.index("Lyon!") else "2")
    result = tried(groups, judge=PAIRWISE, answers={"control": "Lyon!", "treatment": "Paris!"})
    judge = only(result)
    assert [prompt["order"] for prompt in judge["prompts"]] == ["control_first", "treatment_first"]
    (verdict,) = judge["verdicts"]
    assert (verdict["variant"], verdict["against"], verdict["score"]) == ("treatment", "control", 1.0)
    assert result["calls"] == 2


def test_repeats__are_asked_each(groups: str, model: Model) -> None:
    scores = iter([5, 4, 3])
    model.says = lambda _prompt: graded(next(scores))
    judge = only(tried(groups, judge=RUBRIC | {"repeats": 3}, answer="Paris"))
    (verdict,) = judge["verdicts"]
    assert sorted(vote["score"] for vote in verdict["votes"]) == [3, 4, 5]
    assert verdict["score"] == 4


def test_reply_that_cannot_be_read__is_asked_for_again(groups: str, model: Model) -> None:
    replies = iter(["I would say four.", graded(4)])
    model.says = lambda _prompt: next(replies)
    judge = only(tried(groups, answer="Paris"))
    assert [prompt["repair"] for prompt in judge["prompts"]] == [False, True]
    assert len(judge["replies"]) == 2
    (verdict,) = judge["verdicts"]
    assert (verdict["score"], verdict["votes"][0]["repaired"]) == (4, True)


def test_reply_that_cannot_be_read_twice__is_invalid(groups: str, model: Model) -> None:
    model.says = lambda _prompt: "I would say four."
    judge = only(tried(groups, answer="Paris"))
    (verdict,) = judge["verdicts"]
    assert (verdict["status"], verdict["score"]) == ("invalid", None)
    assert [reply["text"] for reply in judge["replies"]] == ["I would say four."] * 2


def test_rendered__asks_nobody_and_needs_no_provider(admin: str, workspace: str, model: Model) -> None:
    result = tried(admin, judge=RUBRIC | {"provider": "nobody"}, answer="Paris", render_only=True)
    judge = only(result)
    assert "Paris" in judge["prompts"][0]["messages"][1]["content"]
    assert (judge["replies"], judge["verdicts"], result["calls"], result["cost_usd"]) == ([], [], 0, "0")
    assert model.requests == []
    assert committed_usd(workspace) == 0


def test_fallback__is_asked_in_place_of_the_model(groups: str, model: Model) -> None:
    judge = RUBRIC | {"provider": "nobody", "fallbacks": [{"provider": "mine", "model": "other"}]}
    shown = only(tried(groups, judge=judge, answer="Paris", fallback=1))
    assert (shown["model"], shown["verdicts"][0]["score"], shown["verdicts"][0]["votes"][0]["fallback"]) == (
        "other",
        4,
        1,
    )
    assert model.requests[0].json()["model"] == "other"


def test_parameter_the_model_refuses__is_left_out_and_told__when_nobody_wrote_it(
    admin: str, groups: str, model: Model
) -> None:
    register(admin, model, unsupported_parameters={"small": ["temperature", "output_schema"]})
    judge = only(tried(groups, answer="Paris"))
    assert judge["notes"] == ["Not sent, because small does not take it: temperature, output_schema."]
    assert {"temperature", "response_format"} & set(model.requests[0].json()) == set()
    written = RUBRIC | {"parameters": {"temperature": 0.5}}
    assert "refuses it" in refused(attempt(groups, judge=written, answer="Paris"))["judge.parameters.temperature"]


def test_key__is_read_anew_and_sent(admin: str, groups: str, workspace: str, model: Model) -> None:
    client = boto3.client("secretsmanager", region_name=REGION)
    client.create_secret(Name=f"{SECRETS_PREFIX}{workspace}", SecretString="old")
    register(admin, model, secret_name=f"{SECRETS_PREFIX}{workspace}")
    tried(groups, answer="Paris")
    client.put_secret_value(SecretId=f"{SECRETS_PREFIX}{workspace}", SecretString="new")
    result = tried(groups, answer="Paris")
    assert [request.headers["authorization"] for request in model.requests] == ["Bearer old", "Bearer new"]
    assert "Bearer" not in json.dumps(result)


def test_key__that_cannot_be_read_is_told_without_a_call(admin: str, groups: str, model: Model) -> None:
    register(admin, model, secret_name=f"{SECRETS_PREFIX}nobody-made-it")
    answer = attempt(groups, answer="Paris")
    assert (answer.status, answer.body["code"]) == (422, "provider_configuration")
    assert model.requests == []


def test_answers_are_kept_nowhere__each_trial_asks_anew(groups: str, model: Model) -> None:
    for _ in range(2):
        tried(groups, answer="Paris")
    assert len(model.requests) == 2


# Failures


def test_failed_call__is_a_result(admin: str, groups: str, model: Model, workspace: str) -> None:
    refusal = {"error": {"message": "Incorrect API key provided: old", "type": "x", "code": "invalid_api_key"}}
    given = GivenReply(401, json.dumps(refusal).encode(), {"content-type": "application/json"})
    with recording_server() as server:
        server.record = lambda _request: given  # type: ignore[method-assign]
        register(admin, Model(server))
        result = tried(groups, answer="Paris")
    judge = only(result)
    assert [(reply["outcome"], reply["failure_reason"]) for reply in judge["replies"]] == [("failed", "auth")]
    assert judge["verdicts"][0]["status"] == "not_judged"
    assert (result["calls"], result["cost_usd"]) == (0, "0")
    assert committed_usd(workspace) == 0, "what was reserved is given back"


def test_slow_model__is_given_up_in_time(groups: str, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_trials, "LONGEST_TRIAL_S", 4.0)
    model.delay_s = 6.0
    started = time.monotonic()
    judge = only(tried(groups, answer="Paris"))
    assert time.monotonic() - started < 5
    assert [(reply["outcome"], reply["failure_reason"]) for reply in judge["replies"]] == [("failed", "timeout")]
    assert judge["verdicts"][0]["status"] == "not_judged"


def test_price_that_is_unknown__is_no_price(admin: str, groups: str, model: Model) -> None:
    register(admin, model, prices={})
    result = tried(groups, answer="Paris")
    assert (result["calls"], result["cost_usd"]) == (1, None)


def test_budget__that_does_not_cover_the_calls_lets_none_out(
    groups: str, model: Model, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_budget(monkeypatch, "0.001")
    answer = attempt(groups, answer="Paris")
    assert (answer.status, answer.body["code"]) == (409, "budget_exceeded")
    assert "this trial, which may cost $0.0" in answer.body["detail"]
    assert model.requests == []
    set_budget(monkeypatch, "0.05")
    tried(groups, answer="Paris")
    assert committed_usd(workspace) == Decimal("0.0002")


# Judges in code, panels


def test_judge_in_code__scores_without_a_model(groups: str, model: Model, workspace: str) -> None:
    judge = only(
        tried(
            groups, judge={"type": "contains", "values": ["Paris"]}, answers={"control": "Lyon", "treatment": "Paris"}
        )
    )
    assert {one["variant"]: one["score"] for one in judge["verdicts"]} == {"control": 0, "treatment": 1}
    assert (judge["kind"], judge["prompts"], judge["model"]) == ("code", [], None)
    assert model.requests == []


def test_judge_of_the_call__sees_what_the_answer_took(groups: str) -> None:
    threshold = {"type": "threshold", "measure": "latency_ms", "at_most": 500}
    fast, slow = ({"text": "Paris", "latency_ms": ms} for ms in (400, 600))
    verdicts = only(tried(groups, judge=threshold, answers={"control": slow, "treatment": fast}))["verdicts"]
    assert [verdict["score"] for verdict in verdicts] == [0, 1]


def a_panel(**options: Any) -> dict[str, Any]:
    names = ("one", "two", "three")
    judges = {name: RUBRIC | {"model": name} for name in names}
    return {
        "judge": {"type": "panel", "members": list(names), "consensus": "mean", **options},
        "judges": judges,
        "name": "all",
    }


@pytest.mark.parametrize(
    ("options", "scores", "expected"),
    [
        ({"consensus": "mean"}, (5, 4, 3), 4.0),
        ({"consensus": "median"}, (5, 2, 1), 2.0),
        ({"consensus": "majority"}, (5, 5, 1), 5.0),
        ({"consensus": "weighted", "weights": {"one": 3, "two": 1, "three": 1}}, (5, 1, 1), 3.4),
        ({"consensus": "majority"}, (5, 4, 3), None),
        ({"consensus": "dawid_skene"}, (5, 5, 5), None),
        ({"on_disagreement": "abstain", "agree_within": 1}, (5, 4, 3), None),
        ({"on_disagreement": "abstain", "agree_within": 2}, (5, 4, 3), 4.0),
    ],
)
def test_panel__tries_each_member_and_joins_them(
    groups: str, model: Model, options: Any, scores: tuple[int, ...], expected: float | None
) -> None:
    given = dict(zip(("one", "two", "three"), scores, strict=True))
    model.by_model = given
    result = tried(groups, **a_panel(**options), answer="Paris")
    assert [judge["judge"] for judge in result["judges"]] == ["one", "two", "three"]
    (opinion,) = result["panel"]
    assert opinion["score"] == (None if expected is None else pytest.approx(expected))
    assert opinion["scores"] == given
    assert (opinion["reason"] is None) == (expected is not None)
    assert result["calls"] == 3


def test_panel__that_disagrees_asks_the_strong_judge(groups: str, model: Model) -> None:
    options = {"on_disagreement": "escalate", "escalate_to": "strong", "agree_within": 1}
    body = a_panel(**options)
    body["judges"]["strong"] = RUBRIC | {"model": "strong"}
    model.by_model = {"one": 5, "two": 4, "three": 3, "strong": 2}
    result = tried(groups, **body, answer="Paris")
    assert [judge["judge"] for judge in result["judges"]] == ["one", "two", "three", "strong"]
    (opinion,) = result["panel"]
    assert (opinion["score"], opinion["escalated"], opinion["agreed"], opinion["spread"]) == (2, True, False, 2)
    model.by_model = {"one": 5, "two": 4, "three": 5, "strong": 2}
    result = tried(groups, **body, answer="Paris")
    assert len(result["judges"]) == 3, "where they agree nobody else is asked"
    assert result["panel"][0]["agreed"]


# Templates of the workspace


def test_template__is_used_by_name_and_version(groups: str, model: Model) -> None:
    texts = {"judge": "rubric", "system": "Be strict, house style.", "user": "{{ answer }}"}
    assert call("PUT", "/v1/judges/templates/house", body=texts, groups=groups).status == 200
    result = tried(groups, judge=RUBRIC | {"template": {"name": "house", "version": 1}}, answer="Paris")
    assert only(result)["prompts"][0]["messages"][0]["content"].startswith("Be strict, house style.")
    plain = tried(groups, answer="Paris", render_only=True)
    assert only(result)["version"] != only(plain)["version"], "another prompt is another instrument"


@pytest.mark.parametrize(
    ("reference", "path", "words"),
    [
        ({"name": "house"}, "judge.template.version", "the latest is 1"),
        ({"name": "house", "version": 2}, "judge.template", "versions 1 to 1"),
        ({"name": "hause", "version": 1}, "judge.template", "no template 'hause'"),
        ({"name": "house", "version": 1, "user": "x"}, "judge.template", "not both"),
        ({"name": "house", "version": "1"}, "judge.template.version", "not a version"),
    ],
)
def test_template__that_cannot_be_found_is_told(groups: str, reference: Any, path: str, words: str) -> None:
    texts = {"judge": "rubric", "user": "{{ answer }}"}
    assert call("PUT", "/v1/judges/templates/house", body=texts, groups=groups).status == 200
    issues = refused(attempt(groups, judge=RUBRIC | {"template": reference}, answer="Paris"))
    assert words in issues[path]


# Bad input


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({}, "answer", "nothing to judge"),
        ({"answer": "a", "answers": {"control": "a", "treatment": "b"}}, "answers", "one of the two must go"),
        ({"judge": PAIRWISE, "answer": "a"}, "answers", "compares two answers"),
        ({"judge": RUBRIC | {"repeats": 4}, "answer": "a"}, "judge.repeats", "a few times only"),
        ({"judge": RUBRIC | {"dimensions": ["acuracy"]}, "answer": "a"}, "judge.dimensions", "accuracy"),
        ({"judge": RUBRIC | {"provider": "nobody"}, "answer": "a"}, "judge.provider", "no such provider"),
        ({"judge": RUBRIC | {"provider": "replay"}, "answer": "a"}, "judge.provider", "recorded answers"),
        ({"judge": {"type": "rubrik"}, "answer": "a"}, "judge.type", "did you mean 'rubric'?"),
        ({"answer": "a", "fallback": 1}, "fallback", "no such fallback"),
        ({"answer": "a", "colour": "red"}, "colour", "nothing reads this field"),
        ({"answer": "a" * 200_001}, "answer.text", "does not fit"),
        ({"answer": "a", "sample": {"input": {}}}, "sample.input", "nothing reads this field"),
        ({"answer": "a", "judges": {"judge": RUBRIC}}, "judges.judge", "has this name"),
        (
            {"answer": "a", "judge": {"type": "panel", "members": ["x", "y"], "consensus": "mean"}},
            "judge.members.0",
            "x",
        ),
    ],
)
def test_trial_that_cannot_be_made__says_where(groups: str, model: Model, body: Any, path: str, words: str) -> None:
    issues = refused(attempt(groups, **body))
    assert words in issues[path], issues
    assert model.requests == []


def test_judges_that_ask_too_often_together__are_refused(groups: str, model: Model) -> None:
    names = [f"j{number}" for number in range(5)]
    judges = {name: PAIRWISE | {"repeats": 3} for name in names}
    body = {"judge": {"type": "panel", "members": names, "consensus": "mean"}, "judges": judges, "name": "all"}
    issues = refused(attempt(groups, **body, answers={"control": "a", "treatment": "b"}))
    assert "ask too often together" in issues["judges"]
    assert model.requests == []


def test_prompts_that_are_too_long_together__are_refused(groups: str, model: Model) -> None:
    judge = PAIRWISE | {"repeats": 2}
    issues = refused(attempt(groups, judge=judge, answers={"control": "a" * 190_000, "treatment": "b" * 190_000}))
    assert "too long to be tried" in issues["sample"]
    assert model.requests == []


@pytest.mark.parametrize("role", ["viewer", "nobody"])
def test_trial__needs_an_experimenter(groups: str, model: Model, role: str) -> None:
    answer = attempt(groups.replace("experimenter", role), answer="Paris")
    assert (answer.status, answer.body["code"]) == (403, "access_denied")
    assert model.requests == []


def test_trial__of_another_workspaces_provider_finds_nothing(groups: str, model: Model) -> None:
    assert "no such provider" in refused(attempt("[experimenter workspace.other]", answer="a"))["judge.provider"]


def test_trial__behind_iam() -> None:
    body = {"judge": {"type": "contains", "values": ["a"]}, "answer": "a"}
    arn = "arn:aws:iam::123456789012:role/pipeline"
    answer = call("POST", "/service/v1/judges/try", folder="try_judge", body=body, user_arn=arn)
    assert answer.status == 200, answer.body


def test_trial__is_warmed_without_a_call() -> None:
    assert load_handler("try_judge").lambda_handler({"warm": True}, LambdaContext()) == {"warm": True}


def test_log__has_neither_prompt_nor_answer(groups: str, model: Model, caplog: pytest.LogCaptureFixture) -> None:
    tried(groups, answer="Paris-la-Défense")
    said_in_log = "\n".join(str(vars(record)) for record in caplog.records)
    assert "judge tried" in said_in_log
    assert "Défense" not in said_in_log
    assert "capital of France" not in said_in_log
