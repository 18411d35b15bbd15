from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abtest.analytics.data.scores import Column, SampleScores
from abtest.analytics.inference import inference_of
from abtest.analytics.looks import LookState, take
from abtest.analytics.plan import AnalysisPlan, DesignPlan, JudgeMetric, LookPosition
from abtest.analytics.sequential.group_sequential import lan_demets_boundaries
from abtest.contracts.metrics import FEWEST_UNITS_A_LOOK

JUDGE = JudgeMetric(name="quality", type="rubric", binary=False)


def plan_of(kind: str, variants: tuple[str, ...] = ("a", "b"), **design: Any) -> AnalysisPlan:
    return AnalysisPlan(
        test_name="t",
        control="a",
        variants=variants,
        judges=(JUDGE,),
        primary_metric="quality",
        design=DesignPlan.model_validate({"kind": kind, "looks": 5, **design}),
    )


def wave_of(size: int, effect: float, seed: int, clusters: int = 0, variants: str = "ab") -> SampleScores:
    random = np.random.default_rng(seed)
    base = random.normal(size=size)
    values = {("a", "quality"): base}
    for place, variant in enumerate(variants[1:]):
        values[variant, "quality"] = base + random.normal(effect * (1 + place), 1, size)
    cluster = Column.of([f"c{i % clusters}" for i in range(size)]) if clusters else None
    return SampleScores(size, values, cluster)


@pytest.mark.parametrize("clusters", [0, 25])
def test_state_of_several_waves__equals_that_of_one(clusters: int) -> None:
    plan = plan_of("group_sequential")
    waves = [wave_of(50, 0.2, seed, clusters) for seed in range(4)]
    state = LookState()
    for wave in waves:
        state = LookState.model_validate_json(state.extended(plan, wave).model_dump_json())
    pooled = SampleScores(
        200,
        {key: np.concatenate([wave.values[key] for wave in waves]) for key in waves[0].values},
        Column.of([f"c{i % clusters}" for _ in waves for i in range(50)]) if clusters else None,
    )
    whole = LookState().extended(plan, pooled)
    one, other = state.pairs["b"].recommended(0.05), whole.pairs["b"].recommended(0.05)
    assert (one.n, one.clusters) == (other.n, other.clusters)
    assert (one.effect, one.se) == pytest.approx((other.effect, other.se), rel=1e-9)
    assert state.asked == (50, 100, 150, 200)


@pytest.mark.parametrize("kind", ["group_sequential", "always_valid"])
def test_large_effect__stops_and_no_effect_does_not(kind: str) -> None:
    plan = plan_of(kind)
    found = take(plan, LookState().extended(plan, wave_of(100, 1.0, 1)), planned=500, final=False)
    assert (found.stop, found.treatments[0].decided) == ("efficacy", True)
    quiet = take(plan, LookState().extended(plan, wave_of(100, 0.0, 2)), planned=500, final=False)
    assert quiet.stop is None
    assert quiet.treatments[0].p_value is not None
    assert quiet.treatments[0].p_value > 0.05


def test_last_look__ends_without_stopping_early() -> None:
    plan = plan_of("group_sequential")
    found = take(plan, LookState().extended(plan, wave_of(100, 1.0, 1)), planned=100, final=True)
    assert found.stop is None
    assert found.treatments[0].decided


def test_few_units__stop_nothing_and_show_no_number() -> None:
    plan = plan_of("always_valid")
    found = take(plan, LookState().extended(plan, wave_of(FEWEST_UNITS_A_LOOK - 1, 5.0, 1)), planned=100, final=False)
    (look,) = found.treatments
    assert (found.stop, look.p_value, look.ci_low, look.decided) == (None, None, None, False)


def test_futile_trend__stops_only_where_it_was_declared() -> None:
    waves = [wave_of(100, 0.0, seed) for seed in (5, 6, 7)]
    outcomes = {}
    for futility in (None, 0.2):
        plan, state = plan_of("group_sequential", futility=futility), LookState()
        for wave in waves:
            state = state.extended(plan, wave)
        outcomes[futility] = take(plan, state, planned=500, final=False)
    assert outcomes[None].stop is None
    chance = outcomes[0.2].treatments[0].conditional_power
    assert chance is not None
    assert outcomes[0.2].stop == ("futility" if chance < 0.2 else None)
    assert chance < 0.2


