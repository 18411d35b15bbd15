"""Bayesian views, multiplicity, equivalence, non-inferiority, sample ratio, CUPED and bandits.

Oracles are scipy, closed forms, brute force, published tables, R 4.2.2 and statsmodels 0.15.0.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from abtest.analytics.statistics import quantile_difference as quantile_difference_module
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics.benjamini_hochberg import benjamini_hochberg
from abtest.analytics.statistics.benjamini_yekutieli import benjamini_yekutieli
from abtest.analytics.statistics.best_arm_identification import (
    bernoulli_divergence,
    chernoff_stopping,
    gaussian_divergence,
    next_arm,
    optimal_allocation,
)
from abtest.analytics.statistics.beta_binomial import BetaBinomial
from abtest.analytics.statistics.bonferroni import bonferroni
from abtest.analytics.statistics.clustered_mean import ClusteredMean
from abtest.analytics.statistics.cuped import Cuped
from abtest.analytics.statistics.dirichlet_win_loss import WinLoss
from abtest.analytics.statistics.equivalence import equivalence
from abtest.analytics.statistics.hochberg import hochberg
from abtest.analytics.statistics.holm import holm
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.non_inferiority_mean import non_inferiority_mean
from abtest.analytics.statistics.non_inferiority_proportion import non_inferiority, paired_non_inferiority
from abtest.analytics.statistics.normal_posterior import normal_posterior
from abtest.analytics.statistics.paired_mean import PairedMean
from abtest.analytics.statistics.quantile_difference import paired_quantile_difference, quantile_difference
from abtest.analytics.statistics.quantile_interval import quantile_interval, quantile_ranks, quantile_test
from abtest.analytics.statistics.sample_ratio import sample_ratio
from abtest.analytics.statistics.score_share_difference import constrained_shares, score_interval, score_p_below
from abtest.analytics.statistics.share_difference import TwoShares, agresti_caffo, newcombe, newcombe_paired, wald
from abtest.analytics.statistics.thompson_sampling import draw_arms, thompson_sampling
from abtest.analytics.statistics.welch_mean import WelchMean

small_counts = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair)))
RNG = np.random.default_rng(7)
A = RNG.normal(1.0, 0.3, 60).round(3)
B = (A + RNG.normal(0.02, 0.1, 60)).round(3)


# --- Beta-Binomial -------------------------------------------------------------------------------------------------


def _exact_probability_b_better(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Closed form for whole shapes: the sum over i < alpha_B of B(alpha_A + i, beta_A + beta_B) / ... terms."""
    alpha_a, beta_a, alpha_b, beta_b = 1 + a[0], 1 + a[1] - a[0], 1 + b[0], 1 + b[1] - b[0]
    i = np.arange(alpha_b)
    terms = special.betaln(alpha_a + i, beta_a + beta_b) - np.log(beta_b + i)
    return float(np.exp(terms - special.betaln(1 + i, beta_b) - special.betaln(alpha_a, beta_a)).sum())


@settings(max_examples=60, deadline=None)
@given(small_counts, small_counts)
def test_probability_b_better__equals_the_closed_sum(a: tuple[int, int], b: tuple[int, int]) -> None:
    found = BetaBinomial(*a, *b).result()
    assert found.probability_b_better == pytest.approx(_exact_probability_b_better(a, b), abs=1e-11)


@settings(max_examples=40, deadline=None)
@given(small_counts, small_counts, st.sampled_from([(1.0, 1.0), (0.5, 0.5), (0.1, 3.0), (20.0, 80.0)]))
def test_losses__differ_by_the_difference_of_the_means(
    a: tuple[int, int], b: tuple[int, int], prior: tuple[float, float]
) -> None:
    found = BetaBinomial(*a, *b).result(prior=prior, rope=0.05)
    swapped = BetaBinomial(*b, *a).result(prior=prior, rope=0.05)
    assert found.expected_loss_a - found.expected_loss_b == pytest.approx(found.mean_b - found.mean_a, abs=1e-11)
    assert found.probability_b_better == pytest.approx(1 - swapped.probability_b_better, abs=1e-11)
    assert found.expected_loss_b == pytest.approx(swapped.expected_loss_a, abs=1e-12)
    assert found.probability_in_rope == pytest.approx(swapped.probability_in_rope, abs=1e-9)
    assert found.interval_a == pytest.approx(stats.beta.interval(0.95, prior[0] + a[0], prior[1] + a[1] - a[0]))


@pytest.mark.parametrize(
    ("counts", "prior", "rope"),
    [
        ((3, 9, 7, 11), (1.0, 1.0), 0.1),
        ((0, 6, 0, 9), (0.5, 0.5), 0.02),
        ((0, 5, 2, 2), (0.2, 0.7), 0.6),
        ((1, 3, 50, 5000), (1.0, 1.0), 0.01),
    ],
)
def test_rope__equals_two_dimensional_integration(
    counts: tuple[int, int, int, int], prior: tuple[float, float], rope: float
) -> None:
    a = stats.beta(prior[0] + counts[0], prior[1] + counts[1] - counts[0])
    b = stats.beta(prior[0] + counts[2], prior[1] + counts[3] - counts[2])
    # Over the quantile of B instead of B itself: the density may be infinite at a border.
    ends = [b.cdf(x) for x in (rope, 1 - rope, *a.ppf([1e-6, 0.01, 0.5, 0.99]))]
    oracle, _ = integrate.quad(
        lambda u: a.cdf(b.ppf(u) + rope) - a.cdf(b.ppf(u) - rope), 0, 1, points=sorted(ends), limit=400, epsabs=1e-10
    )
    found = BetaBinomial(*counts).result(prior=prior, rope=rope)
    assert found.probability_in_rope == pytest.approx(oracle, abs=1e-7)


def test_a_million_answers__agree_with_the_normal_approximation_in_no_time() -> None:
    counts = BetaBinomial(500_000, 1_000_000, 500_700, 1_000_000)
    counts.result(rope=0.001)
    start = time.perf_counter()
    found = counts.result(rope=0.001)
    assert time.perf_counter() - start < 0.2
    gap, se = found.mean_b - found.mean_a, math.sqrt(0.5 / 1e6)
    assert found.probability_b_better == pytest.approx(stats.norm.cdf(gap / se), abs=1e-6)
    in_rope = stats.norm.cdf((0.001 - gap) / se) - stats.norm.cdf((-0.001 - gap) / se)
    assert found.probability_in_rope == pytest.approx(in_rope, abs=1e-6)


