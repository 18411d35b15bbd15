"""Normal-theory intervals and p-values of estimates with a standard error.

Depends on: scipy.special. Used by: the pairwise statistics beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abtest.analytics.statistics._student import SMALLEST_P

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error, normal interval and two-sided p-value against 0.

    Without a positive standard error there is no test: `p_value` is None, and the interval too where `se` is None.
    """

    value: float
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None


def check_alpha(alpha: float) -> None:
    """Refuse an error rate outside (0, 1).

    Raises:
        ValueError: it is.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is an error rate between 0 and 1, both excluded; got {alpha}")


def quantile(alpha: float) -> float:
    """Return the normal z that a two-sided test at level alpha must exceed.

    Raises:
        ValueError: alpha is not between 0 and 1.
    """
    check_alpha(alpha)
    from scipy.special import ndtri

    return -float(ndtri(alpha / 2))


def two_sided(z: Floats) -> Floats:
    """Return the two-sided normal p-value of each z, never below the smallest one shown."""
    from scipy.special import ndtr

    return np.asarray(np.clip(2 * ndtr(-np.abs(z)), SMALLEST_P, 1.0), dtype=np.float64)


def estimate(value: float, se: float | None, alpha: float) -> Estimate:
    """Return a number with what its standard error allows to say.

    Args:
        value: the estimate.
        se: its standard error; None when it does not exist, 0 when the data do not vary.
        alpha: two-sided error rate.
    """
    reach = quantile(alpha)
    if se is None:
        return Estimate(value)
    p_value = float(two_sided(np.asarray([value / se]))[0]) if se > 0 else None
    return Estimate(value, se, value - reach * se, value + reach * se, p_value)
