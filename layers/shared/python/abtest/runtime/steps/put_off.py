"""A batch that ended early: back to its queue, with a delay if it waits for something, which its run then shows.

Depends on: management, providers. Used by: the queues' worker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, TypeVar

from abtest.contracts.records import Attempt, ModelResponse
from abtest.contracts.steps import QueuedMessage
from abtest.core.clock import Clock
from abtest.management.model import Waiting
from abtest.management.ports import RunStore
from abtest.providers.model import BatchResult, Deferral
from abtest.providers.outage import UNAVAILABLE_REASONS, given_up
from abtest.providers.registration import ModelProvider

LONGEST_DELAY_S = 20
"""A batch looks at its run's stop sign at least so often, however long it waits in all."""
MOST_FAILED_ROWS = 100
"""Failures beyond so many are found again by asking."""
MOST_ATTEMPTS = 1_000
"""Of a message, over all its samples."""
MOST_FAILED_BYTES, MOST_ATTEMPTS_BYTES = 80_000, 140_000
"""A message may hold 256 KiB with its task token, and names of samples and of a judge's questions may be long."""
ENOUGH_ANSWERED = 0.5
"""With this share of its rows answered, a batch that waited long enough ends with the others failed; with less, the
provider is at fault and not some samples, and the run fails: started again, it asks for what is missing only."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class AskedBatch:
    """What one pass over a batch came to.

    Args:
        provider: its registration says how long to wait for an answer.
        model: the provider's name of the model.
        result: deferred, which says what to wait for; or at its deadline, from which it goes on at once; or ended.
        counts: how far the batch is when it is put off, as its run's progress has it.
        has_another: another model is asked for what is missing, once this one is given up.
    """

    provider: ModelProvider
    model: str
    result: BatchResult
    counts: Mapping[str, int]
    has_another: bool = False


class BatchQueue(Protocol):
    """The queue a message came from."""

    def put_back(self, message: QueuedMessage, *, delay_s: int = 0) -> None:
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


def put_off(message: QueuedMessage, asked: AskedBatch, ports: PutOffPorts) -> BatchResult | None:
    """Put a batch back that ended early, or return what it ends with because it has waited long enough.

    Args:
        message: as it came.
        asked: what became of it.
        ports: of the worker.
    """
    result, now_s = asked.result, ports.clock.now().timestamp()
    deferral = result.deferral
    delay_s = 0 if deferral is None else min(LONGEST_DELAY_S, max(1, round(deferral.wait_s)))
    since_s = _waiting_since_s(message, result, now_s, delay_s)
    waited_s = 0.0 if since_s is None else now_s - since_s
    if since_s is not None and _blames_provider(result) and waited_s >= asked.provider.give_up_after_s:
        return _given_up(asked, waited_s)
    if deferral is not None:
        _show(deferral, message, asked, ports)
    # Last: from now on another worker may have it.
    failed = _failed_for_good(result)
    again = {"waiting_since_s": since_s, "failed": failed, "attempts": _attempts(result, failed)}
    ports.queues.put_back(message.model_copy(update=again), delay_s=delay_s)
    return None


def _failed_for_good(result: BatchResult) -> tuple[ModelResponse, ...]:
    """Return the rows that another attempt would not change, and that may have been paid for all the same."""
    failed = [row for row in result.responses if row.outcome == "failed"]
    for_good = [row for row in failed if row.failure_reason not in UNAVAILABLE_REASONS][:MOST_FAILED_ROWS]
    return tuple(_fitting(for_good, lambda row: len(row.model_dump_json().encode()), MOST_FAILED_BYTES))


def _attempts(result: BatchResult, failed: Sequence[ModelResponse]) -> dict[str, tuple[Attempt, ...]]:
    """Return the attempts of samples that are asked again, the latest of each as far as a message can hold them."""
    told = {row.sample_id for row in failed}
    tried = [row for row in result.if_given_up if row.outcome == "failed" and row.attempts]
    open_rows = [row for row in tried if row.sample_id not in told]
    most = MOST_ATTEMPTS // max(1, len(open_rows))
    kept = [(row.sample_id, row.attempts[-most:]) for row in open_rows] if most else []
    return dict(_fitting(kept, _size_bytes, MOST_ATTEMPTS_BYTES))


def _size_bytes(tried: tuple[str, tuple[Attempt, ...]]) -> int:
    sample_id, attempts = tried
    return len(json.dumps(sample_id)) + sum(len(attempt.model_dump_json()) for attempt in attempts)


def _fitting(items: Iterable[Item], size_bytes: Callable[[Item], int], most_bytes: int) -> Iterator[Item]:
    """Yield items, from the first on, for as long as there is room."""
    for item in items:
        most_bytes -= size_bytes(item)
        if most_bytes < 0:
            return
        yield item


def _waiting_since_s(message: QueuedMessage, result: BatchResult, now_s: float, delay_s: float) -> float | None:
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


def _given_up(asked: AskedBatch, waited_s: float) -> BatchResult:
    """Return the end of a batch that nobody waits for any longer.

    A few samples that the provider never takes must not keep a run from its end for ever, however often it is started.
    """
    result, rows = asked.result, asked.result.if_given_up
    answered = sum(row.outcome != "failed" for row in rows)
    if answered >= ENOUGH_ANSWERED * len(rows) and not asked.has_another:
        return replace(result, responses=rows, unfinished=False, stopped=None, deferral=None)
    failure = given_up(asked.provider, asked.model, result.deferral, waited_s)
    return replace(result, fatal=failure, stopped=None, deferral=None)


def _show(deferral: Deferral, message: QueuedMessage, asked: AskedBatch, ports: PutOffPorts) -> None:
    item = message.batch
    waiting = Waiting(
        provider=asked.provider.id,
        model=asked.model,
        why=deferral.why,
        until=ports.clock.now() + timedelta(seconds=max(1.0, deferral.wait_s)),
        detail=deferral.detail,
    )
    ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, asked.counts, waiting)
