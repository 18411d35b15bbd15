"""Mean difference of paired scores, B - A, with Student's interval and test; what is missing is counted.

Depends on: numpy. Used by: `abtest.analytics.data.accumulate`, the other statistics of pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._student import critical_value, two_sided_p
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Paired t test of the mean difference",
    formula="d = B - A per sample; SE = sd(d, ddof 1) / sqrt(n); interval and p from t(n - 1)",
    source="Student (1908), The probable error of a mean; sums merged after Chan, Golub and LeVeque (1983), eq. 2.1",
)
_SAME = 1e-12
"""Differences closer than this, relative to the size of the scores, are one value written twice in binary."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeanDifference:
    """The effect B - A and how sure it is; what does not exist is None and `status` says why."""

    status: Status
    n: int
    mean_a: float | None = None
    mean_b: float | None = None
    effect: float | None = None
    se: float | None = None
    df: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    clusters: int | None = None

    @property
    def t(self) -> float | None:
        """The effect in standard errors; None where there is no positive standard error."""
        return self.effect / self.se if self.effect is not None and self.se else None


Difference = TypeVar("Difference", bound=MeanDifference)


@dataclass(frozen=True)
class CompletePairs:
    """Pairs with both sides, and how many were left out for want of one."""

    a: Scores
    b: Scores
    dropped: int


@dataclass(frozen=True)
class JudgeMeans:
    """One value a sample from several judges.

    Args:
        values: mean over the judges that scored the sample, for each sample that any judge scored.
        rows: index of each value's sample.
        missing_scores: verdicts that are missing, over all samples and judges.
        missing_samples: samples that no judge scored.
    """

    values: Scores
    rows: npt.NDArray[np.intp]
    missing_scores: int
    missing_samples: int


def complete_pairs(a: Any, b: Any) -> CompletePairs:
    """Return the pairs of which neither side is missing.

    Args:
        a: scores of the control, shape (n,); None or NaN where missing.
        b: scores of the treatment, shape (n,), in the same order.

    Raises:
        ValueError: the lists differ in length, or a score is infinite.

    Assumes: what is missing is like the rest. Source: Little and Rubin (2019), section 3.2.
    """
    x, y = _two_lists(a, b)
    whole = ~(np.isnan(x) | np.isnan(y))
    if np.isinf(x).any() or np.isinf(y).any():
        raise ValueError("a score is infinite; scores are finite numbers, or missing")
    return CompletePairs(x[whole], y[whole], int(x.size - np.count_nonzero(whole)))


