"""What a confidence sequence says at one moment, and the checks its modules share.

Depends on: numpy. Used by: the confidence sequences beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Status
from abtest.analytics.statistics._student import SMALLEST_P

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SequenceInterval:
    """A mean with an interval that holds at all times together, and evidence against one value of it.

    Args:
        status: whether it has its numbers.
        n: observations so far.
        mean: of them; None without any.
        ci_low: lower end.
        ci_high: upper end.
        p_value: two-sided, against the null value, valid whenever it is read.
        log_e_value: natural logarithm of the e-value against the null value.
    """

    status: Status
    n: int
    mean: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    log_e_value: float | None = None


def p_of(log_evidence: float) -> float:
    """Return min(1, exp(-evidence)), never below the smallest p-value shown."""
    return 1.0 if log_evidence <= 0 else max(SMALLEST_P, math.exp(-min(log_evidence, 700.0)))


def unit_scores(x: Any, low: float, high: float) -> Floats:
    """Return scores moved from [low, high] to [0, 1].

    Raises:
        ValueError: not one list of numbers within the range, or an empty range.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"bounded scores need a finite range with low < high; got [{low}, {high}]")
    values = np.asarray(x, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"scores come as one list; got shape {values.shape}")
    if not ((values >= low) & (values <= high)).all():
        raise ValueError(f"every score must lie in [{low}, {high}]")
    return (values - low) / (high - low)
