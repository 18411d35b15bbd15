"""What the analysis needs of a run: built a batch at a time and added.

Counts and money are sums. Of each answer its numbers stay, 8 bytes a metric, because quantiles, slices and the tests
of one sample's difference need them; no text is kept.

Depends on: `abtest.analytics.data.batch`, `abtest.analytics.statistics`. Used by: `abtest.analytics.service`, the
workers that analyse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from operator import add
from typing import TypeVar

from abtest.analytics.data.batch import Batch
from abtest.analytics.data.calls import CallStatistics
from abtest.analytics.data.judging import JudgeStatistics
from abtest.analytics.data.scores import SampleScores, ScoredBatch
from abtest.analytics.model import OPERATIONAL_UNITS, AnalysisPlan
from abtest.analytics.statistics.coverage import added
from abtest.analytics.statistics.descriptive import Observations
from abtest.contracts.records import ModelResponse, Sample, Verdict


@dataclass(frozen=True)
class VariantStatistics:
    """What one variant did; the sum of two is that of both batches.

    Args:
        outcomes: outcome to count.
        failures: failure reason to count.
        asked: samples.
        answered: of those, the ones with an answer of the model.
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
    asked: int = 0
    answered: int = 0
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
            asked=self.asked + other.asked,
            answered=self.answered + other.answered,
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
        judges: judge to what it did.
        scored: the scores, a batch each, in no order.
    """

    asked: int = 0
    variants: Mapping[str, VariantStatistics] = field(default_factory=dict)
    judges: Mapping[str, JudgeStatistics] = field(default_factory=dict)
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
        batch = Batch(plan, samples, responses, verdicts)
        variants = {variant: _variant(batch, variant) for variant in plan.variants}
        return cls(len(samples), variants, batch.judges(), (batch.scored(),))

    def __add__(self, other: RunStatistics) -> RunStatistics:
        return RunStatistics(
            self.asked + other.asked,
            _united(self.variants, other.variants, VariantStatistics()),
            _united(self.judges, other.judges, JudgeStatistics()),
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
    return Batch(plan, samples, {}, verdicts).scored()


T = TypeVar("T", Observations, VariantStatistics, JudgeStatistics)


def _united(one: Mapping[str, T], other: Mapping[str, T], nothing: T) -> dict[str, T]:
    names = list(dict.fromkeys([*one, *other]))
    return {name: one.get(name, nothing) + other.get(name, nothing) for name in names}


def _variant(batch: Batch, variant: str) -> VariantStatistics:
    mine = batch.responses[variant]
    known = [answer for sample in batch.samples if (answer := mine.get(sample.id)) is not None]
    costs = [(answer.cost_usd, answer.from_ledger) for answer in known if answer.cost_usd is not None]
    answered = batch.answered(variant)
    return VariantStatistics(
        outcomes=dict(Counter(answer.outcome for answer in known)),
        failures=dict(Counter(a.failure_reason or "unknown" for a in known if a.outcome == "failed")),
        asked=len(batch.samples),
        answered=int(answered.sum()),
        quantities={m: Observations.of(batch.column(variant, m)[answered]) for m in OPERATIONAL_UNITS},
        cost_usd=sum((cost for cost, _ in costs), Decimal(0)),
        cost_unknown=sum(answer.outcome != "failed" and answer.cost_usd is None for answer in known),
        spent_usd=sum((cost for cost, from_ledger in costs if not from_ledger), Decimal(0)),
        from_ledger=sum(answer.from_ledger for answer in known),
        price_sources=frozenset(answer.price_source for answer in known if answer.price_source),
        calls=CallStatistics.of(known),
    )