def mean_over_judges(scores: Any) -> JudgeMeans:
    """Return each sample's mean over the judges that scored it, so that the sample stays the unit.

    Args:
        scores: scores, or differences, shape (samples, judges); None or NaN where a judge gave none.

    Raises:
        ValueError: it is no table, or a score is infinite.

    Assumes: judges are missing for reasons that have nothing to do with the score.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.size == 0:
        table = table.reshape(len(table), 0)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError("scores of several judges are a table of finite or missing numbers, a row for each sample")
    present = ~np.isnan(table)
    counts = present.sum(axis=1)
    rows = np.flatnonzero(counts)
    sums = np.where(present, table, 0.0).sum(axis=1)
    missing = int(table.size - counts.sum())
    return JudgeMeans(sums[rows] / counts[rows], rows, missing, int(counts.size - rows.size))


def differences(a: Any, b: Any) -> Scores:
    """Return B - A with equal differences equal in every bit, for statistics that count ties.

    0.3 - 0.2 and 0.2 - 0.1 are one difference, but two binary numbers; both become the nearest multiple of 1e-12
    of the largest score.

    Args:
        a: scores of the control, shape (n,), finite.
        b: scores of the treatment, shape (n,), finite, in the same order.

    Raises:
        ValueError: the lists differ in length, or a score is not finite.
    """
    x, y = _two_lists(a, b)
    d = y - x
    if not np.isfinite(d).all():
        raise ValueError("scores of complete pairs must be finite; leave out the pairs with a missing side")
    if d.size == 0:
        return d
    unit = _SAME * max(1.0, float(np.abs(x).max()), float(np.abs(y).max()))
    return np.asarray(np.rint(d / unit) * unit, dtype=np.float64)


@dataclass(frozen=True)
class PairedMean:
    """Sufficient statistics of paired scores; the sum of two is that of the pooled pairs.

    Means and centred sums of squares instead of raw sums: no cancellation when the scores are large and alike.
    """

    n: int = 0
    mean_a: float = 0.0
    mean_b: float = 0.0
    mean_d: float = 0.0
    m2_a: float = 0.0
    m2_b: float = 0.0
    m2_d: float = 0.0
    min_d: float = math.inf
    max_d: float = -math.inf
    above: int = 0
    below: int = 0

    @classmethod
    def of(cls, a: Any, b: Any) -> PairedMean:
        """Return the statistics of complete pairs.

        Args:
            a: scores of the control, shape (n,), finite.
            b: scores of the treatment, shape (n,), finite, in the same order.
        """
        x, y = _two_lists(a, b)
        if x.size == 0:
            return cls()
        d = y - x
        if not np.isfinite(d).all():
            raise ValueError("scores of complete pairs must be finite; leave out the pairs with a missing side")
        same = _SAME * max(1.0, float(np.abs(x).max()), float(np.abs(y).max()))
        return cls(
            n=int(x.size),
            mean_a=float(x.mean()),
            mean_b=float(y.mean()),
            mean_d=float(d.mean()),
            m2_a=centred_squares(x),
            m2_b=centred_squares(y),
            m2_d=centred_squares(d),
            min_d=float(d.min()),
            max_d=float(d.max()),
            above=int(np.count_nonzero(d > same)),
            below=int(np.count_nonzero(d < -same)),
        )

    def __add__(self, other: PairedMean) -> PairedMean:
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        share = other.n / n
        weight = self.n * share
        gap_a, gap_b, gap_d = other.mean_a - self.mean_a, other.mean_b - self.mean_b, other.mean_d - self.mean_d
        return PairedMean(
            n=n,
            mean_a=self.mean_a + gap_a * share,
            mean_b=self.mean_b + gap_b * share,
            mean_d=self.mean_d + gap_d * share,
            m2_a=self.m2_a + other.m2_a + gap_a * gap_a * weight,
            m2_b=self.m2_b + other.m2_b + gap_b * gap_b * weight,
            m2_d=self.m2_d + other.m2_d + gap_d * gap_d * weight,
            min_d=min(self.min_d, other.min_d),
            max_d=max(self.max_d, other.max_d),
            above=self.above + other.above,
            below=self.below + other.below,
        )

    @property
    def cross_product(self) -> float:
        """Centred sum of products of A and B, from Var(B - A) = Var A + Var B - 2 Cov."""
        return (self.m2_a + self.m2_b - self.m2_d) / 2

    @property
    def ties(self) -> int:
        """Pairs without a difference."""
        return self.n - self.above - self.below

    @property
    def is_constant(self) -> bool:
        """Whether all pairs differ by one amount, up to rounding."""
        size = max(1.0, abs(self.mean_a), abs(self.mean_b))
        return self.n > 0 and self.max_d - self.min_d <= _SAME * size

    def result(self, alpha: float = 0.05) -> MeanDifference:
        """Return effect, standard error, interval and p-value.

        Args:
            alpha: two-sided error rate.

        Assumes: pairs are independent; n is large or the differences are near normal.
        """
        if self.n == 0:
            return MeanDifference("no_data", 0)
        found = MeanDifference("too_few", self.n, self.mean_a, self.mean_b, self.mean_d)
        if self.n == 1:
            return found
        if self.is_constant:
            return replace(found, status="constant", se=0.0)
        df = self.n - 1
        return with_interval(replace(found, status="ok", se=math.sqrt(self.m2_d / df / self.n), df=df), alpha)


def with_interval(found: Difference, alpha: float) -> Difference:
    """Return a mean difference with the t interval and p-value of its effect, se and df.

    Raises:
        ValueError: it has no effect, no positive standard error or no degrees of freedom, or alpha is no error rate.
    """
    check_alpha(alpha)
    if found.effect is None or not found.se or found.df is None:
        raise ValueError("an interval needs an effect, a positive standard error and degrees of freedom")
    reach = critical_value(alpha, found.df) * found.se
    return replace(
        found,
        p_value=two_sided_p(found.effect / found.se, found.df),
        ci_low=found.effect - reach,
        ci_high=found.effect + reach,
    )


def centred_squares(values: Scores) -> float:
    """Return the sum of squared distances from the mean, of at least one value.

    Source: Chan, Golub and LeVeque (1983), eq. 1.7, the corrected two-pass sum.
    """
    centred = values - values.mean()
    # The second term takes out what rounding left of the mean.
    return max(0.0, float(centred @ centred) - float(centred.sum()) ** 2 / values.size)


def _two_lists(a: Any, b: Any) -> tuple[Scores, Scores]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"pairs need two lists of one length; got shapes {x.shape} and {y.shape}")
    return x, y
