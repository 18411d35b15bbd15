"""What a provider's headers say of its limits, in the two families that exist; total over any header.

`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` gives the reset as a duration (`6m0s`, `12ms`);
`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` gives it as a time. Both mean
the moment when the limit is whole again, which is later than the moment when the next call may be sent.

Depends on: nothing. Used by: the gate of a batch.

Source: the header names and formats in OpenAI's and Anthropic's documents on rate limits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Dimension = Literal["requests", "tokens", "input_tokens", "output_tokens"]

LONGEST_PAUSE_S = 5.0
_TOKEN_SHARE = 0.02
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_DIMENSIONS: tuple[Dimension, ...] = ("requests", "tokens", "input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class ServerLimit:
    """One limit as the provider sees it now; None is what it does not say.

    Args:
        limit: calls or tokens of the provider's window, usually a minute.
        remaining: of them, at the time of the reply.
        reset_s: seconds until the limit is whole again.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None

    def pause_s(self, dimension: Dimension) -> float:
        """Return the seconds in which the next call would surely be refused; 0 while anything remains.

        A bucket that refills evenly has one call's worth long before it is whole, so the pause is that part of the
        reset, not all of it. A window that refills at once answers the next call with 429 and its own hint.
        """
        if self.remaining != 0 or not self.reset_s:
            return 0.0
        share = 1 / self.limit if dimension == "requests" and self.limit else _TOKEN_SHARE
        return min(LONGEST_PAUSE_S, self.reset_s * share)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """All limits one reply shows.

    Args:
        by_dimension: at least one.
    """

    by_dimension: Mapping[Dimension, ServerLimit]

    @property
    def pause_s(self) -> float:
        """Seconds in which no call should be sent; 0 when every limit has something left."""
        return max(limit.pause_s(dimension) for dimension, limit in self.by_dimension.items())


def server_limits(headers: Mapping[str, str], now: datetime) -> ServerLimits | None:
    """Return what a reply's headers say of limits, or None when they say nothing that can be understood.

    Args:
        headers: names in lower case.
        now: the time in UTC, for a reset that is a time.
    """
    # Most providers say nothing: one look at the names is all that this costs them.
    if not any("ratelimit-" in name for name in headers):
        return None
    found: dict[Dimension, ServerLimit] = {}
    for dimension in _DIMENSIONS:
        name = dimension.replace("_", "-")
        limit = _openai(headers, name) or _anthropic(headers, name, now)
        if limit is not None:
            found[dimension] = limit
    return ServerLimits(found) if found else None


def duration_s(text: str) -> float | None:
    """Return the seconds of a duration such as `1h2m3.5s`, `250ms` or `3`; None when it is none."""
    text = text.strip().lower()
    bare = _count(text)
    if bare is not None:
        return bare
    matched = _DURATION.fullmatch(text)
    if matched is None or not text:
        return None
    seconds = sum(float(number) * unit for number, unit in zip(matched.groups("0"), _UNITS_S, strict=True))
    return seconds if math.isfinite(seconds) else None


def _openai(headers: Mapping[str, str], name: str) -> ServerLimit | None:
    reset = headers.get(f"x-ratelimit-reset-{name}")
    return _limit(
        headers.get(f"x-ratelimit-limit-{name}"),
        headers.get(f"x-ratelimit-remaining-{name}"),
        None if reset is None else duration_s(reset),
    )


def _anthropic(headers: Mapping[str, str], name: str, now: datetime) -> ServerLimit | None:
    reset = headers.get(f"anthropic-ratelimit-{name}-reset")
    return _limit(
        headers.get(f"anthropic-ratelimit-{name}-limit"),
        headers.get(f"anthropic-ratelimit-{name}-remaining"),
        None if reset is None else _seconds_until(reset, now),
    )


def _limit(limit: str | None, remaining: str | None, reset_s: float | None) -> ServerLimit | None:
    most, left = _count(limit), _count(remaining)
    if most is None and left is None and reset_s is None:
        return None
    # A fraction of a call that remains is none.
    return ServerLimit(None if most is None else int(most), None if left is None else int(left), reset_s)


def _count(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
    except (ValueError, OverflowError):
        return None
