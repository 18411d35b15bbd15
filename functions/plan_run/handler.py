"""Lifecycle step PlanRun."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.contracts.steps import RunInput, WaveState
from abtest.runtime.observability import step
from abtest.runtime.steps.failures import reason_kept
from abtest.runtime.steps.plan_run import PlanRunPorts, plan_run
from abtest.runtime.wiring import wiring


def _ports() -> PlanRunPorts:
    wired = wiring("plan_run")
    return PlanRunPorts(
        tests=wired.tests,
        runs=wired.runs,
        budgets=wired.budgets,
        providers=wired.providers,
        objects=wired.objects,
        queue_urls=wired.settings.queue_urls,
        batch_size=wired.settings.batch_size,
        workspace_budget_usd=wired.settings.workspace_budget_usd,
    )


@step(RunInput)
def lambda_handler(event: RunInput, _context: LambdaContext) -> WaveState:
    """Plan one run and lead into its first wave."""
    ports = _ports()
    with reason_kept(ports.runs, event):
        return plan_run(event, ports)
