"""Labels beside a biased judge: intervals that cover the truth, agreement against known numbers, typed statuses."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from abtest.analytics.labels import correction
from abtest.analytics.labels.agreement import human_human, judge_human
from abtest.analytics.labels.correction import FEWEST_LABELS, corrected_mean, plain_mean
from abtest.analytics.labels.inputs import LabelData, LabelKind, LabelledItems, ScoredComparison
from abtest.analytics.labels.model import CorrectedEffect, LabelAnalysis, LabelCounts
from abtest.analytics.labels.service import analyse_labels
from abtest.analytics.statistics.label_budget import label_budget
from abtest.analytics.statistics.paired_mean import PairedMean
from abtest.analytics.statistics.prediction_powered import PredictionPowered
from abtest.analytics.statistics.rogan_gladen import RoganGladen

Values = npt.NDArray[np.float64]
ALPHA = 0.05


def analysed(kind: LabelKind, one: ScoredComparison, counts: LabelCounts | None = None) -> LabelAnalysis:
    scale = (1.0, 5.0) if kind == "scale" else (0.0, 1.0)
    data = LabelData("run", "m", kind, scale, "old", (one,))
    return analyse_labels(data, counts or LabelCounts(), ALPHA)


def effect_of(kind: LabelKind, one: ScoredComparison) -> CorrectedEffect:
    return analysed(kind, one).effects[0]


def some_labelled(values: Values, picked: npt.NDArray[np.intp]) -> Values:
    labels = np.full(values.size, np.nan)
    labels[picked] = values[picked]
    return labels


def scores(rng: np.random.Generator, n: int, labelled: int, *, per_cluster: int = 1) -> tuple[float, ScoredComparison]:
    """Return the true effect and one draw: a judge that is generous to the treatment."""
    topic = np.repeat(rng.normal(size=-(-n // per_cluster)), per_cluster)[:n]
    a = 3 + 0.3 * rng.normal(size=n)
    b = 3.1 + 0.7 * topic + 0.5 * rng.normal(size=n)
    picked = rng.choice(n, labelled, replace=False)
    clusters = tuple(f"doc {i // per_cluster}" if per_cluster > 1 else None for i in range(n))
    judge_a, judge_b = a + 0.3 * rng.normal(size=n), b + 0.4 + 0.3 * rng.normal(size=n)
    return 0.1, ScoredComparison("new", clusters, judge_a, judge_b, some_labelled(a, picked), some_labelled(b, picked))


def verdicts(rng: np.random.Generator, n: int, labelled: int) -> tuple[float, ScoredComparison]:
    """Return the true effect and one draw: a judge that passes too many of the treatment's failures."""
    easy = rng.normal(size=n)
    a = (0.6 * easy + 0.8 * rng.normal(size=n) < 0.25).astype(float)
    b = (0.6 * easy + 0.8 * rng.normal(size=n) < 0.40).astype(float)
    judge_a = np.where(a == 1, rng.random(n) < 0.9, rng.random(n) < 0.2).astype(float)
    judge_b = np.where(b == 1, rng.random(n) < 0.95, rng.random(n) < 0.45).astype(float)
    picked = rng.choice(n, labelled, replace=False)
    # P(Z < 0.40) - P(Z < 0.25).
    truth = 0.5 * (math.erf(0.40 / math.sqrt(2)) - math.erf(0.25 / math.sqrt(2)))
    nobody = (None,) * n
    return truth, ScoredComparison("new", nobody, judge_a, judge_b, some_labelled(a, picked), some_labelled(b, picked))


def preferences(rng: np.random.Generator, n: int, labelled: int) -> tuple[float, ScoredComparison]:
    """Return the true share and one draw: a judge that takes a third of the losses for wins, and is right else."""
    true = rng.choice([0.0, 0.5, 1.0], size=n, p=[0.4, 0.2, 0.4])
    judge = np.where((true == 0) & (rng.random(n) < 1 / 3), 1.0, true)
    picked = rng.choice(n, labelled, replace=False)
    zero = np.zeros(n)
    return 0.5, ScoredComparison("new", (None,) * n, zero, judge, zero, some_labelled(true, picked))


def covers(low: float | None, high: float | None, truth: float) -> bool:
    return low is not None and high is not None and low <= truth <= high


