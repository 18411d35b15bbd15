"""Unpenalised logistic regression of shares from 0 to 1, with a covariance robust to the outcome's variance.

Depends on: numpy, scipy.special; scipy.optimize where an estimate seems to run away. Used by:
`abtest.analytics.statistics.length_controlled_win_rate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abtest.analytics.model import Status
from abtest.analytics.statistics._newton import Point, maximise
from abtest.analytics.statistics._pair_counts import Integers
from abtest.analytics.statistics._wald import Floats

_RANK = 1e-10
_FAR = 20.0
"""A log-odds beyond this is more often a runaway estimate than a fact, and is looked into."""


@dataclass(frozen=True)
class LogitFit:
    """Coefficients and their sandwich covariance.

    `status`: `ok`; `confounded` (columns depend on each other); `separated` (a combination of columns predicts without
    an error, so that coefficients are infinite); `too_few`; `not_converged`; `one_cluster` (no covariance).
    """

    status: Status
    beta: Floats | None = None
    covariance: Floats | None = None


def fractional_logit(design: Floats, outcome: Floats, cluster_index: Integers | None = None) -> LogitFit:
    """Return the quasi-likelihood fit of logit E[outcome] = design @ beta.

    Args:
        design: shape (n, p), with a column of ones.
        outcome: shape (n,), from 0 to 1.
        cluster_index: shape (n,), clusters numbered from 0 without gaps; None when every row stands alone.

    Source: Papke and Wooldridge (1996), Econometric methods for fractional response variables, section 2: HC0 over
    rows; over clusters with the factor G / (G - 1).
    """
    n, p = design.shape
    if n <= p:
        return LogitFit("too_few")
    scale = np.sqrt((design**2).sum(axis=0))
    if not scale.all() or np.linalg.svd(design / scale, compute_uv=False)[-1] < _RANK:
        return LogitFit("confounded")
    from scipy.special import expit, log_expit

    def evaluate(beta: Floats) -> Point:
        eta = design @ beta
        share = expit(eta)
        value = float(outcome @ log_expit(eta) + (1 - outcome) @ log_expit(-eta))
        weighted = design * (share * expit(-eta))[:, None]
        return value, design.T @ (outcome - share), design.T @ weighted

    maximum = maximise(evaluate, np.zeros(p))
    far = not maximum.converged or np.abs(design @ maximum.at).max() > _FAR
    if far and _is_separated(design, outcome):
        return LogitFit("separated")
    if maximum.covariance is None:
        return LogitFit("not_converged")
    scores = design * (outcome - expit(design @ maximum.at))[:, None]
    return _robust(maximum.at, maximum.covariance, scores, cluster_index)


def _robust(beta: Floats, bread: Floats, scores: Floats, cluster_index: Integers | None) -> LogitFit:
    # As the square of one factor no variance is below 0 by rounding.
    if cluster_index is None:
        half = scores @ bread
        return LogitFit("ok", beta, half.T @ half)
    groups = int(cluster_index.max()) + 1
    if groups == 1:
        return LogitFit("one_cluster", beta)
    sums = np.stack([np.bincount(cluster_index, weights=column) for column in scores.T], axis=1)
    half = sums @ bread
    return LogitFit("ok", beta, groups / (groups - 1) * (half.T @ half))


def _is_separated(design: Floats, outcome: Floats) -> bool:
    """Return whether some direction never lowers the likelihood and somewhere raises it.

    Source: Albert and Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models.
    """
    from scipy.optimize import linprog

    sides = np.where(outcome == 1, 1.0, np.where(outcome == 0, -1.0, 0.0))
    gains = np.unique(design * sides[:, None], axis=0)
    fixed = np.unique(design[sides == 0], axis=0)
    found = linprog(
        -gains.sum(axis=0),
        A_ub=-gains,
        b_ub=np.zeros(gains.shape[0]),
        A_eq=fixed if fixed.size else None,
        b_eq=np.zeros(fixed.shape[0]) if fixed.size else None,
        bounds=[(-1.0, 1.0)] * design.shape[1],
    )
    return bool(found.status == 0 and -found.fun > 1e-7)
