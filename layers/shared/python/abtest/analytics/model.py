"""What an analysis is made of and what it says: frozen, JSON-ready, without NaN or infinities.

A number that does not exist is None and stands beside a status that says why.

Depends on: pydantic. Used by: `abtest.analytics.*`, `abtest.reporting`, the API, the command line.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from abtest.analytics.plan import OPERATIONAL_UNITS, AnalysisModel, AnalysisPlan, JudgeMetric, Unit

__all__ = [
    "OPERATIONAL_UNITS",
    "AnalysisModel",
    "AnalysisPlan",
    "AnalysisResult",
    "Comparison",
    "Coverage",
    "Decision",
    "Description",
    "JudgeMetric",
    "McNemarTable",
    "Method",
    "MetricSummary",
    "Outcome",
    "Status",
    "TestName",
    "Unit",
    "VariantCoverage",
    "VariantSummary",
]

Number = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(gt=0, le=1)]

Status = Literal["ok", "no_data", "too_few", "constant", "one_cluster", "no_discordant_pairs"]
"""Whether a comparison has its numbers:

`ok`; `no_data`: no pair; `too_few`: one pair, no spread; `constant`: every pair (or every cluster) differs by the same
amount, so a t test does not exist; `one_cluster`: all pairs belong together; `no_discordant_pairs`: the variants never
disagreed, p is 1 by convention.
"""
TestName = Literal["exact_mcnemar", "paired_t", "clustered_t"]
Outcome = Literal["ship_treatment", "keep_control", "undecided"]


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


class McNemarTable(AnalysisModel):
    """Pairs of a binary metric, by who scored 1, and the exact two-sided p-value."""

    both: int
    only_control: int
    only_treatment: int
    neither: int
    p_value: Probability | None = None


class Comparison(AnalysisModel):
    """One treatment against the control on one metric, over the complete pairs.

    Args:
        effect: treatment minus control, in the metric's unit (a share for `points`).
        se: standard error of the effect: of paired shares (Agresti) for a binary metric, else of the mean difference.
        ci_low: lower end of the interval with the level 1 - alpha; None when it does not exist.
        p_value: two-sided, of `test`; None when the test does not exist.
        p_value_adjusted: Holm over the treatments, for the primary metric when there are several; else None.
        p_value_t: of the (clustered) t test, as sensitivity where `test` is McNemar's.
        test: what `p_value` comes from.
        status: of the comparison; see `Status`.
        clusters: units of the standard error when samples belong together; None when each stands alone.
        wins: pairs where the treatment is better; `losses`, `ties` accordingly.
        primary: the decision rests on it.
        lower_is_better: the metric's direction.
    """

    metric: str
    unit: Unit
    control: str
    treatment: str
    primary: bool
    lower_is_better: bool
    n: int
    n_missing: int
    clusters: int | None = None
    mean_control: Number | None = None
    mean_treatment: Number | None = None
    effect: Number | None = None
    se: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None
    p_value: Probability | None = None
    p_value_adjusted: Probability | None = None
    p_value_t: Probability | None = None
    test: TestName
    status: Status
    wins: int = 0
    losses: int = 0
    ties: int = 0
    mcnemar: McNemarTable | None = None

    @property
    def decisive_p(self) -> float | None:
        """The p-value a decision uses: the adjusted one where there is one."""
        return self.p_value if self.p_value_adjusted is None else self.p_value_adjusted


class Decision(AnalysisModel):
    """What to do, in one sentence, and what a reader must know with it."""

    outcome: Outcome
    treatment: str | None = None
    sentence: str
    reasons: tuple[str, ...] = ()


class Method(AnalysisModel):
    """One method that was used: its formula and where it comes from."""

    name: str
    formula: str
    source: str


class AnalysisResult(AnalysisModel):
    """All that one run says (`analysis.json`).

    Args:
        spent_usd: what this run paid; None when the price of any answer is unknown.
        spent_at_least_usd: the part of it that is known.
    """

    schema_version: Literal["1"] = "1"
    plan: AnalysisPlan
    decision: Decision
    coverage: Coverage
    comparisons: tuple[Comparison, ...]
    variants: tuple[VariantSummary, ...]
    spent_usd: Decimal | None = None
    spent_at_least_usd: Decimal
    warnings: tuple[str, ...] = ()
    methods: tuple[Method, ...] = ()

    def primary(self, treatment: str) -> Comparison:
        """Return the comparison the decision about a treatment rests on."""
        return next(c for c in self.comparisons if c.primary and c.treatment == treatment)
