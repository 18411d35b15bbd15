"""The effect corrected by people: PPI++ over samples that may belong together.

The value is that of `statistics.prediction_powered`. Three things differ, because labels are few and rows belong
together: the error sums each cluster's influence on the value; the interval takes Student's t; and two labelled samples
are added on which the judge says nothing of the truth. Without those two a judge whose errors are rare looks perfect in
a small sheet, and an interval that is called 95 % covers 75 % (ten labels, a judge wrong on 13 %); with them it covers
92 % and more, and at a hundred labels they cost one hundredth of its width.

Depends on: numpy, `abtest.analytics.statistics`. Used by: `abtest.analytics.labels.service`, `rates` beside it.
"""

from __future__ import annotations

import math

import numpy as np

from abtest.analytics.labels.inputs import Values
from abtest.analytics.labels.model import Estimated
from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._student import critical_value, two_sided_p
from abtest.analytics.statistics.cluster_robust import Codes, cluster_codes, cluster_robust
from abtest.analytics.statistics.prediction_powered import PredictionPowered

METHOD = Method(
    name="PPI++ with cluster-robust error, plus two",
    formula="theta = lambda mean(f unlabelled) + mean(y - lambda f labelled); SE^2 = G / (G - 1) * sum over clusters "
    "of (sum of psi)^2 + (V2 - V) / G, psi = lambda (f - mean f) / N unlabelled, (y - lambda f - mean(y - lambda f)) / "
    "n labelled, V = var(y - lambda f), V2 = (n V + 2 (var(y) + lambda^2 var(f))) / (n + 2), lambda of PPI++ times "
    "n / (n + 2), G = labelled clusters; theta -+ t(G - 1) SE",
    source="Angelopoulos, Duchi and Zrnic (2023), PPI++: Efficient prediction-powered inference; the sum over clusters "
    "as in Miller (2024), Adding error bars to evals, appendix A; the two added samples are our own, after Agresti and "
    "Coull (1998), Approximate is better than exact for interval estimation of binomial proportions",
)
ADDED = 2
"""Labelled samples, without any relation of judge and truth, that are added to those there are."""
FEWEST_LABELS = 10
"""Labelled samples (clusters) below which no corrected effect is told: the interval would not hold its level."""
_SAME = 1e-12


def corrected_mean(
    human: Values, judge: Values, clusters: tuple[str | None, ...], *, null: float, alpha: float, trust: float | None
) -> tuple[Estimated, float | None]:
    """Return a mean of true scores with its interval, and lambda.

    Args:
        human: people's scores, shape (samples,), NaN where nobody labelled.
        judge: the judge's, shape (samples,); samples without one do not count.
        clusters: what each sample belongs to; None is a sample on its own.
        null: value that the p-value is against.
        alpha: two-sided error rate.
        trust: lambda; 0 takes labels alone, None the best one.

    Assumes: which samples people label has nothing to do with their scores. Source: see `METHOD`.
    """
    known = ~np.isnan(judge)
    y, f = human[known], judge[known]
    codes, _ = cluster_codes(np.asarray(clusters, dtype=object)[known], int(f.size))
    labelled = ~np.isnan(y)
    n, units = int(np.count_nonzero(labelled)), _units(codes, labelled)
    if n == 0:
        return Estimated(status="no_labels", n=0, units=0), None
    if units < FEWEST_LABELS:
        return Estimated(status="one_cluster" if units == 1 < n else "too_few", n=n, units=units), None
    data = PredictionPowered.of_samples(y, f)
    used = data.optimal_trust * n / (n + ADDED) if trust is None else trust
    value = data.result(used, alpha).value
    if value is None:
        return Estimated(status="no_data", n=n, units=units), used
    rectified = y[labelled] - used * f[labelled]
    influence = np.zeros(f.size)
    influence[labelled] = (rectified - rectified.mean()) / n
    if used > 0:
        others = f[~labelled]
        influence[~labelled] = used * (others - others.mean()) / others.size
    unseen = _unseen(y[labelled], rectified, used, data.judge_variance or 0.0) / units
    found = with_error(value, influence, codes, n=n, units=units, null=null, alpha=alpha, unseen=unseen)
    return found, used


def with_error(
    value: float,
    influence: Values,
    codes: Codes,
    *,
    n: int,
    units: int,
    null: float,
    alpha: float,
    unseen: float = 0.0,
) -> Estimated:
    """Return an estimate with the error that its influences add up to.

    Args:
        value: the estimate.
        influence: what each sample adds to it, shape (samples,), summing to 0.
        codes: cluster of each sample, shape (samples,).
        n: labelled samples; units: clusters among them, at least 2.
        null: value that the p-value is against.
        alpha: two-sided error rate.
        unseen: variance to add for errors of the judge that so few labels may not show.
    """
    sums = np.bincount(codes, weights=influence)
    se = math.sqrt(units / (units - 1) * float(sums @ sums) + unseen)
    if se <= _SAME * max(1.0, abs(value)):
        return Estimated(status="constant", n=n, units=units, value=value, se=0.0)
    reach = critical_value(alpha, units - 1) * se
    return Estimated(
        status="ok",
        n=n,
        units=units,
        value=value,
        se=se,
        ci_low=value - reach,
        ci_high=value + reach,
        p_value=two_sided_p((value - null) / se, units - 1),
    )


def plain_mean(values: Values, clusters: tuple[str | None, ...], *, null: float, alpha: float) -> Estimated:
    """Return the mean of what is not missing, with the cluster-robust interval.

    Args:
        values: shape (samples,), NaN being missing.
        clusters: what each sample belongs to.
        null: value that the p-value is against.
        alpha: two-sided error rate.
    """
    known = ~np.isnan(values)
    found = cluster_robust(values[known] - null, np.asarray(clusters, dtype=object)[known], alpha)
    mean = None if found.mean is None else found.mean + null
    told = found.recommended
    if found.status != "ok" or told is None or told.ci_low is None or told.ci_high is None:
        error = 0.0 if found.status == "constant" else None
        return Estimated(status=found.status, n=found.n, units=found.clusters, value=mean, se=error)
    return Estimated(
        status="ok",
        n=found.n,
        units=found.clusters,
        value=mean,
        se=told.se,
        ci_low=told.ci_low + null,
        ci_high=told.ci_high + null,
        p_value=told.p_value,
    )


def width(found: Estimated) -> float | None:
    """Return how wide an interval is; None where there is none."""
    return None if found.ci_low is None or found.ci_high is None else found.ci_high - found.ci_low


def status_of_both(one: Status, other: Status) -> Status:
    """Return `ok` when both are, else the first that is not."""
    return other if one == "ok" else one


def _unseen(y: Values, rectified: Values, trust: float, judge_variance: float) -> float:
    """Return by how much the two added samples raise the variance of what the judge leaves over."""
    seen, blind = float(rectified.var()), float(y.var()) + trust**2 * judge_variance
    return max(0.0, ADDED * (blind - seen) / (y.size + ADDED))


def _units(codes: Codes, labelled: np.ndarray) -> int:
    return int(np.unique(codes[labelled]).size)
