"""Two one-sided tests: is a mean difference shown to lie between two margins?

Depends on: `abtest.analytics.statistics.paired_mean`. Used by: comparisons in which "no difference" is the claim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._one_sided import above
from abtest.analytics.statistics._student import critical_value
from abtest.analytics.statistics._wald import check_alpha
from abtest.analytics.statistics.paired_mean import MeanDifference

STATISTIC = Method(
    name="Two one-sided tests of equivalence (TOST)",
    formula="p = max(P(T > (effect - low) / SE), P(T < (effect - high) / SE)), T ~ t(df); "
    "equivalent when p < alpha, which is when the 1 - 2 alpha interval lies inside (low, high)",
    source="Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach, section 2; "
    "Lakens (2017), Equivalence tests",
)


@dataclass(frozen=True)
class Equivalence:
    """Whether a mean difference lies within its margins; None where it cannot be tested.

    Args:
        status: that of the mean difference.
        low: lower margin, in the metric's unit; `high`: the upper one.
        effect: B - A.
        p_lower: of "the effect is at most low".
        p_upper: of "the effect is at least high".
        p_value: the larger of the two.
        ci_low: lower end of the interval with level 1 - 2 alpha; `ci_high`: its upper end.
        equivalent: whether p_value is below alpha.
    """

    status: Status
    low: float
    high: float
    effect: float | None = None
    p_lower: float | None = None
    p_upper: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    equivalent: bool | None = None


def equivalence(found: MeanDifference, low: float, high: float, alpha: float = 0.05) -> Equivalence:
    """Return whether a mean difference is shown to lie inside (low, high).

    Args:
        found: the difference with its standard error: paired, clustered or of unpaired groups (Welch).
        low: lower margin, in the metric's unit.
        high: upper margin, above `low`.
        alpha: error rate of each of the two tests, and of both together, below 1/2.

    Raises:
        ValueError: the margins are not finite and in order, or alpha is not between 0 and 1/2.

    Assumes: the margins were declared before the data were seen; for the rest what the mean difference assumes.
    """
    check_alpha(2 * alpha)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"margins are finite, the lower one below the upper one; got {low} and {high}")
    if found.status != "ok" or found.effect is None or not found.se or found.df is None:
        return Equivalence(found.status, low, high, found.effect)
    p_lower = above((found.effect - low) / found.se, found.df)
    p_upper = above((high - found.effect) / found.se, found.df)
    p_value = max(p_lower, p_upper)
    reach = critical_value(2 * alpha, found.df) * found.se
    return Equivalence(
        status="ok",
        low=low,
        high=high,
        effect=found.effect,
        p_lower=p_lower,
        p_upper=p_upper,
        p_value=p_value,
        ci_low=found.effect - reach,
        ci_high=found.effect + reach,
        equivalent=p_value < alpha,
    )
