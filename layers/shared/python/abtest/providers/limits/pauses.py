"""Pauses that a provider asks for, shared by all workers: the only limit of a model that has none registered.

Nothing is written while nobody is refused. A look at the store every two seconds, beside the calls, hears of what
others were told.

Depends on: `abtest.providers.limits.bucket`. Used by: the permit pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from abtest.core.clock import Clock
from abtest.core.errors import StoreError
from abtest.providers.limits.bucket import pause_until_s, with_pause
from abtest.providers.model import Deferral
from abtest.providers.ports import SharedState

LOOK_S = 2.0
_SPREAD = 0.1
_LONGEST_SPREAD_S = 1.0


class SharedPauses:
    """The pauses of one account and model; lives in one event loop.

    A store that does not answer is no reason to stop: without a limit, a pause is a courtesy that the next refusal
    renews.

    Args:
        state: where the document is; called in threads, one call at a time.
        key: of the document.
        clock: tells the time.
        jitter: a number in 0..1, new with each call; spreads the calls that a pause held back.
        patience_s: longest pause that a call waits for here.
    """

    def __init__(
        self, state: SharedState, key: str, clock: Clock, jitter: Callable[[], float], patience_s: float
    ) -> None:
        self._state, self._key, self._clock, self._jitter = state, key, clock, jitter
        self._patience_s = patience_s
        self._until_s = 0.0
        self._looked_s: float | None = None
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def wait(self) -> Deferral | None:
        """Wait for the end of a pause, if there is one, and return None; or say that it is too long to wait here."""
        await self._look_now_and_then()
        while (wait_s := self._until_s - self._clock.now().timestamp()) > 0:
            wait_s += self._jitter() * min(_LONGEST_SPREAD_S, wait_s * _SPREAD)
            if wait_s > self._patience_s:
                return Deferral(wait_s, "provider_throttles")
            await asyncio.sleep(wait_s)
        return None

    def pause(self, until_s: float, *, tell: bool) -> None:
        """Let this worker make no call until then (epoch seconds), and the others neither if they are to be told."""
        self._until_s = max(self._until_s, until_s)
        if tell:
            self._start(self._tell(until_s))

    async def close(self) -> None:
        """Wait until what is to be told is told."""
        await asyncio.gather(*self._tasks)

    async def _look_now_and_then(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._looked_s is None:
            self._looked_s = now_s
            await self._look()
        elif now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._start(self._look())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        async with self._one_at_a_time:
            try:
                document = await asyncio.to_thread(self._state.read, self._key)
            except StoreError:
                return
        self._until_s = max(self._until_s, pause_until_s(document))

    async def _tell(self, until_s: float) -> None:
        async with self._one_at_a_time:
            now_s = self._clock.now().timestamp()
            try:
                await asyncio.to_thread(
                    self._state.change, self._key, lambda document: (with_pause(document, until_s, now_s), None)
                )
            except StoreError:
                return
