"""PlanRun: freezes what the run was started with, reserves the budget, cuts waves and batches.

Every write is a whole object under a key that the run alone has, so a retry repeats nothing but work.

Depends on: management. Used by: `functions/plan_run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version

from abtest import __version__
from abtest.contracts import object_keys
from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import Sample
from abtest.contracts.steps import RunInput, Step, WaveState
from abtest.core.errors import ConflictError, InputIssue, InvalidInputError, ProviderConfigurationError
from abtest.management import templates
from abtest.management.model import Run, RunFrozen, RunPhase, Test, TestStatus
from abtest.management.planning import PlannedWave, plan_waves
from abtest.management.ports import BudgetStore, ObjectStore, ProviderDirectory, ProviderFacts, RunStore, TestStore

_PARALLEL_WRITES = 16
_MOST_ISSUES = 100
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


def plan_run(step: RunInput, ports: PlanRunPorts) -> WaveState:
    """Plan a run and return the state of its first wave.

    Raises:
        ConflictError: the run has ended.
        BudgetExceededError: the workspace's budget does not cover the run's cap.
        ProviderConfigurationError: a provider is gone, or its vendor has no queue.
        InvalidInputError: a prompt cannot be rendered for some samples; nothing was spent.
    """
    run = ports.runs.get(step.workspace, step.run_id)
    if run.status != TestStatus.RUNNING:
        raise ConflictError(f"Run {step.run_id} is {run.status}; only a running run can be planned.")
    test = ports.tests.get(step.workspace, run.test_id)
    facts = _providers(step.workspace, test, ports)
    reserved = _reserve(run, test, ports)
    rows = list(ports.objects.lines(object_keys.dataset_rows(step.workspace, test.definition.dataset.version)))
    _check_prompts(test.definition, rows)
    waves = plan_waves(
        workspace=step.workspace,
        run_id=step.run_id,
        definition=test.definition,
        sample_count=len(rows),
        looks=test.definition.design.waves,
        batch_size=ports.batch_size,
        vendors={name: fact.vendor for name, fact in facts.items()},
        queue_urls=ports.queue_urls,
    )
    _write(step, waves, rows, ports.objects)
    _freeze(run, test, facts, waves, ports.objects)
    planned = {
        "phase": RunPhase.GENERATING,
        "reserved_usd": reserved,
        "responses_total": sum(item.size for wave in waves for item in wave.generate),
        "verdicts_total": sum(item.size for wave in waves for item in wave.judge) * len(test.definition.variants),
        "looks_planned": len(waves),
    }
    ports.runs.update(run.model_copy(update=planned))
    return WaveState.of(step, 0)


def _providers(workspace: str, test: Test, ports: PlanRunPorts) -> dict[str, ProviderFacts]:
    known = ports.providers.facts(workspace)
    wanted = {variant.provider for variant in test.definition.variants.values()}
    gone = sorted(wanted - known.keys())
    if gone:
        raise ProviderConfigurationError(
            f"No longer registered: {', '.join(gone)}.",
            details={"what_to_do": "Register the provider again (`abtest providers add`), then start the run again."},
        )
    without_queue = sorted(known[name].vendor for name in wanted if known[name].vendor not in ports.queue_urls)
    if without_queue:
        raise ProviderConfigurationError(
            f"This deployment has no queue for: {', '.join(without_queue)}.",
            details={"what_to_do": "Deploy the current version, then start the run again."},
        )
    return {name: known[name] for name in wanted}


def _reserve(run: Run, test: Test, ports: PlanRunPorts) -> Decimal | None:
    # Without a cap the upper bound of the estimate is what a run may need; an unknown price reserves nothing.
    amount = run.cap_usd if run.cap_usd is not None else test.estimate.cost_usd_max
    if amount is not None:
        ports.budgets.reserve(run.workspace, run.run_id, amount, ports.workspace_budget_usd)
    return amount


def _check_prompts(definition: TestDefinition, rows: Sequence[bytes]) -> None:
    # Templates that only insert were checked with the definition; what others make of a sample, only rendering tells.
    prompts = [
        (f"variants.{name}.prompt.{field}", source)
        for name, variant in definition.variants.items()
        if variant.prompt is not None
        for field, source in variant.prompt.parts().items()
        if not templates.only_inserts(source)
    ]
    if not prompts:
        return
    issues = [
        issue
        for number, row in enumerate(map(Sample.model_validate_json, rows), start=1)
        for path, source in prompts
        for issue in _prompt_issues(path, source, row, number)
    ]
    if issues:
        error = InvalidInputError(
            f"{len(issues)} prompts cannot be made, and nothing was spent. The first: {issues[0].sentence()}.",
            issues[:_MOST_ISSUES],
        )
        error.details["what_to_do"] = "Correct the template or the samples, and create the test again."
        raise error


def _prompt_issues(path: str, source: str, sample: Sample, number: int) -> list[InputIssue]:
    try:
        prompt = templates.render(source, sample.inputs)
    except InvalidInputError as error:
        return [InputIssue(path, f"sample {sample.id!r}: {error.message}", line=number)]
    blank = InputIssue(path, f"sample {sample.id!r}: the prompt is empty", allowed="text in each prompt", line=number)
    return [] if prompt.strip() else [blank]


def _write(step: RunInput, waves: Sequence[PlannedWave], rows: Sequence[bytes], objects: ObjectStore) -> None:
    bodies: dict[str, bytes] = {}
    for wave in waves:
        for batch, indices in enumerate(wave.batches):
            key = object_keys.samples(step.workspace, step.run_id, wave.wave, batch)
            bodies[key] = b"".join(rows[i].rstrip(b"\n") + b"\n" for i in indices)
        bodies[object_keys.generate_manifest(step.workspace, step.run_id, wave.wave)] = _jsonl(wave.generate)
        bodies[object_keys.judge_manifest(step.workspace, step.run_id, wave.wave)] = _jsonl(wave.judge)
    with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
        list(pool.map(lambda pair: objects.put(pair[0], pair[1], content_type=object_keys.JSONL), bodies.items()))


def _freeze(
    run: Run, test: Test, facts: Mapping[str, ProviderFacts], waves: Sequence[PlannedWave], objects: ObjectStore
) -> None:
    frozen = RunFrozen(
        run_id=run.run_id,
        test_id=test.test_id,
        definition=test.definition,
        dataset=test.dataset,
        providers={name: dict(fact.registration) for name, fact in facts.items()},
        started_at=run.started_at,
        batches_by_wave=tuple(len(wave.batches) for wave in waves),
        estimate=test.estimate,
        versions=_versions(),
    )
    objects.put(object_keys.frozen(run.workspace, run.run_id), frozen.model_dump_json().encode())


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
