"""Paired and unpaired tests, resampling and effect sizes against scipy, R, closed forms and full enumeration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.analytics.statistics import _resampling, _sign_sums
from abtest.analytics.statistics._resampling import resampled_sums
from abtest.analytics.statistics.bootstrap import BootstrapResult, bootstrap_mean
from abtest.analytics.statistics.cluster_bootstrap import cluster_bootstrap
from abtest.analytics.statistics.cluster_robust import cluster_codes, cluster_robust
from abtest.analytics.statistics.clustered_mean import ClusteredMean
from abtest.analytics.statistics.effect_sizes import (
    hedges_correction,
    hedges_correction_approximate,
    paired_effect_sizes,
    unpaired_effect_sizes,
)
from abtest.analytics.statistics.mcnemar import McNemar, mcnemar_test
from abtest.analytics.statistics.paired_mean import PairedMean, complete_pairs, differences, mean_over_judges
from abtest.analytics.statistics.quantile_bootstrap import bootstrap_quantile
from abtest.analytics.statistics.quantile_interval import quantile_interval
from abtest.analytics.statistics.sign_flip_permutation import sign_flip_permutation
from abtest.analytics.statistics.sign_test import SignTest
from abtest.analytics.statistics.welch_mean import WelchMean
from abtest.analytics.statistics.wilcoxon_signed_rank import wilcoxon_signed_rank

D = [0.002, -0.186, -0.342, 0.237, -0.024, 0.107, 0.118, -0.011, 0.151, 0.326]
D += [-0.03, -0.117, -0.006, 0.089, 0.023, 0.105, -0.036, 0.155, 0.154, 0.239]
D += [0.455, 0.375, 0.142, 0.163, 0.197, 0.336, 0.13, 0.34, 0.234, 0.246]
CLUSTERS = [int(c) for c in "011222333344444555556666667777"]
SKEWED = [4.921, -0.7176, -0.8623, -0.531, -0.8842, 3.3187, 1.2107, 0.692, 2.8954, -0.6519]
SKEWED += [-0.9313, 0.2149, 0.1625, -0.7749, 0.5089, 3.1583, -0.6133, 0.0149, 0.2109, 0.4255]
SKEWED += [1.5813, 0.6013, 2.8538, -0.7553, -0.5763, 1.0699, -0.5575, -0.6287, -0.2445, 0.2223]
SKEWED += [-0.5921, 0.6097, 2.8051, -1.0321, -1.0984, 0.9233, -0.749, 3.0902, 16.4268, -0.3322]
HALVES = [-0.384, -0.007, 0.282, -0.045, -0.904, 0.414, -2.019, 0.393, 0.1, 1.308, 0.163, 0.485, -0.946, 0.174, 0.777]
HALVES += [1.021, 0.119, 1.585, 1.275, -0.652, -2.468, -1.098, 0.068, 0.159, -0.294, -0.42, 0.649, -0.588, -2.127]
HALVES += [-0.31, 1.018]

finite = st.floats(-1e3, 1e3, allow_nan=False, width=32)
values = st.lists(finite, max_size=40)
steps = st.lists(st.integers(-4, 4), min_size=1, max_size=14)


# Means


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.05, 0.2]))
def test_welch__equals_scipy(n_a: int, n_b: int, seed: int, alpha: float) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=n_a), random.normal(0.3, 3, n_b)
    found = WelchMean.of(a, b).result(alpha)
    oracle = stats.ttest_ind(b, a, equal_var=False)
    interval = oracle.confidence_interval(1 - alpha)
    assert (found.status, found.n_a, found.n_b) == ("ok", n_a, n_b)
    assert found.df == pytest.approx(oracle.df, rel=1e-9)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-8)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-8, abs=1e-9)
    swapped = WelchMean.of(b, a).result(alpha)
    assert swapped.effect == pytest.approx(-(found.effect or 0))
    assert swapped.p_value == pytest.approx(found.p_value)


@settings(max_examples=50, deadline=None)
@given(values, values, values, values)
def test_welch_sums__merge_to_the_pooled_ones(a: list[float], b: list[float], c: list[float], d: list[float]) -> None:
    merged, pooled = WelchMean.of(a, b) + WelchMean.of(c, d), WelchMean.of(a + c, b + d)
    for one, other in ((merged.a, pooled.a), (merged.b, pooled.b)):
        assert (one.n, one.low, one.high) == (other.n, other.low, other.high)
        assert one.mean == pytest.approx(other.mean, abs=1e-9)
        assert one.m2 == pytest.approx(other.m2, rel=1e-8, abs=1e-6)
    assert merged.result().status == pooled.result().status


@pytest.mark.parametrize(
    ("a", "b", "status"),
    [([], [1.0], "no_data"), ([1.0], [1.0, 2.0], "too_few"), ([1.0, 1.0], [2.0, 2.0], "constant")],
)
def test_welch__degenerate_groups(a: list[float], b: list[float], status: str) -> None:
    found = WelchMean.of(a, b).result()
    assert (found.status, found.p_value, found.ci_low) == (status, None, None)


def test_one_group_that_does_not_vary__leaves_the_others_degrees_of_freedom() -> None:
    assert WelchMean.of([1.0, 1.0, 1.0], [1.0, 2.0, 4.0]).result().df == pytest.approx(2)


def test_incomplete_pairs__are_left_out_and_counted() -> None:
    found = complete_pairs([0.5, 0.7, None, 0.9, 0.4, 0.6], [0.6, None, 0.8, 0.9, 0.7, 0.5])
    assert found.dropped == 2
    # R 4.2.2 t.test(paired = TRUE)
    result = PairedMean.of(found.a, found.b).result()
    assert result.n == 4
    assert result.p_value == pytest.approx(0.44443809, rel=1e-7)
    assert result.t == pytest.approx(0.075 / 0.085391256, rel=1e-7)
    with pytest.raises(ValueError, match="infinite"):
        complete_pairs([math.inf], [1.0])


def test_several_judges__are_averaged_before_anything_else() -> None:
    found = mean_over_judges([[0.2, 0.4, None], [None, None, None], [1.0, 0.0, 0.5]])
    assert found.values.tolist() == pytest.approx([0.3, 0.5])
    assert found.rows.tolist() == [0, 2]
    assert (found.missing_scores, found.missing_samples) == (4, 1)
    assert mean_over_judges([]).values.size == 0
    with pytest.raises(ValueError, match="table"):
        mean_over_judges([1.0, 2.0])


def test_equal_differences__are_equal_in_every_bit() -> None:
    assert len(set(differences([0.1, 0.2, 0.3, 0.6], [0.2, 0.3, 0.4, 0.7]).tolist())) == 1
    assert differences([0.1 + 0.2], [0.3]).tolist() == [0.0]
    assert differences([], []).size == 0
    with pytest.raises(ValueError, match="finite"):
        differences([math.nan], [1.0])


# Clusters


def test_cluster_robust__equals_clubsandwich() -> None:
    # R clubSandwich 0.5.8, vcovCR types CR0, CR1, CR2 and coef_test(test = "Satterthwaite")
    found = cluster_robust(D, CLUSTERS)
    assert found.cr1 is not None
    assert found.cr2 is not None
    assert found.se_iid == pytest.approx(0.0316535096684317, rel=1e-9)
    assert found.se_cr0 == pytest.approx(0.0489083154332524, rel=1e-9)
    assert found.cr1.se == pytest.approx(0.0522851884901426, rel=1e-9)
    assert found.cr1.p_value == pytest.approx(0.0568659971146359, rel=1e-9)
    assert found.cr2.se == pytest.approx(0.0531256526546282, rel=1e-9)
    assert found.cr2.df == pytest.approx(5.83156064501616, rel=1e-9)
    assert found.cr2.p_value == pytest.approx(0.0675096241022752, rel=1e-9)
    assert found.recommended is found.cr2


def by_matrices(d: list[float], clusters: list[int]) -> tuple[float, float]:
    """Bell and McCaffrey's variance and degrees of freedom from the projection matrix itself."""
    n = len(d)
    rest = np.eye(n) - np.full((n, n), 1 / n)
    rows, quadratic = [], 0.0
    for name in sorted(set(clusters)):
        inside = np.asarray(clusters) == name
        roots, vectors = np.linalg.eigh(rest[np.ix_(inside, inside)])
        adjust = vectors @ np.diag(roots**-0.5) @ vectors.T
        row = (np.ones(inside.sum()) @ adjust @ rest[inside]) / n
        rows.append(row)
        quadratic += float(row @ np.asarray(d)) ** 2
    gram = np.asarray(rows) @ np.asarray(rows).T
    return math.sqrt(quadratic), float(np.trace(gram)) ** 2 / float((gram**2).sum())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=3, max_size=25))
