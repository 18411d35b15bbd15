"""OpenAI Chat Completions, the wire format that most servers of models speak.

`POST {base_url}/chat/completions`. On `api.openai.com` the limit of an answer is `max_completion_tokens`; compatible
servers want `max_tokens`. HTTP 200 is no success by itself: refusals, filters and cut answers come with it.

Source: the API reference, https://platform.openai.com/docs/api-reference/chat, and the requests that the official
client (openai 3.54.0) sends.

Depends on: `abtest.providers.model`, `abtest.providers.retry`. Used by: the registry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from abtest.contracts.records import Usage
from abtest.providers.model import (
    Answer,
    AnsweredOutcome,
    CallFailure,
    Capabilities,
    HttpRequest,
    ModelProvider,
    ModelRequest,
)
from abtest.providers.retry import classify_status

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_OWN_HOST = "api.openai.com"
_OUTCOMES: dict[str, AnsweredOutcome] = {"length": "truncated", "content_filter": "filtered"}
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
# The words of an error's `type`, `code` and `param` are shown; its message is not, for it may repeat prompt or key.
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,63}")
_LONGEST_WORD = 128
_MOST_TOKENS = 2**53


class OpenAiChatCodec:
    """Builds requests and reads replies of Chat Completions."""

    capabilities = Capabilities(
        parameters=frozenset({"temperature", "top_p", "max_tokens", "seed", "stop"}),
        default_base_url=DEFAULT_BASE_URL,
    )

    def build(self, request: ModelRequest, provider: ModelProvider, api_key: str | None) -> HttpRequest:
        """Return the HTTP request that asks for this answer.

        Args:
            request: the rendered messages and the parameters.
            provider: its base URL says where to, and which name the limit of an answer has.
            api_key: sent as a bearer token; None sends none.
        """
        base_url = (provider.base_url or DEFAULT_BASE_URL).rstrip("/")
        headers = {"content-type": "application/json", "accept": "application/json"}
        # A secret often ends with the newline of the file it came from.
        if api_key and (key := api_key.strip()):
            headers["authorization"] = f"Bearer {key}"
        body = json.dumps(_body(request, base_url), ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate is legal in a Python string and impossible in UTF-8.
        return HttpRequest(url=f"{base_url}/chat/completions", headers=headers, body=body.encode(errors="replace"))

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer | CallFailure:
        """Return what an HTTP reply says; total: whatever the body holds, it never raises.

        Args:
            status: HTTP status.
            headers: names in lower case.
            body: decoded from any compression.
        """
        document = _decoded(body)
        if status != 200:
            return _failure(status, document)
        if not isinstance(document, dict):
            return _malformed("HTTP 200 whose body is not a JSON object")
        if isinstance(document.get("error"), dict) and not document.get("choices"):
            return _failure_in_success(document)
        choice = _first(document.get("choices"))
        message = choice.get("message") if choice else None
        if choice is None or not isinstance(message, dict):
            return _malformed("HTTP 200 without choices[0].message")
        finish_reason = _word(choice.get("finish_reason"))
        refusal = _text(message.get("refusal"))
        text = _text(message.get("content")) or refusal
        return Answer(
            outcome="refused" if refusal else _OUTCOMES.get(finish_reason or "", "answered"),
            text=_utf8(text),
            usage=_usage(document.get("usage")),
            finish_reason=finish_reason,
            provider_request_id=_word(headers.get("x-request-id")) or _word(document.get("id")),
        )


def _body(request: ModelRequest, base_url: str) -> dict[str, Any]:
    parameters = request.parameters
    limit = "max_completion_tokens" if urlsplit(base_url).hostname == _OWN_HOST else "max_tokens"
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        limit: parameters.max_tokens,
    }
    for name in ("temperature", "top_p", "seed"):
        value = getattr(parameters, name)
        if value is not None:
            body[name] = value
    if parameters.stop:
        body["stop"] = list(parameters.stop)
    return body


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # UnicodeDecodeError is a ValueError; a body of a million brackets is a RecursionError.
        return None


def _failure(status: int, document: Any) -> Answer | CallFailure:
    error = document.get("error") if isinstance(document, dict) else None
    facts = error if isinstance(error, dict) else {}
    words = {name: word for name in ("type", "code", "param") if (word := _shown(facts.get(name)))}
    if status == 400 and words.get("code") == "content_filter":
        # Azure answers so when its filter stops the prompt: it is the filter's verdict, not a wrong request.
        return Answer(outcome="filtered", text="", finish_reason="content_filter")
    detail = ", ".join([f"HTTP {status}", *(f"{name} {word}" for name, word in words.items())])
    if status == 429 and not _QUOTA_CODES.isdisjoint(words.values()):
        return CallFailure(failure_reason="quota", retryable=False, status=status, detail=detail)
    if status < 300:
        return CallFailure(failure_reason="malformed", retryable=False, status=status, detail=detail)
    reason, retryable = classify_status(status)
    return CallFailure(failure_reason=reason, retryable=retryable, status=status, detail=detail)


def _failure_in_success(document: dict[str, Any]) -> Answer | CallFailure:
    """Return the failure of a gateway that answers 200 and puts the upstream's status into the error's code."""
    code = document["error"].get("code")
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        return _failure(code, document)
    return _malformed("HTTP 200 with an error and no choices")


def _malformed(detail: str) -> CallFailure:
    # Not retried: a reply with status 200 may have been paid for.
    return CallFailure(failure_reason="malformed", retryable=False, status=200, detail=detail)


def _first(choices: Any) -> dict[str, Any] | None:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


def _text(content: Any) -> str:
    """Return the text of a message: a string, or the text parts that some servers send."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _utf8(text: str) -> str:
    # JSON may escape half a surrogate pair, which no UTF-8 store could take.
    return text if text.isascii() else text.encode(errors="replace").decode()


def _word(value: Any) -> str | None:
    return _utf8(value[:_LONGEST_WORD]) if isinstance(value, str) and value else None


def _shown(value: Any) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _usage(raw: Any) -> Usage | None:
    """Return the tokens normalised: uncached input, cache, output without reasoning; None when not stated.

    Cached tokens are part of `prompt_tokens` and reasoning tokens part of `completion_tokens`; a few compatible
    servers count reasoning beside the completion, which their `total_tokens` shows.
    """
    if not isinstance(raw, dict):
        return None
    prompt, completion = _count(raw, "prompt_tokens"), _count(raw, "completion_tokens")
    if prompt is None or completion is None:
        return None
    cache_read = _count(raw.get("prompt_tokens_details"), "cached_tokens") or 0
    cache_write = _count(raw.get("prompt_tokens_details"), "cache_write_tokens") or 0
    reasoning = _count(raw.get("completion_tokens_details"), "reasoning_tokens") or 0
    beside = reasoning > 0 and _count(raw, "total_tokens") == prompt + completion + reasoning
    return Usage(
        input_tokens=max(0, prompt - cache_read - cache_write),
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        output_tokens=completion if beside else max(0, completion - reasoning),
        reasoning_tokens=reasoning,
    )


def _count(raw: Any, name: str) -> int | None:
    value = raw.get(name) if isinstance(raw, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS:
        return value
    return None


CODEC = OpenAiChatCodec()
