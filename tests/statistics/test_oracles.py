"""Each statistic against scipy.stats, R's published numbers or a count by hand; never against its own output."""

from __future__ import annotations

import math
import statistics as stdlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.analytics.power.detectable import detectable_effect_binary
from abtest.analytics.statistics._student import SMALLEST_P, critical_value, two_sided_p
from abtest.analytics.statistics.clustered_mean import ClusteredMean
from abtest.analytics.statistics.coverage import Tally
from abtest.analytics.statistics.descriptive import Observations
from abtest.analytics.statistics.holm import holm
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.paired_mean import PairedMean

A = [0.62, 0.71, 0.55, 0.8, 0.93, 0.4, 0.77, 0.66, 0.58, 0.85]
B = [0.7, 0.69, 0.61, 0.88, 0.9, 0.52, 0.79, 0.75, 0.6, 0.91]
D = [0.002, -0.186, -0.342, 0.237, -0.024, 0.107, 0.118, -0.011, 0.151, 0.326]
D += [-0.03, -0.117, -0.006, 0.089, 0.023, 0.105, -0.036, 0.155, 0.154, 0.239]
D += [0.455, 0.375, 0.142, 0.163, 0.197, 0.336, 0.13, 0.34, 0.234, 0.246]
CLUSTERS = list("011222333344444555556666667777")

finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)
pairs_of_scores = st.lists(st.tuples(finite, finite), min_size=2, max_size=60)
bits = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80)


def unzipped(pairs: list[tuple[Any, Any]]) -> tuple[list[float], list[float]]:
    return [float(a) for a, _ in pairs], [float(b) for _, b in pairs]


def test_paired_t__equals_r() -> None:
    # R 4.2.2, t.test(paired = TRUE)
    found = PairedMean.of(A, B).result()
    assert found.effect == pytest.approx(0.048, rel=1e-12)
    assert found.se == pytest.approx(0.0154775823549919, rel=1e-9)
    assert found.df == 9
    assert found.p_value == pytest.approx(0.0126966250876271, rel=1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx((0.012987276212856, 0.0830127237871439), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400), st.integers(0, 2**32 - 1), st.floats(-2, 2), st.sampled_from([0.01, 0.05, 0.1]))
def test_paired_t__equals_scipy(n: int, seed: int, shift: float, alpha: float) -> None:
    random = np.random.default_rng(seed)
    a, noise = random.normal(size=n), random.normal(size=n)
    b = a + shift + noise
    found = PairedMean.of(a, b).result(alpha)
    oracle = stats.ttest_rel(b, a)
    interval = oracle.confidence_interval(1 - alpha)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-8)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-8, abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(pairs_of_scores, st.data())
def test_paired_sums__merge_to_the_pooled_ones(pairs: list[tuple[float, float]], data: st.DataObject) -> None:
    a, b = unzipped(pairs)
    cut = data.draw(st.integers(0, len(pairs)))
    merged, pooled = PairedMean.of(a[:cut], b[:cut]) + PairedMean.of(a[cut:], b[cut:]), PairedMean.of(a, b)
    scale = max(1.0, *(abs(x) for x in a + b))
    assert (merged.n, merged.min_d, merged.max_d) == (pooled.n, pooled.min_d, pooled.max_d)
    for name in ("mean_a", "mean_b", "mean_d"):
        assert getattr(merged, name) == pytest.approx(getattr(pooled, name), abs=1e-10 * scale)
    for name in ("m2_a", "m2_b", "m2_d", "cross_product"):
        assert getattr(merged, name) == pytest.approx(getattr(pooled, name), rel=1e-8, abs=1e-8 * scale**2)


@settings(max_examples=60, deadline=None)
@given(pairs_of_scores, st.randoms(use_true_random=False))
def test_swapped_arms_flip_the_sign__and_order_changes_nothing(pairs: list[tuple[float, float]], random: Any) -> None:
    a, b = unzipped(pairs)
    straight, swapped = PairedMean.of(a, b).result(), PairedMean.of(b, a).result()
    random.shuffle(pairs)
    shuffled = PairedMean.of(*unzipped(pairs)).result()
    assert straight.status == swapped.status == shuffled.status
    assert swapped.effect == pytest.approx(-(straight.effect or 0))
    assert shuffled.effect == pytest.approx(straight.effect, rel=1e-9, abs=1e-9)
    if straight.status == "ok":
        assert swapped.p_value == pytest.approx(straight.p_value)
        assert (swapped.ci_low, swapped.ci_high) == pytest.approx((-(straight.ci_high or 0), -(straight.ci_low or 0)))
        assert shuffled.p_value == pytest.approx(straight.p_value, rel=1e-6)


