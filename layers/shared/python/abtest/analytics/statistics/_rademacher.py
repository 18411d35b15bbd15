"""Sums of fixed numbers with random signs: cumulant function, tilt, and the saddlepoint approximation of the tail.

K(t) = sum of log cosh(t a_i) is the cumulant generating function of S = sum of +-a_i.

Depends on: numpy, scipy.special. Used by: `_sign_sums`, `abtest.analytics.statistics.sign_flip_permutation`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_MOST_STEPS = 200
_SETTLED = 1e-11
_NEAR_CENTRE = 1e-3

Floats = npt.NDArray[np.float64]


def log_moment(sizes: Floats, counts: Floats | None, t: float) -> float:
    """Return K(t) = sum of count * log cosh(t * size)."""
    x = sizes * abs(t)
    small = float(x.max()) < 1
    # log cosh x = -log(1 - tanh^2 x) / 2 keeps the digits of small x.
    terms = np.log1p(-(np.tanh(x) ** 2)) / -2 if small else x + np.log1p(np.exp(-2 * x)) - math.log(2)
    return float(terms.sum() if counts is None else terms @ counts)


def tilt(sizes: Floats, counts: Floats | None, total: float) -> float:
    """Return the t at which K'(t) equals the total: Newton's steps, which rise to it from below since K' is concave.

    Args:
        sizes: positive numbers, shape (k,).
        counts: how often each occurs; None for once.
        total: at least 0 and below the sum of all.
    """
    weighted = sizes if counts is None else sizes * counts
    squares = float(weighted @ sizes)
    t = total / squares
    if t == 0:
        return 0.0
    for _ in range(_MOST_STEPS):
        lean = np.tanh(t * sizes)
        slope = float((weighted * sizes) @ (1 - lean * lean))
        if slope <= 0:
            break
        step = (total - float(weighted @ lean)) / slope
        t += step
        if abs(step) <= _SETTLED * t:
            break
    return t


def saddlepoint_tail(sizes: Floats, total: float) -> float:
    """Return P(S >= total) by the formula of Lugannani and Rice; its relative error is of order 1 / n.

    Args:
        sizes: positive numbers, shape (n,).
        total: at least 0 and at most the sum of all.

    Source: Daniels (1987), Tail probability approximations, eq. 4.9; Davison and Hinkley (1988), section 3, for
    randomisation tests.
    """
    from scipy.special import ndtr

    # Only one assignment of 2^n reaches the sum of all.
    all_agree = math.exp(-sizes.size * math.log(2)) if sizes.size < 1000 else 0.0
    if total >= float(sizes.sum()) * (1 - 1e-12):
        return all_agree
    t = tilt(sizes, None, total)
    lean = np.tanh(t * sizes)
    curvature = float((sizes * sizes) @ (1 - lean * lean))
    w = math.sqrt(max(0.0, 2 * (t * total - log_moment(sizes, None, t))))
    if w < _NEAR_CENTRE:
        # By symmetry the correction vanishes at the centre, where it is 0 / 0.
        return float(ndtr(-w))
    u = t * math.sqrt(curvature)
    if u <= 0:
        return all_agree
    density = math.exp(-w * w / 2) / math.sqrt(2 * math.pi)
    return max(all_agree, float(ndtr(-w)) + density * (1 / u - 1 / w))
