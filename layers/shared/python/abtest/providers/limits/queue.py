"""The calls of one batch that wait for a permit, and the permits that wait for a call.

One ask reserves for every call that waits. While there is plenty, it reserves for the next moment as well; once there
is not, for nobody but those who wait, so that no slot is lost. A task asks, one time after the other, for as long as
there is a reason.

Depends on: `abtest.providers.limits` (bucket, recent, remote). Used by: the permit pool.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abtest.core.clock import Clock
from abtest.core.errors import StoreError, StoreThrottledError
from abtest.providers.limits.bucket import Grant, Permit
from abtest.providers.limits.recent import Demand
from abtest.providers.limits.remote import RemoteBucket
from abtest.providers.model import CallCost, Deferral

LATE_S = 0.5
"""How long after its slot a permit may still be used."""
LONGEST_POLL_S = 0.8
SHORTEST_POLL_S = 0.25
"""Time between two asks of a pool that is short of permits, between those two; jitter halves it at most."""
FLUSH_S = 2.0
"""How long news may wait for an ask to travel with."""
STARVED_PATIENCES = 3.0
"""A pool that got nothing for so many times its patience leaves the slots to others."""
STARVED_WAIT_S = 10.0
_MOST_CALLS_OF_ONE_ASK = 1_000
_NEAR_SLOT_S = 0.1
_GATHER = 0.4
_POLL_CALLS = 6
_STOCK_S = 0.5
_STOCK_CAPACITY_S = 0.25


@dataclass(eq=False, slots=True)
class _Waiter:
    cost: CallCost
    answer: asyncio.Future[Permit | Deferral]


class PermitQueue:
    """First come, first served; lives in one event loop.

    Args:
        bucket: where permits come from.
        clock: tells the time.
        jitter: a number in 0..1, new with each call.
        patience_s: how far ahead slots are taken, and the longest wait for one more.
    """

    def __init__(self, bucket: RemoteBucket, clock: Clock, jitter: Callable[[], float], patience_s: float) -> None:
        self._bucket, self._clock, self._jitter, self._patience_s = bucket, clock, jitter, patience_s
        self._demand = Demand()
        self._waiting: deque[_Waiter] = deque()
        self._stock: list[Permit] = []
        self._grant = Grant()
        self._call_s = 0.0
        self._is_plentiful = self._wants_stock = self._is_closed = False
        self._next_ask_s = self._fed_s = 0.0
        self.pause_until_s = 0.0
        """Epoch seconds until which nobody may call, as the bucket said; 0 when it never did."""
        self._hurry = asyncio.Event()
        self._feeder: asyncio.Task[None] | None = None

    async def get(self, cost: CallCost) -> Permit | Deferral:
        """Return a permit, perhaps of a slot to come; or why the batch should wait elsewhere.

        Raises:
            StoreError: the bucket cannot be read or written.
            RuntimeError: the queue is closed.
        """
        if self._is_closed:
            raise RuntimeError("No permit can be had from a queue that is closed.")
        self._demand.note(cost, self._clock.monotonic_s())
        permit = None if self._waiting else self._from_stock()
        if permit is None:
            return await self._from_bucket(cost)
        if self._lacking() > 0:
            self._wants_stock = True
            self.feed()
        return permit

    def put_back(self, permit: Permit) -> None:
        """Take a permit back that its call did not use, for the next one."""
        if self.is_late(permit):
            self._bucket.news.released.append(permit)
        else:
            insort(self._stock, permit)
            self._serve()

    def is_late(self, permit: Permit) -> bool:
        """Return whether a permit must not be used any more."""
        return self._clock.now().timestamp() > permit.slot_s + LATE_S

    def feed(self, *, hurry: bool = False) -> None:
        """See to it that the bucket is asked if there is a reason; in a hurry, at once."""
        if hurry:
            self._hurry.set()
        if not self._is_closed and (self._feeder is None or self._feeder.done()):
            self._feeder = asyncio.create_task(self._keep_fed())

    async def close(self) -> None:
        """Stop asking, tell the news that are left, and give back permits; nobody may wait any more.

        Raises:
            StoreError: the bucket cannot be changed.
        """
        self._is_closed = True
        self._hurry.set()
        if self._feeder is not None:
            await self._feeder
        last = self._last_of_grant()
        self._bucket.news.released += [permit for permit in self._stock if permit not in last]
        self._stock = []
        if last or self._bucket.news:
            await self._bucket.give_back(last)

    async def _from_bucket(self, cost: CallCost) -> Permit | Deferral:
        waiter = _Waiter(cost, asyncio.get_running_loop().create_future())
        if not self._waiting:
            self._fed_s = self._clock.monotonic_s()
        self._waiting.append(waiter)
        self.feed()
        try:
            return await waiter.answer
        except asyncio.CancelledError:
            answer = waiter.answer
            came = not answer.cancelled() and answer.exception() is None
            if came and isinstance(permit := answer.result(), Permit):
                # In the moment of the cancellation.
                self.put_back(permit)
            raise

    def _from_stock(self) -> Permit | None:
        while self._stock:
            permit = self._stock.pop(0)
            if not self.is_late(permit):
                return permit
            self._bucket.news.released.append(permit)
        return None

    def _last_of_grant(self) -> list[Permit]:
        """Return the permits in stock behind which the last grant has none that was used."""
        last: list[Permit] = []
        now_s = self._clock.now().timestamp()
        for permit in reversed(self._grant.permits):
            if permit.slot_s <= now_s or permit not in self._stock:
                break
            last.append(permit)
        return last[::-1]

    async def _keep_fed(self) -> None:
        try:
            await self._until_next_ask()
            while not self._is_closed and self._has_reason():
                await self._ask()
                await self._until_next_ask()
        except BaseException as error:
            for waiter in self._waiting:
                if not waiter.answer.done():
                    waiter.answer.set_exception(error)
            self._waiting.clear()
            self._next_ask_s = self._clock.monotonic_s() + LONGEST_POLL_S
            # The calls that wait hear of it; news are kept, and told later.
            if not isinstance(error, StoreError):
                raise

    def _has_reason(self) -> bool:
        self._drop_answered()
        must_tell = self._bucket.news.pause_until_s > 0 or self._bucket.is_overdue(FLUSH_S)
        return bool(self._waiting) or self._wants_stock or must_tell

    async def _until_next_ask(self) -> None:
        wait_s = self._next_ask_s - self._clock.monotonic_s()
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), wait_s)
        self._hurry.clear()

    async def _ask(self) -> None:
        asked = [waiter for waiter in self._waiting if not waiter.answer.done()][:_MOST_CALLS_OF_ONE_ASK]
        costs = [waiter.cost for waiter in asked]
        if asked or self._wants_stock:
            costs += [self._demand.largest()] * self._lacking()
        self._wants_stock = False
        try:
            grant = await self._bucket.ask(costs, self._patience_s)
        except StoreThrottledError:
            # Too many ask at the same time; that is no failure of the store.
            grant = Grant(wait_s=LONGEST_POLL_S)
        self._hand_out(asked, grant)
        self._plan_next_ask(grant)

    def _hand_out(self, asked: Sequence[_Waiter], grant: Grant) -> None:
        self._grant = grant
        self.pause_until_s = max(self.pause_until_s, grant.pause_until_s)
        for waiter, permit in zip(asked, grant.permits, strict=False):
            if waiter.answer.done():
                self._stock.append(permit)
            else:
                waiter.answer.set_result(permit)
        self._stock += grant.permits[len(asked) :]
        self._stock.sort()
        self._serve()

    def _serve(self) -> None:
        self._drop_answered()
        while self._waiting and (permit := self._from_stock()) is not None:
            self._waiting.popleft().answer.set_result(permit)
            self._drop_answered()

    def _drop_answered(self) -> None:
        while self._waiting and self._waiting[0].answer.done():
            self._waiting.popleft()

    def _plan_next_ask(self, grant: Grant) -> None:
        now_s = self._clock.monotonic_s()
        if grant.wait_s > 0:
            self._is_plentiful = False
            poll_s = min(LONGEST_POLL_S, max(SHORTEST_POLL_S, _POLL_CALLS * grant.call_s))
            self._next_ask_s = now_s + max(grant.wait_s, poll_s * (1 + self._jitter()) / 2)
        elif grant.permits:
            lead_s = grant.permits[0].slot_s - self._clock.now().timestamp()
            self._is_plentiful, self._call_s = lead_s <= _NEAR_SLOT_S, grant.call_s
            # Where slots are some way off, calls that come meanwhile can share an ask.
            self._next_ask_s = now_s + min(LONGEST_POLL_S / 2, _GATHER * max(0.0, lead_s))
        if grant.permits:
            self._fed_s = now_s
        if grant.wait_s > 0:
            self._defer(grant, now_s)

    def _defer(self, grant: Grant, now_s: float) -> None:
        """Send the calls that wait away, if it will be long."""
        if grant.wait_s > self._patience_s:
            # A second of spread, so that batches that come back do so before the slot, and not all at once.
            wait_s = grant.wait_s + self._jitter() * min(1.0, self._patience_s / 3)
        elif now_s - self._fed_s > STARVED_PATIENCES * self._patience_s:
            wait_s = STARVED_WAIT_S * (1 + self._jitter())
        else:
            return
        deferral = Deferral(wait_s, grant.why or "rate_limit")
        for waiter in self._waiting:
            if not waiter.answer.done():
                waiter.answer.set_result(deferral)
        self._waiting.clear()
        self._next_ask_s = 0.0

    def _lacking(self) -> int:
        """Return how many permits should be had ahead of the calls; 0 unless there is plenty."""
        if not self._is_plentiful:
            return 0
        wanted = min(self._demand.expected(_STOCK_S), int(_STOCK_CAPACITY_S / self._call_s))
        missing = wanted - len(self._stock)
        return missing if 2 * missing > wanted else 0
