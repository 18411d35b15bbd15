"""`TestOrchestrator`: what a person does with tests and runs.

Depends on: the ports, the checks, the estimate. Used by: the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from abtest.contracts.definition import TestDefinition
from abtest.contracts.judging import JudgeFacts
from abtest.core.clock import Clock
from abtest.core.errors import AbTestError, ConflictError, InputIssue, InvalidInputError
from abtest.core.hashing import content_hash
from abtest.core.ids import new_id
from abtest.management.definition_checks import CheckedDefinition, DefinitionChecks
from abtest.management.endings import ended, explained
from abtest.management.estimate import EstimatePorts, estimate_run
from abtest.management.lifecycle import next_status
from abtest.management.model import DatasetSummary, Estimate, Run, RunError, RunPhase, Test, TestStatus
from abtest.management.ports import (
    DatasetStore,
    IdempotentRequest,
    JudgeCatalogue,
    PriceOf,
    ProviderDirectory,
    ProviderFacts,
    RunStore,
    TestStore,
    TokenCounter,
    UsageHistory,
    Workflow,
)
from abtest.management.rejudging import (
    Rejudging,
    check_source,
    clashes,
    read_request,
    rejudged_definition,
    request_path,
)

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

    def create_test(
        self, raw: Mapping[str, Any], *, workspace: str, created_by: str, told: Sequence[InputIssue] = ()
    ) -> Test:
        """Check a definition whole, estimate it and keep the test READY.

        Args:
            raw: decoded JSON or YAML.
            workspace: of the person.
            created_by: the person.
            told: issues that were found before.

        Raises:
            InvalidInputError: with every issue of every kind.
        """
        known = self.providers.facts(workspace)
        checked = self._checks(workspace, known).definition(raw)
        issues = [*told, *checked.issues]
        if issues or checked.definition is None or checked.dataset is None:
            raise InvalidInputError("The test definition cannot be used.", issues)
        test = Test(
            test_id=new_id("test"),
            workspace=workspace,
            status=next_status(TestStatus.DRAFT, "validate"),
            definition=checked.definition,
            dataset=checked.dataset,
            estimate=self._estimate(checked.definition, checked.dataset, checked, known, workspace),
            warnings=tuple(checked.warnings),
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
        return self._start(
            self._new_run(test, started_by, test.definition.budget.cap_usd),
            _request(idempotency_key, {"test_id": test_id, "what": "start_run"}),
        )

    def plan_rejudging(
        self, run_id: str, raw: Mapping[str, Any], *, workspace: str, told: Sequence[InputIssue] = ()
    ) -> Rejudging:
        """Check and estimate what it takes to judge a run's answers anew; nothing starts.

        Args:
            run_id: the run whose answers are judged.
            raw: see `RejudgeRequest`.
            workspace: of the person.
            told: issues that were found before.

        Raises:
            NotFoundError: no such run.
            ConflictError: it did not complete.
            InvalidInputError: with every issue of every kind.
        """
        source = self.runs.get(workspace, run_id)
        check_source(source)
        test = self.tests.get(workspace, source.test_id)
        request, issues = read_request(raw)
        issues = [*told, *issues]
        if request is None:
            raise InvalidInputError("The run cannot be judged anew by this.", issues)
        before = source.definition or test.definition
        issues += clashes(request, before)
        body, warnings = rejudged_definition(request, before, self.judges.facts(before.judges))
        known = self.providers.facts(workspace)
        checked = self._checks(workspace, known).rejudging(body, test.dataset)
        issues += [replace(issue, path=request_path(issue.path)) for issue in checked.issues]
        if issues or checked.definition is None:
            raise InvalidInputError("The run cannot be judged anew by this.", issues)
        if source.stopped_early is not None:
            warnings.append(
                f"Run {run_id} stopped early by what its own judges said; the samples after that have no answers."
            )
        return Rejudging(
            source=source,
            definition=checked.definition,
            estimate=self._estimate(checked.definition, test.dataset, checked, known, workspace, asks_variants=False),
            warnings=(*warnings, *checked.warnings),
        )

    def rejudge_run(
        self,
        run_id: str,
        raw: Mapping[str, Any],
        *,
        workspace: str,
        started_by: str,
        idempotency_key: str | None,
        told: Sequence[InputIssue] = (),
    ) -> Run:
        """Start a run that judges the answers of another one anew, without asking the variants' models.

        Args:
            run_id: the run whose answers are judged; it stays as it is.
            raw: see `RejudgeRequest`.
            workspace: of the person.
            started_by: the person.
            idempotency_key: the same key starts nothing twice.
            told: issues that were found before.

        Raises:
            NotFoundError: no such run.
            ConflictError: it did not complete.
            InvalidInputError: with every issue of every kind.
            IllegalTransitionError: the test is running.
            StoreUnavailableError: the workflow could not be started; the run is marked as failed.
        """
        request = _request(idempotency_key, {"run_id": run_id, "what": "rejudge_run", "body": dict(raw)})
        planned = self.plan_rejudging(run_id, raw, workspace=workspace, told=told)
        test = self.tests.get(workspace, planned.source.test_id)
        anew = {
            "rejudges": run_id,
            "definition": planned.definition,
            "estimate": planned.estimate,
            "warnings": planned.warnings,
        }
        return self._start(self._new_run(test, started_by, planned.cap_usd).model_copy(update=anew), request)

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

    def _new_run(self, test: Test, started_by: str, cap_usd: Decimal | None) -> Run:
        run_id = new_id("run")
        return Run(
            run_id=run_id,
            test_id=test.test_id,
            test_name=test.definition.name,
            workspace=test.workspace,
            status=TestStatus.RUNNING,
            phase=RunPhase.PLANNING,
            started_at=self.clock.now(),
            started_by=started_by,
            execution_arn=self.workflow.execution_arn(run_id),
            cap_usd=cap_usd,
        )

    def _start(self, new: Run, request: IdempotentRequest | None) -> Run:
        run = self.runs.start(new, request)
        if run.status == TestStatus.RUNNING:
            self._start_execution(run)
        return run

    def _start_execution(self, run: Run) -> None:
        try:
            self.workflow.start(run_id=run.run_id, workspace=run.workspace)
        except AbTestError as error:
            self.runs.finish(ended(run, self.clock.now(), RunError(**explained(error))), "fail")
            raise

    def _checks(self, workspace: str, known: Mapping[str, ProviderFacts]) -> DefinitionChecks:
        return DefinitionChecks(self.datasets, self.judges, known, workspace)

    def _estimate(
        self,
        definition: TestDefinition,
        dataset: DatasetSummary,
        checked: CheckedDefinition,
        known: Mapping[str, ProviderFacts],
        workspace: str,
        *,
        asks_variants: bool = True,
    ) -> Estimate:
        ports = EstimatePorts(
            providers=known,
            price_of=self.price_book(known),
            counter=self.counter,
            history=self.history(workspace),
            workers=self.workers,
            schema_text=lambda judge: self.judges.schema_text(definition.judges[judge.name]),
        )
        return estimate_run(
            definition,
            dataset,
            ports,
            judges=checked.facts,
            recordings=checked.recordings,
            detectable_effect=self._effect(definition, dataset, checked.facts),
            asks_variants=asks_variants,
        )

    def _effect(
        self, definition: TestDefinition, dataset: DatasetSummary, judges: Mapping[str, JudgeFacts]
    ) -> float | None:
        # Of scores it depends on how much they vary, which nobody knows beforehand.
        binary = {
            metric.name for fact in judges.values() if not fact.pairwise for metric in fact.metrics if metric.binary
        }
        if definition.primary_metric not in binary:
            return None
        return self.detectable_effect(dataset.clusters or dataset.rows, definition.design.alpha)


def _request(key: str | None, content: Mapping[str, Any]) -> IdempotentRequest | None:
    """Return a client's key with the hash of what it came with.

    Raises:
        InvalidInputError: the key is empty or too long.
    """
    if key is None:
        return None
    if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
        issue = InputIssue("Idempotency-Key", "empty or too long", f"{len(key)} characters", f"1 to {MAX_KEY_BYTES}")
        raise InvalidInputError("The header Idempotency-Key cannot be used.", [issue])
    return IdempotentRequest(key, content_hash(content))
