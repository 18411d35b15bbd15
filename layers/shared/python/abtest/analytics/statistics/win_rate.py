"""Win rate of B over A with ties as half a win: score, net, and three intervals that answer different questions.

Depends on: numpy, `abtest.analytics.statistics.binomial_interval`. Used by: `abtest.analytics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._wald import estimate
from abtest.analytics.statistics.binomial_interval import ShareInterval, wilson

STATISTIC = Method(
    name="Win rate with ties as half a win",
    formula="score = (w + t/2) / n; SE = sqrt((n score (1 - score) - t/4) / (n (n - 1))); interval score -+ z SE; "
    "beside it Wilson on x = w + t/2 of n and Wilson on w of w + l",
    source="mean of a trinomial score, Agresti (2013), Categorical Data Analysis, section 1.2.2; "
    "intervals after Wilson (1927)",
)


@dataclass(frozen=True)
class WinRate:
    """How often B wins, and how sure that is.

    Args:
        status: `ok`; `no_data`; `too_few` (one comparison has no spread); `constant` or `all_ties` (every comparison
            ended alike: `se` is 0 and the z interval has no width, so read a Wilson interval).
        n: comparisons, ties included.
        score: (wins + ties / 2) / n, from 0 to 1.
        net: (wins - losses) / n, from -1 to 1.
        tie_share: ties / n.
        se: standard error of the score.
        ci_low: lower end of the z interval of the score; it may leave 0 to 1.
        half_ties: Wilson on w + t/2 of n: about the score, too wide when ties are many.
        decisive: Wilson on w of w + l: another question, the win rate among decided comparisons.
    """

    status: Status
    n: int
    wins: int
    losses: int
    ties: int
    half_ties: ShareInterval
    decisive: ShareInterval
    score: float | None = None
    net: float | None = None
    tie_share: float | None = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True)
class WinCounts:
    """Comparisons of B with A, by who won; the sum of two is that of the pooled comparisons."""

    wins: int = 0
    losses: int = 0
    ties: int = 0

    def __post_init__(self) -> None:
        if not all(count >= 0 and count == count // 1 for count in (self.wins, self.losses, self.ties)):
            raise ValueError(f"counts are whole numbers of at least 0; got {self.wins}, {self.losses}, {self.ties}")

    @classmethod
    def of(cls, a: Any, b: Any, tie_margin: float = 0.0) -> WinCounts:
        """Return the counts of complete pairs of scores.

        Args:
            a: scores of the control, shape (n,), finite.
            b: scores of the treatment, shape (n,), finite, in the same order.
            tie_margin: differences up to this size, in the unit of the scores, are ties.

        Raises:
            ValueError: the lists differ in length, a score is not finite, or the margin is negative.
        """
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"pairs need two lists of one length; got shapes {x.shape} and {y.shape}")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ValueError("scores of complete pairs must be finite; leave out the pairs with a missing side")
        if not (math.isfinite(tie_margin) and tie_margin >= 0):
            raise ValueError(f"a tie margin is a finite number of at least 0; got {tie_margin}")
        d = y - x
        wins, losses = int(np.count_nonzero(d > tie_margin)), int(np.count_nonzero(d < -tie_margin))
        return cls(wins, losses, int(d.size) - wins - losses)

    def __add__(self, other: WinCounts) -> WinCounts:
        return WinCounts(self.wins + other.wins, self.losses + other.losses, self.ties + other.ties)

    @property
    def n(self) -> int:
        """All comparisons, ties included."""
        return self.wins + self.losses + self.ties

    def result(self, alpha: float = 0.05) -> WinRate:
        """Return the win rate and its intervals.

        Args:
            alpha: two-sided error rate.

        Raises:
            ValueError: alpha is not between 0 and 1.

        Assumes: independent comparisons; samples that belong together need a clustered mean of the scores 0, 1/2, 1.
        Source: variance of a score over three outcomes, Agresti (2013), section 1.2.2.
        """
        n, points = self.n, self.wins + self.ties / 2
        half, decisive = wilson(points, n, alpha), wilson(self.wins, self.wins + self.losses, alpha)
        if n == 0:
            return WinRate("no_data", n, 0, 0, 0, half, decisive)
        score = points / n
        # Centred squares as a sum of positive terms: nothing cancels when all comparisons ended alike.
        squares = self.wins * (1 - score) ** 2 + self.losses * score**2 + self.ties * (0.5 - score) ** 2
        se = math.sqrt(squares / (n - 1) / n) if n > 1 else None
        shown = estimate(score, se, alpha)
        return WinRate(
            status=self._status(),
            n=n,
            wins=self.wins,
            losses=self.losses,
            ties=self.ties,
            half_ties=half,
            decisive=decisive,
            score=score,
            net=(self.wins - self.losses) / n,
            tie_share=self.ties / n,
            se=se,
            ci_low=shown.ci_low,
            ci_high=shown.ci_high,
        )

    def _status(self) -> Status:
        if self.n == 1:
            return "too_few"
        if self.ties == self.n:
            return "all_ties"
        return "constant" if self.n in (self.wins, self.losses) else "ok"
