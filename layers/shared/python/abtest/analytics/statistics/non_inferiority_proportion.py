"""Is the treatment's share of bad (or good) outcomes shown to be worse by less than a margin?

Depends on: `abtest.analytics.statistics.share_difference`, `abtest.analytics.statistics.score_share_difference`,
`abtest.analytics.sequential._root`. Used by: `abtest.analytics.comparison.guarding`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.sequential._root import root
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.non_inferiority_mean import check_margin
from abtest.analytics.statistics.score_share_difference import score_p_below
from abtest.analytics.statistics.share_difference import ShareDifference, TwoShares, newcombe, newcombe_paired

STATISTIC = Method(
    name="Non-inferiority test of a share",
    formula="Newcombe interval of the loss (D - sqrt((p_B - l_B)^2 - 2 phi (p_B - l_B)(u_A - p_A) + (u_A - p_A)^2) to "
    "D + sqrt((u_B - p_B)^2 - 2 phi (u_B - p_B)(p_A - l_A) + (p_A - l_A)^2), l and u Wilson limits, phi the pairs' "
    "correlation or 0); p = the one-sided alpha whose upper limit is the margin",
    source="Newcombe (1998), Interval estimation for the difference between independent proportions, method 10, and "
    "Improved confidence intervals for the difference between binomial proportions based on paired data, method 10",
)
_NEAREST_Z = 1e-9
_FARTHEST_Z = 36.0


@dataclass(frozen=True)
class ShareNonInferiority:
    """How much worse the treatment's share is, against the margin; None where it cannot be tested.

    Args:
        status: `ok`, or `no_data` when a group is empty.
        n: observations of both groups, or pairs.
        margin: the largest loss that is still acceptable, as a share.
        loss: how much worse B is; negative where it is better.
        low: one-sided lower limit of the loss at 1 - alpha.
        high: one-sided upper limit at 1 - alpha; both are the interval with level 1 - 2 alpha.
        p_value: of "the loss is at least the margin", from the same interval, so that the two never disagree.
        p_value_score: the same by the score test; None for pairs.
        non_inferior: whether the upper limit is below the margin.
    """

    status: Status
    n: int
    margin: float
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_value_score: float | None = None
    non_inferior: bool | None = None


def non_inferiority(
    shares: TwoShares, *, margin: float, lower_is_better: bool = True, alpha: float = 0.05
) -> ShareNonInferiority:
    """Return whether B's share is shown to be worse by less than the margin, from unpaired groups.

    Args:
        shares: counts of both groups.
        margin: the largest loss that is still acceptable, as a share, from 0 to below 1.
        lower_is_better: yes is bad, such as an error.
        alpha: one-sided error rate, below 1/2.

    Raises:
        ValueError: the margin is no share, or alpha is not between 0 and 1/2.

    Assumes: independent answers; the margin was declared before the data were seen.
    """
    _check(margin, alpha)
    counted = shares if lower_is_better else shares.complement
    p_score = score_p_below(counted, margin)
    return _decision(lambda a: newcombe(counted, a), shares.n_a + shares.n_b, margin, alpha, p_score)


def paired_non_inferiority(
    table: McNemar, *, margin: float, lower_is_better: bool = True, alpha: float = 0.05
) -> ShareNonInferiority:
    """Return whether B's share is shown to be worse by less than the margin, from pairs.

    Args:
        table: counts of pairs.
        margin: the largest loss that is still acceptable, as a share, from 0 to below 1.
        lower_is_better: 1 is bad, such as an error.
        alpha: one-sided error rate, below 1/2.

    Raises:
        ValueError: the margin is no share, or alpha is not between 0 and 1/2.

    Assumes: independent pairs; the margin was declared before the data were seen.
    """
    _check(margin, alpha)
    counted = table if lower_is_better else McNemar(table.neither, table.only_b, table.only_a, table.both)
    return _decision(lambda a: newcombe_paired(counted, a), table.n, margin, alpha, None)


def _check(margin: float, alpha: float) -> None:
    check_margin(margin, alpha)
    if margin >= 1:
        raise ValueError(f"a margin of a share is below 1; got {margin}")


def _decision(
    interval: Callable[[float], ShareDifference], n: int, margin: float, alpha: float, p_score: float | None
) -> ShareNonInferiority:
    found = interval(2 * alpha)
    if found.effect is None or found.ci_low is None or found.ci_high is None:
        return ShareNonInferiority(found.status, n, margin)
    return ShareNonInferiority(
        status="ok",
        n=n,
        margin=margin,
        loss=found.effect,
        low=found.ci_low,
        high=found.ci_high,
        p_value=_p_value(interval, found.effect, margin),
        p_value_score=p_score,
        non_inferior=found.ci_high < margin,
    )


def _p_value(interval: Callable[[float], ShareDifference], loss: float, margin: float) -> float:
    """Return the one-sided alpha at which the limit of the loss meets the margin."""
    inside = loss < margin

    def distance(z: float) -> float:
        found = interval(math.erfc(z / math.sqrt(2)))
        limit = found.ci_high if inside else found.ci_low
        return (limit if limit is not None else loss) - margin

    side = 1 if inside else -1
    if distance(_NEAREST_Z) * side >= 0:
        z = 0.0
    elif distance(_FARTHEST_Z) * side <= 0:
        z = _FARTHEST_Z
    else:
        z = root(distance, _NEAREST_Z, _FARTHEST_Z, tolerance=1e-12)
    tail = math.erfc(z / math.sqrt(2)) / 2
    return max(SMALLEST_P, tail) if inside else 1 - tail
