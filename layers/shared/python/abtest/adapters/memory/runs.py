"""Runs, their spending, stop signs and progress in memory.

Depends on: management, the test store. Used by: wiring without AWS.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from abtest.adapters.memory.pages import page
from abtest.adapters.memory.tests import MemoryTestStore
from abtest.core.errors import IdempotencyKeyReusedError, NotFoundError, StoreError
from abtest.management.lifecycle import Event, next_status, states_before
from abtest.management.model import Progress, Run, Spending, TestStatus, Waiting, merged_waiting
from abtest.management.ports import IdempotentRequest, Page

_Key = tuple[str, str]


@dataclass
class _Control:
    spending: Spending
    error: dict[str, Any] | None = None


class MemoryRunStore:
    """Implements `RunStore`. Idempotency keys live as long as the process.

    Args:
        tests: the tests of these runs; both stores share its lock, so that a run and its test change together.
    """

    def __init__(self, tests: MemoryTestStore) -> None:
        self._tests = tests
        self._lock = tests.lock
        self._runs: dict[_Key, Run] = {}
        self._controls: dict[_Key, _Control] = {}
        self._batches: dict[_Key, dict[str, tuple[dict[str, int], Waiting | None]]] = {}
        self._requests: dict[_Key, tuple[str, str]] = {}

    def start(self, run: Run, request: IdempotentRequest | None) -> Run:
        """Keep a new run and move its test to RUNNING, together.

        Raises:
            NotFoundError: no such test.
            IllegalTransitionError: the test cannot start now.
            IdempotencyKeyReusedError: the key came before with another request.
            StoreError: the run's identifier is taken.
        """
        key = (run.workspace, run.run_id)
        with self._lock:
            earlier = self._earlier(run.workspace, request)
            if earlier is not None:
                return earlier
            if key in self._runs:
                raise StoreError(f"There is a run {run.run_id!r} already.")
            if not self._tests.move(run.workspace, run.test_id, states_before("start"), TestStatus.RUNNING):
                next_status(self._tests.get(run.workspace, run.test_id).status, "start")
            self._runs[key] = run
            self._controls[key] = _Control(Spending(cap_usd=run.cap_usd))
            if request is not None:
                self._requests[run.workspace, request.key] = (request.request_hash, run.run_id)
        return run

    def get(self, workspace: str, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: none has that identifier.
        """
        with self._lock:
            run = self._runs.get((workspace, run_id))
        if run is None:
            raise NotFoundError(f"There is no run {run_id!r} in workspace {workspace!r}.")
        return run

    def list(self, workspace: str, *, test_id: str | None, limit: int, cursor: str | None) -> Page[Run]:
        """Return runs, newest first; of one test when it is named."""
        with self._lock:
            mine = {
                run_id: run
                for (owner, run_id), run in self._runs.items()
                if owner == workspace and test_id in (None, run.test_id)
            }
        return page(mine, of=f"runs of {workspace} and {test_id}", limit=limit, cursor=cursor)

    def update(self, run: Run) -> None:
        """Keep what changed while the run goes on; nothing happens when it has ended."""
        key = (run.workspace, run.run_id)
        with self._lock:
            before = self._runs.get(key)
            if before is not None and before.status == TestStatus.RUNNING:
                self._runs[key] = run.model_copy(update={"status": TestStatus.RUNNING})

    def finish(self, run: Run, event: Event) -> bool:
        """Keep the final state of a run and move its test on, together."""
        after = next_status(TestStatus.RUNNING, event)
        key = (run.workspace, run.run_id)
        with self._lock:
            before = self._runs.get(key)
            if before is None or before.status != TestStatus.RUNNING:
                return False
            if not self._tests.move(run.workspace, run.test_id, (TestStatus.RUNNING,), after):
                return False
            self._runs[key] = run.model_copy(update={"status": after})
            return True

    def spending(self, workspace: str, run_id: str) -> Spending:
        """Return the money and the stop sign."""
        with self._lock:
            control = self._controls.get((workspace, run_id))
            return control.spending if control else Spending()

    def spend(self, workspace: str, run_id: str, *, calls: int, cost_usd: Decimal) -> Spending:
        """Add to what the run has spent and return the state after it."""
        with self._lock:
            control = self._control(workspace, run_id)
            before = control.spending
            more = {"spent_usd": before.spent_usd + cost_usd, "calls": before.calls + calls}
            control.spending = before.model_copy(update=more)
            return control.spending

    def stop(
        self, workspace: str, run_id: str, reason: Literal["cancelled", "failed"], error: dict[str, Any] | None
    ) -> bool:
        """Put up the stop sign; the first reason stays."""
        with self._lock:
            control = self._control(workspace, run_id)
            if control.spending.stop is not None:
                return False
            control.spending = control.spending.model_copy(update={"stop": reason})
            control.error = copy.deepcopy(error)
            return True

    def stop_error(self, workspace: str, run_id: str) -> dict[str, Any] | None:
        """Return the error that came with the stop sign, or None."""
        with self._lock:
            control = self._controls.get((workspace, run_id))
            return copy.deepcopy(control.error) if control else None

    def record_batch(
        self,
        workspace: str,
        run_id: str,
        batch_key: str,
        counts: Mapping[str, int],
        waiting: Waiting | None = None,
    ) -> None:
        """Set how far one batch is and what it waits for; a repeated batch counts once."""
        with self._lock:
            self._batches.setdefault((workspace, run_id), {})[batch_key] = dict(counts), waiting

    def progress(self, workspace: str, run_id: str) -> Progress:
        """Return the sum over all batches."""
        with self._lock:
            batches = dict(self._batches.get((workspace, run_id), {}))

        def total(kind: str, name: str) -> int:
            return sum(counts.get(name, 0) for key, (counts, _) in batches.items() if key.startswith(kind))

        return Progress(
            responses_done=total("G", "done"),
            responses_failed=total("G", "failed"),
            responses_from_ledger=total("G", "from_ledger"),
            verdicts_done=total("J", "done"),
            verdicts_added=total("J", "added"),
            waiting=merged_waiting(waiting for _, waiting in batches.values() if waiting is not None),
        )

    def _control(self, workspace: str, run_id: str) -> _Control:
        return self._controls.setdefault((workspace, run_id), _Control(Spending()))

    def _earlier(self, workspace: str, request: IdempotentRequest | None) -> Run | None:
        known = self._requests.get((workspace, request.key)) if request is not None else None
        if request is None or known is None:
            return None
        request_hash, run_id = known
        if request_hash != request.request_hash:
            raise IdempotencyKeyReusedError(
                f"The Idempotency-Key {request.key!r} came before with another request; "
                "use a new key for a new request."
            )
        return self.get(workspace, run_id)
