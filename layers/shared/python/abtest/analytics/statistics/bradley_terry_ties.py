"""Comparison models in which a tie is an outcome of its own: Davidson's and Rao and Kupper's.

Depends on: numpy, `abtest.analytics.statistics.bradley_terry`. Used by: `abtest.analytics.statistics.ranking`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics import _comparison_graph as graph
from abtest.analytics.statistics._newton import Point, maximise
from abtest.analytics.statistics._pair_counts import PairCounts
from abtest.analytics.statistics._strengths import LONGEST_STEP, anchored, centred, contrast, laplacian
from abtest.analytics.statistics._strengths import standard_errors as errors_of
from abtest.analytics.statistics._wald import Estimate, Floats
from abtest.analytics.statistics.bradley_terry import bradley_terry

STATISTIC = Method(
    name="Davidson's model of comparisons with ties",
    formula="P(i beats j) = pi_i / D, P(tie) = nu sqrt(pi_i pi_j) / D, D = pi_i + pi_j + nu sqrt(pi_i pi_j); "
    "theta = ln pi, sum of theta = 0",
    source="Davidson (1970), On extending the Bradley-Terry model to accommodate ties, section 2",
)
RAO_KUPPER = Method(
    name="Rao and Kupper's model of comparisons with ties",
    formula="P(i beats j) = pi_i / (pi_i + eta pi_j), P(tie) = what is left, eta >= 1; theta = ln pi, sum of theta = 0",
    source="Rao and Kupper (1967), Ties in paired-comparison experiments, section 2",
)
TieStatus = Literal["ok", "no_ties", "unbounded"]


@dataclass(frozen=True, eq=False)
class TiesModel:
    """Strengths on the natural-log scale, centred to mean 0, and how readily the variants tie.

    Args:
        status: as of `BradleyTerry`. `separated` also when strengths and tie parameter run away together, though every
            variant is reached from every other (such as two variants with wins of one and ties, but no loss).
        tie_status: `ok`; `no_ties` (the tie parameter sits on its border, the strengths are Bradley-Terry's);
            `unbounded` (the more ties the model expects, the better it fits; it has no estimate).
        n: comparisons.
        n_ties: of them, ties.
        components: groups of variants that were compared, if only through others.
        groups: as of `BradleyTerry`.
        theta: strengths, shape (k,).
        covariance: inverse information, shape (k, k), of the centred strengths.
        tie_parameter: nu (Davidson, from 0) or eta (Rao and Kupper, from 1).
        log_tie_parameter: its natural log; None where that is not finite.
        se_log_tie_parameter: standard error of the log.
    """

    status: Status
    tie_status: TieStatus | None
    n: int
    n_ties: int
    components: graph.Groups
    groups: graph.Groups
    theta: tuple[float, ...] | None = None
    covariance: Floats | None = None
    tie_parameter: float | None = None
    log_tie_parameter: float | None = None
    se_log_tie_parameter: float | None = None

    def standard_errors(self) -> tuple[float, ...] | None:
        """Return the standard errors of the centred strengths."""
        return errors_of(self.covariance)

    def contrast(self, treatment: int, control: int, alpha: float = 0.05) -> Estimate:
        """Return strength of treatment minus strength of control, both given by position.

        Raises:
            ValueError: there are no strengths, or alpha is not between 0 and 1.
        """
        if self.theta is None:
            raise ValueError(f"there are no strengths to compare: {self.status}")
        return contrast(self.theta, self.covariance, treatment, control, alpha)


def davidson(counts: PairCounts) -> TiesModel:
    """Return the maximum-likelihood fit of Davidson's model.

    Args:
        counts: comparisons by pair and outcome.

    Assumes: independent comparisons; one tie parameter for all pairs, ties likeliest between equals.
    Source: Davidson (1970), section 2.
    """
    start = math.log(2 * counts.n_ties / (counts.n - counts.n_ties)) if 0 < counts.n_ties < counts.n else 0.0
    found = _fitted(counts, _davidson_likelihood(counts), start)
    if found.tie_status == "no_ties":
        return replace(found, tie_parameter=0.0)
    return found


def rao_kupper(counts: PairCounts) -> TiesModel:
    """Return the maximum-likelihood fit of Rao and Kupper's model.

    Args:
        counts: comparisons by pair and outcome.

    Assumes: independent comparisons; differences of strength below one threshold for all pairs end in a tie.
    Source: Rao and Kupper (1967), section 2.
    """
    share = counts.n_ties / counts.n if counts.n else 0.0
    # Between equals the model ties with probability (eta - 1) / (eta + 1).
    start = math.log((1 + share) / (1 - share)) if 0 < share < 1 else 1.0
    found = _fitted(counts, _rao_kupper_likelihood(counts), start)
    if found.tie_status == "no_ties":
        return replace(found, tie_parameter=1.0, log_tie_parameter=0.0)
    return found


def _fitted(counts: PairCounts, likelihood: Callable[[Floats], Point], start: float) -> TiesModel:
    plain = bradley_terry(counts)
    found = TiesModel(plain.status, None, counts.n, counts.n_ties, plain.components, plain.groups)
    if plain.status == "all_ties":
        # Whatever the tie parameter, equal strengths fit best; it has no estimate itself.
        return replace(found, tie_status="unbounded", theta=plain.theta)
    if plain.theta is None:
        return found
    if counts.n_ties == 0:
        return replace(found, tie_status="no_ties", theta=plain.theta, covariance=plain.covariance_model)
    if not graph.ties_are_bounded(counts.wins > 0, counts.ties > 0):
        return replace(found, status="separated", tie_status="unbounded")
    maximum = maximise(likelihood, np.r_[np.asarray(plain.theta), start], LONGEST_STEP)
    if maximum.covariance is None:
        return replace(found, status="not_converged")
    theta, log_tie = maximum.at[:-1] - maximum.at[:-1].mean(), float(maximum.at[-1])
    covariance = maximum.covariance
    return replace(
        found,
        tie_status="ok",
        theta=tuple(float(value) for value in theta),
        covariance=centred(covariance[:-1, :-1]),
        tie_parameter=math.exp(log_tie),
        log_tie_parameter=log_tie,
        se_log_tie_parameter=math.sqrt(float(covariance[-1, -1])),
    )


def _davidson_likelihood(counts: PairCounts) -> Callable[[Floats], Point]:
    """Return the likelihood of (theta, ln nu), with its gradient and information."""
    wins, ties = counts.wins.astype(np.float64), counts.ties.astype(np.float64)
    met = wins + wins.T + ties

    def evaluate(at: Floats) -> Point:
        theta, log_nu = at[:-1], at[-1]
        half = (theta[:, None] - theta) / 2
        # Relative to sqrt(pi_i pi_j) a win weighs exp(half), a loss exp(-half), a tie nu.
        log_win = -np.logaddexp(0, np.logaddexp(-2 * half, log_nu - half))
        log_tie = -np.logaddexp(0, np.logaddexp(half, -half) - log_nu)
        win, tie = np.exp(log_win), np.exp(log_tie)
        loss = win.T
        value = float((wins * log_win).sum() + (ties * log_tie).sum() / 2)
        # Scores by what did not happen: observed less expected would lose its digits where one side nearly always wins.
        surprise = wins * (loss + tie / 2) + ties * loss / 2
        pull_nu = float((ties * win).sum() - (wins * tie).sum())
        gradient = np.r_[surprise.sum(axis=1) - surprise.sum(axis=0), pull_nu]
        spread = met * (win + loss - (win - loss) ** 2) / 4
        cross = -(met * tie * (win - loss)).sum(axis=1) / 2
        return value, gradient, _bordered(spread, cross, float((met * tie * (win + loss)).sum()) / 2)

    return evaluate


def _rao_kupper_likelihood(counts: PairCounts) -> Callable[[Floats], Point]:
    """Return the likelihood of (theta, ln eta), with its gradient and observed information.

    A tie has the probability (eta^2 - 1) s(gap - ln eta) s(-gap - ln eta), s the logistic function: each tie scores as
    a win of either side, and once for eta^2 - 1.
    """
    from scipy.special import expit, log_expit

    wins, ties = counts.wins.astype(np.float64), counts.ties.astype(np.float64)
    shown, n_ties = wins + ties, float(counts.n_ties)

    def evaluate(at: Floats) -> Point:
        theta, log_eta = at[:-1], float(at[-1])
        if log_eta <= 0:
            return -math.inf, at, np.zeros((at.size, at.size))
        gap = theta[:, None] - theta - log_eta
        hit, miss = expit(gap), expit(-gap)
        value = float((shown * log_expit(gap)).sum()) + n_ties * (2 * log_eta + math.log(-math.expm1(-2 * log_eta)))
        # 1 / (eta^2 - 1) is written out: it is 0 rather than an overflow where eta is large.
        rest = -math.exp(-2 * log_eta) / math.expm1(-2 * log_eta)
        surprise, spared = wins * miss, ties * hit
        pull = surprise - spared
        pull_eta = 2 * n_ties * rest + float(spared.sum() - surprise.sum())
        gradient = np.r_[pull.sum(axis=1) - pull.sum(axis=0), pull_eta]
        bend = shown * miss * hit
        cross = bend.sum(axis=0) - bend.sum(axis=1)
        border = float(bend.sum()) + 4 * n_ties * rest * (1 + rest)
        return value, gradient, _bordered(bend + bend.T, cross, border)

    return evaluate


def _bordered(weights: Floats, cross: Floats, corner: float) -> Floats:
    """Return the information of strengths and tie parameter, with the free sum of the strengths fixed."""
    k = cross.size
    information = np.empty((k + 1, k + 1))
    information[:k, :k] = anchored(laplacian(weights))
    information[:k, k] = information[k, :k] = cross
    information[k, k] = corner
    return information
