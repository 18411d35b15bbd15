"""A sample with everything that was answered and judged about it, and which of them to show first.

Depends on: `abtest.contracts.records`. Used by: `abtest.reporting.report`, `abtest.reporting.exports`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from abtest.contracts.records import ModelResponse, Sample, Verdict


@dataclass(frozen=True)
class PairedRow:
    """One sample side by side.

    Args:
        sample: the input.
        responses: variant to its response; a variant without one is absent.
        verdicts: variant to judge to verdict.
    """

    sample: Sample
    responses: Mapping[str, ModelResponse] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, Verdict]] = field(default_factory=dict)

    def score(self, variant: str, metric: str) -> float | None:
        """Return a variant's score, or None when it has none."""
        verdict = self.verdicts.get(variant, {}).get(metric)
        return None if verdict is None or verdict.status != "scored" else verdict.score

    def spread(self, metric: str) -> float:
        """Return how far the variants' scores lie apart; 0 when fewer than two have one."""
        scores = [s for s in (self.score(variant, metric) for variant in self.verdicts) if s is not None]
        return max(scores) - min(scores) if len(scores) > 1 else 0.0


def pair_rows(
    samples: Sequence[Sample],
    responses: Mapping[str, Sequence[ModelResponse]],
    verdicts: Iterable[Verdict],
) -> Iterator[PairedRow]:
    """Yield one row a sample of a batch, in the order of the samples.

    Args:
        samples: the batch.
        responses: variant to its responses, in any order.
        verdicts: of all judges and variants, in any order.
    """
    answered = {variant: {row.sample_id: row for row in rows} for variant, rows in responses.items()}
    judged: dict[str, dict[str, dict[str, Verdict]]] = {}
    for verdict in verdicts:
        judged.setdefault(verdict.sample_id, {}).setdefault(verdict.variant, {})[verdict.judge] = verdict
    for sample in samples:
        known = {variant: rows[sample.id] for variant, rows in answered.items() if sample.id in rows}
        yield PairedRow(sample, known, judged.get(sample.id, {}))


@dataclass(frozen=True)
class Shown:
    """The rows a page shows, and of how many."""

    rows: tuple[PairedRow, ...]
    total: int


def most_telling(rows: Iterable[PairedRow], metric: str, variants: Sequence[str], limit: int) -> Shown:
    """Return the rows that tell most: disagreements first, then those with a missing score, then the rest.

    One pass, and never more than `limit` rows in memory, so that a run of any size can be reported.

    Args:
        rows: all rows of a run, in their order, which is kept among equals.
        metric: whose disagreement counts: a judge, or an operational metric (then order only).
        variants: the variants that should have a score.
        limit: the most rows to return.
    """
    total = 0

    def ranked() -> Iterator[tuple[float, int, int, PairedRow]]:
        nonlocal total
        for total, row in enumerate(rows, start=1):
            complete = all(row.score(variant, metric) is not None for variant in variants)
            yield (-row.spread(metric), int(complete), total, row)

    chosen = heapq.nsmallest(limit, ranked(), key=lambda item: item[:3])
    return Shown(tuple(row for *_, row in chosen), total)
