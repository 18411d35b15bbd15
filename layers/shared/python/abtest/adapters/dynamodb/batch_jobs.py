"""Jobs at the vendors' batch interfaces, in DynamoDB: a small item that changes, a large one that does not.

The small one stands in an index while the job is open, which is how the poller finds it; both stand with their run.

Depends on: the table. Used by: wiring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import ConditionFailedError, Item, Table
from abtest.core.clock import Clock
from abtest.providers.batches.model import JobId, JobRequests, JobState

LIFETIME_S = 30 * 24 * 3600
_PAGE = 100


class DynamoBatchJobStore:
    """Implements `BatchJobStore`.

    Args:
        clock: jobs that nobody touched for 30 days expire by it.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, job: JobId) -> JobState | None:
        """Return how far a job is, read consistently, or None when there is none."""
        item = self._table.get(keys.job(job.workspace, job.run_id, job.name))
        return None if item is None else _state(item)

    def requests(self, job: JobId) -> JobRequests | None:
        """Return what a job is made of, or None when there is no such job."""
        item = self._table.get(keys.job_requests(job.workspace, job.run_id, job.name))
        return None if item is None else JobRequests.model_validate_json(item["document"])

    def write(self, state: JobState, requests: JobRequests | None = None) -> JobState | None:
        """Keep the state that follows on another; None when somebody else was faster."""
        after = state.model_copy(update={"number": state.number + 1})
        expires_at = int(self._clock.now().timestamp()) + LIFETIME_S
        key = keys.job(state.id.workspace, state.id.run_id, state.id.name)
        expression, values, condition = _change(after, expires_at)
        try:
            if requests is None:
                self._table.update(key, expression, values, condition=condition)
            else:
                job = keys.job_requests(state.id.workspace, state.id.run_id, state.id.name)
                item = {**job, keys.EXPIRES_AT: expires_at, "document": requests.model_dump_json()}
                change = self._table.update_operation(key, expression, values, condition=condition)
                self._table.transact([self._table.put_operation(item), change])
        except ConditionFailedError:
            return None
        return after

    def open(self) -> Sequence[JobState]:
        """Return the jobs that are not closed, of all runs; the index lags behind by less than a second."""
        found: list[JobState] = []
        cursor: str | None = None
        while True:
            items, cursor = self._table.page(keys.OPEN_JOBS, limit=_PAGE, cursor=cursor, index=True)
            found += [_state(item) for item in items]
            if cursor is None:
                return found

    def of_run(self, workspace: str, run_id: str) -> Sequence[JobState]:
        """Return all jobs of a run, read consistently."""
        return [
            _state(item) for item in self._table.query(keys.run_partition(workspace, run_id), prefix=keys.JOB_PREFIX)
        ]


def _change(after: JobState, expires_at: int) -> tuple[str, Mapping[str, Any], str]:
    """Return expression, values and condition of the change to a state."""
    values: dict[str, Any] = {":document": after.model_dump_json(), ":number": after.number, ":expires": expires_at}
    expression = f"SET document = :document, #number = :number, {keys.EXPIRES_AT} = :expires"
    if after.phase == "closed":
        expression += f" REMOVE {keys.INDEX_PARTITION}, {keys.INDEX_SORT}"
    else:
        expression += f", {keys.INDEX_PARTITION} = :jobs, {keys.INDEX_SORT} = :key"
        values |= {":jobs": keys.OPEN_JOBS, ":key": after.id.key}
    if after.number == 1:
        return expression, values, "attribute_not_exists(#number)"
    return expression, {**values, ":before": after.number - 1}, "#number = :before"


def _state(item: Item) -> JobState:
    return JobState.model_validate_json(item["document"])
