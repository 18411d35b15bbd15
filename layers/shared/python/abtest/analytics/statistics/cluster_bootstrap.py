"""Bootstrap of a mean whose rows belong together: whole clusters are drawn.

Depends on: numpy, `_resampling`, `abtest.analytics.statistics.bootstrap`, `cluster_robust`.
Used by: intervals of skewed quantities in clusters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from abtest.analytics.model import Method
from abtest.analytics.statistics._resampling import resampled_sums
from abtest.analytics.statistics._values import finite_list
from abtest.analytics.statistics.bootstrap import (
    BootstrapResult,
    bias_correction,
    check_replicates,
    summarised,
)
from abtest.analytics.statistics.cluster_robust import cluster_codes

STATISTIC = Method(
    name="Cluster bootstrap of the mean",
    formula="draw G of G clusters with replacement; T* = sum of their rows / number of their rows; interval between "
    "quantiles of T*",
    source="Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8; Cameron, Gelbach and "
    "Miller (2008), section III",
)
_NO_SPREAD = 1e-12


def cluster_bootstrap(
    d: Any, clusters: Any, alpha: float = 0.05, *, replicates: int = 9_999, seed: int = 0
) -> BootstrapResult:
    """Return the mean of clustered rows with percentile and basic intervals; `n` counts clusters.

    Args:
        d: differences B - A, shape (rows,), finite.
        clusters: the cluster of each row, as whole numbers or names; None is a row on its own.
        alpha: two-sided error rate.
        replicates: resamples, at least 1 / alpha.
        seed: of the resamples.

    Raises:
        ValueError: a shape does not fit, a difference is not finite, alpha is no error rate, or the replicates are too
            few for it.

    Assumes: clusters are independent; below about 20 of them the interval is too short: use CR2 there. Beyond 10,000
    clusters that differ the sizes within a resampling cell are taken as their mean.
    Source: Davison and Hinkley (1997), section 3.8.
    """
    check_replicates(replicates, alpha)
    values = finite_list(d)
    codes, count = cluster_codes(clusters, int(values.size))
    if count == 0:
        return BootstrapResult("no_data", 0)
    mean = float(values.mean())
    if count == 1:
        return BootstrapResult("too_few" if values.size == 1 else "one_cluster", 1, mean)
    residuals = np.bincount(codes, weights=values - mean, minlength=count)
    same = _NO_SPREAD * max(1e-300, float(np.abs(values).max()))
    sizes = np.bincount(codes, minlength=count).astype(np.float64)
    if float(np.abs(residuals / sizes).max()) <= same:
        return BootstrapResult("constant", count, mean, 0.0, (mean, mean), (mean, mean))
    drawn = resampled_sums(np.column_stack((residuals, sizes)), replicates, np.random.default_rng(seed))
    deviations = drawn.sums[:, 0] / drawn.sums[:, 1]
    bias = bias_correction(deviations, 0.0, same)
    found = BootstrapResult("ok", count, mean, bias_correction=bias, replicates=replicates, seed=seed)
    return summarised(replace(found, scheme=drawn.scheme), deviations + mean, alpha)