WORLDS = {
    "scale": ("scale", scores, {}),
    "clusters": ("scale", scores, {"per_cluster": 5}),
    "binary": ("binary", verdicts, {}),
    "preference": ("preference", preferences, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [FEWEST_LABELS, 40, 100])
@pytest.mark.parametrize("world", WORLDS)
def test_corrected_interval_covers_the_truth__where_the_judges_does_not(world: str, labelled: int) -> None:
    kind, draw, options = WORLDS[world]
    rng = np.random.default_rng(11)
    told = corrected = judge = rates = rates_told = 0
    for _ in range(500):
        truth, one = draw(rng, 500, labelled, **options)
        found = effect_of(kind, one)
        if found.status == "ok":
            told += 1
            corrected += covers(found.corrected.ci_low, found.corrected.ci_high, truth)
            judge += covers(found.judge_alone.ci_low, found.judge_alone.ci_high, truth)
        if found.rates is not None and found.rates.status == "ok":
            rates_told += 1
            rates += covers(found.rates.effect.ci_low, found.rates.effect.ci_high, truth)
    # Few labels may lie in too few clusters for an interval, or say the same.
    assert told > 450 or (labelled == FEWEST_LABELS and told > 50)
    # One-sided, rare errors of a judge and few labels: 92 % over many draws, less what 500 of them may miss.
    assert corrected / told > 0.90
    assert judge / told < 0.2
    if kind == "binary":
        assert rates / rates_told > 0.92


def test_interval__is_student_over_the_statistic_itself() -> None:
    _, one = scores(np.random.default_rng(1), 300, 60)
    human, judge = one.human_treatment - one.human_control, one.judge_treatment - one.judge_control
    found, trust = corrected_mean(human, judge, one.clusters, null=0.0, alpha=ALPHA, trust=None)
    data = PredictionPowered.of_samples(human, judge)
    assert trust == pytest.approx(data.optimal_trust * 60 / 62)
    own = data.result(trust)
    assert own.se is not None and found.se is not None and data.judge_variance is not None
    assert found.value == own.value
    labelled = ~np.isnan(human)
    left = np.var(human[labelled] - trust * judge[labelled])
    blind = np.var(human[labelled]) + trust**2 * data.judge_variance
    added = (60 * left + 2 * blind) / 62 - left
    assert found.se == pytest.approx(math.sqrt(own.se**2 * 60 / 59 + added / 60))
    assert (found.n, found.units) == (60, 60)


def test_labels_alone__are_the_paired_t_interval() -> None:
    _, one = scores(np.random.default_rng(2), 80, 80)
    found = effect_of("scale", one)
    plain = PairedMean.of(one.human_control, one.human_treatment).result()
    assert found.corrected.ci_low == pytest.approx(plain.ci_low)
    assert found.corrected.p_value == pytest.approx(plain.p_value)
    assert found.trust == 0 and found.narrower == pytest.approx(0)


def test_clusters__widen_the_interval_and_are_the_units() -> None:
    _, one = scores(np.random.default_rng(3), 500, 200, per_cluster=10)
    alone = ScoredComparison(
        "new", (None,) * 500, one.judge_control, one.judge_treatment, one.human_control, one.human_treatment
    )
    together, apart = effect_of("scale", one).corrected, effect_of("scale", alone).corrected
    assert together.value == apart.value
    assert together.units == 50 and apart.units == 200
    assert together.se is not None and apart.se is not None and together.se > 1.5 * apart.se


def test_judge_error__is_how_far_the_judge_misstates_the_effect() -> None:
    _, one = scores(np.random.default_rng(4), 2_000, 1_500)
    found = effect_of("scale", one)
    assert found.judge_error.value == pytest.approx(0.4, abs=0.05)
    assert covers(found.judge_error.ci_low, found.judge_error.ci_high, 0.4)
    assert found.judge_alone.value == pytest.approx(0.5, abs=0.1)


def test_rates_of_one_variant__are_those_of_the_statistic() -> None:
    _, one = verdicts(np.random.default_rng(5), 400, 100)
    found = effect_of("binary", one).rates
    assert found is not None
    for share, judge, human in (
        (found.control, one.judge_control, one.human_control),
        (found.treatment, one.judge_treatment, one.human_treatment),
    ):
        labelled = ~np.isnan(human)
        own = RoganGladen.of(human[labelled], judge[labelled], judge[~labelled]).result()
        assert (share.sensitivity, share.specificity) == (own.sensitivity, own.specificity)
        assert share.rate == own.rate_unclipped
        assert own.se is not None and share.ci_high is not None and share.rate is not None
        reach = share.ci_high - share.rate
        # The statistic's own three terms, but for G / (G - 1) and t in place of z.
        assert reach == pytest.approx(1.984 * math.sqrt(100 / 99) * own.se, rel=1e-3)
    assert found.effect.value == pytest.approx((found.treatment.rate or 0) - (found.control.rate or 0))


def test_budget__is_in_samples_and_items() -> None:
    _, one = scores(np.random.default_rng(6), 3_000, 60)
    found = effect_of("scale", one)
    data = PredictionPowered.of_samples(
        one.human_treatment - one.human_control, one.judge_treatment - one.judge_control
    )
    half, less = found.budget
    wanted = label_budget(data, factor=0.5).more_labels
    assert wanted is not None and (half.factor, half.status, half.more_samples) == (0.5, "ok", wanted)
    assert half.more_items == 2 * wanted and (less.more_samples or 0) < wanted
    assert f"{wanted} more labelled samples ({2 * wanted} items) would halve the interval" in found.sentence
    _, pairs = preferences(np.random.default_rng(6), 3_000, 60)
    (budget, _) = effect_of("preference", pairs).budget
    assert budget.more_items == budget.more_samples


def test_more_labels__narrow_the_interval_as_the_budget_says() -> None:
    rng, n, labelled = np.random.default_rng(7), 8_000, 300
    _, one = preferences(rng, n, n)
    judge, human, order = one.judge_treatment, one.human_treatment, rng.permutation(n)

    def width_with(labels: int) -> float:
        found, _ = corrected_mean(
            some_labelled(human, order[:labels]), judge, one.clusters, null=0.5, alpha=ALPHA, trust=None
        )
        wide = correction.width(found)
        assert wide is not None
        return wide

    more = label_budget(PredictionPowered.of_samples(some_labelled(human, order[:labelled]), judge), factor=0.5)
    assert more.more_labels is not None
    assert width_with(labelled + more.more_labels) / width_with(labelled) == pytest.approx(0.5, abs=0.05)


def test_judge_that_is_noise__adds_nothing_and_is_told() -> None:
    rng = np.random.default_rng(8)
    _, one = scores(rng, 400, 60)
    noise = ScoredComparison(
        "new", one.clusters, rng.normal(size=400), rng.normal(size=400), one.human_control, -one.human_treatment
    )
    turned = ScoredComparison(
        "new", one.clusters, one.judge_control, -one.judge_treatment, one.human_control, one.human_treatment
    )
    for bad in (noise, turned):
        found = analysed("scale", bad)
        (effect,) = found.effects
        assert effect.trust is not None and effect.trust < 0.2
        assert effect.corrected.value == pytest.approx(effect.labels_alone.value, abs=0.1)
    assert any("adds nothing" in warning for warning in analysed("scale", turned).warnings)


# Degenerate


def comparison(
    judge: list[float], human: list[float | None], clusters: list[str | None] | None = None
) -> ScoredComparison:
    zero = np.zeros(len(judge))
    labels = np.asarray([np.nan if label is None else label for label in human], dtype=np.float64)
    names = tuple(clusters) if clusters else (None,) * len(judge)
    return ScoredComparison("new", names, zero, np.asarray(judge, dtype=np.float64), zero, labels)


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (comparison([], []), "no_labels"),
        (comparison([1.0] * 50, [None] * 50), "no_labels"),
        (comparison([1.0, 0.0] * 25, [1.0] * 9 + [None] * 41), "too_few"),
        (comparison([1.0, 0.0] * 25, [1.0] * 20 + [None] * 30), "constant"),
        (comparison([1.0] * 50, [1.0] * 50), "constant"),
        (comparison([1.0, 0.0] * 25, [1.0, 0.0] * 25, ["one"] * 50), "one_cluster"),
        (comparison([float("nan")] * 50, [1.0, 0.0] * 25), "no_labels"),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "scale", "preference"])
