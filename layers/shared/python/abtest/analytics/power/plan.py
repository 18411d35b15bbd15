"""The plan of a test: how many samples, what they find, with which chance, at what cost and in which time.

Depends on: the modules of the plan beside it, `abtest.analytics.planning`. Used by: `abtest power`, the API.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from abtest.analytics.model import Method
from abtest.analytics.planning.design_effect import JUDGES
from abtest.analytics.planning.power_resamples import STATISTIC as RESAMPLES
from abtest.analytics.power.answer import PowerPlan, PowerPoint, PowerRow, SizeRow
from abtest.analytics.power.checks import issues_of
from abtest.analytics.power.kernels import Kernel, kernel_of, largest_effect, mean_cluster_size, shape_of
from abtest.analytics.power.looks import Looks
from abtest.analytics.power.request import MOST_SAMPLES, PowerRequest
from abtest.analytics.power.wording import answer_text, assumption_texts, warning_texts
from abtest.core.errors import InvalidInputError
from abtest.core.money import rounded

_CURVE_POINTS = 25
_CURVE_END = 2.0
_EFFECTS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
_SIZES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
_SIX_DIGITS = 6


def plan_power(request: PowerRequest) -> PowerPlan:
    """Return the plan of a test.

    With an effect alone it says how many samples find it; with samples alone, the smallest effect they find; with both,
    the power. What no number of samples reaches is None beside the status `unreachable`, and what has no test at all is
    None beside `too_few`.

    Args:
        request: what is known and what is asked.

    Raises:
        InvalidInputError: with every gap and every contradiction of the request.

    Assumes: what the plan's `assumptions` say.
    """
    issues = issues_of(request)
    if issues:
        raise InvalidInputError("The test cannot be planned.", issues)
    return _Planner(request).plan()


@dataclass(frozen=True)
class _Planner:
    """One request with its test and design at hand."""

    request: PowerRequest

    @cached_property
    def kernel(self) -> Kernel:
        return kernel_of(self.request)

    @cached_property
    def looks(self) -> Looks:
        return Looks(self.request.design, self.request.alpha, self.request.power)

    @cached_property
    def sign(self) -> int:
        wanted = self.request.wanted
        return -1 if wanted is not None and wanted < 0 else 1

    @cached_property
    def needed(self) -> int | None:
        """Samples that find the effect that was asked about."""
        return None if self.request.wanted is None else self.samples_for(self.request.wanted)

    @cached_property
    def samples(self) -> int | None:
        """Samples the plan is about: those that were given, or else those that are needed."""
        return self.needed if self.request.samples is None else self.request.samples

    @cached_property
    def detectable(self) -> float | None:
        return None if self.samples is None else self.effect_at(self.samples)

    @cached_property
    def effect(self) -> float | None:
        """Effect the plan is about: the one that was asked about, or else the smallest that is found."""
        return self.detectable if self.request.wanted is None else self.request.wanted

    def samples_for(self, effect: float) -> int | None:
        n = self.kernel.samples(effect, self.looks.fixed_power)
        if n is None or n > MOST_SAMPLES:
            return None
        # Whole clusters are asked, and what rounding adds to a whole number does not cost a sample.
        size = mean_cluster_size(self.request)
        clusters = math.ceil(n / size * (1 - 1e-9))
        return math.ceil(clusters * size * (1 - 1e-9))

    def effect_at(self, samples: int) -> float | None:
        return _finite(self.kernel.effect(samples, self.looks.fixed_power, self.sign))

    def power_at(self, samples: float, effect: float) -> float | None:
        return _finite(self.looks.power(self.kernel.power(samples, effect)))

    def plan(self) -> PowerPlan:
        samples, effect = self.samples, self.effect
        shape = shape_of(self.request)
        achieved = None if samples is None or effect is None else self.power_at(samples, effect)
        plan = PowerPlan(
            status=self.status(achieved),
            answer="",
            metric=self.request.metric or "mean",
            paired=self.request.paired,
            alpha=self.request.alpha,
            power=self.request.power,
            effect=effect,
            samples=samples,
            samples_needed=self.needed if self.request.wanted is not None else None,
            detectable_effect=self.detectable,
            achieved_power=achieved,
            clusters=None if shape is None or samples is None else math.ceil(samples / mean_cluster_size(self.request)),
            design_effect=None if shape is None else _finite(shape.design_effect),
            looks=self.request.design.number,
            inflation=self.looks.inflation,
            expected_samples=_part(samples, self.looks.expected_fraction),
            expected_samples_no_effect=_part(samples, self.looks.expected_fraction_null),
            calls=None if samples is None else math.ceil(self.calls(samples)),
            cost_usd=self.cost(samples),
            duration_s=self.duration(samples),
            table=self.table(),
            sizes=self.sizes(),
            curve=self.curve(),
            methods=self.methods(),
        )
        return plan.model_copy(
            update={
                "answer": answer_text(self.request, plan),
                "assumptions": assumption_texts(self.request, plan),
                "warnings": warning_texts(self.request, plan),
            }
        )

    def status(self, achieved: float | None) -> str:
        if self.samples is None:
            return "unreachable"
        if self.effect is None:
            return "too_few" if self.samples < 2 * mean_cluster_size(self.request) else "unreachable"
        return "too_few" if achieved is None else "ok"

    def table(self) -> tuple[PowerRow, ...]:
        """Effects around the planned one: samples each needs, and its power with the plan's samples."""
        if self.effect is None:
            return ()
        largest = largest_effect(self.request, self.sign)
        effects = [self.effect * factor for factor in _EFFECTS if abs(self.effect) * factor <= largest * (1 - 1e-9)]
        return tuple(
            PowerRow(
                effect=effect,
                samples=(needed := self.samples_for(effect)),
                power=None if self.samples is None else self.power_at(self.samples, effect),
                cost_usd=self.cost(needed),
                duration_s=self.duration(needed),
            )
            for effect in (*effects, *(() if effects else (self.effect,)))
        )

    def sizes(self) -> tuple[SizeRow, ...]:
        """Numbers of samples around the planned one: what each finds, and the power it has for the planned effect."""
        if self.samples is None:
            return ()
        numbers = dict.fromkeys(min(MOST_SAMPLES, max(2, round(self.samples * factor))) for factor in _SIZES)
        return tuple(
            SizeRow(
                samples=number,
                detectable_effect=self.effect_at(number),
                power=None if self.effect is None else self.power_at(number, self.effect),
                cost_usd=self.cost(number),
                duration_s=self.duration(number),
            )
            for number in numbers
        )

    def curve(self) -> tuple[PowerPoint, ...]:
        """Power for the planned effect at numbers of samples from almost none to twice the planned one."""
        if self.samples is None or self.effect is None or self.power_at(self.samples, self.effect) is None:
            return ()
        step = _CURVE_END * self.samples / _CURVE_POINTS
        numbers = sorted({max(2, round(step * k)) for k in range(1, _CURVE_POINTS)} | {max(2, self.samples)})
        points = ((number, self.power_at(number, self.effect)) for number in numbers)
        return tuple(PowerPoint(samples=number, power=power) for number, power in points if power is not None)

    def asked(self, samples: int) -> int:
        """Answers of each variant."""
        return samples * (self.request.resamples.answers if self.request.resamples else 1)

    def calls(self, samples: int) -> float:
        return self.asked(samples) * self.request.running.calls_per_sample

    def cost(self, samples: int | None) -> Decimal | None:
        price = self.request.running.cost_usd_per_sample
        return None if samples is None or price is None else rounded(price * self.asked(samples))

    def duration(self, samples: int | None) -> float | None:
        running = self.request.running
        if samples is None:
            return None
        calls = self.calls(samples)
        limits = []
        if running.calls_per_minute is not None:
            limits.append(calls / running.calls_per_minute * 60)
        if running.latency_ms is not None and running.calls_at_once is not None:
            limits.append(math.ceil(calls / running.calls_at_once) * running.latency_ms / 1000)
        return max(limits, default=None)

    def methods(self) -> tuple[Method, ...]:
        several = self.request.judges is not None and self.request.judges.count > 1
        often = self.request.resamples is not None and self.request.resamples.answers > 1
        extra = [*([JUDGES] if several else []), *([RESAMPLES] if often else [])]
        return tuple(dict.fromkeys((*self.kernel.methods, *self.looks.methods, *extra)))


def _part(samples: int | None, fraction: float) -> int | None:
    return None if samples is None else math.ceil(samples * fraction * (1 - 1e-12))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
