"""Tests in memory.

Depends on: management. Used by: wiring without AWS.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from abtest.adapters.memory.pages import page
from abtest.core.errors import NotFoundError, StoreError
from abtest.management.model import Test, TestStatus
from abtest.management.ports import Page


class MemoryTestStore:
    """Implements `TestStore`; the run store beside it moves tests from state to state."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held over everything that must happen together, here and in the run store."""
        self._tests: dict[tuple[str, str], Test] = {}

    def create(self, test: Test) -> None:
        """Keep a new test.

        Raises:
            StoreError: its identifier is taken.
        """
        with self.lock:
            if (test.workspace, test.test_id) in self._tests:
                raise StoreError(f"There is a test {test.test_id!r} already.")
            self._tests[test.workspace, test.test_id] = test

    def get(self, workspace: str, test_id: str) -> Test:
        """Return a test.

        Raises:
            NotFoundError: none has that identifier.
        """
        with self.lock:
            test = self._tests.get((workspace, test_id))
        if test is None:
            raise NotFoundError(f"There is no test {test_id!r} in workspace {workspace!r}.")
        return test

    def list(self, workspace: str, *, limit: int, cursor: str | None) -> Page[Test]:
        """Return tests, newest first."""
        with self.lock:
            mine = {test_id: test for (owner, test_id), test in self._tests.items() if owner == workspace}
        return page(mine, of=f"tests of {workspace}", limit=limit, cursor=cursor)

    def workspaces(self) -> Sequence[str]:
        """Return every workspace that has tests."""
        with self.lock:
            return sorted({workspace for workspace, _ in self._tests})

    def move(self, workspace: str, test_id: str, before: Collection[TestStatus], after: TestStatus) -> bool:
        """Move a test to another state.

        Returns:
            False when it is in none of the states before, or is not there; nothing changes then.
        """
        with self.lock:
            test = self._tests.get((workspace, test_id))
            if test is None or test.status not in before:
                return False
            self._tests[workspace, test_id] = test.model_copy(update={"status": after})
            return True
