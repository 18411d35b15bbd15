"""A batch that ended early: back to its queue, with a delay if it waits for something, which its run then shows.

Depends on: management, providers. Used by: the step CallProvider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from abtest.contracts.records import Attempt, ModelResponse
from abtest.contracts.steps import GenerateMessage
from abtest.core.clock import Clock
from abtest.management.model import Waiting
from abtest.management.ports import RunStore
from abtest.providers.model import BatchResult, Deferral
from abtest.providers.outage import UNAVAILABLE_REASONS, given_up
from abtest.providers.service import Batch

LONGEST_DELAY_S = 20
"""A batch looks at its run's stop sign at least so often, however long it waits in all."""
MOST_FAILED_ROWS = 100
"""A message may hold 256 KiB; failures beyond so many are found again by asking."""
MOST_ATTEMPTS = 1_000
"""Of a message, over all its samples: 120 bytes each."""
ENOUGH_ANSWERED = 0.5
"""With this share of its rows answered, a batch that waited long enough ends with the others failed; with less, the
provider is at fault and not some samples, and the run fails: started again, it asks for what is missing only."""


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


def put_off(message: GenerateMessage, result: BatchResult, batch: Batch, ports: PutOffPorts) -> BatchResult | None:
    """Put a batch back that ended early, or return what it ends with because it has waited long enough.

    Args:
        message: as it came.
        result: deferred, which says what to wait for; or at its deadline, from which it goes on at once.
        batch: its provider's registration says how long to wait for an answer.
    """
    deferral, now_s = result.deferral, ports.clock.now().timestamp()
    delay_s = 0 if deferral is None else min(LONGEST_DELAY_S, max(1, round(deferral.wait_s)))
    since_s = _waiting_since_s(message, result, now_s, delay_s)
    waited_s = 0.0 if since_s is None else now_s - since_s
    if since_s is not None and _blames_provider(result) and waited_s >= batch.provider.give_up_after_s:
        return _given_up(result, batch, waited_s)
    if deferral is not None:
        _show(deferral, message, result, batch, ports)
    # Last: from now on another worker may have it.
    failed = _failed_for_good(result)
    again = {"waiting_since_s": since_s, "failed": failed, "attempts": _attempts(result, failed)}
    ports.queues.put_back(message.model_copy(update=again), delay_s=delay_s)
    return None


def _failed_for_good(result: BatchResult) -> tuple[ModelResponse, ...]:
    """Return the rows that another attempt would not change, and that may have been paid for all the same."""
    failed = (row for row in result.responses if row.outcome == "failed")
    return tuple(row for row in failed if row.failure_reason not in UNAVAILABLE_REASONS)[:MOST_FAILED_ROWS]


def _attempts(result: BatchResult, failed: Sequence[ModelResponse]) -> dict[str, tuple[Attempt, ...]]:
    """Return the attempts of samples that are asked again, the latest of each as far as a message can hold them."""
    told = {row.sample_id for row in failed}
    tried = [row for row in result.if_given_up if row.outcome == "failed" and row.attempts]
    open_rows = [row for row in tried if row.sample_id not in told]
    most = MOST_ATTEMPTS // max(1, len(open_rows))
    return {row.sample_id: row.attempts[-most:] for row in open_rows} if most else {}


def _waiting_since_s(message: GenerateMessage, result: BatchResult, now_s: float, delay_s: float) -> float | None:
    """Return since when no call was answered for the provider's sake, in epoch seconds; None while one was."""
    since_s = message.waiting_since_s
    if result.answered_now:
        return None
    if _blames_provider(result):
        return now_s if since_s is None else since_s
    # Waiting for our own limit is no fault of the provider, and no sign that it answers again: the time stands still.
    return None if since_s is None else min(now_s, since_s) + delay_s


def _blames_provider(result: BatchResult) -> bool:
    if result.deferral is None:
        # Calls were made for as long as a worker lives, and none came to an answer.
        return result.attempts_now > 0 and not result.answered_now
    return result.deferral.why != "rate_limit"


def _given_up(result: BatchResult, batch: Batch, waited_s: float) -> BatchResult:
    """Return the end of a batch that nobody waits for any longer.

    A few samples that the provider never takes must not keep a run from its end for ever, however often it is started.
    """
    rows = result.if_given_up
    answered = sum(row.outcome != "failed" for row in rows)
    if answered >= ENOUGH_ANSWERED * len(rows):
        return replace(result, responses=rows, unfinished=False, stopped=None, deferral=None)
    failure = given_up(batch.provider, batch.requests[0].model, result.deferral, waited_s)
    return replace(result, fatal=failure, stopped=None, deferral=None)


def _show(deferral: Deferral, message: GenerateMessage, result: BatchResult, batch: Batch, ports: PutOffPorts) -> None:
    item = message.batch
    waiting = Waiting(
        provider=batch.provider.id,
        model=batch.requests[0].model,
        why=deferral.why,
        until=ports.clock.now() + timedelta(seconds=max(1.0, deferral.wait_s)),
        detail=deferral.detail,
    )
    # Those that failed are asked again, so they are not done.
    done = [row for row in result.responses if row.outcome != "failed"]
    counts = {"done": len(done), "failed": 0, "from_ledger": sum(row.from_ledger for row in done)}
    ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, counts, waiting)
