"""What every route needs of its request: who calls, the body, the page."""

from __future__ import annotations

from typing import Any, TypeVar

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.runtime.access import Caller, Role, caller_of
from abtest.runtime.http_errors import not_json
from abtest.runtime.wiring import Wiring, wiring

Body = TypeVar("Body", bound=BaseModel)
MAX_PAGE = 100
DEFAULT_PAGE = 25


def ports() -> Wiring:
    """Return the API's wiring."""
    return wiring("api")


def caller(router: Router, role: Role) -> Caller:
    """Return the caller, who has at least this role.

    Raises:
        AccessDeniedError: they have not.
    """
    return caller_of(router.current_event.raw_event["requestContext"]).require(role)


def json_body(router: Router) -> dict[str, Any]:
    """Return the body.

    Raises:
        InvalidInputError: it is no JSON object.
    """
    try:
        body = router.current_event.json_body
    except (ValueError, TypeError, RecursionError) as error:
        raise not_json() from error
    if not isinstance(body, dict):
        raise not_json()
    return body


def parsed_body(router: Router, model: type[Body]) -> Body:
    """Return the body as its model; pydantic's error is mapped by the handler."""
    return model.model_validate(json_body(router))


def page_of(router: Router) -> tuple[int, str | None]:
    """Return `limit` and `cursor` of the query.

    Raises:
        InvalidInputError: the limit is no number from 1 to 100.
    """
    query = router.current_event.query_string_parameters or {}
    raw = query.get("limit") or str(DEFAULT_PAGE)
    if not raw.isdecimal() or not 1 <= int(raw) <= MAX_PAGE:
        raise InvalidInputError(
            "The query does not fit.", [InputIssue("limit", "out of range", raw, f"1 to {MAX_PAGE}")]
        )
    return int(raw), query.get("cursor") or None
