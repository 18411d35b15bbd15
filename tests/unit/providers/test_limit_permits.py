"""The pool of permits: waiting, deferring, pausing, giving back; in virtual time, over a real bucket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import chain, pairwise
from typing import Any

import pytest
from limit_world import START_S, CountingState, LoopClock, run_virtually

from abtest.contracts.records import Usage
from abtest.core.errors import StoreThrottledError, StoreUnavailableError
from abtest.providers.limits.bucket import LONGEST_PAUSE_S, REQUEST_WINDOW_S
from abtest.providers.limits.pauses import LOOK_S
from abtest.providers.limits.permits import PermitPool
from abtest.providers.limits.queue import FLUSH_S, LATE_S
from abtest.providers.model import CallCost, Deferral
from abtest.providers.registration import RateLimit

COST = CallCost(100, 100)
USED = Usage(input_tokens=100, output_tokens=50)
TEN_A_SECOND = RateLimit(requests_per_minute=600)
SPACING_S = REQUEST_WINDOW_S / 600
TRIP_S = 0.01
"""Of every trip to the store in these tests."""


class FailingState(CountingState):
    """A store that fails as often as it is told."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error, self.times = error, times

    def _fail(self) -> None:
        if self.times > 0:
            self.times -= 1
            raise self.error

    def read(self, key: str) -> Any:
        self._fail()
        return super().read(key)

    def change(self, key: str, decide: Callable[[Any], Any]) -> Any:
        self._fail()
        return super().change(key, decide)


def pool(state: CountingState, rate_limit: RateLimit | None = TEN_A_SECOND, **changes: Any) -> PermitPool:
    facts: dict[str, Any] = {"run_id": "run", "clock": LoopClock(), "jitter": lambda: 0.5}
    return PermitPool(state, "key", rate_limit, **(facts | changes))


