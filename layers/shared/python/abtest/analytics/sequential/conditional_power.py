"""The chance to succeed at the end, should the trend seen so far go on: a non-binding rule for futility.

Stopping where it is small cannot raise the rate of false alarms, because the boundaries for efficacy are not lowered
in return; a run may also go on against it. It costs some power: stopping below 0.1 little, below 0.3 a good deal.

Depends on: `abtest.analytics.statistics._student`, scipy.special. Used by: `abtest.analytics.looks`.
"""

from __future__ import annotations

import math

from abtest.analytics.model import Method

STATISTIC = Method(
    name="Conditional power under the current trend",
    formula="CP = Phi((z / sqrt(t) - c) / sqrt(1 - t)) + Phi((-z / sqrt(t) - c) / sqrt(1 - t)), "
    "z = statistic at information fraction t, c = critical value at the end",
    source="Lan and Wittes (1988), The B-value: a tool for monitoring data; "
    "Jennison and Turnbull (2000), chapter 10, with the drift estimated by z / sqrt(t)",
)


def conditional_power(z: float, fraction: float, critical: float) -> float:
    """Return the chance that the statistic exceeds its critical value at the end, on either side.

    Args:
        z: effect / SE now, finite.
        fraction: information so far divided by that at the end, in (0, 1).
        critical: what |Z| must exceed at the end, at least 0.

    Raises:
        ValueError: an argument out of its range.

    Assumes: independent near normal increments; that nothing is stopped at looks in between is neglected.
    Source: Lan and Wittes (1988).
    """
    if not (math.isfinite(z) and 0 < fraction < 1 and critical >= 0):
        raise ValueError(
            "conditional power needs a finite z, a fraction between 0 and 1 and a critical value of at least 0; "
            f"got {z}, {fraction}, {critical}"
        )
    from scipy.special import ndtr

    expected, spread = z / math.sqrt(fraction), math.sqrt(1 - fraction)
    return min(1.0, float(ndtr((expected - critical) / spread) + ndtr((-expected - critical) / spread)))