def test_degenerate_labels__have_a_status_and_no_interval(one: ScoredComparison, status: str, kind: LabelKind) -> None:
    found = effect_of(kind, one)
    assert found.status == found.corrected.status == status
    assert found.corrected.ci_low is None and found.corrected.p_value is None and found.narrower is None
    assert found.budget == ()
    assert found.sentence.startswith("'new' against 'old': ")
    assert "nan" not in analysed(kind, one).model_dump_json().lower()


def test_uninformative_judge__has_its_status_beside_the_corrected_effect() -> None:
    rng = np.random.default_rng(9)
    truth = (rng.random(300) < 0.5).astype(float)
    zero = (rng.random(300) < 0.5).astype(float)
    picked = np.arange(100)
    one = ScoredComparison(
        "new", (None,) * 300, 1 - zero, 1 - truth, some_labelled(zero, picked), some_labelled(truth, picked)
    )
    found = effect_of("binary", one)
    assert found.rates is not None
    assert found.rates.status == found.rates.effect.status == "uninformative_judge"
    assert found.rates.effect.value is None
    assert found.status == "ok"


def test_scores_that_are_no_verdicts__have_no_error_rates() -> None:
    rng = np.random.default_rng(10)
    _, one = verdicts(rng, 100, 40)
    joined = ScoredComparison(
        "new", one.clusters, one.judge_control, one.judge_treatment / 2, one.human_control, one.human_treatment
    )
    assert effect_of("binary", joined).rates is None


