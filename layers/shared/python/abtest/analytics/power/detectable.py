"""What effect a number of paired samples can detect: for the estimate before a run.

Depends on: the standard library only, so that the API can use it without the statistics layer.
Used by: the estimate of a test.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def detectable_effect_binary(
    n: int, *, alpha: float = 0.05, power: float = 0.8, discordance: float = 0.5
) -> float | None:
    """Return the smallest true difference of two pass rates that a paired test will probably find.

    Args:
        n: paired samples.
        alpha: two-sided error rate.
        power: chance to find the difference, above 0.5.
        discordance: assumed share of pairs in which the variants differ, in (0, 1]; more makes finding harder.

    Returns:
        The difference as a share (0.1 is ten points), or None when not even the largest possible one (which is
        `discordance`) is found with that chance.

    Assumes: the normal approximation to McNemar's test.
    Source: Connor (1987), Sample size for testing differences in proportions for the paired-sample design,
    n = (z_a sqrt(psi) + z_b sqrt(psi - delta^2))^2 / delta^2, solved for delta.
    """
    _check(n, alpha, power)
    if not 0 < discordance <= 1:
        raise ValueError(f"discordance must lie in (0, 1]; got {discordance}")
    z_a, z_b = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    inner = n - z_a**2 + z_b**2
    if inner < 0:
        return None
    effect = math.sqrt(discordance) * (z_a * math.sqrt(n) + z_b * math.sqrt(inner)) / (n + z_b**2)
    # Squaring loses a sign: below n = z_a^2 / psi the root belongs to another equation.
    return effect if effect <= discordance and effect * math.sqrt(n) >= z_a * math.sqrt(discordance) else None


def _check(n: int, alpha: float, power: float) -> None:
    if n < 0:
        raise ValueError(f"the number of samples must not be negative; got {n}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1; got {alpha}")
    if not 0.5 < power < 1:
        raise ValueError(f"power must lie between 0.5 and 1; got {power}")