def test_a_million_against_three__agrees_with_the_narrow_arm_taken_as_a_point() -> None:
    found = BetaBinomial(300_000, 1_000_000, 2, 3).result(rope=0.05)
    b = stats.beta(3, 2)
    assert found.probability_b_better == pytest.approx(b.sf(0.3), abs=1e-6)
    assert found.expected_loss_b == pytest.approx(integrate.quad(lambda x: (0.3 - x) * b.pdf(x), 0, 0.3)[0], abs=1e-6)
    assert found.probability_in_rope == pytest.approx(b.cdf(0.35) - b.cdf(0.25), abs=1e-6)


@pytest.mark.parametrize("weight", [1e-5, 1e-3, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("successes", [0, 20])
def test_equal_counts_at_a_border__are_even_under_any_prior(weight: float, successes: int) -> None:
    found = BetaBinomial(successes, 20, successes, 20).result(prior=(weight, weight))
    assert found.probability_b_better == pytest.approx(0.5, abs=1e-10)


def test_arms_far_apart__keep_a_probability_above_zero() -> None:
    found = BetaBinomial(900_000, 1_000_000, 100_000, 1_000_000).result(rope=0.01)
    assert found.probability_b_better == SMALLEST_P
    assert found.expected_loss_b == pytest.approx(0.8, abs=1e-5)
    assert found.probability_in_rope == 0.0


def test_counts_of_batches__add_up() -> None:
    assert BetaBinomial.of([0, 1], [1, 1, 0]) + BetaBinomial.of([], [0]) == BetaBinomial(1, 2, 2, 4)


def test_no_answers__have_the_status_no_data() -> None:
    assert BetaBinomial().result().status == "no_data"
    assert BetaBinomial(1, 2, 0, 0).result().status == "no_data"


@pytest.mark.parametrize(
    "call",
    [
        lambda: BetaBinomial(3, 2, 0, 0),
        lambda: BetaBinomial.of([0.5], [1]),
        lambda: BetaBinomial(1, 2, 1, 2).result(prior=(0.0, 1.0)),
        lambda: BetaBinomial(1, 2, 1, 2).result(prior=(1.0, math.inf)),
        lambda: BetaBinomial(1, 2, 1, 2).result(rope=0.0),
        lambda: BetaBinomial(1, 2, 1, 2).result(alpha=1.0),
        lambda: WinLoss(-1, 0, 0),
        lambda: WinLoss(1, 0, 0).posterior(rope=math.nan),
        lambda: normal_posterior(math.nan, 1.0),
        lambda: normal_posterior(0.0, -1.0),
        lambda: normal_posterior(0.0, 1.0, rope=-1.0),
    ],
)
def test_bayesian_arguments__are_checked(call: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        call()


# --- Dirichlet -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(45, 35, 20), (0, 0, 30), (7, 0, 0), (3, 9, 400)])
def test_win_loss__equals_draws_from_the_dirichlet_distribution(counts: tuple[int, int, int]) -> None:
    drawn = np.random.default_rng(3).dirichlet(np.asarray(counts) + 1.0, 400_000)
    net = drawn[:, 0] - drawn[:, 1]
    found = WinLoss(*counts).posterior(rope=0.05)
    assert found.probability_b_better == pytest.approx((net > 0).mean(), abs=0.004)
    assert found.expected_loss_b == pytest.approx(np.maximum(-net, 0).mean(), abs=0.002)
    assert found.expected_loss_a == pytest.approx(np.maximum(net, 0).mean(), abs=0.002)
    assert found.probability_in_rope == pytest.approx((np.abs(net) < 0.05).mean(), abs=0.004)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_win_loss__swaps_with_its_sides(wins: int, losses: int, ties: int) -> None:
    found = WinLoss(wins, losses, ties).posterior(rope=0.01)
    swapped = WinLoss(losses, wins, ties).posterior(rope=0.01)
    assert found.expected_loss_a - found.expected_loss_b == pytest.approx(found.mean_net, abs=1e-9)
    assert found.expected_loss_b == pytest.approx(swapped.expected_loss_a, abs=1e-9)
    assert found.probability_in_rope == pytest.approx(swapped.probability_in_rope, abs=1e-8)


def test_no_ties_at_all__is_the_beta_posterior() -> None:
    found = WinLoss(12, 5, 0).posterior(prior=(1.0, 1.0, 1e-9), rope=0.1)
    beta = stats.beta(13, 6)
    assert found.probability_b_better == pytest.approx(beta.sf(0.5), abs=1e-9)
    assert found.probability_in_rope == pytest.approx(beta.cdf(0.55) - beta.cdf(0.45), abs=1e-7)


def test_win_loss_counts__add_up_and_know_when_they_are_empty() -> None:
    assert WinLoss(1, 2, 3) + WinLoss(4, 5, 6) == WinLoss(5, 7, 9)
    assert WinLoss().posterior().status == "no_data"


# --- Posterior of a mean difference --------------------------------------------------------------------------------


@pytest.mark.parametrize(("v", "df"), [(1.3, 5.0), (-2.2, 40.0), (30.0, 3.0), (0.0, 1.5), (6.0, 1e6), (2.0, math.inf)])
def test_normal_posterior__equals_integration(v: float, df: float) -> None:
    se, law = 2.0, stats.norm(0, 1) if math.isinf(df) else stats.t(df)
    found = normal_posterior(v * se, se, df, rope=0.3)
    loss = integrate.quad(lambda t: -(v + t) * se * law.pdf(t), -np.inf, -v, epsabs=0)[0]
    gain = integrate.quad(lambda t: (v + t) * se * law.pdf(t), -v, np.inf, epsabs=0)[0]
    assert found.probability_better == pytest.approx(law.cdf(v), rel=1e-10)
    assert found.expected_loss_treatment == pytest.approx(loss, rel=1e-5)
    assert found.expected_loss_control == pytest.approx(gain, rel=1e-7)
    assert found.probability_in_rope == pytest.approx(law.cdf(0.15 - v) - law.cdf(-0.15 - v), rel=1e-7, abs=1e-15)
    assert (found.ci_low, found.ci_high) == pytest.approx(law.interval(0.95) * np.array(se) + v * se)


def test_normal_posterior__is_one_minus_the_one_sided_p_value() -> None:
    found = PairedMean.of(A, B).result()
    assert found.effect is not None
    assert found.se is not None
    oracle = stats.ttest_rel(B, A, alternative="greater").pvalue
    assert normal_posterior(found.effect, found.se, 59).probability_better == pytest.approx(1 - oracle, rel=1e-9)


def test_one_degree_of_freedom__has_a_probability_but_no_finite_loss() -> None:
    found = normal_posterior(1.0, 1.0, 1.0)
    assert (found.status, found.expected_loss_treatment, found.expected_loss_control) == ("too_few", None, None)
    assert found.probability_better == pytest.approx(0.75)


def test_no_spread__has_no_posterior() -> None:
    assert normal_posterior(1.0, 0.0, 5.0).status == "constant"
    assert normal_posterior(1.0, 0.0, 5.0).probability_better is None


def test_an_overwhelming_effect__overflows_nothing() -> None:
    found = normal_posterior(1e300, 1e-5, 7.0)
    assert found.probability_better == 1.0
    assert found.expected_loss_treatment == 0.0
    assert found.expected_loss_control is None or math.isfinite(found.expected_loss_control)
    assert normal_posterior(-1e9, 1.0, 50.0).probability_better == SMALLEST_P


# --- Multiplicity --------------------------------------------------------------------------------------------------

p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(p_lists)
def test_false_discovery_rates__equal_scipy(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values, method="bh"))
    assert benjamini_yekutieli(p_values) == pytest.approx(stats.false_discovery_control(p_values, method="by"))


@pytest.mark.parametrize(
    ("raw", "hochbergs", "bonferronis"),
    # R p.adjust
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.04, 0.04, 0.02], [0.04, 0.16, 0.12, 0.02]),
        ([0.0, 1.0, 0.049, 0.05, 0.051], [0, 1, 0.102, 0.102, 0.102], [0, 1, 0.245, 0.25, 0.255]),
    ],
)
def test_familywise_adjustments__equal_r(raw: list[float], hochbergs: list[float], bonferronis: list[float]) -> None:
    assert hochberg(raw) == pytest.approx(hochbergs)
    assert bonferroni(raw) == pytest.approx(bonferronis)


