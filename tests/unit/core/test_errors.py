"""Errors: one tree, stable codes, and every one survives pickling and JSON."""

from __future__ import annotations

import inspect
import json
import pickle

import pytest

from abtest.core import errors
from abtest.core.errors import AbTestError, InputIssue, InvalidInputError, StoreError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, AbTestError)]
PLAIN = [kind for kind in ALL if kind is not InvalidInputError]


@pytest.mark.parametrize("kind", PLAIN)
def test_error_survives_pickling__with_details(kind: type[AbTestError]) -> None:
    error = kind("something broke", details={"n": 3})

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert again.to_dict() == error.to_dict()
    assert str(again) == "something broke"
    assert again.args == error.args


def test_error_survives_pickling__with_issues() -> None:
    error = InvalidInputError("bad", [InputIssue("a.b", "is wrong", "1", "2", line=3)])

    again = pickle.loads(pickle.dumps(error))

    assert again.issues == error.issues
    assert again.to_dict() == error.to_dict()


@pytest.mark.parametrize("kind", PLAIN)
def test_to_dict_is_json__for_every_error(kind: type[AbTestError]) -> None:
    shown = json.loads(json.dumps(kind("broke", details={"a": 1}).to_dict()))

    assert shown == {"code": kind.code, "error": kind.__name__, "message": "broke", "details": {"a": 1}}


def test_to_dict_lists_the_issues__of_invalid_input() -> None:
    shown = InvalidInputError("bad", [InputIssue("a", "is wrong")]).to_dict()

    assert shown["details"]["issues"] == [
        {"path": "a", "message": "is wrong", "found": None, "allowed": None, "line": None}
    ]


def test_codes_are_unique__over_the_tree() -> None:
    codes = [kind.code for kind in ALL]

    assert len(set(codes)) == len(codes)
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)


def test_docstring_draws_the_tree__with_every_class() -> None:
    drawn = errors.__doc__ or ""

    assert [kind.__name__ for kind in ALL if kind.__name__ not in drawn] == []


def test_only_stores_that_may_recover_are_retryable() -> None:
    retryable = {kind.__name__ for kind in ALL if kind.retryable}

    assert retryable == {"StoreThrottledError", "StoreUnavailableError"}
    assert not StoreError.retryable


def test_details_are_a_copy__of_what_was_given() -> None:
    given = {"a": 1}
    error = AbTestError("broke", details=given)
    given["a"] = 2

    assert error.details == {"a": 1}


@pytest.mark.parametrize(
    ("issue", "sentence"),
    [
        (InputIssue("control", "is missing"), "control: is missing"),
        (InputIssue("control", "is wrong", "x"), "control: is wrong (found x)"),
        (InputIssue("control", "is wrong", "x", "a, b"), "control: is wrong (found x); allowed: a, b"),
        (InputIssue("id", "is wrong", None, "text", line=7), "line 7, id: is wrong; allowed: text"),
    ],
)
def test_issue_is_one_line__for_a_terminal(issue: InputIssue, sentence: str) -> None:
    assert issue.sentence() == sentence
