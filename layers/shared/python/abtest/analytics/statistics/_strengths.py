"""Log-strengths that are only known up to a common shift: anchored information, standard errors and contrasts.

Depends on: numpy. Used by: the Bradley-Terry family beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.statistics._wald import Estimate, Floats, estimate

LONGEST_STEP = 3.0
"""A longer step in log-odds can end where every outcome is certain, and from there nothing shows the way back."""


def laplacian(weights: Floats) -> Floats:
    """Return the sum over pairs of weight * (e_i - e_j)(e_i - e_j)' for symmetric weights, shape (k, k)."""
    return np.asarray(np.diag(weights.sum(axis=1)) - weights, dtype=np.float64)


def anchored(information: Floats) -> Floats:
    """Return information about strengths, made invertible by holding the variant best known, shape (k, k).

    The sum of the strengths is free, so that this changes no contrast; its inverse must be centred.
    """
    fixed = information.copy()
    best = int(np.diagonal(fixed).argmax())
    fixed[best, best] *= 2
    return fixed


def centred(covariance: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return the covariance of strengths after their mean is taken out, exactly symmetric."""
    shifted = covariance - covariance.mean(axis=0) - covariance.mean(axis=1)[:, None] + covariance.mean()
    return np.asarray((shifted + shifted.T) / 2, dtype=np.float64)


def standard_errors(covariance: Floats | None) -> tuple[float, ...] | None:
    """Return the standard error of each centred strength; None without a covariance."""
    if covariance is None:
        return None
    return tuple(float(se) for se in np.sqrt(np.maximum(np.diagonal(covariance), 0.0)))


def contrast(theta: Sequence[float], covariance: Floats | None, treatment: int, control: int, alpha: float) -> Estimate:
    """Return the strength of the treatment minus that of the control, both given by position."""
    value = theta[treatment] - theta[control]
    if covariance is None or treatment == control:
        return estimate(value, None, alpha)
    variance = covariance[treatment, treatment] + covariance[control, control] - 2 * covariance[treatment, control]
    return estimate(value, math.sqrt(max(0.0, float(variance))), alpha)
