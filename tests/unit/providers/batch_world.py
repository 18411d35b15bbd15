"""One batch of samples over a vendor's batch interface: the worker, the poller and the server, without a network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from harness.batch_server import BatchServer, DirectTransport

from abtest.adapters.memory.batch_jobs import MemoryBatchJobStore
from abtest.adapters.memory.ledger import MemoryLedger
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts.definition import Parameters
from abtest.contracts.steps import GenerateItem, GenerateMessage
from abtest.core.errors import ProviderConfigurationError, StoreUnavailableError
from abtest.providers.batches.model import JobId, JobState
from abtest.providers.batches.polling import Polled, PollPorts, poll
from abtest.providers.batches.submission import answer_by_batch
from abtest.providers.model import BatchResult, BatchSettings, ChatMessage, ControlState, LedgerEntry, ModelRequest
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.providers.registry import codec_of
from abtest.providers.service import Batch

VENDORS = ("anthropic", "gemini", "openai_chat", "openai_responses")
WORKSPACE, RUN = "team", "run_1"
PRICE = ModelPrice(input_usd_per_million=Decimal(100), output_usd_per_million=Decimal(600))
COST_USD = Decimal("0.002")
"""Of one answer of the server, which has 10 tokens in and 5 out, at half the price."""


class MovingClock:
    """A clock that is moved by hand; the server's records go by it too."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._now.timestamp()

    def pass_s(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@dataclass
class RunRecord:
    """A run's record; `broken_after` makes spending fail after so many writes."""

    cap_usd: Decimal | None = None
    spent_usd: Decimal = Decimal(0)
    calls: int = 0
    stopped: bool = False

    def state(self) -> ControlState:
        return ControlState(self.stopped, self.spent_usd, self.cap_usd, self.calls)

    def spend(self, calls: int, cost_usd: Decimal) -> ControlState:
        self.calls += calls
        self.spent_usd += cost_usd
        return self.state()


class FragileLedger:
    """A ledger whose writes fail after so many that succeed."""

    def __init__(self, inner: MemoryLedger) -> None:
        self.inner = inner
        self.writes_left: int | None = None

    def get_many(self, keys: Any, /) -> Any:
        return self.inner.get_many(keys)

    def put_many(self, entries: dict[str, LedgerEntry], /) -> None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise StoreUnavailableError("the ledger is away")
            self.writes_left -= 1
        self.inner.put_many(entries)


@dataclass
class BatchWorld:
    """Everything outside of one run's batches.

    Args:
        vendor: whose interface is spoken.
        size: samples in a batch.
    """

    vendor: str = "openai_chat"
    size: int = 4
    cache: str = "on"
    max_tokens: int = 50
    options: dict[str, Any] = field(default_factory=dict)
    record: RunRecord = field(default_factory=RunRecord)
    server: BatchServer = field(default_factory=lambda: BatchServer(9))
    clock: MovingClock = field(default_factory=MovingClock)
    jobs: MemoryBatchJobStore = field(default_factory=MemoryBatchJobStore)
    brought_back: list[GenerateMessage] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=lambda: {"secret": "key-1"})
    remaining_s: float = 300.0

    def __post_init__(self) -> None:
        self.transport = DirectTransport(self.server)
        self.server.now = self.clock.now
        self.ledger = FragileLedger(MemoryLedger(self.clock, WORKSPACE))

    @property
    def provider(self) -> ModelProvider:
        """The registration."""
        return ModelProvider(
            id="batches",
            vendor=self.vendor,
            base_url=self.server.base_url(self.vendor),
            secret_name="secret",
            prices={"small": PRICE},
            options=self.options,
        )

    def message(self, batch: int = 0, variant: str = "a") -> GenerateMessage:
        """Return what the queue carries for a batch."""
        item = GenerateItem(
            workspace=WORKSPACE,
            run_id=RUN,
            wave=0,
            batch=batch,
            variant=variant,
            vendor=self.vendor,
            queue_url="https://sqs/queue",
            size=self.size,
        )
        return GenerateMessage(task_token=f"token-{variant}-{batch}", batch=item)

    def requests(self, batch: int = 0, variant: str = "a") -> list[ModelRequest]:
        """Return the requests of a batch; no two batches have one alike."""
        return [
            ModelRequest(
                provider="batches",
                vendor=self.vendor,
                model="small",
                messages=(ChatMessage(role="user", content=f"question {variant} {batch} {number}"),),
                parameters=Parameters(max_tokens=self.max_tokens),
                sample_id=f"s{batch}-{number}",
                variant=variant,
            )
            for number in range(self.size)
        ]

    def work(self, message: GenerateMessage | None = None, requests: list[ModelRequest] | None = None) -> BatchResult:
        """Deliver a message to a worker."""
        message = message or self.message()
        item = message.batch
        asked = self.requests(item.batch, item.variant) if requests is None else requests
        batch = Batch(self.provider, asked, codec_of(self.vendor), api_key=self.keys["secret"])
        ports = BatchPorts(
            transport=self.transport,
            ledger=self.ledger,
            control=self.record,
            clock=self.clock,
            remaining_s=lambda: self.remaining_s,
            jitter=lambda: 0.0,
            shared=MemorySharedState(),
            owner="worker-1",
        )
        settings = BatchSettings(ledger_scope=RUN, cache=self.cache)  # type: ignore[arg-type]
        return asyncio.run(answer_by_batch(batch, message, ports, self.jobs, settings))

    def poll(self, after_s: float = 60.0, jobs: Any = None) -> Polled:
        """Let time pass, then do one round of polling."""
        self.clock.pass_s(after_s)
        ports = PollPorts(
            jobs=jobs or self.jobs,
            transport=self.transport,
            ledger=lambda _workspace: self.ledger,
            control=lambda _workspace, _run_id: self.record,
            api_key=self._key,
            clock=self.clock,
            bring_back=self.brought_back.append,
            remaining_s=lambda: self.remaining_s,
        )
        return asyncio.run(poll(ports))

    def state(self, batch: int = 0, variant: str = "a") -> JobState:
        """Return how far a job is."""
        state = self.jobs.get(JobId.of(self.message(batch, variant)))
        assert state is not None
        return state

    def taken_back(self) -> list[GenerateMessage]:
        """Return the messages that came back since the last time, and forget them."""
        taken, self.brought_back[:] = list(self.brought_back), []
        return taken

    def _key(self, name: str) -> str:
        if name not in self.keys:
            raise ProviderConfigurationError(f"The secret {name!r} cannot be read.")
        return self.keys[name]


def is_waiting(result: BatchResult) -> bool:
    """Return whether a worker is done with a message that has nothing to report."""
    return result.stopped == "deferred" and result.deferral is not None and result.deferral.why == "batch_interface"
