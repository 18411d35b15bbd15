"""What every route needs of its request: who calls, the body, the page."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.runtime.http_requests import caller, json_body, parsed_body
from abtest.runtime.wiring import Wiring, wiring

__all__ = ["caller", "json_body", "page_of", "parsed_body", "ports"]

MAX_PAGE = 100
DEFAULT_PAGE = 25


def ports() -> Wiring:
    """Return the API's wiring."""
    return wiring("api")


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
