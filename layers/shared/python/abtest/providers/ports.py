"""What the providers domain needs from outside, as protocols; adapters implement them, tests use small ones.

The ports of stores are synchronous, as boto3 is: the service calls them in threads, one at a time for each batch.

Depends on: `abtest.providers.model`. Used by: the service, `abtest.adapters`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeVar, runtime_checkable

from abtest.contracts.definition import Parameters
from abtest.contracts.records import ModelResponse, Recording
from abtest.core.clock import Clock
from abtest.providers.model import (
    Answer,
    CallCost,
    CallFailure,
    Capabilities,
    ControlState,
    HttpReply,
    HttpRequest,
    LedgerEntry,
    ModelRequest,
    SeenAttempt,
)
from abtest.providers.registration import ModelProvider, Options

Result = TypeVar("Result")


@runtime_checkable
class HttpCodec(Protocol):
    """One vendor's wire format: pure, no network, no clock."""

    capabilities: Capabilities
    options: type[Options]

    def refusals(self, parameters: Parameters, provider: ModelProvider, model: str) -> Mapping[str, str]:
        """Return which of the given parameters this model cannot be sent here, and why, in a few words.

        Only what depends on the model, the version of the API or a parameter's value; what the format cannot carry at
        all stands in `capabilities`.
        """
        ...

    def build(self, request: ModelRequest, provider: ModelProvider, api_key: str | None) -> HttpRequest:
        """Return the HTTP request that asks for this answer."""
        ...

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer | CallFailure:
        """Return what an HTTP reply says; total: whatever the body holds, it never raises.

        Args:
            status: HTTP status.
            headers: names in lower case.
            body: decoded from any compression.
        """
        ...


@runtime_checkable
class RecordedCodec(Protocol):
    """A vendor whose answers exist already."""

    capabilities: Capabilities
    options: type[Options]

    def answer(self, request: ModelRequest, recordings: Mapping[str, Recording]) -> ModelResponse:
        """Return the recorded answer to a request.

        Args:
            request: names the sample and the variant.
            recordings: rows by sample id.
        """
        ...


Codec = HttpCodec | RecordedCodec


class Transport(Protocol):
    """What sends one HTTP request."""

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpReply | CallFailure:
        """Return the reply, or why there is none; raises for programming errors only.

        Args:
            request: sent as it is.
            timeout_s: for the whole exchange, from connecting to the last byte.
        """
        ...


class SharedState(Protocol):
    """Small documents that all workers of a deployment share and change: rate buckets, the health of providers.

    Keys are opaque texts of at most 512 characters. A document is plain JSON; floats keep their value.
    """

    def read(self, key: str, /) -> Mapping[str, Any] | None:
        """Return a document as it stands now, or None."""
        ...

    def change(
        self, key: str, decide: Callable[[Mapping[str, Any] | None], tuple[Mapping[str, Any], Result]], /
    ) -> Result:
        """Change a document as if nobody else did, and return what the decision gave.

        Args:
            decide: takes the document (None when there is none) and returns the new one and a result; pure, because
                it is called again when another worker was faster.

        Raises:
            StoreError: the store did not answer, or others were faster each time.
        """
        ...


class CallGate(Protocol):
    """What every attempt of a batch must pass: limits, pauses, the circuit."""

    @property
    def lets_calls_out(self) -> bool:
        """Whether the provider is up, as far as all workers know."""
        ...

    async def enter(self, cost: CallCost, /) -> bool:
        """Wait until an attempt may be made; False when this batch should make none any more."""
        ...

    def leave(self, cost: CallCost, seen: SeenAttempt | None, /) -> None:
        """Take what an attempt showed, None when it was cut off; once after each `enter` that returned True."""
        ...


class Ledger(Protocol):
    """The answers that were paid for. Keys are opaque texts of at most 512 characters."""

    def get_many(self, keys: Sequence[str], /) -> Mapping[str, LedgerEntry]:
        """Return the entries that exist, by key.

        Args:
            keys: at most 100, no two alike.

        Raises:
            StoreError: the store did not answer.
        """
        ...

    def put_many(self, entries: Mapping[str, LedgerEntry], /) -> None:
        """Write entries; all of them are durable when this returns. Writing one again changes nothing of worth.

        Raises:
            StoreError: at least one is not written.
        """
        ...


class RunControl(Protocol):
    """The run's record, as far as a worker needs it."""

    def state(self) -> ControlState:
        """Return what the run's record says now, read consistently."""
        ...

    def spend(self, calls: int, cost_usd: Decimal) -> ControlState:
        """Add atomically to what the run has spent, and return the state after it.

        Args:
            calls: answers that were paid for.
            cost_usd: sum of their known prices.
        """
        ...


class ProgressListener(Protocol):
    """What hears how far a batch is."""

    def __call__(self, done: int, failed: int, from_ledger: int, cost_usd: Decimal) -> None:
        """Take the batch's absolute counts so far.

        Args:
            done: requests that have a row.
            failed: of those, the failed ones.
            from_ledger: of those, the ones that cost nothing now.
            cost_usd: sum of the known prices of the calls that were made now.
        """
        ...


@dataclass(frozen=True, slots=True)
class BatchPorts:
    """Everything from outside that one batch needs.

    Args:
        remaining_s: seconds until the worker must be done, now.
        jitter: a number in 0..1, new with each call; spreads the retries.
        shared: what all workers know of limits and of the providers' health.
        owner: names this worker and batch to the others; no two alike.
    """

    transport: Transport
    ledger: Ledger
    control: RunControl
    clock: Clock
    remaining_s: Callable[[], float]
    jitter: Callable[[], float]
    shared: SharedState
    owner: str
    on_progress: ProgressListener | None = None
