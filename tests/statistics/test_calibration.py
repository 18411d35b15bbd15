"""What the tests promise over many experiments, by seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest

from abtest.analytics.statistics.clustered_mean import ClusteredMean
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.paired_mean import PairedMean

pytestmark = pytest.mark.slow


def test_equal_variants__are_rarely_called_different() -> None:
    random = np.random.default_rng(20260101)
    false_alarms = 0
    for _ in range(2_000):
        a = random.random(100) < 0.6
        b = np.where(random.random(100) < 0.5, a, random.random(100) < 0.6)
        p = McNemar.of(a, b).result().p_value
        false_alarms += p is not None and p < 0.05
    # The exact test is conservative: at most 5 %, give or take three Monte Carlo errors.
    assert 0.01 < false_alarms / 2_000 < 0.05 + 3 * (0.05 * 0.95 / 2_000) ** 0.5


def test_interval_of_few_clusters__covers_the_truth() -> None:
    random = np.random.default_rng(20260102)
    covered = naive = 0
    for _ in range(2_000):
        of_cluster = np.repeat(random.normal(0, 0.3**0.5, 6), 20)
        d = 0.2 + of_cluster + random.normal(0, 0.7**0.5, 120)
        names = [str(i // 20) for i in range(120)]
        found = ClusteredMean.of(np.zeros(120), d, names).result()
        plain = PairedMean.of(np.zeros(120), d).result()
        covered += (found.ci_low or 0) <= 0.2 <= (found.ci_high or 0)
        naive += (plain.ci_low or 0) <= 0.2 <= (plain.ci_high or 0)
    assert 0.93 < covered / 2_000 < 0.97
    # What the product would say if it took rows for units.
    assert naive / 2_000 < 0.7
