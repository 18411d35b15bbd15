"""`abtest judge`: answers downloaded, judged by a file of the person's own, and made a judge of the run."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_platform import API, BUCKET, FakePlatform, problem, run_item

from abtest.contracts.records import ImportedScore
from abtest_cli import connection, running
from abtest_cli.credentials import CredentialStore
from abtest_cli.main import run_cli

pytestmark = pytest.mark.usefixtures("sign_ins")
SCORER = "def score(sample, answer, response):\n    return answer == sample['reference']\n"


@dataclass
class PlatformWithRows(FakePlatform):
    """Has the rows of one run in two batches, and judges it anew."""

    pages: dict[str | None, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    going_on: bool = False
    rejudged: list[dict[str, Any]] = field(default_factory=list)

    def _api(self, method: str, path: str, request: httpx.Request) -> httpx.Response:
        where = request.url.path.removeprefix(httpx.URL(API).path)
        if (method, where) == ("GET", "/v1/runs/run_1/rows"):
            if self.going_on:
                return problem(409, "conflict", "Run run_1 is still going on; its rows can be read when it has ended.")
            return httpx.Response(200, json=self.pages[request.url.params.get("cursor")])
        if (method, where) == ("POST", "/v1/runs/run_1/rejudge"):
            body = json.loads(request.content)
            self.rejudged.append(body)
            if body.get("dry_run"):
                return httpx.Response(200, json={"rejudges": "run_1", **self._test()})
            return httpx.Response(202, json=run_item("RUNNING", "planning", 0, 0, rejudges="run_1"))
        return super()._api(method, path, request)

    def _bucket(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if request.method == "GET" and name in self.bodies:
            assert "authorization" not in request.headers, "the bearer token must not travel to the bucket"
            return httpx.Response(200, text=self.bodies[name])
        return super()._bucket(request)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, sign_ins: CredentialStore) -> PlatformWithRows:
    fake = PlatformWithRows()
    for batch in range(2):
        samples = [{"id": f"s{batch}{n}", "inputs": {}, "reference": "yes"} for n in range(2)]
        fake.bodies[f"samples-{batch}"] = lines(samples)
        for variant, text in (("a", "yes"), ("b", "no")):
            rows = [{"sample_id": s["id"], "variant": variant, "outcome": "answered", "text": text} for s in samples]
            fake.bodies[f"{variant}-{batch}"] = lines(rows)
        responses = {name: {"url": f"{BUCKET}/{name}-{batch}?sig=1"} for name in ("a", "b")}
        item = {"wave": 0, "batch": batch, "samples": {"url": f"{BUCKET}/samples-{batch}?sig=1"}}
        page = {"control": "a", "variants": ["a", "b"], "items": [{**item, "responses": responses}]}
        fake.pages[None if batch == 0 else "1"] = {**page, "next_cursor": "1" if batch == 0 else None}
    monkeypatch.setattr(connection, "network", fake.transport)
    monkeypatch.setattr(running, "SHORTEST_PAUSE_S", 0.0)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("scorer.py").write_text(SCORER)
    return fake


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def kept(path: str) -> list[ImportedScore]:
    return [ImportedScore.model_validate_json(line) for line in Path(path).read_text().splitlines()]


def uploaded(platform: FakePlatform) -> list[dict[str, Any]]:
    (request,) = [request for request in platform.requests if request.method == "PUT"]
    return [json.loads(line) for line in request.content.splitlines()]


def test_answers_of_all_pages_are_judged__and_the_scores_kept(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["judge", "run_1", "--local", "scorer.py"]) == 0

    rows = kept(".abtest/scores/run_1.jsonl")
    expected = [(f"s{b}{n}", v, s) for b in range(2) for v, s in (("a", 1.0), ("b", 0.0)) for n in range(2)]
    assert [(row.id, row.variant, row.score) for row in rows] == expected
    assert platform.rejudged == []
    assert ".abtest/scores/run_1.jsonl" in capsys.readouterr().out


def test_json_is_all_that_is_printed(platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]) -> None:
    Path("scorer.py").write_text(SCORER.replace("    return", "    print('noise')\n    return"))

    assert run_cli(["judge", "run_1", "--local", "scorer.py", "--scores", "out.jsonl", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "scores": "out.jsonl",
        "variants": {
            "a": {"scored": 4, "mean": 1.0, "unreadable": 0, "not_judged": 0},
            "b": {"scored": 4, "mean": 0.0, "unreadable": 0, "not_judged": 0},
        },
        "run": None,
    }


def test_saved_answers_are_judged_again__without_a_platform(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["judge", "run_1", "--local", "scorer.py", "--save-rows", "answers.jsonl"]) == 0
    platform.requests.clear()

    assert run_cli(["judge", "answers.jsonl", "--local", "scorer.py"]) == 0

    assert platform.requests == []
    assert kept(".abtest/scores/answers.jsonl") == kept(".abtest/scores/run_1.jsonl")


def test_name_that_is_none__is_told_before_the_function_runs(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["judge", "run_1", "--local", "scorer.py", "--import", "my check"]) == 2
    assert "--import: not a name" in capsys.readouterr().err
    assert platform.requests == []


def test_imported_scores_judge_the_run_anew__as_a_judge_of_the_given_name(platform: PlatformWithRows) -> None:
    assert run_cli(["judge", "run_1", "--local", "scorer.py", "--import", "mine", "--primary", "mine", "--add"]) == 0

    assert {(row["id"], row["variant"]): row["score"] for row in uploaded(platform)}["s11", "b"] == 0.0
    planned, started = platform.rejudged
    assert planned == {**started, "dry_run": True}
    judge = started["judges"]["mine"]
    assert (judge["type"], judge["binary"]) == ("imported", True)
    assert len(judge["scores"]["version"]) == 64
    assert (started["primary_metric"], started["add"]) == ("mine", True)


def test_scores_beyond_0_to_1_need_their_scale__and_are_not_lost_without_it(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]
) -> None:
    returned = "{'score': 4 if answer == 'yes' else 2, 'dimensions': {'tone': 5}}"
    Path("scorer.py").write_text(f"def score(sample, answer, response):\n    return {returned}\n")

    assert run_cli(["judge", "run_1", "--local", "scorer.py", "--import", "mine"]) == 2
    assert "--scale: the scores are not on it (found 0,1); allowed: 2,5 or wider" in capsys.readouterr().err
    assert len(kept(".abtest/scores/run_1.jsonl")) == 8
    assert platform.rejudged == []

    assert run_cli(["judge", "run_1", "--local", "scorer.py", "--import", "mine", "--scale", "1,5"]) == 0
    judge = platform.rejudged[-1]["judges"]["mine"]
    assert (judge["scale"], judge["dimensions"]) == ([1.0, 5.0], ["tone"])
    assert "binary" not in judge


def test_answers_where_the_function_failed_are_told__and_kept_as_unreadable(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("scorer.py").write_text("def score(sample, answer, response):\n    return {'yes': 1}[answer]\n")

    assert run_cli(["judge", "run_1", "--local", "scorer.py", "--import", "mine"]) == 0

    assert (
        "The function failed at 4 answers, which count as missing. The first: KeyError: 'no' (line 2 of scorer.py)"
        in (capsys.readouterr().out)
    )
    assert {row["variant"]: row.get("score") for row in uploaded(platform)} == {"a": 1.0, "b": None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run_1", "run_2", "--import", "mine"], "cannot be imported"),
        (["answers.jsonl", "--import", "mine"], "cannot be imported"),
        (["run_1", "--import", "mine", "--scale", "5,1"], "not a scale"),
        (["run_1", "--import", "mine", "--scale", "high"], "not a scale"),
        (["gone.jsonl"], "neither a run nor a file"),
        (["empty.jsonl"], "no answers to judge"),
        (["bad.jsonl"], "line 2, bad.jsonl: sample"),
        (["bad_fields.jsonl"], "line 1, bad_fields.jsonl: sample.id: this field is required"),
        (["no_json.jsonl"], "line 1, no_json.jsonl"),
        (["mixed_up.jsonl"], "the response answers another sample"),
    ],
)
def test_what_cannot_be_judged_is_refused__before_anything_is_sent(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    good = {"sample": {"id": "s1"}, "response": {"sample_id": "s1", "variant": "a", "outcome": "answered"}}
    Path("answers.jsonl").write_text(lines([good]))
    Path("empty.jsonl").write_text("\n")
    Path("bad.jsonl").write_text(lines([good]) + '{"sample": 1}\n')
    Path("no_json.jsonl").write_text("nothing")
    Path("mixed_up.jsonl").write_text(lines([{**good, "sample": {"id": "s2"}}]))
    Path("bad_fields.jsonl").write_text(lines([{**good, "sample": {"inputs": {}}}]))

    assert run_cli(["judge", *arguments, "--local", "scorer.py"]) == 2

    assert message in capsys.readouterr().err
    assert platform.requests == []


def test_the_same_answer_in_two_files_is_refused__naming_both(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"sample": {"id": "s1"}, "response": {"sample_id": "s1", "variant": "a", "outcome": "answered"}}
    for name in ("one.jsonl", "two.jsonl"):
        Path(name).write_text(lines([good]))

    assert run_cli(["judge", "one.jsonl", "two.jsonl", "--local", "scorer.py"]) == 2

    assert "one.jsonl has an answer of variant 'a' to sample 's1' too" in capsys.readouterr().err


def test_a_run_that_goes_on_is_not_judged__as_the_platform_says(
    platform: PlatformWithRows, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.going_on = True

    assert run_cli(["judge", "run_1", "--local", "scorer.py"]) == 1

    assert "still going on" in capsys.readouterr().err
