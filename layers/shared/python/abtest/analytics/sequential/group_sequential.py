"""Critical values for planned and unplanned looks, and the intervals and p-values that may be read at each of them.

Boundaries are upper ones of one side at half of the two-sided error rate. Used on both sides they are symmetric
two-sided ones; that a path crosses both is neglected, which errs on the safe side.

Depends on: `abtest.analytics.sequential.alpha_spending`, scipy.special.
Used by: `abtest.analytics.sequential.group_sequential_design`, the group sequential design.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from abtest.analytics.model import Method, Status
from abtest.analytics.plan import Spending
from abtest.analytics.sequential._recursive_integration import above, advance, boundary_for, check_fractions, start
from abtest.analytics.sequential._root import root
from abtest.analytics.sequential.alpha_spending import check_one_sided, spent
from abtest.analytics.statistics._student import SMALLEST_P

STATISTIC = Method(
    name="Group sequential boundary by alpha spending",
    formula="z_k solves P(Z_1 < z_1, ..., Z_(k-1) < z_(k-1), Z_k >= z_k) = spent(t_k) - spent(t_(k-1)), "
    "Corr(Z_i, Z_j) = sqrt(t_i / t_j), i < j; repeated interval: effect -+ z_k SE",
    source="Lan and DeMets (1983); integration as in Armitage, McPherson and Rowe (1969) and "
    "Jennison and Turnbull (2000), chapter 19; repeated intervals: Jennison and Turnbull (2000), chapter 9",
)
WANG_TSIATIS = Method(
    name="Group sequential boundary for equally spaced looks",
    formula="z_k = C (k / K)^(D - 1/2), D = 0 O'Brien-Fleming, D = 1/2 Pocock; C so that all looks together err with a",
    source="Wang and Tsiatis (1987), Approximately optimal one-parameter boundaries for group sequential trials; "
    "Jennison and Turnbull (2000), section 2.7",
)


_GRID = 2.0**27


@dataclass(frozen=True)
class Boundaries:
    """What a statistic must exceed at each look.

    Args:
        status: `ok`, or `no_data` without looks.
        fractions: of the planned information at each look.
        critical_z: of one side; None at a look that has nothing to spend and so cannot stop.
        nominal_p: one-sided p-value of `critical_z`.
        spent: one-sided error rate spent up to each look.
    """

    status: Status
    fractions: tuple[float, ...] = ()
    critical_z: tuple[float | None, ...] = ()
    nominal_p: tuple[float | None, ...] = ()
    spent: tuple[float, ...] = ()


def lan_demets_boundaries(
    fractions: Sequence[float],
    *,
    one_sided_alpha: float = 0.025,
    spending: Spending = "obrien_fleming",
    final: bool = False,
) -> Boundaries:
    """Return the critical values of looks at arbitrary information fractions.

    The value at a look depends on this look and those before it only, so fractions may be those of the looks really
    made so far, whatever was planned.

    Args:
        fractions: information at each look divided by the planned one, ascending; may end above 1.
        one_sided_alpha: error rate of one side; half of the two-sided one.
        spending: how it is spent.
        final: the last look is the last of all and spends what is left, also where its fraction is below 1.

    Raises:
        ValueError: fractions that do not grow, or an error rate outside (0, 1).

    Assumes: estimates whose increments are independent and near normal, with variance 1 / information.
    """
    check_one_sided(one_sided_alpha)
    times = check_fractions(fractions)
    if not times:
        return Boundaries("no_data")
    return _lan_demets(times, one_sided_alpha, spending, final)


def wang_tsiatis_boundaries(
    looks: int, *, one_sided_alpha: float = 0.025, shape: Spending = "obrien_fleming"
) -> Boundaries:
    """Return the exact O'Brien-Fleming or Pocock critical values for looks after equal parts of the information.

    Args:
        looks: planned looks, at least 1.
        one_sided_alpha: error rate of one side; half of the two-sided one.
        shape: O'Brien-Fleming falls as 1 / sqrt(t), Pocock is constant.

    Raises:
        ValueError: no look, or an error rate outside (0, 1).
    """
    check_one_sided(one_sided_alpha)
    if looks < 1:
        raise ValueError(f"a design needs at least one look; got {looks}")
    from scipy.special import ndtri

    times = tuple((k + 1) / looks for k in range(looks))
    power = -0.5 if shape == "obrien_fleming" else 0.0
    fixed = -float(ndtri(one_sided_alpha))
    if looks == 1:
        return _described(times, [fixed], [one_sided_alpha])

    def excess(constant: float) -> float:
        return math.log(crossing(times, [constant * t**power for t in times])[-1] / one_sided_alpha)

    # By Bonferroni's inequality no look needs more than its share of the error rate.
    constant = root(excess, fixed, -float(ndtri(one_sided_alpha / looks)), tolerance=1e-11)
    critical = [constant * t**power for t in times]
    return _described(times, critical, crossing(times, critical))


def crossing(fractions: Sequence[float], critical_z: Sequence[float | None]) -> list[float]:
    """Return the probability, at no effect, to have crossed a one-sided upper boundary up to each look.

    Args:
        fractions: of the planned information at each look, ascending.
        critical_z: of each look; None at a look that stops nothing.
    """
    times = check_fractions(fractions)
    going, total, cumulative = start(), 0.0, []
    for look, (time, critical) in enumerate(zip(times, critical_z, strict=True)):
        bound = math.inf if critical is None else critical * math.sqrt(time)
        total += 0.0 if critical is None else above(going, time, bound)
        cumulative.append(total)
        if look + 1 < len(times):
            going = advance(going, time, -math.inf, bound, next_time=times[look + 1])
    return cumulative


def repeated_p_value(
    z: float, fractions: Sequence[float], *, spending: Spending = "obrien_fleming", final: bool = False
) -> float:
    """Return the two-sided p-value that may be read at the last of the looks made: the smallest alpha that rejects.

    Args:
        z: effect / SE at the last look, finite.
        fractions: of the planned information at the looks made, the last being this one.
        spending: how the design spends its error rate.
        final: this look is the last of all and spends what is left.

    Raises:
        ValueError: no look, fractions that do not grow, or a z that is not finite.

    Source: Jennison and Turnbull (2000), chapter 9, repeated p-values.
    """
    times = check_fractions(fractions)
    if not times or not math.isfinite(z):
        raise ValueError(f"a p-value needs a look and a finite z; got z = {z} at {len(times)} looks")
    from scipy.special import ndtr

    # No look rejects with less than its nominal level, so the quantile of the answer lies below |z|.
    highest = min(abs(z), 36.5)

    def excess(quantile: float) -> float:
        critical = _lan_demets.__wrapped__(times, float(ndtr(-quantile)), spending, final).critical_z[-1]
        return math.inf if critical is None else critical - abs(z)

    if excess(0.0) >= 0:
        return 1.0
    found = highest if excess(highest) <= 0 else root(lambda q: min(excess(q), 1e3), 0.0, highest, tolerance=1e-10)
    return min(1.0, max(SMALLEST_P, 2 * float(ndtr(-found))))


@lru_cache(maxsize=256)
def _lan_demets(times: tuple[float, ...], one_sided_alpha: float, spending: Spending, final: bool) -> Boundaries:
    going, before = start(), 0.0
    critical: list[float | None] = []
    cumulative: list[float] = []
    for look, time in enumerate(times):
        is_last = look + 1 == len(times)
        share = 1.0 if final and is_last else time
        now = spent(share, one_sided_alpha=one_sided_alpha, spending=spending)
        bound = boundary_for(going, time, now - before) if now - before > SMALLEST_P else math.inf
        critical.append(None if math.isinf(bound) else _outwards(bound / math.sqrt(time), searched=look > 0))
        cumulative.append(now)
        before = now
        if not is_last:
            going = advance(going, time, -math.inf, bound, next_time=times[look + 1])
    return _described(times, critical, cumulative)


def _outwards(critical: float, *, searched: bool) -> float:
    """Return a value that was searched for as the next multiple of 2^-27 above it, so that it never spends too much.

    The first look needs no search. Tables of boundaries end their searches at that distance, so values compare.
    """
    return math.ceil(critical * _GRID) / _GRID if searched else critical


def _described(times: tuple[float, ...], critical: Sequence[float | None], cumulative: Sequence[float]) -> Boundaries:
    from scipy.special import ndtr

    nominal = tuple(None if z is None else max(SMALLEST_P, float(ndtr(-z))) for z in critical)
    return Boundaries("ok", times, tuple(critical), nominal, tuple(cumulative))
