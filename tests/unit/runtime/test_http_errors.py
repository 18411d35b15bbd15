"""Errors on the wire: problem details with stable codes, nothing said that only the operator should read."""

from __future__ import annotations

import inspect
import json
from http import HTTPStatus

import pytest
from pydantic import BaseModel, ValidationError

from abtest.core import errors
from abtest.core.errors import AbTestError, InputIssue, InvalidInputError
from abtest.runtime import http_errors

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, AbTestError) and kind is not InvalidInputError
]
STATUSES = {
    "not_found": 404,
    "conflict": 409,
    "illegal_transition": 409,
    "idempotency_key_reused": 409,
    "budget_exceeded": 409,
    "access_denied": 403,
    "provider_configuration": 422,
    "store_throttled": 503,
    "store_unavailable": 503,
}


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_its_status__and_500_says_nothing(kind: type[AbTestError]) -> None:
    answer = http_errors.problem(kind("the table is called prod-7"), "request-1")

    status = STATUSES.get(kind.code, 500)
    body = json.loads(answer.body or "")
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert body["status"] == status
    assert body["title"] == HTTPStatus(status).phrase
    assert body["code"] == kind.code
    assert body["type"] == f"urn:abtest:problem:{kind.code}"
    assert body["request_id"] == "request-1"
    assert ("prod-7" in body["detail"]) == (status != 500)


def test_issues_are_listed__without_empty_fields() -> None:
    error = InvalidInputError("bad", [InputIssue("a", "is wrong", "1", "2", 3), InputIssue("b", "is missing")])

    answer = http_errors.problem(error, "r")

    body = json.loads(answer.body or "")
    assert (answer.status_code, body["code"], body["detail"]) == (422, "invalid_input", "bad")
    assert body["errors"] == [
        {"path": "a", "message": "is wrong", "found": "1", "allowed": "2", "line": 3},
        {"path": "b", "message": "is missing"},
    ]


def test_at_most_a_hundred_issues_are_listed() -> None:
    error = InvalidInputError("bad", [InputIssue(str(n), "is wrong") for n in range(250)])

    assert len(json.loads(http_errors.problem(error, "r").body or "")["errors"]) == 100


def test_unexpected_failure_says_only_where_to_look() -> None:
    body = json.loads(http_errors.unexpected("request-2").body or "")

    assert (body["status"], body["code"], body["request_id"]) == (500, "internal_error", "request-2")


def test_body_that_does_not_fit_is_told__field_by_field() -> None:
    class Body(BaseModel):
        size: int

    with pytest.raises(ValidationError) as caught:
        Body.model_validate({"size": "big"})

    (issue,) = http_errors.invalid_body(caught.value).issues
    assert (issue.path, issue.found) == ("size", "'big'")
