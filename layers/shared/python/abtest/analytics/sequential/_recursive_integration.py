"""Where a Brownian motion with drift is at each look if it has gone on, by recursive numerical integration.

The process is B(t) = Z(t) sqrt(t), with mean drift * t and variance t at information fraction t. After a look the
density of the paths that went on is kept at Gauss-Legendre nodes; the next density is its convolution with the normal
distribution of the increment. Panels as narrow as the increments keep ten digits also for looks close together, and
the parts of the convolution that are 0 to all digits are left out, so that the cost grows with the nodes, not with
their square.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.sequential.group_sequential`.
Source: Armitage, McPherson and Rowe (1969), section 2; Jennison and Turnbull (2000), chapter 19.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abtest.analytics.statistics._quadrature import gauss_legendre

Floats = npt.NDArray[np.float64]

SMALLEST_STEP = 1e-6
"""Looks closer than this, relative to the information, are not told apart."""
_NODES = 10
_BELOW = 9.0
_ABOVE = 38.0
_BAND = 12.0
_CHUNK = 128
_ROOT_TAU = math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Going:
    """The paths that have not stopped: nodes in ascending order, each with its part of the probability."""

    time: float
    nodes: Floats
    masses: Floats


def start() -> Going:
    """Return the process before the first look: at 0 for certain."""
    return Going(0.0, np.zeros(1), np.ones(1))


def above(going: Going, time: float, boundary: float, drift: float = 0.0) -> float:
    """Return the probability to have gone on and to be above a boundary at a time."""
    from scipy.special import ndtr

    step = time - going.time
    return float(ndtr((going.nodes + drift * step - boundary) / math.sqrt(step)) @ going.masses)


def below(going: Going, time: float, boundary: float, drift: float = 0.0) -> float:
    """Return the probability to have gone on and to be below a boundary at a time."""
    from scipy.special import ndtr

    step = time - going.time
    return float(ndtr((boundary - going.nodes - drift * step) / math.sqrt(step)) @ going.masses)


def boundary_for(going: Going, time: float, probability: float) -> float:
    """Return the boundary that is exceeded at a time with a given probability, without drift.

    Args:
        going: the paths before.
        time: of the look.
        probability: above 0 and below that of the paths before.
    """
    from scipy.special import ndtri

    boundary = -float(ndtri(probability)) * math.sqrt(time)
    for _ in range(100):
        tail = above(going, time, boundary)
        slope = float(density(going, time, np.asarray([boundary]))[0])
        if tail <= 0 or slope <= 0:
            boundary *= 0.9
            continue
        # The logarithm of the tail is concave: Newton's steps come down to the root from above after the first.
        step = tail / slope * math.log(tail / probability)
        boundary += step
        if abs(step) <= 1e-13 * max(1.0, abs(boundary)):
            break
    return boundary


def advance(
    going: Going, time: float, lower: float, upper: float, *, next_time: float | None = None, drift: float = 0.0
) -> Going:
    """Return the paths that go on after a look because they are between two boundaries.

    Args:
        going: the paths before.
        time: of the look.
        lower: boundary; -inf for none.
        upper: boundary; inf for none.
        next_time: of the look after it, whose increment sets how fine the nodes must be.
        drift: mean of the process at time 1.
    """
    spread = math.sqrt(time)
    low = max(lower, drift * time - _BELOW * spread)
    high = min(upper, drift * time + _ABOVE * spread)
    if high <= low:
        return Going(time, np.zeros(1), np.zeros(1))
    finest = math.sqrt(time - going.time)
    if next_time is not None:
        finest = min(finest, math.sqrt(next_time - time))
    panels = max(1, math.ceil((high - low) / (2 * finest)))
    width = (high - low) / panels
    points, weights = gauss_legendre(_NODES)
    middles = low + width * (np.arange(panels) + 0.5)
    nodes = (middles[:, None] + width / 2 * points).ravel()
    values = density(going, time, nodes, drift)
    return Going(time, nodes, values * np.tile(width / 2 * weights, panels))


def density(going: Going, time: float, at: Floats, drift: float = 0.0) -> Floats:
    """Return the density, at ascending points, of the process at a time for the paths that went on before."""
    step = time - going.time
    spread = math.sqrt(step)
    centres = going.nodes + drift * step
    # A path that is z standard deviations out came from z sqrt(step / time) increments below, give or take twelve.
    band = (_BAND + _ABOVE * math.sqrt(step / time)) * spread
    found = np.empty(at.size)
    for first in range(0, at.size, _CHUNK):
        points = at[first : first + _CHUNK]
        near = np.searchsorted(centres, (points[0] - band, points[-1] + band))
        inside = slice(int(near[0]), int(near[1]))
        gaps = (points[:, None] - centres[inside]) / spread
        found[first : first + _CHUNK] = np.exp(-0.5 * gaps * gaps) @ going.masses[inside]
    return found / (spread * _ROOT_TAU)


def check_fractions(fractions: Sequence[float]) -> tuple[float, ...]:
    """Return information fractions as a tuple.

    Raises:
        ValueError: one is not positive and finite, or not above the one before it by a millionth of itself.
    """
    times = tuple(float(fraction) for fraction in fractions)
    before = 0.0
    for time in times:
        if not (math.isfinite(time) and time - before >= SMALLEST_STEP * time > 0):
            raise ValueError(
                "information fractions are finite, above 0 and grow from look to look by a millionth at least; "
                f"got {times}"
            )
        before = time
    return times
