"""Agreement, consensus and correction of judges against their definitions, other software's numbers and hand counts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.analytics.statistics._chance_agreement import AgreementCoefficient, Weights
from abtest.analytics.statistics._rating_table import RatingTable
from abtest.analytics.statistics.cohen_kappa import cohen_kappa
from abtest.analytics.statistics.conger_kappa import conger_kappa
from abtest.analytics.statistics.dawid_skene import dawid_skene
from abtest.analytics.statistics.fleiss_kappa import fleiss_kappa
from abtest.analytics.statistics.gwet_agreement import gwet_agreement
from abtest.analytics.statistics.krippendorff_alpha import Level, krippendorff_alpha
from abtest.analytics.statistics.label_budget import label_budget
from abtest.analytics.statistics.majority_vote import TIE, UNRATED, majority_vote
from abtest.analytics.statistics.prediction_powered import PredictionPowered
from abtest.analytics.statistics.raw_agreement import pairwise_agreement, raw_agreement
from abtest.analytics.statistics.rogan_gladen import RoganGladen

KINDS: tuple[Weights, ...] = ("identity", "linear", "quadratic")
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")
Coefficient = Callable[..., AgreementCoefficient]
COEFFICIENTS: tuple[Coefficient, ...] = (raw_agreement, fleiss_kappa, conger_kappa, gwet_agreement)

FOUR_JUDGES = [
    [1, 0, 1, 1, 0, 2, 2, 0, 1, 2],
    [1, 0, 1, 0, 0, 2, 1, 0, 1, 2],
    [1, 0, 2, 1, 0, 2, 2, 1, 1, 2],
    [None, 0, 1, 1, 0, 2, 2, 0, 0, None],
]
KRIPPENDORFF_2011 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
TWO_JUDGES = [[5, 4, 5, 2, 4, 1, 4, 4, 1, 2, 2, 2, 3, 4, 1, 1], [4, 4, 5, 2, 3, 1, 5, 5, 1, 1, 4, 3, 4, 4, 2, 1]]
LABELS = [1.0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1]
JUDGED = [0.9, 0.2, 0.7, 0.6, 0.4, 0.8, 0.1, 0.9, 0.3, 0.3, 0.8, 0.9]
UNLABELLED = [0.8, 0.1, 0.6, 0.9, 0.4, 0.3, 0.7, 0.7, 0.2, 0.95]
UNLABELLED += [0.5, 0.85, 0.15, 0.75, 0.65, 0.9, 0.35, 0.55, 0.45, 0.25]


@st.composite
def ratings_of(draw: st.DrawFn, most_judges: int = 4) -> list[list[float | None]]:
    judges, samples = draw(st.integers(2, most_judges)), draw(st.integers(2, 12))
    one = st.sampled_from([None, 0.0, 1.0, 2.0, 2.0, 5.0])
    return draw(st.lists(st.lists(one, min_size=samples, max_size=samples), min_size=judges, max_size=judges))


def weight(kind: Weights, one: float, two: float, categories: list[float]) -> float:
    if one == two:
        return 1.0
    apart = abs(one - two) / (categories[-1] - categories[0])
    return {"identity": 0.0, "linear": 1 - apart, "quadratic": 1 - apart**2}[kind]


def by_definition(name: str, ratings: list[list[float | None]], kind: Weights) -> tuple[float, float] | None:
    """Observed agreement and the coefficient, from the definitions, pair by pair."""
    rows = [[x for x in row if x is not None] for row in zip(*ratings, strict=True)]
    rows = [row for row in rows if row]
    q = sorted({x for row in rows for x in row})
    pairs = [[weight(kind, a, b, q) for a, b in itertools.permutations(row, 2)] for row in rows if len(row) > 1]
    if not pairs or len(q) == 1:
        return None
    observed = sum(sum(p) / len(p) for p in pairs) / len(pairs)
    share = {k: sum(row.count(k) / len(row) for row in rows) / len(rows) for k in q}
    if name == "raw_agreement":
        return observed, observed
    if name == "fleiss_kappa":
        expected = sum(weight(kind, k, m, q) * share[k] * share[m] for k in q for m in q)
    elif name == "gwet_agreement":
        total = sum(weight(kind, k, m, q) for k in q for m in q)
        expected = total / (len(q) * (len(q) - 1)) * sum(p * (1 - p) for p in share.values())
    else:
        own = [[x for x in judge if x is not None] for judge in ratings]
        own = [judge for judge in own if judge]
        chance = [
            sum(weight(kind, a, b, q) for a in one for b in two) / (len(one) * len(two))
            for one, two in itertools.permutations(own, 2)
        ]
        expected = sum(chance) / len(chance)
    return observed, (observed - expected) / (1 - expected)


@settings(max_examples=60, deadline=None)
@given(ratings_of(), st.sampled_from(KINDS))
def test_coefficients__equal_their_definitions(ratings: list[list[float | None]], kind: Weights) -> None:
    for coefficient in COEFFICIENTS:
        expected, found = by_definition(coefficient.__name__, ratings, kind), coefficient(ratings, kind)
        if expected is None:
            assert found.status in ("no_data", "too_few", "single_judge", "single_category", "ok")
            continue
        assert (found.observed, found.value) == pytest.approx(expected, rel=1e-10, abs=1e-12)
        assert found.se is None or found.se >= 0


def alpha_by_definition(ratings: list[list[float | None]], level: Level) -> float | None:
    rows = [[x for x in row if x is not None] for row in zip(*ratings, strict=True)]
    rows = [row for row in rows if len(row) > 1]
    values = [x for row in rows for x in row]
    count = {c: values.count(c) for c in sorted(set(values))}
    if len(count) < 2:
        return None

    def distance(one: float, two: float) -> float:
        low, high = min(one, two), max(one, two)
        if level == "nominal":
            return float(one != two)
        if level == "ordinal":
            between = sum(count[g] for g in count if low <= g <= high)
            return (between - (count[low] + count[high]) / 2) ** 2
        return (one - two) ** 2 if level == "interval" else ((one - two) / ((one + two) or 1.0)) ** 2

    within = sum(sum(distance(a, b) for a, b in itertools.permutations(row, 2)) / (len(row) - 1) for row in rows)
    between = sum(distance(a, b) for a, b in itertools.permutations(values, 2))
    return 1 - (within / len(values)) / (between / (len(values) * (len(values) - 1)))


@settings(max_examples=60, deadline=None)
@given(ratings_of(), st.sampled_from(LEVELS))
def test_alpha__equals_its_definition(ratings: list[list[float | None]], level: Level) -> None:
    found, expected = krippendorff_alpha(ratings, level), alpha_by_definition(ratings, level)
    assert found.value == (None if expected is None else pytest.approx(expected, rel=1e-10, abs=1e-12))
    assert (found.status == "ok") is (expected is not None)


def test_alpha__equals_the_published_example() -> None:
    # Krippendorff (2011), section D; krippendorff 0.9.0 for the digits and the ratio level
    expected = {"nominal": 0.743421052631579, "ordinal": 0.815387503754881}
    expected |= {"interval": 0.849107142857143, "ratio": 0.797402774711621}
    for level in LEVELS:
        assert krippendorff_alpha(KRIPPENDORFF_2011, level).value == pytest.approx(expected[level], rel=1e-12)
    assert krippendorff_alpha(FOUR_JUDGES, "ratio").value == pytest.approx(0.6515102305943489, rel=1e-12)
    assert krippendorff_alpha(KRIPPENDORFF_2011).ratings == 40


@pytest.mark.parametrize(
    ("coefficient", "kind", "value", "se", "low"),
    [
        (gwet_agreement, "identity", 0.625818521983, 0.122700896197, 0.348249810777),
        (gwet_agreement, "linear", 0.72027972028, 0.089679420577, 0.51741077667),
        (gwet_agreement, "quadratic", 0.814126394052, 0.058419937988, 0.681971312886),
        (fleiss_kappa, "identity", 0.623352165725, 0.130091697648, 0.329064300077),
        (fleiss_kappa, "linear", 0.708879184862, 0.115579964792, 0.447419139637),
        (fleiss_kappa, "quadratic", 0.7997997998, 0.092735256221, 0.5900180757),
        (conger_kappa, "identity", 0.627329192547, 0.126463853781, 0.341248079887),
        (conger_kappa, "linear", 0.714828897338, 0.111897411261, 0.461699366962),
        (conger_kappa, "quadratic", 0.80595084088, 0.088718189289, 0.605256353515),
    ],
)
def test_coefficients_with_missing_ratings__equal_irrcac(
    coefficient: Coefficient, kind: Weights, value: float, se: float, low: float
) -> None:
    # irrCAC 0.4.4, digits=12
    found = coefficient(FOUR_JUDGES, kind)
    assert (found.value, found.se, found.ci_low) == pytest.approx((value, se, low), abs=1e-11)
    assert found.ci_high is not None and found.ci_high <= 1


def test_fleiss_kappa__equals_fleiss_1971() -> None:
    # 14 raters, 10 subjects, 5 categories: pa .378, pe .213, kappa .210
    counts = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]]
    counts += [[7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
    rows = [[category for category, times in enumerate(row) for _ in range(times)] for row in counts]
    found = fleiss_kappa(np.transpose(rows))
    assert (found.observed, found.expected) == pytest.approx((0.378, 0.213), abs=5e-4)
    assert found.value == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize(
    ("kind", "value", "se", "high"),
    [
        ("identity", 0.27638190954773867, 0.1518621226202568, 0.5740262004992476),
        ("linear", 0.6190476190476191, 0.10338146763333035, 0.8216715722778399),
        ("quadratic", 0.8244972577696527, 0.06942413050838954, 0.9605660532241046),
    ],
)
def test_cohen_kappa__equals_statsmodels(kind: Weights, value: float, se: float, high: float) -> None:
    # statsmodels 0.15.0 cohens_kappa
    found = cohen_kappa(TWO_JUDGES, kind)
    assert (found.value, found.se, found.ci_high) == pytest.approx((value, se, high), rel=1e-12)


def test_cohen_kappa__hand_count() -> None:
    # Cohen's 2 x 2: 20 + 15 of 50 agree, .7; chance .5 * .6 + .5 * .4 = .5
    pairs = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    found = cohen_kappa(np.transpose(pairs))
    assert (found.value, found.observed, found.expected) == pytest.approx((0.4, 0.7, 0.5), abs=1e-12)
    never = cohen_kappa([[1, 1, 1], [2, 2, 2]])
    assert (never.status, never.value) == ("ok", 0.0)
    perfect = cohen_kappa([[1, 2, 3], [1, 2, 3]])
    assert (perfect.value, perfect.se, perfect.ci_low) == (1.0, 0.0, None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30), st.sampled_from(KINDS))
def test_conger_kappa__is_cohens_for_two_judges(pairs: list[tuple[int, int]], kind: Weights) -> None:
    ratings = np.transpose(pairs)
    conger, cohen, swapped = conger_kappa(ratings, kind), cohen_kappa(ratings, kind), cohen_kappa(ratings[::-1], kind)
    assert conger.status == cohen.status
    assert conger.value == (None if cohen.value is None else pytest.approx(cohen.value, abs=1e-10))
    assert swapped.value == (None if cohen.value is None else pytest.approx(cohen.value, abs=1e-10))


def test_kappa_paradox__is_shown_by_the_other_coefficients() -> None:
    ratings = [[1] * 47 + [0, 0, 1], [1] * 46 + [0, 1, 0, 1]]
    kappa, ac1, raw = cohen_kappa(ratings), gwet_agreement(ratings), raw_agreement(ratings)
    assert kappa.value == pytest.approx(0.479166666667, abs=1e-11)
    assert ac1.value == pytest.approx(0.956672443674, abs=1e-11)
    assert raw.value == pytest.approx(0.96)


@settings(max_examples=40, deadline=None)
@given(ratings_of(), st.randoms(use_true_random=False), st.data())
def test_rating_tables__merge_and_order_changes_nothing(
    ratings: list[list[float | None]], random: Any, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(ratings[0])))
    pooled = RatingTable.of(ratings)
    merged = RatingTable.of([row[:cut] for row in ratings]) + RatingTable.of([row[cut:] for row in ratings])
    order = list(range(len(ratings[0])))
    random.shuffle(order)
    shuffled = RatingTable.of([[row[i] for i in order] for row in ratings])
    for other in (merged, shuffled):
        assert np.array_equal(other.patterns, pooled.patterns, equal_nan=True)
        assert np.array_equal(other.repeats, pooled.repeats)
        assert (other.unrated, other.samples) == (pooled.unrated, pooled.samples)
    assert fleiss_kappa(merged) == fleiss_kappa(ratings)
    # Other names of the judges leave what treats them alike as it is.
    for kind in KINDS:
        turned, straight = conger_kappa(ratings[::-1], kind), conger_kappa(ratings, kind)
        assert turned.value == (None if straight.value is None else pytest.approx(straight.value, abs=1e-10))


def test_rating_table__rejects_what_is_none() -> None:
    for bad in ([1, 2, 3], [[1, 2], [1]], [[1, math.inf]], [["a", "b"]]):
        with pytest.raises(ValueError, match="rating"):
            RatingTable.of(bad)
    with pytest.raises(ValueError, match="not on the declared scale: 4"):
        RatingTable.of([[1, 4], [1, 2]], [1, 2, 3])
    with pytest.raises(ValueError, match="at least one category"):
        RatingTable.of([[1], [2]], [])
    with pytest.raises(ValueError, match="same judges"):
        RatingTable.of([[1], [2]]) + RatingTable.of([[1], [2], [3]])


def test_declared_categories__count_in_gwets_chance_only() -> None:
    # Two categories used of three declared: pe = sum p (1 - p) / 2 instead of / 1.
    ratings = [[1, 1, 2, 2], [1, 1, 2, 1]]
    narrow, wide = gwet_agreement(ratings), gwet_agreement(RatingTable.of(ratings, [1, 2, 3]))
    chance = 2 * (5 / 8) * (3 / 8)
    assert narrow.expected == pytest.approx(chance)
    assert wide.expected == pytest.approx(chance / 2)
    assert fleiss_kappa(RatingTable.of(ratings, [1, 2, 3])).value == pytest.approx(fleiss_kappa(ratings).value)


@pytest.mark.parametrize(
    ("ratings", "status"),
    [
        ([], "no_data"),
        ([[], []], "no_data"),
        ([[None, None], [None, None]], "no_data"),
        ([[1, 2, 3]], "single_judge"),
        ([[1, 2, 3], [None, None, None]], "single_judge"),
        ([[1, 2, None], [None, None, 3]], "too_few"),
        ([[4, 4, 4], [4, 4, None]], "single_category"),
    ],
)
def test_agreement_without_numbers__says_why(ratings: list[list[float | None]], status: str) -> None:
    for coefficient in (fleiss_kappa, conger_kappa):
        found = coefficient(ratings)
        assert (found.status, found.value, found.se, found.ci_low) == (status, None, None, None)
    alpha, ac1, raw = krippendorff_alpha(ratings), gwet_agreement(ratings), raw_agreement(ratings)
    assert (alpha.status, alpha.value) == (status, None)
    assert (ac1.status, ac1.value) == (status, 1.0 if status == "single_category" else None)
    assert raw.value == (1.0 if status == "single_category" else None)
    if len(ratings) == 2:
        assert (cohen_kappa(ratings).status, cohen_kappa(ratings).value) == (status, None)


def test_one_sample__has_agreement_without_error() -> None:
    found = fleiss_kappa([[1], [2]])
    assert (found.status, found.value, found.se) == ("ok", pytest.approx(-1.0), None)
    assert raw_agreement([[1], [1]]).se is None
    assert cohen_kappa([[1], [2]]).se is None


def test_agreement__rejects_bad_arguments() -> None:
    for coefficient in (*COEFFICIENTS, cohen_kappa):
        with pytest.raises(ValueError, match="weights are one of"):
            coefficient(TWO_JUDGES, "cubic")
        with pytest.raises(ValueError, match="error rate"):
            coefficient(TWO_JUDGES, alpha=1.0)
    with pytest.raises(ValueError, match="two judges"):
        cohen_kappa(FOUR_JUDGES)
    with pytest.raises(ValueError, match="level of measurement"):
        krippendorff_alpha(FOUR_JUDGES, "cardinal")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 0"):
        krippendorff_alpha([[-1, 2], [1, 2]], "ratio")


def test_intervals_of_agreement__nest_in_alpha() -> None:
    for coefficient in COEFFICIENTS:
        wide, narrow = coefficient(FOUR_JUDGES, alpha=0.01), coefficient(FOUR_JUDGES, alpha=0.2)
        assert wide.ci_low is not None and narrow.ci_low is not None and wide.ci_low < narrow.ci_low


def test_pairwise_agreement__hand_count() -> None:
    shares, met = pairwise_agreement([[1, 1, 2, None], [1, 2, 2, 1], [None, None, None, 1]])
    assert shares[0, 1] == pytest.approx(2 / 3)
    assert (shares[1, 2], met[1, 2], shares[0, 2], met[0, 2]) == (1.0, 1, 0.0, 0)


def test_continuous_ratings__cost_no_square_of_their_number() -> None:
    ratings = np.random.default_rng(5).normal(size=(3, 20_000))
    # Independent judges: agreement is that of chance.
    assert krippendorff_alpha(ratings, "interval").value == pytest.approx(0, abs=0.03)
    assert krippendorff_alpha(ratings, "ordinal").value == pytest.approx(0, abs=0.03)
    assert conger_kappa(ratings, "quadratic").value == pytest.approx(0, abs=0.03)
    assert krippendorff_alpha(np.abs(ratings[:, :2_000]), "ratio").value == pytest.approx(0, abs=0.06)


def test_majority__hand_count() -> None:
    found = majority_vote([[1, 0, 1, None], [0, 0, 1, None]])
    assert found.labels() == ["tie", 0, 1, None]
    assert (found.ties, found.unrated, found.codes.tolist()) == (1, 1, [TIE, 0, 1, UNRATED])
    assert majority_vote([[1, 0, 1], [0, 0, 1]], [2, 1]).labels() == [1, 0, 1]
    assert majority_vote([[1, 2], [0, 2], [1, 3], [0, 3]]).labels() == ["tie", "tie"]
    # .1 + .2 is not .3 in binary, but it is a tie
    assert majority_vote([[1], [1], [0]], [0.1, 0.2, 0.3]).labels() == ["tie"]
    # who has no weight has no vote
    assert majority_vote([[1, 1], [0, None]], [0, 1]).labels() == [0, None]
    assert majority_vote([[1, None], [2, None], [2, 7]]).shares.tolist() == [[1 / 3, 2 / 3, 0], [0, 0, 1]]


def test_majority_without_ratings__and_bad_arguments() -> None:
    assert majority_vote([[None], [None]]).labels() == [None]
    assert majority_vote([]).status == "no_data"
    for weights in ([1], [1, -1], [0, 0], [1, math.nan]):
        with pytest.raises(ValueError, match="weights are 2"):
            majority_vote([[1], [2]], weights)
    with pytest.raises(ValueError, match="average ratings"):
        majority_vote(np.arange(300.0).reshape(2, 150))
    with pytest.raises(ValueError, match="average ratings"):
        dawid_skene(np.arange(300.0).reshape(2, 150))


def plain_em(ratings: list[list[float | None]], steps: int) -> tuple[np.ndarray, float]:
    """Dawid and Skene (1979), eq. 2.3 to 2.5, rating by rating, with the log-likelihood of the last parameters."""
    categories = sorted({x for judge in ratings for x in judge if x is not None})
    samples, judges, width = len(ratings[0]), len(ratings), len(categories)
    t = np.zeros((samples, width))
    for i in range(samples):
        votes = [categories.index(judge[i]) for judge in ratings if judge[i] is not None]
        for vote in votes:
            t[i, vote] += 1 / len(votes)
    likelihood = 0.0
    for _ in range(steps):
        prior, confusion = t.mean(axis=0), np.zeros((judges, width, width))
        for j, i in itertools.product(range(judges), range(samples)):
            if ratings[j][i] is not None:
                confusion[j, :, categories.index(ratings[j][i])] += t[i]
        confusion /= confusion.sum(axis=2, keepdims=True)
        joint = np.tile(prior, (samples, 1))
        for j, i in itertools.product(range(judges), range(samples)):
            if ratings[j][i] is not None:
                joint[i] *= confusion[j, :, categories.index(ratings[j][i])]
        t = joint / joint.sum(axis=1, keepdims=True)
        likelihood = float(np.log(joint.sum(axis=1)).sum())
    return t, likelihood


def planted(seed: int, judges: int, samples: int, categories: int, right: float, missing: float) -> Any:
    random = np.random.default_rng(seed)
    truth = random.integers(0, categories, samples)
    noise = random.integers(0, categories, (judges, samples))
    ratings = np.where(random.random((judges, samples)) < right, truth, noise).astype(float)
    ratings[random.random((judges, samples)) < missing] = np.nan
    return truth, ratings


@pytest.mark.parametrize("seed", range(4))
def test_dawid_skene__equals_the_plain_algorithm(seed: int) -> None:
    _, ratings = planted(seed, 4, 40, 2 + seed % 2, 0.75, 0.1)
    ratings = ratings[:, ~np.isnan(ratings).all(axis=0)]
    listed = [[None if math.isnan(x) else x for x in row] for row in ratings.tolist()]
    found = dawid_skene(listed)
    posterior, likelihood = plain_em(listed, found.iterations)
    assert found.status == "ok"
    assert found.log_likelihood == pytest.approx(likelihood, rel=1e-10)
    assert found.posterior == pytest.approx(posterior, abs=1e-8)
    assert found.posterior.sum(axis=1) == pytest.approx(1.0)
    # Each step gains, so the fit is no worse than after one.
    assert plain_em(listed, 1)[1] <= likelihood


def test_dawid_skene__equals_crowd_kit() -> None:
    # crowd-kit 1.4.2, DawidSkene(n_iter=2000, tol=1e-12)
    found = dawid_skene(FOUR_JUDGES)
    assert found.labels() == [1, 0, 1, 1, 0, 2, 2, 0, 1, 2]
    assert found.prior == pytest.approx([0.299999999999375, 0.400000000000625, 0.3], abs=1e-8)


def test_dawid_skene__finds_planted_error_rates() -> None:
    random = np.random.default_rng(11)
    truth = (random.random(20_000) < 0.3).astype(int)
    confusion = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]], [[0.95, 0.05], [0.4, 0.6]]])
    ratings = (random.random((3, truth.size)) < confusion[:, truth, 1]).astype(float)
    found = dawid_skene(ratings)
    assert found.confusion == pytest.approx(confusion, abs=0.03)
    assert found.prior == pytest.approx([0.7, 0.3], abs=0.03)


def test_dawid_skene__lets_an_expert_outvote_the_crowd() -> None:
    random = np.random.default_rng(12)
    truth = random.integers(0, 2, 4_000)
    right = random.random((5, truth.size)) < np.array([[0.97], [0.65], [0.65], [0.6], [0.6]])
    ratings = np.where(right, truth, 1 - truth)
    assert np.mean(dawid_skene(ratings).codes == truth) > 0.95
    assert np.mean(majority_vote(ratings).codes == truth) < 0.85


def test_dawid_skene__what_cannot_be_identified_says_so() -> None:
    one = dawid_skene([[1, 0, 1, None]])
    assert (one.status, one.labels(), one.confusion) == ("single_judge", [1, 0, 1, None], None)
    assert one.posterior[3] == pytest.approx([1 / 3, 2 / 3])
    two = dawid_skene([[1, 0, 1, 0], [1, 0, 1, 1]])
    assert two.status == "confounded"
    same = dawid_skene([[1, 1], [1, 1], [1, 1]])
    assert (same.status, same.labels(), same.posterior.tolist()) == ("single_category", [1, 1], [[1.0], [1.0]])
    nobody = dawid_skene([[None, None], [None, None]])
    assert (nobody.status, nobody.labels(), nobody.posterior.shape) == ("no_data", [None, None], (2, 0))
    assert dawid_skene([]).status == "no_data"
    assert dawid_skene(planted(3, 3, 60, 3, 0.2, 0)[1], max_iterations=2).status == "not_converged"
    with pytest.raises(ValueError, match="at least 1"):
        dawid_skene([[1]], max_iterations=0)


@settings(max_examples=30, deadline=None)
@given(ratings_of(), st.randoms(use_true_random=False))
def test_dawid_skene__is_a_distribution_whatever_the_order(ratings: list[list[float | None]], random: Any) -> None:
    found = dawid_skene(ratings)
    assert np.isfinite(found.posterior).all()
    if found.status == "no_data":
        return
    assert found.posterior.sum(axis=1) == pytest.approx(1.0)
    order = list(range(len(ratings[0])))
    random.shuffle(order)
    shuffled = dawid_skene([[row[i] for i in order] for row in ratings])
    assert shuffled.posterior == pytest.approx(found.posterior[order], abs=1e-4)


def test_prediction_powered_mean__equals_ppi_python() -> None:
    # ppi-python 0.2.3 ppi_mean_pointestimate, ppi_mean_ci(alpha=.05), lam None, 1 and 0
    data = PredictionPowered.of(LABELS, JUDGED, UNLABELLED)
    best, full, none = data.result(), data.result(1), data.result(0)
    assert (best.value, best.ci_low, best.ci_high) == pytest.approx((0.64660161, 0.44517687, 0.84802635), abs=1e-8)
    assert (full.value, full.ci_low, full.ci_high) == pytest.approx((0.64416667, 0.44138552, 0.84694781), abs=1e-8)
    assert (none.value, none.ci_low, none.ci_high) == pytest.approx((0.66666667, 0.39994935, 0.93338398), abs=1e-8)
    assert data.judge_mean == pytest.approx(np.mean(JUDGED + UNLABELLED))
    assert data.judge_variance == pytest.approx(np.var(JUDGED + UNLABELLED, ddof=1))


score = st.floats(-100, 100, allow_nan=False, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(score, score), min_size=2, max_size=30), st.lists(score, min_size=2, max_size=30), st.data())
def test_prediction_powered_mean__merges_and_equals_its_formula(
    pairs: list[tuple[float, float]], others: list[float], data: st.DataObject
) -> None:
    y, f = np.transpose(pairs)
    cut, trust = data.draw(st.integers(0, len(pairs))), data.draw(st.floats(0, 1))
    pooled = PredictionPowered.of(y, f, others)
    merged = PredictionPowered.of(y[:cut], f[:cut], others[:1]) + PredictionPowered.of(y[cut:], f[cut:], others[1:])
    assert merged.result(trust).value == pytest.approx(pooled.result(trust).value, abs=1e-9)
    found = pooled.result(trust)
    value = trust * np.mean(others) + np.mean(y - trust * f)
    se = math.sqrt(trust**2 * np.var(others) / len(others) + np.var(y - trust * f) / len(y))
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.se == pytest.approx(se, abs=1e-7)
    wide, narrow = pooled.result(trust, 0.01), pooled.result(trust, 0.2)
    if found.status == "ok":
        assert wide.ci_low < narrow.ci_low <= found.value  # type: ignore[operator]
    variance = np.var([*f, *others], ddof=1)
    best = np.cov(y, f, ddof=0)[0, 1] / ((1 + len(y) / len(others)) * variance) if variance > 1e-6 else 0.0
    assert pooled.optimal_trust == pytest.approx(min(1, max(0, best)), abs=1e-6)


def test_paired_differences__are_the_mean_of_differences() -> None:
    random = np.random.default_rng(8)
    judge_a, judge_b = random.normal(3, 1, (2, 400))
    human_a, human_b = judge_a + random.normal(0, 0.5, 400), judge_b + random.normal(0.3, 0.5, 400)
    human_a[60:] = np.nan
    human_b[80:] = np.nan
    judge_b[399] = np.nan
    found = PredictionPowered.of_differences(human_a, human_b, judge_a, judge_b)
    direct = PredictionPowered.of((human_b - human_a)[:60], (judge_b - judge_a)[:60], (judge_b - judge_a)[60:399])
    assert (found.labelled, found.unlabelled, found.unjudged) == (direct.labelled, direct.unlabelled, 1)
    swapped = PredictionPowered.of_differences(human_b, human_a, judge_b, judge_a).result()
    straight = found.result()
    assert (swapped.value, swapped.se) == pytest.approx((-(straight.value or 0), straight.se))
    assert swapped.p_value == pytest.approx(straight.p_value)
    # With one lambda, the difference of the arms' own means is the mean of the differences.
    arms = [
        PredictionPowered.of(human[:60], judge[:60], judge[60:399]).result(0.5)
        for human, judge in ((human_a, judge_a), (human_b, judge_b))
    ]
    assert (arms[1].value or 0) - (arms[0].value or 0) == pytest.approx(found.result(0.5).value)


def test_prediction_powered_mean__without_numbers_says_why() -> None:
    empty = PredictionPowered.of([], [], [0.2, 0.4])
    assert (empty.result().status, empty.result().value) == ("no_labels", None)
    assert PredictionPowered().result().status == "no_labels"
    assert PredictionPowered().judge_mean is None
    one = PredictionPowered.of([1.0], [0.8], [0.2, 0.4]).result(1)
    assert (one.status, one.value, one.se) == ("too_few", pytest.approx(0.5), None)
    assert PredictionPowered.of([1.0, 0.0], [0.8, 0.1], [0.2]).result(1).status == "too_few"
    people = PredictionPowered.of(LABELS, JUDGED, [])
    assert people.result() == people.result(0)
    assert people.result(1).status == "no_data"
    constant = PredictionPowered.of([1.0, 1.0, 1.0], [0.3, 0.3, 0.3], [0.3, 0.3]).result()
    assert (constant.status, constant.value, constant.ci_low, constant.p_value) == ("constant", 1.0, None, None)
    # A judge that is always wrong the other way, or says nothing, is not used.
    for judged in ([0.0, 1.0, 0.0, 1.0], [0.5] * 4):
        found = PredictionPowered.of([1.0, 0.0, 1.0, 0.0], judged, [0.0, 1.0, 0.5]).result()
        assert (found.trust, found.value) == (0.0, 0.5)


def test_prediction_powered_mean__rejects_bad_arguments() -> None:
    data = PredictionPowered.of(LABELS, JUDGED, UNLABELLED)
    with pytest.raises(ValueError, match="lambda"):
        data.result(1.5)
    with pytest.raises(ValueError, match="error rate"):
        data.result(alpha=0)
    with pytest.raises(ValueError, match="one length"):
        PredictionPowered.of([1.0], [1.0, 2.0], [])
    with pytest.raises(ValueError, match="one length"):
        PredictionPowered.of_samples([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="four lists"):
        PredictionPowered.of_differences([1.0], [1.0], [1.0], [1.0, 2.0])
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            PredictionPowered.of([1.0], [bad], [])
    with pytest.raises(ValueError, match="infinite"):
        PredictionPowered.of_differences([math.inf], [math.inf], [1.0], [1.0])


def test_prediction_powered_mean__keeps_digits_of_large_scores() -> None:
    y, f, u = np.array(LABELS), np.array(JUDGED), np.array(UNLABELLED)
    near, far = PredictionPowered.of(y, f, u).result(), PredictionPowered.of(y + 1e6, f + 1e6, u + 1e6).result()
    assert (far.se, far.trust) == pytest.approx((near.se, near.trust), rel=1e-6)


def rogan_gladen_by_hand(n1: int, tp: int, n0: int, tn: int, n: int, q1: int) -> tuple[float, float]:
    se, sp, q = tp / n1, tn / n0, q1 / n
    theta = (q + sp - 1) / (se + sp - 1)

    # Delta method by numeric derivatives of the estimate.
    def value(a: float, b: float, c: float) -> float:
        return (c + b - 1) / (a + b - 1)

    h = 1e-6
    slopes = [
        (value(se + h, sp, q) - value(se - h, sp, q)) / (2 * h),
        (value(se, sp + h, q) - value(se, sp - h, q)) / (2 * h),
        (value(se, sp, q + h) - value(se, sp, q - h)) / (2 * h),
    ]
    variances = [se * (1 - se) / n1, sp * (1 - sp) / n0, q * (1 - q) / n]
    return theta, math.sqrt(sum(s * s * v for s, v in zip(slopes, variances, strict=True)))


@settings(max_examples=60, deadline=None)
@given(st.integers(5, 200), st.integers(5, 200), st.integers(1, 500), st.data())
def test_rogan_gladen__equals_the_delta_method(n1: int, n0: int, n: int, data: st.DataObject) -> None:
    tp, tn = data.draw(st.integers(math.ceil(0.6 * n1), n1)), data.draw(st.integers(math.ceil(0.6 * n0), n0))
    q1 = data.draw(st.integers(0, n))
    counts = RoganGladen(n1, tp, n0, tn, n, q1)
    found, (theta, se) = counts.result(), rogan_gladen_by_hand(n1, tp, n0, tn, n, q1)
    assert found.rate_unclipped == pytest.approx(theta, abs=1e-12)
    assert found.se == pytest.approx(se, rel=1e-6, abs=1e-9)
    assert 0 <= (found.rate or 0) <= 1
    half = RoganGladen(n1, tp, 0, 0, n, q1) + RoganGladen(0, 0, n0, tn, 0, 0)
    assert half == counts
    if found.status == "ok":
        low, high = found.bounded_interval or (-1, 2)
        assert 0 <= low <= high <= 1
        wide = counts.result(0.01)
        assert (wide.ci_low or 0) < (found.ci_low or 0)


def test_rogan_gladen__equals_r() -> None:
    # R 4.2.2: 18 of 20, 18 of 20, 2 of 62
    found = RoganGladen(20, 18, 20, 18, 62, 2).result()
    assert (found.rate, found.rate_unclipped) == (0.0, pytest.approx(-0.0846774193548387, rel=1e-12))
    assert found.se == pytest.approx(0.095444166705054, rel=1e-12)
    assert (found.ci_low, found.ci_high) == pytest.approx((-0.271744548631181, 0.102389709921504), rel=1e-12)
    assert found.bounded_interval == (0.0, pytest.approx(0.102389709921504))


def test_rogan_gladen__without_numbers_says_why() -> None:
    assert RoganGladen.of([1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1]).result().status == "uninformative_judge"
    assert RoganGladen(10, 1, 10, 9, 5, 2).result().rate is None
    assert RoganGladen().result().status == "no_labels"
    assert RoganGladen(5, 5, 0, 0, 10, 3).result().status == "too_few"
    assert RoganGladen(5, 5, 5, 4, 0, 0).result().status == "no_data"
    sure = RoganGladen(5, 5, 5, 5, 10, 10).result()
    assert (sure.status, sure.rate, sure.se, sure.ci_low, sure.bounded_interval) == ("constant", 1.0, 0.0, None, None)


def test_rogan_gladen__rejects_bad_arguments() -> None:
    with pytest.raises(ValueError, match="no more than its whole"):
        RoganGladen(5, 6)
    with pytest.raises(ValueError, match="0 and 1"):
        RoganGladen.of([2], [1], [])
    with pytest.raises(ValueError, match="one length"):
        RoganGladen.of([1, 0], [1], [])
    with pytest.raises(ValueError, match="error rate"):
        RoganGladen(5, 5, 5, 5, 5, 5).result(2)


def least_variance(data: PredictionPowered, labels: int) -> float:
    """Smallest variance over a fine grid of lambda, with the unlabelled samples that are left."""
    total = data.labelled.n + data.unlabelled.n
    label, judge = data.labelled.m2_b / (data.labelled.n - 1), data.judge_variance or 0.0
    slope = min(max(0.0, data.slope), math.sqrt(label / judge))
    if labels == total:
        return label / total
    grid = np.linspace(0, 1, 20_001)
    judged = grid**2 * judge / (total - labels)
    return float((judged + (label - 2 * grid * slope * judge + grid**2 * judge) / labels).min())


@pytest.mark.parametrize("slope", [0.0, -0.5, 0.6, 1.0, 1.6, 3.0])
@pytest.mark.parametrize("factor", [0.9, 0.7, 0.45])
def test_label_budget__is_the_fewest_labels_that_do(slope: float, factor: float) -> None:
    random = np.random.default_rng(21)
    f = random.normal(size=600)
    y = slope * f + random.normal(0, 0.7, 600)
    data = PredictionPowered.of(y[:60], f[:60], f[60:])
    found = label_budget(data, factor=factor)
    wanted = factor**2 * least_variance(data, 60)
    enough = [n for n in range(60, 601) if least_variance(data, n) <= wanted]
    if not enough:
        assert (found.status, found.more_labels, found.width_then) == ("unreachable", None, None)
        return
    assert found.more_labels == pytest.approx(enough[0] - 60, abs=1)
    assert found.width_now is not None and found.narrowest is not None and found.width_then is not None
    assert found.narrowest <= found.width_then <= factor * found.width_now * (1 + 1e-9)
    assert label_budget(data, width=factor * found.width_now).more_labels == pytest.approx(found.more_labels, abs=1)


def test_label_budget__foretells_the_width_of_the_interval() -> None:
    random = np.random.default_rng(22)
    f = random.normal(size=20_000)
    y = f + random.normal(0, 0.8, f.size)
    data = PredictionPowered.of(y[:1_000], f[:1_000], f[1_000:])
    found = label_budget(data, factor=0.6)
    n = 1_000 + (found.more_labels or 0)
    then = PredictionPowered.of(y[:n], f[:n], f[n:]).result()
    assert (then.ci_high or 0) - (then.ci_low or 0) == pytest.approx(found.width_then, rel=0.05)
    now = data.result()
    assert (now.ci_high or 0) - (now.ci_low or 0) == pytest.approx(found.width_now, rel=0.02)


def test_label_budget__at_its_edges() -> None:
    data = PredictionPowered.of(LABELS, JUDGED, UNLABELLED)
    now = label_budget(data, factor=1).width_now or 0
    assert label_budget(data, width=2 * now).more_labels == 0
    assert label_budget(data, width=1e-6).status == "unreachable"
    assert label_budget(data, width=label_budget(data, factor=1).narrowest).more_labels == 20
    assert label_budget(PredictionPowered(), width=1).status == "no_labels"
    assert label_budget(PredictionPowered.of([1.0], [1.0], [1.0]), width=1).status == "too_few"
    assert label_budget(PredictionPowered.of([1.0, 1.0], [1.0, 0.0], [1.0]), width=1).status == "constant"
    for bad in ({}, {"width": 1.0, "factor": 1.0}, {"width": 0.0}, {"factor": math.inf}, {"width": math.nan}):
        with pytest.raises(ValueError, match="label budget"):
            label_budget(data, **bad)
    with pytest.raises(ValueError, match="error rate"):
        label_budget(data, width=1, alpha=0)
