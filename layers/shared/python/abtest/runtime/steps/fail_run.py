"""FailRun: the compensation.

Whatever went wrong, the run ends with a reason, its money is released, and what was done is kept and reported without
a verdict.

Depends on: reporting, management. Used by: `functions/fail_run`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from abtest.contracts import object_keys
from abtest.contracts.steps import FailedState, FinalState
from abtest.core.clock import Clock, iso
from abtest.core.errors import NotFoundError
from abtest.management.endings import ended
from abtest.management.model import Run, RunError, Spending, TestStatus
from abtest.management.ports import BudgetStore, ObjectStore, RunStore
from abtest.reporting.exports import samples_csv
from abtest.reporting.report import PartialRun, render_partial_report
from abtest.reporting.rows import PairedRow, pair_rows
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.run_rows import analysis_plan, read_batches


@dataclass(frozen=True)
class FailRunPorts:
    """What the compensation needs."""

    runs: RunStore
    budgets: BudgetStore
    objects: ObjectStore
    clock: Clock


def fail_run(state: FailedState, ports: FailRunPorts) -> FinalState:
    """End a run that cannot go on; a repeated call changes nothing."""
    run = ports.runs.get(state.workspace, state.run_id)
    if run.status == TestStatus.RUNNING:
        # The sign stops workers that are still at it; an earlier reason stays.
        ports.runs.stop(state.workspace, state.run_id, "failed", _caught(state.failure))
        spending = ports.runs.spending(state.workspace, state.run_id)
        cancelled = spending.stop == "cancelled"
        error = None
        if not cancelled:
            kept = ports.runs.stop_error(state.workspace, state.run_id)
            error = RunError.model_validate(kept or _caught(state.failure))
        artifacts = _partial_report(run, error, spending, ports)
        done = ended(run, ports.clock.now(), error).model_copy(update={"artifacts": artifacts})
        # The money first: a repeated call releases nothing twice, but does nothing at all for a run that has ended.
        ports.budgets.release(state.workspace, state.run_id, spending.spent_usd)
        ports.runs.finish(done, "cancel" if cancelled else "fail")
        run = ports.runs.get(state.workspace, state.run_id)
    return FinalState.model_validate({"workspace": state.workspace, "run_id": state.run_id, "status": run.status.value})


def _partial_report(run: Run, error: RunError | None, spending: Spending, ports: FailRunPorts) -> tuple[str, ...]:
    bodies = RunBodies(ports.objects, run.workspace, run.run_id)
    try:
        frozen = bodies.frozen()
    except NotFoundError:
        # Planning failed: there is nothing to report beyond the error in the run's record.
        return ()
    rows: list[PairedRow] = []
    for batch in read_batches(bodies, frozen):
        rows.extend(row for row in pair_rows(batch.samples, batch.responses, batch.verdicts) if row.responses)
    partial = PartialRun(
        plan=analysis_plan(run, frozen, iso(ports.clock.now())),
        status="FAILED" if error else "CANCELLED",
        samples=frozen.dataset.rows,
        error_message=error.message if error else None,
        what_to_do=error.what_to_do if error else None,
        spent_usd=spending.spent_usd,
    )
    html = render_partial_report(partial, rows)
    bodies.write_artifact(object_keys.REPORT, html.encode(), "text/html; charset=utf-8")
    bodies.write_artifact(object_keys.SAMPLES, b"".join(samples_csv(rows, partial.plan)), "text/csv; charset=utf-8")
    return (object_keys.REPORT, object_keys.SAMPLES)


def _caught(failure: dict[str, Any] | None) -> dict[str, str]:
    """Return what Step Functions caught as the error of a run, for want of a better reason."""
    name = str((failure or {}).get("Error") or "unknown")
    return {
        "code": "step_failed",
        "message": f"A step of the run failed: {name}. {_sentence((failure or {}).get('Cause'))}".strip(),
        "what_to_do": "The execution's history and the function's log say more. Start the run again; "
        "answers that were paid for are reused.",
    }


def _sentence(cause: Any) -> str:
    try:
        decoded = json.loads(cause)
    except (TypeError, ValueError):
        return str(cause or "")[:500]
    if isinstance(decoded, dict):
        return str(decoded.get("errorMessage") or "")[:500]
    return str(decoded)[:500]
