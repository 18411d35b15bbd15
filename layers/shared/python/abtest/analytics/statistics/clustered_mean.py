"""Mean difference of paired scores whose samples belong together, with the cluster-robust intervals CR1 and CR2.

Depends on: `abtest.analytics.statistics.paired_mean`, `abtest.analytics.statistics.cluster_robust`.
Used by: `abtest.analytics.data.accumulate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method
from abtest.analytics.statistics.cluster_robust import FEW_CLUSTERS, bell_mccaffrey
from abtest.analytics.statistics.paired_mean import MeanDifference, PairedMean, with_interval

STATISTIC = Method(
    name="Paired mean difference with cluster-robust error (CR1)",
    formula="SE = sqrt(G / (G - 1) * sum over clusters of (sum of d - mean d)^2) / n; interval and p from t(G - 1)",
    source="Miller (2024), Adding error bars to evals, appendix A, with the factor G / (G - 1); "
    "Cameron and Miller (2015), section II",
)
_NO_SPREAD = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClusteredMean:
    """Sufficient statistics of paired scores in clusters; the sum of two is that of the pooled pairs.

    A cluster may be spread over batches: its sums meet when the parts are added. Without named clusters this is
    the paired mean.

    Args:
        pairs: all pairs.
        singles: the pairs without a cluster, each its own.
        clusters: cluster to (pairs, sum of differences).
    """

    pairs: PairedMean = field(default_factory=PairedMean)
    singles: PairedMean = field(default_factory=PairedMean)
    clusters: Mapping[str, tuple[int, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, a: Any, b: Any, clusters: Sequence[str | None] | None = None) -> ClusteredMean:
        """Return the statistics of complete pairs.

        Args:
            a: scores of the control, shape (n,), finite.
            b: scores of the treatment, shape (n,), finite, in the same order.
            clusters: the cluster of each pair; None for a pair on its own, or for all of them.
        """
        pairs = PairedMean.of(a, b)
        if clusters is None or not any(name is not None for name in clusters):
            return cls(pairs, pairs)
        if len(clusters) != pairs.n:
            raise ValueError(f"{pairs.n} pairs need as many clusters; got {len(clusters)}")
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        sums: dict[str, tuple[int, float]] = {}
        for name, difference in zip(clusters, (y - x).tolist(), strict=True):
            if name is not None:
                count, total = sums.get(name, (0, 0.0))
                sums[name] = (count + 1, total + difference)
        alone = np.asarray([name is None for name in clusters], dtype=bool)
        return cls(pairs, PairedMean.of(x[alone], y[alone]), sums)

    def __add__(self, other: ClusteredMean) -> ClusteredMean:
        sums = dict(self.clusters)
        for name, (count, total) in other.clusters.items():
            before_count, before_total = sums.get(name, (0, 0.0))
            sums[name] = (before_count + count, before_total + total)
        return ClusteredMean(self.pairs + other.pairs, self.singles + other.singles, sums)

    @property
    def count(self) -> int:
        """The number of clusters G, a pair on its own being one."""
        return self.singles.n + len(self.clusters)

    @property
    def is_clustered(self) -> bool:
        """Whether any two pairs belong together."""
        return self.count < self.pairs.n

    def result(self, alpha: float = 0.05) -> MeanDifference:
        """Return effect, standard error, interval and p-value; CR1 when any two pairs belong together.

        Args:
            alpha: two-sided error rate.

        Assumes: clusters are independent. Below about ten clusters the interval is a rough one.
        """
        found = self._without_spread(alpha)
        if not self.is_clustered or found.status != "ok":
            return found
        count = self.count
        squares = float(self._residual_squares[1].sum())
        se = math.sqrt(count / (count - 1) * squares) / self.pairs.n
        return with_interval(replace(found, se=se, df=count - 1), alpha)

    def result_cr2(self, alpha: float = 0.05) -> MeanDifference:
        """Return the same with the bias-reduced error CR2 and Satterthwaite's degrees of freedom.

        Args:
            alpha: two-sided error rate.

        Assumes: clusters are independent. Holds its level with few and unequal clusters.
        Source: Bell and McCaffrey (2002).
        """
        found = self._without_spread(alpha)
        if not self.is_clustered or found.status != "ok":
            return found
        sizes, squares, repeats = self._residual_squares
        variance, df = bell_mccaffrey(sizes, squares, repeats, self.pairs.n)
        return with_interval(replace(found, se=math.sqrt(variance), df=df), alpha)

    def recommended(self, alpha: float = 0.05) -> MeanDifference:
        """Return `result_cr2` below `FEW_CLUSTERS` clusters, else `result`; without clusters both are the paired t."""
        return self.result_cr2(alpha) if self.count < FEW_CLUSTERS else self.result(alpha)

    def _without_spread(self, alpha: float) -> MeanDifference:
        """Return the result with status `ok` and no error yet, or the final one where clusters leave none."""
        plain = self.pairs.result(alpha)
        if not self.is_clustered or plain.status in ("no_data", "too_few"):
            return plain
        found = replace(plain, status="one_cluster", clusters=self.count, se=None, df=None)
        found = replace(found, p_value=None, ci_low=None, ci_high=None)
        if self.count == 1:
            return found
        squares = float(self._residual_squares[1].sum())
        se = math.sqrt(self.count / (self.count - 1) * squares) / self.pairs.n
        size = max(1.0, abs(self.pairs.mean_a), abs(self.pairs.mean_b))
        if self.pairs.is_constant or se <= _NO_SPREAD * size:
            return replace(found, status="constant", se=0.0)
        return replace(found, status="ok")

    @cached_property
    def _residual_squares(self) -> tuple[Floats, Floats, Floats]:
        """Return sizes, summed squared residual sums and repeats; the pairs on their own share the first entry."""
        alone, mean = self.singles, self.pairs.mean_d
        parts = np.asarray([*self.clusters.values()], dtype=np.float64).reshape(-1, 2)
        single = alone.m2_d + alone.n * (alone.mean_d - mean) ** 2
        sizes = np.concatenate(([1.0], parts[:, 0]))
        squares = np.concatenate(([single], (parts[:, 1] - parts[:, 0] * mean) ** 2))
        repeats = np.concatenate(([float(alone.n)], np.ones(len(parts))))
        return sizes, squares, repeats
