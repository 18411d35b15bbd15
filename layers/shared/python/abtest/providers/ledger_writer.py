"""Writes paid answers soon and together: first the money, then the answers, never two writes at a time.

The order makes a crash count too much rather than too little: between the two writes the spending is recorded and the
answer is not, so the repeated call is added again. What a crash can repeat is what arrived within one window.

This is the only part that talks to the run's record while calls are made, so that no look at it can fall between a
write of the spending and its being known here.

Depends on: `abtest.providers.ports`. Used by: the service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from abtest.core.errors import StoreError
from abtest.providers.model import BatchSettings, ControlState, LedgerEntry
from abtest.providers.ports import Ledger, RunControl

_Result = TypeVar("_Result")
_STORE_WAITS_S = (0.1, 0.3, 0.9)


class LedgerWriter:
    """The writes of one batch.

    Args:
        ledger: where answers go.
        control: where spending goes.
        settings: window, size of a write, and how often to look at the run's state.
        on_state: hears every new state of the run, in the event loop.
        on_error: hears once that a store cannot be written.
    """

    def __init__(
        self,
        ledger: Ledger,
        control: RunControl,
        settings: BatchSettings,
        on_state: Callable[[ControlState], None],
        on_error: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._control = control
        self._settings = settings
        self._on_state = on_state
        self._on_error = on_error
        self._unspent: dict[str, LedgerEntry] = {}
        self._unwritten: dict[str, LedgerEntry] = {}
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.unspent_usd = Decimal(0)
        """Known prices of the answers that the run's record does not include yet."""
        self.error: StoreError | None = None
        """Why writing stopped; None while it works."""

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.create_task(self._run())

    def add(self, key: str, entry: LedgerEntry) -> None:
        """Take one paid answer; it is durable within the window, or after `close`."""
        self._unspent[key] = entry
        self.unspent_usd += entry.cost_usd or Decimal(0)
        self._some.set()
        if len(self._unspent) >= self._settings.flush_size:
            self._full.set()

    async def close(self) -> None:
        """Write what is left.

        Raises:
            StoreError: something could not be written; what was written stays.
        """
        self._closing = True
        self._some.set()
        self._full.set()
        if self._task is not None:
            await self._task
        if self.error is not None:
            # Answers may have come since; they are paid for, so one more attempt is worth it.
            with contextlib.suppress(StoreError):
                await self._flush()
            raise self.error

    async def _run(self) -> None:
        try:
            while not (self._closing and not self._unspent):
                await self._until_due()
                if self._unspent:
                    await self._flush()
                elif not self._closing:
                    await self._refresh()
        except StoreError as error:
            self.error = error
            self._on_error()
        except Exception:
            self._on_error()
            raise

    async def _until_due(self) -> None:
        """Return when there is something to write, or the run's state is old, or it is time to end."""
        if not await _signalled(self._some, self._settings.refresh_s):
            return
        if not self._closing:
            await _signalled(self._full, self._settings.flush_interval_s)
        if not self._closing:
            self._some.clear()
            self._full.clear()

    async def _flush(self) -> None:
        if self._unspent:
            await self._spend()
        entries = dict(self._unwritten)
        if entries:
            await _persistently(lambda: self._ledger.put_many(entries))
            for key in entries:
                del self._unwritten[key]

    async def _spend(self) -> None:
        entries, cost_usd = self._unspent, self.unspent_usd
        self._unspent = {}
        try:
            state = await _persistently(lambda: self._control.spend(len(entries), cost_usd))
        except StoreError:
            self._unspent = entries | self._unspent
            raise
        self.unspent_usd -= cost_usd
        self._unwritten |= entries
        self._on_state(state)

    async def _refresh(self) -> None:
        # A state that cannot be read is no reason to stop: the next write will say whether the store is gone.
        with contextlib.suppress(StoreError):
            self._on_state(await asyncio.to_thread(self._control.state))


async def _signalled(event: asyncio.Event, timeout_s: float) -> bool:
    """Return whether an event is set within a time."""
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return False
    return True


async def _persistently(write: Callable[[], _Result]) -> _Result:
    """Return the result of a store's call made in a thread, trying again while the store says it is busy."""
    for wait_s in _STORE_WAITS_S:
        try:
            return await asyncio.to_thread(write)
        except StoreError as error:
            if not error.retryable:
                raise
            await asyncio.sleep(wait_s)
    return await asyncio.to_thread(write)