@given(p_lists, st.randoms(use_true_random=False))
def test_adjustments__keep_the_order_and_rank_by_power(p_values: list[float], random: Any) -> None:
    order = list(range(len(p_values)))
    random.shuffle(order)
    for adjust in (holm, hochberg, bonferroni, benjamini_hochberg, benjamini_yekutieli):
        adjusted = adjust(p_values)
        assert [adjusted[i] for i in order] == pytest.approx(adjust([p_values[i] for i in order]))
        assert all(p is not None and 0 <= p <= 1 for p in adjusted)
    rows = zip(benjamini_hochberg(p_values), hochberg(p_values), holm(p_values), bonferroni(p_values), strict=True)
    assert all(a <= b + 1e-12 and b <= c + 1e-12 and c <= d + 1e-12 for a, b, c, d in rows)  # type: ignore[operator]


@pytest.mark.parametrize("adjust", [holm, hochberg, bonferroni, benjamini_hochberg, benjamini_yekutieli])
def test_missing_tests__do_not_count(adjust: Any) -> None:
    first, missing, last = adjust([0.01, None, 0.03])
    assert missing is None
    assert [first, last] == adjust([0.01, 0.03])
    assert adjust([]) == []
    assert adjust([None]) == [None]
    assert adjust([0.2]) == [0.2]
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="p-values are from 0 to 1"):
            adjust([0.5, wrong])


# --- Equivalence and non-inferiority of means ----------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(-0.05, 0.05), (-0.02, 0.1), (0.0, 1.0)])
def test_tost__equals_two_one_sided_tests_of_scipy(low: float, high: float) -> None:
    paired = equivalence(PairedMean.of(A, B).result(), low, high)
    d = B - A
    assert paired.p_lower == pytest.approx(stats.ttest_1samp(d, low, alternative="greater").pvalue, rel=1e-9)
    assert paired.p_upper == pytest.approx(stats.ttest_1samp(d, high, alternative="less").pvalue, rel=1e-9)
    welch = equivalence(WelchMean.of(A, B[:40]).result(), low, high)
    shifted = [
        stats.ttest_ind(B[:40] - m, A, equal_var=False, alternative=s) for m, s in ((low, "greater"), (high, "less"))
    ]
    assert (welch.p_lower, welch.p_upper) == pytest.approx([found.pvalue for found in shifted], rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.floats(-0.2, 0.19), st.floats(0.005, 0.3), st.sampled_from([0.01, 0.05, 0.2]))
def test_equivalent__is_when_the_interval_lies_inside(low: float, width: float, alpha: float) -> None:
    found = equivalence(PairedMean.of(A, B).result(), low, low + width, alpha)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.equivalent == (low < found.ci_low and found.ci_high < low + width)


def test_non_inferiority__equals_scipy_in_both_directions() -> None:
    welch = WelchMean.of(A, B).result()
    lower = non_inferiority_mean(welch, 0.1, lower_is_better=True)
    oracle = stats.ttest_ind(B - 0.1, A, equal_var=False, alternative="less")
    assert lower.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    higher = non_inferiority_mean(welch, 0.1, lower_is_better=False)
    oracle = stats.ttest_ind(B + 0.1, A, equal_var=False, alternative="greater")
    assert higher.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert (higher.loss_low, higher.loss_high) == (-lower.loss_high, -lower.loss_low)  # type: ignore[operator]


@given(st.floats(0, 0.3), st.booleans())
def test_non_inferior__is_when_the_upper_limit_is_below_the_margin(margin: float, lower_is_better: bool) -> None:
    found = non_inferiority_mean(PairedMean.of(A, B).result(), margin, lower_is_better=lower_is_better)
    assert found.loss_high is not None
    assert found.non_inferior == (found.loss_high < margin)


