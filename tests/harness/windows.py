"""How often something happened within a sliding window of time."""

from __future__ import annotations

from collections.abc import Sequence


def most_within(arrivals_s: Sequence[float], window_s: float) -> int:
    """Return the most arrivals of any window of time."""
    most = first = 0
    for last, arrival_s in enumerate(arrivals_s):
        while arrival_s - arrivals_s[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most
