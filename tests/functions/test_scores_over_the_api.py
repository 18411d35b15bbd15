"""Scores given elsewhere, over the API alone: uploaded, named by a test, refused where they fit nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from entities import definition_body
from function_tools import Answer, call

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]
CONTROL, TREATMENT = tuple(definition_body()["variants"])
SAMPLES = [{"id": f"s{n}", "inputs": {"country": f"Country {n}"}} for n in range(40)]
SCORES = [
    {"id": row["id"], "variant": name, "score": n % 6} for n, row in enumerate(SAMPLES) for name in (CONTROL, TREATMENT)
]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def completed(groups: str, rows: list[dict[str, Any]], kind: str) -> Answer:
    body = "\n".join(map(json.dumps, rows)).encode()
    registration = {"name": "rows", "kind": kind, "size_bytes": len(body)}
    new = call("POST", "/v1/datasets", body=registration, groups=groups).body
    where = new["upload"]
    requests.request(where["method"], where["url"], data=body, headers=where["headers"], timeout=5)
    return call("POST", f"/v1/datasets/{new['dataset_id']}/complete", groups=groups)


def created(groups: str, **judge: Any) -> Answer:
    registration = {"vendor": "openai_chat", "base_url": "http://127.0.0.1:8000/v1"}
    call("PUT", "/v1/providers/local", body=registration, groups=groups)
    body = definition_body(
        dataset={"version": completed(groups, SAMPLES, "samples").body["version"]},
        judges={"study": {"type": "imported", **judge}},
        primary_metric="study",
    )
    return call("POST", "/v1/tests", body=body, groups=groups)


def test_scores_are_frozen__with_what_a_test_can_make_of_them(admin: str) -> None:
    answer = completed(admin, SCORES, "scores")

    assert answer.status == 200, answer.body
    assert (answer.body["kind"], answer.body["rows"]) == ("scores", 80)
    assert answer.body["summary"]["scores"] == {
        "preferences": False,
        "samples": 40,
        "rows_by_variant": {CONTROL: 40, TREATMENT: 40},
        "dimensions": {},
        "lowest": 0.0,
        "highest": 5.0,
        "binary": False,
        "unreadable": 0,
        "repeats": 1,
    }


def test_wrong_scores_are_told__with_their_lines(admin: str) -> None:
    answer = completed(admin, [*SCORES, {"id": "s1", "variant": CONTROL}, SCORES[0]], "scores")

    assert answer.status == 422
    assert [(error["line"], error["path"]) for error in answer.body["errors"]] == [(81, "score"), (82, "id")]


def test_a_test_is_judged_by_scores_of_its_workspace(admin: str) -> None:
    version = completed(admin, SCORES, "scores").body["version"]

    answer = created(admin, scores={"version": version}, scale=[0, 5])

    assert answer.status == 201, answer.body
    assert answer.body["definition"]["judges"]["study"]["scores"] == {"version": version}


def test_scores_that_are_not_there_or_off_the_scale_are_refused(admin: str) -> None:
    version = completed(admin, SCORES, "scores").body["version"]

    missing = created(admin, scores={"version": "e" * 64})
    off = created(admin, scores={"version": version})
    samples = created(admin, scores={"version": completed(admin, SAMPLES, "samples").body["version"]})

    found = [[error["path"] for error in answer.body["errors"]] for answer in (missing, off, samples)]
    assert found == [["judges.study.scores"], ["judges.study.scale"], ["judges.study.scores"]]
