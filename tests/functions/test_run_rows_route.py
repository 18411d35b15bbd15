"""The rows of a run over the API: whose they are, which batches, and where each can be read."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from entities import NOW, a_run, a_summary, a_test
from function_tools import call

from abtest.contracts import object_keys
from abtest.contracts.records import ModelResponse, Sample
from abtest.management.model import Run, RunFrozen, TestStatus
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.wiring import wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def viewer(workspace: str) -> str:
    """The groups of somebody who may only look."""
    return f"[viewer workspace.{workspace}]"


def started(workspace: str, batches: tuple[int, ...] = (2, 1), answered: int = 3) -> Run:
    """Return a run of some waves of batches, of which the first few were answered by every variant."""
    wired = wiring("api")
    test = a_test(workspace)
    wired.tests.create(test)
    run = wired.runs.start(a_run(test), None)
    frozen = RunFrozen(
        run_id=run.run_id,
        test_id=test.test_id,
        definition=test.definition,
        dataset=a_summary(),
        providers={},
        started_at=NOW,
        batches_by_wave=batches,
    )
    wired.objects.put(object_keys.frozen(workspace, run.run_id), frozen.model_dump_json().encode())
    bodies = RunBodies(wired.objects, workspace, run.run_id)
    places = [(wave, batch) for wave, count in enumerate(batches) for batch in range(count)]
    for number, (wave, batch) in enumerate(places):
        sample = Sample(id=f"s{number}")
        key = object_keys.samples(workspace, run.run_id, wave, batch)
        wired.objects.put(key, sample.model_dump_json().encode() + b"\n")
        # The batch after the answered ones has the answers of one variant only.
        variants = list(test.definition.variants)[: 2 if number < answered else 1 if number == answered else 0]
        for variant in variants:
            row = ModelResponse(sample_id=sample.id, variant=variant, outcome="answered", text=f"{variant} {number}")
            bodies.write_responses(wave, variant, batch, [row])
    return run


def ended(run: Run, status: TestStatus = TestStatus.COMPLETED) -> str:
    event: Any = {TestStatus.COMPLETED: "complete", TestStatus.FAILED: "fail", TestStatus.CANCELLED: "cancel"}[status]
    assert wiring("api").runs.finish(run.model_copy(update={"status": status, "finished_at": NOW}), event)
    return run.run_id


def rows(groups: str, run_id: str, **query: str) -> Any:
    return call("GET", f"/v1/runs/{run_id}/rows", groups=groups, query=query)


def test_rows_are_read_by_their_addresses__batch_by_batch(viewer: str, workspace: str) -> None:
    run_id = ended(started(workspace))

    answer = rows(viewer, run_id)

    assert answer.status == 200, answer.body
    body = answer.body
    assert [(item["wave"], item["batch"]) for item in body["items"]] == [(0, 0), (0, 1), (1, 0)]
    assert body["control"] in body["variants"]
    assert body["next_cursor"] is None
    last = body["items"][2]
    sample = requests.get(last["samples"]["url"], timeout=5)
    assert Sample.model_validate_json(sample.content).id == "s2"
    for variant in body["variants"]:
        response = requests.get(last["responses"][variant]["url"], timeout=5)
        assert ModelResponse.model_validate_json(response.content).text == f"{variant} 2"


def test_rows_come_in_pages__that_end(viewer: str, workspace: str) -> None:
    run_id = ended(started(workspace))

    first = rows(viewer, run_id, limit="2").body
    second = rows(viewer, run_id, limit="2", cursor=first["next_cursor"]).body

    assert [len(first["items"]), len(second["items"])] == [2, 1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("status", [TestStatus.CANCELLED, TestStatus.FAILED])
def test_a_batch_that_was_not_answered_by_all_is_left_out(viewer: str, workspace: str, status: TestStatus) -> None:
    run_id = ended(started(workspace, answered=1), status)

    assert [(item["wave"], item["batch"]) for item in rows(viewer, run_id).body["items"]] == [(0, 0)]


def test_rows_of_a_run_that_ended_before_it_was_planned_are_none(viewer: str, workspace: str) -> None:
    wired = wiring("api")
    test = a_test(workspace)
    wired.tests.create(test)
    run_id = ended(wired.runs.start(a_run(test), None), TestStatus.FAILED)

    assert rows(viewer, run_id).body == {"control": None, "variants": [], "items": [], "next_cursor": None}


def test_rows_of_a_run_that_goes_on_are_a_conflict(viewer: str, workspace: str) -> None:
    run = started(workspace)

    answer = rows(viewer, run.run_id)

    assert (answer.status, answer.body["code"]) == (409, "conflict")


def test_rows_of_a_stranger_are_not_found(viewer: str, workspace: str) -> None:
    run_id = ended(started("another-workspace"))

    assert rows(viewer, run_id).status == 404


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 10])
def test_a_cursor_of_nobody_is_refused(viewer: str, workspace: str, cursor: str) -> None:
    run_id = ended(started(workspace))

    answer = rows(viewer, run_id, cursor=cursor)

    assert (answer.status, answer.body["errors"][0]["path"]) == (422, "cursor")
