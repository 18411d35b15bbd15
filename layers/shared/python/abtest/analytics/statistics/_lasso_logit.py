"""Logistic regression of shares from 0 to 1 with a penalty on the sum of absolute coefficients.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.statistics.length_controlled_win_rate`.
"""

from __future__ import annotations

import numpy as np

from abtest.analytics.statistics._wald import Floats

_ROUNDS = 200
_SWEEPS = 5_000
_HALVINGS = 50
_SETTLED = 1e-11


def lasso_logit(design: Floats, outcome: Floats, penalty: float) -> Floats | None:
    """Return the coefficients that minimise penalty * sum |beta| - log-likelihood; None when they do not settle.

    Args:
        design: shape (n, p); every column is penalised, a column of ones too.
        outcome: shape (n,), from 0 to 1.
        penalty: above 0.

    Source: proximal Newton with coordinate descent, Friedman, Hastie and Tibshirani (2010), section 3.
    """
    from scipy.special import expit, log_expit

    def objective(beta: Floats) -> float:
        eta = design @ beta
        return penalty * float(np.abs(beta).sum()) - float(outcome @ log_expit(eta) + (1 - outcome) @ log_expit(-eta))

    beta = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        eta = design @ beta
        share = expit(eta)
        information = design.T @ (design * (share * expit(-eta))[:, None])
        if not (np.diagonal(information) > 0).all():
            return None
        step = _penalised_step(information, design.T @ (outcome - share), beta, penalty)
        if np.abs(step).max() <= _SETTLED * max(1.0, float(np.abs(beta).max())):
            return beta
        height = objective(beta)
        for _ in range(_HALVINGS):
            if objective(beta + step) <= height + 1e-12 * max(1.0, abs(height)):
                break
            step = step / 2
        beta = beta + step
    return None


def _penalised_step(information: Floats, gradient: Floats, beta: Floats, penalty: float) -> Floats:
    """Return the minimum of the quadratic approximation, by cycling through the coefficients."""
    step = np.zeros(beta.size)
    for _ in range(_SWEEPS):
        largest = 0.0
        for k in range(beta.size):
            weight = information[k, k]
            pull = gradient[k] - information[k] @ step + weight * (beta[k] + step[k])
            target = np.sign(pull) * max(0.0, abs(pull) - penalty) / weight
            change = target - beta[k] - step[k]
            step[k] += change
            largest = max(largest, abs(float(change)))
        if largest <= _SETTLED / 10 * max(1.0, float(np.abs(beta).max())):
            break
    return step
