"""What an analysis is made of and what it says: frozen, JSON-ready, without NaN or infinities.

A number that does not exist is None and stands beside a status that says why.

Depends on: pydantic. Used by: `abtest.analytics.*`, `abtest.reporting`, the API, the command line.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from abtest.analytics.instrument import Agreement, LengthControlled, PositionBias, RankedVariant, Ranking
from abtest.analytics.judge_model import (
    Drift,
    Escalation,
    JudgeCost,
    JudgeQuality,
    LengthCorrelation,
    OrderedWinRate,
    PanelMember,
    PanelQuality,
    Retest,
)
from abtest.analytics.performance import EstimateCheck, LatencySummary, ModelPerformance, TokenTotals
from abtest.analytics.plan import (
    OPERATIONAL_UNITS,
    AnalysisModel,
    AnalysisPlan,
    ExpectedUse,
    GuardrailPlan,
    GuardrailStatistic,
    JudgeMetric,
    LookPosition,
    Unit,
)
from abtest.analytics.status import Number, Probability, Status
from abtest.analytics.summaries import (
    Coverage,
    Description,
    MetricSummary,
    VariantCoverage,
    VariantSummary,
)

__all__ = [
    "OPERATIONAL_UNITS",
    "Agreement",
    "AnalysisModel",
    "AnalysisPlan",
    "AnalysisResult",
    "BayesianView",
    "Comparison",
    "Coverage",
    "Decision",
    "Description",
    "Drift",
    "Escalation",
    "EstimateCheck",
    "ExpectedUse",
    "GuardrailPlan",
    "GuardrailResult",
    "Insight",
    "JudgeCost",
    "JudgeMetric",
    "JudgeQuality",
    "LatencySummary",
    "LengthControlled",
    "LengthCorrelation",
    "LookPosition",
    "McNemarTable",
    "Method",
    "MetricSummary",
    "ModelPerformance",
    "Number",
    "OrderedWinRate",
    "Outcome",
    "PanelMember",
    "PanelQuality",
    "PositionBias",
    "Probability",
    "RankedVariant",
    "Ranking",
    "Retest",
    "Sensitivity",
    "SensitivityTest",
    "SliceEffect",
    "Status",
    "TestName",
    "TokenTotals",
    "Unit",
    "VariantCoverage",
    "VariantSummary",
]


TestName = Literal["exact_mcnemar", "paired_t", "clustered_t", "clustered_t_cr2", "group_sequential", "always_valid"]
"""What a p-value and an interval come from; the last two are those a sequential design allows."""
Outcome = Literal["ship_treatment", "keep_control", "no_worse", "undecided"]
GuardrailVerdict = Literal["holds", "broken", "unclear"]


class McNemarTable(AnalysisModel):
    """Pairs of a binary metric, by who scored 1, and the exact two-sided p-value."""

    both: int
    only_control: int
    only_treatment: int
    neither: int
    p_value: Probability | None = None


class SensitivityTest(AnalysisModel):
    """What another test says of the same pairs.

    Args:
        status: whether it has its number.
        p_value: two-sided.
        method: how it was computed, such as `exact`, `saddlepoint` or `asymptotic`.
    """

    status: Status
    p_value: Probability | None = None
    method: str | None = None


class BayesianView(AnalysisModel):
    """The posterior of the difference under a flat prior.

    Args:
        status: whether it has its numbers.
        probability_better: that the treatment is better, in the metric's direction.
        expected_loss_treatment: what choosing the treatment loses on average if it is worse, in the metric's unit.
        expected_loss_control: what keeping the control loses on average if it is worse.
    """

    status: Status
    probability_better: Number | None = None
    expected_loss_treatment: Number | None = None
    expected_loss_control: Number | None = None


class Sensitivity(AnalysisModel):
    """Other tests side by side: the primary test decides, these show how much depends on it.

    Args:
        t: of the mean, with the clusters where there are any.
        permutation: of the mean, by flipping the sign of each unit's difference.
        sign: of the median: how often the treatment wins.
        wilcoxon: of the pseudo-median; not a test of the mean.
        bayesian: the posterior of the mean difference.
    """

    t: SensitivityTest
    permutation: SensitivityTest
    sign: SensitivityTest
    wilcoxon: SensitivityTest
    bayesian: BayesianView


class Comparison(AnalysisModel):
    """One treatment against the control on one metric, over the complete pairs.

    Args:
        effect: treatment minus control, in the metric's unit (a share for `points`).
        se: standard error of the effect: of paired shares (Agresti) for a binary metric, else of the mean difference.
        ci_low: lower end of the interval with the level 1 - alpha; None when it does not exist.
        p_value: two-sided, of `test`; None when the test does not exist.
        p_value_adjusted: Holm over the treatments for the primary metric when there are several; Benjamini-Hochberg
            over all exploratory comparisons for the others; None where nothing is adjusted.
        win_rate: share of pairs the treatment wins, a tie counting half.
        win_rate_se: its standard error, clustered where samples belong together.
        standardised_effect: the effect in standard deviations of the difference (Cohen's d_z).
        samples_to_decide: paired samples a new run would need to find this effect four times in five; None where the
            effect is nothing to plan with.
        sensitivity: other tests of the same pairs; None where the design forbids tests at a fixed time.
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
    test: TestName
    status: Status
    wins: int = 0
    losses: int = 0
    ties: int = 0
    win_rate: Number | None = None
    win_rate_se: Number | None = None
    standardised_effect: Number | None = None
    samples_to_decide: int | None = None
    mcnemar: McNemarTable | None = None
    sensitivity: Sensitivity | None = None

    @property
    def decisive_p(self) -> float | None:
        """The p-value a decision uses: the adjusted one where there is one."""
        return self.p_value if self.p_value_adjusted is None else self.p_value_adjusted


class GuardrailResult(AnalysisModel):
    """Whether one treatment keeps one guardrail.

    Args:
        loss: how much worse the treatment is, in the metric's unit; negative where it is better.
        loss_high: upper end of the one-sided interval of the loss at level 1 - alpha.
        loss_low: lower end of the one-sided interval at the same level.
        margin: the largest loss that is accepted, in the metric's unit.
        p_value: one-sided, of a loss of at least the margin; small says that the guardrail holds.
        p_value_adjusted: Holm over the guardrails of the treatment.
        verdict: `holds`: shown to lose less than the margin; `broken`: shown to lose more; `unclear`: neither.
    """

    name: str
    metric: str
    statistic: GuardrailStatistic
    unit: Unit
    treatment: str
    n: int
    value_control: Number | None = None
    value_treatment: Number | None = None
    loss: Number | None = None
    loss_low: Number | None = None
    loss_high: Number | None = None
    margin: Number | None = None
    p_value: Probability | None = None
    p_value_adjusted: Probability | None = None
    status: Status
    method: str
    verdict: GuardrailVerdict


class SliceEffect(AnalysisModel):
    """The primary comparison within one slice of the samples.

    Args:
        slice: name of the fact, such as `language`.
        value: its value, such as `de`.
        p_value_adjusted: Benjamini-Hochberg over all slices and treatments.
    """

    slice: str
    value: str
    treatment: str
    n: int
    effect: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None
    p_value: Probability | None = None
    p_value_adjusted: Probability | None = None
    status: Status


class Insight(AnalysisModel):
    """One fact in one sentence, with the figure it rests on.

    Args:
        kind: what sort of fact.
        sentence: for a person; holds the figure and its test.
        weight: from 0 to 1, for ranking: how much it should change what a reader thinks.
    """

    kind: str
    sentence: str
    weight: Annotated[float, Field(ge=0, le=1)]


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
        variants: what each variant did; none for results that were read from files.
        agreement: of several judges of the primary metric; None where there is one.
        agreements: of all judges that measure the same thing, such as the members of a panel, one a dimension.
        position: of pairwise verdicts on the primary metric; None where there are none.
        length_controlled: of the primary metric.
        judges: each judge of a run as an instrument, panels excepted; none for results that were read from files.
        panels: how judges' scores became one.
        performance: how each variant's model performed; none for results that were read from files.
        spent_usd: what this run paid, judges included; None when the price of any answer is unknown, or nothing was
            run.
        spent_on_judges_usd: the part that judges took, as far as it is known.
        spent_at_least_usd: the part of it that is known.
    """

    schema_version: Literal["2"] = "2"
    plan: AnalysisPlan
    decision: Decision
    coverage: Coverage
    comparisons: tuple[Comparison, ...]
    guardrails: tuple[GuardrailResult, ...] = ()
    slices: tuple[SliceEffect, ...] = ()
    ranking: Ranking | None = None
    agreement: Agreement | None = None
    agreements: tuple[Agreement, ...] = ()
    position: PositionBias | None = None
    length_controlled: tuple[LengthControlled, ...] = ()
    judges: tuple[JudgeQuality, ...] = ()
    panels: tuple[PanelQuality, ...] = ()
    insights: tuple[Insight, ...] = ()
    look: LookPosition = LookPosition()
    variants: tuple[VariantSummary, ...] = ()
    performance: tuple[ModelPerformance, ...] = ()
    spent_usd: Decimal | None = None
    spent_at_least_usd: Decimal = Decimal(0)
    spent_on_judges_usd: Decimal = Decimal(0)
    warnings: tuple[str, ...] = ()
    methods: tuple[Method, ...] = ()

    def primary(self, treatment: str) -> Comparison:
        """Return the comparison the decision about a treatment rests on."""
        return next(c for c in self.comparisons if c.primary and c.treatment == treatment)