def now_s() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test on a loop whose time passes at once."""

    def run() -> None:
        run_virtually(test(), lambda: TRIP_S)

    run.__name__ = test.__name__
    return run


async def times_of(permits: PermitPool, calls: int, cost: CallCost = COST) -> list[float]:
    """Return when so many calls at once were let through."""

    async def one() -> float:
        assert await permits.acquire(cost) is None
        return now_s()

    return sorted(await asyncio.gather(*(one() for _ in range(calls))))


def bucket_of(state: CountingState) -> dict[str, Any]:
    return json.loads(state.documents["key"])


# Waiting


@in_virtual_time
async def test_acquire__lets_calls_through_at_their_slots_with_one_write() -> None:
    state = CountingState()
    times = await times_of(pool(state), 20)
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert steps == pytest.approx([SPACING_S] * 19, abs=0.002)
    assert times[0] < 0.05
    assert state.writes == 1


@in_virtual_time
async def test_acquire__goes_on_asking_for_calls_beyond_the_horizon() -> None:
    state = CountingState()
    times = await times_of(pool(state), 100)
    assert times[-1] == pytest.approx(99 * SPACING_S, abs=0.2)
    assert state.writes < 30


@in_virtual_time
async def test_acquire__comes_first_served_first() -> None:
    permits, order = pool(CountingState()), []

    async def one(number: int) -> None:
        await permits.acquire(COST)
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(60)))
    assert order == list(range(60))


@in_virtual_time
async def test_acquire__defers_when_the_next_slot_is_far() -> None:
    permits = pool(CountingState(), RateLimit(requests_per_minute=3))
    answers = await asyncio.gather(*(permits.acquire(COST) for _ in range(4)))
    assert answers[0] is None
    spacing_s = REQUEST_WINDOW_S / 3
    for deferral in answers[1:]:
        assert isinstance(deferral, Deferral)
        assert deferral.why == "rate_limit"
        # Back before the slot, by less than the patience.
        assert spacing_s - 3 < deferral.wait_s < spacing_s - 1


@in_virtual_time
async def test_acquire__defers_a_pool_that_gets_nothing_because_others_ask_too() -> None:
    state = CountingState()
    # Sixty runs want one call each second and there is one, so that most get none for a long time.
    pools = [pool(state, RateLimit(requests_per_minute=60), run_id=f"run{n}") for n in range(30)]

    async def work(permits: PermitPool) -> Deferral:
        while True:
            answer = await permits.acquire(COST)
            if answer is not None:
                return answer

    done, pending = await asyncio.wait([asyncio.create_task(work(permits)) for permits in pools], timeout=30)
    deferrals = [task.result() for task in done]
    assert deferrals
    assert pending
    assert all(10 <= deferral.wait_s <= 20 for deferral in deferrals)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


@in_virtual_time
async def test_cancelled_call__leaves_its_slot_to_the_next_one() -> None:
    permits = pool(CountingState())
    waiting = [asyncio.create_task(permits.acquire(COST)) for _ in range(12)]
    await asyncio.sleep(0.55)
    passed = sum(task.done() for task in waiting)
    for task in waiting[passed : passed + 3]:
        task.cancel()
    times = await times_of(permits, 3)
    # They have the slots of those, though others were promised later ones.
    assert times[0] == pytest.approx((passed) * SPACING_S, abs=0.05)
    assert len(times) == 3
    await asyncio.gather(*waiting, return_exceptions=True)


@in_virtual_time
async def test_cancelled_before_its_permit_came__breaks_nothing() -> None:
    permits = pool(CountingState())
    waiting = [asyncio.create_task(permits.acquire(COST)) for _ in range(10)]
    await asyncio.sleep(TRIP_S / 2)
    for task in waiting[:9]:
        task.cancel()
    assert await waiting[9] is None
    assert now_s() <= 9 * SPACING_S + 0.05
    assert len(await times_of(permits, 5)) == 5


@in_virtual_time
async def test_permit__is_not_used_long_after_its_slot() -> None:
    clock = LoopClock()
    permits = pool(CountingState(), clock=clock)
    await times_of(permits, 1)
    second = asyncio.create_task(permits.acquire(COST))
    await asyncio.sleep(0.05)
    # The worker was held up: its clock shows a second more than it slept.
    clock.skew_s = LATE_S + 1
    assert await second is None
    last_s = bucket_of(permits._bucket._state)["last_s"]  # type: ignore[arg-type]
    assert last_s > START_S + LATE_S + 1


@in_virtual_time
async def test_acquire__on_a_closed_pool_is_a_mistake() -> None:
    permits = pool(CountingState())
    await permits.close()
    with pytest.raises(RuntimeError, match="closed"):
        await permits.acquire(COST)


@in_virtual_time
async def test_plenty__is_reserved_ahead_of_the_calls() -> None:
    state = CountingState()
    permits = pool(state, RateLimit(requests_per_minute=60_000))
    for _ in range(1_000):
        assert await permits.acquire(COST) is None
        await asyncio.sleep(0.005)
    assert now_s() < 1_000 * 0.005 * 1.1
    assert state.writes < 1_000 / 10


# What calls took


@in_virtual_time
async def test_settle__corrects_the_charge_with_the_next_write() -> None:
    state = CountingState()
    permits = pool(state, RateLimit(tokens_per_minute=100_000))
    await permits.acquire(COST)
    assert sum(bucket_of(state)["tokens_per_minute"][2:]) == 201
    permits.settle(COST, USED)
    assert state.writes == 1
    await permits.acquire(COST)
    assert sum(bucket_of(state)["tokens_per_minute"][2:]) == 150 + 201


@in_virtual_time
async def test_settle__without_usage_leaves_the_estimate() -> None:
    state = CountingState()
    permits = pool(state, RateLimit(tokens_per_minute=100_000))
    await permits.acquire(COST)
    permits.settle(COST, None)
    await permits.close()
    assert sum(bucket_of(state)["tokens_per_minute"][2:]) == 201


@in_virtual_time
async def test_settle__is_written_after_some_time_though_nobody_asks() -> None:
    state = CountingState()
    permits = pool(state, RateLimit(tokens_per_minute=100_000))
    await times_of(permits, 2)
    await asyncio.sleep(FLUSH_S + 0.1)
    permits.settle(COST, USED)
    await asyncio.sleep(0.1)
    assert state.writes == 2
    assert sum(bucket_of(state)["tokens_per_minute"][2:]) == 150 + 201


@in_virtual_time
async def test_settle__finds_the_permit_of_the_very_call() -> None:
    state = CountingState()
    permits = pool(state, RateLimit(tokens_per_minute=6_000))
    costs = [CallCost(100, 100), CallCost(100, 100)]
    for cost in costs:
        assert await permits.acquire(cost) is None
    permits.settle(costs[1], USED)
    await permits.close()
    first, *seconds = bucket_of(state)["tokens_per_minute"][1:]
    assert first == int(START_S)
    assert seconds[0] == 201
    assert seconds[-1] == 150


# Refusals and pauses


@in_virtual_time
async def test_throttled__with_a_hint_stops_every_pool_until_then() -> None:
    state = CountingState()
    one, other = pool(state), pool(state, run_id="other")
    await one.acquire(COST)
    one.throttled(2.0)
    one.settle(COST, None)
    await asyncio.sleep(0.1)
    assert (await times_of(other, 1))[0] >= 2.0
    assert (await times_of(one, 1))[0] >= 2.0


@in_virtual_time
async def test_throttled__with_a_long_hint_defers() -> None:
    state = CountingState()
    permits = pool(state)
    await permits.acquire(COST)
    waiting = asyncio.create_task(permits.acquire(COST))
    permits.throttled(60.0)
    permits.settle(COST, None)
    for answer in (await waiting, await permits.acquire(COST), await pool(state, run_id="b").acquire(COST)):
        assert isinstance(answer, Deferral)
        assert answer.why == "provider_throttles"
        assert 55 < answer.wait_s < 60


@in_virtual_time
async def test_throttled__now_and_then_stops_nobody_and_lowers_the_pace_a_little() -> None:
    state = CountingState()
    permits = pool(state, RateLimit(requests_per_minute=6_000))
    for number in range(1_000):
        assert await permits.acquire(COST) is None
        if number % 20 == 19:
            permits.throttled(5.0)
        permits.settle(COST, USED)
    assert now_s() < 1_000 / 100 * 1.2
    assert bucket_of(state)["pause_until_s"] == 0
    assert 0.9 < bucket_of(state)["pace"][0] <= 1


@in_virtual_time
async def test_throttled__always_lowers_the_pace_for_all() -> None:
    state = CountingState()
    permits = pool(state)
    while now_s() < 20:
        assert await permits.acquire(COST) is None
        permits.throttled(None)
        permits.settle(COST, None)
    assert bucket_of(state)["pace"][0] < 0.25
    times = await times_of(pool(state, run_id="other"), 3)
    assert times[2] - times[1] > 4 * SPACING_S


@in_virtual_time
async def test_hold__for_a_moment_is_not_worth_a_write() -> None:
    state = CountingState()
    permits = pool(state)
    await permits.acquire(COST)
    permits.settle(COST, USED)
    permits.hold(0.4)
    assert state.writes == 1
    assert (await times_of(permits, 1))[0] >= 0.4


@in_virtual_time
async def test_hold__repeated_with_each_reply_is_written_seldom() -> None:
    state = CountingState()
    permits = pool(state)
    await permits.acquire(COST)
    for _ in range(100):
        permits.hold(2.0)
        await asyncio.sleep(0.01)
    assert state.writes < 6
    assert (await times_of(permits, 1))[0] >= 2.9


@in_virtual_time
async def test_slots_within_a_pause__are_not_used() -> None:
    state = CountingState()
    one, other = pool(state), pool(state, run_id="other")
    held = [asyncio.create_task(times_of(other, 10))]
    await asyncio.sleep(0.25)
    one.throttled(2.5)
    await asyncio.sleep(0.02)
    # The other one hears of it with its next ask.
    held.append(asyncio.create_task(times_of(other, 1)))
    times = sorted(chain(*await asyncio.gather(*held)))
    assert len(times) == 11
    assert times[2] < 0.5
    assert [time for time in times if 0.5 < time < 2.5] == []


# No limit


@in_virtual_time
async def test_no_limit__costs_no_write_and_one_read_in_a_while() -> None:
    for rate_limit in (None, RateLimit()):
        state = CountingState()
        permits = pool(state, rate_limit)
        start_s = now_s()
        for _ in range(1_000):
            assert await permits.acquire(COST) is None
            permits.settle(COST, USED)
            await asyncio.sleep(0.01)
        assert now_s() - start_s < 10.5
        assert state.writes == 0
        assert state.reads <= 10 / LOOK_S + 1
        await permits.close()


@in_virtual_time
async def test_no_limit__shares_pauses() -> None:
    state = CountingState()
    one, other = pool(state, None), pool(state, None, run_id="other")
    await one.acquire(COST)
    await other.acquire(COST)
    one.throttled(30.0)
    await asyncio.sleep(LOOK_S)
    # A look runs beside the call that starts it.
    assert await other.acquire(COST) is None
    await asyncio.sleep(0.1)
    for permits in (one, other, pool(state, None)):
        answer = await permits.acquire(COST)
        assert isinstance(answer, Deferral)
        assert answer.why == "provider_throttles"
        assert 25 < answer.wait_s < 30
    assert state.writes == 1
    await one.close()


@in_virtual_time
async def test_no_limit__waits_out_a_short_pause() -> None:
    permits = pool(CountingState(), None)
    await permits.acquire(COST)
    permits.throttled(1.0)
    assert 1.0 <= (await times_of(permits, 1))[0] < 1.2


@in_virtual_time
async def test_no_limit__needs_no_store() -> None:
    state = FailingState(StoreUnavailableError("The store does not answer."), 100)
    permits = pool(state, None)
    assert await permits.acquire(COST) is None
    permits.throttled(1.0)
    assert await permits.acquire(COST) is None
    await permits.close()
    assert state.documents == {}


@in_virtual_time
async def test_pause__is_at_most_a_quarter_of_an_hour() -> None:
    for rate_limit in (None, TEN_A_SECOND):
        state = CountingState()
        permits = pool(state, rate_limit)
        await permits.acquire(COST)
        permits.throttled(86_400.0)
        await permits.close()
        assert bucket_of(state)["pause_until_s"] <= START_S + now_s() + LONGEST_PAUSE_S


# The store


@in_virtual_time
async def test_store_that_does_not_answer__fails_the_calls_that_wait_and_the_next_ones_try_again() -> None:
    state = FailingState(StoreUnavailableError("The store does not answer."), 1)
    permits = pool(state)
    answers = await asyncio.gather(*(permits.acquire(COST) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 3
    assert await permits.acquire(COST) is None


@in_virtual_time
async def test_store_that_fails__loses_no_news() -> None:
    state = FailingState(StoreUnavailableError("The store does not answer."), 0)
    permits = pool(state, RateLimit(tokens_per_minute=100_000))
    await permits.acquire(COST)
    permits.settle(COST, USED)
    state.times = 1
    with pytest.raises(StoreUnavailableError):
        await permits.acquire(COST)
    await permits.close()
    assert sum(bucket_of(state)["tokens_per_minute"][2:]) == 150


@in_virtual_time
async def test_store_that_fails_at_the_end__fails_nothing() -> None:
    state = FailingState(StoreUnavailableError("The store does not answer."), 0)
    permits = pool(state, RateLimit(tokens_per_minute=100_000))
    await permits.acquire(COST)
    permits.settle(COST, USED)
    state.times = 1
    await permits.close()
    assert sum(bucket_of(state)["tokens_per_minute"][2:]) == 201


@in_virtual_time
async def test_store_that_is_crowded__is_asked_again_and_then_left_to_others() -> None:
    crowded = StoreThrottledError("Others were faster.")
    assert (await times_of(pool(FailingState(crowded, 3)), 1))[0] < 3
    answer = await pool(FailingState(crowded, 10_000)).acquire(COST)
    assert isinstance(answer, Deferral)
    assert 9 < now_s() < 15


@in_virtual_time
async def test_error_in_the_program__reaches_the_calls_that_wait() -> None:
    permits = pool(FailingState(KeyError("last_s"), 1))
    with pytest.raises(KeyError):
        await permits.acquire(COST)
    with pytest.raises(KeyError):
        await permits.close()


# The end


@in_virtual_time
async def test_close__gives_back_slots_that_nobody_used() -> None:
    state = CountingState()
    permits = pool(state)
    waiting = [asyncio.create_task(permits.acquire(COST)) for _ in range(20)]
    await asyncio.sleep(0.5)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await permits.close()
    other = pool(state, run_id="other")
    assert (await times_of(other, 1))[0] < 0.7


@in_virtual_time
async def test_close__of_a_pool_that_was_never_used_writes_nothing() -> None:
    state = CountingState()
    await pool(state).close()
    assert (state.reads, state.writes) == (0, 0)


@in_virtual_time
async def test_close__waits_for_the_write_in_flight() -> None:
    state = CountingState()
    permits = pool(state)
    waiting = asyncio.create_task(permits.acquire(COST))
    await asyncio.sleep(TRIP_S / 4)
    waiting.cancel()
    await permits.close()
    assert state.writes == 2
    assert (await times_of(pool(state, run_id="other"), 1))[0] < 0.1
