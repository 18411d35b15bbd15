"""All rows of a run, read batch by batch, several at a time.

Depends on: analytics' plan, reporting's rows, the bodies. Used by: the steps that end a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from abtest.analytics.plan import AnalysisPlan, DesignPlan, ExpectedUse, GuardrailPlan
from abtest.contracts.records import ModelResponse, Sample, Verdict
from abtest.core.clock import iso
from abtest.management.model import Estimate, Run, RunFrozen
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.run_judges import families_of, judge_metrics

_PARALLEL_READS = 8


@dataclass(frozen=True)
class BatchRows:
    """One batch: its samples, the responses by variant and the verdicts of all judges."""

    samples: list[Sample]
    responses: Mapping[str, list[ModelResponse]]
    verdicts: list[Verdict]


def read_batches(bodies: RunBodies, frozen: RunFrozen, waves: slice = slice(None)) -> Iterator[BatchRows]:
    """Return the batches of a run in order, as far as they were done.

    Args:
        bodies: of the run.
        frozen: names its batches, variants and judges.
        waves: which waves.
    """
    numbered = list(enumerate(frozen.batches_by_wave))[waves]
    places = [(w, b) for w, count in numbered for b in range(count)]
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        yield from pool.map(lambda place: _read(bodies, frozen, *place), places)


def read_verdicts(bodies: RunBodies, frozen: RunFrozen, wave: int) -> Iterator[BatchRows]:
    """Return the batches of one wave without their responses.

    Args:
        bodies: of the run.
        frozen: names its batches and judges.
        wave: index from 0.
    """
    judges = frozen.definition.judges

    def read(batch: int) -> BatchRows:
        verdicts = [v for judge in judges for v in bodies.verdicts_so_far(wave, judge, batch)]
        return BatchRows(samples=bodies.samples(wave, batch), responses={}, verdicts=verdicts)

    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        yield from pool.map(read, range(frozen.batches_by_wave[wave]))


def analysis_plan(run: Run, frozen: RunFrozen, finished_at: str | None) -> AnalysisPlan:
    """Return what was declared before the run, as the analysis takes it."""
    definition = frozen.definition
    return AnalysisPlan(
        test_name=definition.name,
        run_id=run.run_id,
        control=definition.control,
        variants=tuple(definition.variants),
        judges=judge_metrics(frozen),
        primary_metric=definition.primary_metric,
        alpha=definition.design.alpha,
        design=DesignPlan(
            kind=definition.design.kind,
            looks=len(frozen.batches_by_wave),
            spending=definition.design.spending or "obrien_fleming",
            futility=definition.design.futility,
        ),
        guardrails=tuple(
            GuardrailPlan(name=name, **guardrail.model_dump()) for name, guardrail in definition.guardrails.items()
        ),
        primary_margin=definition.primary_margin,
        tie_margin=definition.tie_margin,
        seed=definition.seed,
        dataset_version=definition.dataset.version,
        description=definition.description or None,
        models={name: f"{variant.provider}/{variant.model}" for name, variant in definition.variants.items()},
        families=families_of(definition),
        expected=_expected(frozen.estimate),
        versions=frozen.versions,
        cap_usd=definition.budget.cap_usd,
        started_at=iso(frozen.started_at),
        finished_at=finished_at,
    )


def _expected(estimate: Estimate | None) -> dict[str, ExpectedUse]:
    """Return what was estimated for each variant that asks anything."""
    return {
        one.variant: ExpectedUse(
            calls=one.calls,
            input_tokens_expected=one.input_tokens_expected,
            input_tokens_max=one.input_tokens,
            input_counted_by=one.input_counted_by,
            input_error=one.input_error,
            output_tokens_expected=one.output_tokens_expected,
            output_tokens_max=one.output_tokens_max,
            cost_usd_expected=one.cost_usd_expected,
            cost_usd_max=one.cost_usd_max,
        )
        for one in (estimate.by_variant if estimate else ())
        if one.calls
    }


def _read(bodies: RunBodies, frozen: RunFrozen, wave: int, batch: int) -> BatchRows:
    definition = frozen.definition
    return BatchRows(
        samples=bodies.samples(wave, batch),
        responses={variant: bodies.responses_so_far(wave, variant, batch) for variant in definition.variants},
        verdicts=[v for judge in definition.judges for v in bodies.verdicts_so_far(wave, judge, batch)],
    )
