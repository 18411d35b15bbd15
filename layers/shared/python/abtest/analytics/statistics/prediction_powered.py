"""Prediction-powered mean: few human labels and many judge scores give one unbiased mean with an honest interval.

Depends on: numpy, `abtest.analytics.statistics.paired_mean`. Used by: `label_budget` beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._wald import check_alpha, estimate
from abtest.analytics.statistics.paired_mean import PairedMean

STATISTIC = Method(
    name="Prediction-powered mean (PPI++)",
    formula="theta = lambda mean(f unlabelled) + mean(y - lambda f); "
    "SE^2 = lambda^2 var(f unlabelled) / N + var(y - lambda f) / n; "
    "lambda = cov(y, f) / ((1 + n / N) var(f)), clipped to [0, 1]; theta -+ z SE",
    source="Angelopoulos, Duchi and Zrnic (2023), PPI++: Efficient prediction-powered inference, on power "
    "tuning; lambda = 1: Angelopoulos et al. (2023), Prediction-powered inference, on the mean",
)
Trust = float | Literal["optimal"]
"""How much of the judge is used: lambda from 0 (human labels alone) to 1 (plain PPI), or the best one."""

_SAME = 1e-12


@dataclass(frozen=True)
class PredictionPoweredMean:
    """A mean of true scores; what does not exist is None and `status` says why.

    Args:
        status: `ok`; `no_labels`: no human label; `no_data`: a lambda above 0 was asked for without any unlabelled
            score; `too_few`: one label, or one unlabelled score, has no spread; `constant`: nothing varies, so there
            is no interval.
        labelled: samples n with a human label and a judge score.
        unlabelled: samples N with a judge score alone.
        trust: lambda.
        value: the mean.
        p_value: two-sided, of a mean of 0; for differences of two arms.
    """

    status: Status
    labelled: int
    unlabelled: int
    trust: float | None = None
    value: float | None = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class PredictionPowered:
    """Sufficient statistics; the sum of two is that of the pooled samples.

    Args:
        labelled: pairs of judge score (side A) and human label (side B).
        unlabelled: judge scores without a human label, on both sides.
        unjudged: samples without a judge score, which do not count.
    """

    labelled: PairedMean = field(default_factory=PairedMean)
    unlabelled: PairedMean = field(default_factory=PairedMean)
    unjudged: int = 0

    @classmethod
    def of(cls, labels: Any, judged: Any, unlabelled: Any) -> PredictionPowered:
        """Return the statistics of labelled and unlabelled samples.

        Args:
            labels: human scores, shape (n,), finite.
            judged: the judge's scores of the same samples, shape (n,), finite.
            unlabelled: the judge's scores of the other samples, shape (N,), finite.

        Raises:
            ValueError: labels and judge scores differ in length, or a score is missing or infinite.
        """
        return cls(PairedMean.of(judged, labels), PairedMean.of(unlabelled, unlabelled))

    @classmethod
    def of_samples(cls, human: Any, judge: Any) -> PredictionPowered:
        """Return the statistics of samples of which the judge scored all and people some.

        Args:
            human: human scores, shape (samples,); None or NaN where nobody labelled.
            judge: the judge's scores, shape (samples,); samples where it is None or NaN do not count.

        Raises:
            ValueError: the lists differ in length, or a score is infinite.

        Assumes: which samples people label has nothing to do with their scores.
        """
        y, f = np.asarray(human, dtype=np.float64), np.asarray(judge, dtype=np.float64)
        if y.shape != f.shape or y.ndim != 1:
            raise ValueError(f"human and judge scores are two lists of one length; got shapes {y.shape} and {f.shape}")
        known, has_label = ~np.isnan(f), ~np.isnan(y)
        found = cls.of(y[known & has_label], f[known & has_label], f[known & ~has_label])
        return cls(found.labelled, found.unlabelled, int(np.count_nonzero(~known)))

    @classmethod
    def of_differences(cls, human_a: Any, human_b: Any, judge_a: Any, judge_b: Any) -> PredictionPowered:
        """Return the statistics of the paired differences B - A, whose mean is the effect of the treatment.

        A sample counts as labelled when people scored both of its answers, and not at all unless the judge did: the
        difference of two arms on the same samples is one mean, of the differences.

        Args:
            human_a: human scores of the control, shape (samples,); None or NaN where missing.
            human_b: of the treatment.
            judge_a: the judge's scores of the control.
            judge_b: of the treatment.

        Raises:
            ValueError: the lists differ in length, or a score is infinite.
        """
        lists = [np.asarray(scores, dtype=np.float64) for scores in (human_a, human_b, judge_a, judge_b)]
        if len({scores.shape for scores in lists}) != 1 or lists[0].ndim != 1:
            raise ValueError("paired differences need four lists of one length")
        if any(np.isinf(scores).any() for scores in lists):
            raise ValueError("a score is infinite; scores are finite numbers, or missing")
        return cls.of_samples(lists[1] - lists[0], lists[3] - lists[2])

    def __add__(self, other: PredictionPowered) -> PredictionPowered:
        return PredictionPowered(
            self.labelled + other.labelled, self.unlabelled + other.unlabelled, self.unjudged + other.unjudged
        )

    @property
    def judge_mean(self) -> float | None:
        """Mean of all the judge's scores: biased by whatever the judge gets wrong, so never an estimate."""
        n, more = self.labelled.n, self.unlabelled.n
        return (n * self.labelled.mean_a + more * self.unlabelled.mean_a) / (n + more) if n + more else None

    @property
    def judge_variance(self) -> float | None:
        """Variance of all the judge's scores, ddof 1; None below two of them."""
        n, more = self.labelled.n, self.unlabelled.n
        if n + more < 2:
            return None
        gap = self.labelled.mean_a - self.unlabelled.mean_a if n and more else 0.0
        between = gap * gap * n * more / (n + more)
        return (self.labelled.m2_a + self.unlabelled.m2_a + between) / (n + more - 1)

    @property
    def slope(self) -> float:
        """Covariance of label and judge score over the judge's variance; 0 where the judge does not vary."""
        variance = self.judge_variance
        if (
            not self.labelled.n
            or variance is None
            or math.sqrt(variance) <= _SAME * max(1.0, abs(self.judge_mean or 0))
        ):
            return 0.0
        return self.labelled.cross_product / self.labelled.n / variance

    @property
    def optimal_trust(self) -> float:
        """The lambda that makes the variance least, from 0 to 1; 0 without unlabelled scores."""
        if not self.unlabelled.n:
            return 0.0
        return min(1.0, max(0.0, self.slope / (1 + self.labelled.n / self.unlabelled.n)))

    def result(self, trust: Trust = "optimal", alpha: float = 0.05) -> PredictionPoweredMean:
        """Return the mean of the true scores with its normal interval.

        Args:
            trust: lambda; 0 uses the human labels alone.
            alpha: two-sided error rate.

        Raises:
            ValueError: lambda is not in [0, 1], or alpha not in (0, 1).

        Assumes: labelled samples are drawn at random from all; samples are independent; some dozens of labels.
        Source: Angelopoulos, Duchi and Zrnic (2023).
        """
        check_alpha(alpha)
        if trust != "optimal" and not 0 <= trust <= 1:
            raise ValueError(f"lambda is a number from 0 to 1, or optimal; got {trust}")
        n, more = self.labelled.n, self.unlabelled.n
        used = self.optimal_trust if trust == "optimal" else float(trust)
        if n == 0 or (used > 0 and more == 0):
            return PredictionPoweredMean("no_data" if n else "no_labels", n, more)
        rectified = self.labelled.mean_b - used * self.labelled.mean_a
        value = rectified + used * self.unlabelled.mean_a
        if n == 1 or (used > 0 and more == 1):
            return PredictionPoweredMean("too_few", n, more, used, value)
        se = math.sqrt(self._variance(used))
        if se <= _SAME * max(1.0, abs(value)):
            return PredictionPoweredMean("constant", n, more, used, value, 0.0)
        found = estimate(value, se, alpha)
        return PredictionPoweredMean("ok", n, more, used, value, se, found.ci_low, found.ci_high, found.p_value)

    def _variance(self, trust: float) -> float:
        """Return the squared standard error at a lambda, variances with ddof 0."""
        pairs, n = self.labelled, self.labelled.n
        # y - lambda f = (1 - lambda) y + lambda (y - f): no cancellation when the judge is nearly always right.
        keep = 1 - trust
        cross = (pairs.m2_b + pairs.m2_d - pairs.m2_a) / 2
        residual = max(0.0, keep**2 * pairs.m2_b + trust**2 * pairs.m2_d + 2 * keep * trust * cross)
        judged = trust**2 * self.unlabelled.m2_a / self.unlabelled.n**2 if trust else 0.0
        return judged + residual / n**2