def test_large_scores_that_are_alike__lose_no_precision() -> None:
    random = np.random.default_rng(1)
    a = 1e9 + random.normal(size=1000)
    b = a + random.normal(0.1, 1, size=1000)
    merged = PairedMean()
    for start in range(0, 1000, 10):
        merged = merged + PairedMean.of(a[start : start + 10], b[start : start + 10])
    oracle = stats.ttest_rel(b, a)
    assert merged.result().p_value == pytest.approx(oracle.pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "status"),
    [
        ([], [], "no_data"),
        ([0.5], [0.9], "too_few"),
        ([0.5] * 6, [0.6] * 6, "constant"),
        ([0.1, 0.2, 0.7], [0.2, 0.3, 0.8], "constant"),
        ([1, 0, 1, 1], [1, 0, 1, 1], "constant"),
    ],
)
def test_degenerate_pairs__have_a_status_and_no_p_value(a: list[float], b: list[float], status: str) -> None:
    found = PairedMean.of(a, b).result()
    assert found.status == status
    assert (found.p_value, found.ci_low, found.ci_high) == (None, None, None)


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0, 2.0]), ([math.nan], [1.0]), ([1.0], [math.inf])])
def test_incomplete_pairs__are_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match="pairs"):
        PairedMean.of(a, b)


def test_clustered_mean__equals_clubsandwich() -> None:
    # R clubSandwich 0.5.8 CR1 with t(G - 1); statsmodels OLS(cov_type="cluster") agrees.
    found = ClusteredMean.of([0.0] * 30, D, CLUSTERS).result()
    assert found.clusters == 8
    assert found.effect == pytest.approx(0.119066666666667, rel=1e-9)
    assert found.se == pytest.approx(0.0522851884901426, rel=1e-9)
    assert found.p_value == pytest.approx(0.0568659971146359, rel=1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx((-0.00456815803622433, 0.242701491369558), rel=1e-9)


def test_clusters_of_one__give_the_plain_error() -> None:
    plain = PairedMean.of([0.0] * 30, D).result()
    assert ClusteredMean.of([0.0] * 30, D, [str(i) for i in range(30)]).result() == plain
    assert ClusteredMean.of([0.0] * 30, D, [None] * 30).result() == plain


def test_unclustered_pairs__are_clusters_of_their_own() -> None:
    mixed: list[str | None] = [None if name == "0" else name for name in CLUSTERS]
    found = ClusteredMean.of([0.0] * 30, D, mixed).result()
    named = ClusteredMean.of([0.0] * 30, D, CLUSTERS).result()
    assert found.se == pytest.approx(named.se, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([None, "a", "b", "c"])), min_size=2), st.data())
