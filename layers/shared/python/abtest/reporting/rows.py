"""A sample with everything that was answered and judged about it, and which of them to show first.

Depends on: `abtest.contracts.records`, analytics' scores. Used by: `abtest.reporting.report`,
`abtest.reporting.exports`, the steps that end a run.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from abtest.analytics.plan import AnalysisPlan
from abtest.contracts.records import ModelResponse, Sample, Verdict

if TYPE_CHECKING:
    # Functions that report without analysing start without numpy.
    from abtest.analytics.data.scores import SampleScores


@dataclass(frozen=True)
class PairedRow:
    """One sample side by side.

    Args:
        sample: the input.
        responses: variant to its response; a variant without one is absent.
        verdicts: variant to judge to verdict; that of a pairwise judge is under the treatment.
        panels: variant to a panel's metric to its score.
    """

    sample: Sample
    responses: Mapping[str, ModelResponse] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, Verdict]] = field(default_factory=dict)
    panels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def score(self, variant: str, metric: str) -> float | None:
        """Return a variant's score, or None when it has none.

        A preference is a share: a treatment's own, and for the control what its opponents leave it, on average.
        """
        joined = self.panels.get(variant, {}).get(metric)
        if joined is not None:
            return joined
        own = _score(self.verdicts.get(variant, {}), metric)
        if own is not None:
            return own
        left = [
            1 - share
            for judged in self.verdicts.values()
            if (share := _score(judged, metric, against=variant)) is not None
        ]
        return sum(left) / len(left) if left else None

    def verdict(self, variant: str, judge: str) -> Verdict | None:
        """Return what a judge said of a variant's answer itself; of a pair it stands under the treatment."""
        return self.verdicts.get(variant, {}).get(judge)

    def spread(self, metric: str) -> float:
        """Return how far the variants' scores lie apart; 0 when fewer than two have one."""
        variants = dict.fromkeys([*self.responses, *self.verdicts])
        scores = [s for s in (self.score(variant, metric) for variant in variants) if s is not None]
        return max(scores) - min(scores) if len(scores) > 1 else 0.0


def _score(judged: Mapping[str, Verdict], metric: str, *, against: str | None = None) -> float | None:
    """Return the score of a metric among one variant's verdicts, a judge's own or that of one of its dimensions."""
    verdict = judged.get(metric)
    if verdict is not None:
        fits = verdict.status == "scored" and (against is None or verdict.against == against)
        return verdict.score if fits else None
    for judge, of_judge in judged.items():
        # Names may have dots, so that several judges can be called like the beginning of a metric.
        name = metric[len(judge) + 1 :]
        if metric == f"{judge}.{name}" and name in of_judge.dimensions and against in (None, of_judge.against):
            return of_judge.dimensions[name]
    return None


def with_panels(plan: AnalysisPlan, rows: Sequence[PairedRow], scores: SampleScores) -> list[PairedRow]:
    """Return the rows with the scores of panels, which no verdict holds.

    Args:
        plan: names the panels.
        rows: of all samples.
        scores: of the same samples in the same order, panels among them.

    Raises:
        ValueError: rows and scores are not of the same samples.
    """
    metrics = [judge.name for judge in plan.judges if judge.kind == "panel"]
    if not metrics:
        return list(rows)
    if tuple(row.sample.id for row in rows) != scores.names:
        raise ValueError("panel scores belong to other samples than the rows")
    columns = {v: {m: _shares(plan, scores, v, m) for m in metrics} for v in plan.variants}
    return [
        replace(
            row,
            panels={
                variant: {m: values[number] for m, values in of_variant.items() if not math.isnan(values[number])}
                for variant, of_variant in columns.items()
            },
        )
        for number, row in enumerate(rows)
    ]


def _shares(plan: AnalysisPlan, scores: SampleScores, variant: str, metric: str) -> list[float]:
    """Return a panel's scores of a variant; of several treatments the share that its net preference stands for."""
    if not plan.is_preference(metric) or len(plan.treatments) == 1:
        return [float(value) for value in scores.column(variant, metric)]
    if variant != plan.control:
        return [float(value) for value in (scores.column(variant, metric) + 1) / 2]
    nets = [scores.column(treatment, metric).tolist() for treatment in plan.treatments]
    found = []
    for of_sample in zip(*nets, strict=True):
        known = [(1 - net) / 2 for net in of_sample if not math.isnan(net)]
        found.append(sum(known) / len(known) if known else math.nan)
    return found


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
