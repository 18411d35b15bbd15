"""Lifecycle step FailRun, the compensation."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.contracts.steps import FailedState, FinalState
from abtest.runtime.observability import step
from abtest.runtime.steps.fail_run import FailRunPorts, fail_run
from abtest.runtime.wiring import wiring


@step(FailedState)
def lambda_handler(event: FailedState, _context: LambdaContext) -> FinalState:
    """End one run that cannot go on."""
    wired = wiring("fail_run")
    ports = FailRunPorts(runs=wired.runs, budgets=wired.budgets, objects=wired.objects, clock=wired.clock)
    return fail_run(event, ports)
