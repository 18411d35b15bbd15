"""Retrying as a pure decision: what failed, how often, what the server asked for; never a sleep, never a clock.

Statuses, hints and limits follow what the vendors' own clients do; a wait the server asks for is honoured within a call
up to two minutes, and a request that is wrong, unauthorised or unpaid is never sent again.

Depends on: `abtest.providers.model`. Used by: the codecs (statuses), the service (decisions).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from abtest.contracts.records import FailureReason
from abtest.providers.model import CallFailure, RetryPolicy

NEVER_RETRIED: frozenset[FailureReason] = frozenset(
    {
        "quota",
        "auth",
        "permission",
        "clock_skew",
        "bad_request",
        "context_length",
        "not_found",
        "model_not_found",
        "model_retired",
        "tls",
    }
)
"""Reasons that no hint of a server makes retryable."""

THROTTLED: frozenset[FailureReason] = frozenset({"rate_limited", "overloaded"})
"""Reasons that say: not now. A call that is told so waits as long as it takes, if need be elsewhere."""
_HINT_SPREAD = 0.1
_MILLISECOND_HINTS = ("retry-after-ms", "x-amz-retry-after")
_STATUS_REASONS: dict[int, tuple[FailureReason, bool]] = {
    401: ("auth", False),
    402: ("quota", False),
    403: ("permission", False),
    404: ("not_found", False),
    408: ("timeout", True),
    409: ("server_error", True),
    410: ("model_retired", False),
    429: ("rate_limited", True),
    503: ("overloaded", True),
    529: ("overloaded", True),
}


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a wait."""

    after_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """There is no next attempt, at least not soon.

    Args:
        wait_s: what the server asked for when that is why; None otherwise.
    """

    why: str
    wait_s: float | None = None


def classify_status(status: int) -> tuple[FailureReason, bool]:
    """Return the failure reason of an HTTP status other than success, and whether a retry may help.

    A redirect is `not_found`: it is not followed, because the base URL was checked and its target was not.
    """
    if status in _STATUS_REASONS:
        return _STATUS_REASONS[status]
    if status >= 500:
        return "server_error", True
    if 300 <= status < 400:
        return "not_found", False
    return "bad_request", False


def with_hints(failure: CallFailure, headers: Mapping[str, str], now: datetime) -> CallFailure:
    """Return the failure with what the server's headers say about retrying.

    Args:
        failure: as the codec classified it.
        headers: names in lower case; what is said in milliseconds goes before `retry-after`.
        now: the time in UTC, for a `retry-after` that is a date.
    """
    if failure.failure_reason in NEVER_RETRIED:
        return failure
    hint_s = parse_retry_after_s(headers, now)
    should = headers.get("x-should-retry", "").strip().lower()
    retryable = {"true": True, "false": False}.get(should, failure.retryable)
    if hint_s is None and retryable == failure.retryable:
        return failure
    after_s = hint_s if hint_s is not None else failure.retry_after_s
    return failure.model_copy(update={"retry_after_s": after_s, "retryable": retryable})


def parse_retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds a server asks to wait, or None when it asks for nothing that can be understood.

    Args:
        headers: names in lower case.
        now: the time in UTC.

    Source: `x-amz-retry-after` holds milliseconds, as botocore 1.43.106 reads it (`retries/standard.py`).
    """
    for name in _MILLISECOND_HINTS:
        milliseconds = _number(headers.get(name))
        if milliseconds is not None:
            return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    return seconds if seconds is not None or text is None else _seconds_until(text, now)


def decide(
    failure: CallFailure, attempt_number: int, elapsed_s: float, policy: RetryPolicy, jitter: float
) -> Retry | GiveUp:
    """Return whether to try a call again, and after which wait.

    Args:
        failure: of the last attempt, with the server's hints.
        attempt_number: attempts of this kind made so far, from 1: those that were told "not now" count by themselves.
        elapsed_s: since the first attempt started.
        policy: limits.
        jitter: in 0..1; the whole wait is spread by it when the server asks for none, and a tenth when it does, so
            that calls refused together do not come back together.

    Source: exponential backoff with full jitter, as in the AWS Architecture Blog of 2015, "Exponential Backoff And
        Jitter"; base, cap and hints as in the clients of OpenAI and Anthropic.
    """
    if not failure.retryable or failure.failure_reason in NEVER_RETRIED:
        return GiveUp(f"{failure.failure_reason} is not retried")
    most = policy.max_throttled if failure.failure_reason in THROTTLED else policy.max_attempts
    if attempt_number >= most:
        return GiveUp(f"{attempt_number} attempts failed")
    if failure.retry_after_s is None:
        after_s = jitter * min(policy.cap_s, policy.base_s * 2 ** (attempt_number - 1))
    elif failure.retry_after_s > policy.longest_hint_s:
        return GiveUp(f"the server asks for a wait of {failure.retry_after_s:.0f} s", failure.retry_after_s)
    else:
        after_s = failure.retry_after_s * (1 + _HINT_SPREAD * jitter)
    if elapsed_s + after_s > policy.longest_call_s:
        return GiveUp(f"the next attempt would start {elapsed_s + after_s:.0f} s after the first")
    return Retry(after_s)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
