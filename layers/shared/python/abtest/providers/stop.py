"""Why a batch ends early: one signal that every call of it hears at once.

Depends on: `abtest.providers.model`. Used by: calls, the gate, the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from abtest.providers.model import Deferral

DEFERRED = "deferred"
DEADLINE = "deadline"
_MILD = frozenset({DEFERRED, DEADLINE})


class StopSignal:
    """Why a batch ends early, once there is a reason; waiting calls hear it at once. Lives in one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._waits: set[asyncio.Timeout] = set()
        self.reason: str | None = None
        self.deferral: Deferral | None = None

    @property
    def leaves_permits(self) -> bool:
        """Whether a call that has a permit may still be sent: a limit that has no more of them takes none away.

        Where permits are rare, a batch that waits for the next one would else give back the one it has, each time.
        """
        waits_its_turn = self.deferral is not None and self.deferral.why == "rate_limit"
        return self.reason is None or (self.reason == DEFERRED and waits_its_turn)

    def set(self, reason: str) -> None:
        """Stop for a reason. The first one stays, but one that ends the batch for good goes before a mere wait."""
        if self.reason is None or (self.reason in _MILD and reason not in _MILD):
            self.reason = reason
            self._tell()

    def defer(self, deferral: Deferral) -> None:
        """Stop because the batch should wait elsewhere; what all its calls wait for is told, not what one does."""
        if self.reason is None:
            longest_s = max(deferral.wait_s, self.deferral.wait_s if self.deferral is not None else 0.0)
            self.deferral = replace(deferral, wait_s=longest_s)
        self.set(DEFERRED)

    def park(self, deferral: Deferral) -> None:
        """Note that one call should wait elsewhere, and let the others go on; the longest wait asked for stays."""
        if self.reason is None and (self.deferral is None or deferral.wait_s > self.deferral.wait_s):
            self.deferral = deferral

    def cut_off(self) -> None:
        """Say that time ran out for calls in flight: a stop for the budget must not tell of them what it told."""
        if self.reason in {None, "budget"}:
            self.reason = DEADLINE
            self._tell()

    async def within(self, wait_s: float) -> bool:
        """Wait, and return whether the batch stopped meanwhile."""
        try:
            await asyncio.wait_for(self._event.wait(), wait_s)
        except TimeoutError:
            return self.reason is not None
        return True

    async def unless_stopped(self, work: Coroutine[Any, Any, bool]) -> bool:
        """Return what the work returns, or False when the batch stops first; the work is then cancelled.

        Work that has begun goes on while the stop leaves permits to those who have them.

        Args:
            work: it waits; it must undo what it did when it is cancelled.
        """
        if self.reason is not None:
            work.close()
            return False
        wait = asyncio.timeout(None)
        try:
            async with wait:
                self._waits.add(wait)
                try:
                    return await work
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            if not wait.expired():
                raise
            return False

    def _tell(self) -> None:
        self._event.set()
        if self.leaves_permits:
            return
        waits, self._waits = self._waits, set()
        for wait in waits:
            wait.reschedule(0.0)
