"""Sign test: of the pairs in which B and A differ, does B win more than half?

Depends on: numpy, scipy.special. Used by: the sensitivity tests of a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._binomial import fair_coin_p
from abtest.analytics.statistics._values import finite_list
from abtest.analytics.statistics.binomial_interval import clopper_pearson

STATISTIC = Method(
    name="Sign test",
    formula="w wins, l losses, ties left out: p = min(1, 2 P(X <= min(w, l))), X ~ Binomial(w + l, 1/2); "
    "Clopper-Pearson interval of w / (w + l)",
    source="Dixon and Mood (1946), The statistical sign test; Conover (1999), Practical Nonparametric Statistics, "
    "section 3.4; interval of Clopper and Pearson (1934)",
)


@dataclass(frozen=True)
class SignTestResult:
    """The test and what B wins.

    Args:
        n: all pairs; `n_decisive`: those that are no tie.
        p_value: exact, two-sided; 1 by convention when all are ties.
        win_share: wins / decisive pairs, with the exact interval `ci_low` to `ci_high`.
        effect: (wins - losses) / n, ties kept in the denominator.
        tie_share: ties / n.
    """

    status: Status
    n: int
    n_decisive: int
    p_value: float | None = None
    win_share: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    effect: float | None = None
    tie_share: float | None = None


@dataclass(frozen=True)
class SignTest:
    """Wins, losses and ties of B against A; the sum of two is that of the pooled pairs."""

    wins: int = 0
    losses: int = 0
    ties: int = 0

    def __post_init__(self) -> None:
        if min(self.wins, self.losses, self.ties) < 0:
            raise ValueError(f"counts are at least 0; got {self.wins} wins, {self.losses} losses, {self.ties} ties")

    @classmethod
    def of(cls, d: Any, margin: float = 0.0) -> SignTest:
        """Return the counts of differences.

        Args:
            d: differences B - A, shape (n,), finite.
            margin: differences up to this size are ties; judges that never repeat a score need one above 0.

        Raises:
            ValueError: a difference is not finite, or the margin is negative.
        """
        values = finite_list(d)
        if not 0 <= margin < np.inf:
            raise ValueError(f"a tie margin is at least 0 and finite; got {margin}")
        wins, losses = int(np.count_nonzero(values > margin)), int(np.count_nonzero(values < -margin))
        return cls(wins, losses, int(values.size) - wins - losses)

    def __add__(self, other: SignTest) -> SignTest:
        return SignTest(self.wins + other.wins, self.losses + other.losses, self.ties + other.ties)

    def result(self, alpha: float = 0.05) -> SignTestResult:
        """Return the exact test and the exact interval of the wins among decisive pairs.

        Args:
            alpha: two-sided error rate of the interval.

        Assumes: pairs are independent. It is a test of the median difference, conditional on the ties, not of the mean.
        """
        decisive = self.wins + self.losses
        n = decisive + self.ties
        share = clopper_pearson(self.wins, decisive, alpha)
        if n == 0:
            return SignTestResult("no_data", 0, 0)
        return SignTestResult(
            "ok" if decisive else "all_ties",
            n,
            decisive,
            fair_coin_p(self.wins, decisive),
            share.share,
            share.ci_low,
            share.ci_high,
            (self.wins - self.losses) / n,
            self.ties / n,
        )
