"""CUPED: take out of the outcome what a measurement from before the experiment already explains.

Depends on: numpy. Used by: comparisons with a covariate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._student import critical_value, two_sided_p
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="CUPED adjusted difference of means",
    formula="theta = cov(Y, X) / var(X) over all units of both arms; D = (mean Y_B - mean Y_A) - theta (mean X_B - "
    "mean X_A); SE^2 = sum over arms of var(Y - theta X) / n; interval and p from Welch's t",
    source="Deng, Xu, Kohavi and Walker (2013), Improving the sensitivity of online controlled experiments by "
    "utilizing pre-experiment data, section 3.2",
)
POOLED_WITHIN = Method(
    name="CUPED with theta pooled within arms",
    formula="theta = (cov_A(Y, X) + cov_B(Y, X)) / (var_A(X) + var_B(X))",
    source="Deng, Xu, Kohavi and Walker (2013), section 3.2, with moments within arms",
)
ANCOVA = Method(
    name="Analysis of covariance",
    formula="least squares of Y on 1, arm and X; SE from the residual variance with n - 3 degrees of freedom",
    source="Fisher (1932), Statistical methods for research workers, section 49.1",
)
LIN = Method(
    name="Regression adjustment with interactions",
    formula="least squares of Y on 1, arm, X - mean X and arm (X - mean X); the coefficient of arm",
    source="Lin (2013), Agnostic notes on regression adjustments to experimental data, section 4",
)
_SAME = 1e-12


@dataclass(frozen=True)
class JointMoments:
    """Means and centred sums of a covariate x and an outcome y; the sum of two is that of the pooled units."""

    n: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0

    @classmethod
    def of(cls, x: Any, y: Any) -> JointMoments:
        """Return the moments of units with both numbers, each of shape (n,), finite."""
        one, other = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if one.size == 0:
            return cls()
        dx, dy = one - one.mean(), other - other.mean()
        # What rounding leaves of a constant would be taken for a spread.
        dx = dx if np.ptp(one) > _SAME * max(1.0, abs(float(one.mean()))) else np.zeros_like(dx)
        dy = dy if np.ptp(other) > _SAME * max(1.0, abs(float(other.mean()))) else np.zeros_like(dy)
        sums = float(dx @ dx), float(dy @ dy), float(dx @ dy)
        return cls(int(one.size), float(one.mean()), float(other.mean()), *sums)

    def __add__(self, other: JointMoments) -> JointMoments:
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        gap_x, gap_y, weight = other.mean_x - self.mean_x, other.mean_y - self.mean_y, self.n * other.n / n
        # The same value twice, but for its last digit, is no spread either.
        gap_x = gap_x if abs(gap_x) > _SAME * max(1.0, abs(self.mean_x)) else 0.0
        return JointMoments(
            n,
            self.mean_x + gap_x * other.n / n,
            self.mean_y + gap_y * other.n / n,
            self.xx + other.xx + gap_x * gap_x * weight,
            self.yy + other.yy + gap_y * gap_y * weight,
            self.xy + other.xy + gap_x * gap_y * weight,
        )

    def adjusted_variance(self, theta: float) -> float:
        """Return the sample variance of y - theta x, at least 0."""
        return max(0.0, self.yy - 2 * theta * self.xy + theta * theta * self.xx) / (self.n - 1)


@dataclass(frozen=True)
class ArmMoments:
    """One arm: units with a covariate, and outcomes of those without one."""

    complete: JointMoments = field(default_factory=JointMoments)
    missing: JointMoments = field(default_factory=JointMoments)

    def __add__(self, other: ArmMoments) -> ArmMoments:
        return ArmMoments(self.complete + other.complete, self.missing + other.missing)

    def imputed(self, mean_x: float) -> JointMoments:
        """Return the moments of the whole arm, a missing covariate being the given mean."""
        return self.complete + replace(self.missing, mean_x=mean_x)


@dataclass(frozen=True)
class Adjusted:
    """A difference B - A with what it rests on; `se` and what follows from it are None where they do not exist."""

    theta: float | None
    effect: float | None
    se: float | None = None
    df: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True)
class CupedResult:
    """The difference of means with and without adjustment.

    Args:
        status: `ok`; `no_covariate_variation`: the covariate is constant, so nothing was adjusted; `no_data`;
            `too_few`: an arm has one unit; `constant`: the adjusted outcome does not vary.
        n_a: units of A; `n_b`: of B.
        n_imputed: units without a covariate, which were given the overall mean.
        raw: without adjustment, by Welch's t.
        total: with theta over all units (Deng); the one to report.
        pooled_within: with theta pooled within arms.
        ancova: by analysis of covariance.
        lin_effect: by regression with interactions (Lin).
        variance_reduction: 1 - (SE total / SE raw)^2.
        correlation_squared: of outcome and covariate over all units, what the reduction comes close to.
    """

    status: Status
    n_a: int
    n_b: int
    n_imputed: int
    raw: Adjusted | None = None
    total: Adjusted | None = None
    pooled_within: Adjusted | None = None
    ancova: Adjusted | None = None
    lin_effect: float | None = None
    variance_reduction: float | None = None
    correlation_squared: float | None = None


@dataclass(frozen=True)
class Cuped:
    """Sufficient statistics of two arms; the sum of two is that of the pooled units."""

    a: ArmMoments = field(default_factory=ArmMoments)
    b: ArmMoments = field(default_factory=ArmMoments)

    @classmethod
    def of(cls, outcome: Any, covariate: Any, treated: Any) -> Cuped:
        """Return the statistics of units.

        Args:
            outcome: outcomes, shape (n,), finite.
            covariate: what was measured before, shape (n,); None or NaN where missing.
            treated: shape (n,), 0 for the control and 1 for the treatment.

        Raises:
            ValueError: the lists differ in length, a number is infinite, an outcome is missing, or an arm is neither.

        Assumes: the covariate was measured before the assignment, so that the treatment cannot have changed it.
        """
        y, x = np.asarray(outcome, dtype=np.float64), np.asarray(covariate, dtype=np.float64)
        t = np.asarray(treated, dtype=np.float64)
        if y.ndim != 1 or x.shape != y.shape or t.shape != y.shape:
            raise ValueError(
                f"every unit needs an outcome, a covariate and an arm; got {y.shape}, {x.shape}, {t.shape}"
            )
        if not np.isfinite(y).all() or np.isinf(x).any() or not np.isin(t, (0.0, 1.0)).all():
            raise ValueError("outcomes are finite, covariates finite or missing, arms 0 or 1")
        known = ~np.isnan(x)
        arms = [
            ArmMoments(
                JointMoments.of(x[known & (t == arm)], y[known & (t == arm)]),
                JointMoments.of(np.zeros(np.count_nonzero(~known & (t == arm))), y[~known & (t == arm)]),
            )
            for arm in (0, 1)
        ]
        return cls(arms[0], arms[1])

    def __add__(self, other: Cuped) -> Cuped:
        return Cuped(self.a + other.a, self.b + other.b)

    def result(self, alpha: float = 0.05) -> CupedResult:
        """Return the difference of means with and without adjustment.

        Args:
            alpha: two-sided error rate.

        Raises:
            ValueError: alpha is not between 0 and 1.

        Assumes: independent units, assigned at random. A missing covariate is replaced by the overall mean and
            counted; dropping the unit would undo the randomisation. Source: Deng et al. (2013), section 3.2 and 4.
        """
        check_alpha(alpha)
        known = self.a.complete + self.b.complete
        a, b = self.a.imputed(known.mean_x), self.b.imputed(known.mean_x)
        found = CupedResult("no_data", a.n, b.n, self.a.missing.n + self.b.missing.n)
        if a.n == 0 or b.n == 0:
            return found
        pooled = a + b
        theta = pooled.xy / pooled.xx if pooled.xx > 0 else 0.0
        raw, total = _welch(a, b, 0.0, alpha), _welch(a, b, theta, alpha)
        found = replace(found, status="too_few", raw=raw, total=total)
        if min(a.n, b.n) < 2:
            return found
        variances = a.xx / (a.n - 1) + b.xx / (b.n - 1)
        within = (a.xy / (a.n - 1) + b.xy / (b.n - 1)) / variances if variances > 0 else 0.0
        return replace(
            found,
            status=_status(pooled, total),
            pooled_within=_welch(a, b, within, alpha),
            ancova=_ancova(a, b, alpha),
            lin_effect=_lin(a, b, pooled.mean_x),
            variance_reduction=1 - (total.se / raw.se) ** 2 if total.se and raw.se else None,
            correlation_squared=pooled.xy**2 / (pooled.xx * pooled.yy) if pooled.xx > 0 and pooled.yy > 0 else None,
        )


def _status(pooled: JointMoments, total: Adjusted) -> Status:
    if not total.se:
        return "constant"
    return "ok" if pooled.xx > 0 else "no_covariate_variation"


def _gap(a: JointMoments, b: JointMoments, theta: float) -> float:
    return b.mean_y - a.mean_y - theta * (b.mean_x - a.mean_x)


def _welch(a: JointMoments, b: JointMoments, theta: float, alpha: float) -> Adjusted:
    effect = _gap(a, b, theta)
    if min(a.n, b.n) < 2:
        return Adjusted(theta, effect)
    part_a, part_b = a.adjusted_variance(theta) / a.n, b.adjusted_variance(theta) / b.n
    # A covariate that is the outcome leaves only what rounding leaves.
    if part_a + part_b <= _SAME**2 * (a.yy + b.yy + 1e-300):
        return Adjusted(theta, effect, 0.0)
    share = part_a / (part_a + part_b)
    df = 1 / (share**2 / (a.n - 1) + (1 - share) ** 2 / (b.n - 1))
    return _tested(theta, effect, math.sqrt(part_a + part_b), df, alpha)


def _ancova(a: JointMoments, b: JointMoments, alpha: float) -> Adjusted:
    xx, xy, yy = a.xx + b.xx, a.xy + b.xy, a.yy + b.yy
    theta = xy / xx if xx > 0 else 0.0
    effect, df = _gap(a, b, theta), a.n + b.n - (3 if xx > 0 else 2)
    residual = max(0.0, yy - theta * xy)
    if df < 1 or residual <= _SAME**2 * yy:
        return Adjusted(theta, effect)
    distance = (b.mean_x - a.mean_x) ** 2 / xx if xx > 0 else 0.0
    return _tested(theta, effect, math.sqrt(residual / df * (1 / a.n + 1 / b.n + distance)), df, alpha)


def _lin(a: JointMoments, b: JointMoments, mean_x: float) -> float | None:
    """Return the difference of both arms' regression lines at the overall mean; None when an arm has no line."""
    if a.xx <= 0 or b.xx <= 0:
        return None
    at_a = a.mean_y + a.xy / a.xx * (mean_x - a.mean_x)
    return b.mean_y + b.xy / b.xx * (mean_x - b.mean_x) - at_a


def _tested(theta: float, effect: float, se: float, df: float, alpha: float) -> Adjusted:
    reach = critical_value(alpha, df) * se
    return Adjusted(theta, effect, se, df, two_sided_p(effect / se, df), effect - reach, effect + reach)
