"""Time arrives as an argument: domains take a `Clock`, the runtime passes the real one.

Depends on: nothing. Used by: services that stamp or wait.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never goes back, for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never goes back, for durations."""
        return time.monotonic()


def iso(moment: datetime) -> str:
    """Return a UTC moment as `2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
