"""How much of the error rate is spent when a part of the information is in (Lan and DeMets).

The number and the times of the looks need not be planned: what may be spent at a look depends on the information
that is in, not on the looks to come.

Depends on: numpy, scipy.special. Used by: `abtest.analytics.sequential.group_sequential`.
"""

from __future__ import annotations

import math

from abtest.analytics.model import Method
from abtest.analytics.plan import Spending

STATISTIC = Method(
    name="Alpha spending of O'Brien-Fleming type",
    formula="spent(t) = 2 - 2 Phi(z(1 - a/2) / sqrt(t)), t = information so far / planned, a = one-sided error rate",
    source="Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, function alpha1*",
)
POCOCK = Method(
    name="Alpha spending of Pocock type",
    formula="spent(t) = a ln(1 + (e - 1) t), t = information so far / planned, a = one-sided error rate",
    source="Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, function alpha2*",
)


def spent(fraction: float, *, one_sided_alpha: float = 0.025, spending: Spending = "obrien_fleming") -> float:
    """Return the part of the error rate that may be spent up to a fraction of the planned information.

    Args:
        fraction: information so far divided by the planned one, at least 0; from 1 on everything is spent.
        one_sided_alpha: error rate of one side in (0, 1); half of the two-sided one.
        spending: which function.

    Returns:
        From 0 to `one_sided_alpha`, growing with the fraction; 0 where it is too small for a float.

    Raises:
        ValueError: a negative fraction, or an error rate outside (0, 1).

    Source: Lan and DeMets (1983).
    """
    if not fraction >= 0:
        raise ValueError(f"an information fraction is at least 0; got {fraction}")
    check_one_sided(one_sided_alpha)
    if fraction == 0 or fraction >= 1:
        return one_sided_alpha if fraction else 0.0
    if spending == "pocock":
        return one_sided_alpha * math.log1p((math.e - 1) * fraction)
    from scipy.special import ndtr, ndtri

    return 2 * float(ndtr(float(ndtri(one_sided_alpha / 2)) / math.sqrt(fraction)))


def check_one_sided(one_sided_alpha: float) -> None:
    """Refuse an error rate outside (0, 1).

    Raises:
        ValueError: it is.
    """
    if not 0 < one_sided_alpha < 1:
        raise ValueError(f"a one-sided error rate lies between 0 and 1, both excluded; got {one_sided_alpha}")
