"""Why a batch ends early: one signal that every call of it hears at once.

Depends on: `abtest.providers.model`. Used by: calls, the gate, the service.
"""

from __future__ import annotations

import asyncio

from abtest.providers.model import Deferral

DEFERRED = "deferred"


class StopSignal:
    """Why a batch ends early, once there is a reason; waiting calls hear it at once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason: str | None = None
        self.deferral: Deferral | None = None

    def set(self, reason: str) -> None:
        """Stop for a reason; the first reason stays, but anything goes before a mere deferral."""
        if self.reason is None or (self.reason == DEFERRED and reason != DEFERRED):
            self.reason = reason
            self._event.set()

    def defer(self, deferral: Deferral) -> None:
        """Stop because the batch should wait elsewhere."""
        self.park(deferral)
        self.set(DEFERRED)

    def park(self, deferral: Deferral) -> None:
        """Note that one call should wait elsewhere, and let the others go on; the longest wait asked for stays."""
        if self.deferral is None or deferral.wait_s > self.deferral.wait_s:
            self.deferral = deferral

    def cut_off(self) -> None:
        """Say that time ran out for calls in flight; a stop that would have waited for them ends as a deadline."""
        if self.reason in {None, "budget", DEFERRED}:
            self.reason = "deadline"
            self._event.set()

    async def within(self, wait_s: float) -> bool:
        """Wait, and return whether the batch stopped meanwhile."""
        try:
            await asyncio.wait_for(self._event.wait(), wait_s)
        except TimeoutError:
            return False
        return True
