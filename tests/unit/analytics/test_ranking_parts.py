"""A ranking that reads the samples in parts is that of all samples at once."""

from __future__ import annotations

import numpy as np
import pytest

from abtest.analytics.comparison import ranking
from abtest.analytics.comparison.ranking import ranking_of
from abtest.analytics.data.scores import ALONE, Column, SampleScores
from abtest.analytics.model import AnalysisPlan, JudgeMetric
from abtest.analytics.statistics.bradley_terry import (
    ClusteredPairCounts,
    bradley_terry_by_parts,
    clustered_bradley_terry,
)

VARIANTS = ("a", "b", "c")
SAMPLES = 300


def _scores(clustered: bool) -> SampleScores:
    random = np.random.default_rng(3)
    values = {}
    for shift, variant in enumerate(VARIANTS):
        column = np.rint(random.normal(3 + 0.2 * shift, 1, SAMPLES))
        column[random.random(SAMPLES) < 0.1] = np.nan
        values[variant, "score"] = column
    codes = random.integers(ALONE, 20, SAMPLES).astype(np.int32)
    names = tuple(f"cluster {code}" for code in range(20))
    return SampleScores(SAMPLES, values, Column(names, codes) if clustered else None)


def _plan() -> AnalysisPlan:
    return AnalysisPlan(
        test_name="ranking",
        control="a",
        variants=VARIANTS,
        judges=(JudgeMetric(name="score", type="file", binary=False),),
        primary_metric="score",
    )


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("size", [1, 7, 299])
def test_ranking_of__samples_in_parts__is_that_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch, size: int, clustered: bool
) -> None:
    whole = ranking_of(_plan(), _scores(clustered))
    monkeypatch.setattr(ranking, "_PART", size)
    parted = ranking_of(_plan(), _scores(clustered))
    assert whole is not None and parted is not None and whole.status == parted.status == "ok"
    for one, other in zip(whole.variants, parted.variants, strict=True):
        assert (one.variant, one.rank) == (other.variant, other.rank)
        assert (one.log_strength, one.se) == pytest.approx((other.log_strength, other.se), rel=1e-12)


def test_ranking_of__clusters__every_one_stays_in_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_PART", 7)
    scores = _scores(clustered=True)
    parts = list(ranking._parts(scores))
    assert sorted(np.concatenate(parts).tolist()) == list(range(SAMPLES))
    assert scores.cluster is not None
    of_parts = [set(scores.cluster.codes[rows].tolist()) - {ALONE} for rows in parts]
    assert sum(len(codes) for codes in of_parts) == len(set().union(*of_parts))


def test_bradley_terry_by_parts__clusters_of_two_parts__is_that_of_their_sum() -> None:
    random = np.random.default_rng(4)
    parts = []
    for start in (0, 40):
        first = random.integers(0, 3, 200)
        second = (first + random.integers(1, 3, 200)) % 3
        clusters = start + random.integers(0, 40, 200)
        parts.append(ClusteredPairCounts.of(first, second, random.integers(0, 3, 200), clusters, 3))
    whole = clustered_bradley_terry(parts[0] + parts[1])
    parted = bradley_terry_by_parts((parts[0] + parts[1]).pooled(), iter(parts))
    assert parted.status == whole.status == "ok" and parted.clusters == whole.clusters
    assert parted.theta == whole.theta
    assert parted.covariance_clustered == pytest.approx(whole.covariance_clustered, rel=1e-12)


def test_bradley_terry_by_parts__no_part__has_no_data() -> None:
    nothing = ClusteredPairCounts.of([], [], [], [], 3)
    found = bradley_terry_by_parts(nothing.pooled(), ())
    assert (found.status, found.clusters, found.theta) == ("no_data", 0, None)
