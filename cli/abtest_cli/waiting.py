"""What a run waits for, in words, told when it changes and not each time it is asked.

Depends on: nothing. Used by: `progress`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WHY = {
    "rate_limit": "the rate limit registered for {provider}",
    "provider_throttles": "{provider}, which has too much to do",
    "circuit_open": "{provider}, which is down",
    "batch_interface": "the batch interface of {provider}",
}


class WaitingNews:
    """Remembers what was told of one run."""

    def __init__(self) -> None:
        self._told: frozenset[tuple[str, str, str]] = frozenset()

    def lines(self, run: Mapping[str, Any]) -> list[str]:
        """Return a line for each thing that is waited for since the last look.

        Args:
            run: as the API has it.
        """
        waiting = run.get("waiting") or []
        now = {(one["provider"], one["model"], one["why"]): one for one in waiting}
        fresh = [one for key, one in now.items() if key not in self._told]
        self._told = frozenset(now)
        return [_line(one) for one in fresh]


def _line(one: Mapping[str, Any]) -> str:
    what = _WHY.get(one["why"], one["why"]).format(provider=one["provider"])
    batches = f"{one['batches']} batches" if one["batches"] != 1 else "1 batch"
    last = f"; last: {one['detail']}" if one.get("detail") else ""
    return f"waiting for {what} ({one['model']}, {batches}{last})"