def test_cr2__equals_the_matrix_form(rows: list[tuple[float, int]]) -> None:
    d, clusters = [row[0] for row in rows], [row[1] for row in rows]
    found = cluster_robust(d, clusters)
    if found.status != "ok" or found.cr2 is None:
        return
    se, df = by_matrices(d, clusters)
    assert found.cr2.se == pytest.approx(se, rel=1e-7, abs=1e-9)
    assert found.cr2.df == pytest.approx(df, rel=1e-7)


def test_miller__equals_the_double_sum_of_the_paper() -> None:
    d, n = np.asarray(D), len(D)
    e = d - d.mean()
    inside = sum(e[i] * e[j] for i, j in itertools.permutations(range(n), 2) if CLUSTERS[i] == CLUSTERS[j])
    expected = math.sqrt(d.var(ddof=1) / n + inside / n**2)
    assert cluster_robust(D, CLUSTERS).se_miller == pytest.approx(expected, rel=1e-12)


def test_clusters_of_one__give_students_t_in_every_form() -> None:
    plain = PairedMean.of([0.0] * 30, D).result()
    found = cluster_robust(D, list(range(30)))
    for form in (found.cr1, found.cr2):
        assert form is not None
        assert (form.se, form.df, form.p_value) == pytest.approx((plain.se, 29, plain.p_value))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([None, "a", "b", "c"])), min_size=2, max_size=30))
