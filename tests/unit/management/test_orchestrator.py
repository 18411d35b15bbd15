"""What a person does with tests and runs, over stores in memory."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from entities import NOW, OTHER_VERSION, VERSION, a_dataset, a_summary, definition_body, replay_body
from management_world import WORKSPACE, World

from abtest.adapters.memory.objects import MemoryObjectStore
from abtest.contracts import object_keys
from abtest.core.errors import (
    ConflictError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
    StoreUnavailableError,
)
from abtest.management.dataset_service import MAX_UPLOAD_BYTES, DatasetService
from abtest.management.model import RunPhase, TestStatus


@pytest.fixture
def world() -> World:
    return World()


def issues(world: World, body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        world.create(body)
    return {issue.path: issue.message for issue in caught.value.issues}


def test_new_test_is_ready__with_its_estimate(world: World) -> None:
    test = world.create()

    assert test.status is TestStatus.READY
    assert world.tests.get(WORKSPACE, test.test_id) == test
    assert test.test_id.startswith("test_")
    assert (test.created_at, test.created_by) == (NOW, "ada")
    assert test.estimate.calls == 200
    assert test.estimate.cost_usd_max is not None
    assert test.estimate.cost_usd_max > 0
    assert test.estimate.detectable_effect == pytest.approx(0.28)
    assert test.warnings == ()


def test_clusters_are_the_units__of_the_detectable_effect(world: World) -> None:
    world.datasets.freeze(a_dataset(WORKSPACE, version=VERSION, summary=a_summary(100, clusters=49)))

    assert world.create().estimate.detectable_effect == pytest.approx(0.4)


def test_every_issue_of_every_kind_is_told_at_once__and_nothing_is_kept(world: World) -> None:
    body = definition_body(control="ters", cache="maybe", judges={"correct": {"type": "exact_mach"}})
    body["variants"]["terse"]["provider"] = "locl"
    body["variants"]["wordy"]["prompt"]["user"] = "{{ contry }}"
    body["variants"]["played"] = {"provider": "replay", "model": "x", "recording": {"version": OTHER_VERSION}}

    found = issues(world, body)

    assert set(found) == {
        "control",
        "cache",
        "judges.correct.type",
        "variants.terse.provider",
        "variants.wordy.prompt.user",
        "variants.played.recording",
    }
    assert world.tests.list(WORKSPACE, limit=10, cursor=None).items == ()


def test_dataset_that_is_not_ready_is_told__with_the_other_issues(world: World) -> None:
    found = issues(world, definition_body(dataset={"version": OTHER_VERSION}, control="nobody"))

    assert found["dataset"] == "no dataset with that version is ready"
    assert "control" in found


def test_dataset_of_another_workspace_is_not_ready(world: World) -> None:
    with pytest.raises(InvalidInputError, match="cannot be used"):
        world.service.create_test(definition_body(), workspace="others", created_by="eve")


def test_recording_in_place_of_samples_is_told__by_kind(world: World) -> None:
    world.datasets.freeze(
        a_dataset(WORKSPACE, kind="recording", version=OTHER_VERSION, summary=a_summary(100, input_counts={}))
    )

    swapped = replay_body(dataset={"version": OTHER_VERSION})

    assert issues(world, swapped) == {
        "dataset": "the dataset is of another kind",
        "variants.old.recording": "the dataset is of another kind",
    }
    assert (
        world.create(
            replay_body(
                variants={
                    "old": {"provider": "replay", "model": "one", "recording": {"version": OTHER_VERSION}},
                    "new": {"provider": "replay", "model": "two", "recording": {"version": OTHER_VERSION}},
                }
            )
        ).estimate.calls
        == 0
    )


def test_broken_template_and_missing_reference_are_told_together(world: World) -> None:
    world.datasets.freeze(a_dataset(WORKSPACE, version=VERSION, summary=a_summary(100, references=0)))
    body = definition_body()
    body["variants"]["terse"]["prompt"]["user"] = "{{ country"

    assert set(issues(world, body)) == {"variants.terse.prompt.user", "judges.correct"}


def test_run_starts__and_its_test_is_running(world: World) -> None:
    test = world.create(definition_body(budget={"cap_usd": "0.5"}))
    run_id = world.start(test)

    run = world.runs.get(WORKSPACE, run_id)
    assert (run.status, run.phase) == (TestStatus.RUNNING, RunPhase.PLANNING)
    assert run.cap_usd == Decimal("0.5")
    assert run.execution_arn == world.workflow.execution_arn(run_id)
    assert world.workflow.started == [run_id]
    assert world.tests.get(WORKSPACE, test.test_id).status is TestStatus.RUNNING


def test_second_run_of_a_running_test_is_refused(world: World) -> None:
    test = world.create()
    world.start(test)

    with pytest.raises(IllegalTransitionError, match="has a run that goes on"):
        world.start(test)


def test_unknown_test_starts_nothing(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.service.start_run("test_x", workspace=WORKSPACE, started_by="ada", idempotency_key=None)


def test_same_key_starts_nothing_twice(world: World) -> None:
    test = world.create()

    first, second = world.start(test, "key-1"), world.start(test, "key-1")

    assert first == second
    assert world.workflow.started == [first]


def test_same_key_for_another_test_is_refused(world: World) -> None:
    world.start(world.create(), "key-1")

    with pytest.raises(IdempotencyKeyReusedError, match="another request"):
        world.start(world.create(), "key-1")


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_key_that_cannot_be_kept_is_refused(world: World, key: str) -> None:
    with pytest.raises(InvalidInputError, match="Idempotency-Key"):
        world.start(world.create(), key)


def test_repeated_start_of_a_run_that_ended_starts_no_execution(world: World) -> None:
    test = world.create()
    run_id = world.start(test, "key-1")
    world.runs.finish(world.runs.get(WORKSPACE, run_id), "complete")
    world.workflow.started.clear()

    assert world.start(test, "key-1") == run_id
    assert world.workflow.started == []


def test_run_fails__when_the_workflow_is_away_and_the_test_can_start_again(world: World) -> None:
    test = world.create()
    world.workflow.broken = True
    with pytest.raises(StoreUnavailableError):
        world.start(test)

    (run,) = world.runs.list(WORKSPACE, test_id=test.test_id, limit=5, cursor=None).items
    assert (run.status, run.phase, run.finished_at) == (TestStatus.FAILED, RunPhase.DONE, NOW)
    assert run.error is not None
    assert run.error.code == "store_unavailable"
    assert run.error.what_to_do
    world.workflow.broken = False
    assert world.start(test) != run.run_id


def test_cancelling_puts_up_the_stop_sign__once(world: World) -> None:
    run_id = world.start(world.create())

    world.service.cancel_run(run_id, workspace=WORKSPACE)
    world.service.cancel_run(run_id, workspace=WORKSPACE)

    assert world.runs.spending(WORKSPACE, run_id).stop == "cancelled"
    assert world.runs.get(WORKSPACE, run_id).status is TestStatus.RUNNING


def test_run_that_ended_cannot_be_cancelled(world: World) -> None:
    run_id = world.start(world.create())
    world.runs.finish(world.runs.get(WORKSPACE, run_id), "complete")

    with pytest.raises(ConflictError, match="is COMPLETED; only a running run can be cancelled"):
        world.service.cancel_run(run_id, workspace=WORKSPACE)


def test_run_of_another_workspace_cannot_be_cancelled(world: World) -> None:
    run_id = world.start(world.create())

    with pytest.raises(NotFoundError):
        world.service.cancel_run(run_id, workspace="others")


class TestDatasetService:
    @pytest.fixture
    def objects(self) -> MemoryObjectStore:
        return MemoryObjectStore()

    @pytest.fixture
    def service(self, world: World, objects: MemoryObjectStore) -> DatasetService:
        return DatasetService(world.datasets, objects, world.clock)

    def register(self, service: DatasetService, size_bytes: int = 10) -> str:
        dataset, upload = service.register(workspace=WORKSPACE, name="d", kind="samples", size_bytes=size_bytes)
        assert upload.method == "PUT"
        return dataset.dataset_id

    def test_dataset_is_frozen__from_its_upload(
        self, service: DatasetService, objects: MemoryObjectStore, world: World
    ) -> None:
        dataset_id = self.register(service)
        objects.put(object_keys.upload(WORKSPACE, dataset_id), b'{"id": "a"}\r\n\n{"id":"b"}')

        dataset = service.complete(workspace=WORKSPACE, dataset_id=dataset_id)

        assert dataset.status == "ready"
        assert dataset.version is not None
        assert dataset.summary is not None
        assert dataset.summary.rows == 2
        assert len(objects.get(object_keys.dataset_rows(WORKSPACE, dataset.version)).splitlines()) == 2
        assert world.datasets.by_version(WORKSPACE, dataset.version) == dataset

    def test_completing_twice_reads_nothing_twice(self, service: DatasetService, objects: MemoryObjectStore) -> None:
        dataset_id = self.register(service)
        objects.put(object_keys.upload(WORKSPACE, dataset_id), b'{"id": "a"}')
        first = service.complete(workspace=WORKSPACE, dataset_id=dataset_id)
        objects.put(object_keys.upload(WORKSPACE, dataset_id), b"changed")

        assert service.complete(workspace=WORKSPACE, dataset_id=dataset_id) == first

    def test_completing_before_the_upload_is_a_conflict(self, service: DatasetService) -> None:
        with pytest.raises(ConflictError, match="Nothing was uploaded yet"):
            service.complete(workspace=WORKSPACE, dataset_id=self.register(service))

    def test_bad_rows_leave_the_dataset_awaiting(
        self, service: DatasetService, objects: MemoryObjectStore, world: World
    ) -> None:
        dataset_id = self.register(service)
        objects.put(object_keys.upload(WORKSPACE, dataset_id), b'{"id": "a"}\n{"id": 1}')

        with pytest.raises(InvalidInputError):
            service.complete(workspace=WORKSPACE, dataset_id=dataset_id)

        assert world.datasets.get(WORKSPACE, dataset_id).status == "awaiting_upload"

    def test_upload_that_is_too_large_is_refused__before_it_is_sent(self, service: DatasetService) -> None:
        with pytest.raises(InvalidInputError) as caught:
            self.register(service, MAX_UPLOAD_BYTES + 1)
        assert caught.value.issues[0].path == "size_bytes"
