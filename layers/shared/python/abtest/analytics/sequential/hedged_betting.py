"""The narrowest interval of the mean of bounded scores that holds at all times together, by betting against each mean.

Every mean of a grid is bet against, upwards and downwards; those that lost less than a factor of alpha stay. Each
score costs a step for every mean of the grid, so this is for some thousands of scores; beyond, the
empirical-Bernstein sequence is about as narrow.

Depends on: numpy, `abtest.analytics.sequential.empirical_bernstein`.
Used by: analyses of bounded scores under an always-valid design.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from abtest.analytics.model import Method
from abtest.analytics.sequential._sequence import Floats, SequenceInterval, unit_scores
from abtest.analytics.sequential.empirical_bernstein import bets
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Hedged betting confidence sequence",
    formula="all m with max(K+(m), K-(m)) / 2 < 1 / alpha at every time so far, K+-(m) = product of "
    "1 +- l_i (x_i - m), l_i as in the empirical-Bernstein sequence, at most 1/2 / m (K+) and 1/2 / (1 - m) (K-)",
    source="Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, "
    "theorem 3 (hedged capital)",
)
GRID = 1000
"""Steps of the grid from the smallest to the largest possible mean."""
_SHARE = 0.5
_CHUNK = 256


def _no_capital() -> Floats:
    return np.zeros((2, GRID + 1))


@dataclass(frozen=True, eq=False)
class HedgedBetting:
    """The sequence so far; `extended` goes on with further scores.

    Args:
        alpha: two-sided error rate, chosen before the first score.
        low: smallest possible score.
        high: largest possible score.
        n: scores so far.
        total: their sum, moved to [0, 1] as all that follows.
        squares: sum of squared distances from the running mean.
        first: index of the smallest mean still in the interval.
        last: index of the largest one.
        log_capital: of the bets upwards and downwards, shape (2, GRID + 1).
    """

    alpha: float = 0.05
    low: float = 0.0
    high: float = 1.0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    first: int = 0
    last: int = GRID
    log_capital: Floats = field(default_factory=_no_capital, repr=False)

    @classmethod
    def of(cls, x: Any, *, alpha: float = 0.05, low: float = 0.0, high: float = 1.0) -> HedgedBetting:
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

    def extended(self, x: Any) -> HedgedBetting:
        """Return the sequence after further scores, in their order.

        Raises:
            ValueError: a score outside the range.
        """
        scores = unit_scores(x, self.low, self.high)
        found = self
        for start in range(0, scores.size, _CHUNK):
            found = found._followed(scores[start : start + _CHUNK])
        return found

    def result(self) -> SequenceInterval:
        """Return the running intersection of all intervals so far, to a thousandth of the range, rounded outwards.

        Returns:
            Without a score: the whole range and status `no_data`. Where the intervals so far have nothing in common,
            which a mean that stays the same allows with probability alpha only: `drifting`, no interval.

        Assumes: every score has the same mean given those before it.
        """
        span = self.high - self.low
        mean = self.low + span * self.total / self.n if self.n else None
        if self.first > self.last:
            return SequenceInterval("drifting", self.n, mean)
        lower = self.low + span * max(0, self.first - 1) / GRID
        upper = self.low + span * min(GRID, self.last + 1) / GRID
        return SequenceInterval("ok" if self.n else "no_data", self.n, mean, lower, upper)

    def _followed(self, x: Floats) -> HedgedBetting:
        weights, total, squares = bets(x, self.n, self.total, self.squares, self.alpha)
        means = np.arange(GRID + 1) / GRID
        with np.errstate(divide="ignore"):
            most_up, most_down = _SHARE / means, _SHARE / (1 - means)
        gaps = x[:, None] - means
        up = self.log_capital[0] + np.cumsum(np.log1p(np.minimum(weights[:, None], most_up) * gaps), axis=0)
        down = self.log_capital[1] + np.cumsum(np.log1p(-np.minimum(weights[:, None], most_down) * gaps), axis=0)
        stays = np.maximum(up, down) < math.log(2 / self.alpha)
        some = stays.any(axis=1)
        firsts = np.where(some, stays.argmax(axis=1), GRID + 1)
        lasts = np.where(some, GRID - stays[:, ::-1].argmax(axis=1), -1)
        return replace(
            self,
            n=self.n + int(x.size),
            total=total,
            squares=squares,
            first=max(self.first, int(firsts.max())),
            last=min(self.last, int(lasts.min())),
            log_capital=np.stack((up[-1], down[-1])),
        )
