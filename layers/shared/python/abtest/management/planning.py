"""Cutting a run into waves and batches: pure arithmetic over the frozen samples.

Batches are cut here and not by Step Functions, so that every engine that runs the state machine sees the same
ones. The order of samples is shuffled by the test's seed, so that a wave is a random part of the dataset.

Depends on: `abtest.contracts`. Used by: `functions/plan_run`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abtest.contracts.definition import TestDefinition
from abtest.contracts.steps import GenerateItem, JudgeItem


@dataclass(frozen=True)
class PlannedWave:
    """One wave: its batches, and the lines of its two manifests.

    Args:
        batches: for each batch, the indices of its samples in the dataset.
    """

    wave: int
    batches: tuple[tuple[int, ...], ...]
    generate: tuple[GenerateItem, ...]
    judge: tuple[JudgeItem, ...]


def plan_waves(
    *,
    workspace: str,
    run_id: str,
    definition: TestDefinition,
    sample_count: int,
    looks: int,
    batch_size: int,
    vendors: Mapping[str, str],
    queue_urls: Mapping[str, str],
) -> tuple[PlannedWave, ...]:
    """Return the waves of a run, in order.

    Args:
        sample_count: rows of the dataset, at least 1.
        looks: number of waves; fewer when there are fewer samples.
        batch_size: most samples of a batch, at least 1.
        vendors: vendor by provider identifier.
        queue_urls: queue by vendor.
    """
    order = list(range(sample_count))
    random.Random(definition.seed).shuffle(order)  # noqa: S311 - an order that anyone may repeat
    waves = []
    for wave, indices in enumerate(_even_parts(order, looks)):
        batches = tuple(tuple(part) for part in _even_parts(indices, -(-len(indices) // batch_size)))
        waves.append(
            PlannedWave(
                wave,
                batches,
                tuple(
                    GenerateItem(
                        workspace=workspace,
                        run_id=run_id,
                        wave=wave,
                        batch=b,
                        variant=name,
                        vendor=vendors[variant.provider],
                        queue_url=queue_urls[vendors[variant.provider]],
                        size=len(rows),
                    )
                    # Variants alternate, so that a slow hour of a provider falls on all of them alike.
                    for b, rows in enumerate(batches)
                    for name, variant in definition.variants.items()
                ),
                tuple(
                    JudgeItem(workspace=workspace, run_id=run_id, wave=wave, batch=b, judge=judge, size=len(rows))
                    for b, rows in enumerate(batches)
                    for judge in definition.judges
                ),
            )
        )
    return tuple(waves)


def _even_parts(items: Sequence[int], parts: int) -> list[Sequence[int]]:
    parts = max(1, min(parts, len(items)))
    size, longer = divmod(len(items), parts)
    bounds = [i * size + min(i, longer) for i in range(parts + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]
