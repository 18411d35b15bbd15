"""Sufficient statistics of a run: built a batch at a time, added, and never a row kept.

Only four numbers an answer stay as arrays (latency, tokens, cost), because percentiles need them.

Depends on: numpy, `abtest.analytics.statistics`. Used by: `abtest.analytics.service`, the workers that analyse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from operator import add
from typing import TypeVar

import numpy as np

from abtest.analytics.model import OPERATIONAL_UNITS, AnalysisPlan
from abtest.analytics.statistics.clustered_mean import ClusteredMean
from abtest.analytics.statistics.coverage import Tally, added
from abtest.analytics.statistics.descriptive import Observations
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.paired_mean import Scores
from abtest.contracts.records import ModelResponse, Sample, Verdict

K = TypeVar("K", bound=tuple[str, str] | str)


@dataclass(frozen=True)
class MeanOfScores:
    """Count and mean of one judge's scores; the sum of two is that of the pooled scores."""

    n: int = 0
    mean: float = 0.0

    def __add__(self, other: MeanOfScores) -> MeanOfScores:
        n = self.n + other.n
        return MeanOfScores(n, self.mean + (other.mean - self.mean) * other.n / n) if n else self


@dataclass(frozen=True)
class VariantStatistics:
    """What one variant did; the sum of two is that of both batches.

    Args:
        outcomes: outcome to count.
        failures: failure reason to count.
        coverage: of the primary metric.
        scores: judge to its mean.
        quantities: operational metric to its values.
        cost_usd: sum of the known costs.
        cost_unknown: answers without a known cost.
        spent_usd: sum of the known costs that this run paid itself.
        from_ledger: answers paid for before.
        price_sources: where the prices came from.
    """

    outcomes: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    coverage: Tally = field(default_factory=Tally)
    scores: Mapping[str, MeanOfScores] = field(default_factory=dict)
    quantities: Mapping[str, Observations] = field(default_factory=dict)
    cost_usd: Decimal = Decimal(0)
    cost_unknown: int = 0
    spent_usd: Decimal = Decimal(0)
    from_ledger: int = 0
    price_sources: frozenset[str] = frozenset()

    def __add__(self, other: VariantStatistics) -> VariantStatistics:
        return VariantStatistics(
            outcomes=added(self.outcomes, other.outcomes),
            failures=added(self.failures, other.failures),
            coverage=self.coverage + other.coverage,
            scores=_united(self.scores, other.scores, MeanOfScores()),
            quantities=_united(self.quantities, other.quantities, Observations()),
            cost_usd=self.cost_usd + other.cost_usd,
            cost_unknown=self.cost_unknown + other.cost_unknown,
            spent_usd=self.spent_usd + other.spent_usd,
            from_ledger=self.from_ledger + other.from_ledger,
            price_sources=self.price_sources | other.price_sources,
        )


@dataclass(frozen=True)
class RunStatistics:
    """All that the analysis needs of a run; the sum of two is that of both batches, in any order.

    Args:
        asked: samples.
        variants: variant to what it did.
        pairs: (treatment, metric) to its paired scores with the control.
        tables: (treatment, binary metric) to its counts with the control.
    """

    asked: int = 0
    variants: Mapping[str, VariantStatistics] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], ClusteredMean] = field(default_factory=dict)
    tables: Mapping[tuple[str, str], McNemar] = field(default_factory=dict)

    @classmethod
    def of_batch(
        cls,
        plan: AnalysisPlan,
        samples: Sequence[Sample],
        responses: Mapping[str, Sequence[ModelResponse]],
        verdicts: Iterable[Verdict],
    ) -> RunStatistics:
        """Return the statistics of one batch.

        Args:
            plan: names variants, judges, control and primary metric.
            samples: the batch; every sample counts as asked, whatever became of it.
            responses: variant to its responses, in any order.
            verdicts: of all judges and variants, in any order.

        Raises:
            ValueError: a verdict names a judge or variant the plan does not have, or a binary metric has another
                score than 0 and 1.
        """
        batch = _Batch(plan, samples, responses, verdicts)
        variants = {variant: batch.variant(variant) for variant in plan.variants}
        pairs: dict[tuple[str, str], ClusteredMean] = {}
        tables: dict[tuple[str, str], McNemar] = {}
        for treatment in plan.treatments:
            for metric in plan.metrics:
                a, b = batch.values[plan.control, metric], batch.values[treatment, metric]
                complete = ~(np.isnan(a) | np.isnan(b))
                pairs[treatment, metric] = ClusteredMean.of(a[complete], b[complete], batch.clusters(complete))
                if plan.is_binary(metric):
                    tables[treatment, metric] = McNemar.of(a[complete], b[complete])
        return cls(len(samples), variants, pairs, tables)

    def __add__(self, other: RunStatistics) -> RunStatistics:
        return RunStatistics(
            self.asked + other.asked,
            _united(self.variants, other.variants, VariantStatistics()),
            _united(self.pairs, other.pairs, ClusteredMean()),
            _united(self.tables, other.tables, McNemar()),
        )

    @classmethod
    def merge(cls, parts: Iterable[RunStatistics]) -> RunStatistics:
        """Return the sum of many batches, adding neighbours first so that no part is copied more than log n times."""
        level = list(parts) or [cls()]
        while len(level) > 1:
            level = [reduce(add, level[start : start + 2]) for start in range(0, len(level), 2)]
        return level[0]


