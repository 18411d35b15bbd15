"""`/v1/tests`: create, read, start."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.analytics.power.detectable import detectable_effect_binary
from abtest.management.model import Test
from abtest.management.service import TestOrchestrator
from abtest.runtime.access import Role
from abtest.runtime.catalogue import JudgeRegistry, ModelHistory, Tokenizers, price_book
from routes._request import caller, json_body, page_of, ports
from routes._templates import with_templates
from routes.runs import shown as shown_run

router = Router()


def orchestrator() -> TestOrchestrator:
    """Return the service over the API's ports."""
    wired = ports()
    return TestOrchestrator(
        tests=wired.tests,
        runs=wired.runs,
        datasets=wired.datasets,
        providers=wired.providers,
        judges=JudgeRegistry(),
        workflow=wired.workflow,
        price_book=price_book(wired.clock.now),
        counter=Tokenizers(),
        history=lambda workspace: ModelHistory(wired.model_history, workspace),
        detectable_effect=lambda n, alpha: detectable_effect_binary(n, alpha=alpha),
        clock=wired.clock,
        workers=wired.settings.worker_max_concurrency,
    )


def _shown(test: Test) -> dict[str, Any]:
    return test.model_dump(mode="json", exclude={"workspace"})


@router.post("/tests")
def create_test() -> Response[dict[str, Any]]:
    """Check a definition whole, estimate it, keep it."""
    who = caller(router, Role.EXPERIMENTER)
    raw, told = with_templates(json_body(router), who.workspace)
    test = orchestrator().create_test(raw, workspace=who.workspace, created_by=who.name, told=told)
    return Response(status_code=201, content_type="application/json", body=_shown(test))


@router.get("/tests")
def list_tests() -> dict[str, Any]:
    """Return a page of tests, newest first."""
    who = caller(router, Role.VIEWER)
    limit, cursor = page_of(router)
    page = ports().tests.list(who.workspace, limit=limit, cursor=cursor)
    return {"items": [_shown(test) for test in page.items], "next_cursor": page.next_cursor}


@router.get("/tests/<test_id>")
def get_test(test_id: str) -> dict[str, Any]:
    """Return one test."""
    who = caller(router, Role.VIEWER)
    return _shown(ports().tests.get(who.workspace, test_id))


@router.post("/tests/<test_id>/runs")
def start_run(test_id: str) -> Response[dict[str, Any]]:
    """Start a run; the same Idempotency-Key starts nothing twice."""
    who = caller(router, Role.EXPERIMENTER)
    key = router.current_event.headers.get("idempotency-key")
    run = orchestrator().start_run(test_id, workspace=who.workspace, started_by=who.name, idempotency_key=key)
    return Response(status_code=202, content_type="application/json", body=shown_run(run))
