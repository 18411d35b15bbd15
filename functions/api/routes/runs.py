"""`/v1/runs`: watch, cancel, read the result."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.contracts import object_keys
from abtest.core.errors import ConflictError
from abtest.management.model import Progress, Run, RunPhase, Spending, TestStatus
from abtest.runtime.access import Role
from routes._request import caller, page_of, ports

router = Router()
DOWNLOAD_LIFETIME_S = 900


def shown(run: Run, progress: Progress | None = None, spending: Spending | None = None) -> dict[str, Any]:
    """Return a run as clients see it."""
    progress, spending = progress or Progress(), spending or Spending(cap_usd=run.cap_usd)
    return {
        **run.model_dump(
            mode="json", exclude={"workspace", "responses_total", "verdicts_total", "phase", "reserved_usd"}
        ),
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
            "verdicts": {"done": progress.verdicts_done, "total": run.verdicts_total},
        },
        "waiting": [one.model_dump(mode="json") for one in progress.waiting] if run.finished_at is None else [],
    }


def _phase(run: Run, progress: Progress) -> RunPhase:
    if run.phase in (RunPhase.PLANNING, RunPhase.DONE) or progress.responses_done < run.responses_total:
        return run.phase
    return RunPhase.JUDGING if progress.verdicts_done < run.verdicts_total else RunPhase.ANALYSING


@router.get("/runs")
def list_runs() -> dict[str, Any]:
    """Return a page of runs, newest first; of one test with `test_id`."""
    who = caller(router, Role.VIEWER)
    limit, cursor = page_of(router)
    test_id = (router.current_event.query_string_parameters or {}).get("test_id")
    page = ports().runs.list(who.workspace, test_id=test_id, limit=limit, cursor=cursor)
    return {"items": [shown(run) for run in page.items], "next_cursor": page.next_cursor}


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
