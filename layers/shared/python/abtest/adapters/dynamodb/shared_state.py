"""Documents that workers share, in DynamoDB: each change is one conditional write of the whole document.

A worker keeps the version it saw last, so a change that nobody else got between costs one request. Where somebody
did, DynamoDB returns the present document with the refusal, so the next try needs no read.

Depends on: the table. Used by: wiring.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import Item, Table
from abtest.core.clock import Clock
from abtest.core.errors import StoreThrottledError

LIFETIME_S = 7 * 24 * 3600
_TRIES = 20
_FIRST_WAIT_S = 0.002
_LONGEST_WAIT_S = 0.1

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    text: str | None


class DynamoSharedState:
    """Implements `SharedState`; one object serves any number of threads of a worker.

    Args:
        clock: documents that nobody changed for a while expire by it.
        wait: sleeps between tries.
        lifetime_s: how long that while is.
    """

    def __init__(
        self,
        table: Table,
        clock: Clock,
        wait: Callable[[float], None] = time.sleep,
        *,
        lifetime_s: int = LIFETIME_S,
    ) -> None:
        self._table = table
        self._clock = clock
        self._wait = wait
        self._lifetime_s = lifetime_s
        self._seen: dict[str, _Version] = {}

    def read(self, key: str) -> Mapping[str, Any] | None:
        """Return a document as it stands now, or None."""
        version = self._remember(key, self._table.get(keys.shared(key)))
        return _decoded(version)

    def change(
        self, key: str, decide: Callable[[Mapping[str, Any] | None], tuple[Mapping[str, Any], Result]]
    ) -> Result:
        """Change a document as if nobody else did, and return what the decision gave.

        Raises:
            StoreThrottledError: others were faster each time.
        """
        version = self._seen.get(key) or self._remember(key, self._table.get(keys.shared(key)))
        for attempt in range(_TRIES):
            document, result = decide(_decoded(version))
            item = self._item(key, version, json.dumps(document, separators=(",", ":")))
            current = self._table.replace(item, "number", version.number or None)
            # A write whose answer was lost is sent again by the client, and is then refused because of itself.
            if current is None or current.get("write") == item["write"]:
                self._remember(key, item)
                return result
            version = self._remember(key, current)
            # Workers that were refused together spread out. Every second try is made at once: a refusal brought the
            # present document, and after a wait it would be an old one again.
            if attempt % 2:
                self._wait(random.random() * min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt // 2)))  # noqa: S311
        raise StoreThrottledError(f"{_TRIES} workers in a row were faster with {key!r}; try again later.")

    def _item(self, key: str, version: _Version, text: str) -> Item:
        now_s = self._clock.now().timestamp()
        return {
            **keys.shared(key),
            # Numbers begin with the time: one of a document that expired is never that of its successor.
            "number": version.number + 1 if version.number else int(now_s * 1000),
            "document": text,
            "write": uuid4().hex,
            keys.EXPIRES_AT: int(now_s) + self._lifetime_s,
        }

    def _remember(self, key: str, item: Item | None) -> _Version:
        version = _Version(0, None) if not item else _Version(int(item["number"]), item["document"])
        self._seen[key] = version
        return version


def _decoded(version: _Version) -> Mapping[str, Any] | None:
    return None if version.text is None else json.loads(version.text)
