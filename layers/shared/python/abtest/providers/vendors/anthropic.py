"""Anthropic Messages: `POST {base_url}/v1/messages`, as Anthropic and servers compatible with it speak it.

Two versions of the API are in use. The newer one takes no sampling parameters at all; the older one takes them for
models before Claude 4.7. HTTP 200 is no success by itself: refusals and cut answers come with it.

Source: the types and captured requests of the official client (anthropic 2.14.0); for what depends on the version or
the model, the pages migration-2026-10-21, errors, effort and thinking-troubleshooting below
https://platform.claude.com/docs/en/.

Depends on: `abtest.providers.model`, `_json`. Used by: the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from abtest.contracts.definition import Parameters
from abtest.contracts.records import FailureReason, Usage
from abtest.providers.model import Answer, AnsweredOutcome, CallFailure, Capabilities, HttpRequest, ModelRequest
from abtest.providers.registration import ModelProvider, Options
from abtest.providers.retry import classify_status
from abtest.providers.vendors import _claude
from abtest.providers.vendors._json import (
    JSON_HEADERS,
    clean_key,
    count,
    count_or_zero,
    decoded,
    encoded,
    failure,
    listed,
    malformed,
    mapping,
    message_of,
    mismatched,
    says_any,
    shown_word,
    shown_words,
    utf8_text,
    word,
)

DEFAULT_BASE_URL = "https://api.anthropic.com"
NEWEST_API: Literal["2026-10-21"] = "2026-10-21"
_NO_SAMPLING = f"API version {NEWEST_API} has none; option api_version 2023-06-01 has it for models before Claude 4.7"
_OUTCOMES: dict[str, AnsweredOutcome] = {
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    # The turn was interrupted on the server's side; what there is of it is not the whole answer.
    "pause_turn": "truncated",
    "refusal": "refused",
}
_FOREIGN_KEYS = ("choices", "candidates", "output", "object")

_CODES: dict[str, FailureReason] = {
    "contract_spend_limit_reached": "quota",
    "enforced_spend_limit_reached": "quota",
    "linked_organization_billing_unavailable": "quota",
    "linked_organization_spend_limit_reached": "quota",
    "organization_on_hold": "permission",
    "organization_not_enrolled_in_beta": "permission",
    "region_not_supported": "permission",
    "unsupported_region": "permission",
}
_TYPES: dict[str, tuple[FailureReason, bool]] = {
    "authentication_error": ("auth", False),
    "billing_error": ("quota", False),
    "exceed_context_size_error": ("context_length", False),
    "overloaded_error": ("overloaded", True),
    "permission_error": ("permission", False),
    "rate_limit_error": ("rate_limited", True),
    "request_too_large": ("context_length", False),
    "timeout_error": ("timeout", True),
}
# Types that say little: the message is looked at as well, for want of a code.
_VAGUE_TYPES = frozenset({"", "invalid_request_error", "rate_limit_error"})
_QUOTA_PHRASES = ("credit balance", "usage limits", "spend limit", "spending limit")
_CONTEXT_PHRASES = ("prompt is too long", "maximum context", "context window", "context limit", "context size")
_DISABLED_PHRASES = ("organization has been disabled",)
_RETIRED_PHRASES = ("retired", "end-of-life", "end of life", "no longer available", "no longer supported")


class AnthropicOptions(Options):
    """What a registration may say of an Anthropic Messages address.

    Args:
        api_version: sent as `anthropic-version`; only 2023-06-01 takes `temperature` and `top_p`.
        auth_style: `bearer` sends the key as `authorization`, `x_api_key` as a header of that name; None is what the
            official client of the API's version does: `bearer` since 2026-10-21, `x_api_key` before.
        beta: sent as `anthropic-beta`: names of features, joined by commas.
    """

    api_version: Literal["2026-10-21", "2023-06-01"] = NEWEST_API
    auth_style: Literal["bearer", "x_api_key"] | None = None
    beta: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*$", max_length=500)] | None = (
        None
    )


class AnthropicCodec:
    """Builds requests and reads replies of Anthropic Messages."""

    capabilities = Capabilities(
        parameters=frozenset({"temperature", "top_p", "max_tokens", "stop", "reasoning_effort", "output_schema"}),
        default_base_url=DEFAULT_BASE_URL,
    )
    options = AnthropicOptions

    def refusals(self, parameters: Parameters, provider: ModelProvider, model: str) -> Mapping[str, str]:
        """Return which of the given parameters this model cannot be sent here, and why, in a few words.

        Args:
            parameters: those at None are never refused.
            provider: its options say which version of the API is spoken.
            model: what is known of a family of models holds wherever its name is served; other names take everything.
        """
        version = _claude.model_version(model)
        found = {
            "reasoning_effort": _claude.effort_refusal(parameters.reasoning_effort, version),
            "output_schema": _claude.schema_refusal(parameters.output_schema, version),
        }
        if AnthropicOptions.model_validate(provider.options).api_version == NEWEST_API:
            found |= {name: _NO_SAMPLING for name in ("temperature", "top_p") if getattr(parameters, name) is not None}
        else:
            found["temperature"] = _claude.temperature_refusal(parameters, version)
            found["top_p"] = _claude.top_p_refusal(parameters, version)
        return {name: why for name, why in found.items() if why is not None}

    def build(self, request: ModelRequest, provider: ModelProvider, api_key: str | None) -> HttpRequest:
        """Return the HTTP request that asks for this answer.

        Args:
            request: the rendered messages and the parameters.
            provider: its base URL says where to; one that ends in `/v1` is taken as well.
            api_key: None sends none.
        """
        options = AnthropicOptions.model_validate(provider.options)
        base_url = (provider.base_url or DEFAULT_BASE_URL).rstrip("/").removesuffix("/v1")
        headers = {**JSON_HEADERS, "anthropic-version": options.api_version}
        if key := clean_key(api_key):
            style = options.auth_style or ("bearer" if options.api_version == NEWEST_API else "x_api_key")
            headers |= {"authorization": f"Bearer {key}"} if style == "bearer" else {"x-api-key": key}
        if options.beta is not None:
            headers["anthropic-beta"] = options.beta
        return HttpRequest(url=f"{base_url}/v1/messages", headers=headers, body=encoded(_body(request)))

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer | CallFailure:
        """Return what an HTTP reply says; total: whatever the body holds, it never raises.

        Args:
            status: HTTP status.
            headers: names in lower case.
            body: decoded from any compression.
        """
        document = decoded(status, body)
        if isinstance(document, CallFailure):
            return document
        if status != 200:
            return _failure(status, document)
        if not isinstance(document, dict):
            return malformed("the body is no JSON object")
        if document.get("type") != "message":
            return _no_message(document)
        text = _text(document.get("content"))
        if text is None:
            return malformed("content is no list of blocks")
        stop_reason = word(document.get("stop_reason"))
        return Answer(
            outcome=_OUTCOMES.get(stop_reason or "", "answered"),
            text=text,
            usage=_usage(document.get("usage")),
            finish_reason=stop_reason,
            provider_request_id=word(headers.get("request-id")) or word(document.get("id")),
            served_model=word(document.get("model")),
        )


def _body(request: ModelRequest) -> dict[str, Any]:
    parameters = request.parameters
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": parameters.max_tokens,
        "messages": [
            {"role": message.role, "content": message.content}
            for message in request.messages
            if message.role != "system"
        ],
    }
    if system := [message.content for message in request.messages if message.role == "system"]:
        body["system"] = "\n\n".join(system)
    if parameters.temperature is not None:
        body["temperature"] = parameters.temperature
    if parameters.top_p is not None:
        body["top_p"] = parameters.top_p
    if parameters.stop:
        body["stop_sequences"] = list(parameters.stop)
    output: dict[str, Any] = {}
    if parameters.reasoning_effort is not None:
        # On many models effort alone shapes the answer only: thinking is off until it is asked for.
        body["thinking"] = {"type": "adaptive"}
        output["effort"] = parameters.reasoning_effort
    if parameters.output_schema is not None:
        output["format"] = {"type": "json_schema", "schema": parameters.output_schema}
    if output:
        body["output_config"] = output
    return body


def _text(content: Any) -> str | None:
    """Return the text of an answer without its thinking; None when this is no content of a message."""
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        return None
    texts = [block.get("text") for block in content if block.get("type") == "text"]
    return utf8_text("".join(texts)) if all(isinstance(text, str) for text in texts) else None


def _usage(raw: Any) -> Usage | None:
    """Return the tokens normalised, or None when they are not stated or impossible.

    `input_tokens` counts neither cache reads nor cache writes; `output_tokens` counts thinking, which is split off.
    """
    fresh, output = count(raw, "input_tokens"), count(raw, "output_tokens")
    read, written = count_or_zero(raw, "cache_read_input_tokens"), count_or_zero(raw, "cache_creation_input_tokens")
    thinking = count_or_zero(mapping(raw).get("output_tokens_details"), "thinking_tokens")
    if fresh is None or output is None or read is None or written is None or thinking is None or thinking > output:
        return None
    return Usage(
        input_tokens=fresh,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=output - thinking,
        reasoning_tokens=thinking,
    )


def _no_message(document: Mapping[str, Any]) -> CallFailure:
    """Return the failure of a JSON object that came with HTTP 200 and is no message."""
    kind = document.get("type")
    if kind == "error" or (kind is None and document.get("error") is not None):
        return _failure(200, document)
    if kind is not None:
        return mismatched(f"an object of type {shown_word(kind) or 'unknown'} instead of a message")
    if any(key in document for key in _FOREIGN_KEYS):
        return mismatched("an answer of another API")
    return malformed("the object has no type")


def _failure(status: int, document: Any) -> CallFailure:
    error = mapping(document).get("error")
    facts = mapping(error)
    named = {"type": facts.get("type"), "code": mapping(facts.get("details")).get("error_code")}
    words = shown_words(named, ("type", "code"))
    message = message_of(facts.get("message") or error)
    reason, retryable = _reason(status, words.get("type", ""), words.get("code", ""), message)
    return failure(reason, status, listed(words), retryable=retryable)


def _reason(status: int, kind: str, code: str, message: str) -> tuple[FailureReason, bool]:
    """Return why there is no answer, and whether to ask again: the code says most, then the type, then the status."""
    if code in _CODES:
        return _CODES[code], False
    if kind == "not_found_error" or status == 404:
        return _missing(message), False
    said = _said(status, message) if kind in _VAGUE_TYPES else None
    return (said, False) if said else _TYPES.get(kind) or _classified(status, kind)


def _said(status: int, message: str) -> FailureReason | None:
    """Return what a message names that its error's type does not."""
    if status >= 500:
        return None
    if says_any(message, _QUOTA_PHRASES):
        return "quota"
    if status == 429:
        return None
    if says_any(message, _CONTEXT_PHRASES):
        return "context_length"
    return "permission" if says_any(message, _DISABLED_PHRASES) else None


def _classified(status: int, kind: str) -> tuple[FailureReason, bool]:
    if status == 413:
        return "context_length", False
    if status < 300:
        # A gateway's way to pass a fault on; a request that failed there was not paid for.
        return ("server_error", True) if kind == "api_error" else ("malformed", False)
    return classify_status(status)


def _missing(message: str) -> FailureReason:
    if "model" not in message:
        return "not_found"
    return "model_retired" if says_any(message, _RETIRED_PHRASES) else "model_not_found"


CODEC = AnthropicCodec()
