"""Permits to call: no call is sent before its slot of the shared bucket, and none while the provider asks for quiet.

Depends on: `abtest.providers.limits` (bucket, pauses, queue, recent, remote). Used by: the gate of a batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from abtest.contracts.records import Usage
from abtest.core.clock import Clock
from abtest.core.errors import StoreError
from abtest.providers.limits.bucket import LONGEST_PAUSE_S, Permit, Settlement
from abtest.providers.limits.pauses import SharedPauses
from abtest.providers.limits.queue import FLUSH_S, LATE_S, PermitQueue
from abtest.providers.limits.recent import Refusals
from abtest.providers.limits.remote import RemoteBucket
from abtest.providers.model import CallCost, Deferral
from abtest.providers.ports import SharedState
from abtest.providers.registration import RateLimit

TOLD_PAUSE_S = 0.5
"""A pause that is shorter than that, or longer by less than it was told to be, is not worth a write."""


class PermitPool:
    """The permits of one batch for one provider's account and model; lives in one event loop.

    Args:
        state: where the bucket is; called in threads, one call at a time.
        key: of the bucket, from `limit_key`.
        rate_limit: as registered for the model; None keeps no rate, only pauses that the provider asks for.
        run_id: whose share the permits come from.
        clock: `now()` must agree with the other workers' to within a quarter of a second.
        jitter: a number in 0..1, new with each call.
        patience_s: a batch that must wait longer for its next slot waits elsewhere.
        kind: what the calls have in common that decides how long answers are, such as the variant.
    """

    def __init__(
        self,
        state: SharedState,
        key: str,
        rate_limit: RateLimit | None,
        *,
        run_id: str,
        clock: Clock,
        jitter: Callable[[], float],
        patience_s: float = 3.0,
        kind: str = "",
    ) -> None:
        self._clock, self._patience_s = clock, patience_s
        self._is_limited = rate_limit is not None and any(value is not None for _, value in rate_limit)
        self._pauses = SharedPauses(state, key, clock, jitter, patience_s)
        self._bucket = RemoteBucket(state, key, rate_limit or RateLimit(), run_id=run_id, kind=kind, clock=clock)
        self._queue = PermitQueue(self._bucket, clock, jitter, patience_s)
        self._refusals = Refusals()
        self._pause_until_s = self._told_pause_s = 0.0
        self._used: dict[CallCost, list[tuple[CallCost, Permit]]] = {}

    async def acquire(self, cost: CallCost) -> Deferral | None:
        """Wait until a call may be sent, and return None; send it at once. Else why the batch should wait elsewhere.

        May be cancelled; a slot that a cancelled call held goes to the next one.

        Args:
            cost: the estimate; give the same object to `settle`.

        Raises:
            StoreError: the bucket cannot be read or written.
        """
        if not self._is_limited:
            return await self._pauses.wait()
        while True:
            await self._short_pause()
            permit = await self._queue.get(cost)
            if isinstance(permit, Deferral):
                return permit
            if await self._reached(permit):
                self._used.setdefault(cost, []).append((cost, permit))
                return None

    def settle(self, cost: CallCost, usage: Usage | None) -> None:
        """Say that a call came to an end; no I/O, never waits. Call once after each `acquire` that returned None.

        Args:
            cost: as given to `acquire`.
            usage: what it took; None when the provider did not say: the estimate then stands.
        """
        self._refusals.note_attempt()
        if not self._is_limited:
            return
        self._bucket.news.attempts += 1
        permit = self._permit_of(cost)
        if permit is not None and usage is not None:
            self._bucket.news.settlements.append(Settlement(permit, cost, usage))
        if self._bucket.is_overdue(FLUSH_S):
            self._queue.feed()

    def give_back(self, cost: CallCost) -> None:
        """Say that no call was sent after all, in place of `settle`; its slot goes to the next one. No I/O.

        Args:
            cost: as given to `acquire`.
        """
        permit = self._permit_of(cost)
        if permit is not None:
            self._queue.put_back(permit)

    def throttled(self, retry_after_s: float | None) -> None:
        """Say that the provider refused a call for its rate (429), before it is settled; no I/O.

        The share of refusals lowers the pace of all workers. When many of the last calls were refused, nobody calls
        until the time the provider names; a refusal among many answers is that call's own matter.

        Args:
            retry_after_s: what the provider asks to wait; None when it says nothing.
        """
        self._refusals.note_refusal()
        self._bucket.news.refusals += 1
        if retry_after_s and self._refusals.are_many:
            self.hold(retry_after_s)

    def hold(self, wait_s: float) -> None:
        """Let nobody call for so long, as the provider's headers ask (`ServerLimits.pause_s`); no I/O."""
        until_s = self._now_s() + min(wait_s, LONGEST_PAUSE_S)
        if until_s <= self._pause_until_s:
            return
        self._pause_until_s = until_s
        tell = until_s > max(self._told_pause_s, self._now_s()) + TOLD_PAUSE_S
        if tell:
            self._told_pause_s = until_s
        if not self._is_limited:
            self._pauses.pause(until_s, tell=tell)
        elif tell:
            self._bucket.news.pause_until_s = until_s
            self._queue.feed(hurry=True)

    async def close(self) -> None:
        """Tell the bucket what is left to tell, and give back slots nobody used. Call when no `acquire` waits.

        Nothing of worth is lost when the store does not answer: calls stay charged with their estimates.
        """
        if not self._is_limited:
            await self._pauses.close()
            return
        with contextlib.suppress(StoreError):
            await self._queue.close()

    async def _short_pause(self) -> None:
        while 0 < (wait_s := self._pause_until_s - self._now_s()) <= self._patience_s:
            await asyncio.sleep(wait_s)

    async def _reached(self, permit: Permit) -> bool:
        """Wait for the slot, and return whether it can be used; it cannot when a pause or a delay came between."""
        try:
            while (wait_s := max(permit.slot_s, self._paused_until_s()) - self._now_s()) > 0:
                if self._paused_until_s() > permit.slot_s + LATE_S:
                    break
                await asyncio.sleep(wait_s)
        except asyncio.CancelledError:
            self._queue.put_back(permit)
            raise
        if self._queue.is_late(permit) or self._paused_until_s() > self._now_s():
            self._bucket.news.released.append(permit)
            return False
        return True

    def _paused_until_s(self) -> float:
        return max(self._pause_until_s, self._queue.pause_until_s)

    def _permit_of(self, cost: CallCost) -> Permit | None:
        used = self._used.get(cost, [])
        # Calls of equal cost are told apart by the object; without it, the oldest one came to an end.
        index = next((index for index, (known, _) in enumerate(used) if known is cost), 0)
        permit = used.pop(index)[1] if used else None
        if not used:
            self._used.pop(cost, None)
        return permit

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
