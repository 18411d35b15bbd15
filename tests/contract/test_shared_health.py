"""Watches of several workers over each store: they open together, one of them probes, they close together."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import boto3
import pytest
from aws_fakes import REGION, TABLE, FakeAws

from abtest.adapters.dynamodb.shared_state import DynamoSharedState
from abtest.adapters.dynamodb.table import Table
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.providers.health.record import read_health, view
from abtest.providers.health.watch import HealthWatch
from abtest.providers.model import CallFailure, SeenAttempt
from abtest.providers.ports import SharedState

WORKERS = 6
ROUNDS = 3
OVERLOADED = CallFailure(failure_reason="overloaded", retryable=True, status=529, detail="HTTP 529")


class MovedClock:
    """The machine's time, moved ahead by the test."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.ahead_s, UTC)

    def monotonic_s(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture(params=["memory", pytest.param("aws", marks=pytest.mark.aws_fake)])
def states(request: pytest.FixtureRequest) -> list[SharedState]:
    """One object for each worker, over one store."""
    if request.param == "memory":
        return [MemorySharedState()] * WORKERS
    aws: FakeAws = request.getfixturevalue("aws")
    assert aws
    table = Table(boto3.client("dynamodb", region_name=REGION), TABLE)
    return [DynamoSharedState(table, MovedClock()) for _ in range(WORKERS)]


def test_workers__open_probe_and_close_together(states: list[SharedState]) -> None:
    key = f"health#account#{time.monotonic_ns()}"
    clock = MovedClock()

    async def together(watches: list[HealthWatch]) -> None:
        await asyncio.gather(*(watch.refresh() for watch in watches))

    async def scenario() -> None:
        watches = [
            HealthWatch(state, key, clock, f"worker {n}", tell_interval_s=3600) for n, state in enumerate(states)
        ]
        await asyncio.gather(*(watch.start() for watch in watches))
        for outage in range(ROUNDS):
            for watch in watches:
                for _ in range(5):
                    assert watch.admit().kind == "allowed"
                    watch.note(SeenAttempt(failure=OVERLOADED, usage=None, latency_ms=0.0))
            await together(watches)
            await together(watches)
            assert {watch.admit().kind for watch in watches} == {"blocked"}, outage
            clock.ahead_s += 11
            for watch in watches:
                watch.admit()
            await together(watches)
            kinds = [watch.admit().kind for watch in watches for _ in range(3)]
            assert kinds.count("probe") == 1
            assert kinds.count("allowed") == 0
            (prober,) = (watch for watch, first in zip(watches, kinds[::3], strict=True) if first == "probe")
            prober.note(SeenAttempt(failure=None, usage=None, latency_ms=0.0))
            await together(watches)
            await together(watches)
            clock.ahead_s += 1
        await asyncio.gather(*(watch.close() for watch in watches))
        assert sum(watch.store_errors for watch in watches) == 0

    asyncio.run(scenario())
    shown = view(read_health(states[0].read(key)), "p", "m", clock.now().timestamp())
    assert shown.circuit.state == "closed"
    assert shown.failed == {"overloaded": WORKERS * 5 * ROUNDS}, "no count is lost or told twice"
    assert shown.answered == ROUNDS
