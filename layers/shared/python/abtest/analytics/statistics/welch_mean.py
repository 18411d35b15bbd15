"""Mean difference of two unpaired groups, B - A, with unequal variances.

Depends on: numpy, `abtest.analytics.statistics.paired_mean`. Used by: comparisons of arms that share no samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from abtest.analytics.model import Method
from abtest.analytics.statistics._values import finite_list
from abtest.analytics.statistics.paired_mean import MeanDifference, centred_squares, with_interval

STATISTIC = Method(
    name="Welch t test of the mean difference",
    formula="SE^2 = s_A^2 / n_A + s_B^2 / n_B; interval and p from t(v), "
    "v = SE^4 / (s_A^4 / (n_A^2 (n_A - 1)) + s_B^4 / (n_B^2 (n_B - 1)))",
    source="Welch (1947), The generalization of Student's problem when several different population variances are "
    "involved; degrees of freedom after Satterthwaite (1946), eq. 17",
)
_SAME = 1e-12


@dataclass(frozen=True)
class UnpairedDifference(MeanDifference):
    """A mean difference that also says how many observations each group has; `n` is their sum."""

    n_a: int = 0
    n_b: int = 0


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of one group; the sum of two is that of the pooled group.

    Args:
        n: observations.
        mean: their mean.
        m2: sum of squared distances from it.
        low: smallest observation; `high`: the largest.
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @classmethod
    def of(cls, values: Any) -> Moments:
        """Return the moments of finite observations, shape (n,).

        Raises:
            ValueError: it is no list, or holds a number that is not finite.
        """
        x = finite_list(values, "observations")
        if x.size == 0:
            return cls()
        return cls(int(x.size), float(x.mean()), centred_squares(x), float(x.min()), float(x.max()))

    def __add__(self, other: Moments) -> Moments:
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        gap, share = other.mean - self.mean, other.n / n
        return Moments(
            n,
            self.mean + gap * share,
            self.m2 + other.m2 + gap * gap * self.n * share,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @property
    def is_constant(self) -> bool:
        """Whether all observations are one value, up to rounding."""
        return self.n > 0 and self.high - self.low <= _SAME * max(1.0, abs(self.mean))

    @property
    def variance(self) -> float | None:
        """Sample variance with divisor n - 1; None below two observations."""
        if self.n < 2:
            return None
        return 0.0 if self.is_constant else self.m2 / (self.n - 1)


@dataclass(frozen=True)
class WelchMean:
    """Sufficient statistics of two unpaired groups; the sum of two is that of the pooled groups."""

    a: Moments = field(default_factory=Moments)
    b: Moments = field(default_factory=Moments)

    @classmethod
    def of(cls, a: Any, b: Any) -> WelchMean:
        """Return the statistics of two groups.

        Args:
            a: observations of the control, shape (n_a,), finite.
            b: observations of the treatment, shape (n_b,), finite.
        """
        return cls(Moments.of(a), Moments.of(b))

    def __add__(self, other: WelchMean) -> WelchMean:
        return WelchMean(self.a + other.a, self.b + other.b)

    def result(self, alpha: float = 0.05) -> UnpairedDifference:
        """Return effect, standard error, interval and p-value.

        Args:
            alpha: two-sided error rate.

        Assumes: all observations are independent; groups are large or near normal.
        """
        a, b = self.a, self.b
        found = UnpairedDifference("no_data", a.n + b.n, n_a=a.n, n_b=b.n)
        if a.n == 0 or b.n == 0:
            return found
        found = replace(found, status="too_few", mean_a=a.mean, mean_b=b.mean, effect=b.mean - a.mean)
        if a.variance is None or b.variance is None:
            return found
        part_a, part_b = a.variance / a.n, b.variance / b.n
        if part_a + part_b == 0:
            return replace(found, status="constant", se=0.0)
        # Shares of the variance instead of its square: fourth powers of small spreads would underflow.
        share = part_a / (part_a + part_b)
        df = 1 / (share**2 / (a.n - 1) + (1 - share) ** 2 / (b.n - 1))
        return with_interval(replace(found, status="ok", se=math.sqrt(part_a + part_b), df=df), alpha)
