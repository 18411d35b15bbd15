"""Cluster-robust standard errors of a mean, from arrays: CR0, CR1, CR2 with Satterthwaite, and Miller's form.

For a mean (an intercept without covariates) the CR2 adjustment of a cluster is one number, so everything is a sum over
clusters. G is the number of clusters, n that of rows, m_g the rows of cluster g, s_g its sum of residuals.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.statistics.clustered_mean`, `cluster_bootstrap`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._values import finite_list
from abtest.analytics.statistics.paired_mean import MeanDifference, centred_squares, with_interval

STATISTIC = Method(
    name="Cluster-robust error of a mean, bias-reduced (CR2)",
    formula="SE = sqrt(sum over clusters of s_g^2 / (1 - m_g / n)) / n; interval and p from t(v), 1 / v = "
    "sum f_g^2 + (sum h_g)^2 - sum h_g^2, f_g = m_g / n, h_g = f_g^2 / (1 - f_g)",
    source="Bell and McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage "
    "samples; Pustejovsky and Tipton (2018), section 2, for an intercept alone",
)
MILLER = Method(
    name="Clustered standard error after Miller",
    formula="SE^2 = var(d, ddof 1) / n + sum over clusters, over i != j within, of (d_i - mean)(d_j - mean) / n^2",
    source="Miller (2024), Adding error bars to evals, appendix A",
)
FEW_CLUSTERS = 30
"""Below this many clusters CR2 with Satterthwaite's degrees of freedom is the one to use."""
_NO_SPREAD = 1e-12

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ClusterRobust:
    """All standard errors of one mean; what does not exist is None and `status` says why.

    Args:
        n: rows; `clusters`: groups of rows that belong together.
        se_iid: as if rows were independent, for comparison only.
        cr1: with CR1 and t(G - 1).
        cr2: with CR2 and Satterthwaite's degrees of freedom.
    """

    status: Status
    n: int
    clusters: int
    mean: float | None = None
    se_iid: float | None = None
    se_cr0: float | None = None
    se_miller: float | None = None
    cr1: MeanDifference | None = None
    cr2: MeanDifference | None = None

    @property
    def recommended(self) -> MeanDifference | None:
        """CR2 below `FEW_CLUSTERS` clusters, else CR1."""
        return self.cr2 if self.clusters < FEW_CLUSTERS else self.cr1


def cluster_codes(clusters: Any, n: int) -> tuple[Codes, int]:
    """Return codes 0 to G - 1 of the clusters, and G.

    Args:
        clusters: whole numbers, or names of which None is a row on its own; shape (n,).
        n: rows.

    Raises:
        ValueError: there are not n of them, or one is NaN.
    """
    names = np.asarray(clusters)
    if names.shape != (n,):
        raise ValueError(f"{n} rows need as many clusters; got shape {names.shape}")
    if n and names.dtype == object:
        known: dict[object, int] = {}
        # A row without a cluster gets a key that no other row can have.
        keys = ((row,) if name is None else name for row, name in enumerate(names.tolist()))
        codes = np.asarray([known.setdefault(key, len(known)) for key in keys], dtype=np.intp)
        return codes, len(known)
    if np.issubdtype(names.dtype, np.floating) and np.isnan(names).any():
        raise ValueError("a cluster is NaN; give each row a cluster, or None for a row on its own")
    if n and np.issubdtype(names.dtype, np.integer) and names.min() >= 0 and names.max() <= 4 * n + 1000:
        used = np.bincount(names) > 0
        if used.all():
            return names.astype(np.intp, copy=False), int(used.size)
        return (np.cumsum(used) - 1)[names], int(np.count_nonzero(used))
    unique, codes = np.unique(names, return_inverse=True)
    return codes.astype(np.intp, copy=False), int(unique.size)


def cluster_robust(d: Any, clusters: Any, alpha: float = 0.05) -> ClusterRobust:
    """Return the mean of clustered rows with its standard errors, intervals and p-values.

    Args:
        d: differences B - A, shape (n,), finite.
        clusters: the cluster of each row, as whole numbers or names; None is a row on its own.
        alpha: two-sided error rate.

    Raises:
        ValueError: a shape does not fit or a difference is not finite.

    Assumes: clusters are independent of each other; within one, anything goes.
    Source: Bell and McCaffrey (2002); Cameron and Miller (2015), section II; Miller (2024), appendix A.
    """
    values = finite_list(d)
    n = int(values.size)
    codes, count = cluster_codes(clusters, n)
    if n == 0:
        return ClusterRobust("no_data", 0, 0)
    mean = float(values.mean())
    if count == 1:
        return ClusterRobust("too_few" if n == 1 else "one_cluster", n, 1, mean)
    sizes = np.bincount(codes, minlength=count).astype(np.float64)
    squares = np.bincount(codes, weights=values - mean, minlength=count).astype(np.float64) ** 2
    total, m2 = float(squares.sum()), centred_squares(values)
    cr0 = math.sqrt(total) / n
    spread = cr0 * math.sqrt(count / (count - 1))
    plain = MeanDifference("constant", n, effect=mean, se=0.0, clusters=count)
    if spread <= _NO_SPREAD * max(1.0, float(np.abs(values).max())):
        return ClusterRobust("constant", n, count, mean, math.sqrt(m2 / (n - 1) / n), 0.0, None, plain, plain)
    variance, df = bell_mccaffrey(sizes, squares, np.ones(count), n)
    clt = m2 / (n - 1) / n
    # Subtracting two sums of squares may leave a rounding below 0 where the clusters cancel out.
    miller = math.sqrt(max(0.0, clt + (total - m2) / n**2))
    plain = replace(plain, status="ok")
    one = with_interval(replace(plain, se=spread, df=count - 1), alpha)
    two = with_interval(replace(plain, se=math.sqrt(variance), df=df), alpha)
    return ClusterRobust("ok", n, count, mean, math.sqrt(clt), cr0, miller, one, two)


def bell_mccaffrey(sizes: Floats, squares: Floats, repeats: Floats, n: int) -> tuple[float, float]:
    """Return the CR2 variance of a mean and its Satterthwaite degrees of freedom.

    Under independent rows of one variance, the variance estimate is a quadratic form in the residuals; its
    degrees of freedom are (trace Q)^2 / trace(Q^2), and both traces are sums over clusters for an intercept alone.

    Args:
        sizes: rows of a cluster, shape (k,), each below n.
        squares: squared sum of the cluster's residuals, summed over its repeats, shape (k,).
        repeats: how many clusters of that size the entry stands for, shape (k,).
        n: all rows.

    Source: Bell and McCaffrey (2002), section 3; Pustejovsky and Tipton (2018), section 2.
    """
    share = sizes / n
    rest = 1 - share
    lever = share * share / rest
    inverse = float(repeats @ share**2) + float(repeats @ lever) ** 2 - float(repeats @ lever**2)
    return float((squares / rest).sum()) / n**2, 1 / inverse
