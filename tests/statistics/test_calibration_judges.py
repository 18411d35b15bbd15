"""How often the intervals of judge corrections cover the truth, by seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest

from abtest.analytics.statistics.binomial_interval import wilson
from abtest.analytics.statistics.clustered_share import clustered_share
from abtest.analytics.statistics.paired_mean import PairedMean
from abtest.analytics.statistics.prediction_powered import PredictionPowered, PredictionPoweredMean
from abtest.analytics.statistics.rogan_gladen import RoganGladen

pytestmark = pytest.mark.slow

REPEATS = 4_000
TRUTH, SENSITIVITY, SPECIFICITY, LABELLED = 0.6, 0.9, 0.7, 100


def experiments(seed: int, unlabelled: int) -> tuple[np.ndarray, np.ndarray]:
    """True verdicts and the judge's, shape (repeats, labelled + unlabelled)."""
    random = np.random.default_rng(seed)
    shape = (REPEATS, LABELLED + unlabelled)
    truth = random.random(shape) < TRUTH
    judge = random.random(shape) < np.where(truth, SENSITIVITY, 1 - SPECIFICITY)
    return truth.astype(float), judge.astype(float)


def covers(found: PredictionPoweredMean) -> bool:
    return found.ci_low is not None and found.ci_high is not None and found.ci_low <= TRUTH <= found.ci_high


def width(found: PredictionPoweredMean) -> float:
    return (found.ci_high or 0.0) - (found.ci_low or 0.0)


def test_prediction_powered_interval__covers_and_is_narrower_than_human_labels_alone() -> None:
    truth, judge = experiments(20260117, 1_000)
    powered = human = naive = 0
    widths = np.zeros(2)
    for labels, scores in zip(truth, judge, strict=True):
        data = PredictionPowered.of(labels[:LABELLED], scores[:LABELLED], scores[LABELLED:])
        best, alone = data.result(), data.result(0)
        mean = PairedMean.of(np.zeros(scores.size), scores).result()
        powered, human = powered + covers(best), human + covers(alone)
        naive += (mean.ci_low or 0.0) <= TRUTH <= (mean.ci_high or 0.0)
        widths += width(best), width(alone)
    assert 0.925 <= powered / REPEATS <= 0.965
    assert 0.925 <= human / REPEATS <= 0.965
    # What the product would say if it took the judge for the truth.
    assert naive / REPEATS <= 0.02
    assert 0.75 <= widths[0] / widths[1] <= 0.95


def test_rogan_gladen_interval__covers_with_all_three_terms() -> None:
    truth, judge = experiments(20260118, 100)
    three = two = 0
    for labels, scores in zip(truth, judge, strict=True):
        counts = RoganGladen.of(labels[:LABELLED], scores[:LABELLED], scores[LABELLED:])
        found = counts.result()
        if found.se is None or found.rate_unclipped is None or found.raw_rate is None:
            continue
        reach = 1.959963984540054 * found.se
        three += abs(found.rate_unclipped - TRUTH) <= reach
        youden = (found.sensitivity or 0.0) + (found.specificity or 0.0) - 1
        unlabelled_term = found.raw_rate * (1 - found.raw_rate) / counts.unlabelled / youden**2
        short = 1.959963984540054 * max(0.0, found.se**2 - unlabelled_term) ** 0.5
        two += abs(found.rate_unclipped - TRUTH) <= short
    assert 0.93 <= three / REPEATS <= 0.985
    # What the interval would do without the error of the unlabelled rate.
    assert 0.7674 <= two / REPEATS <= 0.8386


@pytest.mark.parametrize(
    ("clusters", "size", "share", "correlation"), [(20, 5, 0.2, 0.3), (60, 5, 0.05, 0.3), (50, 2, 0.1, 0.5)]
)
def test_share_over_clusters__covers_where_wilsons_own_interval_does_not(
    clusters: int, size: int, share: float, correlation: float
) -> None:
    random, repeats = np.random.default_rng(20260119), 2_000
    weight = (1 - correlation) / correlation
    ours = plain = 0
    for _ in range(repeats):
        chances = random.beta(share * weight, (1 - share) * weight, clusters)
        yes = (random.random((clusters, size)) < chances[:, None]).astype(float).ravel()
        found, naive = clustered_share(yes, np.repeat(np.arange(clusters), size)), wilson(float(yes.sum()), yes.size)
        ours += (found.ci_low or 0.0) <= share <= (found.ci_high or 0.0)
        plain += (naive.ci_low or 0.0) <= share <= (naive.ci_high or 0.0)
    assert 0.92 <= ours / repeats <= 0.98
    assert plain / repeats <= 0.88