def test_sums_and_arrays_of_clusters__agree(rows: list[tuple[float, str | None]]) -> None:
    d, names = [row[0] for row in rows], [row[1] for row in rows]
    sums = ClusteredMean.of([0.0] * len(d), d, names)
    arrays = cluster_robust(d, np.asarray(names, dtype=object))
    assert sums.count == arrays.clusters
    if arrays.status == "ok" and arrays.cr2 is not None and arrays.cr1 is not None and sums.is_clustered:
        assert sums.result().se == pytest.approx(arrays.cr1.se, rel=1e-6, abs=1e-9)
        assert sums.result_cr2().se == pytest.approx(arrays.cr2.se, rel=1e-6, abs=1e-9)
        assert sums.result_cr2().df == pytest.approx(arrays.cr2.df, rel=1e-6)
        assert sums.recommended() == sums.result_cr2()


@pytest.mark.parametrize(
    ("d", "clusters", "status"),
    [
        ([], [], "no_data"),
        ([0.5], [3], "too_few"),
        ([0.5, 0.7], [3, 3], "one_cluster"),
        ([1.0, -1.0, 1.0, -1.0], [0, 0, 1, 1], "constant"),
        ([0.2, 0.2, 0.2], ["a", "b", "b"], "constant"),
    ],
)
def test_cluster_robust__degenerate(d: list[float], clusters: list[Any], status: str) -> None:
    found = cluster_robust(d, clusters)
    assert found.status == status
    assert found.cr1 is None or found.cr1.p_value is None
    assert found.se_miller is None or found.se_miller >= 0


def test_cluster_codes__take_numbers_names_and_none() -> None:
    assert cluster_codes([7, 7, 2], 3)[1] == 2
    assert cluster_codes([-7, 10**9, -7], 3)[1] == 2
    assert cluster_codes(np.asarray([None, "x", None, "x"], dtype=object), 4)[1] == 3
    with pytest.raises(ValueError, match="clusters"):
        cluster_codes([1, 2], 3)
    with pytest.raises(ValueError, match="NaN"):
        cluster_codes([1.0, math.nan], 2)


# McNemar and sign test


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar__all_forms_equal_scipys_distributions(only_a: int, only_b: int) -> None:
    found, m = mcnemar_test(only_a, only_b), only_a + only_b
    if m == 0:
        assert (found.p_value, found.mid_p_value, found.chi2) == (1.0, 1.0, None)
        return
    fewer = min(only_a, only_b)
    mass = float(stats.binom.pmf(fewer, m, 0.5))
    mid = 1 - mass if only_a == only_b else 2 * float(stats.binom.cdf(fewer, m, 0.5)) - mass
    assert found.mid_p_value == pytest.approx(mid, rel=1e-9)
    assert found.chi2 == pytest.approx((only_a - only_b) ** 2 / m)
    assert found.p_chi2 == pytest.approx(max(1e-300, stats.chi2.sf(found.chi2, 1)), rel=1e-9)
    assert found.p_chi2_corrected == pytest.approx(max(1e-300, stats.chi2.sf(found.chi2_corrected, 1)), rel=1e-9)
    assert found == mcnemar_test(only_b, only_a)


