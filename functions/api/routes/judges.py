"""`/v1/judges`: the judge types a test may use."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.evaluation.registry import describe_judges
from abtest.runtime.access import Role
from routes._request import caller

router = Router()


@router.get("/judges")
def list_judges() -> dict[str, Any]:
    """Return every judge type with its parameters as JSON schema."""
    caller(router, Role.VIEWER)
    return {"items": describe_judges()}
