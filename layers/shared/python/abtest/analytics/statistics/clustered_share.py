"""Interval for one share of yes among answers that belong together: Wilson's, with the number they are worth.

Depends on: numpy, `abtest.analytics.statistics.binomial_interval`, `abtest.analytics.statistics.cluster_robust`.
Used by: `abtest.analytics.comparison.judge_quality`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abtest.analytics.model import Method
from abtest.analytics.statistics._student import critical_value
from abtest.analytics.statistics._wald import quantile
from abtest.analytics.statistics.binomial_interval import ShareInterval, wilson
from abtest.analytics.statistics.cluster_robust import cluster_robust

STATISTIC = Method(
    name="Interval of a share over clusters",
    formula="Wilson with n* for n: n* = min(n, p (1 - p) / SE^2 (z / t)^2), SE cluster-robust and t of its degrees of "
    "freedom (CR2 below 30 clusters, else CR1); where SE is 0, n* is the number of clusters",
    source="Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive "
    "counts estimated from survey data, for Wilson's interval as in Dean and Pagano (2015), Evaluating confidence "
    "interval methods for binomial proportions in clustered surveys",
)


def clustered_share(yes: Any, clusters: Any, alpha: float = 0.05) -> ShareInterval:
    """Return a share with an interval that allows for clusters; without ends where all answers are one cluster.

    Args:
        yes: which answers are yes, shape (n,), each 0 or 1.
        clusters: the cluster of each answer, as whole numbers or names; None is an answer on its own.
        alpha: two-sided error rate.

    Raises:
        ValueError: a shape does not fit, a value is not 0 or 1, or alpha is not between 0 and 1.

    Assumes: clusters are independent of each other. Source: see `STATISTIC`.
    """
    values = np.asarray(yes, dtype=np.float64)
    if not np.isin(values, (0.0, 1.0)).all():
        raise ValueError("answers are 0 or 1")
    found = cluster_robust(values, clusters, alpha)
    if found.clusters < 2:
        return ShareInterval(found.status, found.n, found.mean)
    share, error = float(values.mean()), found.recommended
    worth = float(found.clusters)
    if error is not None and error.se and error.df is not None:
        shrink = (quantile(alpha) / critical_value(alpha, error.df)) ** 2
        worth = min(float(found.n), share * (1 - share) / error.se**2 * shrink)
    interval = wilson(share * worth, worth, alpha)
    return ShareInterval("ok", found.n, share, interval.ci_low, interval.ci_high)
