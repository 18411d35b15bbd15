"""`/v1/runs`: watch, cancel, judge anew, read the result."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.contracts import object_keys
from abtest.core.errors import ConflictError
from abtest.management.model import Progress, Run, RunPhase, Spending, TestStatus
from abtest.runtime.access import Role
from routes._request import caller, json_body, page_of, ports
from routes._templates import with_templates

router = Router()
DOWNLOAD_LIFETIME_S = 900
_INTERNAL = {"workspace", "responses_total", "verdicts_total", "phase", "reserved_usd"}
_WHOLE_ONLY = frozenset({"definition", "estimate", "warnings"})
"""Of a run that judges anew: too much for a list of runs."""


def shown(run: Run, progress: Progress | None = None, spending: Spending | None = None) -> dict[str, Any]:
    """Return a run as clients see it."""
    progress, spending = progress or Progress(), spending or Spending(cap_usd=run.cap_usd)
    return {
        **run.model_dump(mode="json", exclude=_INTERNAL),
        "phase": _phase(run, progress),
        "cancel_requested": spending.stop == "cancelled",
        "spent_usd": str(spending.spent_usd),
        "progress": {
            "responses": {
                "done": progress.responses_done,
                "total": run.responses_total,
                "failed": progress.responses_failed,
                "from_ledger": progress.responses_from_ledger,
            },
            "verdicts": {"done": progress.verdicts_done, "total": run.verdicts_total + progress.verdicts_added},
        },
        "waiting": [one.model_dump(mode="json") for one in progress.waiting] if run.finished_at is None else [],
    }


def _listed(run: Run) -> dict[str, Any]:
    return {name: value for name, value in shown(run).items() if name not in _WHOLE_ONLY}


def _phase(run: Run, progress: Progress) -> RunPhase:
    if run.phase in (RunPhase.PLANNING, RunPhase.DONE) or progress.responses_done < run.responses_total:
        return run.phase
    total = run.verdicts_total + progress.verdicts_added
    return RunPhase.JUDGING if progress.verdicts_done < total else RunPhase.ANALYSING


@router.get("/runs")
def list_runs() -> dict[str, Any]:
    """Return a page of runs, newest first; of one test with `test_id`."""
    who = caller(router, Role.VIEWER)
    limit, cursor = page_of(router)
    test_id = (router.current_event.query_string_parameters or {}).get("test_id")
    page = ports().runs.list(who.workspace, test_id=test_id, limit=limit, cursor=cursor)
    return {"items": [_listed(run) for run in page.items], "next_cursor": page.next_cursor}


@router.get("/runs/<run_id>")
def get_run(run_id: str) -> dict[str, Any]:
    """Return one run: where it stands, how far it is, what it has spent."""
    who = caller(router, Role.VIEWER)
    runs = ports().runs
    run = runs.get(who.workspace, run_id)
    return shown(run, runs.progress(who.workspace, run_id), runs.spending(who.workspace, run_id))


@router.post("/runs/<run_id>/cancel")
def cancel_run(run_id: str) -> Response[dict[str, Any]]:
    """Ask a run to stop."""
    from routes.tests import orchestrator

    who = caller(router, Role.EXPERIMENTER)
    run = orchestrator().cancel_run(run_id, workspace=who.workspace)
    spending = ports().runs.spending(who.workspace, run_id)
    return Response(status_code=202, content_type="application/json", body=shown(run, spending=spending))


@router.post("/runs/<run_id>/rejudge")
def rejudge_run(run_id: str) -> Response[dict[str, Any]]:
    """Judge a run's answers anew in a run of its own; with `dry_run` only check and estimate it."""
    from routes.tests import orchestrator

    who = caller(router, Role.EXPERIMENTER)
    raw, told = with_templates(json_body(router), who.workspace)
    if raw.get("dry_run") is True:
        planned = orchestrator().plan_rejudging(run_id, raw, workspace=who.workspace, told=told)
        body = {
            "rejudges": run_id,
            "definition": planned.definition.model_dump(mode="json"),
            "estimate": planned.estimate.model_dump(mode="json"),
            "warnings": list(planned.warnings),
        }
        return Response(status_code=200, content_type="application/json", body=body)
    key = router.current_event.headers.get("idempotency-key")
    run = orchestrator().rejudge_run(
        run_id, raw, workspace=who.workspace, started_by=who.name, idempotency_key=key, told=told
    )
    return Response(status_code=202, content_type="application/json", body=shown(run))


@router.get("/runs/<run_id>/analysis")
def get_analysis(run_id: str) -> dict[str, Any]:
    """Return the final analysis; there is none while the run goes on."""
    who = caller(router, Role.VIEWER)
    run = ports().runs.get(who.workspace, run_id)
    if run.status != TestStatus.COMPLETED:
        raise ConflictError(f"Run {run_id} is {run.status}; only a completed run has an analysis.")
    analysis: dict[str, Any] = json.loads(
        ports().objects.get(object_keys.artifact(who.workspace, run_id, object_keys.ANALYSIS))
    )
    return analysis


@router.get("/runs/<run_id>/artifacts")
def get_artifacts(run_id: str) -> dict[str, Any]:
    """Return where each of the run's files can be downloaded for the next 15 minutes."""
    who = caller(router, Role.VIEWER)
    run = ports().runs.get(who.workspace, run_id)
    return {
        "artifacts": {
            name: {
                "url": ports().objects.download_url(
                    object_keys.artifact(who.workspace, run_id, name), expires_in_s=DOWNLOAD_LIFETIME_S, filename=name
                )
            }
            for name in run.artifacts
        }
    }
