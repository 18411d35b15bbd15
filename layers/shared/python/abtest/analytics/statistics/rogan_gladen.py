"""Rogan-Gladen correction: a pass rate read from an imperfect judge, corrected by its measured error rates.

Depends on: numpy. Used by: `abtest.analytics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._wald import check_alpha, quantile

STATISTIC = Method(
    name="Rogan-Gladen correction",
    formula="theta = (q + sp - 1) / J, J = se + sp - 1; SE^2 = (q (1 - q) / N + theta^2 se (1 - se) / n1 + "
    "(1 - theta)^2 sp (1 - sp) / n0) / J^2; theta -+ z SE",
    source="Rogan and Gladen (1978), Estimating prevalence from the results of a screening test; "
    "all three terms of the variance as in Lang and Reiczigel (2014), Confidence limits for prevalence of disease",
)
_NO_ERROR = 1e-12


@dataclass(frozen=True)
class CorrectedRate:
    """The true rate; what does not exist is None and `status` says why.

    Args:
        status: `ok`; `no_labels`: no human label; `too_few`: people labelled only passes or only failures, so that
            one of the judge's error rates is unknown; `no_data`: nothing to correct; `uninformative_judge`:
            sensitivity + specificity is at most 1, a judge no better than a coin; `constant`: no error of the judge
            and no variation was seen, so there is no interval.
        sensitivity: share of true passes that the judge passes.
        specificity: share of true failures that it fails.
        raw_rate: share that it passes of the unlabelled samples.
        rate: corrected, from 0 to 1.
        rate_unclipped: corrected, as it comes; the interval is around it.
        se: standard error.
        ci_low: lower end, which can be below 0; `bounded_interval` cuts it.
        ci_high: upper end, which can be above 1.
    """

    status: Status
    sensitivity: float | None = None
    specificity: float | None = None
    raw_rate: float | None = None
    rate: float | None = None
    rate_unclipped: float | None = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None

    @property
    def bounded_interval(self) -> tuple[float, float] | None:
        """The interval within 0 to 1; None where there is none."""
        if self.ci_low is None or self.ci_high is None:
            return None
        return min(1.0, max(0.0, self.ci_low)), min(1.0, max(0.0, self.ci_high))


@dataclass(frozen=True)
class RoganGladen:
    """Counts of what people and the judge say; the sum of two is that of the pooled samples.

    Args:
        passes: labelled samples that people pass; `passes_seen`: those that the judge passes too.
        failures: labelled samples that people fail; `failures_seen`: those that the judge fails too.
        unlabelled: samples that only the judge saw; `unlabelled_passed`: those that it passes.
    """

    passes: int = 0
    passes_seen: int = 0
    failures: int = 0
    failures_seen: int = 0
    unlabelled: int = 0
    unlabelled_passed: int = 0

    def __post_init__(self) -> None:
        pairs = (self.passes, self.passes_seen), (self.failures, self.failures_seen)
        if any(not 0 <= part <= whole for whole, part in (*pairs, (self.unlabelled, self.unlabelled_passed))):
            raise ValueError("counts are at least 0, and a part is no more than its whole")

    @classmethod
    def of(cls, labels: Any, judged: Any, unlabelled: Any) -> RoganGladen:
        """Return the counts of binary verdicts.

        Args:
            labels: human verdicts, shape (n,), each 0 or 1.
            judged: the judge's verdicts on the same samples, shape (n,), each 0 or 1.
            unlabelled: its verdicts on the other samples, shape (N,), each 0 or 1.

        Raises:
            ValueError: labels and verdicts differ in length, or a verdict is not 0 or 1.
        """
        truth, verdict, others = _binary(labels), _binary(judged), _binary(unlabelled)
        if truth.shape != verdict.shape:
            raise ValueError(f"labels and verdicts are two lists of one length; got {truth.size} and {verdict.size}")
        return cls(
            passes=int(np.count_nonzero(truth)),
            passes_seen=int(np.count_nonzero(truth & verdict)),
            failures=int(np.count_nonzero(~truth)),
            failures_seen=int(np.count_nonzero(~truth & ~verdict)),
            unlabelled=int(others.size),
            unlabelled_passed=int(np.count_nonzero(others)),
        )

    def __add__(self, other: RoganGladen) -> RoganGladen:
        return RoganGladen(
            self.passes + other.passes,
            self.passes_seen + other.passes_seen,
            self.failures + other.failures,
            self.failures_seen + other.failures_seen,
            self.unlabelled + other.unlabelled,
            self.unlabelled_passed + other.unlabelled_passed,
        )

    def result(self, alpha: float = 0.05) -> CorrectedRate:
        """Return the corrected rate with its delta-method interval.

        Args:
            alpha: two-sided error rate.

        Raises:
            ValueError: alpha is not in (0, 1).

        Assumes: the judge errs equally often on labelled and unlabelled samples; samples are independent; enough of
        them that the judge's errors were seen. Source: Rogan and Gladen (1978); Lang and Reiczigel (2014).
        """
        check_alpha(alpha)
        sensitivity = self.passes_seen / self.passes if self.passes else None
        specificity = self.failures_seen / self.failures if self.failures else None
        raw = self.unlabelled_passed / self.unlabelled if self.unlabelled else None
        found = CorrectedRate("ok", sensitivity, specificity, raw)
        if sensitivity is None or specificity is None:
            return replace(found, status="too_few" if self.passes + self.failures else "no_labels")
        # In counts, because the rates of a judge that is exactly a coin need not add up to 1 in binary.
        if self.passes_seen * self.failures + self.failures_seen * self.passes <= self.passes * self.failures:
            return replace(found, status="uninformative_judge")
        if raw is None:
            return replace(found, status="no_data")
        youden = sensitivity + specificity - 1
        rate = (raw + specificity - 1) / youden
        found = replace(found, rate=min(1.0, max(0.0, rate)), rate_unclipped=rate)
        se = math.sqrt(sum(self._variance_terms(rate, sensitivity, specificity, raw))) / youden
        if se <= _NO_ERROR:
            return replace(found, status="constant", se=0.0)
        reach = quantile(alpha) * se
        return replace(found, se=se, ci_low=rate - reach, ci_high=rate + reach)

    def _variance_terms(self, rate: float, sensitivity: float, specificity: float, raw: float) -> tuple[float, ...]:
        """Return what the unlabelled samples, the sensitivity and the specificity add to the variance times J^2."""
        return (
            raw * (1 - raw) / self.unlabelled,
            rate**2 * sensitivity * (1 - sensitivity) / self.passes,
            (1 - rate) ** 2 * specificity * (1 - specificity) / self.failures,
        )


def _binary(values: Any) -> npt.NDArray[np.bool_]:
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not np.isin(given, (0.0, 1.0)).all():
        raise ValueError("verdicts are a list of 0 and 1")
    return np.asarray(given == 1, dtype=np.bool_)
