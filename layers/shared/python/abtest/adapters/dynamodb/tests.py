"""Tests in DynamoDB.

Depends on: the table. Used by: wiring.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import Item, Table
from abtest.core.errors import NotFoundError
from abtest.management.model import Test
from abtest.management.ports import Page


class DynamoTestStore:
    """Implements `TestStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, test: Test) -> None:
        """Keep a new test, and its workspace among the known ones."""
        item = {
            **keys.test(test.workspace, test.test_id),
            keys.INDEX_PARTITION: keys.test_list(test.workspace),
            keys.INDEX_SORT: test.test_id,
            "status": str(test.status),
            "document": test.model_dump_json(exclude={"status"}),
        }
        self._table.transact(
            [
                self._table.put_operation(item, if_absent=True),
                self._table.put_operation(dict(keys.workspace(test.workspace))),
            ]
        )

    def get(self, workspace: str, test_id: str) -> Test:
        """Return a test.

        Raises:
            NotFoundError: none has that identifier.
        """
        item = self._table.get(keys.test(workspace, test_id))
        if item is None:
            raise NotFoundError(f"There is no test {test_id!r} in workspace {workspace!r}; `GET /v1/tests` lists them.")
        return to_test(item)

    def list(self, workspace: str, *, limit: int, cursor: str | None) -> Page[Test]:
        """Return tests, newest first."""
        items, after = self._table.page(keys.test_list(workspace), limit=limit, cursor=cursor, index=True)
        return Page(tuple(map(to_test, items)), after)

    def workspaces(self) -> Sequence[str]:
        """Return every workspace that has tests."""
        return [item[keys.SORT] for item in self._table.query(keys.WORKSPACES)]


def to_test(item: Item) -> Test:
    """Return the test of an item."""
    return Test.model_validate({**json.loads(item["document"]), "status": item["status"]})
