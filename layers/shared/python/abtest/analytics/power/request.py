"""What a person must say to plan a test: the metric, how much it varies, the effect or the samples, the design.

Depends on: pydantic. Used by: the modules of the plan beside it, the API, the command line.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from abtest.analytics.plan import AnalysisModel, DesignKind, Spending

MetricKind = Literal["mean", "proportion", "win_rate"]
"""A score, a share of samples that pass, or how often one answer is preferred to the other."""

MOST_SAMPLES = 1_000_000_000
"""A test that needs more counts as unreachable."""
DEFAULT_LOOKS: dict[DesignKind, int] = {"fixed": 1, "group_sequential": 5, "always_valid": 20}

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Value = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1e24, allow_inf_nan=False)]


class ClusterPlan(AnalysisModel):
    """Samples that belong together, such as questions about one document.

    Args:
        sizes: samples of a cluster: one number for all, or the sizes as they are in data like those to come.
        icc: correlation of two differences B - A within a cluster.
    """

    sizes: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] = Field(min_length=1, max_length=10_000)
    icc: Share


class JudgePlan(AnalysisModel):
    """Several judges, of whose scores each sample's mean is taken.

    Args:
        count: their number.
        correlation: of the differences B - A that two judges see in the same samples.
        noise_variance: variance of one judge's error in a sample's difference; the other way to say the same.
    """

    count: int = Field(ge=1, le=1_000)
    correlation: Share | None = None
    noise_variance: Amount | None = None


class ResamplePlan(AnalysisModel):
    """Several answers of each variant to the same sample, of which the mean is taken.

    Args:
        answers: of each variant to each sample.
        within_variance: how much the score of one sample varies from answer to answer, the variances of both
            variants added.
    """

    answers: int = Field(ge=1, le=10_000)
    within_variance: Amount


class LookPlan(AnalysisModel):
    """When the run may be looked at and stopped.

    Args:
        kind: `fixed` looks once, `group_sequential` at planned looks, `always_valid` whenever anybody likes.
        looks: equally spaced looks, the end being one; None is 5 for a group sequential design and 20 for one that is
            always valid.
        spending: how a group sequential design spends its error rate.
    """

    kind: DesignKind = "fixed"
    looks: int | None = Field(default=None, ge=1, le=50)
    spending: Spending = "obrien_fleming"

    @property
    def number(self) -> int:
        """The looks, the kind's own number where none is given."""
        return self.looks if self.looks is not None else DEFAULT_LOOKS[self.kind]


class RunningCost(AnalysisModel):
    """What asking costs, and how fast it goes.

    Args:
        cost_usd_per_sample: of one sample asked once: an answer of each variant, and what judges them.
        calls_per_sample: calls that takes.
        calls_per_minute: limit of calls.
        latency_ms: mean duration of a call.
        calls_at_once: calls in flight together.
    """

    cost_usd_per_sample: Decimal | None = Field(default=None, ge=0, le=1_000_000, allow_inf_nan=False)
    calls_per_sample: Positive = 2.0
    calls_per_minute: Positive | None = None
    latency_ms: Positive | None = None
    calls_at_once: int | None = Field(default=None, ge=1, le=1_000_000)


class PowerRequest(AnalysisModel):
    """What is known and asked: with `effect` how many samples, with `samples` which effect, with both which power.

    Args:
        metric: what kind of metric decides.
        paired: both variants answer the same samples; else each sample gets one variant.
        effect: treatment minus control that is to be found; a share for `proportion`; for `win_rate` what the win rate
            is above 1/2.
        target: the treatment's value, in place of `effect`: a mean, a share, or the win rate itself.
        samples: pairs, or samples of each variant when they are not paired.
        alpha: two-sided error rate.
        power: chance to find the effect.
        sd_difference: standard deviation over samples of the difference B - A, each variant answering once and one
            judge scoring.
        sd: standard deviation of the control's scores.
        sd_treatment: of the treatment's; None is the control's.
        correlation: of the two variants' scores of the same sample.
        baseline: the control's mean or share.
        discordance: share of samples that only one of the variants passes.
        ties: share of ties among the verdicts.
        clusters: samples that belong together.
        judges: several judges.
        resamples: several answers to the same sample.
        design: when the run may be stopped.
        running: cost and speed.
    """

    metric: MetricKind | None = None
    paired: bool = True
    effect: Value | None = None
    target: Value | None = None
    samples: int | None = Field(default=None, ge=1, le=MOST_SAMPLES)
    alpha: float = Field(default=0.05, ge=1e-9, le=0.5, allow_inf_nan=False)
    power: float = Field(default=0.8, gt=0, le=0.999999, allow_inf_nan=False)
    sd_difference: Positive | None = None
    sd: Positive | None = None
    sd_treatment: Positive | None = None
    correlation: float | None = Field(default=None, ge=-1, le=1, allow_inf_nan=False)
    baseline: Value | None = None
    discordance: Share | None = None
    ties: Share | None = None
    clusters: ClusterPlan | None = None
    judges: JudgePlan | None = None
    resamples: ResamplePlan | None = None
    design: LookPlan = LookPlan()
    running: RunningCost = RunningCost()

    @property
    def wanted(self) -> float | None:
        """The effect that is asked about, signed; None where none is given."""
        if self.effect is not None or self.target is None:
            return self.effect
        origin = 0.5 if self.metric == "win_rate" else self.baseline
        return None if origin is None else self.target - origin
