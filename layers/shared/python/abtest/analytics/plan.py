"""What an analysis was told before it began: variants, judges, the primary metric, the error rate.

Depends on: pydantic, `abtest.analytics.judge_metric`. Used by: `abtest.analytics.model`, which names it again for
everyone else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from abtest.analytics.judge_metric import JudgeMetric
from abtest.analytics.status import AnalysisModel
from abtest.contracts.metrics import RATE_METRICS, RESERVED_METRICS

__all__ = [
    "OPERATIONAL_UNITS",
    "QUANTILES",
    "AnalysisModel",
    "AnalysisPlan",
    "DesignKind",
    "DesignPlan",
    "ExpectedUse",
    "GuardrailPlan",
    "GuardrailStatistic",
    "JudgeMetric",
    "LookPosition",
    "Spending",
    "Unit",
]

Unit = Literal["points", "score", "ms", "tokens", "usd"]
"""`points`: a share, shown in percentage points; `score`: the judge's scale; the others as they are called."""
OPERATIONAL_UNITS: dict[str, Unit] = {
    "latency_ms": "ms",
    "input_tokens": "tokens",
    "output_tokens": "tokens",
    "cost_usd": "usd",
}
"""Metrics that every run has; for each of them lower is better."""
GuardrailStatistic = Literal["mean", "p50", "p95", "p99"]
QUANTILES: dict[GuardrailStatistic, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
DesignKind = Literal["fixed", "group_sequential", "always_valid"]
Spending = Literal["obrien_fleming", "pocock"]


class GuardrailPlan(AnalysisModel):
    """A metric that must not get worse by more than a margin.

    Args:
        name: of the guardrail.
        metric: a judge, an operational metric or one of `RATE_METRICS`.
        statistic: what of the metric is compared.
        margin: the largest loss that is accepted, in the metric's unit.
        margin_relative: the same as a share of the control's value; exactly one of both is given.
    """

    name: str
    metric: str
    statistic: GuardrailStatistic = "mean"
    margin: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    margin_relative: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_margin(self) -> GuardrailPlan:
        if (self.margin is None) == (self.margin_relative is None):
            raise ValueError(f"guardrail {self.name!r} needs either margin or margin_relative, and not both")
        return self


class DesignPlan(AnalysisModel):
    """When the run may be looked at and stopped, declared before its start.

    Args:
        kind: `fixed` looks once; `group_sequential` at planned looks; `always_valid` whenever anybody likes.
        looks: planned looks.
        spending: how a group sequential design spends its error rate over the looks.
        futility: stop where the chance to succeed, should the present trend go on, is below this; None never does.
        tuned_at: samples at which an always-valid interval is narrowest; None takes the planned ones. Whatever it
            is, it must be the same at all looks.
    """

    kind: DesignKind = "fixed"
    looks: int = Field(default=1, ge=1, le=50)
    spending: Spending = "obrien_fleming"
    futility: float | None = Field(default=None, gt=0, lt=0.5)
    tuned_at: int | None = Field(default=None, ge=1)


class LookPosition(AnalysisModel):
    """Which look an analysis is.

    Args:
        number: from 1.
        asked: samples asked at each look up to this one, the last being this look's.
        planned: samples asked when every wave is done; None when nobody planned more than there is.
        final: nothing more was to come.
    """

    number: int = Field(default=1, ge=1)
    asked: tuple[int, ...] = ()
    planned: int | None = None
    final: bool = True


class ExpectedUse(AnalysisModel):
    """What a variant was expected to ask for, before anything was spent.

    Args:
        calls: the other numbers are over all of them; None is not known, `max` is an upper bound.
        input_counted_by: how the input was counted, for a person.
        input_error: how far it may be off, as a share.
    """

    calls: int
    input_tokens_expected: int | None = None
    input_tokens_max: int
    input_counted_by: str | None = None
    input_error: float | None = None
    output_tokens_expected: int | None = None
    output_tokens_max: int
    cost_usd_expected: Decimal | None = None
    cost_usd_max: Decimal | None = None


class AnalysisPlan(AnalysisModel):
    """What was declared before the run, and what makes the result reproducible.

    Args:
        test_name: the test's name.
        run_id: the run; empty for results that were read from files.
        control: the variant the others are compared with.
        variants: all variants, in the order of the definition.
        judges: the metrics of all judges, in the order of the definition, each judge's overall score first.
        primary_metric: the one metric the decision rests on: a judge or one of `OPERATIONAL_UNITS`.
        alpha: two-sided error rate; intervals have the level 1 - alpha.
        design: when the run may be stopped.
        guardrails: what must not get worse, each with its margin.
        primary_margin: the largest loss on the primary metric that still counts as no worse; None asks for more.
        primary_margin_relative: the same as a share of the control's value; at most one of both is given.
        tie_margin: scores that differ by no more than this count as a tie where wins are counted.
        seed: of the run; also of the resampling of the analysis.
        dataset_version: content hash of the samples.
        models: variant to what answered, such as `local/smollm2-135m`, for a person.
        families: variant to the family of its model, such as `gpt`; one that is not known is absent.
        expected: variant to what it was expected to use; none where nothing was asked or estimated.
        versions: name to version of what computed the result.
        cap_usd: the run's cap; None when it has none.
        started_at: UTC, ISO 8601.
        finished_at: UTC, ISO 8601.
    """

    test_name: str
    run_id: str = ""
    control: str
    variants: tuple[str, ...] = Field(min_length=2)
    judges: tuple[JudgeMetric, ...] = ()
    primary_metric: str
    alpha: float = Field(default=0.05, gt=0, lt=1)
    design: DesignPlan = DesignPlan()
    guardrails: tuple[GuardrailPlan, ...] = ()
    primary_margin: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    primary_margin_relative: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tie_margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seed: int | None = None
    dataset_version: str | None = None
    description: str | None = None
    models: dict[str, str] = Field(default_factory=dict)
    families: dict[str, str] = Field(default_factory=dict)
    expected: dict[str, ExpectedUse] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    cap_usd: Decimal | None = None
    started_at: str | None = None
    finished_at: str | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> AnalysisPlan:
        if self.control not in self.variants:
            raise ValueError(f"the control {self.control!r} is none of the variants {', '.join(self.variants)}")
        if len(set(self.metrics)) != len(self.metrics) or len(set(self.variants)) != len(self.variants):
            reserved = ", ".join(RESERVED_METRICS)
            raise ValueError(f"variants and judges need names of their own; {reserved} are metrics of every run")
        if self.primary_margin is not None and self.primary_margin_relative is not None:
            raise ValueError("the primary metric needs one margin, not an absolute and a relative one")
        if self.primary_metric not in self.metrics:
            raise ValueError(f"the primary metric {self.primary_metric!r} is none of {', '.join(self.metrics)}")
        for guardrail in self.guardrails:
            if guardrail.metric not in (*self.metrics, *RATE_METRICS):
                raise ValueError(f"the guardrail {guardrail.name!r} names {guardrail.metric!r}, which nobody measures")
        return self

    @property
    def treatments(self) -> tuple[str, ...]:
        """All variants but the control, in their order."""
        return tuple(name for name in self.variants if name != self.control)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The judges' metrics, then the operational ones."""
        return (*(judge.name for judge in self.judges), *OPERATIONAL_UNITS)

    @property
    def compared(self) -> tuple[str, ...]:
        """The metrics that variants are compared by: a judge asked about disagreements alone saw no fair part."""
        return tuple(name for name in self.metrics if (judge := self.judge(name)) is None or not judge.escalated_only)

    @property
    def instruments(self) -> tuple[JudgeMetric, ...]:
        """The judges, each by its overall score."""
        return tuple(judge for judge in self.judges if judge.dimension is None)

    def judge(self, metric: str) -> JudgeMetric | None:
        """Return what makes a metric; None where it is no judge's."""
        return next((judge for judge in self.judges if judge.name == metric), None)

    def is_binary(self, metric: str) -> bool:
        """Return whether every score of a metric is 0 or 1."""
        judge = self.judge(metric)
        return metric in RATE_METRICS if judge is None else judge.binary

    def is_preference(self, metric: str) -> bool:
        """Return whether a metric is the share of a preference between two variants."""
        judge = self.judge(metric)
        return judge is not None and judge.preference

    def judged(self, metric: str) -> bool:
        """Return whether a metric is a judge's."""
        return self.judge(metric) is not None

    def unit(self, metric: str) -> Unit:
        """Return the unit of a metric."""
        if self.is_preference(metric) or self.is_binary(metric):
            return "points"
        return OPERATIONAL_UNITS.get(metric, "score")

    def lower_is_better(self, metric: str) -> bool:
        """Return whether a smaller value of a metric is the better one."""
        judge = self.judge(metric)
        return metric in RESERVED_METRICS if judge is None else judge.lower_is_better
