"""A root between two points where a function changes its sign.

Depends on: nothing. Used by: the modules beside it, `abtest.analytics.planning`.
"""

from __future__ import annotations

from collections.abc import Callable

_STEPS = 200


def root(function: Callable[[float], float], low: float, high: float, *, tolerance: float = 1e-13) -> float:
    """Return where a continuous function is 0.

    Args:
        function: continuous, with opposite signs (or 0) at the two ends.
        low: one end.
        high: the other, above `low`.
        tolerance: of the root, relative to its size where that is above 1.

    Raises:
        ValueError: the signs at the ends are the same.

    Source: regula falsi as in Dowell and Jarratt (1971), the Illinois algorithm, with a bisection every third step.
    """
    at_low, at_high = function(low), function(high)
    if at_low * at_high > 0:
        raise ValueError(f"the function has one sign at both ends: {at_low} at {low}, {at_high} at {high}")
    for step in range(_STEPS):
        if at_low == 0 or at_high == 0 or high - low <= tolerance * max(1.0, abs(low)):
            break
        middle = (low + high) / 2 if step % 3 == 2 else low + (high - low) * at_low / (at_low - at_high)
        middle = min(max(middle, low), high)
        value = function(middle)
        if value * at_low > 0:
            low, at_low, at_high = middle, value, at_high / 2
        else:
            high, at_high, at_low = middle, value, at_low / 2
    return low if abs(at_low) < abs(at_high) else high
