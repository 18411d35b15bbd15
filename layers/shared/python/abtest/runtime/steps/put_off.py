"""A batch that should wait elsewhere: back to its queue with a delay, and its run shows what it waits for.

Depends on: management, providers. Used by: the step CallProvider.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from abtest.contracts.steps import GenerateMessage
from abtest.core.clock import Clock
from abtest.core.errors import ProviderUnavailableError
from abtest.management.model import Waiting
from abtest.management.ports import RunStore
from abtest.providers.model import BatchResult, Deferral
from abtest.providers.outage import given_up
from abtest.providers.service import Batch

LONGEST_DELAY_S = 20
"""A batch looks at its run's stop sign at least so often, however long it waits in all."""


class BatchQueue(Protocol):
    """The queue a message came from."""

    def put_back(self, message: GenerateMessage, *, delay_s: int = 0) -> None:
        """Send the batch again with its task token."""
        ...


class PutOffPorts(Protocol):
    """What putting off needs of the worker's ports."""

    @property
    def runs(self) -> RunStore:
        """Where a run shows what it waits for."""
        ...

    @property
    def queues(self) -> BatchQueue:
        """Where messages go back to."""
        ...

    @property
    def clock(self) -> Clock:
        """Waits are counted from now."""
        ...


def put_off(
    message: GenerateMessage, result: BatchResult, batch: Batch, ports: PutOffPorts
) -> ProviderUnavailableError | None:
    """Put a deferred batch back, or return why it has waited long enough.

    Args:
        message: as it came.
        result: says what to wait for.
        batch: its provider's registration says how long to wait for an answer.
    """
    deferral, provider, model = result.deferral, batch.provider, batch.requests[0].model
    if deferral is None:
        raise ValueError("only a deferred batch can be put off")
    now = ports.clock.now()
    since_s = _waiting_since_s(message, result, deferral, now.timestamp())
    if since_s is not None and now.timestamp() - since_s >= provider.give_up_after_s:
        return given_up(provider, model, deferral, now.timestamp() - since_s)
    delay_s = min(LONGEST_DELAY_S, max(1, round(deferral.wait_s)))
    rows = result.responses
    counts = {
        "done": len(rows),
        "failed": sum(row.outcome == "failed" for row in rows),
        "from_ledger": sum(row.from_ledger for row in rows),
    }
    item = message.batch
    waiting = Waiting(
        provider=provider.id,
        model=model,
        why=deferral.why,
        until=now + timedelta(seconds=max(delay_s, deferral.wait_s)),
        detail=deferral.detail,
    )
    ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, counts, waiting)
    # Last: from now on another worker may have it.
    ports.queues.put_back(message.model_copy(update={"waiting_since_s": since_s}), delay_s=delay_s)
    return None


def _waiting_since_s(message: GenerateMessage, result: BatchResult, deferral: Deferral, now_s: float) -> float | None:
    # Waiting for our own limit is no fault of the provider: the batch's turn comes.
    if deferral.why == "rate_limit" or result.answered_now:
        return None
    return message.waiting_since_s if message.waiting_since_s is not None else now_s
