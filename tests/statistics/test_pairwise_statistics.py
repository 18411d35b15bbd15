"""Pairwise statistics against R, scipy, closed forms and independent likelihoods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from abtest.analytics.statistics import _comparison_graph as graph
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics.binomial_interval import clopper_pearson, jeffreys, wilson
from abtest.analytics.statistics.bradley_terry import (
    ClusteredPairCounts,
    PairCounts,
    bradley_terry,
    clustered_bradley_terry,
    penalised_bradley_terry,
)
from abtest.analytics.statistics.bradley_terry_bootstrap import (
    bootstrap_bradley_terry,
    bootstrap_clustered_bradley_terry,
)
from abtest.analytics.statistics.bradley_terry_ties import davidson, rao_kupper
from abtest.analytics.statistics.clustered_share import clustered_share
from abtest.analytics.statistics.length_controlled_win_rate import (
    length_controlled_win_rate,
    penalised_length_controlled_win_rate,
)
from abtest.analytics.statistics.position_bias import OrderCounts, PositionCounts
from abtest.analytics.statistics.ranking import ranking
from abtest.analytics.statistics.win_rate import WinCounts

WINS = [[0, 26, 32, 32], [21, 0, 21, 41], [10, 27, 0, 27], [14, 10, 17, 0]]
TIES = [[0, 13, 18, 14], [13, 0, 12, 9], [18, 12, 0, 16], [14, 9, 16, 0]]
NO_TIES = np.zeros((4, 4), dtype=int)
Table = npt.NDArray[np.int64]

counts_of_outcomes = st.tuples(*[st.integers(0, 400)] * 3)


@st.composite
def comparisons(draw: st.DrawFn, most: int = 120) -> tuple[Table, int]:
    """Rows (first, second, verdict, cluster) between k variants."""
    k = draw(st.integers(2, 5))
    n = draw(st.integers(0, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first = random.integers(0, k, n)
    second = (first + random.integers(1, k, n)) % k
    rows = np.stack([first, second, random.integers(0, 3, n), random.integers(-3, 12, n)], axis=1)
    return rows, k


def pair_counts(rows: Table, k: int) -> PairCounts:
    return PairCounts.of(rows[:, 0], rows[:, 1], rows[:, 2], k)


def clustered(rows: Table, k: int) -> ClusteredPairCounts:
    return ClusteredPairCounts.of(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], k)


# One share


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    # R 4.2.2 prop.test(correct = FALSE)
    [
        (60, 100, 0.502002586791062, 0.690598713567541),
        (20, 20, 0.838874841947181, 1.0),
        (0, 1, 0.0, 0.793450685622763),
        (1, 1_000_000, 1.76524576745372e-07, 5.66491180431144e-06),
    ],
)
def test_wilson__equals_r(x: int, n: int, low: float, high: float) -> None:
    found = wilson(x, n)
    assert (found.share, found.ci_low, found.ci_high) == pytest.approx((x / n, low, high), rel=1e-9, abs=0)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 10**6), st.floats(0, 1), st.sampled_from([1e-4, 0.01, 0.05, 0.2]))
def test_share_intervals__equal_scipy(n: int, share: float, alpha: float) -> None:
    x = round(share * n)
    found, expected = wilson(x, n, alpha), stats.binomtest(x, n).proportion_ci(1 - alpha, "wilson")
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.low, expected.high), rel=1e-8, abs=1e-13)
    # At the exact ends the observed count, or one beyond it, has probability alpha / 2.
    found = clopper_pearson(x, n, alpha)
    assert x == 0 or stats.binom.sf(x - 1, n, found.ci_low) == pytest.approx(alpha / 2, rel=1e-6)
    assert x == n or stats.binom.cdf(x, n, found.ci_high) == pytest.approx(alpha / 2, rel=1e-6)
    posterior = stats.beta(x + 0.5, n - x + 0.5)
    found = jeffreys(x, n, alpha)
    assert found.ci_low == pytest.approx(0 if x == 0 else posterior.ppf(alpha / 2), rel=1e-8)
    assert found.ci_high == pytest.approx(1 if x == n else posterior.ppf(1 - alpha / 2), rel=1e-8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**5), st.floats(0, 1))
def test_share_intervals__nest_and_mirror(n: int, share: float) -> None:
    x = round(share * n)
    for interval in (wilson, clopper_pearson, jeffreys):
        narrow, wide, mirrored = interval(x, n, 0.2), interval(x, n, 0.01), interval(n - x, n, 0.2)
        assert 0 <= (wide.ci_low or 0) <= (narrow.ci_low or 0) <= x / n <= (narrow.ci_high or 0) <= (wide.ci_high or 0)
        assert (wide.ci_high or 0) <= 1
        assert mirrored.ci_low == pytest.approx(1 - (narrow.ci_high or 0), rel=1e-7, abs=1e-12)


def test_jeffreys__with_a_tiny_alpha_keeps_its_upper_end() -> None:
    found = jeffreys(1, 10, 1e-9)
    assert found.ci_high == pytest.approx(stats.beta(1.5, 9.5).isf(5e-10), rel=1e-9)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson, jeffreys])
def test_share_of_nothing__has_no_interval(interval: Any) -> None:
    found = interval(0, 0)
    assert (found.status, found.share, found.ci_low, found.ci_high) == ("no_data", None, None, None)
    for x, n, alpha in ((2, 1, 0.05), (-1, 3, 0.05), (math.nan, 3, 0.05), (1, math.inf, 0.05), (1, 2, 0), (1, 2, 1)):
        with pytest.raises(ValueError, match=r"counts|alpha"):
            interval(x, n, alpha)


# Win rate


def test_win_rate__equals_r() -> None:
    # R sd, qnorm, prop.test
    found = WinCounts(45, 35, 20).result()
    assert (found.status, found.n, found.score, found.net, found.tie_share) == ("ok", 100, 0.55, 0.1, 0.2)
    assert found.se == pytest.approx(0.0446648574938899, rel=1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx((0.462458487937362, 0.637541512062638), rel=1e-9)
    half, decisive = found.half_ties, found.decisive
    assert (half.ci_low, half.ci_high) == pytest.approx((0.4524460299744213, 0.6438546202048803), rel=1e-9)
    assert (decisive.ci_low, decisive.ci_high) == pytest.approx((0.4534113429694972, 0.6658613908385618), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(counts_of_outcomes, counts_of_outcomes)
def test_win_rate__is_the_mean_of_scores_and_mirrors(first: tuple[int, int, int], second: tuple[int, int, int]) -> None:
    counts = WinCounts(*first) + WinCounts(*second)
    w, lost, t = (a + b for a, b in zip(first, second, strict=True))
    assert counts == WinCounts(w, lost, t)
    assume(w + lost + t > 1)
    scores = np.repeat([1.0, 0.0, 0.5], [w, lost, t])
    found, mirrored = counts.result(), WinCounts(lost, w, t).result()
    assert found.score == pytest.approx(scores.mean())
    assert found.se == pytest.approx(stats.sem(scores), abs=1e-15)
    assert mirrored.score == pytest.approx(1 - (found.score or 0))
    assert mirrored.ci_low == pytest.approx(1 - (found.ci_high or 0), abs=1e-12)


def test_win_counts__obey_the_tie_margin() -> None:
    a, b = [0.5, 0.5, 0.5, 0.5, 0.5], [0.5, 0.505, 0.495, 0.7, 0.1]
    assert WinCounts.of(a, b) == WinCounts(2, 2, 1)
    assert WinCounts.of(a, b, tie_margin=0.01) == WinCounts(1, 1, 3)
    assert WinCounts.of([], []) == WinCounts()


@pytest.mark.parametrize(
    ("counts", "status", "score", "se"),
    [
        ((0, 0, 0), "no_data", None, None),
        ((1, 0, 0), "too_few", 1.0, None),
        ((0, 0, 50), "all_ties", 0.5, 0.0),
        ((9, 0, 0), "constant", 1.0, 0.0),
        ((0, 9, 0), "constant", 0.0, 0.0),
    ],
)
def test_degenerate_win_rates__have_a_status(counts: Any, status: str, score: float | None, se: float | None) -> None:
    found = WinCounts(*counts).result()
    assert (found.status, found.score, found.se) == (status, score, se)
    assert (found.decisive.status == "no_data") == (counts[0] + counts[1] == 0)


def test_bad_win_counts__are_refused() -> None:
    for counts in ((-1, 0, 0), (0.5, 0, 0), (math.nan, 0, 0), (math.inf, 0, 0)):
        with pytest.raises(ValueError, match="whole numbers"):
            WinCounts(*counts)
    for a, b, margin in (([1.0], [1.0, 2.0], 0), ([math.nan], [1.0], 0), ([1.0], [1.0], -1), ([1.0], [1.0], math.nan)):
        with pytest.raises(ValueError, match=r"pairs|margin"):
            WinCounts.of(a, b, margin)


# Counts and graph


@settings(max_examples=60, deadline=None)
@given(comparisons(), st.data())
def test_pair_counts__are_hand_counts_and_merge(drawn: tuple[Table, int], data: st.DataObject) -> None:
    rows, k = drawn
    wins, ties = np.zeros((k, k), dtype=int), np.zeros((k, k), dtype=int)
    for i, j, verdict, _ in rows:
        if verdict == 2:
            ties[i, j] += 1
            ties[j, i] += 1
        else:
            wins[(i, j) if verdict == 0 else (j, i)] += 1
    cut = data.draw(st.integers(0, len(rows)))
    merged = pair_counts(rows[:cut], k) + pair_counts(rows[cut:], k)
    by_cluster = (clustered(rows[:cut], k) + clustered(rows[cut:], k)).pooled()
    for found in (pair_counts(rows, k), merged, by_cluster):
        assert np.array_equal(found.wins, wins)
        assert np.array_equal(found.ties, ties)
        assert (found.n, found.n_ties) == (len(rows), int((rows[:, 2] == 2).sum()))


@pytest.mark.parametrize(
    ("first", "second", "verdict", "why"),
    [
        ([0], [0], [0], "itself"),
        ([0], [3], [0], "from 0 to 2"),
        ([-1], [1], [0], "from 0 to 2"),
        ([0], [1], [3], "verdict codes"),
        ([0, 1], [1], [0], "one length"),
        ([0.5], [1], [0], "whole numbers"),
        ([[0]], [1], [0], "one list"),
    ],
)
def test_bad_comparisons__are_refused(first: Any, second: Any, verdict: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        PairCounts.of(first, second, verdict, 3)


def test_bad_tables__are_refused() -> None:
    zero = np.zeros((2, 2))
    bad = [(zero, np.array([[0, 1], [0, 0]])), (np.eye(2), zero), (-np.ones((2, 2)), zero), (np.zeros((2, 3)), zero)]
    bad += [(zero, np.zeros((3, 3))), (np.array([[0, 0.5], [0, 0]]), zero), (np.array([[0, math.nan], [0, 0]]), zero)]
    for wins, ties in bad:
        with pytest.raises(ValueError, match=r"ties|wins"):
            PairCounts(wins, ties)
    with pytest.raises(ValueError, match="do not add up"):
        PairCounts.none(2) + PairCounts.none(3)
    with pytest.raises(ValueError, match="as many cluster codes"):
        ClusteredPairCounts.of([0], [1], [0], [], 2)
    with pytest.raises(ValueError, match="at least one variant"):
        PairCounts.none(0)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0.02, 0.5))
def test_graph__equals_scipy_components(k: int, seed: int, density: float) -> None:
    from scipy.sparse.csgraph import connected_components

    edges = np.random.default_rng(seed).random((k, k)) < density
    np.fill_diagonal(edges, val=False)
    for groups, connection in ((graph.components(edges), "weak"), (graph.strong_groups(edges), "strong")):
        count, labels = connected_components(edges, connection=connection)
        assert len(groups) == count
        assert sorted(node for group in groups for node in group) == list(range(k))
        assert all(len(set(labels[list(group)])) == 1 for group in groups)
    ordered = graph.strong_groups(edges)
    for earlier, group in enumerate(ordered):
        for later in ordered[earlier + 1 :]:
            assert not edges[np.ix_(later, group)].any()


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_tie_parameter_exists__exactly_when_no_direction_runs_away(k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    wins = random.random((k, k)) < 0.4
    np.fill_diagonal(wins, val=False)
    ties = np.triu(random.random((k, k)) < 0.4, 1)
    ties |= ties.T
    rows = [row(i, j, k) for i, j in zip(*np.nonzero(wins), strict=True)]
    bounds = [-1.0] * len(rows)
    rows += [row(j, i, k) for i, j in zip(*np.nonzero(ties), strict=True)]
    bounds += [1.0] * (len(rows) - len(bounds))
    feasible = not rows or optimize.linprog(np.zeros(k), rows, bounds, bounds=(None, None)).status == 0
    assert graph.ties_are_bounded(wins, ties) == (not feasible)


def row(winner: int, loser: int, k: int) -> list[float]:
    found = [0.0] * k
    found[winner], found[loser] = -1.0, 1.0
    return found


# Bradley-Terry


def test_bradley_terry__equals_r() -> None:
    # R 4.2.2 glm(binomial) and sandwich 3.0.2 HC0
    fit = bradley_terry(PairCounts(np.array(WINS), NO_TIES))
    assert (fit.status, fit.n, fit.groups) == ("ok", 278, ((0, 1, 2, 3),))
    assert fit.theta == pytest.approx([0.537824004987, 0.206618756816, -0.069095423213, -0.67534733859], abs=1e-7)
    assert fit.standard_errors("model") == pytest.approx([0.1392298, 0.1291030, 0.1339454, 0.1401124], abs=1e-6)
    assert fit.standard_errors() == pytest.approx([0.1411359, 0.1270653, 0.1334596, 0.1412717], abs=1e-6)
    contrast = fit.contrast(3, 0)
    assert contrast.value == pytest.approx(-1.21317134357742, abs=1e-7)
    assert contrast.se == pytest.approx(0.239366730871279, abs=1e-6)
    assert contrast.p_value == pytest.approx(2 * stats.norm.sf(1.21317134357742 / 0.239366730871279), rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_two_variants__have_the_closed_form(w: int, lost: int) -> None:
    fit = bradley_terry(PairCounts(np.array([[0, w], [lost, 0]]), np.zeros((2, 2))))
    contrast = fit.contrast(0, 1)
    assert contrast.value == pytest.approx(math.log(w / lost), rel=1e-8, abs=1e-8)
    assert contrast.se == pytest.approx(math.sqrt(1 / w + 1 / lost), rel=1e-6)
    assert fit.contrast(0, 1, "model").se == pytest.approx(contrast.se, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(comparisons())
def test_bradley_terry__is_hunters_fixed_point_or_says_why_not(drawn: tuple[Table, int]) -> None:
    rows, k = drawn
    counts = pair_counts(rows, k)
    fit = bradley_terry(counts)
    points = counts.wins + counts.ties / 2
    if fit.status not in ("ok", "all_ties"):
        assert fit.theta is None
        assert fit.covariance is None
        assert fit.status in ("no_data", "disconnected", "separated")
        assert all(part.status in ("ok", "all_ties") for part in fit.parts)
        return
    # Hunter (2004), MM algorithms for generalized Bradley-Terry models, eq. 3: the estimate is its fixed point.
    strength = np.exp(np.asarray(fit.theta))
    met = points + points.T
    again = points.sum(axis=1) / (met / (strength[:, None] + strength)).sum(axis=1)
    assert again / strength == pytest.approx(np.ones(k), rel=1e-7)
    assert sum(fit.theta or ()) == pytest.approx(0, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(comparisons())
def test_covariances__equal_the_row_by_row_sums(drawn: tuple[Table, int]) -> None:
    rows, k = drawn
    fit = clustered_bradley_terry(clustered(rows, k))
    assume(fit.status == "ok")
    theta = np.asarray(fit.theta)
    design = np.zeros((len(rows), k))
    index = np.arange(len(rows))
    design[index, rows[:, 0]], design[index, rows[:, 1]] = 1, -1
    share = 1 / (1 + np.exp(-design @ theta))
    bread = np.linalg.pinv((design.T * (share * (1 - share))) @ design)
    scores = design * (np.array([1.0, 0.0, 0.5])[rows[:, 2]] - share)[:, None]
    sums = np.stack([scores[rows[:, 3] == name].sum(axis=0) for name in np.unique(rows[:, 3])])
    assert fit.clusters == len(sums)
    assert fit.covariance_model == pytest.approx(bread, rel=1e-6, abs=1e-9)
    assert fit.covariance_sandwich == pytest.approx(bread @ scores.T @ scores @ bread, rel=1e-6, abs=1e-9)
    assert fit.covariance == pytest.approx(bread @ sums.T @ sums @ bread, rel=1e-6, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(comparisons(), st.randoms(use_true_random=False))
def test_order_of_rows_and_names_of_variants__change_nothing(drawn: tuple[Table, int], random: Any) -> None:
    rows, k = drawn
    fit = bradley_terry(pair_counts(rows, k))
    names = list(range(k))
    random.shuffle(names)
    renamed = rows.copy()
    renamed[:, :2] = np.asarray(names)[rows[:, :2]]
    # Turning a comparison round turns its verdict.
    turned = renamed[::-1][:, [1, 0, 2, 3]]
    turned[:, 2] = np.array([1, 0, 2])[turned[:, 2]]
    other = bradley_terry(pair_counts(turned, k))
    assert fit.status == other.status
    if fit.theta is not None and other.theta is not None:
        assert [other.theta[name] for name in names] == pytest.approx(fit.theta, abs=1e-7)


def test_extreme_counts__are_fitted() -> None:
    # R 4.2.2 glm and sandwich
    fit = bradley_terry(PairCounts(np.array([[0, 9000, 3], [1000, 0, 2], [1, 1, 0]]), np.zeros((3, 3))))
    assert fit.theta == pytest.approx([1.43477392531255, -0.761821246509334, -0.672952678803214], abs=1e-6)
    assert fit.standard_errors() == pytest.approx([0.372551942266308, 0.372144613738193, 0.743951077666704], abs=1e-5)
    cycle = bradley_terry(PairCounts(np.array([[0, 10**6, 0], [0, 0, 10**6], [1, 0, 0]]), np.zeros((3, 3))))
    assert cycle.status == "ok"
    assert cycle.theta == pytest.approx([cycle.theta[0], 0, -cycle.theta[0]], abs=1e-6) if cycle.theta else False


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(0, 2**32 - 1), st.floats(1, 10), st.floats(0, 0.6))
def test_counts_of_any_size__converge(k: int, seed: int, magnitude: float, empty: float) -> None:
    random = np.random.default_rng(seed)
    wins = (10 ** random.uniform(-1.5, magnitude, (k, k)) * (random.random((k, k)) > empty)).astype(np.int64)
    ties = np.triu(10 ** random.uniform(-1.5, magnitude, (k, k)) * (random.random((k, k)) > empty), 1).astype(np.int64)
    np.fill_diagonal(wins, 0)
    counts = PairCounts(wins, ties + ties.T)
    for model in (bradley_terry, davidson, rao_kupper):
        fit: Any = model(counts)
        assert fit.status in ("ok", "no_data", "disconnected", "separated", "all_ties")
        assert fit.theta is None or np.isfinite(fit.theta).all()


def test_a_variant_that_always_wins__is_named() -> None:
    # choix 0.4.1 opt_pairwise(alpha = 0.1)
    counts = PairCounts(np.array([[0, 20, 20], [0, 0, 11], [0, 9, 0]]), np.zeros((3, 3)))
    fit = bradley_terry(counts)
    assert (fit.status, fit.groups, fit.theta) == ("separated", ((0,), (1, 2)), None)
    assert fit.parts[0].variants == (1, 2)
    assert fit.parts[0].contrast(0, 1).value == pytest.approx(math.log(11 / 9))
    with pytest.raises(ValueError, match="separated"):
        fit.contrast(0, 1)
    ridge = penalised_bradley_terry(counts, penalty=0.1)
    assert ridge.status == "separated"
    assert ridge.theta == pytest.approx([2.831740310673727, -1.3201574786323556, -1.511583031464824], abs=1e-5)
    for penalty in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="penalty"):
            penalised_bradley_terry(counts, penalty)


def test_variants_that_never_met__are_not_ranked() -> None:
    wins = np.array([[0, 7, 0, 0], [3, 0, 0, 0], [0, 0, 0, 4], [0, 0, 6, 0]])
    fit = bradley_terry(PairCounts(wins, NO_TIES))
    assert (fit.status, fit.components) == ("disconnected", ((0, 1), (2, 3)))
    assert [part.contrast(0, 1).value for part in fit.parts] == pytest.approx([math.log(7 / 3), math.log(4 / 6)])
    assert ranking(fit).variants == ()
    assert davidson(PairCounts(wins, NO_TIES)).status == "disconnected"


def test_nothing_compared__has_no_strengths() -> None:
    for k in (1, 3):
        counts = PairCounts.none(k)
        for found in (bradley_terry(counts), davidson(counts), rao_kupper(counts)):
            assert (found.status, found.theta, found.n) == ("no_data", None, 0)
        assert penalised_bradley_terry(counts, 1.0).theta is None
        assert bootstrap_bradley_terry(counts, seed=1).status == "no_data"
        assert clustered_bradley_terry(ClusteredPairCounts.of([], [], [], [], k)).status == "no_data"


def test_few_clusters__have_no_clustered_error() -> None:
    rows = np.array([[0, 1, 0, 5], [0, 1, 1, 5], [1, 2, 0, 5], [1, 2, 1, 5], [0, 2, 0, 5], [0, 2, 1, 5]])
    one = clustered_bradley_terry(clustered(rows, 3))
    assert (one.status, one.clusters, one.covariance) == ("one_cluster", 1, None)
    assert one.contrast(0, 1).se is None
    assert one.contrast(0, 1, "sandwich").se is not None
    rows[3:, 3] = 6
    assert clustered_bradley_terry(clustered(rows, 3)).status == "too_few"
    assert bootstrap_clustered_bradley_terry(clustered(rows[:3], 2 + 1), seed=1).status == "separated"


# Ties as an outcome


def test_davidson__equals_r() -> None:
    # R 4.2.2 Poisson log-linear glm; psychotools::btmodel(undecided = TRUE) agrees
    fit = davidson(PairCounts(np.array(WINS), np.array(TIES)))
    assert fit.theta == pytest.approx([0.516434715281, 0.228470499177, -0.065594850759, -0.679310363698], abs=1e-7)
    assert fit.tie_parameter == pytest.approx(0.627738923340895, abs=1e-7)
    assert fit.se_log_tie_parameter == pytest.approx(0.127534019557335, abs=1e-6)
    assert fit.standard_errors() == pytest.approx([0.1352196, 0.1316681, 0.1309096, 0.1386727], abs=1e-6)
    assert fit.contrast(3, 0).se == pytest.approx(0.227309820658697, abs=1e-6)


def test_rao_kupper__equals_r() -> None:
    # R MASS::polr on mirrored data
    fit = rao_kupper(PairCounts(np.array(WINS), np.array(TIES)))
    assert fit.theta == pytest.approx([0.405364726, 0.192554267, -0.051679017, -0.546239976], abs=1e-6)
    assert fit.tie_parameter == pytest.approx(1.65100183382773, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_davidson__has_a_closed_form_for_two(w: int, lost: int, t: int) -> None:
    fit = davidson(PairCounts(np.array([[0, w], [lost, 0]]), np.array([[0, t], [t, 0]])))
    assert fit.contrast(0, 1).value == pytest.approx(math.log(w / lost), abs=1e-7)
    assert fit.tie_parameter == pytest.approx(t / math.sqrt(w * lost), rel=1e-7)
    assert fit.contrast(0, 1).se == pytest.approx(math.sqrt(1 / w + 1 / lost), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**5), st.integers(1, 10**5), st.integers(1, 10**5))
def test_rao_kupper__fits_two_exactly(w: int, lost: int, t: int) -> None:
    # Two variants have as many parameters as free shares: P(win) and P(loss) equal the observed ones.
    fit = rao_kupper(PairCounts(np.array([[0, w], [lost, 0]]), np.array([[0, t], [t, 0]])))
    gap, eta, n = math.exp(fit.contrast(0, 1).value), fit.tie_parameter or 0, w + lost + t
    assert gap / (gap + eta) == pytest.approx(w / n, rel=1e-6)
    assert 1 / (1 + gap * eta) == pytest.approx(lost / n, rel=1e-6)


def log_probabilities(name: str, theta: Any, log_tie: float) -> tuple[Any, Any]:
    """Log P(win) and log P(tie) of every pair, written out."""
    pi = np.exp(theta)
    one, other, tie = pi[:, None], pi[None, :], math.exp(log_tie)
    if name == "davidson":
        total = one + other + tie * np.sqrt(one * other)
        return np.log(one / total), np.log(tie * np.sqrt(one * other) / total)
    win, loss = one / (one + tie * other), other / (other + tie * one)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(win), np.log(1 - win - loss)


@settings(max_examples=40, deadline=None)
@given(comparisons(), st.sampled_from([davidson, rao_kupper]))
def test_ties_models__sit_on_top_of_the_likelihood_or_say_why_not(drawn: tuple[Table, int], model: Any) -> None:
    rows, k = drawn
    counts = pair_counts(rows, k)
    fit = model(counts)
    assert fit.status in ("ok", "no_data", "disconnected", "separated", "all_ties")
    if fit.tie_status != "ok":
        assert fit.tie_status in (None, "no_ties", "unbounded")
        assert fit.se_log_tie_parameter is None
        return

    def height(at: Any) -> float:
        win, tie = log_probabilities(model.__name__, at[:-1], at[-1])
        return float((counts.wins * win).sum() + (counts.ties * tie)[np.triu_indices(k, 1)].sum())

    top = np.r_[np.asarray(fit.theta), fit.log_tie_parameter]
    step = 1e-4
    for direction in np.eye(k + 1):
        slope = (height(top + step * direction) - height(top - step * direction)) / (2 * step)
        assert slope == pytest.approx(0, abs=1e-4 * max(1, counts.n))
    curve = (height(top + step * np.eye(k + 1)[k]) - 2 * height(top) + height(top - step * np.eye(k + 1)[k])) / step**2
    assert (fit.se_log_tie_parameter or 0) >= math.sqrt(-1 / curve) * (1 - 1e-3)


def test_tie_parameter_at_its_border__has_a_status() -> None:
    only_ties = PairCounts(np.zeros((3, 3)), 5 * (1 - np.eye(3)))
    for model in (davidson, rao_kupper):
        fit = model(only_ties)
        assert (fit.status, fit.tie_status, fit.tie_parameter) == ("all_ties", "unbounded", None)
        assert fit.theta == pytest.approx([0, 0, 0])
        none = model(PairCounts(np.array(WINS), NO_TIES))
        assert (none.status, none.tie_status, none.log_tie_parameter or 0.0) == ("ok", "no_ties", 0.0)
        assert none.theta == bradley_terry(PairCounts(np.array(WINS), NO_TIES)).theta
    plain = bradley_terry(only_ties)
    assert (plain.status, plain.covariance) == ("all_ties", None)
    assert plain.contrast(0, 1, "model").se is not None


def test_wins_of_one_and_ties_without_a_loss__have_no_finite_ties_model() -> None:
    counts = PairCounts(np.array([[0, 5], [0, 0]]), np.array([[0, 3], [3, 0]]))
    assert bradley_terry(counts).contrast(0, 1).value == pytest.approx(math.log(6.5 / 1.5))
    for model in (davidson, rao_kupper):
        assert (model(counts).status, model(counts).tie_status) == ("separated", "unbounded")
        assert model(counts).theta is None


# Bootstrap


def test_bootstrap__agrees_with_the_sandwich_and_repeats() -> None:
    counts = PairCounts(10 * np.array(WINS), 10 * np.array(TIES))
    fit, found = bradley_terry(counts), bootstrap_bradley_terry(counts, seed=3, replicates=2000)
    assert (found.status, found.separated, found.seed) == ("ok", 0, 3)
    for k in (1, 2, 3):
        sure, drawn = fit.contrast(k, 0), found.contrast(k, 0)
        assert drawn.value == sure.value
        assert drawn.se == pytest.approx(sure.se, rel=0.06)
        assert (drawn.ci_low, drawn.ci_high) == pytest.approx((sure.ci_low, sure.ci_high), abs=0.02)
    again = bootstrap_bradley_terry(counts, seed=3, replicates=2000)
    assert again.refits is not None
    assert np.array_equal(again.refits, found.refits)


def test_refits_of_the_bootstrap__are_maximum_likelihood() -> None:
    counts = PairCounts(np.array(WINS) // 6, np.array(TIES) // 6)
    found = bootstrap_bradley_terry(counts, seed=1, replicates=20)
    random = np.random.default_rng(1)
    winners, first = np.nonzero(counts.wins), np.nonzero(np.triu(counts.ties))
    cells = np.r_[counts.wins[winners], counts.ties[first]]
    drawn = random.multinomial(counts.n, cells / counts.n, size=20)
    assert found.refits is not None
    for row, refit in zip(drawn, found.refits, strict=True):
        wins, ties = np.zeros((4, 4), dtype=int), np.zeros((4, 4), dtype=int)
        wins[winners], ties[first] = row[: len(winners[0])], row[len(winners[0]) :]
        assert bradley_terry(PairCounts(wins, ties + ties.T)).theta == pytest.approx(refit, abs=1e-6)


def test_cluster_bootstrap__agrees_with_the_clustered_sandwich() -> None:
    random = np.random.default_rng(7)
    clusters = np.repeat(np.arange(150), 6)
    lean = np.repeat(random.normal(0, 1, 150), 6)
    first = np.tile([0, 0, 1, 1, 2, 2], 150)
    second = np.tile([1, 2, 2, 0, 0, 1], 150)
    theta = np.array([0.4, 0, -0.4])
    sign = np.where(first < second, 1, -1)
    chance = 1 / (1 + np.exp(-(theta[first] - theta[second] + lean * sign)))
    verdict = (random.random(900) > chance).astype(int)
    counts = ClusteredPairCounts.of(first, second, verdict, clusters, 3)
    fit, found = clustered_bradley_terry(counts), bootstrap_clustered_bradley_terry(counts, seed=5, replicates=1000)
    assert found.status == "ok"
    assert (fit.contrast(2, 0).se or 0) > 1.15 * (fit.contrast(2, 0, "sandwich").se or 0)
    for k in (1, 2):
        assert found.contrast(k, 0).se == pytest.approx(fit.contrast(k, 0).se, rel=0.1)


def test_resamples_without_strengths__are_counted() -> None:
    counts = PairCounts(np.array([[0, 6], [1, 0]]), np.zeros((2, 2)))
    found = bootstrap_bradley_terry(counts, seed=1, replicates=500)
    # A resample without the one loss: (6/7)^7 = .34
    assert found.status == "separated"
    assert found.separated == pytest.approx(500 * (6 / 7) ** 7, abs=40)
    with pytest.raises(ValueError, match="separated"):
        found.contrast(0, 1)
    with pytest.raises(ValueError, match="replicates"):
        bootstrap_bradley_terry(counts, seed=1, replicates=1)
    with pytest.raises(ValueError, match="replicates"):
        bootstrap_clustered_bradley_terry(ClusteredPairCounts.of([0], [1], [0], [0], 2), seed=1, replicates=0)


def test_million_comparisons__are_counted_and_fitted_to_the_truth() -> None:
    random = np.random.default_rng(11)
    k, n = 100, 1_000_000
    theta = np.linspace(-1.5, 1.5, k)
    first = random.integers(0, k, n)
    second = (first + random.integers(1, k, n)) % k
    verdict = (random.random(n) > 1 / (1 + np.exp(theta[second] - theta[first]))).astype(np.int8)
    fit = bradley_terry(PairCounts.of(first, second, verdict, k))
    assert fit.status == "ok"
    z = (np.asarray(fit.theta) - theta) / np.asarray(fit.standard_errors())
    assert np.abs(z).max() < 4.5
    assert z.std() == pytest.approx(1, abs=0.25)


# Ranks


def test_ranks__are_shared_by_variants_not_told_apart() -> None:
    fit = bradley_terry(PairCounts(10 * np.array(WINS), 10 * np.array(TIES)))
    found = ranking(fit)
    assert [v.variant for v in found.variants] == [0, 1, 2, 3]
    assert [v.rank for v in found.variants] == [1, 2, 3, 4]
    assert found.variants[0].behind_leader.p_value is None
    assert (found.variants[3].stronger, found.variants[0].weaker) == ((0, 1, 2), (1, 2, 3))
    few = ranking(bradley_terry(PairCounts(np.array(WINS), np.array(TIES))))
    # Contrasts / SE: 0-1 1.3, 0-2 2.7, 0-3 5.4, 1-2 1.4, 1-3 4.2, 2-3 2.8; Holm leaves 0-2, 0-3, 1-3 and 2-3.
    assert [v.rank for v in few.variants] == [1, 1, 2, 4]


def test_simultaneous_intervals__hold_the_pairwise_ones() -> None:
    fit = davidson(PairCounts(np.array(WINS), np.array(TIES)))
    wide, narrow = ranking(fit), ranking(fit, interval="pairwise")
    for one, other in zip(wide.variants[1:], narrow.variants[1:], strict=True):
        assert one.behind_leader.value == other.behind_leader.value < 0
        assert (one.behind_leader.ci_low or 0) < (other.behind_leader.ci_low or 0)
        z = ((other.behind_leader.ci_high or 0) - other.behind_leader.value) / (other.behind_leader.se or 1)
        assert z == pytest.approx(stats.norm.isf(0.025))
        z = ((one.behind_leader.ci_high or 0) - one.behind_leader.value) / (one.behind_leader.se or 1)
        assert z == pytest.approx(stats.norm.isf(0.025 / 6))
    with pytest.raises(ValueError, match="alpha"):
        ranking(fit, alpha=1.5)


def test_overwhelming_difference__has_the_smallest_p_value() -> None:
    fit = bradley_terry(PairCounts(np.array([[0, 10**8], [10**6, 0]]), np.zeros((2, 2))))
    assert fit.contrast(0, 1).p_value == SMALLEST_P


# Length control


def lengths(n: int = 200, effect: float = -1.5, seed: int = 1) -> tuple[Any, Any, Any, Any]:
    random = np.random.default_rng(seed)
    a, b = random.normal(400, 120, n).round(), random.normal(480, 150, n).round()
    hard = random.normal(size=n)
    z = (a - b) / np.std(a - b, ddof=1)
    chance = 1 / (1 + np.exp(-(0.2 + effect * np.tanh(z) - 0.3 * hard)))
    score = np.where(random.random(n) < 0.1, 0.5, (random.random(n) < chance) * 1.0)
    return score, a, b, hard


def quasi_likelihood(design: Any, y: Any, penalty: float = 0.0) -> Any:
    def height(beta: Any) -> float:
        eta = design @ beta
        return float(np.logaddexp(0, eta).sum() - y @ eta + penalty * np.abs(beta).sum())

    start = np.full(design.shape[1], 0.05)
    return optimize.minimize(
        height, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 9999}
    ).x


@pytest.mark.parametrize("with_difficulty", [False, True])
def test_length_control__equals_an_independent_fit(with_difficulty: bool) -> None:
    score, a, b, hard = lengths()
    z = np.tanh((a - b) / np.std(a - b, ddof=1))
    ones = np.ones(z.size)
    level = np.stack([ones, hard] if with_difficulty else [ones], axis=1)
    design = np.column_stack([level, z])
    beta = quasi_likelihood(design, score)
    found = length_controlled_win_rate(score, a, b, difficulty=hard if with_difficulty else None)
    share = 1 / (1 + np.exp(-level @ beta[:-1]))
    assert found.status == "ok"
    assert (found.intercept, found.length_effect) == pytest.approx((beta[0], beta[-1]), abs=1e-6)
    assert found.rate == pytest.approx(share.mean(), abs=1e-7)
    fitted = 1 / (1 + np.exp(-design @ beta))
    bread = np.linalg.inv((design.T * (fitted * (1 - fitted))) @ design)
    scores = design * (score - fitted)[:, None]
    pull = (level * (share * (1 - share))[:, None]).mean(axis=0)
    covariance = bread @ scores.T @ scores @ bread
    assert found.se == pytest.approx(math.sqrt(pull @ covariance[:-1, :-1] @ pull), rel=1e-5)
    assert found.se_length_effect == pytest.approx(math.sqrt(covariance[-1, -1]), rel=1e-5)
    assert (found.difficulty_effect is None) is not with_difficulty


def test_length_control__clusters_of_one_and_pairs() -> None:
    score, a, b, _ = lengths()
    plain = length_controlled_win_rate(score, a, b)
    single = length_controlled_win_rate(score, a, b, clusters=np.arange(200))
    assert single.se == pytest.approx((plain.se or 0) * math.sqrt(200 / 199))
    # Every row twice in one cluster is the same evidence.
    twice = [np.repeat(v, 2) for v in (score, a, b)]
    doubled = length_controlled_win_rate(*twice, clusters=np.repeat(np.arange(200), 2))
    assert doubled.clusters == 200
    assert doubled.se == pytest.approx(single.se, rel=2e-3)
    one = length_controlled_win_rate(score, a, b, clusters=["x"] * 200)
    assert (one.status, one.se, one.rate) == ("one_cluster", None, plain.rate)


def test_length_control__mirrors_and_ignores_the_unit() -> None:
    score, a, b, _ = lengths()
    found, mirrored = length_controlled_win_rate(score, a, b), length_controlled_win_rate(1 - score, b, a)
    assert mirrored.rate == pytest.approx(1 - (found.rate or 0), abs=1e-9)
    assert mirrored.ci_low == pytest.approx(1 - (found.ci_high or 0), abs=1e-9)
    assert mirrored.length_effect == pytest.approx(found.length_effect, abs=1e-8)
    assert length_controlled_win_rate(score, a * 5, b * 5).rate == pytest.approx(found.rate, abs=1e-9)
    hard = lengths()[3]
    full, scaled = (length_controlled_win_rate(score, a, b, difficulty=hard * unit) for unit in (1, 1e-4))
    assert (scaled.rate, scaled.se) == pytest.approx((full.rate, full.se), rel=1e-6)


def test_equal_lengths__fall_back_to_the_raw_rate_and_say_so() -> None:
    found = length_controlled_win_rate([1, 0, 1, 1, 0, 0.5], [100] * 6, [100] * 6)
    assert (found.status, found.rate, found.win_rate) == ("no_length_variation", 3.5 / 6, 3.5 / 6)
    assert found.se == pytest.approx(np.std([1, 0, 1, 1, 0, 0.5]) / math.sqrt(6))
    assert length_controlled_win_rate([1, 1, 1], [9] * 3, [9] * 3).se is None


@pytest.mark.parametrize(
    ("score", "a", "b", "status"),
    [
        ([], [], [], "no_data"),
        ([1], [3], [4], "too_few"),
        ([1, 0], [3, 5], [4, 4], "too_few"),
        ([1, 0, 1, 0], [1, 2, 3, 4], [11, 12, 13, 14], "confounded"),
        ([0.5] * 4, [1, 2, 3, 4], [4, 3, 2, 1], "all_ties"),
        ([0.7] * 4, [1, 2, 3, 4], [4, 3, 2, 1], "constant"),
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], "separated"),
        ([0, 0, 0, 1, 1], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], "separated"),
        ([0, 0, 0.5, 1, 1], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], "separated"),
    ],
)
def test_degenerate_length_control__has_a_status(score: Any, a: Any, b: Any, status: str) -> None:
    found = length_controlled_win_rate(score, a, b)
    assert (found.status, found.se, found.ci_low) == (status, None, None)
    assert found.win_rate == (None if not score else pytest.approx(sum(score) / len(score)))


def test_b_always_longer__is_flagged() -> None:
    a = np.arange(100, 140)
    found = length_controlled_win_rate(np.arange(40) % 2, a, a * 2 + 900)
    assert found.status == "confounded"
    assert found.win_rate == 0.5
    assert length_controlled_win_rate([1, 0, 1, 0, 1], [1, 5, 2, 4, 3], [3, 2, 2, 5, 1], difficulty=[2] * 5).status == (
        "confounded"
    )


@pytest.mark.parametrize("penalty", [1e-6, 0.5, 5.0, 1e4])
def test_penalised_length_control__equals_an_independent_fit(penalty: float) -> None:
    score, a, b, hard = lengths()
    design = np.column_stack([np.ones(200), hard, np.tanh((a - b) / np.std(a - b, ddof=1))])
    beta = quasi_likelihood(design, score, penalty)
    found = penalised_length_controlled_win_rate(score, a, b, penalty=penalty, difficulty=hard)
    assert found.status == "ok"
    assert [found.intercept, found.difficulty_effect, found.length_effect] == pytest.approx(beta, abs=2e-6)
    assert found.rate == pytest.approx(float((1 / (1 + np.exp(-design[:, :2] @ beta[:2]))).mean()), abs=1e-6)


def test_degenerate_penalised_length_control__has_a_status() -> None:
    fit = penalised_length_controlled_win_rate
    assert fit([], [], [], penalty=1).status == "no_data"
    assert fit([1], [1], [2], penalty=1).status == "too_few"
    assert fit([1, 0], [1, 1], [2, 2], penalty=1).status == "confounded"
    assert fit([1, 0], [1, 2], [1, 2], penalty=1).rate == 0.5
    apart = fit([0, 0, 0, 1, 1], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], penalty=0.1)
    assert apart.status == "ok"
    assert (apart.length_effect or 0) > 1
    with pytest.raises(ValueError, match="penalty"):
        fit([1, 0], [1, 2], [2, 1], penalty=0)


def test_bad_length_control__is_refused() -> None:
    good = ([1, 0, 1], [1, 2, 3], [3, 2, 1])
    for place, bad in ((0, [1, 0, 2]), (0, [1, math.nan, 0]), (1, [1, 2]), (2, [1, math.inf, 2])):
        given = [bad if index == place else values for index, values in enumerate(good)]
        with pytest.raises(ValueError, match=r"score|length|finite"):
            length_controlled_win_rate(*given)
    with pytest.raises(ValueError, match="clusters"):
        length_controlled_win_rate(*good, clusters=[1])
    with pytest.raises(ValueError, match="alpha"):
        length_controlled_win_rate(*good, alpha=0)


# Position


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=0, max_size=80), st.data())
def test_position_bias__is_the_hand_count(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(pairs)))
    parts = [PositionCounts.of([p for p, _ in part], [q for _, q in part]) for part in (pairs[:cut], pairs[cut:])]
    counts = parts[0] + parts[1]
    assert counts == PositionCounts.of([p for p, _ in pairs], [q for _, q in pairs])
    found = counts.result()
    assert found.n == len(pairs)
    b = [({0: 0, 1: 1, 2: 0.5}[p] + {0: 1, 1: 0, 2: 0.5}[q]) / 2 for p, q in pairs]
    lean = [({0: 1, 1: -1, 2: 0}[p] + {0: 1, 1: -1, 2: 0}[q]) / 2 for p, q in pairs]
    assert (found.wins, found.losses) == (pairs.count((1, 0)), pairs.count((0, 1)))
    assert (found.flips_to_first, found.flips_to_second) == (pairs.count((0, 0)), pairs.count((1, 1)))
    assert found.consistent == pairs.count((1, 0)) + pairs.count((0, 1)) + pairs.count((2, 2))
    if not pairs:
        assert (found.status, found.score, found.p_bias) == ("no_data", None, None)
        return
    assert found.score is not None
    assert found.first_preference is not None
    assert found.score.value == pytest.approx(np.mean(b))
    assert found.first_preference.value == pytest.approx(np.mean(lean))
    flips = found.flips_to_first + found.flips_to_second
    assert found.p_bias == pytest.approx(stats.binomtest(found.flips_to_first, flips).pvalue if flips else 1.0)
    if len(pairs) > 1:
        assert found.score.se == pytest.approx(stats.sem(b), abs=1e-15)
        assert found.first_preference.se == pytest.approx(stats.sem(lean), abs=1e-15)
    turned = PositionCounts.of([q for _, q in pairs], [p for p, _ in pairs]).result()
    assert (turned.wins, turned.losses, turned.p_bias) == (found.losses, found.wins, found.p_bias)


def test_judge_that_always_takes_the_first__is_seen_through() -> None:
    found = PositionCounts.of([0] * 12, [0] * 12).result()
    assert (found.status, found.flip_rate.share, found.first_share, found.consistency) == ("constant", 1, 1, 0)
    assert found.p_bias == pytest.approx(2 * 0.5**12)
    assert found.score is not None
    assert (found.score.value, found.score.p_value) == (0.5, None)
    ties = PositionCounts.of([2, 2], [2, 2]).result()
    assert (ties.status, ties.first_share, ties.p_bias, ties.consistency) == ("all_ties", None, 1.0, 1.0)
    assert PositionCounts.of([0], [1]).result().status == "too_few"


def test_bad_verdicts__are_refused() -> None:
    for ab, ba in (([0], [0, 1]), ([3], [0]), (["first"], [0]), ([[0]], [0])):
        with pytest.raises(ValueError, match="verdict"):
            PositionCounts.of(ab, ba)
    with pytest.raises(ValueError, match="3 by 3"):
        PositionCounts(((0, 0, -1), (0, 0, 0), (0, 0, 0)))
    with pytest.raises(ValueError, match="three counts"):
        OrderCounts((1, 2, -1), (0, 0, 0))
    for order, score in (([1], [1, 0]), ([2], [1]), ([1], [0.3]), ([math.nan], [1])):
        with pytest.raises(ValueError, match="order"):
            OrderCounts.of(order, score)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 200))
def test_position_effect__equals_the_logit_fit(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    order, score = random.integers(0, 2, n), random.choice([0, 0.5, 1], n)
    found = (OrderCounts.of(order[:3], score[:3]) + OrderCounts.of(order[3:], score[3:])).result()
    assume(found.status == "ok")
    assert found.strength is not None
    assert found.position is not None
    design = np.column_stack([np.ones(n), np.where(order == 1, 1.0, -1.0)])
    beta = np.array([found.strength.value, found.position.value])
    fitted = 1 / (1 + np.exp(-design @ beta))
    assert design.T @ (score - fitted) == pytest.approx([0, 0], abs=1e-9)
    bread = np.linalg.inv((design.T * (fitted * (1 - fitted))) @ design)
    scores = design * (score - fitted)[:, None]
    errors = np.sqrt(np.diagonal(bread @ scores.T @ scores @ bread))
    assert [found.strength.se, found.position.se] == pytest.approx(errors, rel=1e-8, abs=1e-12)


def test_degenerate_position_effect__has_a_status() -> None:
    assert OrderCounts().result().status == "no_data"
    assert OrderCounts((3, 2, 0), (0, 0, 0)).result().status == "confounded"
    assert OrderCounts((3, 0, 0), (2, 2, 0)).result().status == "separated"
    ties = OrderCounts((0, 0, 3), (0, 0, 4)).result()
    assert ties.status == "all_ties"
    assert ties.position is not None
    assert (ties.position.value, ties.position.se) == (0.0, None)


def test_share_over_clusters__is_wilsons_where_each_answer_stands_alone_or_is_copied() -> None:
    yes = np.repeat([1.0, 0.0], [20, 80])
    plain = wilson(20, 100)
    copied = clustered_share(np.repeat(yes, 5), np.repeat(np.arange(100), 5))
    for found in (clustered_share(yes, np.arange(100)), copied):
        assert found.share == pytest.approx(0.2)
        # Student's t for the normal quantile makes it slightly wider.
        assert found.ci_low == pytest.approx(plain.ci_low or 0, abs=0.003)
        assert found.ci_high == pytest.approx(plain.ci_high or 0, abs=0.003)


@pytest.mark.parametrize(
    ("yes", "clusters", "status", "ends"),
    [
        ([], [], "no_data", (None, None)),
        ([1], [0], "too_few", (None, None)),
        ([1, 0, 1], [0, 0, 0], "one_cluster", (None, None)),
        ([0] * 10, [0] * 5 + [1] * 5, "ok", (wilson(0, 2).ci_low, wilson(0, 2).ci_high)),
        ([1, 0, 1, 0], ["a", "a", "b", "b"], "ok", (wilson(1, 2).ci_low, wilson(1, 2).ci_high)),
    ],
)
def test_degenerate_share_over_clusters__has_a_status(yes: Any, clusters: Any, status: str, ends: Any) -> None:
    found = clustered_share(yes, clusters)
    assert (found.status, found.n) == (status, len(yes))
    assert (found.ci_low, found.ci_high) == pytest.approx(ends)


def test_share_over_clusters__takes_no_halves() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        clustered_share([0.5], [0])
