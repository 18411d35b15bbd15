"""What every plan is made of: its result, and the checks its modules share.

Depends on: `abtest.analytics.model`. Used by: the modules beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from abtest.analytics.model import Status

Alternative = Literal["two_sided", "greater", "less"]
"""What the test looks for in B - A."""


@dataclass(frozen=True)
class SampleSize:
    """How many samples a power needs.

    Args:
        status: `ok`, or `unreachable` where no number of samples is enough.
        n: as the formula gives it, not rounded; None where it does not exist.
        samples: the next whole number.
    """

    status: Status
    n: float | None = None
    samples: int | None = None


@dataclass(frozen=True)
class Power:
    """The chance to find an effect; None with the status `too_few` where there is no test."""

    status: Status
    power: float | None = None


@dataclass(frozen=True)
class DetectableEffect:
    """The smallest effect that is found with a given chance; `unreachable` or `too_few` where there is none."""

    status: Status
    effect: float | None = None


def size_of(n: float) -> SampleSize:
    """Return a sample size with the next whole number above it; `unreachable` where no number is so large."""
    if not math.isfinite(n):
        return SampleSize("unreachable")
    # What rounding adds to a whole number does not cost a sample.
    return SampleSize("ok", n, math.ceil(n - 1e-9 * max(1.0, n)))


def check_rates(alpha: float, power: float) -> None:
    """Refuse an error rate or a power for which there is nothing to plan.

    Raises:
        ValueError: alpha is outside (0, 1), or the power is not between alpha and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is an error rate between 0 and 1, both excluded; got {alpha}")
    if not alpha < power < 1:
        raise ValueError(f"power lies between alpha and 1, both excluded; got {power} at alpha {alpha}")


def check_samples(n: float) -> None:
    """Refuse a number of samples that is negative or not finite.

    Raises:
        ValueError: it is.
    """
    if not (math.isfinite(n) and n >= 0):
        raise ValueError(f"the number of samples is finite and at least 0; got {n}")


def upper_quantile(probability: float) -> float:
    """Return the normal quantile that is exceeded with a probability."""
    from scipy.special import ndtri

    return -float(ndtri(probability))
