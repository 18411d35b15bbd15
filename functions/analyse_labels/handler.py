"""`GET /v1/runs/{run_id}/labels/analysis`: what people say. A function of its own, since it needs numpy and SciPy."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.runtime.access import Role
from abtest.runtime.http_function import http_function
from abtest.runtime.http_requests import caller
from abtest.runtime.label_analysis import label_analysis
from abtest.runtime.wiring import wiring

router = Router()


@router.get("/runs/<run_id>/labels/analysis")
def analyse_labels(run_id: str) -> dict[str, Any]:
    """Return how far the judge agrees with people, and the effect as people would see it."""
    who = caller(router, Role.VIEWER)
    metric = (router.current_event.query_string_parameters or {}).get("metric") or None
    found = label_analysis(metric, run_id, workspace=who.workspace, ports=wiring("analyse_labels"))
    return found.model_dump(mode="json")


lambda_handler = http_function(router)
