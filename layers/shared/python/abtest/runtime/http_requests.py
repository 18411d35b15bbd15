"""What a route needs of its request: who calls, and the body.

Depends on: Powertools event handler, `abtest.runtime.access`. Used by: the functions that answer the HTTP API.
"""

from __future__ import annotations

from typing import Any, TypeVar

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel

from abtest.runtime.access import Caller, Role, caller_of
from abtest.runtime.http_errors import not_json

Body = TypeVar("Body", bound=BaseModel)


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
    """Return the body as its model; pydantic's error is mapped by `abtest.runtime.http_function`."""
    return model.model_validate(json_body(router))
