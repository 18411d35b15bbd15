"""The worker's branch for variants with `mode: batch`: the vendor's batch interface in place of single calls.

Depends on: management, providers. Used by: the step CallProvider.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Protocol

from abtest.contracts.steps import GenerateMessage
from abtest.core.clock import Clock
from abtest.management.model import Waiting
from abtest.management.ports import RunStore
from abtest.providers.batches.ports import BatchJobStore
from abtest.providers.batches.submission import WHY, answer_by_batch
from abtest.providers.model import BatchResult, BatchSettings, Deferral
from abtest.providers.ports import BatchPorts
from abtest.providers.service import Batch


class BatchModePorts(Protocol):
    """What the branch needs of the worker's ports."""

    @property
    def runs(self) -> RunStore:
        """Where a run shows what it waits for."""
        ...

    @property
    def batch_jobs(self) -> BatchJobStore:
        """The jobs at batch interfaces."""
        ...

    @property
    def clock(self) -> Clock:
        """Waits are counted from now."""
        ...

    @property
    def run_async(self) -> Callable[[Coroutine[Any, Any, BatchResult]], BatchResult]:
        """Runs a coroutine on the worker's event loop."""
        ...


def answer_in_batch_mode(
    batch: Batch, message: GenerateMessage, batch_ports: BatchPorts, settings: BatchSettings, ports: BatchModePorts
) -> BatchResult:
    """Return the rows of a batch over its vendor's batch interface, or that they are not there yet.

    Args:
        batch: the requests and where they go.
        message: asked for it.
        batch_ports: what is outside.
        settings: cache mode and the run's scope in the ledger.
        ports: of the worker.

    Returns:
        As `answer_by_batch`; the run's record then shows what is waited for.
    """
    if not batch.requests:
        return BatchResult(())
    result = ports.run_async(answer_by_batch(batch, message, batch_ports, ports.batch_jobs, settings))
    if result.deferral is not None and waits_at_vendor(result):
        _show(result.deferral, batch, message, ports)
    return result


def waits_at_vendor(result: BatchResult) -> bool:
    """Return whether a batch is with its vendor: its message is done with, and the poller puts it back."""
    return result.deferral is not None and result.deferral.why == WHY


def _show(deferral: Deferral, batch: Batch, message: GenerateMessage, ports: BatchModePorts) -> None:
    item = message.batch
    waiting = Waiting(
        provider=batch.provider.id,
        model=batch.requests[0].model,
        why=deferral.why,
        until=ports.clock.now() + timedelta(seconds=deferral.wait_s),
        detail=deferral.detail,
    )
    counts = {"done": 0, "failed": 0, "from_ledger": 0}
    ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, counts, waiting)
