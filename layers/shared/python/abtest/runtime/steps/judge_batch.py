"""JudgeBatch: one batch, one judge, every variant.

Depends on: evaluation, management. Used by: `functions/judge_batch`.
"""

from __future__ import annotations

from dataclasses import dataclass

from abtest.contracts.steps import JudgeItem, JudgeResult
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import judge_batch as judge
from abtest.management.ports import ObjectStore, RunStore
from abtest.runtime.steps.bodies import RunBodies


@dataclass(frozen=True)
class JudgeBatchPorts:
    """What judging needs."""

    runs: RunStore
    objects: ObjectStore


def judge_batch(item: JudgeItem, ports: JudgeBatchPorts) -> JudgeResult:
    """Judge every response of a batch and write the verdicts.

    Raises:
        NotFoundError: the batch's responses are not there.
    """
    bodies = RunBodies(ports.objects, item.workspace, item.run_id)
    definition = bodies.frozen().definition
    configuration = definition.judges[item.judge]
    verdicts = judge(
        JudgeConfiguration(name=item.judge, type=configuration.type, parameters=configuration.parameters),
        bodies.samples(item.wave, item.batch),
        {variant: bodies.responses(item.wave, variant, item.batch) for variant in definition.variants},
    )
    bodies.write_verdicts(item.wave, item.judge, item.batch, verdicts)
    not_scored = sum(verdict.status != "scored" for verdict in verdicts)
    key = f"J#{item.wave}#{item.judge}#{item.batch}"
    ports.runs.record_batch(item.workspace, item.run_id, key, {"done": len(verdicts), "failed": not_scored})
    return JudgeResult(verdicts=len(verdicts), not_scored=not_scored)
