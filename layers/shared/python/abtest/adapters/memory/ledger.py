"""The ledger of answered calls in memory.

Depends on: providers. Used by: wiring without AWS.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from abtest.core.clock import Clock
from abtest.providers.model import LedgerEntry

LIFETIME_S = 30 * 24 * 3600


class MemoryLedger:
    """Implements `Ledger`.

    Args:
        clock: entries expire by it.
        workspace: teams never share answers.
    """

    def __init__(self, clock: Clock, workspace: str = "default") -> None:
        self._clock = clock
        self._workspace = workspace
        self._lock = threading.RLock()
        self._entries: dict[tuple[str, str], tuple[int, LedgerEntry]] = {}

    def of(self, workspace: str) -> MemoryLedger:
        """Return the ledger of another workspace, over the same memory."""
        other = MemoryLedger(self._clock, workspace)
        other._lock, other._entries = self._lock, self._entries
        return other

    def get_many(self, wanted: Sequence[str]) -> Mapping[str, LedgerEntry]:
        """Return the entries that exist and have not expired, by key."""
        now = int(self._clock.now().timestamp())
        with self._lock:
            known = {key: self._entries.get((self._workspace, key)) for key in wanted}
        return {key: entry[1] for key, entry in known.items() if entry is not None and entry[0] > now}

    def put_many(self, entries: Mapping[str, LedgerEntry]) -> None:
        """Write entries."""
        expires_at = int(self._clock.now().timestamp()) + LIFETIME_S
        with self._lock:
            self._entries.update({(self._workspace, key): (expires_at, entry) for key, entry in entries.items()})
