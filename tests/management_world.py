"""A workspace in memory, and the service over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from entities import VERSION, FixedClock, a_dataset, a_summary, definition_body
from recorders import RecordedWorkflow

from abtest.adapters.memory.datasets import MemoryDatasetStore
from abtest.adapters.memory.providers import MemoryProviderStore
from abtest.adapters.memory.runs import MemoryRunStore
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.adapters.memory.tests import MemoryTestStore
from abtest.management.model import Test
from abtest.management.service import TestOrchestrator
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.runtime.catalogue import JudgeRegistry, ModelHistory, Tokenizers, price_book

WORKSPACE = "team"
PRICE = ModelPrice(input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(2))


@dataclass
class World:
    """A workspace with a provider and a dataset of 100 samples."""

    tests: MemoryTestStore = field(default_factory=MemoryTestStore)
    datasets: MemoryDatasetStore = field(default_factory=MemoryDatasetStore)
    providers: MemoryProviderStore = field(default_factory=MemoryProviderStore)
    workflow: RecordedWorkflow = field(default_factory=RecordedWorkflow)
    clock: FixedClock = field(default_factory=FixedClock)
    history: MemorySharedState = field(default_factory=MemorySharedState)

    def __post_init__(self) -> None:
        self.runs = MemoryRunStore(self.tests)
        self.providers.put(
            WORKSPACE, ModelProvider(id="local", vendor="openai_chat", prices={"small": PRICE}, max_in_flight=10)
        )
        self.datasets.freeze(a_dataset(WORKSPACE, version=VERSION, summary=a_summary(100)))
        self.service = TestOrchestrator(
            tests=self.tests,
            runs=self.runs,
            datasets=self.datasets,
            providers=self.providers,
            judges=JudgeRegistry(),
            workflow=self.workflow,
            price_book=price_book(self.clock.now),
            counter=Tokenizers(),
            history=lambda workspace: ModelHistory(self.history, workspace),
            detectable_effect=lambda n, alpha: 2.8 / n**0.5 if alpha == 0.05 else None,
            clock=self.clock,
        )

    def create(self, body: dict[str, Any] | None = None) -> Test:
        return self.service.create_test(body or definition_body(), workspace=WORKSPACE, created_by="ada")

    def complete(self, run_id: str) -> None:
        """End a run as if it had reached its verdict."""
        self.runs.finish(self.runs.get(WORKSPACE, run_id), "complete")

    def start(self, test: Test, key: str | None = None) -> str:
        run = self.service.start_run(test.test_id, workspace=WORKSPACE, started_by="ada", idempotency_key=key)
        return run.run_id