def test_clustered_means__are_tested_with_their_own_error() -> None:
    found = ClusteredMean.of(A, B, [str(i // 3) for i in range(60)]).result()
    assert found.se is not None
    assert found.effect is not None
    p_value = stats.t.cdf((found.effect - 0.05) / found.se, 19)
    assert non_inferiority_mean(found, 0.05, lower_is_better=True).p_value == pytest.approx(p_value, rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "status"), [([], [], "no_data"), ([1.0], [2.0], "too_few"), ([1.0] * 5, [1.5] * 5, "constant")]
)
def test_means_without_an_error__are_not_tested(a: list[float], b: list[float], status: str) -> None:
    tested = equivalence(PairedMean.of(a, b).result(), -1, 1)
    assert (tested.status, tested.p_value, tested.equivalent) == (status, None, None)
    guarded = non_inferiority_mean(PairedMean.of(a, b).result(), 1, lower_is_better=True)
    assert (guarded.status, guarded.p_value, guarded.non_inferior) == (status, None, None)


def test_margins__are_checked() -> None:
    found = PairedMean.of(A, B).result()
    for low, high, alpha in ((1, 1, 0.05), (-math.inf, 1, 0.05), (-1, 1, 0.5)):
        with pytest.raises(ValueError, match=r"margins|alpha"):
            equivalence(found, low, high, alpha)
    for margin, alpha in ((-1, 0.05), (math.nan, 0.05), (1, 0.5)):
        with pytest.raises(ValueError, match=r"margin|error rate"):
            non_inferiority_mean(found, margin, lower_is_better=True, alpha=alpha)


def test_tost_at_the_margin__rejects_no_more_than_alpha() -> None:
    rng = np.random.default_rng(1)
    found = [
        equivalence(PairedMean.of(np.zeros(100), rng.normal(0.2, 1, 100)).result(), -0.2, 0.2) for _ in range(2000)
    ]
    assert np.mean([one.equivalent for one in found]) < 0.064


# --- Shares --------------------------------------------------------------------------------------------------------

shares = st.builds(lambda a, b: TwoShares(*a, *b), small_counts, small_counts)


def _ends(found: Any) -> list[float]:
    return [found.ci_low, found.ci_high]


@pytest.mark.parametrize(
    ("counts", "ends"),
    # Newcombe (1998), table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/20, 10/10 - 0/10
    [
        ((48, 80, 56, 70), (0.0524, 0.3339)),
        ((3, 10, 9, 10), (0.1705, 0.8090)),
        ((0, 20, 10, 10), (0.6791, 1.0)),
        ((0, 10, 10, 10), (0.6075, 1.0)),
    ],
)
def test_newcombe__equals_the_published_table(counts: tuple[int, int, int, int], ends: tuple[float, float]) -> None:
    assert _ends(newcombe(TwoShares(*counts))) == pytest.approx(ends, abs=6e-5)


def test_other_intervals__equal_statsmodels() -> None:
    found = TwoShares(10, 1000, 12, 1000)
    assert _ends(newcombe(found, 0.1)) == pytest.approx([-0.0060299582146558315, 0.010176379663777274], rel=1e-9)
    assert _ends(wald(found, 0.1)) == pytest.approx([-0.005672144640665989, 0.00967214464066599], rel=1e-9)
    assert _ends(agresti_caffo(found, 0.1)) == pytest.approx([-0.005997374849691048, 0.009989390817754918], rel=1e-9)
    like = score_interval(found, 0.1, as_statsmodels=True)
    assert _ends(like) == pytest.approx([-0.005998059438631295, 0.01020156780460796], rel=1e-7)
    assert score_p_below(found, 0.01, as_statsmodels=True) == pytest.approx(0.05387907076390226, rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(small_counts, small_counts, st.floats(-0.95, 0.95))
def test_constrained_shares__are_the_likeliest(a: tuple[int, int], b: tuple[int, int], d: float) -> None:
    two = TwoShares(a[0], a[1] + 1, b[0], b[1] + 1)

    def cost(p: float) -> float:
        terms = ((two.successes_a, two.n_a, p), (two.successes_b, two.n_b, p + d))
        return -sum(float(special.xlogy(x, q) + special.xlogy(n - x, 1 - q)) for x, n, q in terms)

    low, high = max(0.0, -d), min(1.0, 1 - d)
    best = optimize.minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    q_a, q_b = constrained_shares(two, d)
    assert q_b == pytest.approx(q_a + d)
    inside = min(max(q_a, low + 1e-12), high - 1e-12)
    assert cost(inside) <= best.fun + 1e-6


@settings(max_examples=80, deadline=None)
@given(shares)
def test_share_intervals__swap_with_the_arms_and_nest(two: TwoShares) -> None:
    swapped = TwoShares(two.successes_b, two.n_b, two.successes_a, two.n_a)
    for interval in (newcombe, score_interval, agresti_caffo, wald):
        found, narrow = interval(two), interval(two, 0.2)
        if two.is_empty:
            assert (found.status, found.effect, found.ci_low) == ("no_data", None, None)
            continue
        assert found.ci_low is not None
        assert found.ci_high is not None
        assert narrow.ci_low is not None
        assert narrow.ci_high is not None
        assert found.ci_low <= narrow.ci_low + 1e-9
        assert narrow.ci_high <= found.ci_high + 1e-9
        mirrored = interval(swapped)
        assert [-found.ci_high, -found.ci_low] == pytest.approx(_ends(mirrored), abs=1e-9)


def test_score_interval__leaves_out_what_its_test_rejects() -> None:
    two = TwoShares(45, 380, 30, 400)
    found = score_interval(two, 0.1)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert score_p_below(two, found.ci_high) == pytest.approx(0.05, rel=1e-6)
    assert score_p_below(two, found.ci_low) == pytest.approx(0.95, rel=1e-6)


def test_no_event_at_all__leaves_the_wald_interval_without_width() -> None:
    none = TwoShares(0, 200, 0, 200)
    assert wald(none).status == "constant"
    assert _ends(newcombe(none)) == pytest.approx([-0.018845326377, 0.018845326377], rel=1e-8)


def test_paired_newcombe__equals_the_published_interval() -> None:
    # Fagerland, Lydersen and Laake, Statistical analysis of contingency tables, chapter 8 (Cavo et al. 2012).
    found = newcombe_paired(McNemar(59, 16, 6, 80))
    assert found.effect == pytest.approx(-0.0621, abs=5e-5)
    assert _ends(found) == pytest.approx([-0.1186, -0.0046], abs=5e-5)


@settings(max_examples=80, deadline=None)
@given(st.tuples(*[st.integers(0, 60)] * 4))
def test_paired_newcombe__swaps_with_the_arms(cells: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, neither = cells
    found, swapped = newcombe_paired(McNemar(*cells)), newcombe_paired(McNemar(both, only_b, only_a, neither))
    if sum(cells) == 0:
        assert (found.status, found.effect) == ("no_data", None)
        return
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert [-found.ci_high, -found.ci_low] == pytest.approx(_ends(swapped), abs=1e-12)
    flipped = newcombe_paired(McNemar(neither, only_b, only_a, both))
    assert _ends(swapped) == pytest.approx(_ends(flipped), abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(shares, st.tuples(*[st.integers(0, 60)] * 4), st.floats(0, 0.5), st.booleans())
def test_share_p_value__is_below_alpha_exactly_when_the_limit_is_below_the_margin(
    two: TwoShares, cells: tuple[int, int, int, int], margin: float, lower: bool
) -> None:
    for found in (
        non_inferiority(two, margin=margin, lower_is_better=lower),
        paired_non_inferiority(McNemar(*cells), margin=margin, lower_is_better=lower),
    ):
        if found.status == "no_data":
            assert (found.p_value, found.non_inferior) == (None, None)
            continue
        assert found.p_value is not None
        assert found.high is not None
        assert 0 < found.p_value <= 1
        if abs(found.high - margin) > 1e-9:
            assert found.non_inferior == (found.p_value < 0.05)


def test_share_p_value__inverts_the_interval() -> None:
    two = TwoShares(45, 380, 30, 400)
    p_value = non_inferiority(two, margin=0.02).p_value
    assert p_value is not None
    assert newcombe(two, 2 * p_value).ci_high == pytest.approx(0.02, abs=1e-9)
    worse = non_inferiority(TwoShares(30, 400, 60, 380), margin=0.02)
    assert worse.p_value is not None
    assert worse.p_value > 0.5
    assert newcombe(TwoShares(30, 400, 60, 380), 2 * (1 - worse.p_value)).ci_low == pytest.approx(0.02, abs=1e-9)


def test_higher_is_better__counts_the_failures() -> None:
    passes = non_inferiority(TwoShares(380, 400, 385, 400), margin=0.02, lower_is_better=False)
    errors = non_inferiority(TwoShares(20, 400, 15, 400), margin=0.02)
    assert passes == errors


def test_huge_counts__do_not_round_to_a_p_value_of_zero() -> None:
    found = non_inferiority(TwoShares(500_000, 10**6, 500_100, 10**6), margin=0.5)
    assert found.p_value is not None
    assert 0 < found.p_value < 1e-200
    with pytest.raises(ValueError, match="margin"):
        non_inferiority(TwoShares(1, 2, 1, 2), margin=1.0)
    with pytest.raises(ValueError, match="counts"):
        TwoShares(3, 2, 0, 0)


# --- Quantiles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 5, 40, 71, 72, 367, 368, 1000, 1_000_000])
@pytest.mark.parametrize("q", [0.01, 0.5, 0.95, 0.99])
def test_quantile_ranks__equal_binomial_quantiles_of_scipy(n: int, q: float) -> None:
    found = quantile_ranks(n, q)
    if n:
        low, high = int(stats.binom.ppf(0.025, n, q)), int(stats.binom.ppf(0.975, n, q)) + 1
        assert (found.lower_rank, found.upper_rank) == (low, high)
        assert found.coverage == pytest.approx(stats.binom.cdf(high - 1, n, q) - stats.binom.cdf(low - 1, n, q))
        assert found.coverage >= 0.95
    assert found.has_upper == (n >= found.min_n_for_upper)
    assert found.has_lower == (n >= found.min_n_for_lower)


@pytest.mark.parametrize(("q", "n"), [(0.99, 368), (0.95, 72), (0.5, 6)])
def test_smallest_n_for_an_upper_limit__is_the_known_one(q: float, n: int) -> None:
    assert quantile_ranks(40, q).min_n_for_upper == n


def test_quantile_interval__is_between_two_observations() -> None:
    values = RNG.lognormal(6, 1, 200)
    found = quantile_interval(values, 0.95)
    ordered = np.sort(values)
    assert (found.status, found.ci_low, found.ci_high) == ("ok", ordered[183], ordered[196])
    assert found.estimate == pytest.approx(np.quantile(values, 0.95))


@pytest.mark.parametrize(("n", "status"), [(0, "no_data"), (1, "too_few"), (40, "too_few")])
def test_a_quantile_of_few__has_no_upper_limit(n: int, status: str) -> None:
    found = quantile_interval(np.arange(n, dtype=float), 0.99)
    assert (found.status, found.ci_high) == (status, None)
    assert (found.estimate is None) == (n == 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(-1, 7), st.sampled_from([0.1, 0.5, 0.95]))
def test_quantile_test__equals_scipy(values: list[int], supposed: int, q: float) -> None:
    oracle = stats.quantile_test([float(v) for v in values], q=supposed, p=q).pvalue
    assert quantile_test(values, q, supposed) == pytest.approx(min(1.0, oracle), rel=1e-9)


def test_unpaired_bootstrap__has_the_exact_distribution_of_a_resampled_quantile() -> None:
    a, b = RNG.lognormal(0, 1, 150), RNG.lognormal(0.1, 1, 120)
    found = quantile_difference(a, b, 0.9, seed=1, resamples=20_000)
    rng = np.random.default_rng(2)
    plain = np.quantile(b[rng.integers(0, 120, (20_000, 120))], 0.9, axis=1)
    plain -= np.quantile(a[rng.integers(0, 150, (20_000, 150))], 0.9, axis=1)
    assert found.se == pytest.approx(plain.std(ddof=1), rel=0.03)
    assert _ends(found) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.1 * plain.std())


def test_paired_bootstrap__equals_resampling_the_pairs() -> None:
    base = RNG.normal(size=400)
    a, b = np.exp(base + 0.3 * RNG.normal(size=400)), np.exp(base + 0.3 * RNG.normal(size=400) + 0.1)
    found = paired_quantile_difference(a, b, 0.9, seed=1, resamples=8000)
    rows = np.random.default_rng(2).integers(0, 400, (8000, 400))
    plain = np.quantile(b[rows], 0.9, axis=1) - np.quantile(a[rows], 0.9, axis=1)
    assert found.se == pytest.approx(plain.std(ddof=1), rel=0.04)
    assert _ends(found) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.12 * plain.std())
    assert (found.method, found.seed, found.resamples) == ("paired bootstrap", 1, 8000)


def test_far_pairs__change_nothing_but_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    base = RNG.normal(size=6000)
    a, b = base + 0.3 * RNG.normal(size=6000), base + 0.3 * RNG.normal(size=6000)
    counted = paired_quantile_difference(a, b, 0.5, seed=1)
    monkeypatch.setattr("abtest.analytics.statistics._quantile_resampling._REACH", 1e9)
    plain = paired_quantile_difference(a, b, 0.5, seed=2, resamples=999)
    assert counted.se == pytest.approx(plain.se, rel=0.08)


def test_cluster_bootstrap__equals_resampling_the_clusters() -> None:
    level = np.repeat(RNG.normal(size=40), 10)
    a, b = level + 0.5 * RNG.normal(size=400), level * 1.2 + 0.5 * RNG.normal(size=400)
    codes = np.repeat(np.arange(40), 10)
    found = paired_quantile_difference(a, b, 0.9, cluster=codes, seed=1, resamples=4000)
    rows = np.random.default_rng(2).integers(0, 40, (4000, 40))
    rows = (rows[:, :, None] * 10 + np.arange(10)).reshape(4000, 400)
    plain = np.quantile(b[rows], 0.9, axis=1) - np.quantile(a[rows], 0.9, axis=1)
    assert found.se == pytest.approx(plain.std(ddof=1), rel=0.06)
    assert found.method == "cluster bootstrap"
    uneven = paired_quantile_difference(a[:395], b[:395], 0.9, cluster=codes[:395], seed=1)
    assert uneven.se == pytest.approx(found.se, rel=0.2)


@pytest.mark.parametrize("clustered", [False, True])
def test_woodruff__agrees_with_the_bootstrap(clustered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(11)
    level = np.repeat(rng.normal(size=800), 10)
    a, b = np.exp(level + 0.5 * rng.normal(size=8000)), np.exp(level + 0.5 * rng.normal(size=8000) + 0.05)
    codes = np.repeat(np.arange(800), 10) if clustered else None
    drawn = paired_quantile_difference(a, b, 0.9, cluster=codes, seed=1)
    monkeypatch.setattr(quantile_difference_module, "MOST_PAIRS", 10)
    monkeypatch.setattr(quantile_difference_module, "MOST_CLUSTERED", 10)
    normal = paired_quantile_difference(a, b, 0.9, cluster=codes, seed=1)
    assert (normal.method, normal.seed, normal.resamples) == ("normal (Woodruff)", None, None)
    assert normal.se == pytest.approx(drawn.se, rel=0.15)
    assert normal.difference == drawn.difference


def test_quantile_differences__repeat_with_their_seed_and_turn_with_the_arms() -> None:
    a, b = RNG.lognormal(0, 1, 300), RNG.lognormal(0, 1, 300)
    assert quantile_difference(a, b, 0.95, seed=5) == quantile_difference(a[::-1], b, 0.95, seed=5)
    one, other = (paired_quantile_difference(x, y, 0.95, seed=5) for x, y in ((a, b), (b, a)))
    assert one.difference == pytest.approx(-(other.difference or 0.0))
    assert one.se == pytest.approx(other.se, rel=0.1)


def test_a_million_latencies__take_less_than_a_second() -> None:
    a, b = (np.random.default_rng(seed).exponential(size=1_000_000) for seed in (1, 2))
    start = time.perf_counter()
    found = quantile_difference(a, b, 0.95, seed=1)
    assert time.perf_counter() - start < 3
    # Bahadur: q (1 - q) / (n f^2) for each group, f(p95) of the exponential distribution is 0.05.
    assert found.se == pytest.approx(math.sqrt(2 * 0.95 * 0.05 / 1e6) / 0.05, rel=0.05)


@pytest.mark.parametrize(
    ("n", "values", "status"), [(0, 0.0, "no_data"), (1, 1.0, "too_few"), (50, 1.0, "too_few"), (100, 1.0, "constant")]
)
def test_quantiles_without_an_interval__say_so(n: int, values: float, status: str) -> None:
    x = np.full(n, values)
    for found in (quantile_difference(x, x, 0.95, seed=1), paired_quantile_difference(x, x, 0.95, seed=1)):
        assert (found.status, found.ci_low) == (status, None)
        assert found.difference == (0.0 if n else None)


def test_quantile_arguments__are_checked() -> None:
    x = np.arange(100.0)
    assert (
        paired_quantile_difference(x, x + RNG.normal(size=100), 0.5, cluster=np.zeros(100), seed=1).status
        == "one_cluster"
    )
    for call in (
        lambda: quantile_difference(x, x, 1.0, seed=1),
        lambda: quantile_difference([math.nan], x, 0.5, seed=1),
        lambda: quantile_difference(x, x, 0.5, seed=1, resamples=1),
        lambda: paired_quantile_difference(x, x[:50], 0.5, seed=1),
        lambda: paired_quantile_difference(x, x, 0.5, cluster=[1, 2], seed=1),
        lambda: quantile_ranks(-1, 0.5),
    ):
        with pytest.raises(ValueError, match=r"."):
            call()
    assert quantile_test([], 0.5, 1.0) is None


# --- Sample ratio --------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0.01, 10)), min_size=2, max_size=6))
def test_sample_ratio__equals_scipy(arms: list[tuple[int, float]]) -> None:
    observed, weights = [count for count, _ in arms], [weight for _, weight in arms]
    found = sample_ratio(observed, weights)
    if sum(observed) == 0:
        assert (found.status, found.p_value, found.alarm) == ("no_data", None, False)
        return
    expected = np.asarray(weights) / math.fsum(weights) * sum(observed)
    oracle = stats.chisquare(observed, expected, sum_check=False)
    assert found.chi2 == pytest.approx(oracle.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(max(SMALLEST_P, oracle.pvalue), rel=1e-6)
    assert found.alarm == (oracle.pvalue < 0.001)


def test_sample_ratio__equals_r_on_a_known_mismatch() -> None:
    found = sample_ratio([821_588, 815_482])
    assert found.p_value == pytest.approx(1.82179287261919e-06, rel=1e-9)
    assert found.alarm
    assert not sample_ratio([10, 0]).alarm


def test_an_arm_that_should_get_nothing__raises_the_alarm_when_it_gets_something() -> None:
    found = sample_ratio([100, 1], [1.0, 0.0])
    assert (found.status, found.chi2, found.p_value, found.alarm) == ("out_of_range", None, SMALLEST_P, True)
    assert sample_ratio([100, 90, 0], [1, 1, 0]).p_value == sample_ratio([100, 90]).p_value
    assert sample_ratio([5]).status == "too_few"
    for observed, weights in (([], None), ([1, -1], None), ([1, 2], [1.0]), ([1, 2], [0, 0]), ([1, 2], [1, math.nan])):
        with pytest.raises(ValueError, match=r"arm|counts"):
            sample_ratio(observed, weights)


# --- CUPED ---------------------------------------------------------------------------------------------------------


def _trial(n: int = 120, seed: int = 4) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    treated = (rng.random(n) < 0.4).astype(float)
    pre = rng.normal(10, 3, n)
    return 0.8 * pre + 0.5 * treated + rng.normal(0, 1.5, n), pre, treated


def test_cuped__equals_least_squares_and_welch_of_the_adjusted_outcome() -> None:
    y, x, t = _trial()
    found = Cuped.of(y, x, t).result()
    theta = np.cov(y, x)[0, 1] / x.var(ddof=1)
    adjusted = y - theta * (x - x.mean())
    welch = stats.ttest_ind(adjusted[t == 1], adjusted[t == 0], equal_var=False)
    assert found.total is not None
    assert found.total.theta == pytest.approx(theta)
    assert found.total.p_value == pytest.approx(welch.pvalue, rel=1e-9)
    interval = welch.confidence_interval()
    assert _ends(found.total) == pytest.approx([interval.low, interval.high])
    design = np.column_stack((np.ones_like(y), t, x))
    beta, residual, *_ = np.linalg.lstsq(design, y, rcond=None)
    assert found.ancova is not None
    assert found.ancova.effect == pytest.approx(beta[1])
    error = residual[0] / (len(y) - 3) * np.linalg.inv(design.T @ design)[1, 1]
    assert found.ancova.se == pytest.approx(math.sqrt(error))
    centred = x - x.mean()
    lin = np.linalg.lstsq(np.column_stack((np.ones_like(y), t, centred, t * centred)), y, rcond=None)[0]
    assert found.lin_effect == pytest.approx(lin[1])
    assert found.correlation_squared == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


def test_missing_pre_periods__get_the_overall_mean_and_are_counted() -> None:
    y, x, t = _trial()
    gaps = x.copy()
    gaps[::7] = math.nan
    found = Cuped.of(y, gaps, t).result()
    filled = Cuped.of(y, np.where(np.isnan(gaps), np.nanmean(gaps), gaps), t).result()
    assert (found.n_imputed, filled.n_imputed) == (18, 0)
    assert found.total is not None
    assert filled.total is not None
    assert (found.total.theta, found.total.effect, found.total.se) == pytest.approx(
        (filled.total.theta, filled.total.effect, filled.total.se)
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 120))
def test_cuped_sums__merge_to_the_pooled_ones(cut: int) -> None:
    y, x, t = _trial()
    x = x.copy()
    x[::5] = math.nan
    merged = (Cuped.of(y[:cut], x[:cut], t[:cut]) + Cuped.of(y[cut:], x[cut:], t[cut:])).result()
    whole = Cuped.of(y, x, t).result()
    assert merged.total is not None
    assert whole.total is not None
    assert (merged.n_a, merged.n_b, merged.n_imputed) == (whole.n_a, whole.n_b, whole.n_imputed)
    assert merged.total.effect == pytest.approx(whole.total.effect)
    assert merged.total.se == pytest.approx(whole.total.se)


@pytest.mark.parametrize("value", [1.0, 0.1, math.nan])
def test_a_constant_covariate__adjusts_nothing(value: float) -> None:
    y, _, t = _trial()
    found = Cuped.of(y, np.full(120, value), t).result()
    assert found.status == "no_covariate_variation"
    assert found.total == found.raw
    assert found.lin_effect is None


def test_cuped_without_enough_units__says_so() -> None:
    assert Cuped().result().status == "no_data"
    assert Cuped.of([1, 2], [1, 2], [0, 0]).result().status == "no_data"
    few = Cuped.of([1, 2, 4], [1, 2, 2], [0, 1, 1]).result()
    assert few.status == "too_few"
    assert few.total is not None
    assert few.total.se is None
    assert Cuped.of([1, 1, 2, 2], [1, 2, 1, 2], [0, 0, 1, 1]).result().status == "constant"
    explained = Cuped.of([1, 2, 3, 4.0], [1, 2, 3, 4.0], [0, 1, 0, 1]).result()
    assert explained.status == "constant"
    for y, x, t in (([1], [1], [2]), ([math.nan], [1], [0]), ([1], [math.inf], [0]), ([1, 2], [1], [0])):
        with pytest.raises(ValueError, match=r"outcome|unit"):
            Cuped.of(y, x, t)


# --- Thompson sampling ---------------------------------------------------------------------------------------------


def test_probability_best_of_two__is_the_beta_comparison() -> None:
    found = thompson_sampling([12, 20], [40, 50])
    assert found.probability_best[1] == pytest.approx(BetaBinomial(12, 40, 20, 50).result().probability_b_better)


@pytest.mark.parametrize("counts", [([5, 50, 500], [10, 100, 1000]), ([0, 0, 3, 1], [0, 9, 3, 2])])
def test_probability_best__equals_draws(counts: tuple[list[int], list[int]]) -> None:
    found = thompson_sampling(*counts)
    drawn = draw_arms(*counts, draws=200_000, seed=1)
    assert found.probability_best == pytest.approx(np.bincount(drawn, minlength=len(counts[0])) / 200_000, abs=0.005)
    assert sum(found.probability_best) == pytest.approx(1)


def test_arms_nobody_asked__share_the_traffic_evenly() -> None:
    assert thompson_sampling([0] * 4, [0] * 4).probability_best == pytest.approx([0.25] * 4)
    assert thompson_sampling([0], [0]).probability_best == (1.0,)


def test_allocation__keeps_a_floor() -> None:
    found = thompson_sampling([1, 90], [100, 100]).allocation(0.1)
    assert found == pytest.approx([0.1, 0.9])
    for wrong in (-0.1, 0.6):
        with pytest.raises(ValueError, match="smallest share"):
            thompson_sampling([1, 90], [100, 100]).allocation(wrong)
    for successes, n in (([], []), ([1], [1, 2]), ([3], [2])):
        with pytest.raises(ValueError, match=r"arm|counts"):
            thompson_sampling(successes, n)


def test_thirty_arms_with_a_million_answers__are_ranked() -> None:
    found = thompson_sampling([10] * 29 + [600_000], [40] * 29 + [1_000_000])
    one = stats.beta(11, 31).cdf(0.6) ** 29
    assert found.probability_best[-1] == pytest.approx(one, abs=1e-4)


# --- Best-arm identification ---------------------------------------------------------------------------------------


def _value(w: Any, mu: Any, divergence: Any) -> float:
    """The objective of Garivier and Kaufmann (2016), lemma 3, straight from its definition."""
    best = int(np.argmax(mu))
    values = []
    for a in range(len(mu)):
        if a != best:
            middle = np.asarray((w[best] * mu[best] + w[a] * mu[a]) / (w[best] + w[a]))
            pair = divergence(np.asarray(mu[best]), middle), divergence(np.asarray(mu[a]), middle)
            values.append(float(w[best] * pair[0] + w[a] * pair[1]))
    return min(values)


@pytest.mark.parametrize("mu", [[0.5, 0.45, 0.43, 0.4], [0.9, 0.1], [0.02, 0.3, 0.25], [1.0, 0.5, 0.0], [0.5, 0.0]])
def test_optimal_allocation__cannot_be_improved(mu: list[float]) -> None:
    found = optimal_allocation(mu)
    assert found.shares is not None
    assert found.characteristic_time is not None
    value = _value(found.shares, mu, bernoulli_divergence)
    assert sum(found.shares) == pytest.approx(1)
    assert found.characteristic_time == pytest.approx(1 / value, rel=1e-7)
    rng = np.random.default_rng(1)
    for scale in (0.3, 0.03, 0.003):
        others = np.abs(np.asarray(found.shares) * (1 + scale * rng.normal(size=(60, len(mu)))))
        others /= others.sum(axis=1, keepdims=True)
        assert all(_value(w, mu, bernoulli_divergence) <= value * (1 + 1e-9) for w in others)


def test_two_normal_arms__share_evenly_and_need_eight_variances() -> None:
    # T* = 8 sigma^2 / gap^2 for two normal arms.
    found = optimal_allocation([1.0, 0.5], gaussian_divergence(3.0))
    assert found.shares == pytest.approx((0.5, 0.5), abs=1e-9)
    assert found.characteristic_time == pytest.approx(8 * 9 / 0.25)


def test_arms_that_no_sample_tells_apart__are_a_status() -> None:
    assert optimal_allocation([0.5, 0.5, 0.1]).status == "unreachable"
    assert optimal_allocation([0.5]).status == "too_few"
    assert optimal_allocation([]).status == "too_few"
    for wrong in ([1.5, 0.2], [math.nan, 0.1]):
        with pytest.raises(ValueError, match="means"):
            optimal_allocation(wrong)
    with pytest.raises(ValueError, match="standard deviation"):
        gaussian_divergence(0.0)


def test_chernoff_statistic__is_the_log_likelihood_ratio() -> None:
    found = chernoff_stopping([0.6, 0.45, 0.4], [100, 100, 100])

    def log_likelihood(x: float, n: int, p: float) -> float:
        return float(stats.binom.logpmf(x, n, p))

    ratio = sum(log_likelihood(x, 100, x / 100) - log_likelihood(x, 100, 105 / 200) for x in (60, 45))
    assert (found.best, found.stop) == (0, False)
    assert found.statistic == pytest.approx(ratio)
    assert found.threshold == pytest.approx(math.log((1 + math.log(300)) / 0.05))
    assert chernoff_stopping([0.9, 0.4], [100, 100]).stop


def test_chernoff_stopping__decides_nothing_without_answers() -> None:
    for means, n in (([0.5], [3]), ([0.5, 0.0], [3, 0]), ([], [])):
        found = chernoff_stopping(means, n)
        assert (found.status, found.statistic, found.stop) == ("too_few", None, False)
    tied = chernoff_stopping([0.5, 0.5], [10, 10])
    assert (tied.statistic, tied.stop) == (0.0, False)
    border = chernoff_stopping([1.0, 0.0], [50, 50])
    assert border.statistic == pytest.approx(100 * math.log(2))
    for n, delta in (([1], 0.05), ([1, -1], 0.05), ([1, 1], 0.0)):
        with pytest.raises(ValueError, match=r"delta|arm"):
            chernoff_stopping([0.5, 0.4], n, delta=delta)


def test_next_arm__follows_the_shares_and_forgets_nobody() -> None:
    assert next_arm([100, 100, 1], [0.6, 0.39, 0.01]) == 2
    assert next_arm([100, 100, 50], [0.6, 0.3, 0.1]) == 0
    assert next_arm([0, 0], [0.5, 0.5]) == 0
    with pytest.raises(ValueError, match="arm"):
        next_arm([1], [0.5, 0.5])
