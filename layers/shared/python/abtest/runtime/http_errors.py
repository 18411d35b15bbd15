"""Errors on the wire: RFC 9457 problem details with stable codes.

Depends on: Powertools event handler, `abtest.core.errors`. Used by: `abtest.runtime.http_function`.
Source: RFC 9457, "Problem Details for HTTP APIs", section 3.1.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from abtest.contracts.definition import issues_of
from abtest.core.errors import (
    AbTestError,
    AccessDeniedError,
    BudgetExceededError,
    ConflictError,
    InputIssue,
    InvalidInputError,
    NotFoundError,
    ProviderConfigurationError,
    StoreThrottledError,
    StoreUnavailableError,
)

PROBLEM_JSON = "application/problem+json"
MAX_ISSUES = 100

_STATUS: tuple[tuple[type[AbTestError], HTTPStatus], ...] = (
    (InvalidInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ProviderConfigurationError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (AccessDeniedError, HTTPStatus.FORBIDDEN),
    (BudgetExceededError, HTTPStatus.CONFLICT),
    (ConflictError, HTTPStatus.CONFLICT),
    (StoreThrottledError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def status_of(error: AbTestError) -> HTTPStatus:
    """Return the HTTP status of an error; 500 for one that no client can mend."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(error: AbTestError, request_id: str) -> Response[str]:
    """Return an error as a problem+json answer.

    Args:
        error: its message and issues are shown; what it wraps is not.
        request_id: lets the operator find the log lines.
    """
    status = status_of(error)
    issues = error.issues[:MAX_ISSUES] if isinstance(error, InvalidInputError) else ()
    hidden = status == HTTPStatus.INTERNAL_SERVER_ERROR
    return _response(
        status,
        code=error.code,
        detail="The platform failed; the request id finds its log lines." if hidden else error.message,
        issues=[{k: v for k, v in asdict(issue).items() if v is not None} for issue in issues],
        request_id=request_id,
    )


def unexpected(request_id: str) -> Response[str]:
    """Return the answer to a failure nobody foresaw."""
    return _response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        detail="The platform failed; the request id finds its log lines.",
        issues=[],
        request_id=request_id,
    )


def invalid_body(error: ValidationError) -> InvalidInputError:
    """Return a body that does not fit its model as the product's own error."""
    return InvalidInputError("The request's body does not fit.", issues_of(error))


def missing_route(path: str) -> NotFoundError:
    """Return the error of a path nobody answers."""
    return NotFoundError(f"There is nothing at {path}; the paths are listed in docs/api.md.")


def not_json() -> InvalidInputError:
    """Return the error of a body that is no JSON object."""
    issue = InputIssue("(body)", "not a JSON object", allowed="a JSON object")
    return InvalidInputError("The request's body cannot be read.", [issue])


def _response(status: HTTPStatus, *, code: str, detail: str, issues: list[Any], request_id: str) -> Response[str]:
    body = {
        "type": f"urn:abtest:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
        "errors": issues,
        "request_id": request_id,
    }
    return Response(status_code=int(status), content_type=PROBLEM_JSON, body=json.dumps(body))
