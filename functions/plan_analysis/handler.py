"""`POST /v1/analysis/power`: the plan of a test. A function of its own, since only it needs numpy and SciPy."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.runtime.access import Role
from abtest.runtime.http_function import http_function
from abtest.runtime.http_requests import caller, parsed_body
from abtest.runtime.power_plans import PlanBody, plan_of
from abtest.runtime.wiring import wiring

router = Router()


@router.post("/analysis/power")
def plan_analysis() -> dict[str, Any]:
    """Return how many samples a test needs, what they find, and what that costs."""
    who = caller(router, Role.VIEWER)
    body = parsed_body(router, PlanBody)
    return plan_of(body, workspace=who.workspace, ports=wiring("plan_analysis")).model_dump(mode="json")


lambda_handler = http_function(router)
