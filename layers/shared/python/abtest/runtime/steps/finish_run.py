"""FinishRun: the final analysis, the files a person downloads, the end of the run.

Depends on: analytics, evaluation, reporting, management. Used by: `functions/finish_run`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from importlib.metadata import version

from abtest.analytics.model import AnalysisResult
from abtest.analytics.plan import AnalysisPlan
from abtest.contracts import object_keys
from abtest.contracts.records import ModelResponse, Verdict
from abtest.contracts.steps import FinalState, WaveState
from abtest.core.clock import Clock, iso
from abtest.core.errors import RunCancelledError, StoreError
from abtest.core.money import dollars
from abtest.evaluation.response_facts import why_missing
from abtest.management.endings import ended
from abtest.management.model import Run, RunFrozen, RunVerdict, TestStatus
from abtest.management.ports import BudgetStore, ObjectStore, RunStore
from abtest.providers.ports import SharedState
from abtest.reporting.exports import analysis_json, samples_csv
from abtest.reporting.report import render_report
from abtest.reporting.rows import PairedRow
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.run_analysis import analysis_so_far
from abtest.runtime.steps.run_history import remember_use
from abtest.runtime.steps.run_rows import analysis_plan

_NUMERIC_PACKAGES = ("numpy", "scipy")
_NO_MONEY = str(why_missing(ModelResponse(sample_id="any", variant="any", outcome="failed", failure_reason="budget")))
"""Ends the reason of a vote that there was no money for."""


@dataclass(frozen=True)
class FinishRunPorts:
    """What ending a run needs.

    Args:
        model_history: remembers what models used, for later estimates.
    """

    runs: RunStore
    budgets: BudgetStore
    objects: ObjectStore
    clock: Clock
    model_history: SharedState


def finish_run(state: WaveState, ports: FinishRunPorts) -> FinalState:
    """Analyse a run, write its files and complete it; a repeated call changes nothing.

    Raises:
        RunCancelledError: the run was asked to stop before its end.
    """
    run = ports.runs.get(state.workspace, state.run_id)
    if run.status != TestStatus.RUNNING:
        return _final(state, run)
    if ports.runs.spending(state.workspace, state.run_id).stop == "cancelled":
        raise RunCancelledError("The run was asked to stop; what was answered is kept.")
    bodies = RunBodies(ports.objects, state.workspace, state.run_id)
    frozen = bodies.frozen()
    analysis, rows = _analysis(run, bodies, frozen, ports.clock, waves=state.wave + 1)
    _write(bodies, analysis, rows)
    with contextlib.suppress(StoreError):
        # A better estimate next time is not worth the failure of this run.
        remember_use(ports.model_history, state.workspace, frozen, analysis)
    spent_usd = ports.runs.spending(state.workspace, state.run_id).spent_usd
    verdict = RunVerdict(decision=analysis.decision.outcome, sentence=analysis.decision.sentence)
    done = ended(run, ports.clock.now()).model_copy(update={"verdict": verdict, "artifacts": object_keys.ARTIFACTS})
    # The money first: a repeated call releases nothing twice, but does nothing at all for a run that has ended.
    ports.budgets.release(state.workspace, state.run_id, spent_usd)
    ports.runs.finish(done, "complete")
    return _final(state, ports.runs.get(state.workspace, state.run_id))


def _analysis(
    run: Run, bodies: RunBodies, frozen: RunFrozen, clock: Clock, *, waves: int
) -> tuple[AnalysisResult, list[PairedRow]]:
    frozen = frozen.model_copy(update={"versions": {**frozen.versions, **{p: version(p) for p in _NUMERIC_PACKAGES}}})
    plan = analysis_plan(run, frozen, iso(clock.now()))
    analysis, rows = analysis_so_far(bodies, frozen, plan, waves=waves)
    warnings = (*run.warnings, *_early_end(run, analysis), *_budget_warnings(run, plan, rows), *analysis.warnings)
    return analysis.model_copy(update={"warnings": warnings}), rows


def _early_end(run: Run, analysis: AnalysisResult) -> list[str]:
    """Say why a run ended before its last look."""
    if run.stopped_early is None:
        return []
    asked, planned = analysis.coverage.asked, analysis.look.planned
    why = {
        "efficacy": "the design's boundary was crossed: the question is answered",
        "futility": "the chance to find anything in the rest was below what the design asks for",
        "budget": "the money was spent",
    }[run.stopped_early]
    where = f"after look {analysis.look.number} of {analysis.plan.design.looks}, {asked:,} of {planned:,} samples"
    return [f"The run ended early, {where}: {why}."]


def _budget_warnings(run: Run, plan: AnalysisPlan, rows: list[PairedRow]) -> list[str]:
    unanswered = sum(r.failure_reason == "budget" for row in rows for r in row.responses.values())
    unjudged = sum(
        _lacks_money(verdict) for row in rows for by_judge in row.verdicts.values() for verdict in by_judge.values()
    )
    warnings, missing = [], []
    if unanswered and run.rejudges is not None:
        warnings.append(
            f"Run {run.rejudges}, whose answers are judged here, reached its cap: {unanswered:,} calls were not made, "
            "and their samples are missing from every number."
        )
    elif unanswered:
        missing.append(f"{unanswered:,} calls were not made")
    if unjudged:
        missing.append(f"judges were not asked for {unjudged:,} verdicts")
    if missing:
        warnings.append(
            f"The run reached its cap of {dollars(plan.cap_usd)}: {' and '.join(missing)}, and their samples are "
            "missing from every number. Raise the cap and run again; answers that were paid for are reused."
        )
    return warnings


def _lacks_money(verdict: Verdict) -> bool:
    return verdict.status != "scored" and any((vote.reason or "").endswith(_NO_MONEY) for vote in verdict.votes)


def _write(bodies: RunBodies, analysis: AnalysisResult, rows: list[PairedRow]) -> None:
    bodies.write_artifact(object_keys.ANALYSIS, analysis_json(analysis), "application/json")
    bodies.write_artifact(object_keys.REPORT, render_report(analysis, rows).encode(), "text/html; charset=utf-8")
    csv = b"".join(samples_csv(rows, analysis.plan))
    bodies.write_artifact(object_keys.SAMPLES, csv, "text/csv; charset=utf-8")


def _final(state: WaveState, run: Run) -> FinalState:
    return FinalState.model_validate({"workspace": state.workspace, "run_id": state.run_id, "status": run.status.value})
