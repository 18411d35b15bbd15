"""McNemar's test: of the pairs in which two binary scores differ, is one side favoured, and by how much of all?

Depends on: numpy, scipy.special. Used by: `abtest.analytics.data.accumulate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._binomial import fair_coin_mid_p, fair_coin_p
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics._wald import quantile

STATISTIC = Method(
    name="Exact McNemar test",
    formula="b, c = pairs only A or only B scores 1; p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2)",
    source="McNemar (1947); exact form as in Fagerland, Lydersen and Laake (2013), eq. 2",
)


MID_P = Method(
    name="McNemar mid-p test",
    formula="p = 2 P(X <= min(b, c)) - P(X = min(b, c)), X ~ Binomial(b + c, 1/2); 1 - P(X = b) when b = c",
    source="Fagerland, Lydersen and Laake (2013), The McNemar test for binary matched-pairs data, "
    "section on the mid-p test",
)
CHI_SQUARE = Method(
    name="McNemar chi-square test",
    formula="X^2 = (|b - c| - k)^2 / (b + c), k = 0, or 1 with continuity correction and b != c; p from chi-square(1)",
    source="McNemar (1947); continuity correction after Edwards (1948)",
)
PAIRED_SHARES = Method(
    name="Difference of paired shares",
    formula="D = (c - b) / n; SE = sqrt((b + c - (c - b)^2 / n) / (n (n - 1))); D -+ z SE",
    source="Agresti (2013), Categorical Data Analysis, section 11.1.1, with the divisor n - 1 of a sample variance",
)


@dataclass(frozen=True)
class McNemarResult:
    """Two-sided p-values; 1 by convention when no pair differs, None when there is no pair.

    Args:
        p_value: exact.
        mid_p_value: mid-p, which wastes less of alpha and may exceed it by little.
        chi2: without continuity correction; None when no pair differs.
        p_chi2: its p-value, for many discordant pairs.
        chi2_corrected: with continuity correction; `p_chi2_corrected`: its p-value.
    """

    status: Status
    p_value: float | None
    mid_p_value: float | None = None
    chi2: float | None = None
    p_chi2: float | None = None
    chi2_corrected: float | None = None
    p_chi2_corrected: float | None = None


@dataclass(frozen=True)
class PairedShareDifference:
    """Share of B less that of A, with its normal interval; None where it does not exist."""

    status: Status
    n: int
    share_a: float | None = None
    share_b: float | None = None
    effect: float | None = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


def mcnemar_test(only_a: int, only_b: int) -> McNemarResult:
    """Return McNemar's tests from the discordant pairs alone.

    Args:
        only_a: pairs in which only the control scores 1.
        only_b: pairs in which only the treatment does.

    Raises:
        ValueError: a count is negative.

    Assumes: pairs are independent; samples that belong together need the clustered t test instead.
    Source: McNemar (1947); Fagerland, Lydersen and Laake (2013).
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"counts of pairs are at least 0; got {only_a} and {only_b}")
    discordant, gap = only_a + only_b, abs(only_a - only_b)
    if discordant == 0:
        return McNemarResult("no_discordant_pairs", 1.0, 1.0)
    chi2, corrected = gap**2 / discordant, max(0, gap - 1) ** 2 / discordant
    return McNemarResult(
        "ok",
        fair_coin_p(only_a, discordant),
        fair_coin_mid_p(only_a, discordant),
        chi2,
        _chi_square_p(chi2),
        corrected,
        _chi_square_p(corrected),
    )


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
        """Return the tests of equal shares.

        Assumes: pairs are independent; samples that belong together need the clustered t test instead.
        """
        return McNemarResult("no_data", None) if self.n == 0 else mcnemar_test(self.only_a, self.only_b)

    def difference(self, alpha: float = 0.05) -> PairedShareDifference:
        """Return the difference of the two shares, B - A, with the normal interval.

        Args:
            alpha: two-sided error rate.

        Assumes: pairs are independent, and a dozen or more of them are discordant; with few the interval is too short.
        Source: Agresti (2013), section 11.1.1, with the divisor n - 1.
        """
        z = quantile(alpha)
        n = self.n
        if n == 0:
            return PairedShareDifference("no_data", 0)
        share_a, share_b = (self.both + self.only_a) / n, (self.both + self.only_b) / n
        gap = self.only_b - self.only_a
        if n == 1:
            return PairedShareDifference("too_few", n, share_a, share_b, gap / n)
        # Whole numbers until the division: no cancellation however many pairs.
        spread = n * (self.only_a + self.only_b) - gap**2
        if spread == 0:
            return PairedShareDifference("constant", n, share_a, share_b, gap / n, 0.0)
        se = math.sqrt(spread / (n - 1)) / n
        return PairedShareDifference("ok", n, share_a, share_b, gap / n, se, gap / n - z * se, gap / n + z * se)


def _chi_square_p(chi2: float) -> float:
    # One degree of freedom: P(X^2 > x) = P(|Z| > sqrt(x)) = erfc(sqrt(x / 2)).
    return max(SMALLEST_P, math.erfc(math.sqrt(chi2 / 2)))