def test_mcnemar__equals_r() -> None:
    # R 4.2.2 mcnemar.test with and without correction, pbinom for mid-p
    found = mcnemar_test(40, 3)
    assert found.mid_p_value == pytest.approx(1.6183321e-09, rel=1e-7)
    assert (found.p_chi2, found.p_chi2_corrected) == pytest.approx((1.6765005e-08, 4.0205088e-08), rel=1e-7)
    assert mcnemar_test(25, 25).p_chi2_corrected == 1.0
    with pytest.raises(ValueError, match="at least 0"):
        mcnemar_test(-1, 3)


def test_difference_of_paired_shares__is_that_of_the_mean() -> None:
    a, b = [1] * 30 + [0] * 20, [1] * 25 + [0] * 5 + [1] * 12 + [0] * 8
    found, mean = McNemar.of(a, b).difference(), PairedMean.of(a, b).result()
    assert (found.effect, found.se) == pytest.approx((mean.effect, mean.se), rel=1e-12)
    assert found.ci_high == pytest.approx(found.effect + 1.959963984540054 * found.se)  # type: ignore[operator]
    assert McNemar().difference().status == "no_data"
    assert McNemar(1).difference().status == "too_few"
    assert (McNemar(0, 0, 5, 0).difference().status, McNemar(4).difference().se) == ("constant", 0.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 9))
def test_sign_test__equals_scipy(wins: int, losses: int, ties: int) -> None:
    found = SignTest(wins, losses, ties).result()
    if wins + losses == 0:
        assert (found.status, found.p_value) == (("all_ties", 1.0) if ties else ("no_data", None))
        assert found.win_share is None
        return
    oracle = stats.binomtest(wins, wins + losses)
    interval = oracle.proportion_ci(0.95, "exact")
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-8)
    assert found.effect == pytest.approx((wins - losses) / (wins + losses + ties))


def test_sign_test__counts_what_lies_within_the_margin_as_ties() -> None:
    assert SignTest.of([1.2, -0.3, 0, 0.5, 0.5, 2, -1, 0, 0.7, 0.1]) == SignTest(6, 2, 2)
    assert SignTest.of([0.1, -0.1, 0.3, -0.5], margin=0.1) == SignTest(1, 1, 2)
    assert SignTest(1, 2, 3) + SignTest(4, 0, 1) == SignTest(5, 2, 4)
    with pytest.raises(ValueError, match="margin"):
        SignTest.of([1.0], margin=-1)
    with pytest.raises(ValueError, match="at least 0"):
        SignTest(-1)


# Signed ranks


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from(["wilcoxon", "pratt"]))
def test_signed_rank__equals_enumeration_and_scipy(d: list[int], zeros: Any) -> None:
    found = wilcoxon_signed_rank(d, zeros)
    kept = [x for x in d if x] if zeros == "wilcoxon" else d
    if not any(d):
        assert (found.status, found.p_value) == ("all_ties", 1.0)
        return
    ranks = [r for r, x in zip(stats.rankdata(np.abs(kept)), kept, strict=True) if x]
    signs = np.asarray(list(itertools.product((0, 1), repeat=len(ranks))))
    sums, centre = signs @ np.asarray(ranks), sum(ranks) / 2
    expected = float((np.abs(sums - centre) >= abs(found.w_plus - centre) - 1e-9).mean())
    assert found.p_exact == pytest.approx(expected, rel=1e-9)
    assert found.w_plus + found.w_minus == pytest.approx(sum(ranks))
    for correction, p in ((False, found.p_asymptotic), (True, found.p_asymptotic_corrected)):
        method = {"zero_method": "wilcox" if zeros == "wilcoxon" else zeros, "method": "asymptotic"}
        assert p == pytest.approx(stats.wilcoxon(d, correction=correction, **method).pvalue, rel=1e-8)


@pytest.mark.parametrize("n", [12, 60, 250])
def test_signed_rank__equals_scipys_exact_table_without_ties(n: int) -> None:
    d = np.random.default_rng(n).normal(0.15, 1, n)
    found = wilcoxon_signed_rank(d)
    assert found.method == "exact"
    assert found.p_value == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-9)


def test_signed_rank_of_many__is_asymptotic() -> None:
    d = np.random.default_rng(1).normal(0.002, 1, 200_000)
    found = wilcoxon_signed_rank(d)
    assert (found.method, found.p_exact) == ("asymptotic", None)
    assert found.p_value == pytest.approx(stats.wilcoxon(d, method="asymptotic").pvalue, rel=1e-8)
    assert wilcoxon_signed_rank([]).status == "no_data"
    with pytest.raises(ValueError, match="zeros"):
        wilcoxon_signed_rank([1.0], "split")  # type: ignore[arg-type]


