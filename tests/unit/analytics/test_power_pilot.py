"""What a pilot says: measured the same from a run's analysis as from its pairs, and what it then fills in."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from support import analysed, binary, graded_plan, plan_of

from abtest.analytics.data.scores import Pairs
from abtest.analytics.power.pilot import Pilot, icc_of, pilot_of_analysis, pilot_of_pairs, plan_from_pilot, thinned
from abtest.analytics.power.plan import plan_power
from abtest.analytics.power.request import ClusterPlan, PowerRequest
from abtest.core.errors import InvalidInputError

SEED = 7


def pairs_of(a: Any, b: Any, cluster: Any = None) -> Pairs:
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    codes = None if cluster is None else np.asarray(cluster, dtype=np.int32)
    return Pairs(x, y, codes, np.arange(x.size))


def refused(request: PowerRequest, pilot: Pilot) -> set[str]:
    with pytest.raises(InvalidInputError) as caught:
        plan_from_pilot(request, pilot)
    return {issue.path for issue in caught.value.issues}


def graded(clusters: bool = False) -> tuple[list[float], list[float], list[str] | None]:
    rng = np.random.default_rng(SEED)
    words = [f"c{n // 4}" for n in range(60)] if clusters else None
    shared = np.repeat(rng.normal(0, 1, 15), 4) if clusters else 0.0
    a = rng.normal(5, 1, 60)
    return a.tolist(), (a + 0.3 + shared + rng.normal(0, 1, 60)).tolist(), words


@pytest.mark.parametrize("clustered", [False, True])
def test_run_and_pairs__say_the_same_of_scores(clustered: bool) -> None:
    a, b, words = graded(clustered)
    result = analysed(graded_plan(), {"terse": a, "few_shot": b}, words)
    codes = [int(word[1:]) for word in words] if words else None
    run, pairs = pilot_of_analysis(result), pilot_of_pairs(pairs_of(a, b, codes), "file")
    assert (run.kind, run.pairs, run.sizes) == ("mean", 60, pairs.sizes)
    assert run.sd_difference == pytest.approx(np.std(np.subtract(b, a), ddof=1))
    assert run.sd_difference == pytest.approx(pairs.sd_difference)
    assert run.baseline == pytest.approx(pairs.baseline) == pytest.approx(np.mean(a))
    assert run.ties == pairs.ties == 0
    assert (run.icc is None) is not clustered
    if clustered:
        assert run.sizes == (4,) * 15
        # Fewer than thirty clusters: the run's standard error is CR2, which for clusters of one size is CR1's.
        assert run.icc == pytest.approx(pairs.icc, abs=0.03)
        assert 0.2 < (run.icc or 0) < 0.8


def test_run_and_pairs__say_the_same_of_passes() -> None:
    scores = binary(both=30, only_a=4, only_b=9, neither=17)
    run = pilot_of_analysis(analysed(plan_of(), scores))
    pairs = pilot_of_pairs(pairs_of(scores["terse"], scores["few_shot"]), "file")
    assert (run.kind, run.pairs, run.differing) == (pairs.kind, pairs.pairs, pairs.differing) == ("proportion", 60, 13)
    assert run.baseline == pytest.approx(34 / 60)
    assert run.ties == pairs.ties == pytest.approx(47 / 60)
    assert run.sd_difference == pytest.approx(pairs.sd_difference)
    assert (run.cost_usd_per_sample, run.latency_ms) == (Decimal("0.002"), 100.0)
    assert "few_shot against terse" in run.source and "run_1" in run.source


def test_run__knows_its_speed_when_nothing_came_from_the_ledger() -> None:
    times = {"started_at": "2026-03-01T10:00:00Z", "finished_at": "2026-03-01T10:02:00Z"}
    result = analysed(plan_of(**times), binary(both=30, only_a=4, only_b=9, neither=17))
    assert pilot_of_analysis(result).calls_per_minute == pytest.approx(60)
    old = tuple(row.model_copy(update={"from_ledger": 3}) for row in result.variants)
    assert pilot_of_analysis(result.model_copy(update={"variants": old})).calls_per_minute is None


def test_run__has_only_its_own_comparisons() -> None:
    result = analysed(plan_of(), binary(both=30, only_a=4, only_b=9, neither=17))
    assert pilot_of_analysis(result, metric="latency_ms").kind == "mean"
    with pytest.raises(InvalidInputError) as caught:
        pilot_of_analysis(result, treatment="nobody")
    assert "few_shot/correct" in caught.value.issues[0].sentence()


def test_plan__takes_from_the_pilot_what_is_not_given() -> None:
    pilot = Pilot(
        source="the pilot",
        kind="proportion",
        pairs=200,
        differing=40,
        baseline=0.7,
        ties=0.8,
        sd_difference=0.45,
        cost_usd_per_sample=Decimal("0.004"),
        calls_per_minute=120,
    )
    plan = plan_from_pilot(PowerRequest(effect=0.05), pilot)
    assert plan.samples == plan_power(PowerRequest(metric="proportion", discordance=0.2, effect=0.05)).samples == 658
    assert (plan.cost_usd, plan.duration_s) == (Decimal("2.632"), pytest.approx(658))
    assert any("the pilot: 200 pairs" in sentence for sentence in plan.assumptions)
    given = plan_from_pilot(PowerRequest(effect=0.05, discordance=0.3), pilot)
    assert given.samples == plan_power(PowerRequest(metric="proportion", discordance=0.3, effect=0.05)).samples
    assert plan_from_pilot(PowerRequest(metric="mean", effect=0.05), pilot).samples == 638
    wins = plan_from_pilot(PowerRequest(metric="win_rate", effect=0.05), pilot)
    assert wins.samples == plan_power(PowerRequest(metric="win_rate", ties=0.8, effect=0.05)).samples
    arms = plan_from_pilot(PowerRequest(paired=False, target=0.8), pilot)
    assert arms.samples == plan_power(PowerRequest(metric="proportion", paired=False, baseline=0.7, effect=0.1)).samples


def test_plan__takes_clusters_from_the_pilot() -> None:
    pilot = Pilot(source="p", kind="mean", pairs=100, sd_difference=2, sizes=(4,) * 25, icc=0.25)
    plan = plan_from_pilot(PowerRequest(effect=0.5), pilot)
    assert plan.design_effect == pytest.approx(1.75)
    own = PowerRequest(effect=0.5, clusters=ClusterPlan(sizes=(1,), icc=0.0))
    assert plan_from_pilot(own, pilot).design_effect is None


def test_uncertain_spread__is_told_with_its_upper_limit() -> None:
    pilot = Pilot(source="p", kind="mean", pairs=20, sd_difference=1)
    plan = plan_from_pilot(PowerRequest(effect=0.5), pilot)
    # Browne (1995), table 1: with 19 degrees of freedom the 80 % limit is 1.18 standard deviations.
    limit = math.sqrt(19 / 13.716)
    needed = plan_power(PowerRequest(metric="mean", sd_difference=limit, effect=0.5)).samples
    assert any(f"80 % limit {needed} samples are needed" in sentence for sentence in plan.assumptions)
    assert plan.methods[-1].name == "Cautious spread of a pilot"
    share = Pilot(source="p", kind="proportion", pairs=40, differing=8, baseline=0.6)
    assert "80 % limit" in plan_from_pilot(PowerRequest(target=0.7), share).assumptions[-1]
    tiny = Pilot(source="p", kind="mean", pairs=4, sd_difference=1)
    assert any("next to nothing" in warning for warning in plan_from_pilot(PowerRequest(effect=0.5), tiny).warnings)


@pytest.mark.parametrize(
    ("request_fields", "pilot_fields", "paths"),
    [
        ({"effect": 0.1}, {"kind": "mean"}, {"pilot"}),
        ({"effect": 0.1, "metric": "proportion"}, {"kind": "mean", "sd_difference": 1.0}, {"metric"}),
        ({"effect": 0.1, "paired": False}, {"kind": "mean", "sd_difference": 1.0}, {"paired"}),
        ({"effect": 0.1}, {"kind": "proportion", "differing": 0, "baseline": 0.5}, {"pilot"}),
        ({"effect": 0.4}, {"kind": "proportion", "differing": 5, "baseline": 0.5}, {"effect"}),
        ({}, {"kind": "mean", "sd_difference": 1.0}, {"effect"}),
    ],
)
def test_pilot_that_does_not_say_enough__is_refused(
    request_fields: dict[str, Any], pilot_fields: dict[str, Any], paths: set[str]
) -> None:
    assert refused(PowerRequest(**request_fields), Pilot(source="p", pairs=50, **pilot_fields)) == paths


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], [2.0]), ([1, 1, 1], [1, 1, 1]), ([1.0, 2.0], [2.0, 3.0])])
def test_degenerate_pairs__have_no_spread(a: list[float], b: list[float]) -> None:
    assert pilot_of_pairs(pairs_of(a, b, range(len(a)) if a else None), "p").sd_difference is None


def test_sizes_of_many_clusters__are_thinned_alike() -> None:
    sizes = thinned([1] * 3000 + [2] * 6000 + [9] * 1000)
    assert len(sizes) == 500
    assert sum(sizes) / 500 == pytest.approx(2.4, abs=0.05)
    assert thinned([3, 1, 2]) == (1, 2, 3)


def test_icc__is_what_the_design_effect_says() -> None:
    assert icc_of(2.2, [5, 5]) == pytest.approx(0.3)
    assert icc_of(0.7, [5, 5]) == 0
    assert icc_of(99, [5, 5]) == 1
    assert icc_of(2, [1, 1]) == 0
