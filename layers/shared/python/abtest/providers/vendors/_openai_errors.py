"""What an error of OpenAI's APIs means, and of the many servers that answer in their name.

Azure adds an inner error; vLLM has put the error's parts at the top; Ollama, LM Studio and TGI have sent a plain
sentence; gateways wrap the upstream's error or answer 200 and put the upstream's status into the code. Words of type
and code decide where there are any, else known phrases of the message; the message itself is never shown.

Source: https://platform.openai.com/docs/guides/error-codes, Azure's reference for content filtering and its error
codes, the sources of vLLM, llama.cpp, Ollama and text-generation-inference, and errors quoted in public issues.

Depends on: the modules beside it, `abtest.providers.retry`. Used by: the codecs of OpenAI's two APIs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from abtest.contracts.records import FailureReason, Usage
from abtest.providers.model import Answer, AnsweredOutcome, CallFailure
from abtest.providers.retry import classify_status
from abtest.providers.vendors._json import (
    failure,
    listed,
    malformed,
    mapping,
    message_of,
    says_any,
    shown_word,
    shown_words,
    word,
)
from abtest.providers.vendors._openai import request_id_of

_FILTER_WORDS = frozenset(
    {"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "bio_policy", "cyber_policy"}
)
# A reasoning model whose limit ends it before its first visible token; recorded in weave-os/router#589.
_ENDED_BY_LIMIT = ("max_tokens or model output limit was reached",)
_FLAGGED = ("flagged as potentially violating", "content management policy")
# Of an error that comes with status 200: the status it would have had.
_STATUS_OF_WORD = {
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What an error says: words in lower case, the message for looking phrases up, what may be shown."""

    words: frozenset[str]
    message: str
    shown: str
    param: str | None


@dataclass(frozen=True, slots=True)
class _Rule:
    """A reason, where its statuses come with one of its words or phrases; the first rule that fits is taken."""

    reason: FailureReason
    statuses: frozenset[int]
    words: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    retryable: bool = False


_RULES = (
    _Rule(
        "quota",
        frozenset({400, 402, 403, 429}),
        frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}),
        ("insufficient balance", "insufficient credits", "used all available credits", "spending limit"),
    ),
    _Rule(
        "permission",
        frozenset({401, 403}),
        frozenset({"missing_scope", "insufficient_permissions", "unsupported_country_region_territory"}),
        ("insufficient permissions", "missing scopes"),
    ),
    _Rule(
        "auth",
        frozenset({400, 401, 403}),
        frozenset({"invalid_api_key", "authentication_error", "invalid_authentication", "account_deactivated"}),
        ("incorrect api key", "invalid api key", "api key not valid", "invalid subscription key", "missing api key"),
    ),
    _Rule(
        "model_retired",
        frozenset({400, 404}),
        frozenset({"model_decommissioned", "model_deprecated", "model_retired"}),
    ),
    _Rule(
        "context_length",
        frozenset({400, 413, 422, 500}),
        frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}),
        (
            "maximum context length", "context length", "context window", "context size", "maximum model length",
            "prompt is too long", "input is too long", "max_new_tokens` must be",
        ),
    ),
    # More tokens at once than the account may send in a minute: no wait makes it fit.
    _Rule("context_length", frozenset({413, 429}), phrases=("request too large",)),
    _Rule(
        "model_not_found",
        frozenset({400, 404, 422}),
        frozenset(
            {"model_not_found", "deploymentnotfound", "model_not_available", "invalid_model", "unknown_model"}
        ),
        ("model not exist", "not a valid model", "invalid model", "not a chat model", "only supported in v1/"),
    ),
    _Rule(
        "overloaded",
        frozenset({429, 498, 500, 502, 503}),
        frozenset(
            {"overloaded", "overloaded_error", "engine_overloaded", "engine_overloaded_error", "slow_down",
             "capacity_exceeded", "nocapacity", "unavailable_error"}
        ),
        ("overloaded", "loading model", "server busy", "at capacity"),
        retryable=True,
    ),
)  # fmt: skip
_MODEL_MISSING = re.compile(r"\bmodel\b.{0,300}\b(?:not found|does not exist|doesn't exist)", re.DOTALL)
_MODEL_RETIRED = re.compile(
    r"\bmodel\b.{0,300}\b(?:(?:been|was) (?:deprecated|retired|shut down)|no longer (?:available|supported))",
    re.DOTALL,
)