# Sign flips


def enumerated(d: list[float]) -> tuple[float, float]:
    sums = np.asarray(list(itertools.product((-1, 1), repeat=len(d)))) @ np.abs(d)
    total = sum(d)
    return float((np.abs(sums) >= abs(total) - 1e-9).mean()), float((sums >= total - 1e-9).mean())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-10, 10).map(lambda x: round(x, 2)), min_size=1, max_size=11))
def test_sign_flips__equal_enumeration(d: list[float]) -> None:
    found = sign_flip_permutation(d)
    assert (found.p_value, found.p_greater) == pytest.approx(enumerated(d), rel=1e-9)
    assert (found.method, found.assignments) == ("exact", 2 ** len(d))
    assert sign_flip_permutation([-x for x in d]).p_value == pytest.approx(found.p_value)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-2.0, -1.5, -0.5, 0.5, 1.0, 2.5]), min_size=2, max_size=14))
def test_sign_flips_on_a_lattice__equal_enumeration(d: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sign_sums, "MOST_ENUMERATED", 0)
        found = sign_flip_permutation(d)
    assert found.method == "exact"
    assert (found.p_value, found.p_greater) == pytest.approx(enumerated(d), rel=1e-9)


@pytest.mark.parametrize(("n", "k"), [(50, 49), (1000, 560), (100_000, 50_500), (100_000, 52_500), (300, 120)])
def test_sign_flips_of_binary_differences__are_the_exact_binomial_test(n: int, k: int) -> None:
    found = sign_flip_permutation(np.repeat([0.1, -0.1], [k, n - k]))
    assert found.method == "exact"
    assert found.p_value == pytest.approx(stats.binomtest(k, n).pvalue, rel=1e-7)
    assert found.p_greater == pytest.approx(stats.binom.sf(k - 1, n, 0.5), rel=1e-7)


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.4, 0.9])
def test_saddlepoint__agrees_with_all_sign_assignments(shift: float) -> None:
    d = np.random.default_rng(3).normal(shift, 1, 32)
    exact, approximate = sign_flip_permutation(d, method="exact"), sign_flip_permutation(d, method="saddlepoint")
    assert approximate.p_value == pytest.approx(exact.p_value, rel=0.04)
    assert approximate.p_greater == pytest.approx(exact.p_greater, rel=0.04)


def test_techniques__agree_on_the_same_differences() -> None:
    d = np.random.default_rng(4).normal(0.045, 1, 1500)
    drawn, smooth = sign_flip_permutation(d, seed=7), sign_flip_permutation(d, method="saddlepoint")
    assert (drawn.method, drawn.replicates, drawn.seed) == ("monte_carlo", 9_999, 7)
    assert smooth.p_value is not None
    noise = math.sqrt(smooth.p_value / 9_999)
    assert drawn.p_value == pytest.approx(smooth.p_value, abs=4 * noise)
    assert drawn == sign_flip_permutation(d, seed=7)
    many = sign_flip_permutation(np.random.default_rng(5).normal(0.004, 1, 300_000))
    assert many.method == "saddlepoint"
    assert many.p_value == pytest.approx(many.p_normal, rel=1e-3)


def test_few_differences_that_outweigh_all_others__are_drawn() -> None:
    d = np.concatenate((np.random.default_rng(1).normal(size=50_000), [4e4, 3e4, 2e4, 1e4]))
    found = sign_flip_permutation(d)
    # Beside the four, the rest is noise of size 224: of their 16 signs, only two give as large a sum.
    assert found.method == "monte_carlo"
    assert found.p_value == pytest.approx(2 / 16, abs=0.075)


def test_few_distinct_values_off_any_lattice__are_drawn_by_counts() -> None:
    random = np.random.default_rng(2)
    d = random.choice([-1.0, math.sqrt(2), math.pi, -math.e], 5000)
    found = sign_flip_permutation(d - 0.0, method="monte_carlo")
    smooth = sign_flip_permutation(d, method="saddlepoint")
    assert smooth.p_value is not None
    assert found.p_value == pytest.approx(max(smooth.p_value, 1e-4), abs=0.02)


