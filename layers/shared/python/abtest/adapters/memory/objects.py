"""Bodies in memory.

Depends on: management's ports. Used by: wiring without AWS.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from abtest.contracts.object_keys import JSONL
from abtest.core.errors import NotFoundError
from abtest.management.ports import Upload


class MemoryObjectStore:
    """Implements `ObjectStore`. Its addresses name a body, but no server answers them: use `put` and `get`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._bodies: dict[str, bytes] = {}

    def get(self, key: str) -> bytes:
        """Return a body.

        Raises:
            NotFoundError: nothing is there.
        """
        with self._lock:
            body = self._bodies.get(key)
        if body is None:
            raise NotFoundError(f"There is no object {key!r}.")
        return body

    def put(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:  # noqa: ARG002 - a port
        """Write a body whole; readers see the old or the new one."""
        with self._lock:
            self._bodies[key] = bytes(body)

    def lines(self, key: str) -> Iterator[bytes]:
        """Return the lines of a body one by one, without their ends.

        Raises:
            NotFoundError: nothing is there.
        """
        return iter(self.get(key).splitlines())

    def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys under a prefix, sorted."""
        with self._lock:
            return sorted(key for key in self._bodies if key.startswith(prefix))

    def upload(self, key: str, *, expires_in_s: int) -> Upload:  # noqa: ARG002 - a port
        """Return the name under which a body is written."""
        return Upload(url=f"memory:///{quote(key)}", headers={"content-type": JSONL})

    def download_url(self, key: str, *, expires_in_s: int, filename: str) -> str:  # noqa: ARG002 - a port
        """Return the name under which a body is read."""
        return f"memory:///{quote(key)}"
