"""DeadLetter: a message that no worker could process becomes a task failure, so that no run hangs.

Depends on: management. Used by: `functions/dead_letter`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from abtest.contracts.steps import JudgeMessage, QueuedMessage, queued_message
from abtest.core.errors import MessageUndeliverableError
from abtest.management.endings import explained
from abtest.management.ports import ObjectStore, RunStore
from abtest.runtime.steps.queue_worker import Tasks


@dataclass(frozen=True)
class DeadLetterPorts:
    """What the last stop of a message needs."""

    runs: RunStore
    objects: ObjectStore
    tasks: Tasks


def dead_letter(message_id: str, body: str, ports: DeadLetterPorts) -> bool:
    """Keep the message for the operator and fail the task that waits for it.

    Args:
        message_id: of the queue.
        body: as it was sent; it carries keys, never prompts or answers.

    Returns:
        Whether an execution was told; False for a message that is not one of ours.
    """
    ports.objects.put(f"dead-letters/{message_id}.json", body.encode(), content_type="text/plain")
    try:
        message = queued_message(body)
    except ValidationError:
        return False
    batch = message.batch
    error = MessageUndeliverableError(
        f"Batch {batch.batch} of {_whose(message)} failed as often as its queue allows.",
        details={
            "what_to_do": f"The logs of call_provider for run {batch.run_id} say why. "
            "Start the run again when it is mended; answers that were paid for are reused."
        },
    )
    ports.runs.stop(batch.workspace, batch.run_id, "failed", explained(error))
    return ports.tasks.fail(message.task_token, type(error).__name__, error.message)


def _whose(message: QueuedMessage) -> str:
    if isinstance(message, JudgeMessage):
        return f"judge {message.batch.judge!r}"
    return f"variant {message.batch.variant!r}"