@pytest.mark.parametrize("n", [40, 900, 5000])
def test_signs_that_all_agree__have_the_smallest_p_there_is(n: int) -> None:
    d = np.random.default_rng(n).uniform(0.1, 1, n)
    found = sign_flip_permutation(d, method="saddlepoint")
    assert found.p_value == pytest.approx(max(1e-300, 2 * 0.5**n), rel=1e-9)
    assert sign_flip_permutation(-d, method="saddlepoint").p_greater == pytest.approx(1.0)
    assert sign_flip_permutation(np.ones(n)).p_value == pytest.approx(max(1e-300, 2 * 0.5**n), rel=1e-9)


def test_sign_flips__degenerate() -> None:
    nothing = sign_flip_permutation([0.0] * 4)
    assert (nothing.status, nothing.p_value, nothing.p_greater, nothing.assignments) == ("all_ties", 1.0, 1.0, 16)
    assert sign_flip_permutation([]).status == "no_data"
    tiny = sign_flip_permutation([1e-200, -3e-200, 4e-200])
    assert tiny.p_value == pytest.approx(sign_flip_permutation([1, -3, 4]).p_value)
    with pytest.raises(ValueError, match="finite"):
        sign_flip_permutation([math.nan])
    with pytest.raises(ValueError, match="draw"):
        sign_flip_permutation([1.0], replicates=0)
    with pytest.raises(ValueError, match="assignments"):
        sign_flip_permutation(np.random.default_rng(0).normal(size=99), method="exact")


# Bootstrap


def test_bootstrap_of_the_mean__is_near_r_boot() -> None:
    # R boot 1.3.28.1, B = 200,000; tolerance 5 % of the width
    found = bootstrap_mean(SKEWED, replicates=49_999, seed=1)
    assert found.bca == pytest.approx((0.286070324890379, 2.39605827432259), abs=0.0879)
    assert found.percentile == pytest.approx((0.142935187515326, 1.90175912492848), abs=0.0879)
    assert found.basic == pytest.approx((-0.132519124928479, 1.62630481248467), abs=0.0879)
    assert found.acceleration == pytest.approx(0.103365134317866, rel=1e-9)
    assert found.se == pytest.approx(np.std(SKEWED) / math.sqrt(40), rel=0.02)
    assert found == bootstrap_mean(SKEWED, replicates=49_999, seed=1)


@pytest.mark.parametrize("kind", ["rows", "distinct_values", "cells"])
def test_schemes__have_the_exact_moments_of_resampling(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    x = random.integers(0, 5, 4000) ** 2.0 if kind == "distinct_values" else random.exponential(size=4000)
    if kind == "cells":
        monkeypatch.setattr(_resampling, "FROM_ROWS_TO_CELLS", 1000)
    x -= x.mean()
    drawn = resampled_sums(x[:, None], 20_000, random)
    sums = drawn.sums[:, 0]
    assert drawn.scheme == kind
    sd = math.sqrt(4000 * float((x**2).mean()))
    assert sums.mean() == pytest.approx(0, abs=4 * sd / math.sqrt(20_000))
    assert sums.std() == pytest.approx(sd, rel=0.025)
    skewness = float((x**3).mean()) / float((x**2).mean()) ** 1.5 / math.sqrt(4000)
    assert stats.skew(sums) == pytest.approx(skewness, abs=4 * math.sqrt(6 / 20_000))


def test_bootstrap_of_many__approaches_the_normal_interval() -> None:
    x = np.random.default_rng(6).exponential(size=60_000)
    found = bootstrap_mean(x)
    reach = 1.96 * x.std() / math.sqrt(x.size)
    assert found.scheme == "cells"
    for interval in (found.percentile, found.basic, found.bca):
        assert interval == pytest.approx((x.mean() - reach, x.mean() + reach), abs=0.06 * reach)


def test_shifted_and_scaled_data__shift_and_scale_the_intervals() -> None:
    one, other = bootstrap_mean(SKEWED), bootstrap_mean([1e6 + 3 * x for x in SKEWED])
    for a, b in ((one.bca, other.bca), (one.percentile, other.percentile)):
        assert a is not None
        assert b == pytest.approx(tuple(1e6 + 3 * end for end in a), abs=1e-6)


def test_intervals__nest_in_alpha() -> None:
    wide, narrow = bootstrap_mean(SKEWED, 0.01), bootstrap_mean(SKEWED, 0.2)
    for outer, inner in ((wide.percentile, narrow.percentile), (wide.bca, narrow.bca)):
        assert outer is not None
        assert inner is not None
        assert outer[0] < inner[0] < inner[1] < outer[1]


def test_bootstrap__degenerate() -> None:
    assert bootstrap_mean([]) == BootstrapResult("no_data", 0)
    assert bootstrap_mean([0.5]) == BootstrapResult("too_few", 1, 0.5)
    constant = bootstrap_mean([0.1] * 10)
    assert (constant.status, constant.se) == ("constant", 0.0)
    assert constant.bca == pytest.approx((0.1, 0.1))
    with pytest.raises(ValueError, match="replicates"):
        bootstrap_mean([1.0, 2.0], replicates=20)
    with pytest.raises(ValueError, match="alpha"):
        bootstrap_mean([1.0, 2.0], 1.5)
    with pytest.raises(ValueError, match="finite"):
        bootstrap_mean([1.0, math.nan])


def test_bootstrap_of_the_median__equals_r() -> None:
    # R boot (percentile) and qbinom
    found, order = bootstrap_quantile(HALVES, 0.5, seed=2), quantile_interval(HALVES, 0.5)
    assert (found.estimate, found.bca) == (0.1, None)
    assert found.percentile == pytest.approx((-0.31, 0.282), abs=0.071)
    assert found.se == pytest.approx(0.153073815744823, rel=0.05)
    assert (order.ranks.lower_rank, order.ranks.upper_rank, order.ci_low, order.ci_high) == (10, 22, -0.384, 0.393)
    assert order.ranks.coverage == pytest.approx(0.970550626516342, rel=1e-9)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.95])
