"""Power, sample size and detectable win rate of pairwise verdicts with ties, against 1/2.

Depends on: `abtest.analytics.planning.power_mcnemar`. Used by: the planning of a test.
"""

from __future__ import annotations

import math

from abtest.analytics.model import Method
from abtest.analytics.planning._plan import (
    DetectableEffect,
    Power,
    SampleSize,
    check_rates,
    check_samples,
    upper_quantile,
)
from abtest.analytics.planning.power_mcnemar import sample_size_mcnemar

STATISTIC = Method(
    name="Sample size of a win rate with ties",
    formula="n = (z(1 - alpha / 2) sqrt(u) + z(power) sqrt(u - (2 W - 1)^2))^2 / (2 W - 1)^2, "
    "W = wins + ties / 2, u = 1 - ties",
    source="Connor (1987), Sample size for testing differences in proportions for the paired-sample design, "
    "with wins and losses as the pairs that differ; "
    "without ties Noether (1987), Sample size determination for some common nonparametric tests, section 2",
)


def sample_size_win_rate(win_rate: float, *, ties: float = 0.0, power: float = 0.8, alpha: float = 0.05) -> SampleSize:
    """Return the verdicts, ties included, with which a win rate is told from 1/2 with a given power.

    Args:
        win_rate: expected share of wins, a tie counting half.
        ties: expected share of ties, in [0, 1).
        power: chance to find the difference, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` for a win rate of 1/2.

    Raises:
        ValueError: a win rate that the share of ties does not allow, or a rate out of its range.

    Assumes: independent verdicts, one for each sample; the normal approximation.
    """
    wins, losses = _shares(win_rate, ties)
    return sample_size_mcnemar(wins, losses, power=power, alpha=alpha)


def power_win_rate(n: float, win_rate: float, *, ties: float = 0.0, alpha: float = 0.05) -> Power:
    """Return the chance that a win rate is told from 1/2.

    Args:
        n: verdicts, ties included.
        win_rate: true share of wins, a tie counting half.
        ties: true share of ties, in [0, 1).
        alpha: two-sided error rate.

    Returns:
        `too_few` without verdicts.

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, (1 + alpha) / 2)
    check_samples(n)
    _shares(win_rate, ties)
    if n == 0:
        return Power("too_few")
    decided, lead = 1 - ties, abs(2 * win_rate - 1)
    excess = math.sqrt(n) * lead - upper_quantile(alpha / 2) * math.sqrt(decided)
    spread = math.sqrt(max(0.0, decided - lead**2))
    if spread == 0:
        return Power("ok", float(excess > 0))
    from scipy.special import ndtr

    return Power("ok", float(ndtr(excess / spread)))


def detectable_win_rate(n: float, *, ties: float = 0.0, power: float = 0.8, alpha: float = 0.05) -> DetectableEffect:
    """Return the smallest win rate above 1/2 that is found with a given power.

    Args:
        n: verdicts, ties included.
        ties: expected share of ties, in [0, 1).
        power: chance to find it, between alpha and 1.
        alpha: two-sided error rate.

    Returns:
        `unreachable` where not even winning every decided verdict would be found.

    Raises:
        ValueError: an argument out of its range.
    """
    check_rates(alpha, power)
    check_samples(n)
    highest, _ = _shares(1 - ties / 2, ties)
    z_alpha, z_power = upper_quantile(alpha / 2), upper_quantile(1 - power)
    inner = n - z_alpha**2 + z_power**2
    if inner < 0:
        return DetectableEffect("unreachable")
    # Connor's equation is quadratic in the lead; of its roots this one has the sign that squaring lost.
    lead = math.sqrt(highest) * (z_alpha * math.sqrt(n) + z_power * math.sqrt(inner)) / (n + z_power**2)
    if lead > highest or lead * math.sqrt(n) < z_alpha * math.sqrt(highest):
        return DetectableEffect("unreachable")
    return DetectableEffect("ok", (1 + lead) / 2)


def _shares(win_rate: float, ties: float) -> tuple[float, float]:
    """Return the shares of wins and of losses."""
    if not 0 <= ties < 1:
        raise ValueError(f"the share of ties lies in [0, 1); got {ties}")
    wins, losses = win_rate - ties / 2, 1 - win_rate - ties / 2
    if not (wins >= -1e-12 and losses >= -1e-12):
        raise ValueError(f"with {ties} ties a win rate lies between {ties / 2} and {1 - ties / 2}; got {win_rate}")
    return max(0.0, wins), max(0.0, losses)
