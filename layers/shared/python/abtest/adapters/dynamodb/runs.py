"""Runs, their spending, stop signs and progress in DynamoDB.

Depends on: the table. Used by: wiring.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import ConditionFailedError, Item, Table
from abtest.core.errors import IdempotencyKeyReusedError, NotFoundError
from abtest.management.lifecycle import Event, next_status, states_before
from abtest.management.model import Progress, Run, Spending, TestStatus, Waiting, merged_waiting
from abtest.management.ports import IdempotentRequest, Page

IDEMPOTENCY_LIFETIME_S = 24 * 3600
_ANEW = {"definition", "estimate", "warnings"}
"""What a run that judges anew has of its own: long, and written once, apart from what changes."""


class DynamoRunStore:
    """Implements `RunStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def start(self, run: Run, request: IdempotentRequest | None) -> Run:
        """Keep a new run and move its test to RUNNING, in one transaction.

        Raises:
            IllegalTransitionError: the test cannot start now.
            IdempotencyKeyReusedError: the key came before with another request.
        """
        earlier = self._earlier(run.workspace, request)
        if earlier is not None:
            return earlier
        try:
            self._table.transact(self._start_operations(run, request))
        except ConditionFailedError:
            earlier = self._earlier(run.workspace, request)
            if earlier is not None:
                return earlier
            test = self._table.get(keys.test(run.workspace, run.test_id))
            if test is None:
                raise NotFoundError(f"There is no test {run.test_id!r} in workspace {run.workspace!r}.") from None
            next_status(TestStatus(test["status"]), "start")
            raise
        return run

    def get(self, workspace: str, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: none has that identifier.
        """
        item = self._table.get(keys.run(workspace, run_id))
        if item is None:
            raise NotFoundError(f"There is no run {run_id!r} in workspace {workspace!r}; `GET /v1/runs` lists them.")
        return _to_run(item)

    def list(self, workspace: str, *, test_id: str | None, limit: int, cursor: str | None) -> Page[Run]:
        """Return runs, newest first; of one test when it is named."""
        if test_id is None:
            items, after = self._table.page(keys.run_list(workspace), limit=limit, cursor=cursor, index=True)
            return Page(tuple(map(_to_run, items)), after)
        entries, after = self._table.page(
            keys.test_partition(workspace, test_id), limit=limit, cursor=cursor, index=False, prefix=keys.RUN_PREFIX
        )
        items = self._table.get_many([keys.run(workspace, entry["run_id"]) for entry in entries])
        return Page(tuple(sorted(map(_to_run, items), key=lambda run: run.run_id, reverse=True)), after)

    def update(self, run: Run) -> None:
        """Keep what changed while the run goes on; nothing happens when it has ended."""
        try:
            self._table.update(
                keys.run(run.workspace, run.run_id),
                "SET document = :document",
                {":document": _document(run), ":running": str(TestStatus.RUNNING)},
                condition="#status = :running",
            )
        except ConditionFailedError:
            return

    def finish(self, run: Run, event: Event) -> bool:
        """Keep the final state of a run and move its test on, in one transaction."""
        after = next_status(TestStatus.RUNNING, event)
        values = {":after": str(after), ":running": str(TestStatus.RUNNING)}
        ended = "SET #status = :after"
        try:
            self._table.transact(
                [
                    self._table.update_operation(
                        keys.run(run.workspace, run.run_id),
                        f"{ended}, document = :document",
                        {**values, ":document": _document(run)},
                        condition="#status = :running",
                    ),
                    self._table.update_operation(
                        keys.test(run.workspace, run.test_id), ended, values, condition="#status = :running"
                    ),
                ]
            )
        except ConditionFailedError:
            return False
        return True

    def spending(self, workspace: str, run_id: str) -> Spending:
        """Return the money and the stop sign."""
        return _to_spending(self._table.get(keys.control(workspace, run_id)) or {})

    def spend(self, workspace: str, run_id: str, *, calls: int, cost_usd: Decimal) -> Spending:
        """Add to what the run has spent and return the state after it."""
        return _to_spending(
            self._table.update(
                keys.control(workspace, run_id),
                "ADD spent_usd :cost, calls :calls",
                {":cost": cost_usd, ":calls": calls},
            )
        )

    def stop(
        self, workspace: str, run_id: str, reason: Literal["cancelled", "failed"], error: dict[str, Any] | None
    ) -> bool:
        """Put up the stop sign; the first reason stays."""
        try:
            self._table.update(
                keys.control(workspace, run_id),
                "SET #stop = :reason, #error = :error",
                {":reason": reason, ":error": json.dumps(error)},
                condition="attribute_not_exists(#stop)",
            )
        except ConditionFailedError:
            return False
        return True

    def stop_error(self, workspace: str, run_id: str) -> dict[str, Any] | None:
        """Return the error that came with the stop sign, or None."""
        item = self._table.get(keys.control(workspace, run_id)) or {}
        error: dict[str, Any] | None = json.loads(item.get("error", "null"))
        return error

    def record_batch(
        self,
        workspace: str,
        run_id: str,
        batch_key: str,
        counts: Mapping[str, int],
        waiting: Waiting | None = None,
    ) -> None:
        """Set how far one batch is and what it waits for; a repeated batch counts once."""
        waits = {"waiting": waiting.model_dump_json()} if waiting is not None else {}
        self._table.put({**keys.batch(workspace, run_id, batch_key), **counts, **waits})

    def progress(self, workspace: str, run_id: str) -> Progress:
        """Return the sum over all batches."""
        sums = {"G": [0, 0, 0, 0], "J": [0, 0, 0, 0]}
        waiting: list[Waiting] = []
        for item in self._table.query(keys.run_partition(workspace, run_id), prefix=keys.BATCH_PREFIX):
            kind = sums[item[keys.SORT][len(keys.BATCH_PREFIX)]]
            for position, name in enumerate(("done", "failed", "from_ledger", "added")):
                kind[position] += int(item.get(name, 0))
            if "waiting" in item:
                waiting.append(Waiting.model_validate_json(item["waiting"]))
        return Progress(
            responses_done=sums["G"][0],
            responses_failed=sums["G"][1],
            responses_from_ledger=sums["G"][2],
            verdicts_done=sums["J"][0],
            verdicts_added=sums["J"][3],
            waiting=merged_waiting(waiting),
        )

    def _earlier(self, workspace: str, request: IdempotentRequest | None) -> Run | None:
        if request is None:
            return None
        item = self._table.get(keys.idempotency(workspace, request.key))
        if item is None:
            return None
        if item["request_hash"] != request.request_hash:
            raise IdempotencyKeyReusedError(
                f"The Idempotency-Key {request.key!r} came before with another request; "
                "use a new key for a new request."
            )
        return self.get(workspace, item["run_id"])

    def _start_operations(self, run: Run, request: IdempotentRequest | None) -> Sequence[dict[str, Any]]:
        table, workspace = self._table, run.workspace
        before = {f":before{i}": str(s) for i, s in enumerate(states_before("start"))}
        operations = [
            table.put_operation(
                {
                    **keys.run(workspace, run.run_id),
                    keys.INDEX_PARTITION: keys.run_list(workspace),
                    keys.INDEX_SORT: run.run_id,
                    "status": str(run.status),
                    "document": _document(run),
                    **({"anew": run.model_dump_json(include=_ANEW)} if run.rejudges is not None else {}),
                },
                if_absent=True,
            ),
            table.put_operation({**keys.run_of_test(workspace, run.test_id, run.run_id), "run_id": run.run_id}),
            table.put_operation(
                {**keys.control(workspace, run.run_id), "spent_usd": Decimal(0), "calls": 0, "cap_usd": run.cap_usd}
            ),
            table.update_operation(
                keys.test(workspace, run.test_id),
                "SET #status = :after",
                {":after": str(TestStatus.RUNNING), **before},
                condition=f"#status IN ({', '.join(before)})",
            ),
        ]
        if request is not None:
            expires_at = int(run.started_at.timestamp()) + IDEMPOTENCY_LIFETIME_S
            item = {"request_hash": request.request_hash, "run_id": run.run_id, keys.EXPIRES_AT: expires_at}
            operations.append(table.put_operation({**keys.idempotency(workspace, request.key), **item}, if_absent=True))
        return operations


def _document(run: Run) -> str:
    return run.model_dump_json(exclude={"status", *_ANEW})


def _to_run(item: Item) -> Run:
    anew = json.loads(item.get("anew", "{}"))
    return Run.model_validate({**json.loads(item["document"]), **anew, "status": item["status"]})


def _to_spending(item: Item) -> Spending:
    return Spending(
        spent_usd=item.get("spent_usd", Decimal(0)),
        calls=int(item.get("calls", 0)),
        cap_usd=item.get("cap_usd"),
        stop=item.get("stop"),
    )
