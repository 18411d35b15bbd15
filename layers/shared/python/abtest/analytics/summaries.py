"""What each variant did, side by side, and how much of what was asked reached the primary metric.

Depends on: pydantic. Used by: `abtest.analytics.model`, which names it again for everyone else.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from abtest.analytics.plan import AnalysisModel
from abtest.analytics.status import Number


class Description(AnalysisModel):
    """How one quantity is spread over the answers of one variant; the numbers are None when n is 0."""

    n: int
    n_missing: int
    mean: Number | None = None
    p50: Number | None = None
    p95: Number | None = None
    total: Number | None = None


class MetricSummary(AnalysisModel):
    """One judge's scores of one variant, over all answers that have one."""

    n: int
    mean: Number | None = None


class VariantSummary(AnalysisModel):
    """One variant side by side with the others.

    Args:
        variant: its name.
        model: what answered, for a person; None when not told.
        asked: samples it was asked.
        outcomes: outcome to count; they sum to `asked` with the missing responses.
        failures: failure reason to count.
        metrics: judge to its mean.
        latency_ms: of the answers, as measured when they were paid for.
        input_tokens: per answer, cached ones included.
        output_tokens: per answer, reasoning included.
        cost_usd: per answer, as a price list value.
        cost_usd_total: exact sum; None when a price is unknown.
        cost_usd_mean: per answer; None when a price is unknown.
        cost_unknown: answers without a known price.
        spent_usd: known cost of what this run really paid, without answers from the ledger.
        from_ledger: answers that had been paid for before.
        price_sources: where the prices came from.
    """

    variant: str
    model: str | None = None
    asked: int
    outcomes: dict[str, int]
    failures: dict[str, int]
    metrics: dict[str, MetricSummary]
    latency_ms: Description
    input_tokens: Description
    output_tokens: Description
    cost_usd: Description
    cost_usd_total: Decimal | None = None
    cost_usd_mean: Decimal | None = None
    cost_unknown: int = 0
    spent_usd: Decimal = Decimal(0)
    from_ledger: int = 0
    price_sources: tuple[str, ...] = ()


class VariantCoverage(AnalysisModel):
    """How many samples of one variant reached the primary metric, and why the others did not.

    `asked` = `judged` + the sum of `missing`.
    """

    variant: str
    asked: int
    answered: int
    judged: int
    missing: dict[str, int]


class Coverage(AnalysisModel):
    """What stands beside every number: how much of what was asked it rests on.

    Args:
        asked: samples of the run.
        paired: treatment to the samples where both it and the control have the primary metric.
        variants: one row a variant.
    """

    asked: int
    paired: dict[str, int]
    variants: tuple[VariantCoverage, ...]

    def share(self, treatment: str) -> float | None:
        """Return the share of asked samples that are paired, from 0 to 1; None when nothing was asked."""
        return self.paired.get(treatment, 0) / self.asked if self.asked else None


ALARM = 0.001
"""Level of an alarm that blocks a verdict, as for a sample-ratio mismatch."""


@dataclass(frozen=True)
class Missingness:
    """Which side lacks scores.

    Args:
        only_control: samples that only the control has a score of.
        only_treatment: samples that only the treatment has a score of.
        p_value: exact two-sided, that both sides lack scores alike; None when none is missing on one side only.
        worst_case_effect: the effect if every missing score had the worst value, of those seen, for the side that
            looks better; None when there is no effect.
        reversible: that effect is 0 or has the other sign.
    """

    only_control: int = 0
    only_treatment: int = 0
    p_value: float | None = None
    worst_case_effect: float | None = None
    reversible: bool = False

    @property
    def blocks(self) -> bool:
        """Whether no verdict may rest on the complete pairs."""
        return self.p_value is not None and self.p_value < ALARM and self.reversible
