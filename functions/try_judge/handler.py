"""`POST /v1/judges/try`: one judge on one answer or pair. A function of its own, since the API reads no keys."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.runtime.access import Role
from abtest.runtime.http_function import http_function
from abtest.runtime.http_requests import caller, json_body
from abtest.runtime.judge_trials import try_judge
from abtest.runtime.observability import count, logger
from abtest.runtime.wiring import wiring

router = Router()


@router.post("/judges/try")
def try_one_judge() -> dict[str, Any]:
    """Return what a judge says of an answer or pair, its prompts and its model's raw replies."""
    who = caller(router, Role.EXPERIMENTER)
    result = try_judge(who.workspace, json_body(router), wiring("try_judge"))
    count("JudgeTrials")
    logger.info("judge tried", type=result.type, calls=result.calls, cost_usd=result.cost_usd)
    return result.model_dump(mode="json")


lambda_handler = http_function(router)
