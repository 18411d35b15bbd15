"""Documents that workers share, in memory: one process, any number of threads.

Depends on: nothing. Used by: wiring without AWS.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Result = TypeVar("Result")


class MemorySharedState:
    """Implements `SharedState`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: dict[str, str] = {}

    def read(self, key: str) -> Mapping[str, Any] | None:
        """Return a document as it stands now, or None."""
        with self._lock:
            return self._read(key)

    def change(
        self, key: str, decide: Callable[[Mapping[str, Any] | None], tuple[Mapping[str, Any], Result]]
    ) -> Result:
        """Change a document as if nobody else did, and return what the decision gave."""
        with self._lock:
            document, result = decide(self._read(key))
            self._documents[key] = json.dumps(document)
            return result

    def _read(self, key: str) -> Mapping[str, Any] | None:
        text = self._documents.get(key)
        return None if text is None else json.loads(text)
