"""`mode: batch` through the functions: over moto's table and queues, with a batch interface on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from aws_fakes import REGION, SECRETS_PREFIX, FakeAws
from entities import a_dataset, a_run, a_test, definition_body
from function_tools import LambdaContext, load_handler, sqs_event
from harness.batch_server import BatchServer, batch_server
from recorders import RecordedTasks

from abtest.contracts import object_keys
from abtest.contracts.definition import TestDefinition
from abtest.contracts.steps import GenerateItem, GenerateMessage
from abtest.core.clock import SystemClock
from abtest.management.datasets import freeze_rows
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.wiring import Wiring, wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]

ROWS = [{"id": f"s{n:03d}", "inputs": {"country": f"Land{n}"}, "reference": "x"} for n in range(12)]
COST_USD = Decimal("0.002")
"""Of one answer of the server at half the price."""


class Later(SystemClock):
    """The machine's clock, some time from now."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)


@pytest.fixture(scope="module")
def server() -> Iterator[BatchServer]:
    with batch_server() as running:
        yield running


@pytest.fixture
def clock() -> Iterator[Later]:
    later = Later()
    for folder in ("call_provider", "poll_batches"):
        wired = wiring(folder)
        wired.clock = later
        for made in ("batch_jobs", "transport", "result_transport"):
            wired.__dict__.pop(made, None)
    load_handler("call_provider")._ports.cache_clear()
    yield later
    for folder, name in (("call_provider", "transport"), ("poll_batches", "result_transport")):
        wired = wiring(folder)
        if name in wired.__dict__:
            wired.event_loop.run_until_complete(wired.__dict__.pop(name).__aexit__(None, None, None))
        if "event_loop" in wired.__dict__:
            wired.__dict__.pop("event_loop").close()
        wired.clock = SystemClock()
        wired.__dict__.pop("batch_jobs", None)
    load_handler("call_provider")._ports.cache_clear()


class BatchRun:
    """A planned run whose variants are both asked through the batch interface."""

    def __init__(self, workspace: str, server: BatchServer, aws: FakeAws, clock: Later) -> None:
        self.workspace, self.server, self.clock = workspace, server, clock
        self.tasks = RecordedTasks()
        self.wired: Wiring = wiring("api")
        self.queue_url = aws.queue_urls["openai_chat"]
        self.sqs = boto3.client("sqs", region_name=REGION)
        wiring("call_provider").__dict__["tasks"] = self.tasks
        secret = f"{SECRETS_PREFIX}{workspace}"
        boto3.client("secretsmanager", region_name=REGION).create_secret(Name=secret, SecretString="sk-batch")
        price = ModelPrice(input_usd_per_million=Decimal(100), output_usd_per_million=Decimal(600))
        provider = ModelProvider(
            id="local",
            vendor="openai_chat",
            base_url=server.base_url("openai_chat"),
            secret_name=secret,
            prices={"small": price},
        )
        wiring("api").providers.put(workspace, provider)
        self.run = self._start()

    def _start(self) -> Any:
        frozen = freeze_rows([json.dumps(row).encode() for row in ROWS], "samples")
        self.wired.objects.put(object_keys.dataset_rows(self.workspace, frozen.version), b"".join(frozen.lines))
        dataset = a_dataset(self.workspace, kind="samples", version=frozen.version, summary=frozen.summary)
        self.wired.datasets.freeze(dataset)
        body = definition_body(dataset={"version": frozen.version})
        for variant in body["variants"].values():
            variant["mode"] = "batch"
        definition = TestDefinition.model_validate(body)
        test = a_test(self.workspace, definition=definition, dataset=frozen.summary)
        self.wired.tests.create(test)
        run = self.wired.runs.start(a_run(test, cap_usd=None), None)
        self.invoke("plan_run", {"workspace": self.workspace, "run_id": run.run_id})
        return run

    def invoke(self, folder: str, event: Any) -> dict[str, Any]:
        """Invoke a function as Lambda does."""
        result: dict[str, Any] = json.loads(json.dumps(load_handler(folder).lambda_handler(event, LambdaContext())))
        return result

    def messages(self) -> list[GenerateMessage]:
        """Return what the state machine sends."""
        key = object_keys.generate_manifest(self.workspace, self.run.run_id, 0)
        items = [GenerateItem.model_validate_json(line) for line in self.wired.objects.lines(key)]
        return [GenerateMessage(task_token=f"token-{n}", batch=item) for n, item in enumerate(items)]

    def work(self, *messages: GenerateMessage) -> None:
        """Deliver messages to the worker."""
        answered = self.invoke("call_provider", sqs_event(*messages))
        assert answered == {"batchItemFailures": []}

    def poll(self, after_s: float = 61.0) -> dict[str, Any]:
        """Let time pass, then let the schedule ring."""
        self.clock.ahead_s += after_s
        return self.invoke("poll_batches", {"version": "0", "source": "aws.scheduler", "detail": {}})

    def poll_all(self) -> dict[str, Any]:
        """Have every job looked at now."""
        return self.invoke("poll_batches", {"all": True})

    def queued(self) -> list[GenerateMessage]:
        """Return the messages that were put back into the vendor's queue."""
        found: list[GenerateMessage] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
                found.append(GenerateMessage.model_validate_json(message["Body"]))
        return found

    def rows(self, variant: str) -> list[Any]:
        """Return the responses of a variant."""
        return RunBodies(self.wired.objects, self.workspace, self.run.run_id).responses(0, variant, 0)


