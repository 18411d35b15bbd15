"""Lifecycle step JudgeBatch."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.contracts.steps import JudgeItem, JudgeResult
from abtest.runtime.observability import step
from abtest.runtime.steps.failures import reason_kept
from abtest.runtime.steps.judge_batch import JudgeBatchPorts, judge_batch
from abtest.runtime.wiring import wiring


@step(JudgeItem)
def lambda_handler(event: JudgeItem, _context: LambdaContext) -> JudgeResult:
    """Judge one batch with one judge."""
    wired = wiring("judge_batch")
    with reason_kept(wired.runs, event):
        return judge_batch(event, JudgeBatchPorts(runs=wired.runs, objects=wired.objects))
