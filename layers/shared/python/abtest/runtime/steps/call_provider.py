"""CallProvider: one queue message, which is one batch of one variant.

The worker keeps its message with a short, renewed lease; answers go to the ledger as they arrive. So whatever
happens to the worker, the batch comes back within the lease and finds what was paid for.

Depends on: management, providers. Used by: `functions/call_provider`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from pydantic import ValidationError

from abtest.contracts.records import ModelResponse
from abtest.contracts.steps import GenerateItem, GenerateMessage, GenerateResult, Step
from abtest.core.clock import Clock
from abtest.core.errors import AbTestError, MessageUndeliverableError, NotFoundError, RunCancelledError, StoreError
from abtest.core.ids import new_id
from abtest.management.endings import explained
from abtest.management.ports import ObjectStore, RunStore
from abtest.providers import registry
from abtest.providers.batches.ports import BatchJobStore
from abtest.providers.model import BatchResult, BatchSettings
from abtest.providers.ports import BatchPorts, Ledger, ProgressListener, RunControl, SharedState, Transport
from abtest.providers.registration import ModelProvider
from abtest.providers.service import Batch, answer_batch
from abtest.runtime.steps.batch_mode import answer_in_batch_mode, waits_at_vendor
from abtest.runtime.steps.batch_requests import recordings_of, requests_of
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.put_off import BatchQueue, put_off

MOST_IN_FLIGHT = 500
"""Of one worker, as many as its transport has connections; a registration may ask for more over several workers."""
_STOPPED = "The run was asked to stop; what was answered is kept."
LEASE_RENEWALS = 3
"""How often a lease is renewed within its length: two renewals may fail before another worker takes the batch."""


class Tasks(Protocol):
    """Hands results back to the waiting execution."""

    def succeed(self, task_token: str, result: Step) -> bool:
        """Report success; False when nobody waits any more."""
        ...

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        """Report failure by name; False when nobody waits any more."""
        ...


class WorkerQueue(BatchQueue, Protocol):
    """The queue a message came from, as its worker uses it."""

    def keep(self, queue_url: str, receipt_handle: str, lease_s: int) -> None:
        """Hide the message from other workers for some seconds from now."""
        ...


@dataclass(frozen=True)
class CallProviderPorts:
    """What a worker needs.

    Args:
        queue_urls: queue by vendor.
        transport: keeps its connections between batches; tied to `run_async`'s loop.
        ledger, control: made for the batch's workspace and run.
        api_key: from a secret's name.
        run_async: runs a coroutine on the worker's one event loop.
        batch_jobs: jobs at the vendors' batch interfaces.
        shared: what all workers know of limits and of the providers' health.
    """

    runs: RunStore
    objects: ObjectStore
    queues: WorkerQueue
    queue_urls: Mapping[str, str]
    tasks: Tasks
    transport: Transport
    ledger: Callable[[str], Ledger]
    control: Callable[[str, str], RunControl]
    api_key: Callable[[str], str]
    clock: Clock
    jitter: Callable[[], float]
    run_async: Callable[[Coroutine[Any, Any, BatchResult]], BatchResult]
    message_lease_s: int
    batch_jobs: BatchJobStore
    shared: SharedState


def parsed_message(body: str, queue_arn: str, receipt_handle: str, ports: CallProviderPorts) -> GenerateMessage:
    """Return the message of a queue record.

    Raises:
        MessageUndeliverableError: it is not one of ours. It goes back at once, because no worker will ever understand
            it, so that the dead-letter queue gets it soon.
    """
    try:
        return GenerateMessage.model_validate_json(body)
    except ValidationError:
        name = queue_arn.rpartition(":")[2]
        for url in ports.queue_urls.values():
            if url.rpartition("/")[2] == name:
                ports.queues.keep(url, receipt_handle, 0)
        raise MessageUndeliverableError(f"A message on {name} is not a batch of this platform.") from None


def call_provider(
    message: GenerateMessage, receipt_handle: str, remaining_s: Callable[[], float], ports: CallProviderPorts
) -> GenerateResult | None:
    """Answer one batch and hand the result to the waiting execution.

    Args:
        receipt_handle: of the SQS message, to keep it while the batch is worked on.
        remaining_s: seconds until the worker is stopped.

    Returns:
        The counts that were reported; None when the batch was put back, or the run is over.

    Raises:
        StoreError: state could not be read or written; the message comes back by itself.
    """
    item = message.batch
    bodies = RunBodies(ports.objects, item.workspace, item.run_id)
    stopped = ports.runs.spending(item.workspace, item.run_id).stop is not None
    if stopped and not _may_have_answers(message, bodies):
        _fail(message, RunCancelledError(_STOPPED), ports)
        return None
    with contextlib.suppress(NotFoundError):
        return _repeat(message, bodies.responses(item.wave, item.variant, item.batch), ports, stopped=stopped)
    try:
        with _kept(item.queue_url, receipt_handle, ports):
            batch, result = _answer(message, bodies, remaining_s, ports)
    except StoreError:
        raise
    except AbTestError as error:
        _fail(message, error, ports)
        return None
    if waits_at_vendor(result):
        return None
    if result.stopped in ("deferred", "deadline") and result.fatal is None:
        ended = put_off(message, result, batch, ports)
        if ended is None:
            return None
        result = ended
    return _conclude(message, result, bodies, ports)


def _may_have_answers(message: GenerateMessage, bodies: RunBodies) -> bool:
    """Return whether an earlier delivery may have left answers in the ledger only; a stopped run keeps them."""
    mode = bodies.frozen().definition.variants[message.batch.variant].mode if message.deferrals else None
    # A batch interface's answers are the poller's business, and it may wait for them long after the stop.
    return mode == "direct"


def _repeat(
    message: GenerateMessage, rows: list[ModelResponse], ports: CallProviderPorts, *, stopped: bool
) -> GenerateResult | None:
    """Say again what an earlier delivery has written; it stays as it is."""
    # A second worker on the same batch may have shown since that it waits.
    _record(message.batch, ports)(*_counts(tuple(rows)), Decimal(0))
    if not stopped:
        return _report(message, rows, ports)
    _fail(message, RunCancelledError(_STOPPED), ports)
    return None


def _conclude(
    message: GenerateMessage, result: BatchResult, bodies: RunBodies, ports: CallProviderPorts
) -> GenerateResult | None:
    item = message.batch
    if result.fatal is not None:
        # Before the rows: rows without the sign would be taken for a finished batch if this worker died now.
        ports.runs.stop(item.workspace, item.run_id, "failed", explained(result.fatal))
    bodies.write_responses(item.wave, item.variant, item.batch, result.responses)
    _record(item, ports)(*_counts(result.responses), Decimal(0))
    if result.fatal is not None:
        _fail(message, result.fatal, ports)
        return None
    if result.stopped == "cancelled":
        _fail(message, RunCancelledError(_STOPPED), ports)
        return None
    return _report(message, result.responses, ports)


def _answer(
    message: GenerateMessage, bodies: RunBodies, remaining_s: Callable[[], float], ports: CallProviderPorts
) -> tuple[Batch, BatchResult]:
    item = message.batch
    frozen = bodies.frozen()
    variant = frozen.definition.variants[item.variant]
    provider = ModelProvider.model_validate(frozen.providers[variant.provider])
    batch = Batch(
        provider=provider,
        requests=requests_of(frozen.definition, item, provider, bodies.samples(item.wave, item.batch)),
        codec=registry.codec_of(provider.vendor),
        api_key=ports.api_key(provider.secret_name) if provider.secret_name else None,
        recordings=recordings_of(item, frozen, ports.objects),
        failed=message.failed,
        attempts=message.attempts,
    )
    batch_ports = BatchPorts(
        transport=ports.transport,
        ledger=ports.ledger(item.workspace),
        control=ports.control(item.workspace, item.run_id),
        clock=ports.clock,
        remaining_s=remaining_s,
        jitter=ports.jitter,
        shared=ports.shared,
        owner=new_id("worker"),
        on_progress=_record(item, ports),
    )
    settings = BatchSettings(
        ledger_scope=item.run_id,
        cache=frozen.definition.cache,
        max_in_flight=min(provider.max_in_flight, MOST_IN_FLIGHT),
    )
    if variant.mode == "batch":
        return batch, answer_in_batch_mode(batch, message, batch_ports, settings, ports)
    return batch, ports.run_async(answer_batch(batch, batch_ports, settings))


@contextlib.contextmanager
def _kept(queue_url: str, receipt_handle: str, ports: CallProviderPorts) -> Iterator[None]:
    done = threading.Event()

    def renew() -> None:
        # A renewal that fails is no failure of the batch: at worst a second worker finds it finished or in the ledger.
        while True:
            with contextlib.suppress(StoreError):
                ports.queues.keep(queue_url, receipt_handle, ports.message_lease_s)
            if done.wait(ports.message_lease_s / LEASE_RENEWALS):
                return

    thread = threading.Thread(target=renew, name="message-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _record(item: GenerateItem, ports: CallProviderPorts) -> ProgressListener:
    def record(done: int, failed: int, from_ledger: int, cost_usd: Decimal) -> None:  # noqa: ARG001 - a port
        counts = {"done": done, "failed": failed, "from_ledger": from_ledger}
        ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, counts)

    return record


def _counts(rows: tuple[ModelResponse, ...]) -> tuple[int, int, int]:
    return len(rows), sum(row.outcome == "failed" for row in rows), sum(row.from_ledger for row in rows)


def _report(message: GenerateMessage, rows: Any, ports: CallProviderPorts) -> GenerateResult:
    done, failed, from_ledger = _counts(tuple(rows))
    result = GenerateResult(responses=done, failed=failed, from_ledger=from_ledger)
    ports.tasks.succeed(message.task_token, result)
    return result


def _fail(message: GenerateMessage, error: AbTestError, ports: CallProviderPorts) -> None:
    item = message.batch
    if not isinstance(error, RunCancelledError):
        # The stop sign carries the reason: what Step Functions keeps of a failed child does not reach FailRun.
        ports.runs.stop(item.workspace, item.run_id, "failed", explained(error))
    ports.tasks.fail(message.task_token, type(error).__name__, error.message)