@pytest.fixture
def run(workspace: str, server: BatchServer, aws: FakeAws, clock: Later) -> BatchRun:
    server.jobs.clear()
    server.paid.clear()
    return BatchRun(workspace, server, aws, clock)


@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
def test_a_run_by_batch_is_answered__when_its_jobs_have_ended(run: BatchRun) -> None:
    run.work(*run.messages())
    assert (run.tasks.succeeded, run.tasks.failed) == ([], [])
    assert [len(job.requests) for job in run.server.jobs] == [12, 12]
    waiting = run.wired.runs.progress(run.workspace, run.run.run_id).waiting
    assert [(one.why, one.batches, one.provider) for one in waiting] == [("batch_interface", 2, "local")]

    assert run.poll(5)["moved"] == 0
    assert (run.poll_all()["moved"], run.poll()["ended"]) == (2, 0)
    run.server.finish()
    polled = run.poll()
    assert (polled["ended"], polled["answered"], polled["failed"], polled["broken"]) == (2, 24, 0, 0)
    messages = run.queued()
    assert sorted(message.task_token for message in messages) == ["token-0", "token-1"]
    run.work(*messages)

    assert sorted(token for token, _ in run.tasks.succeeded) == ["token-0", "token-1"]
    asked = {row["id"]: f"re: Capital of {row['inputs']['country']}?" for row in ROWS}
    assert {row.sample_id: row.text for row in run.rows("terse")} == asked
    assert {(row.price_source, row.cost_usd, row.latency_ms) for row in run.rows("wordy")} == {
        ("configured, batch", COST_USD, None)
    }
    spending = run.wired.runs.spending(run.workspace, run.run.run_id)
    assert (spending.calls, spending.spent_usd) == (24, 24 * COST_USD)
    progress = run.wired.runs.progress(run.workspace, run.run.run_id)
    assert (progress.responses_done, progress.waiting) == (24, ())
    assert run.poll()["open"] == 0
    assert {recorded.headers["authorization"] for recorded in run.server.recorded} == {"Bearer sk-batch"}


@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
def test_a_run_that_is_cancelled__tells_its_tasks_and_its_vendor(run: BatchRun) -> None:
    run.work(*run.messages())
    run.wired.runs.stop(run.workspace, run.run.run_id, "cancelled", None)
    run.poll()
    run.work(*run.queued())
    assert sorted(failed[:2] for failed in run.tasks.failed) == [
        ("token-0", "RunCancelledError"),
        ("token-1", "RunCancelledError"),
    ]
    assert {job.state for job in run.server.jobs} == {"cancelling"}
    run.server.finish("cancelled")
    run.poll()

    assert run.queued() == []
    assert run.wired.runs.spending(run.workspace, run.run.run_id).calls == 24
    assert run.poll()["open"] == 0


@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
def test_a_vendor_without_a_batch_interface_fails_the_run(run: BatchRun) -> None:
    run.server.faults.statuses = [404]
    run.work(run.messages()[0])

    assert [failed[:2] for failed in run.tasks.failed] == [("token-0", "ProviderConfigurationError")]
    error = run.wired.runs.stop_error(run.workspace, run.run.run_id)
    assert error is not None
    assert "mode: direct" in json.dumps(error)
