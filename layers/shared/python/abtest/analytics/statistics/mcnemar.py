"""Exact McNemar test: of the pairs in which two binary scores differ, is one side favoured?

Depends on: numpy, scipy.special. Used by: `abtest.analytics.accumulate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._student import SMALLEST_P

STATISTIC = Method(
    name="Exact McNemar test",
    formula="b, c = pairs only A or only B scores 1; p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2)",
    source="McNemar (1947); exact form as in Fagerland, Lydersen and Laake (2013), eq. 2",
)


@dataclass(frozen=True)
class McNemarResult:
    """The two-sided p-value; 1 by convention when no pair differs, None when there is no pair."""

    status: Status
    p_value: float | None


@dataclass(frozen=True)
class McNemar:
    """Counts of binary pairs; the sum of two is that of the pooled pairs."""

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    neither: int = 0

    @classmethod
    def of(cls, a: Any, b: Any) -> McNemar:
        """Return the counts of complete pairs.

        Args:
            a: scores of the control, shape (n,), each 0 or 1.
            b: scores of the treatment, shape (n,), each 0 or 1, in the same order.
        """
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"pairs need two lists of one length; got shapes {x.shape} and {y.shape}")
        if not (np.isin(x, (0.0, 1.0)).all() and np.isin(y, (0.0, 1.0)).all()):
            raise ValueError("a binary metric has scores other than 0 and 1")
        one, two = x == 1, y == 1
        return cls(
            both=int(np.count_nonzero(one & two)),
            only_a=int(np.count_nonzero(one & ~two)),
            only_b=int(np.count_nonzero(~one & two)),
            neither=int(np.count_nonzero(~one & ~two)),
        )

    def __add__(self, other: McNemar) -> McNemar:
        return McNemar(
            self.both + other.both, self.only_a + other.only_a, self.only_b + other.only_b, self.neither + other.neither
        )

    @property
    def n(self) -> int:
        """All pairs."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def se(self) -> float | None:
        """Standard error of the difference of the two shares; None without a pair.

        Source: Agresti (2013), Categorical Data Analysis, section 11.1.1: sqrt(b + c - (b - c)^2 / n) / n, the
        maximum-likelihood form, whose divisor is n where a sample standard deviation has n - 1.
        """
        if self.n == 0:
            return None
        difference = self.only_b - self.only_a
        return math.sqrt(self.only_a + self.only_b - difference**2 / self.n) / self.n

    def result(self) -> McNemarResult:
        """Return the exact two-sided test.

        Assumes: pairs are independent; samples that belong together need the clustered t test instead.
        """
        discordant = self.only_a + self.only_b
        if self.n == 0:
            return McNemarResult("no_data", None)
        if discordant == 0:
            return McNemarResult("no_discordant_pairs", 1.0)
        from scipy.special import betainc

        fewer = min(self.only_a, self.only_b)
        # P(X <= k) for Binomial(m, 1/2) is the regularised incomplete beta function I_{1/2}(m - k, k + 1).
        tail = float(betainc(discordant - fewer, fewer + 1, 0.5))
        return McNemarResult("ok", min(1.0, max(SMALLEST_P, 2 * tail)))
