"""JudgeBatch: one batch, one judge that asks nobody, every variant.

Depends on: evaluation, management. Used by: `functions/judge_batch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import ModelResponse, Sample, Verdict
from abtest.contracts.steps import JudgeItem, JudgeResult
from abtest.evaluation import imported, service
from abtest.evaluation.model import JudgeConfiguration
from abtest.management.ports import ObjectStore, RunStore
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.imported_scores import SCORES, ScoreCache


@dataclass(frozen=True)
class JudgeBatchPorts:
    """What judging needs.

    Args:
        scores: imported scores that the worker has read.
    """

    runs: RunStore
    objects: ObjectStore
    scores: ScoreCache = SCORES


def judge_batch(item: JudgeItem, ports: JudgeBatchPorts) -> JudgeResult:
    """Judge every response of a batch and write the verdicts.

    Raises:
        NotFoundError: the batch's responses, or the scores that the judge reads, are not there.
    """
    bodies = RunBodies(ports.objects, item.workspace, item.run_id)
    definition = bodies.frozen().definition
    samples = bodies.samples(item.wave, item.batch)
    responses = {variant: bodies.responses(item.wave, variant, item.batch) for variant in definition.variants}
    verdicts = _verdicts(item, definition, samples, responses, ports)
    bodies.write_verdicts(item.wave, item.judge, item.batch, verdicts)
    not_scored = sum(verdict.status != "scored" for verdict in verdicts)
    counts = {"done": len(verdicts), "failed": not_scored}
    ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, counts)
    return JudgeResult(verdicts=len(verdicts), not_scored=not_scored)


def _verdicts(
    item: JudgeItem,
    definition: TestDefinition,
    samples: Sequence[Sample],
    responses: Mapping[str, Sequence[ModelResponse]],
    ports: JudgeBatchPorts,
) -> list[Verdict]:
    named = definition.judges[item.judge]
    judge = JudgeConfiguration(name=item.judge, type=named.type, parameters=named.parameters)
    if judge.type != imported.TYPE:
        return service.judge_batch(judge, samples, responses)
    version = imported.scores_version(judge.parameters)
    rows = ports.scores.rows(ports.objects, item.workspace, version, [sample.id for sample in samples])
    return imported.imported_verdicts(judge, samples, responses, rows, control=definition.control)
