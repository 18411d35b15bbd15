"""The ledger of answered calls in DynamoDB; answers too long for an item go to the bucket.

Depends on: the table, an `ObjectStore`. Used by: wiring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import Item, Table
from abtest.core.clock import Clock
from abtest.core.hashing import content_hash
from abtest.management.ports import ObjectStore
from abtest.providers.model import LedgerEntry

LIFETIME_S = 30 * 24 * 3600
MAX_INLINE_BYTES = 300_000
"""An item may hold 400 KB, keys and attribute names included."""


class DynamoLedger:
    """Implements `Ledger`.

    Args:
        workspace: teams never share answers.
        objects: takes answers that do not fit into an item.
    """

    def __init__(self, table: Table, objects: ObjectStore, workspace: str, clock: Clock) -> None:
        self._table = table
        self._objects = objects
        self._workspace = workspace
        self._clock = clock

    def get_many(self, wanted: Sequence[str]) -> Mapping[str, LedgerEntry]:
        """Return the entries that exist, by key; expired ones that still stand there are passed over."""
        by_partition = {keys.answer(self._workspace, key)[keys.PARTITION]: key for key in wanted}
        now = int(self._clock.now().timestamp())
        items = self._table.get_many([keys.answer(self._workspace, key) for key in wanted])
        return {
            by_partition[item[keys.PARTITION]]: self._entry(item) for item in items if int(item[keys.EXPIRES_AT]) > now
        }

    def put_many(self, entries: Mapping[str, LedgerEntry]) -> None:
        """Write entries; all of them are durable when this returns."""
        expires_at = int(self._clock.now().timestamp()) + LIFETIME_S
        self._table.put_many([self._item(key, entry, expires_at) for key, entry in entries.items()])

    def _item(self, key: str, entry: LedgerEntry, expires_at: int) -> Item:
        document = entry.model_dump_json(exclude_none=True)
        item = {**keys.answer(self._workspace, key), keys.EXPIRES_AT: expires_at}
        if len(document.encode()) <= MAX_INLINE_BYTES:
            return {**item, "document": document}
        object_key = f"ledger/{self._workspace}/{content_hash(key)}.json"
        self._objects.put(object_key, document.encode())
        return {**item, "object_key": object_key}

    def _entry(self, item: Item) -> LedgerEntry:
        if "document" in item:
            return LedgerEntry.model_validate_json(item["document"])
        return LedgerEntry.model_validate_json(self._objects.get(item["object_key"]))
