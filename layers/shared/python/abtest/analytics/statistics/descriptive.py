"""Mean, median and 95th percentile of a quantity, with the count of answers that lack it.

Depends on: numpy. Used by: `abtest.analytics.data.accumulate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Description, Method

STATISTIC = Method(
    name="Percentiles",
    formula="linear interpolation between order statistics at (n - 1) q",
    source="Hyndman and Fan (1996), type 7",
)


@dataclass(frozen=True)
class Observations:
    """The values of one quantity as 8 bytes each, because quantiles have no short sufficient statistic.

    Chunks are kept apart until they are described, so that adding copies nothing.
    """

    chunks: tuple[npt.NDArray[np.float64], ...] = ()
    missing: int = 0

    @classmethod
    def of(cls, values: Any) -> Observations:
        """Return the observations of an array of shape (n,), NaN being missing."""
        array = np.asarray(values, dtype=np.float64)
        present = array[~np.isnan(array)]
        return cls((present,) if present.size else (), int(array.size - present.size))

    def __add__(self, other: Observations) -> Observations:
        return Observations(self.chunks + other.chunks, self.missing + other.missing)

    def describe(self) -> Description:
        """Return count, mean, median, 95th percentile and total."""
        if not self.chunks:
            return Description(n=0, n_missing=self.missing)
        values = np.concatenate(self.chunks)
        p50, p95 = np.quantile(values, (0.5, 0.95))
        total = math.fsum(values)
        return Description(
            n=int(values.size),
            n_missing=self.missing,
            mean=total / values.size,
            p50=float(p50),
            p95=float(p95),
            total=total,
        )