def test_several_treatments__all_must_be_decided() -> None:
    plan = plan_of("group_sequential", ("a", "b", "c"))
    random = np.random.default_rng(3)
    base = random.normal(size=100)
    values = {
        ("a", "quality"): base,
        ("b", "quality"): base + random.normal(1.5, 1, 100),
        ("c", "quality"): base + random.normal(0, 1, 100),
    }
    found = take(plan, LookState().extended(plan, SampleScores(100, values)), planned=500, final=False)
    assert [look.decided for look in found.treatments] == [True, False]
    assert found.stop is None


def test_binary_pairs_that_all_go_one_way__are_decided() -> None:
    judge = JUDGE.model_copy(update={"binary": True})
    plan = plan_of("group_sequential").model_copy(update={"judges": (judge,)})
    values = {("a", "quality"): np.ones(40), ("b", "quality"): np.zeros(40)}
    found = take(plan, LookState().extended(plan, SampleScores(40, values)), planned=200, final=False)
    assert found.stop == "efficacy"


@pytest.mark.parametrize("kind", ["fixed", "group_sequential", "always_valid"])
def test_p_value__is_where_the_interval_meets_zero(kind: str) -> None:
    design = DesignPlan.model_validate({"kind": kind, "looks": 4})
    inference = inference_of(design, LookPosition(number=2, asked=(50, 100), planned=200, final=False), 0.05)
    for estimate in (0.08, 0.25, -0.4):
        p = inference.p_value(estimate, 0.1, units=100, df=99)
        if 1e-12 < p < 0.9:
            reach = inference.half_width(0.1, units=100, df=99, alpha=p)
            assert reach == pytest.approx(abs(estimate), rel=1e-4)


@pytest.mark.parametrize("kind", ["group_sequential", "always_valid"])
def test_intervals__nest_in_alpha(kind: str) -> None:
    design = DesignPlan.model_validate({"kind": kind, "looks": 4})
    inference = inference_of(design, LookPosition(number=2, asked=(50, 100), planned=200, final=False), 0.05)
    reaches = [inference.half_width(0.1, units=100, df=99, alpha=alpha) for alpha in (0.2, 0.1, 0.05, 0.01)]
    assert reaches == sorted(reaches)


def test_empty_wave_between_looks__spends_nothing() -> None:
    design = DesignPlan(kind="group_sequential", looks=3)
    skipped = inference_of(design, LookPosition(number=3, asked=(50, 50, 150), planned=150), 0.05)
    direct = inference_of(design, LookPosition(number=3, asked=(50, 150), planned=150), 0.05)
    reach = {"units": 150, "df": 149.0, "alpha": 0.05}
    assert skipped.half_width(1.0, **reach) == direct.half_width(1.0, **reach)  # type: ignore[arg-type]


def test_interval_of_a_look__reaches_the_critical_value_of_its_boundary() -> None:
    design = DesignPlan(kind="group_sequential", looks=4)
    inference = inference_of(design, LookPosition(number=2, asked=(50, 100), planned=200, final=False), 0.05)
    critical = lan_demets_boundaries([0.25, 0.5]).critical_z[-1]
    assert inference.half_width(0.1, units=100, df=None, alpha=0.05) == pytest.approx(0.1 * (critical or 0))
    early = inference_of(design, LookPosition(number=1, asked=(1,), planned=10_000, final=False), 0.05)
    assert early.half_width(0.1, units=1, df=None, alpha=0.05) == np.inf


def test_pairs_that_never_differ__are_a_futile_trend() -> None:
    judge = JUDGE.model_copy(update={"binary": True})
    plan = plan_of("group_sequential", futility=0.1).model_copy(update={"judges": (judge,)})
    values = {("a", "quality"): np.ones(100), ("b", "quality"): np.ones(100)}
    found = take(plan, LookState().extended(plan, SampleScores(100, values)), planned=200, final=False)
    (look,) = found.treatments
    assert (look.p_value, look.decided, found.stop) == (None, False, "futility")
    assert 0 < (look.conditional_power or 0) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most"), [("group_sequential", 0.075), ("always_valid", 0.05)])
def test_looking_five_times__keeps_the_error_rate(kind: str, most: float) -> None:
    plan, alarms, runs = plan_of(kind), 0, 700
    random = np.random.default_rng(11)
    for _ in range(runs):
        state = LookState()
        for number in range(5):
            a = random.normal(size=40)
            scores = SampleScores(40, {("a", "quality"): a, ("b", "quality"): a + random.normal(size=40)})
            state = state.extended(plan, scores)
            if take(plan, state, planned=200, final=number == 4).treatments[0].decided:
                alarms += 1
                break
    assert alarms / runs < most
