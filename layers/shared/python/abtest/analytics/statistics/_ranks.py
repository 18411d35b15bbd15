"""Mid-ranks by one sort.

Depends on: numpy. Used by: `abtest.analytics.statistics.wilcoxon_signed_rank`, `effect_sizes`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def sorted_midranks(values: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Return the order that sorts the values, and twice their mid-ranks in that order.

    Twice, because mid-ranks are whole or half: as integers they add without rounding.

    Args:
        values: shape (n,), n at least 1.
    """
    order = np.argsort(values)
    ranked = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    ends = np.append(starts[1:], values.size)
    return order, np.repeat(starts + ends + 1, ends - starts).astype(np.int64, copy=False)


def midranks(values: Floats) -> Floats:
    """Return the mid-ranks, from 1, in the order of the values."""
    order, doubled = sorted_midranks(values)
    ranks = np.empty(values.size)
    ranks[order] = doubled / 2
    return ranks