def failed_reply(status: int, headers: Mapping[str, str], document: Any) -> Answer | CallFailure:
    """Return what a reply with another status than 200 means; a filter's verdict is an answer, a limit reached too.

    Args:
        headers: names in lower case.
        document: the decoded body; None when it is no JSON.
    """
    facts = _facts(document)
    if status < 300:
        return malformed(facts.shown or "which an answer never has", status)
    outcome = _outcome(status, facts)
    if outcome is not None:
        return _without_text(outcome, headers, mapping(document), None)
    reason, retryable = _reason(status, facts)
    return failure(reason, status, facts.shown, retryable=retryable)


def error_within(headers: Mapping[str, str], document: Mapping[str, Any], usage: Usage | None) -> Answer | CallFailure:
    """Return what an error means that comes with status 200.

    Args:
        headers: names in lower case.
        document: the reply, with the error's parts in `error` or at the top.
        usage: what the reply says of tokens; where some were made, it may have been paid for, and is not asked again.
    """
    facts = _facts(document)
    code = mapping(document.get("error") or document).get("code")
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        status: int | None = code
    else:
        status = next((_STATUS_OF_WORD[name] for name in sorted(facts.words) if name in _STATUS_OF_WORD), None)
    outcome = _outcome(status or 400, facts)
    if outcome is not None:
        return _without_text(outcome, headers, document, usage)
    shown = f", {facts.shown}" if facts.shown else ""
    if status is None:
        return malformed(f"with an error and no answer{shown}")
    reason, retryable = _reason(status, facts)
    spent = usage is not None and usage.total_output_tokens > 0
    return failure(reason, 200, f"with an error of status {status}{shown}", retryable=retryable and not spent)


def _outcome(status: int, facts: _Facts) -> AnsweredOutcome | None:
    """Return what an error says of the answer, where it is one that says something: no request was wrong then."""
    if status in {400, 403, 422} and (facts.words & _FILTER_WORDS or says_any(facts.message, _FLAGGED)):
        return "filtered"
    return "truncated" if status == 400 and says_any(facts.message, _ENDED_BY_LIMIT) else None


def _without_text(
    outcome: AnsweredOutcome, headers: Mapping[str, str], document: Mapping[str, Any], usage: Usage | None
) -> Answer:
    return Answer(
        outcome=outcome,
        text="",
        usage=usage,
        finish_reason="content_filter" if outcome == "filtered" else "length",
        provider_request_id=request_id_of(headers, document),
        served_model=word(document.get("model")),
    )


def _reason(status: int, facts: _Facts) -> tuple[FailureReason, bool]:
    of_model = status in {400, 404} and facts.param in {None, "model"}
    if of_model and _MODEL_RETIRED.search(facts.message):
        return "model_retired", False
    for rule in _RULES:
        if status in rule.statuses and (facts.words & rule.words or says_any(facts.message, rule.phrases)):
            return rule.reason, rule.retryable
    if of_model and (_MODEL_MISSING.search(facts.message) or (status == 404 and facts.param == "model")):
        return "model_not_found", False
    return classify_status(status)


def _facts(document: Any) -> _Facts:
    """Return what an error says, in whichever of its forms it comes."""
    # Google's compatible address wraps its errors into a list.
    whole = mapping(document[0] if isinstance(document, list) and document else document)
    error = whole.get("error")
    if isinstance(error, str) or (error is None and "detail" in whole):
        parts: Mapping[str, Any] = {
            "message": error or whole.get("detail"),
            "type": whole.get("error_type"),
            "code": whole.get("code"),
        }
    else:
        parts = mapping(error) or whole
    inner = mapping(parts.get("innererror")).get("code")
    upstream = mapping(parts.get("metadata")).get("raw")
    named = shown_words(parts, ("type", "code", "param"))
    if (inner_word := shown_word(inner)) is not None:
        named["inner code"] = inner_word
    said = (parts.get("type"), parts.get("code"), inner)
    return _Facts(
        words=frozenset(name.lower() for name in said if isinstance(name, str)),
        message=message_of(parts.get("message")) + message_of(upstream),
        shown=listed(named),
        param=named.get("param"),
    )
