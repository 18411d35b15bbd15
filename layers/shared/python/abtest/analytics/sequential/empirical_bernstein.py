"""An interval of the mean of bounded scores that holds at all times together, without any approximation.

The state is a dozen numbers; it goes on with any number of further scores, in their order.

Depends on: numpy. Used by: analyses of bounded scores under an always-valid design.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from abtest.analytics.model import Method
from abtest.analytics.sequential._sequence import Floats, SequenceInterval, p_of, unit_scores
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Empirical-Bernstein confidence sequence",
    formula="(sum of l_i x_i -+ (ln(2 / alpha) + sum of (x_i - m_(i-1))^2 (-ln(1 - l_i) - l_i))) / sum of l_i, "
    "l_t = min(1/2, sqrt(2 ln(2 / alpha) / (v_(t-1) t ln(1 + t)))), m and v = running mean and variance, "
    "m_0 = 0 for the lower and 1 for the upper end",
    source="Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, "
    "theorem 2 (PrPl-EB)",
)
_TRUNCATION = 0.5
_PRIOR_MEAN = 0.5
_PRIOR_VARIANCE = 0.25


@dataclass(frozen=True)
class EmpiricalBernstein:
    """The sequence so far; `extended` goes on with further scores.

    Args:
        alpha: two-sided error rate, chosen before the first score.
        low: smallest possible score.
        high: largest possible score.
        n: scores so far.
        total: their sum, moved to [0, 1] as all that follows.
        squares: sum of squared distances from the running mean that has one imagined score of 1/2.
        bets: sum of the weights l.
        weighted: sum of l x.
        cost: sum of the second term of the formula, without that of the first score.
        first_low: that of the first score for the lower end, whose distance is from 0 before there is a mean.
        first_high: that for the upper end, where it is from 1.
        highest_low: largest lower end so far.
        lowest_high: smallest upper end so far.
    """

    alpha: float = 0.05
    low: float = 0.0
    high: float = 1.0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    bets: float = 0.0
    weighted: float = 0.0
    cost: float = 0.0
    first_low: float = 0.0
    first_high: float = 0.0
    highest_low: float = 0.0
    lowest_high: float = 1.0

    @classmethod
    def of(cls, x: Any, *, alpha: float = 0.05, low: float = 0.0, high: float = 1.0) -> EmpiricalBernstein:
        """Return the sequence after the first scores.

        Args:
            x: scores in their order, shape (n,), each in [low, high].
            alpha: two-sided error rate.
            low: smallest possible score; -1 for differences of scores in [0, 1].
            high: largest possible score.

        Raises:
            ValueError: a score outside the range, an empty range, or alpha outside (0, 1).
        """
        check_alpha(alpha)
        return cls(alpha, low, high).extended(x)

    def extended(self, x: Any) -> EmpiricalBernstein:
        """Return the sequence after further scores, in their order.

        Raises:
            ValueError: a score outside the range.
        """
        return self._followed(unit_scores(x, self.low, self.high))[0]

    def path(self, x: Any) -> tuple[Floats, Floats]:
        """Return lower and upper ends after each further score, shape (n,) each, in the scores' unit.

        Raises:
            ValueError: a score outside the range.
        """
        _, lower, upper = self._followed(unit_scores(x, self.low, self.high))
        span = self.high - self.low
        return self.low + span * lower, self.low + span * upper

    def result(self, *, null: float | None = None, running_intersection: bool = False) -> SequenceInterval:
        """Return the interval now, and the evidence against one mean.

        Args:
            null: mean to speak against, in the scores' unit, chosen before the first score; the middle of the range
                (0 for differences) where None.
            running_intersection: intersect with all intervals before: narrower, and as valid.

        Returns:
            Without a score: the whole range, p = 1 and status `no_data`. Where the intervals so far have nothing in
            common, which a mean that stays the same allows with probability alpha only: `drifting`, no interval.

        Assumes: every score has the same mean given those before it.
        """
        span = self.high - self.low
        mean = self.low + span * self.total / self.n if self.n else None
        lower, upper = self._ends(running_intersection)
        against = 0.5 if null is None else (null - self.low) / span
        gain = self.weighted - against * self.bets
        sides = gain - self.cost - self.first_low, -gain - self.cost - self.first_high
        evidence = max(sides) - math.log(2)
        log_e = evidence + math.log1p(math.exp(min(sides) - max(sides)))
        found = SequenceInterval("ok" if self.n else "no_data", self.n, mean, None, None, p_of(evidence), log_e)
        if lower > upper:
            return replace(found, status="drifting")
        return replace(found, ci_low=self.low + span * lower, ci_high=self.low + span * upper)

    @property
    def unclipped_width(self) -> float | None:
        """How wide the interval now is before it is cut to the possible range, in the scores' unit; None without any.

        Goes down as scores come in, also while the interval itself ends at the border of the range.
        """
        if self.n == 0:
            return None
        both = 2 * (math.log(2 / self.alpha) + self.cost) + self.first_low + self.first_high
        return (self.high - self.low) * both / self.bets

    def _ends(self, running_intersection: bool) -> tuple[float, float]:
        if running_intersection:
            return self.highest_low, self.lowest_high
        if self.n == 0:
            return 0.0, 1.0
        reach = math.log(2 / self.alpha) + self.cost
        low, high = self.weighted - reach - self.first_low, self.weighted + reach + self.first_high
        return max(0.0, low / self.bets), min(1.0, high / self.bets)

    def _followed(self, x: Floats) -> tuple[EmpiricalBernstein, Floats, Floats]:
        if x.size == 0:
            return self, np.empty(0), np.empty(0)
        lambdas, total, squares = bets(x, self.n, self.total, self.squares, self.alpha)
        lambdas = np.minimum(lambdas, _TRUNCATION)
        prices = -np.log1p(-lambdas) - lambdas
        first_low, first_high = self.first_low, self.first_high
        if self.n == 0:
            first_low, first_high = float(x[0] ** 2 * prices[0]), float((1 - x[0]) ** 2 * prices[0])
        bet = self.bets + np.cumsum(lambdas)
        weighted = self.weighted + np.cumsum(lambdas * x)
        cost = self.cost + np.cumsum(self._distances(x) ** 2 * prices)
        reach = math.log(2 / self.alpha) + cost
        lower = np.maximum(0.0, (weighted - reach - first_low) / bet)
        upper = np.minimum(1.0, (weighted + reach + first_high) / bet)
        after = replace(
            self,
            n=self.n + int(x.size),
            total=total,
            squares=squares,
            bets=float(bet[-1]),
            weighted=float(weighted[-1]),
            cost=float(cost[-1]),
            first_low=first_low,
            first_high=first_high,
            highest_low=max(self.highest_low, float(lower.max())),
            lowest_high=min(self.lowest_high, float(upper.min())),
        )
        return after, lower, upper

    def _distances(self, x: Floats) -> Floats:
        """Return each score's distance from the mean of those before it; 0 for the very first."""
        before = self.total + np.concatenate(([0.0], np.cumsum(x[:-1])))
        counts = self.n + np.arange(x.size)
        distances = x - before / np.maximum(counts, 1)
        if self.n == 0:
            distances[0] = 0.0
        return distances


def bets(x: Floats, n: int, total: float, squares: float, alpha: float) -> tuple[Floats, float, float]:
    """Return what each score is weighted with, from the scores before it alone.

    Args:
        x: further scores in [0, 1], shape (n,), at least one.
        n: scores before.
        total: their sum.
        squares: their squared distances from the running mean.
        alpha: two-sided error rate.

    Returns:
        The weights without truncation, and the new total and squares.

    Source: Waudby-Smith and Ramdas (2024), section 3.2, with one imagined score of 1/2 and variance 1/4.
    """
    time = n + np.arange(1, x.size + 1)
    totals = total + np.cumsum(x)
    means = (_PRIOR_MEAN + totals) / (time + 1)
    sums = squares + np.cumsum((x - means) ** 2)
    variances = (_PRIOR_VARIANCE + np.concatenate(([squares], sums[:-1]))) / time
    weights = np.sqrt(2 * math.log(2 / alpha) / (variances * time * np.log1p(time)))
    return weights, float(totals[-1]), float(sums[-1])
