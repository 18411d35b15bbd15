"""What observations that belong together are worth: clusters of samples, several judges of one answer.

Depends on: nothing. Used by: the planning of a test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abtest.analytics.model import Method, Status

STATISTIC = Method(
    name="Design effect of clusters",
    formula="deff = 1 + (m - 1) rho, m = sum of m_i^2 / sum of m_i; effective n = n / deff",
    source="Kish (1965), Survey sampling, chapter 5; "
    "clusters of different sizes as in Killip, Mahfoud and Pearce (2004)",
)
JUDGES = Method(
    name="Variance of the mean of several judges",
    formula="Var = sigma^2 (1 + (J - 1) rho) / J; independent judges it is worth = J / (1 + (J - 1) rho)",
    source="Clemen and Winkler (1985), Limits for the precision and value of information from dependent sources",
)


@dataclass(frozen=True)
class DesignEffect:
    """How much correlation within clusters costs.

    Args:
        status: `ok`, or `no_data` without an observation.
        design_effect: variance divided by that of as many independent observations.
        effective_n: independent observations of the same worth.
    """

    status: Status
    n: int
    design_effect: float | None = None
    effective_n: float | None = None


def design_effect(cluster_sizes: Sequence[int], correlation: float) -> DesignEffect:
    """Return what clusters of given sizes are worth.

    Args:
        cluster_sizes: observations in each cluster, each at least 1.
        correlation: of two observations of one cluster (ICC), at most 1, and not so negative that a variance would be.

    Raises:
        ValueError: a size below 1, or a correlation that cannot be.
    """
    if any(size < 1 for size in cluster_sizes):
        raise ValueError(f"a cluster has at least one observation; got sizes {sorted(cluster_sizes)[:3]}")
    total = sum(cluster_sizes)
    if total == 0:
        return DesignEffect("no_data", 0)
    mean_size = sum(size * size for size in cluster_sizes) / total
    effect = _inflation(mean_size, max(cluster_sizes), correlation)
    # At the lowest possible correlation the parts of a cluster cancel, and no number of independent ones is as good.
    return DesignEffect("ok", total, effect, total / effect if effect > 0 else None)


def judges_variance(judges: int, correlation: float, variance: float = 1.0) -> float:
    """Return the variance of the mean of several judges of the same answers.

    Args:
        judges: their number, at least 1.
        correlation: of the errors of two judges; 1 for copies of one judge.
        variance: of one judge's error.

    Raises:
        ValueError: no judge, a negative variance, or a correlation that cannot be.
    """
    _check_judges(judges)
    if not (math.isfinite(variance) and variance >= 0):
        raise ValueError(f"a variance is finite and at least 0; got {variance}")
    return variance * _inflation(judges, judges, correlation) / judges


def independent_judges(judges: int, correlation: float) -> float | None:
    """Return how many independent judges some correlated ones are worth; at most 1 / correlation.

    Args:
        judges: their number, at least 1.
        correlation: of the errors of two judges.

    Returns:
        None where their errors cancel altogether.

    Raises:
        ValueError: no judge, or a correlation that cannot be.
    """
    _check_judges(judges)
    inflation = _inflation(judges, judges, correlation)
    return judges / inflation if inflation > 0 else None


def _inflation(size: float, largest: int, correlation: float) -> float:
    lowest = -1.0 / (largest - 1) if largest > 1 else -1.0
    if not lowest <= correlation <= 1:
        raise ValueError(f"the correlation within {largest} lies between {lowest:.4g} and 1; got {correlation}")
    return max(0.0, 1 + (size - 1) * correlation)


def _check_judges(judges: int) -> None:
    if judges < 1:
        raise ValueError(f"a mean needs at least one judge; got {judges}")
