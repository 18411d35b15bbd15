"""Small, complete implementations of the providers' ports for the tests: scripted transport, ledger, run record."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.core.clock import SystemClock
from abtest.core.errors import StoreError
from abtest.core.ids import new_id
from abtest.providers.model import (
    BatchResult,
    BatchSettings,
    CallFailure,
    ChatMessage,
    ControlState,
    HttpReply,
    HttpRequest,
    LedgerEntry,
    ModelRequest,
    RetryPolicy,
)
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.providers.registry import codec_of
from abtest.providers.service import Batch, answer_batch

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
QUICK_RETRIES = RetryPolicy(base_s=0.001, cap_s=0.002)
PROVIDER = ModelProvider(
    id="local",
    vendor="openai_chat",
    base_url="http://127.0.0.1:9/v1",
    secret_name="abtest/local/providers/local",
    max_in_flight=10,
    timeout_s=5,
    prices={"small": ModelPrice(input_usd_per_million=Decimal(100), output_usd_per_million=Decimal(900))},
)
COST_USD = Decimal("0.001")
"""Of one answer of `ok`: 1 input token and 1 output token."""


def request(number: int | str, prompt: str | None = None, **changes: Any) -> ModelRequest:
    """Return a request for one sample; its prompt is its own unless given."""
    content = prompt if prompt is not None else f"question {number}"
    facts: dict[str, Any] = {
        "provider": "local",
        "vendor": "openai_chat",
        "model": "small",
        "messages": (ChatMessage(role="user", content=content),),
        "sample_id": f"s{number}",
        "variant": "a",
    }
    return ModelRequest(**(facts | changes))


def requests(count: int) -> list[ModelRequest]:
    """Return so many different requests."""
    return [request(number) for number in range(count)]


def ok(text: str = "yes", **changes: Any) -> HttpReply:
    """Return a reply with an answer that costs `COST_USD`."""
    document: dict[str, Any] = {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return HttpReply(status=200, headers={"x-request-id": "req-1"}, body=json.dumps(document | changes).encode())


def refused(status: int, code: str | None = None, **headers: str) -> HttpReply:
    """Return an error reply."""
    error = {"message": "SECRET PROMPT", "type": "some_error", "param": None, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status=status, headers=named, body=json.dumps({"error": error}).encode())


CONNECTION_LOST = CallFailure(failure_reason="connection", retryable=True, detail="no connection could be made")
Reply = HttpReply | CallFailure


class ScriptedTransport:
    """Answers by a function of the prompt and of how often it was asked; counts every request.

    Args:
        script: returns the reply to a prompt's n-th request, n from 1.
        latency_s: before each reply.
        hangs: prompts that get no reply.
    """

    def __init__(
        self,
        script: Callable[[str, int], Reply] = lambda _prompt, _n: ok(),
        latency_s: float = 0.0,
        hangs: Callable[[str], bool] = lambda _prompt: False,
    ) -> None:
        self.script = script
        self.latency_s = latency_s
        self.hangs = hangs
        self.calls: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self.keys: set[str | None] = set()

    async def send(self, request: HttpRequest, timeout_s: float) -> Reply:
        prompt = json.loads(request.body)["messages"][-1]["content"]
        self.keys.add(request.headers.get("authorization"))
        self.calls[prompt] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(60 if self.hangs(prompt) else self.latency_s)
            return self.script(prompt, self.calls[prompt])
        finally:
            self.in_flight -= 1


class DictLedger:
    """A ledger in a dict; `broken` makes writes fail."""

    def __init__(self) -> None:
        self.entries: dict[str, LedgerEntry] = {}
        self.reads: list[int] = []
        self.writes: list[int] = []
        self.broken: StoreError | None = None
        self.failures_left = 0

    def get_many(self, keys: Sequence[str], /) -> Mapping[str, LedgerEntry]:
        assert len(set(keys)) == len(keys) <= 100
        self.reads.append(len(keys))
        return {key: self.entries[key] for key in keys if key in self.entries}

    def put_many(self, entries: Mapping[str, LedgerEntry], /) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise StoreErrorThatPasses("busy")
        if self.broken:
            raise self.broken
        self.writes.append(len(entries))
        self.entries |= entries


class StoreErrorThatPasses(StoreError):
    """A store's failure that is worth another try."""

    retryable = True


class RunRecord:
    """A run's record: adds what is spent, and can be told to be cancelled after so much spending.

    Args:
        cap_usd: most the run may spend.
        cancel_after_calls: somebody cancels once so many answers were paid for.
    """

    def __init__(self, cap_usd: Decimal | None = None, cancel_after_calls: int | None = None) -> None:
        self.cap_usd = cap_usd
        self.cancel_after_calls = cancel_after_calls
        self.calls = 0
        self.spent_usd = Decimal(0)
        self.looks = 0

    def state(self) -> ControlState:
        self.looks += 1
        return self._state()

    def spend(self, calls: int, cost_usd: Decimal) -> ControlState:
        self.calls += calls
        self.spent_usd += cost_usd
        return self._state()

    def _state(self) -> ControlState:
        cancelled = self.cancel_after_calls is not None and self.calls >= self.cancel_after_calls
        return ControlState(cancel_requested=cancelled, spent_usd=self.spent_usd, cap_usd=self.cap_usd)


@dataclass
class World:
    """Everything outside of a batch, kept between passes as the real stores would be."""

    transport: ScriptedTransport = field(default_factory=ScriptedTransport)
    ledger: DictLedger = field(default_factory=DictLedger)
    record: RunRecord = field(default_factory=RunRecord)
    remaining_s: Callable[[], float] = lambda: 600.0
    shared: MemorySharedState = field(default_factory=MemorySharedState)
    progress: list[tuple[int, int, int, Decimal]] = field(default_factory=list)

    def answer(self, asked: Sequence[ModelRequest], provider: ModelProvider = PROVIDER, **settings: Any) -> BatchResult:
        """Return what became of a batch; settings differ from quick ones as given."""
        defaults: dict[str, Any] = {
            "ledger_scope": "run_1",
            "max_in_flight": 10,
            "flush_interval_s": 0.005,
            "tick_s": 0.01,
            "stop_grace_s": 0.05,
            "retry": QUICK_RETRIES,
        }
        batch = Batch(provider, asked, codec_of(provider.vendor), api_key="key-1")
        return asyncio.run(answer_batch(batch, self._ports(), BatchSettings(**(defaults | settings))))

    def _ports(self) -> BatchPorts:
        return BatchPorts(
            transport=self.transport,
            ledger=self.ledger,
            control=self.record,
            clock=SystemClock(),
            remaining_s=lambda: self.remaining_s(),
            jitter=lambda: 0.5,
            shared=self.shared,
            owner=new_id("worker"),
            on_progress=lambda *counts: self.progress.append(counts),
        )
