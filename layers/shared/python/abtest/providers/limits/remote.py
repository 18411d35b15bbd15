"""The shared bucket as one worker speaks to it: asks for permits, and tells with each ask what it has learned.

Depends on: `abtest.providers.limits.bucket`, the store of shared documents. Used by: the permit pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abtest.core.clock import Clock
from abtest.core.errors import StoreError
from abtest.providers.limits.bucket import Bucket, Grant, Permit, Settlement
from abtest.providers.model import CallCost
from abtest.providers.ports import SharedState
from abtest.providers.registration import RateLimit

_FIRST_TRIP_S = 0.02
_LONGEST_TRIP_S = 0.3
_TRIP_WEIGHT = 0.2


@dataclass(slots=True)
class News:
    """What the bucket does not know yet.

    Args:
        settlements: of calls that came to an end.
        released: permits that nobody can use any more.
        attempts: calls that came to an end, answered or not.
        refusals: of those, the ones refused for the rate.
        pause_until_s: epoch seconds until which nobody may call; 0 is no news.
    """

    settlements: list[Settlement] = field(default_factory=list)
    released: list[Permit] = field(default_factory=list)
    attempts: int = 0
    refusals: int = 0
    pause_until_s: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.settlements or self.released or self.attempts or self.refusals or self.pause_until_s)

    def tell(self, bucket: Bucket) -> None:
        """Tell a bucket."""
        bucket.settle(self.settlements)
        bucket.release(self.released)
        bucket.observe(self.attempts, self.refusals)
        bucket.pause(self.pause_until_s)

    def add(self, other: News) -> None:
        """Take over what another one holds."""
        self.settlements += other.settlements
        self.released += other.released
        self.attempts += other.attempts
        self.refusals += other.refusals
        self.pause_until_s = max(self.pause_until_s, other.pause_until_s)


class RemoteBucket:
    """The bucket of one key; asks one at a time.

    Args:
        state: where the bucket is; called in a thread.
        key: of the bucket.
        rate_limit: as registered.
        run_id: the run that asks.
        kind: of its calls.
        clock: tells the time.
    """

    def __init__(
        self, state: SharedState, key: str, rate_limit: RateLimit, *, run_id: str, kind: str, clock: Clock
    ) -> None:
        self._state, self._key, self._rate_limit = state, key, rate_limit
        self._run_id, self._kind, self._clock = run_id, kind, clock
        self._trip_s = _FIRST_TRIP_S
        self._told_s = clock.monotonic_s()
        self.news = News()

    def is_overdue(self, wait_s: float) -> bool:
        """Return whether there is news, and nothing was told for so long."""
        return bool(self.news) and self._clock.monotonic_s() - self._told_s >= wait_s

    async def ask(self, costs: Sequence[CallCost], horizon_s: float) -> Grant:
        """Tell the news, and return permits for calls.

        Args:
            costs: estimates, in the order in which the calls are to be sent; may be none.
            horizon_s: how far from now a slot may be.

        Raises:
            StoreError: the bucket cannot be changed; the news are kept.
        """

        def decide(bucket: Bucket, now_s: float) -> Grant:
            # Slots from when the permits are here; earlier ones would be late.
            return bucket.reserve(costs, horizon_s, now_s + self._trip_s)

        return await self._change(decide)

    async def give_back(self, permits: Sequence[Permit]) -> None:
        """Tell the news, and give back the last permits of the last grant; see `Bucket.give_back`.

        Raises:
            StoreError: the bucket cannot be changed; the news are kept.
        """

        def decide(bucket: Bucket, _now_s: float) -> Grant:
            bucket.give_back(permits)
            return Grant()

        await self._change(decide)

    async def _change(self, decide: Callable[[Bucket, float], Grant]) -> Grant:
        told, self.news = self.news, News()
        started_s = self._clock.monotonic_s()

        def change(document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], Grant]:
            # The time is read for each try: one that another worker forestalled has taken time.
            now_s = self._clock.now().timestamp()
            bucket = Bucket(document, self._rate_limit, self._run_id, now_s, kind=self._kind)
            told.tell(bucket)
            grant = decide(bucket, now_s)
            return bucket.document(), grant

        try:
            grant = await asyncio.to_thread(self._state.change, self._key, change)
        except StoreError:
            self.news.add(told)
            raise
        self._told_s = self._clock.monotonic_s()
        trip_s = min(_LONGEST_TRIP_S, self._told_s - started_s)
        self._trip_s += _TRIP_WEIGHT * (trip_s - self._trip_s)
        return grant
