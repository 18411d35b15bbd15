"""Scheduled once a day: the portfolio report."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.contracts.steps import Step
from abtest.runtime.observability import step
from abtest.runtime.steps.daily_analytics import DailyAnalyticsPorts, DailyReports, daily_analytics
from abtest.runtime.wiring import wiring


@step(Step)
def lambda_handler(_event: Step, _context: LambdaContext) -> DailyReports:
    """Write the portfolio report of every workspace."""
    wired = wiring("daily_analytics")
    ports = DailyAnalyticsPorts(tests=wired.tests, runs=wired.runs, objects=wired.objects, clock=wired.clock)
    return daily_analytics(ports)
