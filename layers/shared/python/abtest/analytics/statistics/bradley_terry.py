"""Bradley-Terry strengths of k variants from pairwise comparisons, a tie counting as half a win for each side.

Three standard errors: by the model, by the sandwich (right when ties make outcomes vary less than the model thinks),
and by the sandwich over clusters (when comparisons about one sample belong together). Where finite strengths do not
exist the result says why, and holds what does exist: the groups of variants, and a fit within each.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.statistics.ranking`,
`abtest.analytics.statistics.bradley_terry_bootstrap`, `abtest.analytics.statistics.bradley_terry_ties`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics import _comparison_graph as graph
from abtest.analytics.statistics._newton import Maximum, Point, maximise
from abtest.analytics.statistics._pair_counts import (
    FIRST_WINS,
    SECOND_WINS,
    TIE,
    ClusteredPairCounts,
    Integers,
    PairCounts,
)
from abtest.analytics.statistics._strengths import LONGEST_STEP, anchored, centred, contrast, laplacian
from abtest.analytics.statistics._strengths import standard_errors as errors_of
from abtest.analytics.statistics._wald import Estimate, Floats

__all__ = [
    "FIRST_WINS",
    "SECOND_WINS",
    "STATISTIC",
    "TIE",
    "BradleyTerry",
    "ClusteredPairCounts",
    "PairCounts",
    "PenalisedBradleyTerry",
    "bradley_terry",
    "bradley_terry_by_parts",
    "clustered_bradley_terry",
    "penalised_bradley_terry",
]

STATISTIC = Method(
    name="Bradley-Terry strengths",
    formula="P(i beats j) = 1 / (1 + exp(theta_j - theta_i)), sum of theta = 0, tie = half a win each; "
    "covariance L+ (model) or L+ M L+ (sandwich), L = information, M = sum of squared scores by comparison or cluster",
    source="Bradley and Terry (1952), Rank analysis of incomplete block designs, part I; "
    "existence after Ford (1957), Solution of a ranking problem; sandwich after White (1982), theorem 3.2, "
    "and Liang and Zeger (1986), theorem 1",
)
ErrorKind = Literal["model", "sandwich", "clustered"]
_CHUNK = 4_000_000
"""Numbers held at once while the scores of clusters are squared."""


@dataclass(frozen=True, eq=False)
class BradleyTerry:
    """Strengths on the natural-log scale, centred to mean 0, or why they do not exist.

    Args:
        status: `ok`; `no_data`; `disconnected` (see `components`); `separated` (see `groups`); `all_ties` (strengths
            are 0, and only the model's standard errors exist); `not_converged`; with clusters also `one_cluster` and
            `too_few` (fewer clusters than variants): the strengths stand, their clustered errors do not exist.
        variants: which variant of the counts each position is.
        n: comparisons.
        n_ties: of them, ties.
        components: groups of variants that were compared, if only through others.
        groups: groups within which every variant is reached by wins or ties from every other; among groups that were
            compared, an earlier one never lost to nor tied with a later one. One group when strengths exist.
        theta: strengths, shape (k,).
        covariance_model: inverse information, shape (k, k), of the centred strengths.
        covariance_sandwich: over independent comparisons (HC0).
        covariance_clustered: over independent clusters (CR0, without small-sample factor).
        clusters: number of clusters; None when comparisons stand alone.
        parts: when strengths do not exist, a fit for each group of two or more variants.
    """

    status: Status
    variants: tuple[int, ...]
    n: int
    n_ties: int
    components: graph.Groups
    groups: graph.Groups
    theta: tuple[float, ...] | None = None
    covariance_model: Floats | None = None
    covariance_sandwich: Floats | None = None
    covariance_clustered: Floats | None = None
    clusters: int | None = None
    parts: tuple[BradleyTerry, ...] = ()

    @property
    def covariance(self) -> Floats | None:
        """The covariance to use: clustered when there are clusters, else the sandwich."""
        return self.covariance_sandwich if self.clusters is None else self.covariance_clustered

    def standard_errors(self, kind: ErrorKind | None = None) -> tuple[float, ...] | None:
        """Return the standard errors of the centred strengths; by default those of `covariance`."""
        return errors_of(self._covariance(kind))

    def contrast(self, treatment: int, control: int, kind: ErrorKind | None = None, alpha: float = 0.05) -> Estimate:
        """Return strength of treatment minus strength of control, both given by position in `variants`.

        Args:
            treatment: position of the one.
            control: position of the other.
            kind: which covariance; by default that of `covariance`.
            alpha: two-sided error rate.

        Raises:
            ValueError: there are no strengths, or alpha is not between 0 and 1.
        """
        if self.theta is None:
            raise ValueError(f"there are no strengths to compare: {self.status}")
        return contrast(self.theta, self._covariance(kind), treatment, control, alpha)

    def _covariance(self, kind: ErrorKind | None) -> Floats | None:
        if kind is None:
            return self.covariance
        by_kind = {"model": self.covariance_model, "sandwich": self.covariance_sandwich}
        return by_kind.get(kind, self.covariance_clustered)


@dataclass(frozen=True)
class PenalisedBradleyTerry:
    """Strengths pulled towards 0; they exist where `status`, that of the unpenalised fit, says the others do not.

    They carry no standard error: the penalty is a choice, and biases them.
    """

    status: Status
    penalty: float
    theta: tuple[float, ...] | None = None


def bradley_terry(counts: PairCounts) -> BradleyTerry:
    """Return the maximum-likelihood strengths.

    Args:
        counts: comparisons by pair and outcome.

    Assumes: independent comparisons; one strength a variant explains all pairs.
    Source: Bradley and Terry (1952); Ford (1957) for existence.
    """
    found = _described(counts)
    if found.status in ("disconnected", "separated"):
        parts = tuple(_part(counts, group) for group in found.groups if len(group) > 1)
        return replace(found, parts=parts)
    if found.status == "no_data":
        return found
    maximum = fit_points(counts.wins + counts.ties / 2)
    if maximum.covariance is None:
        return replace(found, status="not_converged")
    theta = maximum.at - maximum.at.mean()
    model = centred(maximum.covariance)
    sandwich = None if found.status == "all_ties" else centred(model @ _scatter(counts, theta) @ model)
    return replace(found, theta=tuple(theta.tolist()), covariance_model=model, covariance_sandwich=sandwich)


def clustered_bradley_terry(counts: ClusteredPairCounts) -> BradleyTerry:
    """Return the maximum-likelihood strengths with errors that allow comparisons of one cluster to belong together.

    Args:
        counts: comparisons by cluster, pair and outcome.

    Assumes: independent clusters, and many of them: there is no small-sample factor.
    Source: Liang and Zeger (1986), theorem 1.
    """
    return bradley_terry_by_parts(counts.pooled(), (counts,))


def bradley_terry_by_parts(pooled: PairCounts, parts: Iterable[ClusteredPairCounts]) -> BradleyTerry:
    """Return the same from clusters that come in parts, so that not all comparisons are held at once.

    Args:
        pooled: all comparisons.
        parts: the same comparisons by cluster, each cluster in one part only; read once.
    """
    found = bradley_terry(pooled)
    clusters, scatter = 0, np.zeros_like(pooled.wins, dtype=np.float64)
    for part in parts:
        clusters += part.n_clusters
        if found.theta is not None:
            scatter += _cluster_scatter(part, np.asarray(found.theta))
    found = replace(found, clusters=clusters)
    if found.theta is None or found.covariance_model is None or found.status == "all_ties":
        return found
    if clusters == 1 or clusters < pooled.n_variants:
        return replace(found, status="one_cluster" if clusters == 1 else "too_few")
    model = found.covariance_model
    return replace(found, covariance_clustered=centred(model @ scatter @ model))


def penalised_bradley_terry(counts: PairCounts, penalty: float) -> PenalisedBradleyTerry:
    """Return the strengths that maximise log-likelihood - penalty * sum of squared strengths.

    Args:
        counts: comparisons by pair and outcome.
        penalty: above 0; the larger, the closer the strengths are pulled together.

    Raises:
        ValueError: the penalty is not a finite number above 0.

    Source: ridge penalty, Hoerl and Kennard (1970), on the likelihood of Bradley and Terry (1952).
    """
    if not (math.isfinite(penalty) and penalty > 0):
        raise ValueError(f"a penalty is a finite number above 0; got {penalty}")
    status = _described(counts).status
    if status == "no_data":
        return PenalisedBradleyTerry(status, penalty)
    maximum = fit_points(counts.wins + counts.ties / 2, penalty)
    if not maximum.converged:
        return PenalisedBradleyTerry("not_converged", penalty)
    return PenalisedBradleyTerry(status, penalty, tuple(float(value) for value in maximum.at))


def fit_points(points: Floats, penalty: float = 0.0) -> Maximum:
    """Return the maximum of the (penalised) log-likelihood, whose existence the caller has checked.

    Args:
        points: shape (k, k), wins plus half the ties of i against j.
        penalty: on the sum of squared strengths.
    """
    from scipy.special import expit, log_expit

    met = points + points.T

    def evaluate(theta: Floats) -> Point:
        gap = theta[:, None] - theta
        share = expit(gap)
        value = float((points * log_expit(gap)).sum()) - penalty * float(theta @ theta)
        # Scores by surprise: observed less expected would lose its digits where one side nearly always wins.
        surprise = points * share.T
        gradient = surprise.sum(axis=1) - surprise.sum(axis=0) - 2 * penalty * theta
        information = laplacian(met * share * share.T)
        if penalty:
            return value, gradient, information + 2 * penalty * np.eye(theta.size)
        return value, gradient, anchored(information)

    return maximise(evaluate, np.zeros(points.shape[0]), LONGEST_STEP)


def _described(counts: PairCounts) -> BradleyTerry:
    edges = np.asarray((counts.wins > 0) | (counts.ties > 0), dtype=bool)
    linked, groups = graph.components(edges), graph.strong_groups(edges)
    status: Status = "ok"
    if counts.n == 0:
        status = "no_data"
    elif len(linked) > 1:
        status = "disconnected"
    elif len(groups) > 1:
        status = "separated"
    elif counts.n_ties == counts.n:
        status = "all_ties"
    return BradleyTerry(status, tuple(range(counts.n_variants)), counts.n, counts.n_ties, linked, groups)


def _part(counts: PairCounts, group: tuple[int, ...]) -> BradleyTerry:
    fitted = bradley_terry(counts.among(group))
    return replace(fitted, variants=group, components=(group,), groups=(group,))


def _scatter(counts: PairCounts, theta: Floats) -> Floats:
    """Return the sum over comparisons of the squared score."""
    from scipy.special import expit

    share = expit(theta[:, None] - theta)
    weights = counts.wins * share.T**2 + counts.wins.T * share**2 + counts.ties * (0.5 - share) ** 2
    return laplacian(weights)


def _cluster_scatter(counts: ClusteredPairCounts, theta: Floats) -> Floats:
    """Return the sum over clusters of the squared total score, holding a bounded number of clusters at a time."""
    from scipy.special import expit

    k = counts.n_variants
    pair, verdict = np.divmod(counts.cells, 3)
    i, j = np.divmod(pair, k)
    residual = counts.counts * (np.asarray([1.0, 0.0, 0.5])[verdict] - expit(theta[i] - theta[j]))
    cluster = counts.cluster_index
    scatter = np.zeros((k, k))
    size = max(1, _CHUNK // k)
    for low in range(0, counts.n_clusters, size):
        rows = slice(*np.searchsorted(cluster, [low, low + size]))
        scores = _scores(cluster[rows] - low, i[rows], j[rows], residual[rows], k)
        scatter += scores.T @ scores
    return scatter


def _scores(cluster: Integers, i: Integers, j: Integers, residual: Floats, k: int) -> Floats:
    size = (int(cluster[-1]) + 1) * k
    gained = np.bincount(cluster * k + i, weights=residual, minlength=size)
    gained -= np.bincount(cluster * k + j, weights=residual, minlength=size)
    return np.asarray(gained.reshape(-1, k), dtype=np.float64)
