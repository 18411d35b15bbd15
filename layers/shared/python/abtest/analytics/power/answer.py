"""What a plan says: frozen, JSON-ready; a number that does not exist is None.

Depends on: pydantic. Used by: `abtest.analytics.power.plan`, the API, the command line.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from abtest.analytics.model import Method
from abtest.analytics.plan import AnalysisModel
from abtest.analytics.power.request import MetricKind
from abtest.analytics.status import Number, Status

Chance = Annotated[float, Field(ge=0, le=1)]


class PowerRow(AnalysisModel):
    """One effect: the samples that find it with the wanted power, and its power with the plan's samples."""

    effect: Number
    samples: int | None = None
    power: Chance | None = None
    cost_usd: Decimal | None = None
    duration_s: Number | None = None


class SizeRow(AnalysisModel):
    """A number of samples: the smallest effect it finds with the wanted power, and its power for the plan's effect."""

    samples: int
    detectable_effect: Number | None = None
    power: Chance | None = None
    cost_usd: Decimal | None = None
    duration_s: Number | None = None


class PowerPoint(AnalysisModel):
    """One point of the curve."""

    samples: int
    power: Chance


class PowerPlan(AnalysisModel):
    """The plan of a test.

    Args:
        status: `ok`; `unreachable`: no number of samples up to a thousand million finds the effect, or no effect is
            large enough for the samples; `too_few`: so few samples have no test.
        answer: in one sentence.
        power: the wanted one.
        effect: treatment minus control the plan is about: the one that was asked about, else the smallest that the
            samples find. A share for `proportion`; for `win_rate` what the win rate is above 1/2.
        samples: the plan's pairs, or samples of each variant when they are not paired: those that were given, else
            those that are needed.
        samples_needed: samples that find the effect that was asked about.
        detectable_effect: smallest effect that `samples` find with the wanted power.
        achieved_power: power of `samples` for `effect`.
        clusters: that `samples` make.
        design_effect: samples that belong together worth one on its own.
        looks: of the design.
        inflation: by which looking early raises the samples.
        expected_samples: asked on average when the effect is there, since a look may stop the run.
        expected_samples_no_effect: the same when there is none.
        calls: to providers, when every sample is asked.
        cost_usd: of that.
        duration_s: of that.
        table: effects around the planned one.
        sizes: numbers of samples around the planned one.
        curve: power for the effect against the samples.
        assumptions: what must hold, as sentences.
        warnings: what a person should know, as sentences.
        methods: formulas and their sources.
    """

    schema_version: Literal["1"] = "1"
    status: Status
    answer: str
    metric: MetricKind
    paired: bool
    alpha: float
    power: float
    effect: Number | None = None
    samples: int | None = None
    samples_needed: int | None = None
    detectable_effect: Number | None = None
    achieved_power: Chance | None = None
    clusters: int | None = None
    design_effect: Number | None = None
    looks: int = 1
    inflation: Number = 1.0
    expected_samples: int | None = None
    expected_samples_no_effect: int | None = None
    calls: int | None = None
    cost_usd: Decimal | None = None
    duration_s: Number | None = None
    table: tuple[PowerRow, ...] = ()
    sizes: tuple[SizeRow, ...] = ()
    curve: tuple[PowerPoint, ...] = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    methods: tuple[Method, ...] = ()
