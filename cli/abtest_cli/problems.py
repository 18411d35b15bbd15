"""Turns an answer of the API that is an error into the platform's own error, with every issue.

Depends on: httpx, `abtest.core.errors`. Used by: `client`.
Source: RFC 9457, "Problem Details for HTTP APIs".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from abtest.core.errors import AbTestError, AccessDeniedError, InputIssue, InvalidInputError, NotFoundError
from abtest_cli.errors import ApiFailureError, ApiUnreachableError, SignInError

_ISSUE_FIELDS = ("path", "message", "found", "allowed")


def error_of(response: httpx.Response, what: str) -> AbTestError:
    """Return the error of an answer.

    Args:
        response: with a status that is no success.
        what: the request, for messages: `GET /v1/runs/run_1`.
    """
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        return _unspoken(response, what)
    code, message = str(problem["code"]), str(problem.get("detail") or problem.get("title") or what)
    if code == InvalidInputError.code:
        return InvalidInputError(message, [_issue(issue) for issue in problem.get("errors") or ()])
    known = {kind.code: kind for kind in _kinds(AbTestError) if not issubclass(kind, InvalidInputError)}
    kind = known.get(code)
    if kind is None or response.status_code >= 500:
        where = f" (request id {problem['request_id']})" if problem.get("request_id") else ""
        return ApiFailureError(f"{message} {what} answered {response.status_code}{where}.")
    return kind(message)


def _kinds(root: type[AbTestError]) -> Iterator[type[AbTestError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _issue(raw: Mapping[str, Any]) -> InputIssue:
    line = raw.get("line")
    path, message, found, allowed = (None if raw.get(name) is None else str(raw[name]) for name in _ISSUE_FIELDS)
    return InputIssue(
        path or "(whole)", message or "not valid", found, allowed, line if isinstance(line, int) else None
    )


def _unspoken(response: httpx.Response, what: str) -> AbTestError:
    """Return the error of an answer that API Gateway, a proxy or a stranger gave instead of the platform."""
    status = response.status_code
    if status == 401:
        return SignInError("The API does not accept the sign-in. Sign in again: `abtest login`; local: `abtest up`.")
    if status == 403:
        return AccessDeniedError(f"{what} is not allowed for this user. An administrator grants roles by group.")
    if status == 404:
        return NotFoundError(f"{what} answered 404: nothing is there. Check the address and the identifier.")
    if status == 429:
        return ApiFailureError(f"{what}: the API asks to slow down (429). Wait a moment and try again.")
    if status >= 500:
        return ApiFailureError(f"{what} answered {status}: the API is overloaded or being deployed. Try again shortly.")
    return ApiUnreachableError(f"{what} answered {status} without the platform's own words. Is the address right?")
