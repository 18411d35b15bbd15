"""A run's steps over stores in memory, with a provider that is asked through the real codec."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from entities import VERSION, a_dataset, a_run, a_test
from harness.judge_server import filled, schema_in
from recorders import RecordedQueue, RecordedTasks

from abtest.adapters.dynamodb.control import StoredRunControl
from abtest.adapters.memory.batch_jobs import MemoryBatchJobStore
from abtest.adapters.memory.datasets import MemoryBudgetStore, MemoryDatasetStore
from abtest.adapters.memory.ledger import MemoryLedger
from abtest.adapters.memory.objects import MemoryObjectStore
from abtest.adapters.memory.providers import MemoryProviderStore
from abtest.adapters.memory.runs import MemoryRunStore
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.adapters.memory.tests import MemoryTestStore
from abtest.contracts import object_keys
from abtest.contracts.definition import TestDefinition
from abtest.contracts.steps import (
    AskItem,
    GenerateItem,
    GenerateMessage,
    JudgeItem,
    JudgeMessage,
    JudgeResult,
    QueuedMessage,
    RunInput,
    WaveState,
)
from abtest.core.clock import SystemClock
from abtest.core.errors import ProviderConfigurationError, StoreUnavailableError
from abtest.management.datasets import freeze_rows
from abtest.management.model import DatasetKind, Run
from abtest.providers.model import CallFailure, HttpReply, HttpRequest
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.judge_batch import JudgeBatchPorts, judge_batch
from abtest.runtime.steps.plan_run import PlanRunPorts, plan_run
from abtest.runtime.steps.queue_worker import WorkerPorts
from abtest.runtime.steps.queued_batch import answer_queued

WORKSPACE = "team"
QUEUES = {"openai_chat": "https://sqs/openai_chat", "replay": "https://sqs/replay"}
SECRET = "abtest/local/providers/local"
PRICE = ModelPrice(input_usd_per_million=Decimal(100), output_usd_per_million=Decimal(900))
COST_USD = Decimal("0.001")
"""Of one answer of `ok`: 1 token in, 1 out."""
PROVIDER = ModelProvider(
    id="local",
    vendor="openai_chat",
    base_url="http://127.0.0.1:9/v1",
    secret_name=SECRET,
    max_in_flight=4,
    prices={"small": PRICE, "judge-1": PRICE, "judge-2": PRICE},
)
Reply = HttpReply | CallFailure


def ok(text: str) -> HttpReply:
    """Return an answer that costs `COST_USD`."""
    document = {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return HttpReply(status=200, headers={}, body=json.dumps(document).encode())


def refusal(status: int) -> HttpReply:
    """Return an error of the provider."""
    return HttpReply(status=status, headers={}, body=b'{"error": {"message": "no"}}')


@dataclass
class ScriptedProvider:
    """A `Transport` that answers by a function of the prompt, and counts what it was asked.

    Args:
        script: of prompts of variants.
        judge: of the bodies of requests of judges: those that ask for a model whose name begins with `judge`.
        bodies: of the judges' requests, in order.
    """

    script: Callable[[str], Reply] = lambda prompt: ok(prompt.removeprefix("Capital of ").removesuffix("?") + " City")
    judge: Callable[[dict[str, Any]], Reply] = lambda body: ok(json.dumps(filled(schema_in(body), 4)))
    latency_s: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    keys: set[str | None] = field(default_factory=set)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, request: HttpRequest, timeout_s: float) -> Reply:
        body = json.loads(request.body)
        judges = str(body["model"]).startswith("judge")
        prompt = body["messages"][-1]["content"]
        if judges:
            self.bodies.append(body)
        else:
            self.asked[prompt] += 1
        self.keys.add(request.headers.get("authorization"))
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        return self.judge(body) if judges else self.script(prompt)


class FragileObjects(MemoryObjectStore):
    """A bucket that is away for keys with a word in them."""

    def __init__(self) -> None:
        super().__init__()
        self.away: str | None = None

    def put(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        if self.away is not None and self.away in key:
            raise StoreUnavailableError("S3 is not available; try again later.")
        super().put(key, body, content_type=content_type)


class StepWorld:
    """One run and everything its steps use."""

    def __init__(self, definition: dict[str, Any], rows: list[dict[str, Any]], *, batch_size: int = 10) -> None:
        self.clock = SystemClock()
        self.tests = MemoryTestStore()
        self.runs = MemoryRunStore(self.tests)
        self.datasets = MemoryDatasetStore()
        self.budgets = MemoryBudgetStore()
        self.objects = FragileObjects()
        self.providers = MemoryProviderStore()
        self.ledger = MemoryLedger(self.clock)
        self.batch_jobs = MemoryBatchJobStore()
        self.tasks = RecordedTasks()
        self.queue = RecordedQueue()
        self.provider = ScriptedProvider()
        self.shared = MemorySharedState()
        self.secrets = {SECRET: "sk-1"}
        self.batch_size = batch_size
        self.workspace_budget_usd: Decimal | None = None
        self.queue_urls = dict(QUEUES)
        self.remaining_s = 120.0
        self.providers.put(WORKSPACE, PROVIDER)
        self.rows = rows
        version = self.freeze(rows, "samples")
        self.test = a_test(
            WORKSPACE, definition=TestDefinition.model_validate({**definition, "dataset": {"version": version}})
        )
        self.tests.create(self.test)
        self.run = self.start()

    def freeze(self, rows: list[dict[str, Any]], kind: DatasetKind) -> str:
        """Keep rows as a frozen dataset and return its version."""
        frozen = freeze_rows([json.dumps(row).encode() for row in rows], kind)
        self.objects.put(object_keys.dataset_rows(WORKSPACE, frozen.version), b"".join(frozen.lines))
        self.datasets.freeze(a_dataset(WORKSPACE, kind=kind, version=frozen.version, summary=frozen.summary))
        return frozen.version

    def start(self, **changes: Any) -> Run:
        """Start a run of the test, which becomes the one that is worked on."""
        cap_usd = self.test.definition.budget.cap_usd
        self.run = self.runs.start(a_run(self.test, **{"cap_usd": cap_usd, **changes}), None)
        return self.run

    @property
    def input(self) -> RunInput:
        """What starts the execution."""
        return RunInput(workspace=WORKSPACE, run_id=self.run.run_id)

    @property
    def bodies(self) -> RunBodies:
        """The run's rows."""
        return RunBodies(self.objects, WORKSPACE, self.run.run_id)

    @property
    def stored(self) -> Run:
        """The run as it is kept now."""
        return self.runs.get(WORKSPACE, self.run.run_id)

    def plan(self) -> WaveState:
        """Run PlanRun."""
        return plan_run(
            self.input,
            PlanRunPorts(
                tests=self.tests,
                runs=self.runs,
                budgets=self.budgets,
                providers=self.providers,
                objects=self.objects,
                queue_urls=self.queue_urls,
                batch_size=self.batch_size,
                workspace_budget_usd=self.workspace_budget_usd,
            ),
        )

    def generate_items(self, wave: int = 0) -> list[GenerateItem]:
        """Return the lines of a wave's manifest of batches x variants."""
        key = object_keys.generate_manifest(WORKSPACE, self.run.run_id, wave)
        return [GenerateItem.model_validate_json(line) for line in self.objects.lines(key)]

    def judge_items(self, wave: int = 0) -> list[JudgeItem]:
        """Return the lines of a wave's manifest of batches x judges in code."""
        key = object_keys.judge_manifest(WORKSPACE, self.run.run_id, wave)
        return [JudgeItem.model_validate_json(line) for line in self.objects.lines(key)]

    def ask_items(self, wave: int = 0) -> list[AskItem]:
        """Return the lines of a wave's manifest of batches x judges that ask a model."""
        key = object_keys.ask_manifest(WORKSPACE, self.run.run_id, wave)
        return [AskItem.model_validate_json(line) for line in self.objects.lines(key)]

    def escalation_items(self, wave: int = 0) -> list[AskItem]:
        """Return the lines of a wave's manifest of judges that wait for disagreements."""
        key = object_keys.escalation_manifest(WORKSPACE, self.run.run_id, wave)
        return [AskItem.model_validate_json(line) for line in self.objects.lines(key)]

    def message(self, number: int = 0) -> GenerateMessage:
        """Return what the queue carries for one line of the first wave's manifest."""
        return GenerateMessage(task_token=f"token-{number}", batch=self.generate_items()[number])

    def call(self, message: QueuedMessage | None = None) -> Any:
        """Deliver a message to a worker of its own, and return the counts it reported."""
        loop = asyncio.new_event_loop()
        try:
            return answer_queued(message or self.message(), "receipt", lambda: self.remaining_s, self.call_ports(loop))
        finally:
            loop.close()

    def ask(self, item: AskItem) -> JudgeResult | None:
        """Deliver the message of a judge that asks a model."""
        result: JudgeResult | None = self.call(JudgeMessage(task_token=item.progress_key, batch=item))
        return result

    def call_ports(self, loop: asyncio.AbstractEventLoop) -> WorkerPorts:
        """Return what a worker needs."""
        return WorkerPorts(
            runs=self.runs,
            objects=self.objects,
            queues=self.queue,
            queue_urls=self.queue_urls,
            tasks=self.tasks,
            transport=self.provider,
            ledger=self.ledger.of,
            control=lambda workspace, run_id: StoredRunControl(self.runs, workspace, run_id),
            api_key=self._key,
            clock=self.clock,
            jitter=lambda: 0.0,
            run_async=loop.run_until_complete,
            message_lease_s=30,
            shared=self.shared,
            batch_jobs=self.batch_jobs,
        )

    def judge(self, item: JudgeItem) -> JudgeResult:
        """Run JudgeBatch for one line of the manifest."""
        return judge_batch(item, JudgeBatchPorts(runs=self.runs, objects=self.objects))

    def _key(self, name: str) -> str:
        if name not in self.secrets:
            raise ProviderConfigurationError(f"The secret {name!r} cannot be read.")
        return self.secrets[name]


def rows(count: int) -> list[dict[str, Any]]:
    """Return so many samples."""
    return [{"id": f"s{n:03d}", "inputs": {"country": f"Land{n}"}, "reference": f"Land{n} City"} for n in range(count)]


__all__ = ["COST_USD", "PROVIDER", "VERSION", "WORKSPACE", "ScriptedProvider", "StepWorld", "ok", "refusal", "rows"]
