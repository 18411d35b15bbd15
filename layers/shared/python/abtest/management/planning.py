"""Cutting a run into waves and batches: pure arithmetic over the frozen samples.

Batches are cut here and not by Step Functions, so that every engine that runs the state machine sees the same
ones. The order of samples is shuffled by the test's seed, so that a wave is a random part of the dataset.

Depends on: `abtest.contracts`. Used by: `functions/plan_run`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from abtest.contracts.definition import TestDefinition
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.steps import AskItem, GenerateItem, JudgeItem


@dataclass(frozen=True)
class PlannedWave:
    """One wave: its batches, and the lines of its manifests.

    Args:
        batches: for each batch, the indices of its samples.
        generate: batches x variants; none where answers are there already.
        judge: batches x judges in code.
        ask: batches x judges that ask a model about every answer or pair.
        escalate: batches x judges that are asked only where a panel's members disagree.
    """

    wave: int
    batches: tuple[tuple[int, ...], ...]
    generate: tuple[GenerateItem, ...] = ()
    judge: tuple[JudgeItem, ...] = ()
    ask: tuple[AskItem, ...] = ()
    escalate: tuple[AskItem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunToPlan:
    """What the lines of manifests say beyond their batch.

    Args:
        judges: facts of all the definition's judges, by name.
        vendors: vendor by provider identifier.
        queue_urls: queue by vendor.
    """

    workspace: str
    run_id: str
    definition: TestDefinition
    judges: Mapping[str, JudgeFacts]
    vendors: Mapping[str, str] = field(default_factory=dict)
    queue_urls: Mapping[str, str] = field(default_factory=dict)

    def generate_item(self, wave: int, batch: int, variant: str, samples: int) -> GenerateItem:
        """Return the line of one batch of one variant."""
        vendor = self.vendors[self.definition.variants[variant].provider]
        return GenerateItem(
            workspace=self.workspace,
            run_id=self.run_id,
            wave=wave,
            batch=batch,
            variant=variant,
            vendor=vendor,
            queue_url=self.queue_urls[vendor],
            size=samples,
        )

    def judge_item(self, wave: int, batch: int, judge: str, samples: int) -> JudgeItem:
        """Return the line of one batch of one judge in code."""
        return JudgeItem(
            workspace=self.workspace,
            run_id=self.run_id,
            wave=wave,
            batch=batch,
            judge=judge,
            size=samples * self._judged(judge),
        )

    def ask_item(self, wave: int, batch: int, judge: str, samples: int, panels: tuple[str, ...] = ()) -> AskItem:
        """Return the line of one batch of one judge that asks a model, its own one first."""
        vendor = self.vendors[self.judges[judge].models[0].provider]
        return AskItem(
            workspace=self.workspace,
            run_id=self.run_id,
            wave=wave,
            batch=batch,
            judge=judge,
            size=samples * self._judged(judge),
            vendor=vendor,
            queue_url=self.queue_urls[vendor],
            panels=panels,
        )

    def _judged(self, judge: str) -> int:
        """Return how many verdicts a judge gives on one sample."""
        definition = self.definition
        return len(definition.treatments if self.judges[judge].pairwise else definition.variants)


def escalations(definition: TestDefinition, judges: Mapping[str, JudgeFacts]) -> dict[str, tuple[str, ...]]:
    """Return the judges that are asked only where the members of a panel disagree, each with those panels.

    A judge that is a member of some panel, or whose metric the decision rests on, is asked about everything.

    Args:
        definition: names the primary metric and the guardrails.
        judges: facts of all its judges, by name.
    """
    members = {member for facts in judges.values() for member in facts.members}
    decisive = {definition.primary_metric, *(guardrail.metric for guardrail in definition.guardrails.values())}
    panels: dict[str, tuple[str, ...]] = {}
    for name, facts in judges.items():
        if facts.escalate_to is not None:
            panels[facts.escalate_to] = (*panels.get(facts.escalate_to, ()), name)
    return {
        judge: of_panels
        for judge, of_panels in panels.items()
        if judges[judge].kind == "model"
        and judge not in members
        and not decisive & {metric.name for metric in judges[judge].metrics}
    }


def plan_waves(run: RunToPlan, *, sample_count: int, looks: int, batch_size: int) -> tuple[PlannedWave, ...]:
    """Return the waves of a run, in order.

    Args:
        run: what is to be asked and judged.
        sample_count: rows of the dataset, at least 1.
        looks: number of waves; fewer when there are fewer samples.
        batch_size: most samples of a batch, at least 1.
    """
    order = list(range(sample_count))
    random.Random(run.definition.seed).shuffle(order)  # noqa: S311 - an order that anyone may repeat
    cut = [_even_parts(indices, -(-len(indices) // batch_size)) for indices in _even_parts(order, looks)]
    return tuple(_planned(run, wave, batches, generate=True) for wave, batches in enumerate(cut))


def plan_judging(run: RunToPlan, sizes: Sequence[Sequence[int]]) -> tuple[PlannedWave, ...]:
    """Return the waves of a run whose answers are there already; its samples are numbered as they come.

    Args:
        run: what is to be judged.
        sizes: samples of each batch of each wave.
    """
    number = itertools.count()
    cut = [[tuple(itertools.islice(number, size)) for size in wave] for wave in sizes]
    return tuple(_planned(run, wave, batches, generate=False) for wave, batches in enumerate(cut))


def _planned(run: RunToPlan, wave: int, batches: Sequence[Sequence[int]], *, generate: bool) -> PlannedWave:
    sizes = list(enumerate(map(len, batches)))
    waiting = escalations(run.definition, run.judges)
    in_code = [name for name, facts in run.judges.items() if facts.kind == "code"]
    asking = [name for name, facts in run.judges.items() if facts.kind == "model" and name not in waiting]
    # Variants and judges alternate, so that a slow hour of a provider falls on all of them alike.
    return PlannedWave(
        wave,
        tuple(map(tuple, batches)),
        generate=tuple(run.generate_item(wave, b, v, size) for b, size in sizes for v in run.definition.variants)
        if generate
        else (),
        judge=tuple(run.judge_item(wave, b, judge, size) for b, size in sizes for judge in in_code),
        ask=tuple(run.ask_item(wave, b, judge, size) for b, size in sizes for judge in asking),
        escalate=tuple(run.ask_item(wave, b, judge, size, p) for b, size in sizes for judge, p in waiting.items()),
    )


def _even_parts(items: Sequence[int], parts: int) -> list[Sequence[int]]:
    parts = max(1, min(parts, len(items)))
    size, longer = divmod(len(items), parts)
    bounds = [i * size + min(i, longer) for i in range(parts + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]
