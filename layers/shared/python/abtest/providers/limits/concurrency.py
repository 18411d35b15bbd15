"""How many calls one worker keeps in flight: fewer after a refusal for the rate, slowly more while all goes well.

Additive increase, multiplicative decrease, as TCP does with its window. The bucket keeps the registered rate of the
whole account; this reacts to what the provider does at the moment, without any store.

Depends on: nothing. Used by: the gate of a batch.

Source: Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks",
    Computer Networks and ISDN Systems 17 (1989).
"""

from __future__ import annotations

import asyncio
from collections import deque


class AimdLimit:
    """The limit as pure arithmetic: no clock, no waiting.

    Args:
        most: where it starts, and what it never exceeds; at least 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"The most calls in flight must be at least 1, not {most}.")
        self._most = most
        self._limit = float(most)
        self._cut_s = float("-inf")

    @property
    def limit(self) -> int:
        """Calls that may be in flight now, from 1 to `most`."""
        return int(self._limit)

    def on_throttled(self, now_s: float, latency_s: float) -> bool:
        """Halve the limit, unless the refused call was sent before the last halving: it says nothing new.

        Args:
            now_s: monotonic seconds.
            latency_s: how long the refused call took.

        Returns:
            Whether the limit was halved.
        """
        if now_s - latency_s <= self._cut_s:
            return False
        self._cut_s = now_s
        self._limit = max(1.0, self._limit / 2)
        return True

    def on_success(self) -> None:
        """Raise the limit a little: by about one for as many successes as it allows calls."""
        self._limit = min(float(self._most), self._limit + 1 / self._limit)


class InFlight:
    """Lets as many calls through as the limit allows now, in the order they came; lives in one event loop.

    Args:
        limit: may change at any time; a lower one holds back new calls and interrupts none.
    """

    def __init__(self, limit: AimdLimit) -> None:
        self._limit = limit
        self._count = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def count(self) -> int:
        """Calls in flight now."""
        return self._count

    async def enter(self) -> None:
        """Wait for a place; each return needs one `leave`. May be cancelled."""
        if not self._waiting and self._count < self._limit.limit:
            self._count += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                # The place was given in the same moment: it goes to the next one.
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back; call `AimdLimit` first, so that the place is counted under the new limit."""
        self._count -= 1
        while self._waiting and self._count < self._limit.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._count += 1
                place.set_result(None)
