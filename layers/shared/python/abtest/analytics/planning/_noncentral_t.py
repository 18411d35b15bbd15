"""The noncentral t distribution by quadrature, for any degrees of freedom and noncentrality.

`scipy.special.nctdtr` gives NaN for some negative noncentralities and for large degrees of freedom; one integral over
the standard deviation has no such places.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.planning.sample_size_t`.
"""

from __future__ import annotations

import math

import numpy as np

from abtest.analytics.statistics._quadrature import gauss_legendre

_NODES = 20
_PANELS = 24
_SPREAD = 12.0
_HALVINGS = 60
_STEPS = (-16, -8, -4, -2, 0, 2, 4, 8, 16)


def upper_tail(t: float, df: float, noncentrality: float) -> float:
    """Return P(T > t).

    Args:
        t: finite.
        df: degrees of freedom, above 0.
        noncentrality: finite.

    Source: T = (Z + noncentrality) / S with S^2 = chi^2(df) / df, so P(T > t) = E Phi(noncentrality - t S); the
    density of S is proportional to s^(df - 1) exp(-df s^2 / 2). Johnson, Kotz and Balakrishnan (1995), section 31.3.
    """
    from scipy.special import ndtr

    reach = _SPREAD / math.sqrt(2 * df)
    low, high = max(0.0, 1 - reach), 1 + reach
    edges = set(np.linspace(low, high, _PANELS + 1).tolist())
    if low == 0:
        # The power of s has a branch point there; panels that halve towards it keep the digits.
        edges |= {0.5**halving for halving in range(1, _HALVINGS)}
    if t != 0:
        # The normal distribution falls from 1 to 0 around this place, within some 1 / t.
        edges |= {min(max((noncentrality + step) / t, low), high) for step in _STEPS}
    ends = np.asarray(sorted(edges))
    points, weights = gauss_legendre(_NODES)
    half = np.diff(ends)[:, None] / 2
    s = (ends[:-1, None] + half + half * points).ravel()
    # Centred at s = 1 and divided by its own sum, the density keeps its digits for any degrees of freedom.
    gap = s - 1
    log_s = np.where(s > 0.5, np.log1p(np.maximum(gap, -0.5)), np.log(s))
    log_density = (df - 1) * log_s - df * gap * (gap + 2) / 2
    mass = np.exp(log_density - log_density.max()) * (half * weights).ravel()
    return float(np.clip(ndtr(noncentrality - t * s) @ mass / mass.sum(), 0.0, 1.0))
