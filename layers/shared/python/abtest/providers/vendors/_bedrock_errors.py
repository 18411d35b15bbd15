"""What the errors of Amazon Bedrock mean: by their name, refined by known phrases of their message.

A message is looked at and never shown, for it may repeat the prompt.

Sources: the errors of `Converse` in botocore 1.43.106's service model; Amazon Bedrock User Guide, "Troubleshooting
Amazon Bedrock API Error Codes"; AWS's errors common to all services; messages that users of Bedrock reported in public.

Depends on: `vendors._json`. Used by: `vendors.bedrock`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abtest.contracts.records import FailureReason
from abtest.providers.model import CallFailure
from abtest.providers.retry import classify_status
from abtest.providers.vendors import _json

_RETRIED: frozenset[FailureReason] = frozenset({"timeout", "rate_limited", "overloaded", "server_error"})

# Names without the `Exception` or `Error` that some have at the end.
_NAMED: dict[FailureReason, tuple[str, ...]] = {
    "auth": (
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClient",
    ),
    "clock_skew": ("RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"),
    "permission": ("AccessDenied", "BadCScore", "FTUFormNotFilled", "NotAuthorized", "OptInRequired"),
    "quota": ("ServiceQuotaExceeded",),
    "rate_limited": ("LimitExceeded", "RequestLimitExceeded", "Throttled", "Throttling", "TooManyRequests"),
    "overloaded": ("ModelNotReady", "ServiceUnavailable"),
    "timeout": ("ModelTimeout", "RequestTimeout"),
    "server_error": ("InternalFailure", "InternalServer", "InternalServerError"),
    "bad_request": ("Validation",),
    "context_length": ("RequestEntityTooLarge",),
    "model_not_found": ("ResourceNotFound",),
    "not_found": ("InvalidAction", "UnknownOperation"),
}
_REASONS = {name: reason for reason, names in _NAMED.items() for name in names}
_MODEL_ERROR = "ModelError"
_ENDINGS = ("Exception", "Error")

_SKEWED = ("signature expired", "signature not yet current")
_WRONG_KEY = (
    "api key is valid",
    "invalid api key",
    "bearer token",
    "missing authentication token",
    "request signature we calculated",
    "security token included in the request",
)
_RETIRED = ("end of its life", "marked by provider as legacy")
_NO_SUCH_MODEL = (
    "model identifier is invalid",
    "on-demand throughput",
    "at 'modelid' failed to satisfy constraint",
    "doesn't support the model that you provided",
)
_NOT_FOUND = ("model not found", "resolve the foundation model")
_TOO_LONG = (
    "input is too long",
    "prompt is too long",
    "context length",
    "context limit",
    "context window",
    "exceeds maximum length",
    "input tokens exceeded",
    "maximum number of input tokens",
    "too many input tokens",
)
# By the reason that the name or the status gives: phrases in lower case, and what they make of it; the first holds.
_REFINED: dict[FailureReason, tuple[tuple[FailureReason, tuple[str, ...]], ...]] = {
    "auth": (("clock_skew", _SKEWED),),
    "permission": (
        ("clock_skew", _SKEWED),
        ("auth", _WRONG_KEY),
        ("model_retired", _RETIRED),
        ("quota", ("payment_instrument", "payment instrument")),
    ),
    "rate_limited": (("quota", ("per day", "daily")),),
    "bad_request": (
        ("clock_skew", _SKEWED),
        ("context_length", _TOO_LONG),
        ("model_retired", _RETIRED),
        ("model_not_found", _NO_SUCH_MODEL),
        ("permission", ("operation not allowed",)),
    ),
    "not_found": (("model_retired", _RETIRED), ("model_not_found", _NOT_FOUND)),
    "model_not_found": (("model_retired", _RETIRED), ("permission", ("use case details",))),
}


def failure(status: int, headers: Mapping[str, str], document: Any) -> CallFailure:
    """Return the failure that a reply with another status than 200 tells.

    Args:
        status: HTTP status.
        headers: names in lower case; `x-amzn-errortype` names the error.
        document: the decoded body; None when it is no JSON.
    """
    facts = _json.mapping(document)
    name = _name(headers, facts)
    words = _json.shown_word(name) or ""
    if status < 300:
        return _json.malformed(words or "no answer has this status", status)
    reason, retryable = _reason(status, name, facts)
    message = _json.message_of(facts.get("message", facts.get("Message")))
    for refined, phrases in _REFINED.get(reason, ()):
        if _json.says_any(message, phrases):
            return _json.failure(refined, status, words)
    return _json.failure(reason, status, words, retryable=retryable)


def _reason(status: int, name: str | None, facts: Mapping[str, Any]) -> tuple[FailureReason, bool]:
    short = _short(name)
    if short == _MODEL_ERROR:
        original = facts.get("originalStatusCode")
        # The model's own server refused the request as wrong: it will again.
        wrong = isinstance(original, int) and 400 <= original < 500 and classify_status(original)[0] == "bad_request"
        return ("bad_request", False) if wrong else ("server_error", True)
    if short in _REASONS:
        return _REASONS[short], _REASONS[short] in _RETRIED
    if status == 413:
        return "context_length", False
    return classify_status(status)


def _name(headers: Mapping[str, str], facts: Mapping[str, Any]) -> str | None:
    """Return an error's name: `a.b#NameException:http://...` holds more than that."""
    for value in (headers.get("x-amzn-errortype"), facts.get("__type"), facts.get("code"), facts.get("Code")):
        if isinstance(value, str) and (name := value.partition(":")[0].rpartition("#")[2]):
            return name
    return None


def _short(name: str | None) -> str:
    if name is None or name in _REASONS or name == _MODEL_ERROR:
        return name or ""
    return next((name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)), name)
