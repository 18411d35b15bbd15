"""What the analysis needs of a run: built a batch at a time and added.

Counts and money are sums. Of each answer its numbers stay, 8 bytes a metric, because quantiles, slices and the tests
of one sample's difference need them; no text is kept.

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

from abtest.analytics.data.calls import CallStatistics
from abtest.analytics.data.scores import SampleScores, ScoredBatch
from abtest.analytics.data.tables import Values
from abtest.analytics.model import OPERATIONAL_UNITS, AnalysisPlan
from abtest.analytics.statistics.coverage import Tally, added
from abtest.analytics.statistics.descriptive import Observations
from abtest.contracts.metrics import RATE_METRICS, RESERVED_METRICS
from abtest.contracts.records import ModelResponse, Sample, Verdict

REFUSALS = ("refused", "filtered")
NOT_THE_PROVIDERS_FAULT = ("budget", "cancelled")
MOST_WORD_CHARACTERS = 60
"""A longer text in a sample's metadata is prose, not a slice."""


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
        calls: what its calls were like.
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
    calls: CallStatistics = field(default_factory=CallStatistics)

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
            calls=self.calls + other.calls,
        )


@dataclass(frozen=True)
class RunStatistics:
    """All that the analysis needs of a run; the sum of two is that of both batches, in any order.

    Args:
        asked: samples.
        variants: variant to what it did.
        scored: the scores, a batch each, in no order.
    """

    asked: int = 0
    variants: Mapping[str, VariantStatistics] = field(default_factory=dict)
    scored: tuple[ScoredBatch, ...] = ()

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
        return cls(len(samples), variants, (batch.scored(),))

    def __add__(self, other: RunStatistics) -> RunStatistics:
        return RunStatistics(
            self.asked + other.asked,
            _united(self.variants, other.variants, VariantStatistics()),
            self.scored + other.scored,
        )

    @property
    def scores(self) -> SampleScores:
        """The scores of all batches, aligned by sample; made anew at each call."""
        return SampleScores.joined(self.scored)

    @classmethod
    def merge(cls, parts: Iterable[RunStatistics]) -> RunStatistics:
        """Return the sum of many batches, adding neighbours first so that no part is copied more than log n times."""
        level = list(parts) or [cls()]
        while len(level) > 1:
            level = [reduce(add, level[start : start + 2]) for start in range(0, len(level), 2)]
        return level[0]


def scored_batch(plan: AnalysisPlan, samples: Sequence[Sample], verdicts: Iterable[Verdict]) -> ScoredBatch:
    """Return the judges' scores of one batch, for a look that needs no response.

    Args:
        plan: names variants and judges.
        samples: the batch.
        verdicts: of all judges and variants, in any order.
    """
    return _Batch(plan, samples, {}, verdicts).scored()


T = TypeVar("T", MeanOfScores, Observations, VariantStatistics)


def _united(one: Mapping[str, T], other: Mapping[str, T], nothing: T) -> dict[str, T]:
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
        metrics = (*plan.metrics, *RATE_METRICS)
        self.values = {(v, m): np.full(len(samples), np.nan) for v in plan.variants for m in metrics}
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
            if row is None or response.failure_reason in NOT_THE_PROVIDERS_FAULT:
                continue
            self.values[variant, "error_rate"][row] = float(response.outcome == "failed")
            if response.outcome == "failed":
                continue
            self.values[variant, "refusal_rate"][row] = float(response.outcome in REFUSALS)
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
        binary = {judge.name for judge in self.plan.judges if judge.binary}
        for verdict in verdicts:
            column = self.values.get((verdict.variant, verdict.judge))
            if column is None or verdict.judge in RESERVED_METRICS:
                raise ValueError(f"a verdict of {verdict.judge!r} on {verdict.variant!r} does not belong to this test")
            row = self.rows.get(verdict.sample_id)
            if row is None:
                continue
            if verdict.status == "scored" and verdict.score is not None:
                if verdict.judge in binary and verdict.score not in (0, 1):
                    raise ValueError(f"the binary metric {verdict.judge!r} has scores other than 0 and 1")
                column[row] = verdict.score
            if verdict.judge == primary:
                self.verdicts[verdict.variant, verdict.sample_id] = verdict.status

    def scored(self) -> ScoredBatch:
        """Return the scores, with what each sample belongs to."""
        facts = list(dict.fromkeys(name for sample in self.samples for name in sample.metadata))
        return ScoredBatch(
            names=tuple(sample.id for sample in self.samples),
            values=self.values,
            clusters=tuple(sample.cluster for sample in self.samples),
            slices={name: tuple(_word(sample.metadata.get(name)) for sample in self.samples) for name in facts},
        )

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
            calls=CallStatistics.of(known),
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


def _word(fact: object) -> str | None:
    """Return a fact about a sample as a word to slice by; None where it is none."""
    if isinstance(fact, bool):
        return "true" if fact else "false"
    if isinstance(fact, str | int):
        word = str(fact)
        return word if word and len(word) <= MOST_WORD_CHARACTERS else None
    return None


def _mean(values: Values) -> MeanOfScores:
    present = values[~np.isnan(values)]
    return MeanOfScores(int(present.size), float(present.mean())) if present.size else MeanOfScores()
