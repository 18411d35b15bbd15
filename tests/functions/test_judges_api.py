"""`/v1/judges`, event by event: types, dimensions, templates built in and of the workspace."""

from __future__ import annotations

from typing import Any

import pytest
from function_tools import Answer, call

from abtest.core.hashing import content_hash
from abtest.evaluation.registry import dimension_names, judge_types
from abtest.evaluation.template_references import MOST_CHARACTERS

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

SYSTEM = "You grade strictly."
USER = "{{ question }} was answered so:\n{{ answer }}"
BODY = {"judge": "rubric", "system": SYSTEM, "user": USER}


@pytest.fixture
def experimenter(workspace: str) -> str:
    return f"[experimenter workspace.{workspace}]"


def good(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return answer.body


def refused(answer: Answer) -> dict[str, str]:
    """Check that a body or query was refused, and return the issues by path."""
    assert (answer.status, answer.body["code"]) == (422, "invalid_input"), answer.body
    return {issue["path"]: issue["message"] for issue in answer.body["errors"]}


def put(groups: str, body: Any = None, name: str = "house") -> Answer:
    return call("PUT", f"/v1/judges/templates/{name}", body=BODY if body is None else body, groups=groups)


def get(groups: str, path: str, **query: str) -> Answer:
    return call("GET", f"/v1/judges/{path}", groups=groups, query=query)


def test_types__are_all_listed_with_their_kind(experimenter: str) -> None:
    items = good(call("GET", "/v1/judges", groups=experimenter))["items"]
    assert [item["type"] for item in items] == list(judge_types())
    kinds = {item["type"]: item["kind"] for item in items}
    assert (kinds["contains"], kinds["rubric"], kinds["panel"]) == ("code", "model", "panel")


def test_type__is_shown_alone(experimenter: str) -> None:
    items = good(call("GET", "/v1/judges", groups=experimenter))["items"]
    assert good(get(experimenter, "rubric")) in items


def test_type__that_does_not_exist_is_guessed(experimenter: str) -> None:
    answer = get(experimenter, "rubrik")
    assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert "did you mean 'rubric'?" in answer.body["detail"]


def test_dimensions__have_an_anchor_for_each_score(experimenter: str) -> None:
    items = good(get(experimenter, "dimensions"))["items"]
    assert [item["name"] for item in items] == list(dimension_names())
    assert all(list(item["anchors"]) == ["1", "2", "3", "4", "5"] for item in items)


def test_templates__are_listed_without_their_texts(experimenter: str) -> None:
    good(put(experimenter))
    items = good(get(experimenter, "templates"))["items"]
    assert {(item["name"], item["built_in"]) for item in items} >= {
        ("rubric", True),
        ("pairwise", True),
        ("house", False),
    }
    assert not any({"system", "user"} & set(item) for item in items)
    assert items[-1]["sha256"] == content_hash({"system": SYSTEM, "user": USER})


def test_built_in_template__is_shown_with_texts_and_hash(experimenter: str) -> None:
    shown = good(get(experimenter, "templates/rubric"))
    assert (shown["built_in"], shown["version"]) == (True, 1)
    assert "{{ answer }}" in shown["user"]
    assert shown["sha256"] == content_hash({"system": shown["system"], "user": shown["user"]})
    assert get(experimenter, "templates/rubric", version="99").status == 404


def test_own_template__is_kept_in_versions(experimenter: str) -> None:
    first = good(put(experimenter))
    again = good(put(experimenter))
    second = good(put(experimenter, BODY | {"system": "You grade kindly."}))
    assert (first["version"], again["version"], second["version"]) == (1, 1, 2)
    assert (first["system"], first["user"], first["created_by"]) == (SYSTEM, USER, "ada")
    assert good(get(experimenter, "templates/house", version="1")) == first
    assert good(get(experimenter, "templates/house")) == second


def test_part_that_is_left_out__is_the_built_in_one(experimenter: str) -> None:
    built_in = good(get(experimenter, "templates/rubric"))
    kept = good(put(experimenter, {"judge": "rubric", "system": SYSTEM}))
    assert (kept["system"], kept["user"]) == (SYSTEM, built_in["user"])


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (BODY | {"user": "{{ anser }} {{ answer }}"}, "user", "anser"),
        (BODY | {"user": "{{ answer"}, "user", "syntax"),
        (BODY | {"user": "Good?"}, "user", "answer"),
        (BODY | {"judge": "rubrik"}, "judge", "did you mean 'rubric'?"),
        (BODY | {"judge": "contains"}, "judge", "unknown name"),
        ({"judge": "rubric"}, "user", "nothing to keep"),
        ({"judge": "pairwise", "user": "{{ first }}"}, "user", "second"),
        (BODY | {"user": "{{ answer }}" + "x" * MOST_CHARACTERS}, "user", "does not fit"),
        (BODY | {"colour": "red"}, "colour", "nothing reads this field"),
    ],
)
def test_template_that_cannot_work__is_not_kept(experimenter: str, body: Any, path: str, words: str) -> None:
    issues = refused(put(experimenter, body))
    assert words in issues[path], issues
    assert get(experimenter, "templates/house").status == 404


@pytest.mark.parametrize("name", ["rubric", "frame", "2nd", "a%20b", "x" * 65])
def test_name_that_cannot_be_used__is_refused(experimenter: str, name: str) -> None:
    assert list(refused(put(experimenter, name=name))) == ["name"]


def test_name_and_texts__are_refused_together(experimenter: str) -> None:
    assert set(refused(put(experimenter, BODY | {"user": "{{ answer"}, name="rubric"))) == {"name", "user"}


@pytest.mark.parametrize("version", ["0", "-1", "one", "1.5", "9" * 30, ""])
def test_version_that_is_none__is_refused(experimenter: str, version: str) -> None:
    assert list(refused(get(experimenter, "templates/rubric", version=version))) == ["version"]


def test_roles__viewers_read_and_experimenters_write(experimenter: str) -> None:
    viewer = experimenter.replace("experimenter", "viewer")
    nobody = experimenter.replace("experimenter", "nobody")
    good(put(experimenter))
    assert put(viewer).status == 403
    for path in ("dimensions", "templates", "templates/house", "templates/rubric", "rubric"):
        assert get(viewer, path).status == 200, path
        assert get(nobody, path).status == 403, path


def test_templates_of_another_workspace__do_not_exist(experimenter: str) -> None:
    good(put(experimenter))
    assert get("[admin workspace.other]", "templates/house").status == 404
