"""What the batches of all queues have in common: kept, answered, put off or ended, and their execution told.

The worker keeps its message with a short, renewed lease; answers go to the ledger as they arrive. So whatever
happens to the worker, the batch comes back within the lease and finds what was paid for.

Depends on: management, providers. Used by: the steps CallProvider and AskJudge.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from abtest.contracts.steps import QueuedMessage, Step, queued_message
from abtest.core.clock import Clock
from abtest.core.errors import AbTestError, MessageUndeliverableError, RunCancelledError, StoreError
from abtest.core.ids import new_id
from abtest.management.endings import explained
from abtest.management.ports import ObjectStore, RunStore
from abtest.providers.batches.ports import BatchJobStore
from abtest.providers.model import BatchResult, BatchSettings
from abtest.providers.ports import BatchPorts, Ledger, ProgressListener, RunControl, SharedState, Transport
from abtest.providers.registration import ModelProvider
from abtest.runtime.steps.put_off import AskedBatch, BatchQueue, put_off

MOST_IN_FLIGHT = 500
"""Of one worker, as many as its transport has connections; a registration may ask for more over several workers."""
STOPPED = "The run was asked to stop; what was answered is kept."
LEASE_RENEWALS = 3
"""How often a lease is renewed within its length: two renewals may fail before another worker takes the batch."""

Result = TypeVar("Result", bound=Step)
Report_co = TypeVar("Report_co", bound=Step, covariant=True)


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
class WorkerPorts:
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

    def key_of(self, provider: ModelProvider) -> str | None:
        """Return a provider's key, or None where it needs none."""
        return self.api_key(provider.secret_name) if provider.secret_name else None

    def batch_ports(
        self, message: QueuedMessage, remaining_s: Callable[[], float], on_progress: ProgressListener
    ) -> BatchPorts:
        """Return what answering a batch needs."""
        item = message.batch
        return BatchPorts(
            transport=self.transport,
            ledger=self.ledger(item.workspace),
            control=self.control(item.workspace, item.run_id),
            clock=self.clock,
            remaining_s=remaining_s,
            jitter=self.jitter,
            shared=self.shared,
            owner=new_id("worker"),
            on_progress=on_progress,
        )


def batch_settings(message: QueuedMessage, provider: ModelProvider, cache: Any) -> BatchSettings:
    """Return how a batch is answered.

    Args:
        message: names the run.
        provider: its registration says how many calls may be in flight.
        cache: of the definition.
    """
    in_flight = min(provider.max_in_flight, MOST_IN_FLIGHT)
    return BatchSettings(ledger_scope=message.batch.run_id, cache=cache, max_in_flight=in_flight)


class Work(Protocol[Report_co]):
    """One message, and what it asks of its worker."""

    @property
    def message(self) -> QueuedMessage:
        """As it came."""
        ...

    def may_have_answers(self) -> bool:
        """Return whether an earlier delivery may have left answers in the ledger only; a stopped run keeps them."""
        ...

    def written(self) -> Report_co | None:
        """Return the counts of what an earlier delivery has written, and record them again; None where nothing is."""
        ...

    def answer(self, remaining_s: Callable[[], float]) -> AskedBatch | None:
        """Return what became of the batch; None when it waits with its vendor and the message is done with."""
        ...

    def handed_on(self, result: BatchResult) -> QueuedMessage | None:
        """Return what another model is to be asked, after a provider that cannot serve; None where there is none."""
        ...

    def write(self, result: BatchResult) -> Report_co:
        """Write the rows of a batch that has ended, record its progress and return its counts."""
        ...


def work_off(
    work: Work[Result], receipt_handle: str, remaining_s: Callable[[], float], ports: WorkerPorts
) -> Result | None:
    """Answer one batch and hand the result to the waiting execution.

    Args:
        work: the message and what it asks.
        receipt_handle: of the SQS message, to keep it while the batch is worked on.
        remaining_s: seconds until the worker is stopped.
        ports: of the worker.

    Returns:
        The counts that were reported; None when the batch was put back, or the run is over.

    Raises:
        StoreError: state could not be read or written; the message comes back by itself.
    """
    item = work.message.batch
    stopped = ports.runs.spending(item.workspace, item.run_id).stop is not None
    if stopped and not work.may_have_answers():
        _fail(work.message, RunCancelledError(STOPPED), ports)
        return None
    written = work.written()
    if written is not None:
        return _repeated(work.message, written, ports, stopped=stopped)
    try:
        with kept(item.queue_url, receipt_handle, ports):
            asked = work.answer(remaining_s)
    except StoreError:
        raise
    except AbTestError as error:
        _fail(work.message, error, ports)
        return None
    if asked is None:
        return None
    result: BatchResult | None = asked.result
    if asked.result.stopped in ("deferred", "deadline") and asked.result.fatal is None:
        result = put_off(work.message, asked, ports)
    return None if result is None else _concluded(work, result, ports)


def _repeated(message: QueuedMessage, written: Result, ports: WorkerPorts, *, stopped: bool) -> Result | None:
    """Say again what an earlier delivery has written; it stays as it is."""
    if stopped:
        _fail(message, RunCancelledError(STOPPED), ports)
        return None
    ports.tasks.succeed(message.task_token, written)
    return written


def _concluded(work: Work[Result], result: BatchResult, ports: WorkerPorts) -> Result | None:
    message = work.message
    if result.fatal is not None:
        onward = work.handed_on(result)
        if onward is not None:
            ports.queues.put_back(onward)
            return None
        # Before the rows: rows without the sign would be taken for a finished batch if this worker died now.
        ports.runs.stop(message.batch.workspace, message.batch.run_id, "failed", explained(result.fatal))
    report = work.write(result)
    if result.fatal is not None:
        _fail(message, result.fatal, ports)
        return None
    if result.stopped == "cancelled":
        _fail(message, RunCancelledError(STOPPED), ports)
        return None
    ports.tasks.succeed(message.task_token, report)
    return report


def _fail(message: QueuedMessage, error: AbTestError, ports: WorkerPorts) -> None:
    item = message.batch
    if not isinstance(error, RunCancelledError):
        # The stop sign carries the reason: what Step Functions keeps of a failed child does not reach FailRun.
        ports.runs.stop(item.workspace, item.run_id, "failed", explained(error))
    ports.tasks.fail(message.task_token, type(error).__name__, error.message)


def parsed_message(body: str, queue_arn: str, receipt_handle: str, ports: WorkerPorts) -> QueuedMessage:
    """Return the message of a queue record.

    Raises:
        MessageUndeliverableError: it is not one of ours. It goes back at once, because no worker will ever understand
            it, so that the dead-letter queue gets it soon.
    """
    try:
        return queued_message(body)
    except ValidationError:
        name = queue_arn.rpartition(":")[2]
        for url in ports.queue_urls.values():
            if url.rpartition("/")[2] == name:
                ports.queues.keep(url, receipt_handle, 0)
        raise MessageUndeliverableError(f"A message on {name} is not a batch of this platform.") from None


@contextlib.contextmanager
def kept(queue_url: str, receipt_handle: str, ports: WorkerPorts) -> Iterator[None]:
    """Keep a message from other workers for as long as the block lasts."""
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
