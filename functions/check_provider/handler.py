"""`POST /v1/providers/{provider_id}/check`: a live check. A function of its own, since the API reads no keys."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.runtime.access import Role
from abtest.runtime.http_function import http_function
from abtest.runtime.http_requests import caller, parsed_body
from abtest.runtime.observability import count, logger
from abtest.runtime.provider_check import CheckBody, check_of
from abtest.runtime.wiring import wiring

router = Router()


@router.post("/providers/<provider_id>/check")
def check_provider(provider_id: str) -> dict[str, Any]:
    """Call a model once, for at most one token, and return what that shows."""
    who = caller(router, Role.EXPERIMENTER)
    body = parsed_body(router, CheckBody)
    result = check_of(who.workspace, provider_id, body.model, wiring("check_provider"))
    count("ProviderChecks")
    logger.info("provider checked", provider=provider_id, model=body.model, ok=result.ok, reason=result.reason)
    return result.model_dump(mode="json")


lambda_handler = http_function(router)