def test_resampled_quantiles__have_the_distribution_of_plain_resampling(q: float) -> None:
    random = np.random.default_rng(8)
    x = random.exponential(size=37)
    plain = np.quantile(x[random.integers(0, 37, (20_000, 37))], q, axis=1)
    found = bootstrap_quantile(x, q, 0.2, replicates=20_000)
    assert found.percentile is not None
    assert found.se == pytest.approx(plain.std(), rel=0.04)
    for end, level in zip(found.percentile, (0.1, 0.9), strict=True):
        assert float((plain < end).mean()) - 0.015 <= level <= float((plain <= end).mean()) + 0.015


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 800), st.sampled_from([0.05, 0.5, 0.9, 0.99]))
def test_order_statistics__have_the_ranks_of_scipys_binomial(n: int, q: float) -> None:
    found = quantile_interval(np.arange(1.0, n + 1), q)
    lower, upper = int(stats.binom.ppf(0.025, n, q)), int(stats.binom.ppf(0.975, n, q)) + 1
    assert (found.ranks.lower_rank, found.ranks.upper_rank) == (lower, upper)
    assert found.ci_low == (lower if lower else None)
    assert found.ci_high == (upper if upper <= n else None)
    if found.status == "ok":
        expected = stats.binom.cdf(upper - 1, n, q) - stats.binom.cdf(lower - 1, n, q)
        assert found.ranks.coverage == pytest.approx(expected, rel=1e-9)
        assert expected >= 0.95 - 1e-9


def test_interval_of_p99__needs_368_observations() -> None:
    assert quantile_interval(np.arange(367.0), 0.99).status == "too_few"
    assert quantile_interval(np.arange(368.0), 0.99).status == "ok"
    assert quantile_interval([], 0.5).status == "no_data"
    with pytest.raises(ValueError, match="quantile"):
        quantile_interval([1.0], 1.0)


def test_bootstrap_of_a_quantile__degenerate() -> None:
    assert [bootstrap_quantile(x, 0.5).status for x in ([], [1.0], [2.0, 2.0])] == ["no_data", "too_few", "constant"]
    assert bootstrap_quantile([1.0, 2.0], 0.5).status == "ok"


def test_cluster_bootstrap__equals_plain_resampling_of_clusters() -> None:
    random = np.random.default_rng(9)
    found = cluster_bootstrap(D, CLUSTERS, replicates=20_000)
    sums, sizes = (np.bincount(CLUSTERS, weights=w) for w in (D, None))
    picked = random.integers(0, 8, (20_000, 8))
    plain = sums[picked].sum(axis=1) / sizes[picked].sum(axis=1)
    assert found.n == 8
    assert found.se == pytest.approx(plain.std(ddof=1), rel=0.03)
    assert found.percentile == pytest.approx(tuple(np.quantile(plain, (0.025, 0.975))), abs=0.008)


def test_cluster_bootstrap_of_many_clusters__has_the_cluster_robust_error() -> None:
    random = np.random.default_rng(10)
    sizes = random.integers(1, 6, 15_000)
    clusters = np.repeat(np.arange(15_000), sizes)
    d = random.normal(size=15_000)[clusters] + random.exponential(size=clusters.size)
    found, robust = cluster_bootstrap(d, clusters, replicates=4_999), cluster_robust(d, clusters)
    assert found.scheme == "cells"
    assert found.se == pytest.approx(robust.se_cr0, rel=0.05)


