"""Whatever is on a vendor's queue: a batch of a variant, or of a judge that asks a model.

Depends on: the steps CallProvider and AskJudge. Used by: `functions/call_provider`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from abtest.contracts.steps import GenerateResult, JudgeMessage, JudgeResult, QueuedMessage
from abtest.runtime.steps.ask_judge import ask_judge
from abtest.runtime.steps.call_provider import call_provider
from abtest.runtime.steps.queue_worker import WorkerPorts


def answer_queued(
    message: QueuedMessage, receipt_handle: str, remaining_s: Callable[[], float], ports: WorkerPorts
) -> GenerateResult | JudgeResult | None:
    """Do what a message asks; arguments, result and errors as of `work_off`."""
    if isinstance(message, JudgeMessage):
        return ask_judge(message, receipt_handle, remaining_s, ports)
    return call_provider(message, receipt_handle, remaining_s, ports)


def log_fields(message: QueuedMessage) -> dict[str, Any]:
    """Return what the log says of a message: names and numbers, never a prompt, an answer or a token."""
    place = {"wave": message.batch.wave, "batch": message.batch.batch}
    if isinstance(message, JudgeMessage):
        return {**place, "judge": message.batch.judge, "fallback": message.batch.fallback}
    return {**place, "variant": message.batch.variant}


def metric_counts(result: GenerateResult | JudgeResult) -> dict[str, int]:
    """Return what a finished batch adds to the function's metrics, by metric."""
    if isinstance(result, JudgeResult):
        return {"Verdicts": result.verdicts, "VerdictsNotScored": result.not_scored}
    return {"Responses": result.responses, "ResponsesFailed": result.failed}
