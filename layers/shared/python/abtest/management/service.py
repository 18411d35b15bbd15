"""`TestOrchestrator`: what a person does with tests and runs.

Depends on: the ports. Used by: the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from abtest.contracts.definition import DatasetReference, TestDefinition
from abtest.core.clock import Clock
from abtest.core.errors import AbTestError, ConflictError, InputIssue, InvalidInputError
from abtest.core.hashing import content_hash
from abtest.core.ids import new_id
from abtest.management.endings import ended, explained
from abtest.management.estimate import EstimatePorts, PriceOf, estimate_run
from abtest.management.lifecycle import next_status
from abtest.management.model import DatasetKind, DatasetSummary, Estimate, Run, RunError, RunPhase, Test, TestStatus
from abtest.management.ports import (
    DatasetStore,
    IdempotentRequest,
    JudgeCatalogue,
    ProviderDirectory,
    ProviderFacts,
    RunStore,
    TestStore,
    TokenCounter,
    UsageHistory,
    Workflow,
)
from abtest.management.provider_checks import check_providers
from abtest.management.validation import ReadableParts, check_against_dataset, check_definition

MAX_KEY_BYTES = 255
PriceBook = Callable[[Mapping[str, ProviderFacts]], PriceOf]
"""Makes a price function for the providers of a workspace."""


@dataclass(frozen=True)
class TestOrchestrator:
    """Creates tests, starts and cancels runs.

    Args:
        price_book: see `PriceBook`.
        counter: counts tokens for estimates.
        history: what models used in earlier runs, by workspace.
        workers: most that serve one provider at the same time.
        detectable_effect: smallest difference found 80 % of the time, by number of samples and alpha.
        workflow: starts executions.
    """

    __test__ = False

    tests: TestStore
    runs: RunStore
    datasets: DatasetStore
    providers: ProviderDirectory
    judges: JudgeCatalogue
    workflow: Workflow
    price_book: PriceBook
    counter: TokenCounter
    history: Callable[[str], UsageHistory]
    detectable_effect: Callable[[int, float], float | None]
    clock: Clock
    workers: int = 1

    def create_test(self, raw: Mapping[str, Any], *, workspace: str, created_by: str) -> Test:
        """Check a definition whole, estimate it and keep the test READY.

        Raises:
            InvalidInputError: with every issue of every kind.
        """
        definition, parts, issues = check_definition(raw, self.judges)
        known = self.providers.facts(workspace)
        issues += check_providers(parts.variants, known)
        for name, variant in parts.variants.items():
            if variant.recording is not None:
                issues += self._dataset(workspace, variant.recording, "recording", f"variants.{name}.recording")[1]
        dataset, warnings = self._samples(workspace, parts, issues)
        if issues or definition is None or dataset is None:
            raise InvalidInputError("The test definition cannot be used.", issues)
        test = Test(
            test_id=new_id("test"),
            workspace=workspace,
            status=next_status(TestStatus.DRAFT, "validate"),
            definition=definition,
            dataset=dataset,
            estimate=self._estimate(definition, dataset, known, workspace),
            warnings=tuple(warnings),
            created_at=self.clock.now(),
            created_by=created_by,
        )
        self.tests.create(test)
        return test

    def start_run(self, test_id: str, *, workspace: str, started_by: str, idempotency_key: str | None) -> Run:
        """Start a run of a test; the same key starts nothing twice.

        Raises:
            NotFoundError: no such test.
            InvalidInputError: the key is empty or too long.
            IllegalTransitionError: the test is running.
            StoreUnavailableError: the workflow could not be started; the run is marked as failed.
        """
        test = self.tests.get(workspace, test_id)
        request = None
        if idempotency_key is not None:
            _check_key(idempotency_key)
            request = IdempotentRequest(idempotency_key, content_hash({"test_id": test_id, "what": "start_run"}))
        run_id = new_id("run")
        run = self.runs.start(
            Run(
                run_id=run_id,
                test_id=test_id,
                test_name=test.definition.name,
                workspace=workspace,
                status=TestStatus.RUNNING,
                phase=RunPhase.PLANNING,
                started_at=self.clock.now(),
                started_by=started_by,
                execution_arn=self.workflow.execution_arn(run_id),
                cap_usd=test.definition.budget.cap_usd,
            ),
            request,
        )
        if run.status == TestStatus.RUNNING:
            self._start_execution(run)
        return run

    def cancel_run(self, run_id: str, *, workspace: str) -> Run:
        """Ask a run to stop; workers see it within a second or two.

        Raises:
            NotFoundError: no such run.
            ConflictError: it has ended.
        """
        run = self.runs.get(workspace, run_id)
        if run.status != TestStatus.RUNNING:
            raise ConflictError(f"Run {run_id} is {run.status}; only a running run can be cancelled.")
        self.runs.stop(workspace, run_id, "cancelled", None)
        return run

    def _start_execution(self, run: Run) -> None:
        try:
            self.workflow.start(run_id=run.run_id, workspace=run.workspace)
        except AbTestError as error:
            self.runs.finish(ended(run, self.clock.now(), RunError(**explained(error))), "fail")
            raise

    def _samples(
        self, workspace: str, parts: ReadableParts, issues: list[InputIssue]
    ) -> tuple[DatasetSummary | None, list[str]]:
        if parts.dataset is None:
            return None, []
        dataset, found = self._dataset(workspace, parts.dataset, "samples", "dataset")
        issues += found
        if dataset is None:
            return None, []
        lacking, warnings = check_against_dataset(parts, dataset, self.judges)
        issues += lacking
        return dataset, warnings

    def _dataset(
        self, workspace: str, reference: DatasetReference, kind: DatasetKind, path: str
    ) -> tuple[DatasetSummary | None, list[InputIssue]]:
        dataset = self.datasets.by_version(workspace, reference.version)
        if dataset is None or dataset.summary is None:
            allowed = "upload it: POST /v1/datasets, PUT the rows, POST .../complete"
            return None, [InputIssue(path, "no dataset with that version is ready", reference.version, allowed)]
        if dataset.kind != kind:
            return None, [InputIssue(path, "the dataset is of another kind", dataset.kind, kind)]
        return dataset.summary, []

    def _estimate(
        self, definition: TestDefinition, dataset: DatasetSummary, known: Mapping[str, ProviderFacts], workspace: str
    ) -> Estimate:
        units = dataset.clusters or dataset.rows
        ports = EstimatePorts(
            providers=known,
            price_of=self.price_book(known),
            counter=self.counter,
            history=self.history(workspace),
            workers=self.workers,
        )
        effect = self.detectable_effect(units, definition.design.alpha)
        return estimate_run(definition, dataset, ports, detectable_effect=effect)


def _check_key(key: str) -> None:
    if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
        issue = InputIssue("Idempotency-Key", "empty or too long", f"{len(key)} characters", f"1 to {MAX_KEY_BYTES}")
        raise InvalidInputError("The header Idempotency-Key cannot be used.", [issue])
