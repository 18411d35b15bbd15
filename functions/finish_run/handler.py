"""Lifecycle step FinishRun."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.contracts.steps import FinalState, WaveState
from abtest.runtime.observability import step
from abtest.runtime.steps.failures import reason_kept
from abtest.runtime.steps.finish_run import FinishRunPorts, finish_run
from abtest.runtime.wiring import wiring


@step(WaveState)
def lambda_handler(event: WaveState, _context: LambdaContext) -> FinalState:
    """Analyse, report and complete one run."""
    wired = wiring("finish_run")
    ports = FinishRunPorts(
        runs=wired.runs,
        budgets=wired.budgets,
        objects=wired.objects,
        clock=wired.clock,
        model_history=wired.model_history,
    )
    with reason_kept(ports.runs, event):
        return finish_run(event, ports)
