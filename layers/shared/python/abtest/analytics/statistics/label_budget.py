"""How many more human labels narrow the prediction-powered interval to a wanted width.

Depends on: `abtest.analytics.statistics.prediction_powered`. Used by: `abtest.analytics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._wald import quantile
from abtest.analytics.statistics.prediction_powered import PredictionPowered

STATISTIC = Method(
    name="Human label budget",
    formula="V(n) = var(y) ((1 - r^2) / n + r^2 / T), T = labelled + unlabelled; "
    "n = var(y) (1 - r^2) / (V* - var(y) r^2 / T), V* = (width / (2 z))^2; where lambda is 1: "
    "V(n) = var(f) / (T - n) + var(y - f) / n = V*",
    source="Angelopoulos, Duchi and Zrnic (2023), PPI++, variance at the optimal lambda, solved for n "
    "with the labels taken from the judged samples",
)


@dataclass(frozen=True)
class LabelBudget:
    """Labels to add; what does not exist is None and `status` says why.

    Args:
        status: `ok`; `unreachable`: labelling every judged sample leaves the interval wider; `no_labels`, `too_few`:
            fewer than two labels say nothing about spread; `constant`: labels do not vary.
        more_labels: labels to add to the present ones; 0 when the interval is narrow enough.
        width_now: width of the present interval, upper end less lower end, by the same formula.
        width_then: width with the labels added.
        narrowest: width when all judged samples are labelled.
    """

    status: Status
    more_labels: int | None = None
    width_now: float | None = None
    width_then: float | None = None
    narrowest: float | None = None


def label_budget(
    data: PredictionPowered, *, width: float | None = None, factor: float | None = None, alpha: float = 0.05
) -> LabelBudget:
    """Return how many more labels the PPI++ interval needs to be as narrow as wanted.

    Args:
        data: what is labelled and judged so far; new labels are of samples that the judge scored already.
        width: wanted width, upper end less lower end, in the unit of the scores; or
        factor: wanted width as a share of the present one, such as 0.5.
        alpha: two-sided error rate of the interval.

    Raises:
        ValueError: not exactly one of width and factor is given, or it is not a positive number, or alpha is no
            error rate.

    Assumes: the variances and the correlation stay as they are; with few labels they are rough, and so is the answer.
    """
    z = quantile(alpha)
    wanted = width if factor is None else factor
    if (width is None) == (factor is None) or wanted is None or not 0 < wanted < math.inf:
        raise ValueError("a label budget needs a positive width or a positive factor, and not both")
    n = data.labelled.n
    if n < 2:
        return LabelBudget("too_few" if n else "no_labels")
    parts = _Components.of(data)
    if parts.label <= 0:
        return LabelBudget("constant")
    now, narrowest = (2 * z * math.sqrt(parts.variance(count)) for count in (n, parts.total))
    goal = wanted if factor is None else factor * now
    if goal >= now:
        return LabelBudget("ok", 0, now, now, narrowest)
    if goal < narrowest * (1 - 1e-12):
        return LabelBudget("unreachable", None, now, None, narrowest)
    needed = parts.labels_for((goal / (2 * z)) ** 2)
    return LabelBudget("ok", needed - n, now, 2 * z * math.sqrt(parts.variance(needed)), narrowest)


@dataclass(frozen=True)
class _Components:
    """Variance components: of labels, of judge scores, of their difference, and the slope of labels on scores."""

    label: float
    judge: float
    difference: float
    slope: float
    total: int

    @classmethod
    def of(cls, data: PredictionPowered) -> _Components:
        n, slope = data.labelled.n, max(0.0, data.slope)
        judge, label = data.judge_variance or 0.0, data.labelled.m2_b / (n - 1)
        # The slope takes the judge's variance from all samples, the labels' from few: no more than all is explained.
        slope = min(slope, math.sqrt(label / judge)) if judge > 0 else 0.0
        difference = max(0.0, label - 2 * slope * judge + judge)
        return cls(label, judge, difference, slope, n + data.unlabelled.n)

    @property
    def explained(self) -> float:
        """The part of the labels' variance that the judge explains, var(y) r^2."""
        return self.slope**2 * self.judge

    def is_clipped(self, labels: float) -> bool:
        """Whether the best lambda would exceed 1: slope (T - n) / T > 1."""
        return self.slope * (self.total - labels) > self.total

    def variance(self, labels: int) -> float:
        """Return the squared standard error with so many of all samples labelled, at the best lambda from 0 to 1."""
        if self.is_clipped(labels):
            return self.judge / (self.total - labels) + self.difference / labels
        return (self.label - self.explained) / labels + self.explained / self.total

    def labels_for(self, wanted: float) -> int:
        """Return the fewest labels whose variance is at most the wanted one, which is reachable."""
        rest = wanted - self.explained / self.total
        needed = (self.label - self.explained) / rest if rest > 0 else float(self.total)
        if self.is_clipped(needed):
            # The smaller root of V n^2 - (V T + difference - judge) n + difference T = 0.
            half = (wanted * self.total + self.difference - self.judge) / 2
            root = math.sqrt(max(0.0, half**2 - wanted * self.difference * self.total))
            needed = (half - root) / wanted
        labels = min(self.total, max(1, math.ceil(needed * (1 - 1e-12))))
        # Rounding of the closed form can leave it one short.
        return labels if labels == self.total or self.variance(labels) <= wanted * (1 + 1e-12) else labels + 1
