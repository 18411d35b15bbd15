"""Sequential methods against published tables, other software's figures, quadrature and loops written out plainly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import ndtr

from abtest.analytics.sequential import asymptotic_confidence_sequence as asymptotic
from abtest.analytics.sequential import conjugate_mixture as mixture
from abtest.analytics.sequential._root import root
from abtest.analytics.sequential.alpha_spending import spent
from abtest.analytics.sequential.conditional_power import conditional_power
from abtest.analytics.sequential.empirical_bernstein import EmpiricalBernstein
from abtest.analytics.sequential.group_sequential import (
    crossing,
    lan_demets_boundaries,
    repeated_p_value,
    wang_tsiatis_boundaries,
)
from abtest.analytics.sequential.group_sequential_design import operating_characteristics, sequential_size
from abtest.analytics.sequential.hedged_betting import HedgedBetting
from abtest.analytics.statistics._student import SMALLEST_P

unit = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1), max_size=80)
fractions = st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True).map(
    lambda counts: [count / 1000 for count in sorted(counts)]
)


# Group sequential boundaries


@pytest.mark.parametrize(
    ("times", "spending", "critical"),
    [
        ([0.3, 0.6, 1.0], "obrien_fleming", [3.92857254, 2.66997201, 1.98102450]),
        (
            [0.2, 0.4, 0.6, 0.8, 1.0],
            "obrien_fleming",
            [4.87688495, 3.35701192, 2.68028007, 2.28981677, 2.03103206],
        ),
        ([0.25, 0.5, 0.75, 1.0], "pocock", [2.36832770, 2.36752429, 2.35815831, 2.35003597]),
    ],
)
def test_boundaries__equal_rpact(times: list[float], spending: Any, critical: list[float]) -> None:
    # R rpact 3.3.4 getDesignGroupSequential, typeOfDesign asOF and asP, alpha .025; its search ends at about 1e-8.
    found = lan_demets_boundaries(times, spending=spending)
    assert found.critical_z == pytest.approx(critical, abs=2e-5)
    assert found.nominal_p == pytest.approx([stats.norm.sf(z) for z in critical], rel=2e-4)
    assert found.spent[-1] == 0.025


def test_boundaries_of_unplanned_looks__equal_nested_quadrature() -> None:
    times = [0.1, 0.37, 0.62]
    found = lan_demets_boundaries([*times, 1.0])
    # R rpact 3.3.4, whose values, like ours, are the next multiples of 2^-27 above the solution.
    peer = [6.99135170707742, 3.50437136739492, 2.62428899854422, 1.98451981693506]
    assert found.critical_z == pytest.approx(peer, abs=1e-14)
    first, second, third = (z * math.sqrt(t) for z, t in zip(found.critical_z, times, strict=False) if z is not None)
    bridge = math.sqrt(times[0] * (times[1] - times[0]) / times[1])

    def crosses_third(x: float) -> float:
        before = ndtr((first - x * times[0] / times[1]) / bridge)
        after = ndtr((x - third) / math.sqrt(times[2] - times[1]))
        return float(stats.norm.pdf(x, scale=math.sqrt(times[1])) * before * after)

    chance = integrate.quad(crosses_third, -6, second, epsabs=1e-16, epsrel=1e-13, limit=500)[0]
    allowed = spent(0.62) - spent(0.37)
    assert (1 - 1e-7) * allowed < chance < allowed


@settings(max_examples=15, deadline=None)
@given(fractions, st.sampled_from(["obrien_fleming", "pocock"]), st.sampled_from([0.005, 0.025, 0.1]))
def test_boundaries__spend_what_they_may(times: list[float], spending: Any, alpha: float) -> None:
    found = lan_demets_boundaries(times, one_sided_alpha=alpha, spending=spending)
    for used, allowed in zip(crossing(times, found.critical_z), found.spent, strict=True):
        # Rounded outwards: never more than is allowed, and hardly less.
        assert allowed * (1 - 1e-7) - 1e-14 <= used <= allowed * (1 + 1e-11) + 1e-16
    # Nothing that comes later changes a boundary.
    fewer = lan_demets_boundaries(times[:-1], one_sided_alpha=alpha, spending=spending).critical_z
    for short, long in zip(fewer, found.critical_z, strict=False):
        assert short == long or short == pytest.approx(long, rel=1e-9)


def test_crossing__equals_the_multivariate_normal() -> None:
    times, critical = np.asarray([0.2, 0.45, 0.7, 1.0]), [2.5, 2.3, 2.2, 2.1]
    correlation = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    inside = stats.multivariate_normal(cov=correlation, abseps=1e-8, releps=1e-8, maxpts=2_000_000).cdf(critical)
    assert crossing(times.tolist(), critical)[-1] == pytest.approx(1 - inside, abs=1e-6)


def test_looks_close_together__keep_their_digits() -> None:
    close = [0.5, 0.5 + 1e-5, 0.5 + 2e-5, 1.0]
    found = lan_demets_boundaries(close, spending="pocock")
    assert crossing(close, found.critical_z) == pytest.approx(found.spent, rel=1e-8)
    assert found.critical_z[0] == pytest.approx(stats.norm.isf(spent(0.5, spending="pocock")), rel=1e-12)


@pytest.mark.parametrize(
    ("looks", "shape", "constant", "inflation_80", "inflation_90"),
    [
        (2, "pocock", 2.178, 1.110, 1.100),
        (5, "pocock", 2.413, 1.229, 1.207),
        (10, "pocock", 2.555, 1.301, 1.271),
        (2, "obrien_fleming", 1.977, 1.008, 1.007),
        (5, "obrien_fleming", 2.040, 1.028, 1.026),
        (10, "obrien_fleming", 2.087, 1.040, 1.037),
    ],
)
def test_equally_spaced_looks__equal_the_published_tables(
    looks: int, shape: Any, constant: float, inflation_80: float, inflation_90: float
) -> None:
    # Jennison and Turnbull (2000), tables 2.1 to 2.4.
    found = wang_tsiatis_boundaries(looks, shape=shape)
    assert found.critical_z[-1] == pytest.approx(constant, abs=6e-4)
    assert sequential_size(found, power=0.8).inflation == pytest.approx(inflation_80, abs=6e-4)
    assert sequential_size(found, power=0.9).inflation == pytest.approx(inflation_90, abs=6e-4)


def test_one_look__is_the_fixed_test() -> None:
    fixed = stats.norm.isf(0.025)
    for found in (wang_tsiatis_boundaries(1), lan_demets_boundaries([1.0]), lan_demets_boundaries([0.4], final=True)):
        assert found.critical_z == pytest.approx([fixed], rel=1e-12)
        size = sequential_size(found)
        assert (size.inflation, size.expected_fraction) == pytest.approx((1.0, 1.0), rel=1e-9)
    assert repeated_p_value(2.5, [1.0]) == pytest.approx(2 * stats.norm.sf(2.5), rel=1e-8)


def test_last_look_that_came_early_or_late__spends_what_is_left() -> None:
    assert lan_demets_boundaries([0.5, 0.9], final=True).spent[-1] == 0.025
    late = lan_demets_boundaries([0.5, 1.1, 1.3])
    assert late.spent == pytest.approx([spent(0.5), 0.025, 0.025])
    assert late.critical_z[2] is None


def test_look_with_nothing_to_spend__has_no_boundary() -> None:
    found = lan_demets_boundaries([1e-4, 1.0])
    assert (found.critical_z[0], found.nominal_p[0], found.spent[0]) == (None, None, 0.0)
    assert found.critical_z[1] == pytest.approx(stats.norm.isf(0.025), rel=1e-9)
    assert lan_demets_boundaries([]).status == "no_data"


@pytest.mark.parametrize("times", [[0.0], [0.5, 0.5], [0.6, 0.5], [math.nan], [math.inf], [-0.1], [0.5, 0.5 + 1e-9]])
def test_fractions_that_do_not_grow__are_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="information fractions"):
        lan_demets_boundaries(times)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, math.nan])
def test_error_rate_out_of_range__is_refused(alpha: float) -> None:
    for call in (
        lambda: lan_demets_boundaries([1.0], one_sided_alpha=alpha),
        lambda: wang_tsiatis_boundaries(3, one_sided_alpha=alpha),
        lambda: spent(0.5, one_sided_alpha=alpha),
        lambda: asymptotic.tuned_rho(100, alpha),
        lambda: mixture.two_sided_boundary(1, 1, alpha),
        lambda: EmpiricalBernstein.of([], alpha=alpha),
        lambda: HedgedBetting.of([], alpha=alpha),
    ):
        with pytest.raises(ValueError, match="error rate"):
            call()


def test_other_wrong_arguments__are_refused() -> None:
    with pytest.raises(ValueError, match="at least one look"):
        wang_tsiatis_boundaries(0)
    with pytest.raises(ValueError, match="at least 0"):
        spent(-0.1)
    with pytest.raises(ValueError, match="finite z"):
        repeated_p_value(math.nan, [0.5])
    with pytest.raises(ValueError, match="drift"):
        operating_characteristics([1.0], [2.0], math.inf)
    with pytest.raises(ValueError, match="power"):
        sequential_size(wang_tsiatis_boundaries(2), power=0.01)
    with pytest.raises(ValueError, match="conditional power"):
        conditional_power(1.0, 1.0, 2.0)
    with pytest.raises(ValueError, match="one sign"):
        root(lambda x: x * x + 1, -1, 1)


@settings(max_examples=15, deadline=None)
@given(fractions, st.sampled_from(["obrien_fleming", "pocock"]), st.sampled_from([0.001, 0.05, 0.3]))
def test_repeated_p_value__is_alpha_on_the_boundary(times: list[float], spending: Any, alpha: float) -> None:
    critical = lan_demets_boundaries(times, one_sided_alpha=alpha / 2, spending=spending).critical_z[-1]
    if critical is None:
        return
    assert repeated_p_value(critical, times, spending=spending) == pytest.approx(alpha, rel=1e-6)
    assert repeated_p_value(-critical, times, spending=spending) == pytest.approx(alpha, rel=1e-6)
    assert repeated_p_value(critical + 0.1, times, spending=spending) < alpha


def test_repeated_p_value__stays_between_the_smallest_one_and_1() -> None:
    assert repeated_p_value(0.0, [0.5]) == 1.0
    assert repeated_p_value(0.5, [0.01]) == 1.0
    assert SMALLEST_P <= repeated_p_value(60.0, [0.5, 1.0]) < 1e-280


def test_operating_characteristics__equal_a_simulation_and_the_error_rate() -> None:
    found = wang_tsiatis_boundaries(4, shape="pocock")
    null = operating_characteristics(found.fractions, found.critical_z, 0.0)
    assert null.power == pytest.approx(0.025, abs=1e-5)
    assert null.other_side == pytest.approx(null.power, rel=1e-9)
    mirrored = operating_characteristics(found.fractions, found.critical_z, -3.0)
    straight = operating_characteristics(found.fractions, found.critical_z, 3.0)
    assert straight.power == pytest.approx(mirrored.other_side, rel=1e-9)
    assert straight.expected_fraction == pytest.approx(mirrored.expected_fraction, rel=1e-9)
    steps = np.random.default_rng(7).normal(3 / 4, 0.5, (200_000, 4))
    z = np.cumsum(steps, axis=1) / np.sqrt(found.fractions)
    crossed = np.abs(z) > np.asarray(found.critical_z)
    at = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 3)
    assert straight.expected_fraction == pytest.approx((at + 1).mean() / 4, abs=0.003)
    assert straight.power == pytest.approx(crossed.any(axis=1).mean(), abs=0.005)
    assert operating_characteristics([], [], 0.0).status == "no_data"


def test_design_that_cannot_stop__reaches_no_power() -> None:
    assert sequential_size(lan_demets_boundaries([1e-4])).status == "unreachable"
    assert sequential_size(lan_demets_boundaries([])).status == "no_data"


def test_conditional_power__equals_the_normal_distribution_of_the_rest() -> None:
    # At t = .5 with z = 1, B = .7071 and the expected rest is as much again: Phi((1.4142 - 1.96) / .7071) = .220.
    assert conditional_power(1.0, 0.5, 1.96) == pytest.approx(0.220, abs=5e-4)
    assert conditional_power(1.0, 0.5, 1.96) == conditional_power(-1.0, 0.5, 1.96)
    assert conditional_power(0.0, 0.5, 1.96) == pytest.approx(2 * ndtr(-1.96 / math.sqrt(0.5)))
    assert conditional_power(1.96 * math.sqrt(0.99), 0.99, 1.96) == pytest.approx(0.5, abs=1e-9)


# Confidence sequences


@pytest.mark.parametrize(
    ("a", "b", "n", "low", "high", "p"),
    [
        (100, 130, 1000, -0.014517962102267787, 0.07451796210226778, 0.37893150758579747),
        (1000, 1150, 10000, 0.0013057034100168383, 0.02869429658998316, 0.019395219955838726),
        (5, 9, 50, -0.38147601749208326, 0.5414760174920832, 0.9815877990993146),
    ],
)
def test_asymptotic_sequence__equals_gbstats(a: int, b: int, n: int, low: float, high: float, p: float) -> None:
    # gbstats at GrowthBook commit 8f1db44569, SequentialTwoSidedTTest, tuned for 5000.
    found = asymptotic.difference_of_arms(asymptotic.Arm.of_share(a, n), asymptotic.Arm.of_share(b, n))
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), rel=1e-8)
    assert found.p_value == pytest.approx(p, rel=1e-8)


def test_asymptotic_sequence__is_about_narrowest_where_it_was_tuned() -> None:
    widths = {at: asymptotic.half_width(0.01, 5000, asymptotic.tuned_rho(at)) for at in (500, 4000, 5000, 6000, 50_000)}
    assert widths[5000] < 1.002 * min(widths.values())
    assert widths[500] > widths[5000] < widths[50_000]


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3), st.floats(1e-3, 2), st.integers(2, 10**6), st.sampled_from([0.01, 0.05, 0.2]))
def test_asymptotic_p_value__is_below_alpha_where_the_interval_leaves_0_out(
    effect: float, se: float, n: int, alpha: float
) -> None:
    found = asymptotic.asymptotic_confidence_sequence(effect, se, n, alpha=alpha)
    assert found.status == "ok"
    assert found.p_value is not None and found.ci_low is not None and found.ci_high is not None
    if abs(abs(effect) - (found.ci_high - found.ci_low) / 2) > 1e-9:
        assert (found.p_value < alpha) == (found.ci_low > 0 or found.ci_high < 0)
    mirrored = asymptotic.asymptotic_confidence_sequence(-effect, se, n, alpha=alpha)
    assert (mirrored.ci_low, mirrored.p_value) == pytest.approx((-found.ci_high, found.p_value))
    wider = asymptotic.half_width(se, n, 0.05, alpha / 2)
    assert wider > asymptotic.half_width(se, n, 0.05, alpha)


def test_asymptotic_sequence_of_degenerate_data__has_a_status() -> None:
    of = asymptotic.asymptotic_confidence_sequence
    assert [of(0.0, 0.0, n).status for n in (0, 1, 2)] == ["no_data", "too_few", "constant"]
    empty, full = asymptotic.Arm.of_share(0, 0), asymptotic.Arm.of_share(3, 3)
    assert asymptotic.difference_of_arms(empty, full).status == "no_data"
    assert asymptotic.difference_of_arms(full, full).status == "constant"
    assert of(1e6, 1e-3, 10).p_value == SMALLEST_P
    for wrong in ((math.nan, 1.0, 5), (1.0, -1.0, 5), (1.0, 1.0, -5)):
        with pytest.raises(ValueError, match="a sequence needs"):
            of(*wrong)
    with pytest.raises(ValueError, match="counts"):
        asymptotic.Arm.of_share(4, 3)
    with pytest.raises(ValueError, match="tuned"):
        asymptotic.tuned_rho(0)
    with pytest.raises(ValueError, match="evidence"):
        asymptotic.log_e_value(1.0, 0.0, 5, 0.1)
    with pytest.raises(ValueError, match="rho > 0"):
        asymptotic.half_width(1.0, 5, 0.0)


def test_empirical_bernstein_of_all_ones__equals_confseq() -> None:
    # confseq 0.0.11 predmix_empbern_twosided_cs, truncation 1/2.
    peer = {1: 0.0, 2: 0.0, 10: 0.22359467306522363, 50: 0.8447189346130447, 100: 0.9223594673065224}
    lower, upper = EmpiricalBernstein().path(np.ones(100))
    assert [lower[t - 1] for t in peer] == pytest.approx(list(peer.values()), abs=1e-12)
    assert (upper == 1).all()


def plain_bernstein(x: list[float], alpha: float) -> tuple[float, float]:
    """One side at a time, as the paper writes it."""

    def lower(values: list[float]) -> float:
        total, squares, weighted, bets, cost, mean = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for t, value in enumerate(values, start=1):
            bet = min(0.5, math.sqrt(2 * math.log(2 / alpha) / ((0.25 + squares) / t * t * math.log(1 + t))))
            bets, weighted = bets + bet, weighted + bet * value
            cost += (value - mean) ** 2 * (-math.log(1 - bet) - bet)
            total += value
            mean = total / t
            squares += (value - (0.5 + total) / (t + 1)) ** 2
        return max(0.0, (weighted - cost - math.log(2 / alpha)) / bets)

    return lower(x), 1 - lower([1 - value for value in x])


@settings(max_examples=50, deadline=None)
@given(unit.filter(bool), st.sampled_from([0.01, 0.05, 0.3]), st.data())
def test_empirical_bernstein__equals_a_plain_loop_and_goes_on(x: list[float], alpha: float, data: Any) -> None:
    whole = EmpiricalBernstein.of(x, alpha=alpha)
    now = whole.result()
    assert (now.ci_low, now.ci_high) == pytest.approx(plain_bernstein(x, alpha), abs=1e-10)
    cut = data.draw(st.integers(0, len(x)))
    parts = EmpiricalBernstein.of(x[:cut], alpha=alpha).extended(x[cut:])
    assert vars(parts) == pytest.approx(vars(whole), rel=1e-9, abs=1e-12)
    mirrored = EmpiricalBernstein.of([1 - value for value in x], alpha=alpha).result()
    assert (1 - mirrored.ci_high, 1 - mirrored.ci_low) == pytest.approx((now.ci_low, now.ci_high), abs=1e-9)
    assert mirrored.p_value == pytest.approx(now.p_value, rel=1e-6)
    assert mirrored.log_e_value == pytest.approx(now.log_e_value, abs=1e-8)


def test_unclipped_width__is_that_of_the_interval_inside_the_range() -> None:
    state = EmpiricalBernstein.of([0.0, 1.0] * 200, low=-1, high=3)
    found = state.result()
    assert found.ci_low is not None and found.ci_high is not None
    assert state.unclipped_width == pytest.approx(found.ci_high - found.ci_low)
    assert EmpiricalBernstein().unclipped_width is None


@settings(max_examples=40, deadline=None)
@given(unit)
def test_sequences_of_differences__are_those_of_the_scores_stretched(x: list[float]) -> None:
    scores = [2 * value - 1 for value in x]
    for kind in (EmpiricalBernstein, HedgedBetting):
        narrow, wide = kind.of(x).result(), kind.of(scores, low=-1, high=1).result()
        assert (wide.ci_low, wide.ci_high) == pytest.approx((2 * narrow.ci_low - 1, 2 * narrow.ci_high - 1), abs=5e-3)


@settings(max_examples=40, deadline=None)
@given(unit)
def test_running_intersection__lies_within_every_interval_so_far(x: list[float]) -> None:
    state = EmpiricalBernstein.of(x)
    lower, upper = EmpiricalBernstein().path(x)
    found = state.result(running_intersection=True)
    if found.status == "ok":
        assert found.ci_low == pytest.approx(lower.max())
        assert found.ci_high == pytest.approx(upper.min())


def plain_betting(x: list[float], m: float, alpha: float) -> bool:
    """Whether a mean stays in the interval at all times."""
    up, down, total, squares = 1.0, 1.0, 0.0, 0.0
    for t, value in enumerate(x, start=1):
        bet = math.sqrt(2 * math.log(2 / alpha) / ((0.25 + squares) / t * t * math.log(1 + t)))
        up *= 1 + min(bet, 0.5 / m) * (value - m)
        down *= 1 - min(bet, 0.5 / (1 - m)) * (value - m)
        total += value
        squares += (value - (0.5 + total) / (t + 1)) ** 2
        if max(up, down) / 2 >= 1 / alpha:
            return False
    return True


@settings(max_examples=25, deadline=None)
@given(unit.filter(bool), st.data())
def test_betting__keeps_the_means_a_plain_loop_keeps(x: list[float], data: Any) -> None:
    state = HedgedBetting.of(x)
    found = state.result()
    if found.status == "ok":
        for m in (found.ci_low + 0.001, found.ci_high - 0.001):
            assert not 0 < m < 1 or plain_betting(x, m, 0.05)
        for m in (found.ci_low - 0.0015, found.ci_high + 0.0015):
            assert not 0 < m < 1 or not plain_betting(x, m, 0.05)
    cut = data.draw(st.integers(0, len(x)))
    parts = HedgedBetting.of(x[:cut]).extended(x[cut:])
    assert (parts.first, parts.last) == (state.first, state.last)
    assert parts.log_capital == pytest.approx(state.log_capital, abs=1e-9)


def test_betting_on_all_ones__equals_confseq() -> None:
    # confseq 0.0.11 betting_cs, breaks = 1000, with the running intersection.
    peer = {1: 0.0, 2: 0.034, 10: 0.528, 50: 0.867, 100: 0.93}
    found = {t: HedgedBetting.of(np.ones(t)).result().ci_low for t in peer}
    assert found == pytest.approx(peer, abs=0.0021)


@pytest.mark.parametrize("kind", [EmpiricalBernstein, HedgedBetting])
def test_sequence_without_scores__is_the_whole_range(kind: Any) -> None:
    found = kind.of([], low=-1, high=1).result()
    assert (found.status, found.n, found.mean, found.ci_low, found.ci_high) == ("no_data", 0, None, -1, 1)
    assert kind.of([0.7]).result().status == "ok"


def test_evidence_without_scores__is_none_and_p_is_1() -> None:
    for found in (EmpiricalBernstein().result(), mixture.hoeffding_sequence(0, math.nan)):
        assert (found.p_value, found.log_e_value, found.ci_low, found.ci_high) == (1.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("kind", [EmpiricalBernstein, HedgedBetting])
def test_mean_that_moves__is_called_drifting(kind: Any) -> None:
    state = kind.of(np.zeros(400)).extended(np.ones(4000))
    found = state.result(running_intersection=True) if kind is EmpiricalBernstein else state.result()
    assert (found.status, found.ci_low, found.ci_high) == ("drifting", None, None)


@pytest.mark.parametrize("kind", [EmpiricalBernstein, HedgedBetting])
@pytest.mark.parametrize("x", [[1.5], [-0.1], [math.nan], [math.inf], [[0.5]]])
def test_scores_out_of_range__are_refused(kind: Any, x: Any) -> None:
    with pytest.raises(ValueError, match="score"):
        kind.of(x)
    with pytest.raises(ValueError, match="range"):
        kind.of([], low=1, high=1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=400), st.floats(0.02, 0.98))
def test_bernstein_p_value__is_below_alpha_where_the_interval_leaves_the_null_out(x: list[float], null: float) -> None:
    found = EmpiricalBernstein.of(x).result(null=null)
    assert found.p_value is not None and found.ci_low is not None and found.ci_high is not None
    if min(abs(null - found.ci_low), abs(null - found.ci_high)) > 1e-9:
        assert (found.p_value < 0.05) == (not found.ci_low <= null <= found.ci_high)


def test_mixture_boundaries__equal_confseq() -> None:
    # confseq 0.0.11 boundaries.normal_mixture_bound and normal_log_mixture, v_opt = 100, alpha = .05.
    rho, one_sided = mixture.tuned_mixture(100), mixture.tuned_mixture(100, 0.1)
    assert rho == pytest.approx(12.600560979256366, rel=1e-12)
    assert mixture.two_sided_boundary(1000, rho) == pytest.approx(102.51228683166386, rel=1e-9)
    assert mixture.one_sided_boundary(1000, one_sided) == pytest.approx(94.39391616939474, rel=1e-6)
    assert mixture.log_e_value(30, 100, rho) == pytest.approx(2.901375010405018, rel=1e-9)


@pytest.mark.parametrize(("s", "v", "rho"), [(5.0, 20.0, 3.0), (-12.0, 40.0, 100.0), (0.0, 7.0, 0.2)])
def test_mixture_evidence__is_the_mean_likelihood_ratio_over_the_prior(s: float, v: float, rho: float) -> None:
    ratio = integrate.quad(
        lambda theta: math.exp(theta * s - theta**2 * v / 2) * stats.norm.pdf(theta, scale=rho**-0.5),
        -40,
        40,
        limit=400,
    )[0]
    assert mixture.log_e_value(s, v, rho) == pytest.approx(math.log(ratio), rel=1e-7)
    bound = mixture.two_sided_boundary(v, rho)
    assert mixture.log_e_value(bound, v, rho) == pytest.approx(-math.log(0.05), rel=1e-9)
    one = mixture.one_sided_boundary(v, rho, 0.05)
    ratio = integrate.quad(
        lambda theta: math.exp(theta * one - theta**2 * v / 2) * 2 * stats.norm.pdf(theta, scale=rho**-0.5),
        0,
        40,
        limit=400,
    )[0]
    assert ratio == pytest.approx(20, rel=1e-6)


def test_hoeffding_sequence__holds_its_mean_and_refuses_what_is_no_mean() -> None:
    found = mixture.hoeffding_sequence(100, 0.67)
    # confseq 0.0.11 conjmix_hoeffding_cs, t_opt = 100: half width .1517604495 at t = 100.
    assert (found.ci_low, found.ci_high) == pytest.approx((0.5182395504811874, 0.8217604495188127), abs=1e-9)
    assert found.p_value is not None and found.p_value < 0.05
    assert mixture.hoeffding_sequence(10**6, 0.5).p_value == 1.0
    for wrong in ({"n": -1, "mean": 0.5}, {"n": 5, "mean": 1.5}, {"n": 5, "mean": math.nan}):
        with pytest.raises(ValueError, match=r"sequence needs|mean must"):
            mixture.hoeffding_sequence(**wrong)
    with pytest.raises(ValueError, match="tuned"):
        mixture.tuned_mixture(0)
    with pytest.raises(ValueError, match="boundary needs"):
        mixture.two_sided_boundary(-1, 1)
    with pytest.raises(ValueError, match="finite"):
        mixture.log_e_value(math.inf, 1, 1)
