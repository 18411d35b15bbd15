"""Wilcoxon signed-rank test of paired differences. It is not a test of the mean.

It asks whether the differences lie symmetrically about 0. With skewed differences it rejects though their mean is 0.

Depends on: numpy, scipy.special. Used by: the sensitivity tests of a comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._ranks import sorted_midranks
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics._values import finite_list

STATISTIC = Method(
    name="Wilcoxon signed-rank test",
    formula="W+ = sum of mid-ranks of |d| where d > 0; exact: all 2^n signs of the ranks; large n: "
    "z = (W+ - sum r / 2) / sqrt(sum r^2 / 4)",
    source="Wilcoxon (1945); zeros after Pratt (1959); exact distribution given ties after Streitberg and Roehmel "
    "(1986); variance with ties as in Hollander, Wolfe and Chicken (2014), section 3.1",
)
Zeros = Literal["wilcoxon", "pratt"]
_EXACT_WORK = 30_000_000
"""Additions spent on the exact distribution: about 300 untied differences, where the normal one is as good."""

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SignedRankResult:
    """The test; p is 1 by convention when every difference is 0.

    Args:
        n: all differences; `n_nonzero`: those that are not 0.
        w_plus: rank sum of the positive ones; `w_minus`: of the negative ones.
        p_value: the exact p-value where it was computed, else the asymptotic one; `method` says which.
        z: W+ standardised, without continuity correction.
        p_asymptotic: two-sided normal p-value; `p_asymptotic_corrected`: with continuity correction.
    """

    status: Status
    n: int
    n_nonzero: int
    w_plus: float = 0.0
    w_minus: float = 0.0
    p_value: float | None = None
    method: Literal["exact", "asymptotic"] | None = None
    p_exact: float | None = None
    z: float | None = None
    p_asymptotic: float | None = None
    p_asymptotic_corrected: float | None = None


def wilcoxon_signed_rank(d: Any, zeros: Zeros = "wilcoxon") -> SignedRankResult:
    """Return the two-sided signed-rank test of differences.

    Args:
        d: differences B - A, shape (n,), finite; equal ones must be equal in every bit to count as ties
            (`abtest.analytics.statistics.paired_mean.differences` makes them so).
        zeros: `wilcoxon` leaves zeros out before ranking, `pratt` after.

    Raises:
        ValueError: a difference is not finite, or the treatment of zeros is unknown.

    Assumes: pairs are independent and the differences symmetric about one centre, which is what is tested: a shift of
    the pseudo-median. Without symmetry a small p-value does not mean that the means differ.
    Source: Wilcoxon (1945); Pratt (1959); Streitberg and Roehmel (1986).
    """
    values = finite_list(d)
    if zeros not in ("wilcoxon", "pratt"):
        raise ValueError(f"zeros are treated as `wilcoxon` or `pratt`; got {zeros!r}")
    n, nonzero = int(values.size), int(np.count_nonzero(values))
    if nonzero == 0:
        return SignedRankResult("all_ties", n, 0, p_value=1.0) if n else SignedRankResult("no_data", 0, 0)
    ranked = values[values != 0] if zeros == "wilcoxon" else values
    order, doubled = sorted_midranks(np.abs(ranked))
    signs = np.sign(ranked[order])
    ranks = doubled[signs != 0]
    plus, total = int(doubled[signs > 0].sum()), int(ranks.sum())
    found = SignedRankResult("ok", n, nonzero, plus / 2, (total - plus) / 2)
    # Everything is in doubled ranks: the half of the continuity correction is 1 in them.
    gap, sd = plus - total / 2, math.sqrt(float((ranks.astype(np.float64) ** 2).sum()) / 4)
    found = replace(found, z=gap / sd, p_asymptotic=_normal_p(abs(gap) / sd))
    found = replace(found, p_asymptotic_corrected=_normal_p(max(0.0, abs(gap) - 1) / sd))
    exact = _exact_p(ranks, plus)
    if exact is None:
        return replace(found, p_value=found.p_asymptotic, method="asymptotic")
    return replace(found, p_value=exact, p_exact=exact, method="exact")


def _normal_p(z: float) -> float:
    return max(SMALLEST_P, math.erfc(z / math.sqrt(2)))


def _exact_p(ranks: Whole, plus: int) -> float | None:
    """Return the two-sided p-value over all signs of the ranks as they are tied; None where that takes too long."""
    if ranks.size > 10_000:
        return None
    step = int(np.gcd.reduce(ranks))
    ranks = ranks // step
    total = int(ranks.sum())
    if ranks.size * total > _EXACT_WORK:
        return None
    chance = np.zeros(total + 1)
    chance[0], reached = 1.0, 0
    for rank in ranks.tolist():
        # Halving at each sign keeps the numbers chances: counts would overflow.
        half = chance[: reached + 1] / 2
        chance[: reached + 1] = half
        chance[rank : reached + rank + 1] += half
        reached += rank
    fewer = min(plus // step, total - plus // step)
    return min(1.0, max(SMALLEST_P, 2 * float(chance[: fewer + 1].sum())))
