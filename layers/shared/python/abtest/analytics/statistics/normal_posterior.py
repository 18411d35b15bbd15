"""Posterior of a mean difference under a flat prior: how likely B is better, and what choosing either would lose.

Depends on: scipy.special. Used by: `abtest.analytics.comparison.sensitivity`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._one_sided import above
from abtest.analytics.statistics._student import critical_value
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Posterior of the mean difference under a flat prior",
    formula="delta = effect + SE T, T ~ t(df), v = effect / SE: P(delta > 0) = F(v); "
    "E max(-delta, 0) = SE ((df + v^2) / (df - 1) f(v) - v F(-v)); E max(delta, 0) = the same at -v",
    source="Gelman et al. (2013), Bayesian Data Analysis, section 3.2; region of practical equivalence after "
    "Kruschke (2013), Bayesian estimation supersedes the t test",
)


@dataclass(frozen=True)
class NormalPosterior:
    """What the posterior says of the effect B - A, higher being better.

    Args:
        status: `ok`; `constant` without a positive standard error; `too_few` when df is at most 1, where an
            expected loss is infinite.
        probability_better: that the effect is above 0.
        expected_loss_treatment: what choosing the treatment loses on average, E max(-effect, 0), in its unit.
        expected_loss_control: what keeping the control loses on average.
        probability_in_rope: that |effect| is below the region's half width; None when none was given.
        ci_low: lower end of the equal-tailed credible interval.
        ci_high: upper end.
    """

    status: Status
    probability_better: float | None = None
    expected_loss_treatment: float | None = None
    expected_loss_control: float | None = None
    probability_in_rope: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


def normal_posterior(
    effect: float, se: float, df: float = math.inf, *, rope: float | None = None, alpha: float = 0.05
) -> NormalPosterior:
    """Return what the posterior of a mean difference says, in closed form.

    Args:
        effect: estimated difference, treatment minus control, in the direction in which higher is better.
        se: its standard error, at least 0.
        df: degrees of freedom of the standard error, above 0; infinite ones are the normal distribution.
        rope: half width of the region of practical equivalence, in the effect's unit.
        alpha: the credible interval holds 1 - alpha.

    Raises:
        ValueError: a number is not finite or out of its range.

    Assumes: a normal mean with a prior flat in the mean and in the logarithm of the variance. The probability is
    then one minus the one-sided p-value, and no freer from peeking than that.
    Source: Gelman et al. (2013), section 3.2; the loss by integrating x f(x), with the integral of t's density.
    """
    check_alpha(alpha)
    if not (math.isfinite(effect) and math.isfinite(se) and se >= 0 and df > 0):
        raise ValueError(
            f"a posterior needs a finite effect, an error of at least 0 and df above 0; got {(effect, se, df)}"
        )
    if rope is not None and not 0 < rope < math.inf:
        raise ValueError(f"the region of practical equivalence has a half width above 0; got {rope}")
    if se == 0:
        return NormalPosterior("constant")
    v = effect / se
    reach = critical_value(alpha, df) * se
    return NormalPosterior(
        status="ok" if df > 1 else "too_few",
        probability_better=above(-v, df),
        expected_loss_treatment=se * _shortfall(v, df) if df > 1 else None,
        expected_loss_control=se * _shortfall(-v, df) if df > 1 else None,
        probability_in_rope=None if rope is None else _between((-rope - effect) / se, (rope - effect) / se, df),
        ci_low=effect - reach,
        ci_high=effect + reach,
    )


def _between(low: float, high: float, df: float) -> float:
    """Return P(low < T < high), taken in the tail where it keeps its digits."""
    if low > 0:
        return max(0.0, above(low, df) - above(high, df))
    return max(0.0, above(-high, df) - above(-low, df))


def _shortfall(v: float, df: float) -> float:
    """Return E max(-v - T, 0)."""
    if abs(v) > 1e8:
        return max(0.0, -v)
    spread = 1.0 if math.isinf(df) else (df + v * v) / (df - 1)
    return max(0.0, spread * _density(v, df) - v * above(v, df))


def _density(t: float, df: float) -> float:
    if math.isinf(df):
        return math.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    from scipy.special import betaln

    # B(df / 2, 1 / 2) instead of two gamma functions: no cancellation with many degrees of freedom.
    return math.exp(-(df + 1) / 2 * math.log1p(t * t / df) - 0.5 * math.log(df) - float(betaln(df / 2, 0.5)))
