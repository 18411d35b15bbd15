"""Calls in flight: fewer after refusals, slowly more, and a semaphore that follows."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.providers.limits.concurrency import AimdLimit, InFlight


def test_limit__starts_at_the_most() -> None:
    assert AimdLimit(50).limit == 50


@pytest.mark.parametrize("most", [0, -1])
def test_limit__below_one_is_a_mistake(most: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        AimdLimit(most)


def test_throttled__halves_once_for_calls_that_were_in_flight_together() -> None:
    limit = AimdLimit(40)
    assert limit.on_throttled(10.0, 0.5)
    assert limit.limit == 20
    # Sent before the limit was halved: no news of what half of it does.
    assert not limit.on_throttled(10.4, 0.5)
    assert not limit.on_throttled(10.5, 0.5)
    assert limit.limit == 20
    assert limit.on_throttled(10.6, 0.5)
    assert limit.limit == 10


def test_success__raises_by_one_for_as_many_as_are_in_flight() -> None:
    limit = AimdLimit(100)
    limit.on_throttled(1.0, 0.1)
    raised = []
    for _ in range(5):
        for _ in range(limit.limit):
            limit.on_success()
        raised.append(limit.limit)
    assert [later - earlier for earlier, later in pairwise([50, *raised])] == pytest.approx([1] * 5, abs=1)
    assert raised[-1] == pytest.approx(55, abs=1)


@given(st.integers(1, 1_000), st.lists(st.one_of(st.floats(0, 10), st.none()), max_size=300))
def test_limit__stays_between_one_and_the_most(most: int, events: list[float | None]) -> None:
    limit, now_s = AimdLimit(most), 0.0
    for wait_s in events:
        if wait_s is None:
            limit.on_success()
        else:
            now_s += wait_s
            limit.on_throttled(now_s, 0.01)
        assert 1 <= limit.limit <= most


def test_limit__comes_back_from_one_to_the_most() -> None:
    limit = AimdLimit(20)
    for second in range(10):
        limit.on_throttled(float(second), 0.01)
    assert limit.limit == 1
    for _ in range(20 * 20):
        limit.on_success()
    assert limit.limit == 20


async def calls(in_flight: InFlight, count: int, seconds: float) -> int:
    """Make so many calls at once, and return how many were in flight at most."""
    most = 0

    async def one() -> None:
        nonlocal most
        await in_flight.enter()
        most = max(most, in_flight.count)
        await asyncio.sleep(seconds)
        in_flight.leave()

    await asyncio.gather(*(one() for _ in range(count)))
    return most


def test_in_flight__lets_as_many_through_as_the_limit_says() -> None:
    async def run() -> None:
        limit = AimdLimit(8)
        in_flight = InFlight(limit)
        assert await calls(in_flight, 50, 0.0) == 8
        limit.on_throttled(1.0, 0.1)
        assert await calls(in_flight, 50, 0.0) == 4
        assert in_flight.count == 0

    asyncio.run(run())


def test_in_flight__follows_a_limit_that_falls_and_rises_while_calls_wait() -> None:
    async def run() -> None:
        limit = AimdLimit(4)
        in_flight = InFlight(limit)
        for _ in range(4):
            await in_flight.enter()
        waiting = [asyncio.create_task(in_flight.enter()) for _ in range(4)]
        limit.on_throttled(1.0, 0.1)
        in_flight.leave()
        in_flight.leave()
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        in_flight.leave()
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [True, False, False, False]
        for _ in range(10):
            limit.on_success()
        in_flight.leave()
        await asyncio.sleep(0)
        # One place came free and the limit is higher again.
        assert in_flight.count == limit.limit == 4
        for _ in range(4):
            in_flight.leave()
        await asyncio.gather(*waiting)

    asyncio.run(run())


def test_in_flight__keeps_the_order() -> None:
    async def run() -> None:
        in_flight, order = InFlight(AimdLimit(1)), []

        async def one(number: int) -> None:
            await in_flight.enter()
            order.append(number)
            await asyncio.sleep(0)
            in_flight.leave()

        await asyncio.gather(*(one(number) for number in range(20)))
        assert order == list(range(20))

    asyncio.run(run())


@given(st.lists(st.integers(0, 9), max_size=60))
def test_in_flight__loses_no_place_to_cancellations(cancelled: list[int]) -> None:
    async def run() -> None:
        in_flight = InFlight(AimdLimit(3))
        for _ in range(3):
            await in_flight.enter()
        waiting = [asyncio.create_task(in_flight.enter()) for _ in range(10)]
        await asyncio.sleep(0)
        for turn, number in enumerate(cancelled):
            if turn % 3 == 0 and in_flight.count:
                # A place goes to one that waits, who may be cancelled before it runs again.
                in_flight.leave()
            waiting[number].cancel()
            if turn % 5 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while in_flight.count:
            in_flight.leave()
            await asyncio.sleep(0)
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait_for(in_flight.enter(), 1)
        assert in_flight.count == 1

    asyncio.run(run())
