"""Looks of a sequential design: what is carried from wave to wave, and whether the run may stop.

A look reads the scores of its own wave only and adds their sufficient statistics to those of the waves before it, so
its cost does not grow with the run. A fixed design takes no look before its end.

Depends on: `abtest.analytics.designs`, `abtest.analytics.statistics`. Used by: `abtest.runtime.steps.take_look`.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import ConfigDict, Field

from abtest.analytics.comparison.comparing import with_null_error
from abtest.analytics.data.scores import ALONE, SampleScores
from abtest.analytics.inference import inference_of
from abtest.analytics.model import AnalysisPlan, Number, Probability
from abtest.analytics.plan import AnalysisModel, LookPosition
from abtest.analytics.sequential.conditional_power import conditional_power
from abtest.analytics.statistics.clustered_mean import ClusteredMean
from abtest.contracts.metrics import FEWEST_UNITS_A_LOOK

Stop = Literal["efficacy", "futility"]


class LookState(AnalysisModel):
    """What the looks so far have seen of the primary metric.

    Args:
        asked: samples asked at each look, all waves up to it together.
        pairs: treatment to the sums of its pairs with the control.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    asked: tuple[int, ...] = ()
    pairs: dict[str, ClusteredMean] = Field(default_factory=dict)

    def extended(self, plan: AnalysisPlan, wave: SampleScores) -> LookState:
        """Return the state with one more wave.

        Args:
            plan: names the treatments and the primary metric.
            wave: the scores of that wave alone.
        """
        before = self.asked[-1] if self.asked else 0
        pairs = {t: self.pairs.get(t, ClusteredMean()) + _sums(plan, wave, t) for t in plan.treatments}
        return LookState(asked=(*self.asked, before + wave.samples), pairs=pairs)


class TreatmentLook(AnalysisModel):
    """One treatment at one look, by an interval and a p-value the design allows at any of its looks."""

    treatment: str
    n: int
    units: int
    effect: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None
    p_value: Probability | None = None
    decided: bool = False
    conditional_power: Number | None = None


class Look(AnalysisModel):
    """What one look saw and what follows.

    Args:
        position: which look it is.
        treatments: one a treatment.
        stop: why the run may stop; None where it goes on.
    """

    position: LookPosition
    treatments: tuple[TreatmentLook, ...]
    stop: Stop | None = None


def take(plan: AnalysisPlan, state: LookState, *, planned: int, final: bool) -> Look:
    """Return what a look says.

    Every treatment must be decided, at alpha divided by their number, for the run to stop for efficacy; every
    treatment that is not must be futile for it to stop for futility.

    Args:
        plan: the declared analysis; its design is not fixed.
        state: of all waves up to this look.
        planned: samples of all waves.
        final: no wave follows.
    """
    position = LookPosition(number=len(state.asked), asked=state.asked, planned=planned, final=final)
    seen = tuple(_treatment(plan, state, t, position) for t in plan.treatments)
    open_ones = [t for t in seen if not t.decided]
    futility = plan.design.futility
    stop: Stop | None = None
    if not final and not open_ones:
        stop = "efficacy"
    elif not final and futility is not None:
        chances = [t.conditional_power for t in open_ones]
        stop = "futility" if all(chance is not None and chance < futility for chance in chances) else None
    return Look(position=position, treatments=seen, stop=stop)


def _treatment(plan: AnalysisPlan, state: LookState, treatment: str, position: LookPosition) -> TreatmentLook:
    sums = state.pairs[treatment]
    found = with_null_error(sums.recommended(plan.alpha), plan.is_binary(plan.primary_metric))
    units = sums.count
    look = TreatmentLook(treatment=treatment, n=found.n, units=units, effect=found.effect)
    if units < FEWEST_UNITS_A_LOOK:
        return look
    if found.status == "constant" and not found.effect:
        # Nothing differs so far: there is no error to test by, but a trend, which is none.
        return look.model_copy(update={"conditional_power": _chance(plan, position, z=0.0, units=units)})
    if found.status != "ok" or found.effect is None or found.se is None:
        return look
    alpha = plan.alpha / len(plan.treatments)
    inference = inference_of(plan.design, position, alpha)
    reach = inference.half_width(found.se, units=units, df=found.df, alpha=alpha)
    p_value = inference.p_value(found.effect, found.se, units=units, df=found.df)
    known = math.isfinite(reach)
    return look.model_copy(
        update={
            "ci_low": found.effect - reach if known else None,
            "ci_high": found.effect + reach if known else None,
            "p_value": p_value,
            "decided": p_value < alpha,
            "conditional_power": _chance(plan, position, z=found.effect / found.se, units=units),
        }
    )


def _chance(plan: AnalysisPlan, position: LookPosition, *, z: float, units: int) -> float | None:
    """Return the chance to be decided at the last look, should the present trend go on; None at the last one."""
    asked, planned = position.asked, position.planned or 0
    if not planned or asked[-1] >= planned:
        return None
    fraction = asked[-1] / planned
    alpha = plan.alpha / len(plan.treatments)
    last = LookPosition(number=plan.design.looks, asked=(*asked, planned), planned=planned)
    at_end = inference_of(plan.design, last, alpha)
    # In units of the standard error at the end, the half width is the critical value of that look.
    critical = at_end.half_width(1.0, units=round(units / fraction), df=None, alpha=alpha)
    return conditional_power(z, fraction, critical)


def _sums(plan: AnalysisPlan, wave: SampleScores, treatment: str) -> ClusteredMean:
    pairs = wave.pairs(plan.control, treatment, plan.primary_metric)
    if wave.cluster is None:
        return ClusteredMean.of(pairs.a, pairs.b)
    names = wave.cluster.names
    codes = wave.cluster.codes[pairs.rows].tolist()
    return ClusteredMean.of(pairs.a, pairs.b, [None if code == ALONE else names[code] for code in codes])
