"""Lifecycle step TakeLook."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.contracts.steps import WaveState
from abtest.runtime.observability import step
from abtest.runtime.steps.failures import reason_kept
from abtest.runtime.steps.take_look import take_look
from abtest.runtime.wiring import wiring


@step(WaveState)
def lambda_handler(event: WaveState, _context: LambdaContext) -> WaveState:
    """Apply the declared design after a wave."""
    wired = wiring("take_look")
    with reason_kept(wired.runs, event):
        return take_look(event, wired.runs, wired.objects)
