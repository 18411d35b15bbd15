"""Raw p-values in the order in which the adjustments for multiple testing walk through them.

Depends on: nothing. Used by: the adjustments beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def ranked(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    """Return the p-values that exist, ascending, each with its index in the input.

    Raises:
        ValueError: one is outside [0, 1].
    """
    present = [(float(p), index) for index, p in enumerate(p_values) if p is not None]
    wrong = [p for p, _ in present if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"p-values are from 0 to 1, or None where there is no test; got {wrong[0]}")
    return sorted(present)


def step_up(p_values: Sequence[float | None], factor: Callable[[int, int], float]) -> list[float | None]:
    """Return p(i) adjusted to the minimum over j >= i of min(1, factor(j, m) p(j)), in the order of the input.

    Args:
        p_values: raw p-values; None (no test) stays None and does not count.
        factor: what the j-th smallest of m p-values is multiplied by, j from 1.
    """
    order = ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    lowest = 1.0
    for position in range(len(order), 0, -1):
        p, index = order[position - 1]
        lowest = min(lowest, factor(position, len(order)) * p)
        adjusted[index] = lowest
    return adjusted


def harmonic(m: int) -> float:
    """Return 1 + 1/2 + ... + 1/m."""
    return math.fsum(1 / i for i in range(1, m + 1))