T = TypeVar("T", MeanOfScores, Observations, VariantStatistics, ClusteredMean, McNemar)


def _united(one: Mapping[K, T], other: Mapping[K, T], nothing: T) -> dict[K, T]:
    names = list(dict.fromkeys([*one, *other]))
    return {name: one.get(name, nothing) + other.get(name, nothing) for name in names}


class _Batch:
    """One batch laid out as one array of shape (samples,) for every variant and metric, NaN being missing."""

    def __init__(
        self,
        plan: AnalysisPlan,
        samples: Sequence[Sample],
        responses: Mapping[str, Sequence[ModelResponse]],
        verdicts: Iterable[Verdict],
    ) -> None:
        self.plan = plan
        self.samples = samples
        self.rows = {sample.id: row for row, sample in enumerate(samples)}
        self.values = {(v, m): np.full(len(samples), np.nan) for v in plan.variants for m in plan.metrics}
        self.responses: dict[str, dict[str, ModelResponse]] = {
            variant: {response.sample_id: response for response in responses.get(variant, ())}
            for variant in plan.variants
        }
        self.verdicts: dict[tuple[str, str], str] = {}
        for variant in plan.variants:
            self._read_responses(variant)
        self._read_verdicts(verdicts)

    def _read_responses(self, variant: str) -> None:
        for sample_id, response in self.responses[variant].items():
            row = self.rows.get(sample_id)
            if row is None or response.outcome == "failed":
                continue
            usage = response.usage
            quantities = (
                response.latency_ms,
                usage.total_input_tokens if usage else None,
                usage.total_output_tokens if usage else None,
                response.cost_usd,
            )
            for metric, value in zip(OPERATIONAL_UNITS, quantities, strict=True):
                if value is not None:
                    self.values[variant, metric][row] = float(value)

    def _read_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        primary = self.plan.primary_metric
        for verdict in verdicts:
            column = self.values.get((verdict.variant, verdict.judge))
            if column is None or verdict.judge in OPERATIONAL_UNITS:
                raise ValueError(f"a verdict of {verdict.judge!r} on {verdict.variant!r} does not belong to this test")
            row = self.rows.get(verdict.sample_id)
            if row is None:
                continue
            if verdict.status == "scored" and verdict.score is not None:
                column[row] = verdict.score
            if verdict.judge == primary:
                self.verdicts[verdict.variant, verdict.sample_id] = verdict.status

    def clusters(self, complete: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[str | None]:
        """Return the cluster of every complete pair."""
        return [sample.cluster for sample, both in zip(self.samples, complete, strict=True) if both]

    def variant(self, variant: str) -> VariantStatistics:
        """Return what one variant did."""
        answers = [self.responses[variant].get(sample.id) for sample in self.samples]
        known = [answer for answer in answers if answer is not None]
        costs = [(answer.cost_usd, answer.from_ledger) for answer in known if answer.cost_usd is not None]
        return VariantStatistics(
            outcomes=dict(Counter(answer.outcome for answer in known)),
            failures=dict(Counter(a.failure_reason or "unknown" for a in known if a.outcome == "failed")),
            coverage=self._coverage(variant, answers),
            scores={judge.name: _mean(self.values[variant, judge.name]) for judge in self.plan.judges},
            quantities={metric: self._quantity(variant, metric) for metric in OPERATIONAL_UNITS},
            cost_usd=sum((cost for cost, _ in costs), Decimal(0)),
            cost_unknown=sum(answer.outcome != "failed" and answer.cost_usd is None for answer in known),
            spent_usd=sum((cost for cost, from_ledger in costs if not from_ledger), Decimal(0)),
            from_ledger=sum(answer.from_ledger for answer in known),
            price_sources=frozenset(answer.price_source for answer in known if answer.price_source),
        )

    def _quantity(self, variant: str, metric: str) -> Observations:
        answered = [
            (response := self.responses[variant].get(sample.id)) is not None and response.outcome != "failed"
            for sample in self.samples
        ]
        return Observations.of(self.values[variant, metric][np.asarray(answered, dtype=bool)])

    def _coverage(self, variant: str, answers: Sequence[ModelResponse | None]) -> Tally:
        absent = np.isnan(self.values[variant, self.plan.primary_metric])
        missing = Counter(
            self._reason(variant, sample.id, answer)
            for sample, answer, gone in zip(self.samples, answers, absent, strict=True)
            if gone
        )
        return Tally(
            asked=len(answers),
            answered=sum(answer is not None and answer.outcome != "failed" for answer in answers),
            judged=len(answers) - missing.total(),
            missing=dict(missing),
        )

    def _reason(self, variant: str, sample_id: str, answer: ModelResponse | None) -> str:
        """Say why a sample lacks the primary metric: the call, or what became of the verdict."""
        if answer is None:
            return "no_response"
        if answer.outcome == "failed":
            return answer.failure_reason or "unknown"
        if self.plan.primary_metric in OPERATIONAL_UNITS:
            return "not_reported"
        return {"invalid": "judge_invalid", "not_judged": "not_judged"}.get(
            self.verdicts.get((variant, sample_id), ""), "no_verdict"
        )


def _mean(values: Scores) -> MeanOfScores:
    present = values[~np.isnan(values)]
    return MeanOfScores(int(present.size), float(present.mean())) if present.size else MeanOfScores()