# Agreement


def items(judge: list[float], human: list[float]) -> LabelledItems:
    names = tuple(f"s{n}" for n in range(len(judge)))
    return LabelledItems(np.asarray(judge, dtype=np.float64), np.asarray(human, dtype=np.float64), names)


def test_agreement_on_pass_or_fail__by_hand() -> None:
    # 40 both pass, 10 judge only, 5 people only, 45 both fail.
    judge, human = [1.0] * 50 + [0.0] * 50, [1.0] * 40 + [0.0] * 10 + [1.0] * 5 + [0.0] * 45
    found = judge_human(items(judge, human), chosen="random", kind="binary", alpha=ALPHA)
    assert found.confusion is not None
    assert tuple(found.confusion.model_dump().values()) == (40, 10, 5, 45)
    assert found.raw == found.accuracy == pytest.approx(0.85)
    # Chance: 0.5 * 0.45 + 0.5 * 0.55 = 0.5; AC1: 2 * 0.475 * 0.525.
    assert found.cohen_kappa == pytest.approx((0.85 - 0.5) / 0.5)
    assert found.gwet_ac1 == pytest.approx((0.85 - 2 * 0.475 * 0.525) / (1 - 2 * 0.475 * 0.525))
    assert found.mean_difference is not None
    assert found.mean_difference.value == pytest.approx(0.05)
    assert found.pearson is None


def test_agreement_on_a_scale__by_hand() -> None:
    judge, human = [2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 3.0, 5.0]
    found = judge_human(items(judge, human), chosen="random", kind="scale", alpha=ALPHA)
    assert (found.raw, found.mean_absolute_difference) == (0.5, 0.5)
    assert found.pearson == pytest.approx(np.corrcoef(judge, human)[0, 1])
    assert found.spearman == pytest.approx(np.corrcoef([1, 2, 3, 4], [1, 2.5, 2.5, 4])[0, 1])
    assert found.accuracy is None and found.gwet_ac1 is None and found.confusion is None


def test_agreement_on_pairs__counts_a_flip_as_half_right() -> None:
    found = judge_human(
        items([1.0, 0.5, 0.0, 0.75], [1.0, 1.0, 1.0, 0.5]), chosen="random", kind="preference", alpha=ALPHA
    )
    assert found.accuracy == pytest.approx((1 + 0.5 + 0 + 0.75) / 4)
    # The winners: right, tie, wrong, treatment where people say tie.
    assert found.raw == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("judge", "human", "status"),
    [([], [], "no_labels"), ([1.0], [1.0], "too_few"), ([1.0] * 5, [1.0] * 5, "single_category")],
)
def test_agreement_of_nothing__has_a_status(judge: list[float], human: list[float], status: str) -> None:
    for kind in ("binary", "scale", "preference"):
        found = judge_human(items(judge, human), chosen="random", kind=kind, alpha=ALPHA)
        assert found.status == status
        assert found.cohen_kappa is None and found.pearson is None


def people(ratings: list[list[float | None]], kind: LabelKind = "binary") -> LabelData:
    matrix = np.asarray([[np.nan if r is None else r for r in row] for row in ratings], dtype=np.float64)
    names = tuple(f"p{n}" for n in range(len(ratings)))
    return LabelData("run", "m", kind, (0.0, 1.0), "old", (), {}, names, matrix)


def test_people__are_compared_where_two_labelled() -> None:
    found = human_human(people([[1, 1, 0, None, 1], [1, 0, 0, 1, None], [None] * 5]))
    assert found is not None
    assert (found.judges, found.units) == (("p0", "p1"), 3)
    assert found.raw == pytest.approx(2 / 3)
    # Kappa: 2/3 observed, 1/3 * 2/3 + 2/3 * 1/3 expected of pass and fail.
    assert found.cohen_kappa == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))
    assert human_human(people([[1, None], [None, 1]])) is None
    assert human_human(people([])) is None


def test_plain_mean__is_against_its_null() -> None:
    values = np.asarray([0.0, 1.0] * 20 + [1.0] * 10)
    found = plain_mean(values, (None,) * 50, null=0.5, alpha=ALPHA)
    assert found.value == pytest.approx(0.6)
    assert found.p_value == pytest.approx(2 * 0.0786, abs=0.02)
    assert covers(found.ci_low, found.ci_high, 0.6)
