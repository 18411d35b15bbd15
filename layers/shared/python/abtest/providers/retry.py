"""Retrying as a pure decision: what failed, how often, what the server asked for; never a sleep, never a clock.

Statuses, hints and limits follow what the vendors' own clients do; a wait the server asks for is honoured up to two
minutes, and a request that is wrong, unauthorised or unpaid is never sent again.

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

NEVER_RETRIED: frozenset[FailureReason] = frozenset({"quota", "auth", "not_found", "bad_request"})
"""Reasons that no hint of a server makes retryable."""

_HINT_SPREAD = 0.1
_STATUS_REASONS: dict[int, tuple[FailureReason, bool]] = {
    401: ("auth", False),
    402: ("quota", False),
    403: ("auth", False),
    404: ("not_found", False),
    408: ("timeout", True),
    409: ("server_error", True),
    429: ("rate_limited", True),
}


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a wait."""

    after_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The failure stands."""

    why: str


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
        headers: names in lower case; `retry-after-ms` goes before `retry-after`.
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
    """
    milliseconds = _number(headers.get("retry-after-ms"))
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
        attempt_number: attempts made so far, from 1.
        elapsed_s: since the first attempt started.
        policy: limits.
        jitter: in 0..1; the whole wait is spread by it when the server asks for none, and a tenth when it does, so
            that calls refused together do not come back together.

    Source: exponential backoff with full jitter, as in the AWS Architecture Blog of 2015, "Exponential Backoff And
        Jitter"; base, cap and hints as in the clients of OpenAI and Anthropic.
    """
    if not failure.retryable or failure.failure_reason in NEVER_RETRIED:
        return GiveUp(f"{failure.failure_reason} is not retried")
    if attempt_number >= policy.max_attempts:
        return GiveUp(f"{attempt_number} attempts failed")
    if failure.retry_after_s is None:
        after_s = jitter * min(policy.cap_s, policy.base_s * 2 ** (attempt_number - 1))
    elif failure.retry_after_s > policy.longest_hint_s:
        return GiveUp(f"the server asks for a wait of {failure.retry_after_s:.0f} s")
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
