"""Batches of calls through the providers' service with the real transport, for tests against servers on loopback."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from abtest.adapters.http import HttpxTransport
from abtest.adapters.memory.ledger import MemoryLedger
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts.definition import Parameters
from abtest.core.clock import SystemClock
from abtest.providers.model import (
    BatchResult,
    BatchSettings,
    ChatMessage,
    ControlState,
    Deferral,
    ModelRequest,
    RetryPolicy,
)
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of
from abtest.providers.service import Batch, answer_batch

SCOPE = "run_1"


@dataclass
class OpenRun:
    """A run's record that lets every call pass, and adds up what was paid."""

    calls: int = 0
    spent_usd: Decimal = Decimal(0)

    def state(self) -> ControlState:
        return ControlState(spent_usd=self.spent_usd)

    def spend(self, calls: int, cost_usd: Decimal) -> ControlState:
        self.calls += calls
        self.spent_usd += cost_usd
        return self.state()


@dataclass
class Answered:
    """What became of a batch, and how long it took."""

    result: BatchResult
    seconds: float
    ledger_entries: int
    deferrals: tuple[Deferral, ...] = ()

    @property
    def texts(self) -> list[str | None]:
        """The answers in the order of the prompts."""
        return [row.text for row in self.result.responses]

    @property
    def outcomes(self) -> Counter[str]:
        """Rows by outcome, failures by reason."""
        return Counter(row.failure_reason or row.outcome for row in self.result.responses)

    @property
    def reasons(self) -> Counter[str]:
        """What the attempts of all rows came to, by the reason of their failure."""
        rows = self.result.responses
        return Counter(attempt.failure_reason or "none" for row in rows for attempt in row.attempts)


def asked(provider: ModelProvider, prompts: Sequence[str], model: str, **parameters: Any) -> list[ModelRequest]:
    """Return one request a prompt."""
    wanted = Parameters(**({"max_tokens": 64} | parameters))
    return [
        ModelRequest(
            provider=provider.id,
            vendor=provider.vendor,
            model=model,
            messages=(ChatMessage(role="user", content=prompt),),
            parameters=wanted,
            sample_id=f"s{number}",
            variant="a",
        )
        for number, prompt in enumerate(prompts)
    ]


def answered(
    provider: ModelProvider,
    requests: Sequence[ModelRequest],
    *,
    api_key: str | None = "key-1",
    retry: RetryPolicy | None = None,
    in_flight: int = 20,
) -> Answered:
    """Answer a batch over HTTP in as many passes as it takes, and return what became of it.

    Args:
        retry: quick by default, so that tests wait for what a server asks and for little else.
        in_flight: most calls at the same time.
    """
    clock, run, shared = SystemClock(), OpenRun(), MemorySharedState()
    ledger = MemoryLedger(clock).of("team")
    settings = BatchSettings(
        ledger_scope=SCOPE, max_in_flight=in_flight, retry=retry or RetryPolicy(base_s=0.1, cap_s=1.0)
    )
    batch = Batch(provider, requests, codec_of(provider.vendor), api_key)
    jitter = random.Random(1).random
    deferrals: list[Deferral] = []

    async def go() -> BatchResult:
        async with HttpxTransport(in_flight, allow_private=True) as transport:
            while True:
                ports = BatchPorts(
                    transport, ledger, run, clock, lambda: 600.0, jitter, shared, f"worker {len(deferrals)}"
                )
                result = await answer_batch(batch, ports, settings)
                if result.deferral is None:
                    return result
                deferrals.append(result.deferral)
                # What a queue's delay does for a worker.
                await asyncio.sleep(result.deferral.wait_s)

    started = time.perf_counter()
    result = asyncio.run(go())
    return Answered(result, time.perf_counter() - started, run.calls, tuple(deferrals))
