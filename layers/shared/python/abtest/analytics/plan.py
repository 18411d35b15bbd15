"""What an analysis was told before it began: variants, judges, the primary metric, the error rate.

Depends on: pydantic. Used by: `abtest.analytics.model`, which names it again for everyone else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Unit = Literal["points", "score", "ms", "tokens", "usd"]
"""`points`: a share, shown in percentage points; `score`: the judge's scale; the others as they are called."""
OPERATIONAL_UNITS: dict[str, Unit] = {
    "latency_ms": "ms",
    "input_tokens": "tokens",
    "output_tokens": "tokens",
    "cost_usd": "usd",
}
"""Metrics that every run has; for each of them lower is better."""


class AnalysisModel(BaseModel):
    """A part of an analysis: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class JudgeMetric(AnalysisModel):
    """A judge as the analysis sees it: its name is the metric's name."""

    name: str
    type: str
    binary: bool


class AnalysisPlan(AnalysisModel):
    """What was declared before the run, and what makes the result reproducible.

    Args:
        test_name: the test's name.
        run_id: the run.
        control: the variant the others are compared with.
        variants: all variants, in the order of the definition.
        judges: all judges, in the order of the definition.
        primary_metric: the one metric the decision rests on: a judge or one of `OPERATIONAL_UNITS`.
        alpha: two-sided error rate; intervals have the level 1 - alpha.
        seed: of the run; the analysis itself draws no random number.
        dataset_version: content hash of the samples.
        models: variant to what answered, such as `local/smollm2-135m`, for a person.
        versions: name to version of what computed the result.
        cap_usd: the run's cap; None when it has none.
        started_at: UTC, ISO 8601.
        finished_at: UTC, ISO 8601.
    """

    test_name: str
    run_id: str
    control: str
    variants: tuple[str, ...] = Field(min_length=2)
    judges: tuple[JudgeMetric, ...] = ()
    primary_metric: str
    alpha: float = Field(default=0.05, gt=0, lt=1)
    seed: int | None = None
    dataset_version: str | None = None
    description: str | None = None
    models: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    cap_usd: Decimal | None = None
    started_at: str | None = None
    finished_at: str | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> AnalysisPlan:
        if self.control not in self.variants:
            raise ValueError(f"the control {self.control!r} is none of the variants {', '.join(self.variants)}")
        if len(set(self.metrics)) != len(self.metrics) or len(set(self.variants)) != len(self.variants):
            reserved = ", ".join(OPERATIONAL_UNITS)
            raise ValueError(f"variants and judges need names of their own; {reserved} are metrics of every run")
        if self.primary_metric not in self.metrics:
            raise ValueError(f"the primary metric {self.primary_metric!r} is none of {', '.join(self.metrics)}")
        return self

    @property
    def treatments(self) -> tuple[str, ...]:
        """All variants but the control, in their order."""
        return tuple(name for name in self.variants if name != self.control)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The judges' metrics, then the operational ones."""
        return (*(judge.name for judge in self.judges), *OPERATIONAL_UNITS)

    def is_binary(self, metric: str) -> bool:
        """Return whether every score of a metric is 0 or 1."""
        return any(judge.binary for judge in self.judges if judge.name == metric)

    def unit(self, metric: str) -> Unit:
        """Return the unit of a metric."""
        if self.is_binary(metric):
            return "points"
        return OPERATIONAL_UNITS.get(metric, "score")

    def lower_is_better(self, metric: str) -> bool:
        """Return whether a smaller value of a metric is the better one."""
        return self.unit(metric) in ("ms", "tokens", "usd")
