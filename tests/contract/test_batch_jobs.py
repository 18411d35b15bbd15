"""The jobs at batch interfaces, kept alike in memory and in DynamoDB."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest
from aws_fakes import REGION, TABLE, new_workspace
from entities import FixedClock

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.batch_jobs import DynamoBatchJobStore
from abtest.adapters.dynamodb.table import Table
from abtest.adapters.memory.batch_jobs import MemoryBatchJobStore
from abtest.contracts.steps import GenerateItem, GenerateMessage
from abtest.providers.batches.model import JobCounts, JobEntry, JobId, JobRequests, JobState
from abtest.providers.batches.ports import BatchJobStore
from abtest.providers.model import CallFailure
from abtest.providers.registration import ModelPrice, ModelProvider

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROVIDER = ModelProvider(
    id="p",
    vendor="openai_chat",
    options={"project": "x"},
    prices={"small": ModelPrice(input_usd_per_million=Decimal("0.1"), output_usd_per_million=Decimal(2))},
)


@pytest.fixture(params=["memory", pytest.param("aws", marks=pytest.mark.aws_fake)])
def store(request: pytest.FixtureRequest) -> BatchJobStore:
    if request.param == "memory":
        return MemoryBatchJobStore()
    request.getfixturevalue("aws")
    return DynamoBatchJobStore(Table(boto3.client("dynamodb", region_name=REGION), TABLE), FixedClock())


def job_id(workspace: str, batch: int = 0, run_id: str = "run_1") -> JobId:
    return JobId(workspace=workspace, run_id=run_id, wave=0, variant="a", batch=batch)


def new_state(job: JobId, **changes: Any) -> JobState:
    facts: dict[str, Any] = {
        "id": job,
        "phase": "submitting",
        "number": 0,
        "provider": "p",
        "model": "small",
        "requests": 2,
        "created_at": NOW,
        "next_look_at": NOW,
    }
    return JobState(**{**facts, **changes})


def made_of(job: JobId, requests: int = 2) -> JobRequests:
    item = GenerateItem(
        workspace=job.workspace,
        run_id=job.run_id,
        wave=job.wave,
        batch=job.batch,
        variant=job.variant,
        vendor="openai_chat",
        queue_url="https://sqs/q",
        size=requests,
    )
    entries = tuple(
        JobEntry(custom_id=job.custom_id(1, n), ledger_key="run_1#" + f"{n:064x}", paid_by=f"run_1#a#{'s' * 250}{n}")
        for n in range(requests)
    )
    message = GenerateMessage(task_token="token" * 100, batch=item, deferrals=1)
    return JobRequests(message=message, provider=PROVIDER, model="small", entries=entries)


def test_a_job_that_is_not_there_is_none(store: BatchJobStore, workspace: str) -> None:
    job = job_id(workspace)

    assert (store.get(job), store.requests(job), list(store.of_run(workspace, "run_1"))) == (None, None, [])


def test_a_job_is_kept_as_it_was_written(store: BatchJobStore, workspace: str) -> None:
    job = job_id(workspace)
    state = new_state(
        job,
        worst_cost_usd=Decimal("0.12345678"),
        lease_until=NOW,
        asked_from=NOW,
        trouble=CallFailure(failure_reason="rate_limited", retryable=True, retry_after_s=1.5, status=429),
        failures={"x-0": "batch_expired"},
        counts=JobCounts(answered=1, duplicates=2),
    )
    kept = store.write(state, made_of(job))

    assert kept == state.model_copy(update={"number": 1})
    assert store.get(job) == kept
    assert store.requests(job) == made_of(job)


def test_a_batch_of_a_thousand_samples_fits(store: BatchJobStore, workspace: str) -> None:
    job = job_id(workspace)
    store.write(new_state(job), made_of(job, 750))
    state = store.get(job)
    assert state is not None
    failures = {job.custom_id(1, n): "batch_expired" for n in range(750)}
    store.write(state.model_copy(update={"failures": failures}))

    assert store.requests(job) == made_of(job, 750)
    assert len(store.get(job).failures) == 750  # type: ignore[union-attr]


def test_of_two_changes_of_one_state_the_first_wins(store: BatchJobStore, workspace: str) -> None:
    job = job_id(workspace)
    first = store.write(new_state(job), made_of(job))
    assert first is not None
    assert store.write(new_state(job), made_of(job, 1)) is None
    second = store.write(first.model_copy(update={"phase": "submitted"}))
    assert store.write(first.model_copy(update={"phase": "absent"}), made_of(job, 1)) is None

    assert store.get(job) == second
    # What lost has left nothing behind.
    assert store.requests(job) == made_of(job)


def test_a_state_that_follows_on_nothing_is_not_written(store: BatchJobStore, workspace: str) -> None:
    job = job_id(workspace)

    assert store.write(new_state(job, number=3)) is None
    assert store.get(job) is None


def test_open_jobs_are_listed_until_they_are_closed(store: BatchJobStore) -> None:
    workspaces = [new_workspace(), new_workspace()]
    jobs = [job_id(workspace, batch) for workspace in workspaces for batch in range(60)]
    states = [store.write(new_state(job), made_of(job, 1)) for job in jobs]
    listed = {state.id for state in store.open()}
    assert set(jobs) <= listed
    for state in states[:100]:
        assert state is not None
        assert store.write(state.model_copy(update={"phase": "closed"}))
    left = [state for state in store.open() if state.id in jobs]

    assert sorted(state.id.batch for state in left) == list(range(40, 60))
    assert store.get(jobs[0]).phase == "closed"  # type: ignore[union-attr]


def test_the_jobs_of_a_run_are_its_own(store: BatchJobStore, workspace: str) -> None:
    for job in (job_id(workspace, 0), job_id(workspace, 1), job_id(workspace, 0, "run_2")):
        store.write(new_state(job), made_of(job))

    assert sorted(state.id.batch for state in store.of_run(workspace, "run_1")) == [0, 1]
    assert [state.id.run_id for state in store.of_run(workspace, "run_2")] == ["run_2"]


def test_of_many_writers_at_a_time_one_wins(store: BatchJobStore, workspace: str) -> None:
    job = job_id(workspace)
    won: list[JobState | None] = []
    threads = [threading.Thread(target=lambda: won.append(store.write(new_state(job), made_of(job)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(state is not None for state in won) == 1


@pytest.mark.aws_fake
def test_items_expire_and_stand_beside_the_progress_of_their_run(aws: object, workspace: str) -> None:
    table = Table(boto3.client("dynamodb", region_name=REGION), TABLE)
    store, job = DynamoBatchJobStore(table, FixedClock()), job_id(workspace)
    store.write(new_state(job), made_of(job))
    items = list(table.query(keys.run_partition(workspace, "run_1")))

    assert sorted(item[keys.SORT] for item in items) == ["JOB#0#a#0", "JOBREQUESTS#0#a#0"]
    assert all(item[keys.EXPIRES_AT] > FixedClock().now().timestamp() + 29 * 24 * 3600 for item in items)
    assert not list(table.query(keys.run_partition(workspace, "run_1"), prefix=keys.BATCH_PREFIX))
