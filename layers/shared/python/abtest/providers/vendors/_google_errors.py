"""What an error of Google's APIs means: the status word, then the typed details, then the message where both are vague.

Source: the errors guide https://google.aip.dev/193, the reasons of google.api.ErrorReason, the details of google.rpc
(ErrorInfo, QuotaFailure, RetryInfo), the page generate-content/api-errors below https://ai.google.dev/gemini-api/docs/,
and errors of the Gemini API in public reports.

Depends on: `_json`. Used by: `gemini`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from abtest.contracts.records import FailureReason
from abtest.providers.model import CallFailure
from abtest.providers.retry import classify_status
from abtest.providers.vendors._json import failure, listed, mapping, message_of, says_any, shown_word, shown_words

_REASONS: dict[str, FailureReason] = {
    "API_KEY_INVALID": "auth",
    "API_KEY_EXPIRED": "auth",
    "ACCESS_TOKEN_EXPIRED": "auth",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": "auth",
    "CREDENTIALS_MISSING": "auth",
    "BILLING_DISABLED": "quota",
    "RESOURCE_QUOTA_EXCEEDED": "quota",
}
_STATUSES: dict[str, tuple[FailureReason, bool]] = {
    "ABORTED": ("server_error", True),
    "CANCELLED": ("timeout", True),
    "DEADLINE_EXCEEDED": ("timeout", True),
    "INTERNAL": ("server_error", True),
    "PERMISSION_DENIED": ("permission", False),
    "UNAUTHENTICATED": ("auth", False),
    "UNAVAILABLE": ("overloaded", True),
    "UNIMPLEMENTED": ("bad_request", False),
    "UNKNOWN": ("server_error", True),
}
_KEY_PHRASES = ("api key not valid", "api key expired", "valid api key", "unregistered callers", "reported as leaked")
_CONTEXT_PHRASES = ("maximum number of tokens", "context length", "context window")
_MODEL_PHRASES = ("model", "requested entity was not found")
_RETIRED_PHRASES = ("no longer available", "retired", "shut down", "discontinued")
_UNPAID_PHRASES = (
    "billing",
    "spending cap",
    "spend cap",
    "prepay",
    "credits are depleted",
    "credits have been depleted",
)
# Said of every limit of the free tier as well, those of a minute included.
_AMBIGUOUS_PHRASE = "check your plan and billing details"
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_MOST_DETAILS = 20


def failure_of(status: int, document: Any) -> CallFailure:
    """Return the failure that an error body of Google means.

    Args:
        status: HTTP status.
        document: the decoded body; anything.
    """
    error = mapping(document).get("error")
    facts = mapping(error)
    details = list(_details(facts))
    reason_word = next((shown for detail in details if (shown := shown_word(detail.get("reason")))), None)
    quotas = list(_quotas(details))
    words = shown_words(
        {"status": facts.get("status"), "reason": reason_word, "quota": quotas[0] if quotas else None},
        ("status", "reason", "quota"),
    )
    message = message_of(facts.get("message") or error)
    reason, retryable = _reason(status, words.get("status", ""), words.get("reason", ""), quotas, message)
    found = failure(reason, status, listed(words), retryable=retryable)
    retry_after_s = _retry_after_s(details) if retryable else None
    return found if retry_after_s is None else found.model_copy(update={"retry_after_s": retry_after_s})


def _reason(status: int, word: str, reason_word: str, quotas: list[str], message: str) -> tuple[FailureReason, bool]:
    if reason_word in _REASONS:
        return _REASONS[reason_word], False
    if says_any(message, _KEY_PHRASES) and status < 500:
        return "auth", False
    if word == "NOT_FOUND" or status == 404:
        return _missing(word, message), False
    if status in (402, 429) or (word == "RESOURCE_EXHAUSTED" and status != 413):
        return _exhausted(status, quotas, message)
    if word == "FAILED_PRECONDITION":
        return ("quota" if says_any(message, _UNPAID_PHRASES) else "permission"), False
    return _STATUSES.get(word) or _by_status(status, message)


def _by_status(status: int, message: str) -> tuple[FailureReason, bool]:
    if status < 300:
        return "malformed", False
    if status == 413 or (status < 500 and says_any(message, _CONTEXT_PHRASES)):
        return "context_length", False
    return classify_status(status)


def _missing(word: str, message: str) -> FailureReason:
    if word != "NOT_FOUND" or not says_any(message, _MODEL_PHRASES):
        return "not_found"
    return "model_retired" if says_any(message, _RETIRED_PHRASES) else "model_not_found"


def _exhausted(status: int, quotas: list[str], message: str) -> tuple[FailureReason, bool]:
    """Return whether a limit passes within minutes, or is one of money or of a day, which a retry cannot wait for."""
    unpaid = says_any(message.replace(_AMBIGUOUS_PHRASE, ""), _UNPAID_PHRASES)
    if status == 402 or unpaid or any("PerDay" in quota or "PerMonth" in quota for quota in quotas):
        return "quota", False
    return "rate_limited", True


def _details(facts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = facts.get("details")
    if isinstance(details, list):
        yield from (detail for detail in details[:_MOST_DETAILS] if isinstance(detail, dict))


def _quotas(details: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of the limits that were reached."""
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if name := shown_word(mapping(violation).get("quotaId")):
                yield name
        if name := shown_word(mapping(detail.get("metadata")).get("quota_limit")):
            yield name


def _retry_after_s(details: list[Mapping[str, Any]]) -> float | None:
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (found := _DELAY.fullmatch(delay)):
            return float(found[1])
    return None
