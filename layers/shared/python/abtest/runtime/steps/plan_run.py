"""PlanRun: freezes what the run was started with, reserves the budget, cuts waves and batches.

Every write is a whole object under a key that the run alone has, so a retry repeats nothing but work. A run that
judges another one's answers anew takes them over here, cut as they are.

Depends on: evaluation, management. Used by: `functions/plan_run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from abtest import __version__
from abtest.contracts import object_keys
from abtest.contracts.definition import TestDefinition
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.steps import RunInput, Step, WaveState
from abtest.core.errors import ConflictError, ProviderConfigurationError
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import judge_facts
from abtest.management.model import Estimate, Run, RunFrozen, RunPhase, Test, TestStatus
from abtest.management.planning import PlannedWave, RunToPlan, plan_judging, plan_waves
from abtest.management.ports import BudgetStore, ObjectStore, ProviderDirectory, ProviderFacts, RunStore, TestStore
from abtest.runtime.steps.copied_answers import EarlierAnswers, copy_answers, earlier_answers
from abtest.runtime.steps.prompt_checks import check_prompts

_PARALLEL_WRITES = 16
_PACKAGES = ("numpy", "scipy", "httpx", "genai-prices")


@dataclass(frozen=True)
class PlanRunPorts:
    """What planning needs.

    Args:
        queue_urls: queue by vendor.
        batch_size: most samples a worker takes at a time.
        workspace_budget_usd: None is no limit.
    """

    tests: TestStore
    runs: RunStore
    budgets: BudgetStore
    providers: ProviderDirectory
    objects: ObjectStore
    queue_urls: Mapping[str, str]
    batch_size: int
    workspace_budget_usd: Decimal | None


@dataclass(frozen=True)
class _Started:
    """A run with what it was started with.

    Args:
        definition: the run's own where it judges anew, else the test's.
        estimate: likewise.
        judges: facts of its judges, by name.
        providers: those it asks.
        earlier: the answers it judges anew; None where it asks for its own.
    """

    run: Run
    test: Test
    definition: TestDefinition
    estimate: Estimate | None
    judges: dict[str, JudgeFacts]
    providers: Mapping[str, ProviderFacts]
    earlier: EarlierAnswers | None


def plan_run(step: RunInput, ports: PlanRunPorts) -> WaveState:
    """Plan a run and return the state of its first wave.

    Raises:
        ConflictError: the run has ended, or the answers that it judges anew are gone.
        BudgetExceededError: the workspace's budget does not cover the run's cap.
        ProviderConfigurationError: a provider is gone, or its vendor has no queue.
        InvalidInputError: a prompt cannot be rendered for some samples; nothing was spent.
    """
    started = _started(step, ports)
    reserved = _reserve(started, ports)
    waves, rows = _planned(started, ports)
    _write(step, waves, rows, ports.objects)
    _freeze(started, waves, rows, ports.objects)
    if started.earlier is None:
        responses = sum(item.size for wave in waves for item in wave.generate)
    else:
        responses = copy_answers(started.run, started.earlier, ports.runs, ports.objects)
    planned = {
        "phase": RunPhase.GENERATING,
        "reserved_usd": reserved,
        "responses_total": responses,
        # What is judged only where others disagree cannot be counted beforehand.
        "verdicts_total": sum(item.size for wave in waves for item in (*wave.judge, *wave.ask)),
        "looks_planned": len(waves),
    }
    ports.runs.update(started.run.model_copy(update=planned))
    return WaveState.of(
        step,
        0,
        copied=started.earlier is not None,
        scored_by_code=any(wave.judge for wave in waves),
        asks_judges=any(wave.ask for wave in waves),
        escalates=any(wave.escalate for wave in waves),
    )


def _started(step: RunInput, ports: PlanRunPorts) -> _Started:
    run = ports.runs.get(step.workspace, step.run_id)
    if run.status != TestStatus.RUNNING:
        raise ConflictError(f"Run {step.run_id} is {run.status}; only a running run can be planned.")
    test = ports.tests.get(step.workspace, run.test_id)
    definition = run.definition or test.definition
    judges = judge_facts(
        [
            JudgeConfiguration(name=name, type=judge.type, parameters=judge.parameters)
            for name, judge in definition.judges.items()
        ]
    )
    wanted = {asked.provider for facts in judges.values() for asked in facts.models}
    if run.rejudges is None:
        wanted |= {variant.provider for variant in definition.variants.values()}
    return _Started(
        run=run,
        test=test,
        definition=definition,
        estimate=run.estimate if run.rejudges is not None else test.estimate,
        judges=judges,
        providers=_providers(step.workspace, wanted, ports),
        earlier=None if run.rejudges is None else earlier_answers(run, ports.runs, ports.objects),
    )


def _providers(workspace: str, wanted: set[str], ports: PlanRunPorts) -> dict[str, ProviderFacts]:
    known = ports.providers.facts(workspace)
    gone = sorted(wanted - known.keys())
    if gone:
        raise ProviderConfigurationError(
            f"No longer registered: {', '.join(gone)}.",
            details={"what_to_do": "Register the provider again (`abtest providers add`), then start the run again."},
        )
    without_queue = sorted({known[name].vendor for name in wanted} - ports.queue_urls.keys())
    if without_queue:
        raise ProviderConfigurationError(
            f"This deployment has no queue for: {', '.join(without_queue)}.",
            details={"what_to_do": "Deploy the current version, then start the run again."},
        )
    return {name: known[name] for name in wanted}


def _reserve(started: _Started, ports: PlanRunPorts) -> Decimal | None:
    # Without a cap the upper bound of the estimate is what a run may need; an unknown price reserves nothing.
    run, estimate = started.run, started.estimate
    most = estimate.cost_usd_max if estimate is not None else None
    amount = run.cap_usd if run.cap_usd is not None else most
    if amount is not None:
        ports.budgets.reserve(run.workspace, run.run_id, amount, ports.workspace_budget_usd)
    return amount


def _planned(started: _Started, ports: PlanRunPorts) -> tuple[tuple[PlannedWave, ...], Sequence[bytes]]:
    """Return the waves, and the rows of the samples that their batches number."""
    run, definition = started.run, started.definition
    plan = RunToPlan(
        workspace=run.workspace,
        run_id=run.run_id,
        definition=definition,
        judges=started.judges,
        vendors={name: facts.vendor for name, facts in started.providers.items()},
        queue_urls=ports.queue_urls,
    )
    if started.earlier is not None:
        return plan_judging(plan, started.earlier.sizes), started.earlier.samples
    rows = list(ports.objects.lines(object_keys.dataset_rows(run.workspace, definition.dataset.version)))
    check_prompts(definition, rows)
    return plan_waves(plan, sample_count=len(rows), looks=definition.design.waves, batch_size=ports.batch_size), rows


def _write(step: RunInput, waves: Sequence[PlannedWave], rows: Sequence[bytes], objects: ObjectStore) -> None:
    bodies: dict[str, bytes] = {}
    for wave in waves:
        place = (step.workspace, step.run_id, wave.wave)
        for batch, indices in enumerate(wave.batches):
            bodies[object_keys.samples(*place, batch)] = b"".join(rows[i].rstrip(b"\n") + b"\n" for i in indices)
        for key, lines in (
            (object_keys.generate_manifest(*place), wave.generate),
            (object_keys.judge_manifest(*place), wave.judge),
            (object_keys.ask_manifest(*place), wave.ask),
            (object_keys.escalation_manifest(*place), wave.escalate),
        ):
            if lines:
                bodies[key] = _jsonl(lines)
    with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
        list(pool.map(lambda pair: objects.put(pair[0], pair[1], content_type=object_keys.JSONL), bodies.items()))


def _freeze(started: _Started, waves: Sequence[PlannedWave], rows: Sequence[bytes], objects: ObjectStore) -> None:
    run, test, earlier = started.run, started.test, started.earlier
    frozen = RunFrozen(
        run_id=run.run_id,
        test_id=test.test_id,
        definition=started.definition,
        # A run that stopped before its last wave has fewer samples than its dataset.
        dataset=test.dataset if earlier is None else earlier.frozen.dataset.model_copy(update={"rows": len(rows)}),
        providers=_registrations(started),
        started_at=run.started_at,
        batches_by_wave=tuple(len(wave.batches) for wave in waves),
        judges=started.judges,
        estimate=started.estimate,
        versions=_versions(),
    )
    objects.put(object_keys.frozen(run.workspace, run.run_id), frozen.model_dump_json().encode())


def _registrations(started: _Started) -> dict[str, dict[str, Any]]:
    """Return the registrations of the run's providers; of variants that are not asked, those they were asked with."""
    before = {} if started.earlier is None else started.earlier.frozen.providers
    return {**before, **{name: dict(facts.registration) for name, facts in started.providers.items()}}


def _versions() -> dict[str, str]:
    found = {"abtest": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            # Planning runs without the statistics layer; the analysis adds what it uses.
            continue
    return found


def _jsonl(items: Sequence[Step]) -> bytes:
    return b"".join(item.model_dump_json().encode() + b"\n" for item in items)
