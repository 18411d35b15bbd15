"""Plans of tests: published sizes, inverses, contradictions, and that a planned test finds what it was planned for."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.analytics.plan import DesignKind
from abtest.analytics.power.answer import PowerPlan
from abtest.analytics.power.checks import issues_of
from abtest.analytics.power.plan import plan_power
from abtest.analytics.power.request import PowerRequest
from abtest.analytics.sequential.asymptotic_confidence_sequence import asymptotic_confidence_sequence
from abtest.analytics.sequential.group_sequential import lan_demets_boundaries
from abtest.analytics.statistics._student import two_sided_p
from abtest.analytics.statistics.cluster_robust import cluster_robust
from abtest.analytics.statistics.mcnemar import mcnemar_test
from abtest.analytics.statistics.paired_mean import PairedMean
from abtest.analytics.statistics.welch_mean import WelchMean
from abtest.analytics.statistics.win_rate import WinCounts
from abtest.core.errors import InvalidInputError

SEED = 20260301


def planned(**fields: Any) -> PowerPlan:
    return plan_power(PowerRequest(**fields))


def refused(**fields: Any) -> dict[str, str]:
    """The issues of a request, by path."""
    with pytest.raises(InvalidInputError) as caught:
        planned(**fields)
    return {issue.path: issue.sentence() for issue in caught.value.issues}


# Published sizes


@pytest.mark.parametrize(
    ("fields", "samples"),
    [
        # Cohen (1988), table 2.4.1, two-sided .05, power .80; the paired ones as G*Power 3.1 gives them.
        ({"metric": "mean", "paired": False, "sd": 1, "effect": 0.2}, 394),
        ({"metric": "mean", "paired": False, "sd": 1, "effect": 0.5}, 64),
        ({"metric": "mean", "paired": False, "sd": 1, "effect": 0.8}, 26),
        ({"metric": "mean", "sd_difference": 1, "effect": 0.2}, 199),
        ({"metric": "mean", "sd_difference": 2, "effect": -1}, 34),
        ({"metric": "mean", "sd_difference": 1, "effect": 0.8}, 15),
        # Fleiss, Levin and Paik (2003), table A.4 without the continuity correction: R's power.prop.test.
        ({"metric": "proportion", "paired": False, "baseline": 0.5, "effect": 0.1}, 388),
        ({"metric": "proportion", "paired": False, "baseline": 0.6, "target": 0.5}, 388),
        # Noether (1987): (z_a + z_b)^2 / (4 (W - 1/2)^2) is 784.9, which leaves out that the variance falls with W.
        ({"metric": "win_rate", "target": 0.55}, 783),
    ],
)
def test_sample_size__is_the_published_one(fields: dict[str, Any], samples: int) -> None:
    plan = planned(**fields)
    assert (plan.status, plan.samples, plan.samples_needed) == ("ok", samples, samples)
    assert plan.achieved_power is not None and 0.8 <= plan.achieved_power < 0.83


def test_exact_mcnemar__power_is_the_sum_over_all_tables() -> None:
    plan = planned(metric="proportion", discordance=0.4, effect=0.2, samples=40)
    found = 0.0
    for differing in range(41):
        for wins in range(differing + 1):
            if stats.binomtest(wins, differing).pvalue <= 0.05 if differing else False:
                found += stats.binom.pmf(differing, 40, 0.4) * stats.binom.pmf(wins, differing, 0.75)
    assert plan.achieved_power == pytest.approx(found, rel=1e-10)


def test_clusters__power_has_the_degrees_of_freedom_of_clusters() -> None:
    clusters = {"sizes": (5,), "icc": 0.3}
    plan = planned(metric="mean", sd_difference=1, effect=0.5, samples=50, clusters=clusters)
    ncp, critical = 0.5 * math.sqrt(50 / 2.2), stats.t.ppf(0.975, 9)
    expected = stats.nct.sf(critical, 9, ncp) + stats.nct.cdf(-critical, 9, ncp)
    assert (plan.clusters, plan.design_effect) == (10, pytest.approx(2.2))
    assert plan.achieved_power == pytest.approx(expected, rel=1e-9)


def test_clusters__are_asked_whole() -> None:
    plan = planned(metric="mean", sd_difference=1, effect=0.1, clusters={"sizes": (7,), "icc": 0.1})
    assert plan.samples is not None and plan.samples % 7 == 0 and plan.clusters == plan.samples // 7


def test_clusters__of_one_sample_change_nothing() -> None:
    alone = planned(metric="proportion", discordance=0.3, effect=0.1)
    assert planned(metric="proportion", discordance=0.3, effect=0.1, clusters={"sizes": (1,), "icc": 0.5}) == alone


def test_judges__average_their_own_part_of_the_variance() -> None:
    one = {"metric": "mean", "sd_difference": 2, "samples": 400}
    three = planned(**one, judges={"count": 3, "correlation": 0.4}).detectable_effect
    same = planned(**one, judges={"count": 3, "noise_variance": 4 * 0.6}).detectable_effect
    single = planned(**one).detectable_effect
    assert single is not None
    assert three == pytest.approx(single * math.sqrt((1 + 2 * 0.4) / 3), rel=1e-9)
    assert same == pytest.approx(three, rel=1e-12)


def test_answers__average_the_variance_within_samples() -> None:
    once = planned(metric="mean", sd_difference=1, samples=300).detectable_effect
    often = planned(
        metric="mean", sd_difference=1, samples=300, resamples={"answers": 4, "within_variance": 0.8}
    ).detectable_effect
    assert once is not None
    assert often == pytest.approx(once * math.sqrt(0.2 + 0.8 / 4), rel=1e-9)


def test_judges_and_answers__noise_is_drawn_anew_for_each_answer() -> None:
    both = planned(
        metric="mean",
        sd_difference=1,
        samples=300,
        judges={"count": 2, "noise_variance": 0.5},
        resamples={"answers": 4, "within_variance": 0.8},
    ).detectable_effect
    once = planned(metric="mean", sd_difference=1, samples=300).detectable_effect
    assert once is not None
    assert both == pytest.approx(once * math.sqrt(0.2 + (0.3 + 0.5 / 2) / 4), rel=1e-9)


def test_pairs__spread_comes_from_arms_and_correlation() -> None:
    arms = planned(metric="mean", sd=1, sd_treatment=2, correlation=0.5, effect=0.3)
    assert arms.samples == planned(metric="mean", sd_difference=math.sqrt(3), effect=0.3).samples


def test_discordance__is_that_of_independent_variants_where_nobody_said_it() -> None:
    assumed = planned(metric="proportion", baseline=0.7, effect=0.05)
    assert assumed.samples == planned(metric="proportion", discordance=0.7 * 0.25 + 0.75 * 0.3, effect=0.05).samples
    assert any("independently" in sentence for sentence in assumed.assumptions)


@pytest.mark.parametrize(
    "fields",
    [
        {"metric": "mean", "sd_difference": 1.3},
        {"metric": "mean", "sd": 1.3, "paired": False},
        {"metric": "mean", "sd_difference": 1.3, "clusters": {"sizes": (3, 5, 4), "icc": 0.2}},
        {"metric": "mean", "sd_difference": 1.3, "design": {"kind": "group_sequential", "looks": 4}},
        {"metric": "mean", "sd_difference": 1.3, "design": {"kind": "always_valid", "looks": 8}},
        {"metric": "proportion", "discordance": 0.3},
        {"metric": "proportion", "baseline": 0.6},
        {"metric": "proportion", "baseline": 0.6, "paired": False},
        {"metric": "proportion", "baseline": 0.6, "clusters": {"sizes": (4,), "icc": 0.1}},
        {"metric": "proportion", "discordance": 0.3, "design": {"kind": "group_sequential", "spending": "pocock"}},
        {"metric": "win_rate", "ties": 0.2},
        {"metric": "win_rate", "ties": 0.2, "judges": {"count": 3, "correlation": 0.5}},
    ],
)
def test_effect_and_size__are_inverses(fields: dict[str, Any]) -> None:
    sign = -1 if len(fields) > 2 else 1
    plan = planned(**fields, samples=600, effect=sign * 0.01)
    smallest = plan.detectable_effect
    assert smallest is not None and smallest * sign > 0
    again = planned(**fields, effect=smallest)
    assert again.samples is not None and abs(again.samples - 600) <= 6
    at_smallest = planned(**fields, samples=600, effect=smallest).achieved_power
    assert at_smallest == pytest.approx(0.8, abs=2e-3)


def test_answer__more_power_or_smaller_effects_need_more() -> None:
    base = {"metric": "proportion", "discordance": 0.3}
    plan = planned(**base, effect=0.1)
    assert plan.samples is not None
    for harder in ({"power": 0.9}, {"alpha": 0.01}, {"effect": 0.08}, {"discordance": 0.35}):
        more = planned(**{**base, "effect": 0.1, **harder}).samples
        assert more is not None and more > plan.samples
    powers = [point.power for point in plan.curve]
    assert len(powers) == 25 and powers == sorted(powers)
    assert [row.samples for row in plan.table] == sorted((row.samples for row in plan.table), reverse=True)
    assert plan.samples in [point.samples for point in plan.curve]


def test_designs__with_looks_take_more_at_most_and_fewer_on_average() -> None:
    plan = planned(metric="mean", sd_difference=1, effect=0.2, design={"kind": "group_sequential", "looks": 5})
    fixed = planned(metric="mean", sd_difference=1, effect=0.2)
    assert plan.samples is not None and fixed.samples is not None and plan.expected_samples is not None
    assert plan.samples == pytest.approx(plan.inflation * fixed.samples, rel=0.01)
    assert plan.expected_samples < fixed.samples < plan.samples < (plan.expected_samples_no_effect or 0) + 10
    always = planned(metric="mean", sd_difference=1, effect=0.2, design={"kind": "always_valid", "looks": 5})
    assert always.inflation > plan.inflation > 1 == fixed.inflation


def test_always_valid__at_its_end_alone_needs_what_its_width_says() -> None:
    plan = planned(metric="mean", sd_difference=1, effect=0.02, design={"kind": "always_valid", "looks": 1})
    s = -2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))
    width = math.sqrt((s + 1) / s * (math.log(1 + s) - 2 * math.log(0.05)))
    assert plan.samples == pytest.approx(((width + NormalDist().inv_cdf(0.8)) / 0.02) ** 2, rel=1e-3)


# Cost and time


def test_cost_and_duration__are_those_of_all_samples() -> None:
    running = {"cost_usd_per_sample": "0.0025", "calls_per_sample": 3, "calls_per_minute": 90}
    plan = planned(metric="mean", sd_difference=1, effect=0.2, running=running)
    assert (plan.samples, plan.calls, plan.cost_usd) == (199, 597, Decimal("0.4975"))
    assert plan.duration_s == pytest.approx(597 / 90 * 60)
    assert plan.answer.endswith("; about $0.50 and 7 min.")
    often = {"answers": 3, "within_variance": 0.0}
    tripled = planned(metric="mean", sd_difference=1, effect=0.2, running=running, resamples=often)
    assert tripled.cost_usd == 3 * Decimal("0.4975")
    latency = {"latency_ms": 2000, "calls_at_once": 10, "calls_per_minute": 1e9}
    slow = planned(metric="mean", sd_difference=1, effect=0.2, running=latency)
    assert (slow.calls, slow.duration_s, slow.cost_usd) == (398, pytest.approx(80.0), None)


# Words


def test_answer__says_what_was_asked() -> None:
    base = {"metric": "proportion", "discordance": 0.2}
    needs = planned(**base, effect=0.05)
    assert needs.answer == "You need 658 samples (pairs) to find a difference of 5 points four times in five."
    finds = planned(**base, samples=500)
    assert finds.answer.startswith("500 samples (pairs) find a difference of 5.74 points or more four times in five")
    both = planned(**base, samples=500, effect=0.05, power=0.9)
    assert "with a chance of 68 %" in both.answer and "nine times in ten, it takes" in both.answer
    assert "a win rate of 55 %" in planned(metric="win_rate", effect=0.05).answer
    arms = planned(metric="proportion", baseline=0.5, effect=0.1, paired=False, power=0.85)
    assert "of each variant" in arms.answer and "with a chance of 85 %" in arms.answer
    assert "−5 points" in planned(**base, effect=-0.05).answer


def test_plan__names_its_methods_and_assumptions() -> None:
    plan = planned(
        metric="mean",
        sd_difference=1,
        effect=0.2,
        clusters={"sizes": (4,), "icc": 0.2},
        judges={"count": 2, "correlation": 0.5},
        resamples={"answers": 2, "within_variance": 0.5},
        design={"kind": "group_sequential", "looks": 3},
    )
    names = [method.name for method in plan.methods]
    assert len(names) == len(set(names)) == 7
    text = " ".join(plan.assumptions)
    for word in ("pairs", "correlate by 0.2", "2 judges", "2 times", "looked at 3 times", "standard deviation"):
        assert word in text


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"metric": "mean", "sd_difference": 1, "samples": 20}, "20 samples"),
        ({"metric": "mean", "sd_difference": 1, "samples": 40, "clusters": {"sizes": (8,), "icc": 0.1}}, "5 clusters"),
        ({"metric": "mean", "sd_difference": 1, "samples": 400, "clusters": {"sizes": (8,), "icc": 0}}, "rare"),
        ({"metric": "proportion", "discordance": 0.05, "samples": 150, "effect": 0.04}, "7.5 samples only"),
        ({"metric": "proportion", "discordance": 0.3, "samples": 50, "effect": 0.05}, "miss the effect"),
        ({"metric": "proportion", "discordance": 0.3, "samples": 4}, "as often as wanted"),
        ({"metric": "mean", "sd_difference": 1, "effect": 1e-6}, "out of reach"),
    ],
)
def test_warnings__say_what_is_thin(fields: dict[str, Any], word: str) -> None:
    assert any(word in warning for warning in planned(**fields).warnings)


# What cannot be planned


def test_every_issue__is_told_at_once() -> None:
    issues = refused(metric="proportion", baseline=0.7, discordance=0.7, effect=0.05, ties=0.1, power=0.01, sd=3)
    assert set(issues) == {"discordance", "ties", "power", "sd"}
    assert "0.05 to 0.55" in issues["discordance"]


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({}, {"metric"}),
        ({"metric": "mean"}, {"effect", "sd_difference"}),
        ({"metric": "mean", "paired": False, "effect": 1, "sd_difference": 1}, {"sd_difference", "sd"}),
        ({"metric": "mean", "effect": 1, "sd": 1}, {"correlation"}),
        ({"metric": "mean", "effect": 1, "sd": 1, "sd_difference": 1}, {"sd_difference"}),
        ({"metric": "mean", "paired": False, "effect": 1, "sd": 1, "correlation": 0.5}, {"correlation"}),
        ({"metric": "mean", "sd": 1, "correlation": 1, "effect": 1}, {"correlation"}),
        ({"metric": "mean", "sd_difference": 1, "target": 1}, {"baseline"}),
        ({"metric": "mean", "sd_difference": 1, "effect": 0}, {"effect"}),
        ({"metric": "mean", "sd_difference": 1, "effect": 1, "target": 1, "baseline": 0}, {"target"}),
        ({"metric": "proportion", "effect": 0.1}, {"baseline"}),
        ({"metric": "proportion", "effect": 0.1, "paired": False, "discordance": 0.2}, {"baseline", "discordance"}),
        ({"metric": "proportion", "effect": 0.4, "baseline": 0.7}, {"effect"}),
        ({"metric": "proportion", "effect": 5, "baseline": 70}, {"effect", "baseline"}),
        ({"metric": "proportion", "effect": 0.3, "discordance": 0.2}, {"discordance"}),
        ({"metric": "proportion", "effect": 0.3, "discordance": 0}, {"discordance"}),
        ({"metric": "win_rate", "effect": 0.45, "ties": 0.2}, {"effect"}),
        ({"metric": "win_rate", "target": 1.2}, {"target"}),
        ({"metric": "win_rate", "effect": 0.1, "ties": 1}, {"ties"}),
        ({"metric": "win_rate", "effect": 0.1, "baseline": 0.5, "paired": False}, {"paired", "baseline"}),
        ({"metric": "mean", "sd_difference": 1, "effect": 1, "design": {"looks": 3}}, {"design.looks"}),
        (
            {"metric": "mean", "sd_difference": 1, "effect": 1, "design": {"kind": "group_sequential", "looks": 1}},
            {"design.looks"},
        ),
        ({"metric": "mean", "sd_difference": 1, "effect": 1, "judges": {"count": 3}}, {"judges"}),
        (
            {"metric": "mean", "sd_difference": 1, "effect": 1, "judges": {"count": 3, "noise_variance": 2}},
            {"judges.noise_variance"},
        ),
        (
            {"metric": "mean", "sd_difference": 1, "effect": 1, "resamples": {"answers": 3, "within_variance": 2}},
            {"resamples.within_variance"},
        ),
        ({"metric": "mean", "sd_difference": 1, "effect": 1, "running": {"calls_at_once": 3}}, {"running.latency_ms"}),
        (
            {"metric": "proportion", "discordance": 1, "effect": 1, "design": {"kind": "group_sequential"}},
            {"discordance"},
        ),
    ],
)
def test_contradiction_or_gap__is_refused(fields: dict[str, Any], paths: set[str]) -> None:
    assert set(refused(**fields)) == paths


@pytest.mark.parametrize(
    ("fields", "status", "samples"),
    [
        ({"metric": "mean", "sd_difference": 1, "effect": 1e-7}, "unreachable", None),
        ({"metric": "mean", "sd_difference": 1, "samples": 1}, "too_few", 1),
        ({"metric": "mean", "sd_difference": 1, "samples": 1, "effect": 3}, "too_few", 1),
        ({"metric": "mean", "sd_difference": 1, "samples": 9, "clusters": {"sizes": (5,), "icc": 0.1}}, "too_few", 9),
        ({"metric": "proportion", "baseline": 0.7, "samples": 5}, "unreachable", 5),
        ({"metric": "proportion", "baseline": 1.0, "paired": False, "samples": 50}, "unreachable", 50),
        ({"metric": "win_rate", "samples": 3}, "unreachable", 3),
    ],
)
def test_what_is_out_of_reach__has_a_status_and_no_numbers(
    fields: dict[str, Any], status: str, samples: int | None
) -> None:
    plan = planned(**fields)
    assert (plan.status, plan.samples) == (status, samples)
    assert plan.achieved_power is None and plan.answer and plan.curve == ()


SHARE = st.floats(0, 1)
POSITIVE = st.floats(1e-6, 1e6)


@pytest.mark.parametrize("paired", [True, False])
def test_an_effect_too_small_to_be_squared__is_out_of_reach(paired: bool) -> None:
    plan = planned(metric="proportion", paired=paired, baseline=0.0, effect=2.2250738585072014e-308, alpha=1e-9)
    assert (plan.status, plan.samples) == ("unreachable", None)


@settings(max_examples=40, deadline=None)
@given(
    metric=st.sampled_from(["mean", "proportion", "win_rate"]),
    paired=st.booleans(),
    effect=st.none() | st.floats(-1, 1) | st.floats(-1e12, 1e12),
    samples=st.none() | st.integers(1, 10**9),
    alpha=st.sampled_from([1e-9, 0.001, 0.05, 0.5]),
    power=st.sampled_from([0.1, 0.5, 0.8, 0.999999]),
    sd=POSITIVE,
    baseline=st.none() | SHARE,
    discordance=st.none() | SHARE,
    ties=st.none() | SHARE,
    clusters=st.none() | st.builds(lambda s, icc: {"sizes": (s,), "icc": icc}, st.integers(1, 50), SHARE),
    judges=st.none() | st.builds(lambda n, c: {"count": n, "correlation": c}, st.integers(1, 9), SHARE),
    looks=st.sampled_from([("fixed", None), ("group_sequential", 3), ("always_valid", 4)]),
)
def test_any_request__is_planned_whole_or_refused(looks: tuple[DesignKind, int | None], **fields: Any) -> None:
    metric, paired, sd = fields["metric"], fields["paired"], fields.pop("sd")
    if metric == "mean":
        fields |= {"sd_difference": sd} if paired else {"sd": sd}
    for name, kind in (("discordance", "proportion"), ("ties", "win_rate")):
        if metric != kind:
            fields.pop(name)
    if metric == "win_rate":
        fields.pop("baseline")
    request = PowerRequest(**fields, design={"kind": looks[0], "looks": looks[1]})
    if issues_of(request):
        return
    plan = plan_power(request)
    json.dumps(plan.model_dump(mode="json"), allow_nan=False)
    if plan.samples_needed is not None and request.samples is None:
        assert plan.achieved_power is None or plan.achieved_power >= request.power - 1e-3


# Simulations: the planned number of samples gives the wanted power with the product's own tests.

REPEATS = 2000
TOLERANCE = 3 * math.sqrt(0.8 * 0.2 / REPEATS)


def check(plan: PowerPlan, found: list[bool], *, above: float = 0.0) -> None:
    """The share of tests that found the effect is the planned power, or `above` more."""
    assert plan.achieved_power is not None
    share = float(np.mean(found))
    assert plan.achieved_power - TOLERANCE <= share <= plan.achieved_power + TOLERANCE + above, share


def test_paired_t__has_the_planned_power() -> None:
    plan = planned(metric="mean", sd_difference=2, effect=0.8)
    rng = np.random.default_rng(SEED)
    draws = rng.normal(0.8, 2, (REPEATS, plan.samples))
    zeros = np.zeros(plan.samples or 0)
    check(plan, [(PairedMean.of(zeros, row).result().p_value or 1) <= 0.05 for row in draws])


def test_two_samples__have_the_planned_power() -> None:
    plan = planned(metric="mean", paired=False, sd=1, sd_treatment=2, effect=0.6)
    rng = np.random.default_rng(SEED)
    a, b = rng.normal(0, 1, (REPEATS, plan.samples)), rng.normal(0.6, 2, (REPEATS, plan.samples))
    check(plan, [(WelchMean.of(x, y).result().p_value or 1) <= 0.05 for x, y in zip(a, b, strict=True)])


def test_exact_mcnemar__has_the_planned_power() -> None:
    plan = planned(metric="proportion", discordance=0.3, effect=0.12)
    rng = np.random.default_rng(SEED)
    tables = rng.multinomial(plan.samples, [0.09, 0.21, 0.7], REPEATS)
    check(plan, [(mcnemar_test(int(b), int(c)).p_value or 1) <= 0.05 for b, c, _ in tables])


def test_win_rate__has_the_planned_power() -> None:
    plan = planned(metric="win_rate", target=0.6, ties=0.2)
    rng = np.random.default_rng(SEED)
    found = []
    for wins, losses, ties in rng.multinomial(plan.samples, [0.5, 0.3, 0.2], REPEATS).tolist():
        result = WinCounts(wins, losses, ties).result()
        found.append(result.ci_low is not None and result.ci_low > 0.5)
    # The interval's standard error is estimated where the effect is, which is smaller than the one at 1/2.
    check(plan, found, above=0.015)


@pytest.mark.parametrize("size", [4, 10])
def test_clustered_t__has_the_planned_power(size: int) -> None:
    plan = planned(metric="mean", sd_difference=1, effect=0.4, clusters={"sizes": (size,), "icc": 0.3})
    assert plan.samples is not None and plan.clusters is not None
    rng = np.random.default_rng(SEED)
    codes = np.repeat(np.arange(plan.clusters), size)
    found = []
    for _ in range(REPEATS):
        shared = rng.normal(0, math.sqrt(0.3), plan.clusters)[codes]
        robust = cluster_robust(0.4 + shared + rng.normal(0, math.sqrt(0.7), codes.size), codes).cr1
        found.append(robust is not None and robust.p_value is not None and robust.p_value <= 0.05)
    check(plan, found)


@pytest.mark.slow
@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_group_sequential__has_the_planned_power_and_ends_early_as_planned(spending: Any) -> None:
    plan = planned(
        metric="mean",
        sd_difference=1,
        effect=0.2,
        design={"kind": "group_sequential", "looks": 5, "spending": spending},
    )
    assert plan.samples is not None and plan.expected_samples is not None
    ends = [round(plan.samples * (k + 1) / 5) for k in range(5)]
    nominal = lan_demets_boundaries([end / plan.samples for end in ends], spending=spending, final=True).nominal_p
    rng = np.random.default_rng(SEED)
    found, asked = [], []
    for _ in range(REPEATS):
        batch = np.diff([0, *ends])
        sums, stopped = PairedMean(), False
        for n, p in zip(batch, nominal, strict=True):
            sums += PairedMean.of(np.zeros(n), rng.normal(0.2, 1, n))
            t = sums.result().t
            stopped = t is not None and p is not None and two_sided_p(t, sums.n - 1) <= 2 * p and t > 0
            if stopped:
                break
        found.append(stopped)
        asked.append(sums.n)
    check(plan, found)
    assert np.mean(asked) == pytest.approx(plan.expected_samples, rel=0.03)


@pytest.mark.slow
def test_always_valid__has_the_planned_power() -> None:
    plan = planned(metric="mean", sd_difference=1, effect=0.2, design={"kind": "always_valid", "looks": 10})
    assert plan.samples is not None
    ends = [round(plan.samples * (k + 1) / 10) for k in range(10)]
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(REPEATS):
        draws = rng.normal(0.2, 1, plan.samples)
        means, spreads = ([getattr(draws[:end], name)() for end in ends] for name in ("mean", "std"))
        found.append(
            any(
                asymptotic_confidence_sequence(m, s / math.sqrt(end), end, tuned_at=plan.samples).ci_low > 0  # type: ignore[operator]
                for m, s, end in zip(means, spreads, ends, strict=True)
            )
        )
    check(plan, found, above=0.01)