@pytest.mark.parametrize(
    ("d", "clusters", "status"),
    [
        ([], [], "no_data"),
        ([1.0], [0], "too_few"),
        ([1.0, 2.0], [0, 0], "one_cluster"),
        ([1.0, 3.0, 3.0, 1.0], [0, 0, 1, 1], "constant"),
    ],
)
def test_cluster_bootstrap__degenerate(d: list[float], clusters: list[int], status: str) -> None:
    assert cluster_bootstrap(d, clusters).status == status


# Effect sizes


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=20), st.lists(st.integers(0, 6), min_size=2, max_size=20))
def test_cliffs_delta__equals_the_double_loop_and_brunner_munzel_scipy(a: list[int], b: list[int]) -> None:
    found, swapped = unpaired_effect_sizes(a, b), unpaired_effect_sizes(b, a)
    delta = sum((y > x) - (y < x) for x in a for y in b) / len(a) / len(b)
    assert found.cliffs_delta == pytest.approx(delta, abs=1e-12)
    assert found.superiority == pytest.approx((delta + 1) / 2)
    assert swapped.cliffs_delta == pytest.approx(-delta, abs=1e-12)
    assert swapped.status == found.status
    if found.status == "ok":
        assert found.p_value == pytest.approx(stats.brunnermunzel(a, b).pvalue, rel=1e-7, abs=1e-12)
        assert found.ci_low is not None
        assert found.ci_high is not None
        assert 0 <= found.ci_low <= found.ci_high <= 1
    else:
        assert found.status == ("separated" if abs(delta) == 1 else "constant")
        assert found.p_value is None


def test_paired_effect_sizes__equal_r_effectsize() -> None:
    a = [0.62, 0.71, 0.55, 0.8, 0.93, 0.4, 0.77, 0.66, 0.58, 0.85]
    b = [0.7, 0.69, 0.61, 0.88, 0.9, 0.52, 0.79, 0.75, 0.6, 0.91]
    found = paired_effect_sizes(a, b)
    # R effectsize 0.8.3
    assert found.dz == pytest.approx(0.98070438, rel=1e-7)
    assert found.gz == pytest.approx(0.89624111, rel=1e-7)
    assert found.d_average == pytest.approx(0.32648948, rel=1e-7)
    assert (found.cliffs_delta, found.superiority) == pytest.approx((0.14, 0.8))
    assert hedges_correction_approximate(9) == pytest.approx(32 / 35)


@pytest.mark.parametrize("df", [2, 4, 10, 100, 9_998, 10_000, 1_000_000])
def test_hedges_correction__equals_the_product_of_its_gammas(df: int) -> None:
    # Gamma(m) / Gamma(m - 1/2) = prod over k < m of k / (k - 1/2), over Gamma(1/2): a sum of logs without cancellation.
    k = np.arange(1.0, df // 2)
    log_ratio = math.fsum(np.log1p(0.5 / (k - 0.5))) - math.log(math.pi) / 2
    assert hedges_correction(df) == pytest.approx(math.exp(log_ratio) / math.sqrt(df / 2), rel=1e-11)


def test_effect_sizes__degenerate() -> None:
    constant = paired_effect_sizes([0.1] * 5, [0.2] * 5)
    assert (constant.status, constant.dz, constant.gz, constant.d_average) == ("constant", None, None, None)
    assert (constant.superiority, constant.cliffs_delta) == (1.0, 1.0)
    assert paired_effect_sizes([], []).status == "no_data"
    assert paired_effect_sizes([1.0], [2.0]).status == "too_few"
    assert paired_effect_sizes([1.0, 2.0], [2.0, 4.0]).gz is None
    assert hedges_correction(1) is None
    with pytest.raises(ValueError, match="freedom"):
        hedges_correction(0)
    assert unpaired_effect_sizes([], [1.0]).status == "no_data"
    assert unpaired_effect_sizes([1.0], [2.0]).status == "too_few"
    apart = unpaired_effect_sizes([1.0, 2.0], [3.0, 4.0])
    assert (apart.status, apart.superiority, apart.ci_low, apart.p_value) == ("separated", 1.0, None, None)
    assert unpaired_effect_sizes([1.0, 1.0], [1.0, 1.0]).status == "constant"
