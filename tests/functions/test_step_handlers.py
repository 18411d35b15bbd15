"""Every step's handler over moto: a whole run through the functions, and what each does with a bad event."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from aws_fakes import FakeAws
from entities import a_dataset, a_run, a_test, replay_body
from function_tools import FOLDERS, LambdaContext, load_handler, sqs_event
from pydantic import ValidationError
from recorders import RecordedQueue, RecordedTasks

from abtest.contracts import object_keys
from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import ModelResponse
from abtest.contracts.steps import AskItem, GenerateItem, GenerateMessage, JudgeItem, JudgeMessage, WaveState
from abtest.core.errors import BudgetExceededError, ConflictError, NotFoundError
from abtest.management.datasets import freeze_rows
from abtest.management.model import DatasetKind, Run, TestStatus
from abtest.providers.registration import ModelProvider
from abtest.runtime.loaded import keep_what_is_loaded
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.queue_worker import WorkerPorts
from abtest.runtime.wiring import Wiring, wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

ROWS = [{"id": f"s{n:03d}", "inputs": {}, "reference": f"city {n}"} for n in range(60)]
STEPS = ("plan_run", "judge_batch", "take_look", "finish_run", "fail_run")


def invoke(folder: str, event: Any) -> dict[str, Any]:
    """Invoke a function as Lambda does: its result must be JSON."""
    result: dict[str, Any] = json.loads(json.dumps(load_handler(folder).lambda_handler(event, LambdaContext())))
    return result


@pytest.fixture
def worker(aws: FakeAws) -> Iterator[tuple[RecordedTasks, RecordedQueue]]:
    """What the queue worker tells Step Functions and SQS."""
    tasks, queue = RecordedTasks(), RecordedQueue()
    keep_what_is_loaded.cache_clear()
    gc.unfreeze()
    for folder in ("call_provider", "dead_letter"):
        wiring(folder).__dict__.update(tasks=tasks, queues=queue)
    handler = load_handler("call_provider")
    handler._ports.cache_clear()
    yield tasks, queue
    if handler._ports.cache_info().currsize:
        ports: WorkerPorts = handler._ports()
        loop: asyncio.AbstractEventLoop = ports.run_async.__self__  # type: ignore[attr-defined]
        loop.run_until_complete(ports.transport.__aexit__(None, None, None))  # type: ignore[attr-defined]
        loop.close()
        handler._ports.cache_clear()
        wired = wiring("call_provider")
        del wired.event_loop, wired.transport
    gc.unfreeze()


class RunOverAws:
    """A run of recorded answers, in a workspace of its own."""

    def __init__(self, workspace: str, **changes: Any) -> None:
        self.workspace = workspace
        self.wired: Wiring = wiring("api")
        right = [{"id": row["id"], "output": row["reference"]} for row in ROWS]
        wrong = [{**row, "output": "nowhere"} if n % 2 else row for n, row in enumerate(right)]
        variants = {
            "old": {"provider": "replay", "model": "one", "recording": {"version": self._freeze(wrong, "recording")}},
            "new": {"provider": "replay", "model": "two", "recording": {"version": self._freeze(right, "recording")}},
        }
        body = replay_body(variants=variants, dataset={"version": self._freeze(ROWS, "samples")}, **changes)
        summary = freeze_rows([json.dumps(row).encode() for row in ROWS], "samples").summary
        self.test = a_test(workspace, definition=TestDefinition.model_validate(body), dataset=summary)
        self.wired.tests.create(self.test)
        self.run = self.wired.runs.start(a_run(self.test, cap_usd=self.test.definition.budget.cap_usd), None)

    @property
    def event(self) -> dict[str, Any]:
        return {"workspace": self.workspace, "run_id": self.run.run_id}

    @property
    def stored(self) -> Run:
        return self.wired.runs.get(self.workspace, self.run.run_id)

    @property
    def bodies(self) -> RunBodies:
        return RunBodies(self.wired.objects, self.workspace, self.run.run_id)

    @property
    def stop(self) -> str | None:
        return self.wired.runs.spending(self.workspace, self.run.run_id).stop

    def plan(self) -> dict[str, Any]:
        return invoke("plan_run", self.event)

    def messages(self) -> list[GenerateMessage]:
        key = object_keys.generate_manifest(self.workspace, self.run.run_id, 0)
        items = [GenerateItem.model_validate_json(line) for line in self.wired.objects.lines(key)]
        return [GenerateMessage(task_token=f"token-{n}", batch=item) for n, item in enumerate(items)]

    def judge_events(self) -> list[dict[str, Any]]:
        key = object_keys.judge_manifest(self.workspace, self.run.run_id, 0)
        return [JudgeItem.model_validate_json(line).model_dump() for line in self.wired.objects.lines(key)]

    def _freeze(self, rows: list[dict[str, Any]], kind: DatasetKind) -> str:
        frozen = freeze_rows([json.dumps(row).encode() for row in rows], kind)
        self.wired.objects.put(object_keys.dataset_rows(self.workspace, frozen.version), b"".join(frozen.lines))
        dataset = a_dataset(self.workspace, kind=kind, version=frozen.version, summary=frozen.summary)
        self.wired.datasets.freeze(dataset)
        return frozen.version


@pytest.fixture
def run(workspace: str) -> RunOverAws:
    return RunOverAws(workspace)


def test_run_goes_from_its_plan_to_its_verdict__through_the_functions_alone(
    run: RunOverAws, worker: tuple[RecordedTasks, RecordedQueue]
) -> None:
    tasks, queue = worker
    state = run.plan()
    assert state["next"] == "first_wave"
    assert (run.stored.responses_total, run.stored.verdicts_total) == (120, 120)

    answered = invoke("call_provider", sqs_event(*run.messages(), queue="abtest-replay"))
    assert answered == {"batchItemFailures": []}
    assert [token for token, _ in tasks.succeeded] == ["token-0", "token-1", "token-2", "token-3"]
    assert {url for url, _, _ in queue.kept} == {run.messages()[0].batch.queue_url}

    judged = [invoke("judge_batch", event) for event in run.judge_events()]
    assert judged == [{"verdicts": 60, "not_scored": 0}] * 2
    looked = invoke("take_look", state)
    assert looked == {**state, "next": "finish"}

    assert invoke("finish_run", looked) == {**run.event, "status": "COMPLETED"}

    ended = run.stored
    assert ended.status is TestStatus.COMPLETED
    assert ended.verdict is not None
    assert ended.verdict.sentence
    assert ended.error is None
    assert set(ended.artifacts) == set(object_keys.ARTIFACTS)
    analysis = json.loads(run.wired.objects.get(object_keys.artifact(run.workspace, run.run.run_id, "analysis.json")))
    assert analysis["decision"]["sentence"] == ended.verdict.sentence
    assert run.wired.tests.get(run.workspace, run.test.test_id).status is TestStatus.COMPLETED
    assert invoke("finish_run", looked)["status"] == "COMPLETED"
    assert invoke("fail_run", looked)["status"] == "COMPLETED"


def test_what_the_first_batch_has_loaded_is_left_alone_by_later_collections(
    run: RunOverAws, worker: tuple[RecordedTasks, RecordedQueue]
) -> None:
    run.plan()
    assert gc.get_freeze_count() == 0

    invoke("call_provider", sqs_event(run.messages()[0]))
    kept = gc.get_freeze_count()
    assert kept > 10_000

    # What comes after is looked after as ever.
    invoke("call_provider", sqs_event(run.messages()[1]))
    assert 10_000 < gc.get_freeze_count() <= kept


def test_judge_that_asks_is_served_by_the_worker_of_the_variants(
    workspace: str, worker: tuple[RecordedTasks, RecordedQueue]
) -> None:
    tasks, queue = worker
    rubric = {"type": "rubric", "provider": "local", "model": "small", "dimensions": ["helpfulness"]}
    run = RunOverAws(workspace, judges={"correct": {"type": "exact_match"}, "good": rubric})
    local = ModelProvider(id="local", vendor="openai_chat", base_url="http://127.0.0.1:9/v1")
    run.wired.providers.put(workspace, local)
    state = run.plan()
    assert (state["asks_judges"], state["escalation"]) == (True, "none")
    for item in (message.batch for message in run.messages()):
        # Where nothing was answered nobody is asked: the whole way of a message, without a provider.
        failed = [lost(item.variant, sample.id) for sample in run.bodies.samples(0, item.batch)]
        run.bodies.write_responses(0, item.variant, item.batch, failed)
    lines = list(run.wired.objects.lines(state["ask_manifest_key"]))
    messages = [
        JudgeMessage(task_token=f"judge-{n}", batch=AskItem.model_validate_json(line)) for n, line in enumerate(lines)
    ]

    assert invoke("call_provider", sqs_event(*messages)) == {"batchItemFailures": []}

    assert [token for token, _ in tasks.succeeded] == [f"judge-{n}" for n in range(len(lines))]
    assert {message.batch.queue_url for message in messages} == {url for url, _, _ in queue.kept}
    assert {one.status for n in range(len(lines)) for one in run.bodies.verdicts(0, "good", n)} == {"not_judged"}


def lost(variant: str, sample: str) -> ModelResponse:
    """Return the row of a call that failed."""
    return ModelResponse(sample_id=sample, variant=variant, outcome="failed", failure_reason="timeout")


def test_daily_report_covers_the_workspace(run: RunOverAws) -> None:
    reports = invoke("daily_analytics", {"version": "0", "source": "aws.events", "detail": {}})

    assert reports["workspaces"] >= 1
    keys = run.wired.objects.keys(f"portfolio/{run.workspace}/")
    assert {key.rpartition("/")[2] for key in keys} == {"portfolio.html", "portfolio.json"}


def test_failed_run_keeps_what_was_done__and_says_what_to_do(
    run: RunOverAws, worker: tuple[RecordedTasks, RecordedQueue]
) -> None:
    state = run.plan()
    invoke("call_provider", sqs_event(run.messages()[0]))

    caught = {"Error": "States.Timeout", "Cause": "the state took too long"}
    ended = invoke("fail_run", {**state, "failure": caught})

    assert ended["status"] == "FAILED"
    assert run.stored.error is not None
    assert "States.Timeout" in run.stored.error.message
    assert run.stored.error.what_to_do
    assert set(run.stored.artifacts) == {"report.html", "samples.csv"}
    assert run.stop == "failed"
    assert invoke("fail_run", state)["status"] == "FAILED"


def test_run_that_failed_before_its_plan_has_a_reason__and_no_report(run: RunOverAws) -> None:
    ended = invoke("fail_run", {**run.event, "failure": {"Error": "X", "Cause": '{"errorMessage": "no luck"}'}})

    assert ended["status"] == "FAILED"
    assert run.stored.error is not None
    assert "no luck" in run.stored.error.message
    assert run.stored.artifacts == ()


def test_cancelled_run_ends_as_cancelled__without_an_error(run: RunOverAws) -> None:
    state = run.plan()
    run.wired.runs.stop(run.workspace, run.run.run_id, "cancelled", None)

    assert invoke("fail_run", {**state, "failure": {"Error": "RunCancelledError"}})["status"] == "CANCELLED"
    assert run.stored.error is None
    assert run.wired.tests.get(run.workspace, run.test.test_id).status is TestStatus.CANCELLED


def test_end_of_a_run_releases_its_budget(workspace: str) -> None:
    run = RunOverAws(workspace, budget={"cap_usd": "0.60"})
    run.plan()
    budgets = wiring("plan_run").budgets
    with pytest.raises(BudgetExceededError):
        budgets.reserve(workspace, "run_other", Decimal("0.50"), Decimal("1.00"))

    invoke("fail_run", run.event)

    budgets.reserve(workspace, "run_other", Decimal("1.00"), Decimal("1.00"))


def test_step_that_fails_leaves_its_reason__where_the_compensation_finds_it(run: RunOverAws) -> None:
    run.plan()

    with pytest.raises(NotFoundError):
        invoke("judge_batch", run.judge_events()[0])

    assert run.stop == "failed"
    ended = invoke("fail_run", {**run.event, "failure": {"Error": "Exception"}})
    assert ended["status"] == "FAILED"
    assert run.stored.error is not None
    assert run.stored.error.code == "not_found"


def test_run_that_ended_is_not_planned_again(run: RunOverAws) -> None:
    run.wired.runs.finish(run.run, "complete")

    with pytest.raises(ConflictError):
        run.plan()


def test_poison_message_comes_back_alone(run: RunOverAws, worker: tuple[RecordedTasks, RecordedQueue]) -> None:
    tasks, _ = worker
    run.plan()

    answered = invoke("call_provider", sqs_event('{"hello": 1}', run.messages()[0], queue="abtest-replay"))

    assert answered == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert [token for token, _ in tasks.succeeded] == ["token-0"]


# A batch that is not finished counts nothing, and Powertools warns about that.
@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
def test_message_of_a_cancelled_run_is_done_with(run: RunOverAws, worker: tuple[RecordedTasks, RecordedQueue]) -> None:
    tasks, _ = worker
    run.plan()
    run.wired.runs.stop(run.workspace, run.run.run_id, "cancelled", None)

    assert invoke("call_provider", sqs_event(run.messages()[0])) == {"batchItemFailures": []}
    assert [failed[:2] for failed in tasks.failed] == [("token-0", "RunCancelledError")]


def test_message_nobody_could_process_is_buried__and_the_run_told(
    run: RunOverAws, worker: tuple[RecordedTasks, RecordedQueue]
) -> None:
    tasks, _ = worker
    run.plan()

    assert invoke("dead_letter", sqs_event(run.messages()[1], "not ours")) == {"batchItemFailures": []}

    assert [failed[:2] for failed in tasks.failed] == [("token-1", "MessageUndeliverableError")]
    assert run.stop == "failed"
    assert run.wired.objects.get("dead-letters/message-1.json") == b"not ours"


@pytest.mark.parametrize("folder", FOLDERS)
def test_warm_up_does_nothing_but_answer(folder: str, worker: tuple[RecordedTasks, RecordedQueue]) -> None:
    tasks, queue = worker

    assert invoke(folder, {"warm": True}) == {"warm": True}
    assert tasks == RecordedTasks()
    assert queue == RecordedQueue()


@pytest.mark.parametrize("folder", STEPS)
def test_event_that_is_none_of_ours_is_refused(folder: str) -> None:
    with pytest.raises(ValidationError):
        invoke(folder, {"hello": 1})


@pytest.mark.parametrize("folder", ["plan_run", "finish_run", "fail_run"])
def test_run_nobody_knows_is_told(folder: str, workspace: str) -> None:
    state = WaveState(
        workspace=workspace,
        run_id="run_unknown",
        wave=0,
        generate_manifest_key="g",
        judge_manifest_key="j",
        map_results_prefix="m",
    )

    with pytest.raises(NotFoundError, match="run_unknown"):
        invoke(folder, state.model_dump())
