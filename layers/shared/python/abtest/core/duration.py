"""A duration for a person.

Depends on: nothing. Used by: plans, the command line.
"""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Return a duration: `0.4 s`, `37 s`, `12 min`, `3.5 h`, `4 days`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
