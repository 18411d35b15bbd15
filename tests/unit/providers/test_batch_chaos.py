"""`mode: batch` while everything fails at random: no prompt is paid for twice, none is lost, every batch ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from batch_world import COST_USD, VENDORS, BatchWorld, is_waiting
from harness.batch_server import BatchServer

from abtest.contracts.steps import GenerateMessage
from abtest.core.errors import StoreUnavailableError
from abtest.providers.model import BatchResult

BATCHES, SIZE = 4, 5


class Chaos:
    """Breaks what it is asked about with some probability, before or after the fact.

    Args:
        seed: of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rate = 0.15
        self.deaths = 0

    def breaking(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that sometimes fails, having done its work or not."""

        def broken(*args: Any, **more: Any) -> Any:
            chance = self.random.random()
            if chance < self.rate / 2:
                self.deaths += 1
                raise StoreUnavailableError("away")
            result = call(*args, **more)
            if chance < self.rate:
                self.deaths += 1
                raise StoreUnavailableError("away, after the fact")
            return result

        return broken

    def shake(self, server: BatchServer) -> None:
        """Let the next exchanges with the vendor fail somehow."""
        faults, chance = server.faults, self.random.random
        faults.statuses = [self.random.choice([429, 500, 503])] if chance() < 0.2 else []
        faults.lost_replies = 1 if chance() < 0.25 else 0
        faults.look_statuses = [self.random.choice([429, 500, 502, 404])] if chance() < 0.2 else []
        cut = self.random.randrange(1, SIZE) if chance() < 0.1 else SIZE
        faults.mangled = lambda lines: lines[:cut]


def broken_world(vendor: str, chaos: Chaos) -> BatchWorld:
    world = BatchWorld(vendor, size=SIZE)
    world.jobs.write = chaos.breaking(world.jobs.write)  # type: ignore[method-assign]
    world.jobs.requests = chaos.breaking(world.jobs.requests)  # type: ignore[method-assign]
    world.ledger.put_many = chaos.breaking(world.ledger.put_many)  # type: ignore[method-assign]
    return world


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("vendor", VENDORS)
def test_whatever_fails__each_prompt_is_paid_once_and_each_sample_is_answered(vendor: str, seed: int) -> None:
    chaos = Chaos(seed)
    world = broken_world(vendor, chaos)
    in_queue: list[GenerateMessage] = [world.message(batch) for batch in range(BATCHES)]
    done: dict[int, BatchResult] = {}

    def deliver(message: GenerateMessage) -> None:
        try:
            result = world.work(message)
        except StoreUnavailableError:
            # As SQS does with a message whose worker failed.
            in_queue.append(message)
            return
        if not is_waiting(result):
            done.setdefault(message.batch.batch, result)

    for step in range(3_000):
        if len(done) == BATCHES:
            break
        chaos.rate = 0.15 if step < 150 else 0.0
        if step < 150:
            chaos.shake(world.server)
        else:
            world.server.faults.statuses, world.server.faults.lost_replies = [], 0
            world.server.faults.look_statuses, world.server.faults.mangled = [], lambda lines: lines
        act = chaos.random.random()
        if in_queue and act < 0.5:
            message = in_queue.pop(chaos.random.randrange(len(in_queue)))
            deliver(message)
            if chaos.random.random() < 0.1:
                deliver(message)
        elif act < 0.55:
            world.server.finish()
        else:
            world.poll(chaos.random.choice([20, 61, 300]))
            in_queue += world.taken_back()

    assert sorted(done) == list(range(BATCHES))
    assert max(world.server.paid.values()) == 1
    rows = [row for result in done.values() for row in result.responses]
    failed = {row.sample_id: row.failure_reason for row in rows if row.outcome == "failed"}
    # Answers are lost only where the vendor sends cut results again and again.
    assert set(failed.values()) <= {"malformed", "batch_failed"}
    assert len(rows) == BATCHES * SIZE
    # What a death between the two writes repeats is spending, never a call: at most one write for each death.
    assert len(rows) - len(failed) <= world.record.calls <= len(rows) + chaos.deaths * SIZE
    assert world.record.spent_usd == world.record.calls * COST_USD


@pytest.mark.parametrize("seed", range(6))
def test_whatever_fails__the_cap_is_kept(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.rate = 0.0
    world = broken_world("openai_chat", chaos)
    world.work(world.message(0))
    worst_usd = world.state(0).worst_cost_usd
    assert worst_usd is not None
    world.record.cap_usd = worst_usd * Decimal("2.2")
    in_queue = [world.message(batch) for batch in range(1, 6)]
    done: dict[int, BatchResult] = {}

    for _ in range(2_000):
        if len(done) == 6:
            break
        if in_queue and chaos.random.random() < 0.5:
            message = in_queue.pop(chaos.random.randrange(len(in_queue)))
            result = world.work(message)
            if not is_waiting(result):
                done[message.batch.batch] = result
        else:
            if chaos.random.random() < 0.3:
                world.server.finish()
            world.poll(61)
            in_queue += world.taken_back()
        running = [job for job in world.server.jobs if job.state == "running"]
        assert len(running) <= 2

    assert sorted(done) == list(range(6))
    assert world.record.spent_usd <= world.record.cap_usd
    assert {row.outcome for result in done.values() for row in result.responses} == {"answered"}
