"""Ranks of variants by log-strength, shared where the data do not tell variants apart.

Depends on: numpy, `abtest.analytics.statistics.holm`. Used by: `abtest.analytics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._wald import Estimate, Floats, check_alpha, estimate, two_sided
from abtest.analytics.statistics.holm import holm

STATISTIC = Method(
    name="Ranks with ties from pairwise contrasts",
    formula="rank(i) = 1 + number of j with theta_j > theta_i and Holm-adjusted p of theta_j - theta_i <= alpha, "
    "over all k (k - 1) / 2 pairs; simultaneous interval: z at alpha / (k (k - 1) / 2)",
    source="Goldstein and Spiegelhalter (1996), League tables and their limitations, on ranks and their "
    "uncertainty; Holm (1979) for the pairs; Dunn (1961), Multiple comparisons among means, for the intervals",
)
IntervalKind = Literal["simultaneous", "pairwise"]


class Strengths(Protocol):
    """A fit that gives centred log-strengths and their covariance, such as `BradleyTerry` or `TiesModel`."""

    @property
    def status(self) -> Status:
        """Whether there are strengths."""

    @property
    def theta(self) -> tuple[float, ...] | None:
        """Strengths, shape (k,)."""

    @property
    def covariance(self) -> Floats | None:
        """Their covariance, shape (k, k)."""


@dataclass(frozen=True)
class RankedVariant:
    """One variant in the ranking.

    Args:
        variant: its position in the fit.
        rank: 1 + the number of variants that are significantly stronger; variants can share it.
        strength: its centred log-strength, with its own standard error and interval (not simultaneous).
        behind_leader: its strength minus the leader's with interval and unadjusted p-value; the leader's own is 0.
        stronger: variants significantly stronger than it, by position.
        weaker: variants significantly weaker.
    """

    variant: int
    rank: int
    strength: Estimate
    behind_leader: Estimate
    stronger: tuple[int, ...]
    weaker: tuple[int, ...]


@dataclass(frozen=True)
class Ranking:
    """Variants from the strongest estimate down; empty where `status` says that there is nothing to rank by."""

    status: Status
    alpha: float
    interval: IntervalKind
    variants: tuple[RankedVariant, ...] = ()


def ranking(fit: Strengths, alpha: float = 0.05, interval: IntervalKind = "simultaneous") -> Ranking:
    """Return the variants in order of strength, with the ranks that the data support.

    Args:
        fit: strengths with a covariance.
        alpha: chance that any two variants of equal strength are told apart; error rate of the intervals.
        interval: `simultaneous` intervals all hold together with probability 1 - alpha (Bonferroni over all pairs,
            because the leader is chosen by the data); `pairwise` ones hold singly.

    Raises:
        ValueError: alpha is not between 0 and 1.

    Assumes: strengths are near normal. Equal ranks say "not told apart", which is not "equal".
    """
    check_alpha(alpha)
    if fit.status != "ok" or fit.theta is None or fit.covariance is None:
        return Ranking(fit.status, alpha, interval)
    theta = np.asarray(fit.theta)
    errors = _contrast_errors(fit.covariance)
    own = np.sqrt(np.maximum(np.diagonal(fit.covariance), 0.0))
    better = _significantly_better(theta, errors, alpha)
    order = np.argsort(-theta, kind="stable")
    leader = int(order[0])
    pairs = max(1, theta.size * (theta.size - 1) // 2)
    level = alpha / pairs if interval == "simultaneous" else alpha
    found = [
        RankedVariant(
            variant=i,
            rank=1 + int(better[:, i].sum()),
            strength=estimate(float(theta[i]), float(own[i]), alpha),
            behind_leader=estimate(
                float(theta[i] - theta[leader]), None if i == leader else float(errors[i, leader]), level
            ),
            stronger=tuple(int(j) for j in np.flatnonzero(better[:, i])),
            weaker=tuple(int(j) for j in np.flatnonzero(better[i])),
        )
        for i in (int(index) for index in order)
    ]
    return Ranking("ok", alpha, interval, tuple(found))


def _contrast_errors(covariance: Floats) -> Floats:
    variance = np.diagonal(covariance)[:, None] + np.diagonal(covariance) - 2 * covariance
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=np.float64)


def _significantly_better(
    theta: Floats, errors: Floats, alpha: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return the table of who is significantly stronger than whom; without an error nobody is."""
    i, j = np.triu_indices(theta.size, 1)
    gap, error = theta[i] - theta[j], errors[i, j]
    known = error > 0
    p_values = np.ones(gap.size)
    p_values[known] = two_sided(gap[known] / error[known])
    adjusted = np.asarray(holm([float(p) for p in p_values]), dtype=np.float64)
    told_apart = known & (adjusted <= alpha)
    better = np.zeros((theta.size, theta.size), dtype=bool)
    better[i, j] = told_apart & (gap > 0)
    better[j, i] = told_apart & (gap < 0)
    return better