def test_clustered_sums__merge_to_the_pooled_ones(rows: list[tuple[float, str | None]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    d, names = [row[0] for row in rows], [row[1] for row in rows]
    zero = [0.0] * len(rows)
    merged = ClusteredMean.of(zero[:cut], d[:cut], names[:cut]) + ClusteredMean.of(zero[cut:], d[cut:], names[cut:])
    one, other = merged.result(), ClusteredMean.of(zero, d, names).result()
    assert (one.status, one.clusters, one.n) == (other.status, other.clusters, other.n)
    assert one.se == (None if other.se is None else pytest.approx(other.se, rel=1e-6, abs=1e-9))


def test_one_cluster__is_refused() -> None:
    found = ClusteredMean.of([0.0] * 6, D[:6], ["doc"] * 6).result()
    assert found.status == "one_cluster"
    assert (found.se, found.p_value, found.ci_low) == (None, None, None)
    assert found.effect == pytest.approx(-0.0343333333333333)


def test_clusters_that_cancel_out__have_no_spread() -> None:
    found = ClusteredMean.of([0.0] * 4, [1.0, -1.0, 1.0, -1.0], ["a", "a", "b", "b"]).result()
    assert (found.status, found.p_value) == ("constant", None)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    # R 4.2.2 binom.test
    [(5, 12, 0.143463134765625), (130, 171, 0.0209806616937625), (40, 3, 3.02134139928968e-09), (25, 25, 1.0)],
)
def test_mcnemar__equals_r(only_a: int, only_b: int, p: float) -> None:
    assert McNemar(7, only_a, only_b, 9).result().p_value == pytest.approx(p, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar__equals_scipy_binomtest(only_a: int, only_b: int) -> None:
    found = McNemar(1, only_a, only_b, 1).result()
    if only_a + only_b == 0:
        assert found.status == "no_discordant_pairs"
        assert found.p_value == 1.0
        return
    oracle = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue
    assert found.p_value == pytest.approx(max(oracle, SMALLEST_P), rel=1e-9)
    assert found == McNemar(1, only_b, only_a, 1).result()


@given(bits, bits)
def test_mcnemar_counts__merge_to_the_pooled_ones(first: list[tuple[Any, Any]], second: list[tuple[Any, Any]]) -> None:
    merged = McNemar.of(*unzipped(first)) + McNemar.of(*unzipped(second))
    assert merged == McNemar.of(*unzipped(first + second))
    counted = [(a, b) for a, b in first + second]
    assert merged == McNemar(*(counted.count(cell) for cell in ((1, 1), (1, 0), (0, 1), (0, 0))))  # type: ignore[arg-type]


def test_mcnemar_p_value_is_never_zero__however_many_pairs() -> None:
    assert McNemar(0, 0, 100_000, 0).result().p_value == SMALLEST_P
    assert McNemar().result().status == "no_data"
    assert two_sided_p(1e200, 5) == SMALLEST_P


@given(st.floats(-40, 40), st.integers(1, 2000))
def test_student__equals_scipy(t: float, df: int) -> None:
    assert two_sided_p(t, df) == pytest.approx(max(SMALLEST_P, 2 * stats.t.sf(abs(t), df)), rel=1e-8)
    assert critical_value(0.05, df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-10)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    # R p.adjust(method = "holm")
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 1.0, 0.049, 0.05, 0.051], [1.0, 1.0, 0.245, 0.245, 0.245]),
        ([0.01, None, 0.03], [0.02, None, 0.03]),
        ([], []),
    ],
)
def test_holm__equals_r(raw: list[float | None], adjusted: list[float | None]) -> None:
    assert holm(raw) == [None if p is None else pytest.approx(p) for p in adjusted]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.lists(st.floats(0, 1e6), max_size=50))
def test_percentiles__equal_the_standard_library(first: list[float], second: list[float]) -> None:
    found = (Observations.of([*first, math.nan]) + Observations.of(second)).describe()
    values = first + second
    assert (found.n, found.n_missing) == (len(values), 1)
    assert found.mean == pytest.approx(stdlib.fmean(values))
    assert found.p50 == pytest.approx(stdlib.median(values))
    if len(values) > 1:
        assert found.p95 == pytest.approx(stdlib.quantiles(values, n=20, method="inclusive")[-1])


def test_nothing_observed__has_no_numbers() -> None:
    found = Observations.of([math.nan]).describe()
    assert (found.n, found.n_missing, found.mean, found.p95) == (0, 1, None, None)


def test_tallies_add__by_reason() -> None:
    merged = Tally(5, 4, 3, {"timeout": 1, "no_verdict": 1}) + Tally(2, 1, 1, {"timeout": 1})
    assert merged == Tally(7, 5, 4, {"no_verdict": 1, "timeout": 2})


@pytest.mark.parametrize(
    ("share_b", "share_c", "n"),
    # R enumeration of Connor (1987): pairs needed for power 0.8
    [(0.1, 0.05, 468.567979460319), (0.03, 0.01, 782.525955210294)],
)
def test_detectable_effect__inverts_connors_sample_size(share_b: float, share_c: float, n: float) -> None:
    at, above = (detectable_effect_binary(k, discordance=share_b + share_c) for k in (int(n), int(n) + 1))
    assert at is not None
    assert above is not None
    assert above <= share_b - share_c <= at
