"""Integrals over Beta posteriors by Gauss-Legendre panels that end at the posteriors' own quantiles.

The variable is t = log(x / (1 - x)). Panels are narrow where the narrowest posterior is, so that a share known from a
million answers and one known from three are integrated equally well, to about 1e-12, without a random number.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.statistics.beta_binomial`,
`abtest.analytics.statistics.dirichlet_win_loss`, `abtest.analytics.statistics.thompson_sampling`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abtest.analytics.statistics._quadrature import gauss_legendre

Floats = npt.NDArray[np.float64]

_LEVELS = 10.0 ** -np.array([16, 13, 10.5, 8.5, 6.8, 5.4, 4.2, 3.2, 2.3, 1.5, 0.9, 0.5])
_NODES = 12
_GRID = np.arange(-44.0, 45.0, 4.0)
_TINY = -600.0
"""Logarithm of an x so near a border that a Beta distribution is its leading power there."""

_TO_BORDER = np.concatenate(([0.0], 10.0 ** np.arange(-16.0, 0.0, 0.5)))
_FLAT = 0.2
"""A shape below which a Beta distribution is nearly flat in log x."""


@dataclass(frozen=True)
class Nodes:
    """Points at which to evaluate an integrand, with what each weighs in an integral over t.

    Args:
        x: the points, from 0 to 1.
        y: 1 - x, with all its digits.
        log_x: logarithm of x, also where x itself underflows.
        log_y: logarithm of y.
        weight: of each point.
    """

    x: Floats
    y: Floats
    log_x: Floats
    log_y: Floats
    weight: Floats

    @property
    def mirrored(self) -> Nodes:
        """The same points, seen from the other border."""
        return Nodes(self.y, self.x, self.log_y, self.log_x, self.weight)

    @property
    def width(self) -> Floats:
        """What each point weighs in an integral over x itself."""
        return self.weight * self.x * self.y


@dataclass(frozen=True)
class Beta:
    """A Beta distribution.

    Args:
        a: first shape, above 0: the prior's weight of yes, and the answers that are.
        b: second shape, above 0.
    """

    a: float
    b: float

    @property
    def mean(self) -> float:
        """Its mean."""
        return self.a / (self.a + self.b)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the equal-tailed interval that holds 1 - alpha of the distribution."""
        from scipy.special import betaincinv

        return float(betaincinv(self.a, self.b, alpha / 2)), float(1 - betaincinv(self.b, self.a, alpha / 2))

    def below(self, nodes: Nodes) -> Floats:
        """Return P(X <= x) at every node."""
        return _tail(self, nodes)

    def above(self, nodes: Nodes) -> Floats:
        """Return P(X > x) at every node."""
        return _tail(Beta(self.b, self.a), nodes.mirrored)

    def within(self, low: Floats, high: Floats) -> Floats:
        """Return P(low < X < high) of ends that may lie outside of [0, 1]."""
        from scipy.special import betainc

        ends = [betainc(self.a, self.b, np.clip(end, 0.0, 1.0)) for end in (low, high)]
        return np.asarray(ends[1] - ends[0], dtype=np.float64)

    def mass(self, nodes: Nodes) -> Floats:
        """Return how much of the distribution each node stands for; the sum is 1."""
        # With shapes of a million the logarithm of the constant loses digits, so the sum supplies it.
        power = self.a * nodes.log_x + self.b * nodes.log_y
        mass = np.exp(power - power.max()) * nodes.weight
        return np.asarray(mass / mass.sum(), dtype=np.float64)

    def log_odds_quantiles(self) -> Floats:
        """Return t at probabilities that get finer toward both ends, down to 1e-16."""
        return np.concatenate((_log_odds(self.a, self.b), -_log_odds(self.b, self.a)))


def nodes_for(betas: Sequence[Beta], bends: Iterable[float] | Floats = ()) -> Nodes:
    """Return nodes that resolve all the given distributions.

    Args:
        betas: the distributions that occur in the integrand.
        bends: more x where the integrand bends; those outside of (0, 1) are ignored.
    """
    more = np.asarray([math.log(x) - math.log1p(-x) for x in bends if 0 < x < 1], dtype=np.float64)
    ends = np.concatenate([*(beta.log_odds_quantiles() for beta in betas), more])
    # Between posteriors that lie far apart x itself is what bends.
    ends = np.unique(np.concatenate((ends, _GRID[(ends.min() < _GRID) & (ends.max() > _GRID)])))
    points, weights = gauss_legendre(_NODES)
    half = (np.diff(ends) / 2)[:, None]
    t = (ends[:-1, None] + half * (1 + points)).ravel()
    log_x, log_y = -np.logaddexp(0.0, -t), -np.logaddexp(0.0, t)
    return Nodes(np.exp(log_x), np.exp(log_y), log_x, log_y, (half * weights).ravel())


def shifted_bends(beta: Beta, shift: float) -> Floats:
    """Return the x at which P(X <= x - shift) bends: the moved quantiles, and closer and closer to moved borders."""
    quantiles = 1 / (1 + np.exp(-np.clip(beta.log_odds_quantiles(), _TINY, -_TINY)))
    # Below a shape of 1 the density is infinite at the border.
    lower, upper = _TO_BORDER if beta.a < 1 else _TO_BORDER[:0], _TO_BORDER if beta.b < 1 else _TO_BORDER[:0]
    return np.asarray(np.concatenate((quantiles, lower, 1 - upper)) + shift, dtype=np.float64)


def _tail(beta: Beta, nodes: Nodes) -> Floats:
    """Return P(X <= x) from whichever of x, y = 1 - x and their logarithms has the digits."""
    from scipy.special import betainc, betaincc

    a, b = beta.a, beta.b
    tail = np.where(nodes.x < 0.5, betainc(a, b, nodes.x), betaincc(b, a, nodes.y))
    if min(nodes.log_x.min(), nodes.log_y.min()) < _TINY:
        tail = np.where(nodes.log_x < _TINY, _leading_power(a, b, nodes.log_x), tail)
        tail = np.where(nodes.log_y < _TINY, 1 - _leading_power(b, a, nodes.log_y), tail)
    return np.asarray(tail, dtype=np.float64)


def _leading_power(a: float, b: float, log_x: Floats) -> Floats:
    """Return P(X <= x) of a tiny x: x^a / (a B(a, b))."""
    from scipy.special import betaln

    return np.asarray(np.exp(np.minimum(0.0, a * log_x - math.log(a) - betaln(a, b))), dtype=np.float64)


def _log_odds(a: float, b: float) -> Floats:
    from scipy.special import betaincinv, betaln

    # A shape near 0 puts most of the mass where x underflows: the levels above 1/2 are needed from this side too.
    levels = _LEVELS if a > _FLAT else np.concatenate((_LEVELS, 1 - _LEVELS))
    leading = (np.log(levels) + math.log(a) + betaln(a, b)) / a
    x = np.clip(betaincinv(a, b, levels), math.exp(_TINY), 1 - 1e-16)
    return np.asarray(np.where(leading < _TINY, leading, np.log(x) - np.log1p(-x)), dtype=np.float64)
