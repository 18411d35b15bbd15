"""Intervals for the difference of two shares, B - A, of unpaired groups and of pairs.

Depends on: `abtest.analytics.statistics.binomial_interval`, `abtest.analytics.statistics.mcnemar`. Used by:
`abtest.analytics.statistics.non_inferiority_proportion`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._wald import quantile
from abtest.analytics.statistics.binomial_interval import wilson
from abtest.analytics.statistics.mcnemar import McNemar

STATISTIC = Method(
    name="Newcombe interval of the difference of two shares",
    formula="l, u Wilson limits of each share: D - sqrt((p_B - l_B)^2 + (u_A - p_A)^2) to "
    "D + sqrt((u_B - p_B)^2 + (p_A - l_A)^2)",
    source="Newcombe (1998), Interval estimation for the difference between independent proportions, method 10",
)
PAIRED = Method(
    name="Newcombe interval of the difference of paired shares",
    formula="as for unpaired shares, with - 2 phi (p_B - l_B)(u_A - p_A) and - 2 phi (u_B - p_B)(p_A - l_A) under the "
    "roots; phi = c / sqrt((e+f)(g+h)(e+g)(f+h)), c = max(eh - fg - n/2, 0) where eh > fg, else eh - fg",
    source="Newcombe (1998), Improved confidence intervals for the difference between binomial proportions based on "
    "paired data, method 10",
)
AGRESTI_CAFFO = Method(
    name="Agresti-Caffo interval of the difference of two shares",
    formula="q = (x + 1) / (n + 2): q_B - q_A -+ z sqrt(sum of q (1 - q) / (n + 2))",
    source="Agresti and Caffo (2000), Simple and effective confidence intervals for proportions, section 3",
)
WALD = Method(
    name="Wald interval of the difference of two shares",
    formula="D -+ z sqrt(sum of p (1 - p) / n)",
    source="Newcombe (1998), Interval estimation for the difference between independent proportions, method 1",
)


@dataclass(frozen=True)
class ShareDifference:
    """Share of B less that of A with its interval; None with status `no_data` when a group is empty."""

    status: Status
    effect: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True)
class TwoShares:
    """Counts of yes in two unpaired groups; the sum of two is that of the pooled answers."""

    successes_a: int = 0
    n_a: int = 0
    successes_b: int = 0
    n_b: int = 0

    def __post_init__(self) -> None:
        for successes, n in ((self.successes_a, self.n_a), (self.successes_b, self.n_b)):
            if not 0 <= successes <= n:
                raise ValueError(f"counts must hold 0 <= successes <= n; got {successes} of {n}")

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.successes_a + other.successes_a,
            self.n_a + other.n_a,
            self.successes_b + other.successes_b,
            self.n_b + other.n_b,
        )

    @property
    def is_empty(self) -> bool:
        """Whether a group has no answer."""
        return not (self.n_a and self.n_b)

    @property
    def effect(self) -> float:
        """Share of B less that of A; both groups have answers."""
        return self.successes_b / self.n_b - self.successes_a / self.n_a

    @property
    def complement(self) -> TwoShares:
        """The same groups, counted by their no."""
        return TwoShares(self.n_a - self.successes_a, self.n_a, self.n_b - self.successes_b, self.n_b)


def newcombe(shares: TwoShares, alpha: float = 0.05) -> ShareDifference:
    """Return the difference with Newcombe's hybrid score interval; it keeps its coverage at 0 events.

    Args:
        shares: counts of both groups.
        alpha: two-sided error rate.

    Assumes: independent answers. Source: Newcombe (1998), method 10.
    """
    quantile(alpha)
    if shares.is_empty:
        return ShareDifference("no_data")
    return _square_and_add((shares.successes_a, shares.n_a), (shares.successes_b, shares.n_b), 0.0, alpha)


def newcombe_paired(table: McNemar, alpha: float = 0.05) -> ShareDifference:
    """Return the difference of paired shares with Newcombe's square-and-add interval.

    Args:
        table: counts of pairs.
        alpha: two-sided error rate.

    Assumes: independent pairs. Source: Newcombe (1998), paired data, method 10.
    """
    quantile(alpha)
    if table.n == 0:
        return ShareDifference("no_data")
    one, other = table.both + table.only_a, table.both + table.only_b
    return _square_and_add((one, table.n), (other, table.n), _correlation(table), alpha)


def agresti_caffo(shares: TwoShares, alpha: float = 0.05) -> ShareDifference:
    """Return the difference with the interval from one more yes and one more no in each group.

    Args:
        shares: counts of both groups.
        alpha: two-sided error rate.

    Assumes: independent answers. The interval is not centred on the difference itself.
    """
    z = quantile(alpha)
    if shares.is_empty:
        return ShareDifference("no_data")
    more = TwoShares(shares.successes_a + 1, shares.n_a + 2, shares.successes_b + 1, shares.n_b + 2)
    reach = z * _wald_error(more)
    return ShareDifference("ok", shares.effect, max(-1.0, more.effect - reach), min(1.0, more.effect + reach))


def wald(shares: TwoShares, alpha: float = 0.05) -> ShareDifference:
    """Return the difference with the textbook interval, to be shown beside a better one, never alone.

    Args:
        shares: counts of both groups.
        alpha: two-sided error rate.

    Assumes: many yes and many no in both groups. Without one the interval has no width, and the status is `constant`.
    """
    z = quantile(alpha)
    if shares.is_empty:
        return ShareDifference("no_data")
    se = _wald_error(shares)
    return ShareDifference("ok" if se else "constant", shares.effect, shares.effect - z * se, shares.effect + z * se)


def _wald_error(shares: TwoShares) -> float:
    groups = ((shares.successes_a, shares.n_a), (shares.successes_b, shares.n_b))
    return math.sqrt(sum(x / n * ((n - x) / n) / n for x, n in groups))


def _correlation(table: McNemar) -> float:
    """Return phi of a paired table, with Newcombe's correction toward 0 where it is positive."""
    e, f, g, h = table.both, table.only_a, table.only_b, table.neither
    product = (e + f) * (g + h) * (e + g) * (f + h)
    if product == 0:
        return 0.0
    cross = e * h - f * g
    corrected = max(cross - table.n / 2, 0.0) if cross > 0 else float(cross)
    return corrected / math.sqrt(product)


def _square_and_add(a: tuple[int, int], b: tuple[int, int], phi: float, alpha: float) -> ShareDifference:
    one, other = wilson(*a, alpha), wilson(*b, alpha)
    p_a, p_b = a[0] / a[1], b[0] / b[1]
    a_below, a_above = p_a - (one.ci_low or 0.0), (one.ci_high or 0.0) - p_a
    b_below, b_above = p_b - (other.ci_low or 0.0), (other.ci_high or 0.0) - p_b
    down = math.sqrt(max(0.0, b_below**2 - 2 * phi * b_below * a_above + a_above**2))
    up = math.sqrt(max(0.0, b_above**2 - 2 * phi * b_above * a_below + a_below**2))
    effect = p_b - p_a
    return ShareDifference("ok", effect, max(-1.0, effect - down), min(1.0, effect + up))
