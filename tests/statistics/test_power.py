"""Power and sample sizes against R, enumeration, and formulas turned round."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import nctdtr

from abtest.analytics.planning import design_effect as clusters
from abtest.analytics.planning import power_mcnemar as pairs
from abtest.analytics.planning import power_resamples as resamples
from abtest.analytics.planning import sample_size_proportions as shares
from abtest.analytics.planning import sample_size_t as means
from abtest.analytics.planning import sample_size_win_rate as wins
from abtest.analytics.planning._noncentral_t import upper_tail

COIN = stats.norm.isf(0.025)
shares_of_pairs = st.just(0.0) | st.floats(1e-3, 0.5)


@pytest.mark.parametrize(
    ("effect", "power", "alpha", "alternative", "n"),
    [
        (0.2, 0.8, 0.05, "two_sided", 198.150821655189),
        (0.5, 0.9, 0.05, "two_sided", 43.9954813808075),
        (0.05, 0.8, 0.05, "two_sided", 3141.46548506848),
        (0.3, 0.8, 0.025, "greater", 89.1496046523952),
        (-0.3, 0.8, 0.025, "less", 89.1496046523952),
    ],
)
def test_pairs_for_a_t_test__equal_r(effect: float, power: float, alpha: float, alternative: Any, n: float) -> None:
    # R pwr 1.3.0, pwr.t.test(type = "paired").
    found = means.sample_size_t(effect, power=power, alpha=alpha, alternative=alternative)
    assert found.n == pytest.approx(n, abs=0.02)
    assert found.samples == math.ceil(n)


def test_detectable_effects__equal_r() -> None:
    # R pwr 1.3.0, pwr.t.test(power = .8).
    assert means.detectable_effect_t(200).effect == pytest.approx(0.199065473629705, rel=1e-5)
    two = means.detectable_effect_t(500, design="two_sample").effect
    assert two == pytest.approx(0.177357546101092, rel=1e-5)
    less = means.detectable_effect_t(200, alternative="less", alpha=0.025).effect
    assert less == pytest.approx(-0.199065473629705, rel=1e-5)


def test_noncentral_t__equals_scipy_where_scipy_has_a_number() -> None:
    random = np.random.default_rng(3)
    for _ in range(300):
        df, t = 10 ** random.uniform(0, 5), random.uniform(0, 8)
        noncentrality = random.uniform(0, 12)
        assert upper_tail(t, df, noncentrality) == pytest.approx(1 - nctdtr(df, noncentrality, t), abs=1e-9)


@pytest.mark.parametrize("df", [1.0, 1.5, 30.0, 1e6, 1e10])
def test_noncentral_t_without_noncentrality__is_students(df: float) -> None:
    for t in (-3.0, 0.0, 0.3, 2.0, 12.7, 63.7):
        assert upper_tail(t, df, 0.0) == pytest.approx(stats.t.sf(t, df), rel=1e-8, abs=1e-13)


def test_noncentral_t_of_many_degrees__is_normal() -> None:
    assert upper_tail(1.96, 1e11, 2.8) == pytest.approx(stats.norm.sf(1.96 - 2.8), rel=1e-9)
    assert upper_tail(4.6, 7e8, -3.97) == pytest.approx(stats.norm.sf(4.6 + 3.97), rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.01, 3),
    st.sampled_from([0.5, 0.8, 0.95]),
    st.sampled_from(["paired", "one_sample", "two_sample"]),
    st.sampled_from(["two_sided", "greater"]),
)
def test_t_test_plan__can_be_turned_round(effect: float, power: float, design: Any, alternative: Any) -> None:
    size = means.sample_size_t(effect, power=power, design=design, alternative=alternative)
    assert size.n is not None and size.n >= 2
    found = means.power_t(size.n, effect, design=design, alternative=alternative).power
    assert found == pytest.approx(power, rel=1e-8) or (size.n == 2 and found is not None and found > power)
    if size.n > 2:
        back = means.detectable_effect_t(size.n, power=power, design=design, alternative=alternative)
        assert back.effect == pytest.approx(effect, rel=1e-7)


def test_power_of_no_effect__is_alpha() -> None:
    for n in (2, 3, 50, 1e6, 1e9):
        assert means.power_t(n, 0.0).power == pytest.approx(0.05, rel=1e-8)
        assert means.power_t(n, 0.0, alternative="less").power == pytest.approx(0.05, rel=1e-8)
    assert means.power_t(1000, 50.0).power == pytest.approx(1.0, abs=1e-14)
    assert means.power_t(10**9, 1e-4).power == pytest.approx(stats.norm.sf(COIN - math.sqrt(10)), rel=1e-5)


def test_t_test_plan_that_does_not_exist__has_a_status() -> None:
    assert means.sample_size_t(0.0).status == "unreachable"
    assert means.sample_size_t(-0.3, alternative="greater").status == "unreachable"
    assert means.sample_size_t(0.3, alternative="less").status == "unreachable"
    assert means.sample_size_t(1e-9).status == "unreachable"
    assert means.sample_size_t(1e4).samples == 2
    assert means.power_t(1, 0.5).status == means.detectable_effect_t(1.5).status == "too_few"


def test_two_shares__equal_r() -> None:
    # R 4.2.2, power.prop.test(power = .8).
    assert shares.sample_size_proportions(0.1, 0.12).n == pytest.approx(3840.84748243445, rel=1e-6)
    assert shares.sample_size_proportions(0.015, 0.01).n == pytest.approx(7749.58970571552, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.just(0.0) | st.floats(1e-4, 0.98), st.floats(0.01, 1), st.sampled_from([0.6, 0.8, 0.95]))
def test_plan_of_two_shares__can_be_turned_round(p1: float, gain: float, power: float) -> None:
    p2 = min(1.0, p1 + gain)
    n = shares.sample_size_proportions(p1, p2, power=power).n
    assert n is not None
    # A little more than n, because the largest difference may be just reached.
    found = shares.detectable_difference(n * (1 + 1e-9), p1, power=power)
    assert found.effect == pytest.approx(p2 - p1, rel=1e-5)
    if p1 > 0 or p2 < 1:
        assert shares.power_proportions(n, p1, p2).power == pytest.approx(power, rel=1e-8)
    assert shares.sample_size_proportions(1 - p1, 1 - p2, power=power).n == pytest.approx(n, rel=1e-6)


def test_two_shares_that_cannot_be_told_apart__have_a_status() -> None:
    assert shares.sample_size_proportions(0.3, 0.3).status == "unreachable"
    assert shares.power_proportions(0, 0.1, 0.2).status == "too_few"
    assert shares.power_proportions(10, 1.0, 1.0).status == "constant"
    assert shares.power_proportions(100, 0.0, 1.0).power == 1.0
    assert shares.detectable_difference(3, 0.5).status == "unreachable"
    assert shares.detectable_difference(100, 1.0).status == "unreachable"


@pytest.mark.parametrize(
    ("n", "p_b", "p_c", "power", "connor"),
    [(300, 0.1, 0.05, 0.563627320772376, 468.567979460319), (400, 0.03, 0.01, 0.434879305205936, 782.525955210294)],
)
def test_mcnemar__equals_r(n: int, p_b: float, p_c: float, power: float, connor: float) -> None:
    # R 4.2.2, enumeration over binom.test.
    assert pairs.power_mcnemar(n, p_b, p_c).power == pytest.approx(power, abs=1e-10)
    assert pairs.sample_size_mcnemar(p_c, p_b).n == pytest.approx(connor, rel=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), shares_of_pairs, shares_of_pairs, st.sampled_from([0.01, 0.05, 0.2]))
def test_mcnemar_power__equals_enumeration(n: int, p_b: float, p_c: float, alpha: float) -> None:
    psi = p_b + p_c
    expected = 0.0
    for m in range(1, n + 1):
        k = np.arange(m + 1)
        p = np.minimum(1, 2 * stats.binom.cdf(np.minimum(k, m - k), m, 0.5))
        share = p_b / psi if psi else 0.5
        expected += stats.binom.pmf(m, n, psi) * stats.binom.pmf(k, m, share)[p <= alpha].sum()
    found = pairs.power_mcnemar(n, p_b, p_c, alpha=alpha)
    assert found.power == pytest.approx(expected, abs=1e-11)
    assert pairs.power_mcnemar(n, p_c, p_b, alpha=alpha).power == pytest.approx(expected, abs=1e-11)


def test_mcnemar_power_of_many_pairs__is_near_connors() -> None:
    n = pairs.sample_size_mcnemar(0.101, 0.1).samples
    assert n is not None and n > 1_000_000
    assert pairs.power_mcnemar(n, 0.101, 0.1).power == pytest.approx(0.8, abs=0.002)


def test_detectable_difference_of_pairs__has_the_power() -> None:
    effect = pairs.detectable_difference_mcnemar(300, 0.15).effect
    assert effect is not None
    assert pairs.power_mcnemar(300, 0.075 + effect / 2, 0.075 - effect / 2).power == pytest.approx(0.8, abs=1e-8)


def test_mcnemar_plan_that_does_not_exist__has_a_status() -> None:
    assert pairs.sample_size_mcnemar(0.2, 0.2).status == "unreachable"
    assert pairs.power_mcnemar(0, 0.2, 0.1).status == "too_few"
    assert pairs.power_mcnemar(50, 0.0, 0.0).power == 0.0
    assert pairs.detectable_difference_mcnemar(5, 1.0).status == "unreachable"
    assert pairs.detectable_difference_mcnemar(0, 1.0).status == "unreachable"
    assert pairs.power_mcnemar(100, 1.0, 0.0).power == 1.0
    assert pairs.sample_size_mcnemar(1.0, 0.0).samples == 4
    for wrong in ((0.6, 0.6), (-0.1, 0.2)):
        with pytest.raises(ValueError, match="two shares"):
            pairs.power_mcnemar(10, *wrong)
    with pytest.raises(ValueError, match="discordance"):
        pairs.detectable_difference_mcnemar(10, 0.0)


def test_win_rate_without_ties__needs_what_a_sign_test_needs() -> None:
    # Noether (1987), section 2, for p = .7, one-sided .05, power .9: (1.645 + 1.282)^2 / (4 * .2^2) = 53.5; his
    # variance is that of no effect, so it is a little larger.
    found = wins.sample_size_win_rate(0.7, alpha=0.1, power=0.9)
    assert found.n is not None and 0.9 * 53.5 < found.n < 53.5


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.9), st.floats(0.05, 1), st.sampled_from([0.6, 0.8, 0.95]))
def test_plan_of_a_win_rate__can_be_turned_round(ties: float, lead: float, power: float) -> None:
    rate = 0.5 + lead * (1 - ties) / 2
    n = wins.sample_size_win_rate(rate, ties=ties, power=power).n
    assert n is not None
    if lead < 0.999:
        assert wins.power_win_rate(n, rate, ties=ties).power == pytest.approx(power, rel=1e-6)
    assert wins.detectable_win_rate(n * (1 + 1e-9), ties=ties, power=power).effect == pytest.approx(rate, rel=1e-5)
    assert wins.sample_size_win_rate(1 - rate, ties=ties, power=power).n == pytest.approx(n, rel=1e-6)


def test_win_rate_plan_that_does_not_exist__has_a_status() -> None:
    assert wins.sample_size_win_rate(0.5).status == "unreachable"
    assert wins.power_win_rate(0, 0.6).status == "too_few"
    assert wins.power_win_rate(100, 1.0).power == 1.0
    assert wins.detectable_win_rate(2).status == "unreachable"
    assert wins.detectable_win_rate(3, ties=0.9).status == "unreachable"
    with pytest.raises(ValueError, match="win rate lies"):
        wins.sample_size_win_rate(0.95, ties=0.2)
    with pytest.raises(ValueError, match="share of ties"):
        wins.sample_size_win_rate(0.6, ties=1.0)


def test_resamples__equal_millers_formula() -> None:
    # Miller (2024), section 5, with omega^2 = .04, sigma_A^2 + sigma_B^2 = .06, K = 4, delta = .05.
    parts = resamples.VarianceComponents(0.04, 0.06)
    assert resamples.squared_error(parts, 200, 4) == pytest.approx(0.000275)
    size = resamples.sample_size_resamples(parts, 0.05, k=4)
    assert (size.n, size.samples) == (pytest.approx(172.67535415568), 173)
    assert size.n is not None
    assert resamples.power_resamples(parts, -0.05, size.n, k=4).power == pytest.approx(0.8)
    assert resamples.detectable_effect_resamples(parts, size.n, k=4).effect == pytest.approx(0.05)
    needed = resamples.resamples_needed(parts, 0.05, size.n * 1.0001)
    assert (needed.k, needed.answers) == (pytest.approx(4, rel=1e-2), 4)


def test_resamples_plan_that_does_not_exist__has_a_status() -> None:
    parts = resamples.VarianceComponents(0.04, 0.06)
    assert resamples.sample_size_resamples(parts, 0.0).status == "unreachable"
    assert resamples.resamples_needed(parts, 0.05, 100).status == "unreachable"
    assert resamples.resamples_needed(parts, 0.0, 100).status == "unreachable"
    assert resamples.resamples_needed(resamples.VarianceComponents(0.04, 0.0), 0.05, 200).answers == 1
    assert resamples.power_resamples(parts, 0.05, 0).status == "too_few"
    assert resamples.power_resamples(resamples.VarianceComponents(0, 0), 0.05, 9).status == "constant"
    assert resamples.detectable_effect_resamples(parts, 0).status == "too_few"
    assert resamples.squared_error(parts, 0) is None
    with pytest.raises(ValueError, match="variances"):
        resamples.VarianceComponents(-1, 0)
    with pytest.raises(ValueError, match="answers above 0"):
        parts.of_mean(0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=8), st.floats(0, 1))
def test_design_effect__is_the_variance_of_the_mean_written_out(sizes: list[int], rho: float) -> None:
    label = np.repeat(np.arange(len(sizes)), sizes)
    covariance = np.where(label[:, None] == label, rho, 0.0)
    np.fill_diagonal(covariance, 1.0)
    n = label.size
    found = clusters.design_effect(sizes, rho)
    assert found.design_effect == pytest.approx(covariance.sum() / n)
    assert found.effective_n == pytest.approx(n * n / covariance.sum())
    one = clusters.judges_variance(sizes[0], rho, 2.0)
    block = np.full((sizes[0], sizes[0]), rho)
    np.fill_diagonal(block, 1.0)
    assert one == pytest.approx(2 * block.sum() / sizes[0] ** 2)
    assert clusters.independent_judges(sizes[0], rho) == pytest.approx(2 / one)


def test_design_effect_at_the_borders__has_a_status() -> None:
    assert clusters.design_effect([], 0.3).status == "no_data"
    assert clusters.design_effect([10, 10], 1.0).effective_n == pytest.approx(2)
    assert clusters.design_effect([1, 1, 1], 0.7).effective_n == 3
    assert clusters.design_effect([2, 2], -1.0).effective_n is None
    assert clusters.independent_judges(2, -1.0) is None
    assert clusters.judges_variance(1, 0.5) == 1.0
    for call in (
        lambda: clusters.design_effect([0], 0.1),
        lambda: clusters.design_effect([5], -0.5),
        lambda: clusters.design_effect([5], math.nan),
        lambda: clusters.judges_variance(0, 0.1),
        lambda: clusters.judges_variance(2, 0.1, -1.0),
    ):
        with pytest.raises(ValueError, match=r"cluster|correlation|judge|variance"):
            call()


@pytest.mark.parametrize(("alpha", "power"), [(0.0, 0.8), (1.0, 0.8), (0.05, 0.05), (0.05, 1.0), (math.nan, 0.8)])
def test_rates_without_a_plan__are_refused(alpha: float, power: float) -> None:
    for call in (
        lambda: means.sample_size_t(0.3, alpha=alpha, power=power),
        lambda: means.detectable_effect_t(10, alpha=alpha, power=power),
        lambda: shares.sample_size_proportions(0.1, 0.2, alpha=alpha, power=power),
        lambda: pairs.sample_size_mcnemar(0.1, 0.2, alpha=alpha, power=power),
        lambda: wins.sample_size_win_rate(0.6, alpha=alpha, power=power),
        lambda: resamples.sample_size_resamples(resamples.VarianceComponents(1, 1), 0.1, alpha=alpha, power=power),
    ):
        with pytest.raises(ValueError, match=r"alpha"):
            call()


def test_other_wrong_arguments__are_refused() -> None:
    for call in (
        lambda: means.power_t(-1, 0.5),
        lambda: means.power_t(10, math.inf),
        lambda: means.power_t(10, 0.5, alpha=2),
        lambda: shares.sample_size_proportions(-0.1, 0.5),
        lambda: shares.power_proportions(math.nan, 0.1, 0.5),
        lambda: resamples.sample_size_resamples(resamples.VarianceComponents(1, 1), math.nan),
    ):
        with pytest.raises(ValueError, match=r"samples|effect|alpha|shares"):
            call()
