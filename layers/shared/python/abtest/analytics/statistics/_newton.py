"""Newton's method for concave log-likelihoods of a few parameters, with step halving.

Depends on: numpy. Used by: the comparison models and the fractional logit beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from abtest.analytics.statistics._wald import Floats

Point = tuple[float, Floats, Floats]
"""Log-likelihood (-inf where it does not exist), gradient, and information (minus the Hessian) at one place."""
_ITERATIONS = 200
_HALVINGS = 50
_SETTLED = 1e-10
_NEAR = 1e-4
_ENOUGH = 0.1


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is highest, and the inverse information there; `converged` is False when not known."""

    at: Floats
    covariance: Floats | None
    converged: bool


def maximise(evaluate: Callable[[Floats], Point], start: Floats, longest: float = np.inf) -> Maximum:
    """Return the maximum of a concave function.

    Args:
        evaluate: value, gradient and information at a place; gradient and information are not read where the value
            is -inf.
        start: where to begin, with a finite value.
        longest: by how much one step may change a parameter.
    """
    at = start
    value, gradient, information = evaluate(at)
    for _ in range(_ITERATIONS):
        covariance = inverse(information)
        if covariance is None:
            return Maximum(at, None, converged=False)
        step = covariance @ gradient
        # Only a full step tells how far the maximum is: one that was halved is short for another reason.
        settled = float(np.abs(step).max()) <= _SETTLED * max(1.0, float(np.abs(at).max()))
        step = step * min(1.0, longest / max(float(np.abs(step).max()), 1e-300))
        promised = float(gradient @ step)
        for _ in range(_HALVINGS):
            new_value, new_gradient, new_information = evaluate(at + step)
            # So near the maximum a full step is right, and the change in value may be less than its rounding.
            if (promised <= _NEAR and new_value > -np.inf) or new_value >= value + _ENOUGH * promised:
                break
            step, promised = step / 2, promised / 2
        else:
            return Maximum(at, None, converged=False)
        at, value, gradient, information = at + step, new_value, new_gradient, new_information
        if settled:
            covariance = inverse(information)
            return Maximum(at, covariance, converged=covariance is not None)
    return Maximum(at, None, converged=False)


def inverse(information: Floats) -> Floats | None:
    """Return the inverse of a positive definite matrix; None when it is not one, up to rounding."""
    diagonal = np.diagonal(information)
    if not (np.isfinite(information).all() and (diagonal > 0).all()):
        return None
    # With a unit diagonal, parameters known a million times better than others take no digits from them.
    scale = np.sqrt(diagonal)
    try:
        scaled = np.linalg.inv(information / scale[:, None] / scale)
    except np.linalg.LinAlgError:
        return None
    found = np.asarray(scaled / scale[:, None] / scale, dtype=np.float64)
    return found if np.isfinite(found).all() and (np.diagonal(found) > 0).all() else None
