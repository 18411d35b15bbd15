"""Google Gemini: `POST {base_url}/{api_version}/models/{model}:generateContent`, the Gemini Developer API.

HTTP 200 is no success by itself: a blocked prompt has no candidates, and a candidate may be filtered or cut. Errors
carry a status word and typed details, which say more than the HTTP status: a wrong key comes with 400.

Source: the types, converters and captured requests of the official client (google-genai 3.6.1); the page api-versions
below https://ai.google.dev/gemini-api/docs/.

Depends on: `abtest.providers.model`, `_json`, `_gemini_models`, `_google_errors`. Used by: the registry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Usage
from abtest.providers.model import (
    Answer,
    AnsweredOutcome,
    CallFailure,
    Capabilities,
    ChatMessage,
    HttpRequest,
    ModelRequest,
)
from abtest.providers.registration import ModelProvider, Options
from abtest.providers.vendors import _gemini_models
from abtest.providers.vendors._google_errors import failure_of
from abtest.providers.vendors._json import (
    JSON_HEADERS,
    clean_key,
    count,
    count_or_zero,
    decoded,
    encoded,
    failure,
    malformed,
    mapping,
    mismatched,
    utf8_text,
    word,
)

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com"
_VERSION_AT_END = re.compile(r"/v\d+(?:alpha|beta)?\d*$")
_MODEL_COLLECTIONS = ("models/", "tunedModels/")
_FOREIGN_KEYS = ("choices", "content", "output", "object", "type")

_TRUNCATED = frozenset({"MAX_TOKENS", "CONTINUATION"})
_FILTERED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "ESCALATION",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
# The model ended by itself, if badly: what it wrote is its answer, even when that is nothing.
_ENDED = frozenset(
    {
        "STOP",
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)
_ACCOUNT_LIMITED = "PUP_LIMITED_DISABLED"


class GeminiOptions(Options):
    """What a registration may say of a Gemini address.

    Args:
        api_version: `v1` is the stable API; some previews and the names that end in `-latest` exist on `v1beta` only.
            A base URL that ends in a version goes before this.
    """

    api_version: Literal["v1", "v1beta"] = "v1"


class GeminiCodec:
    """Builds requests and reads replies of Gemini's generateContent."""

    capabilities = Capabilities(
        parameters=frozenset(
            {"temperature", "top_p", "max_tokens", "seed", "stop", "reasoning_effort", "output_schema"}
        ),
        default_base_url=DEFAULT_BASE_URL,
    )
    options = GeminiOptions

    def refusals(
        self,
        parameters: Parameters,
        provider: ModelProvider,  # noqa: ARG002 - the port's signature
        model: str,
    ) -> Mapping[str, str]:
        """Return which of the given parameters this model cannot be sent here, and why, in a few words.

        Both versions of the API carry the same parameters.

        Args:
            parameters: those at None are never refused.
            provider: not needed.
            model: what is known of a family of models holds wherever its name is served; other names take everything.
        """
        refused: dict[str, str] = {}
        if why := _gemini_models.sampling_refusal(model):
            refused = {name: why for name in ("temperature", "top_p") if getattr(parameters, name) is not None}
        effort = parameters.reasoning_effort
        if effort is not None and (why := _gemini_models.effort_refusal(model, effort)):
            refused["reasoning_effort"] = why
        return refused

    def build(self, request: ModelRequest, provider: ModelProvider, api_key: str | None) -> HttpRequest:
        """Return the HTTP request that asks for this answer.

        Args:
            request: the rendered messages and the parameters.
            provider: its base URL says where to, with or without the version of the API.
            api_key: None sends none.
        """
        base_url = (provider.base_url or DEFAULT_BASE_URL).rstrip("/")
        if not _VERSION_AT_END.search(base_url):
            base_url = f"{base_url}/{GeminiOptions.model_validate(provider.options).api_version}"
        headers = dict(JSON_HEADERS)
        if key := clean_key(api_key):
            headers["x-goog-api-key"] = key
        url = f"{base_url}/{_model_path(request.model)}:generateContent"
        return HttpRequest(url=url, headers=headers, body=encoded(_body(request)))

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer | CallFailure:  # noqa: ARG002 - the port's signature
        """Return what an HTTP reply says; total: whatever the body holds, it never raises.

        Args:
            status: HTTP status.
            headers: not looked at: the id of a reply stands in its body.
            body: decoded from any compression.
        """
        document = decoded(status, body)
        if isinstance(document, CallFailure):
            return document
        if isinstance(document, list) and len(document) == 1:
            # Some of Google's front ends wrap an error into an array.
            document = document[0] if mapping(document[0]).get("error") is not None else document
        if status != 200:
            return failure_of(status, document)
        if not isinstance(document, dict):
            return malformed("the body is no JSON object")
        candidates = document.get("candidates")
        if isinstance(candidates, list) and candidates:
            return _candidate(candidates[0], document)
        return _no_candidates(document)


def _model_path(model: str) -> str:
    """Return a model's path; every name is one segment, so that none leads elsewhere."""
    for collection in _MODEL_COLLECTIONS:
        if model.startswith(collection):
            return collection + quote(model.removeprefix(collection), safe="")
    return f"models/{quote(model, safe='')}"


def _body(request: ModelRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "contents": [_content(message) for message in request.messages if message.role != "system"],
        "generationConfig": _generation_config(request.parameters),
    }
    if system := [{"text": message.content} for message in request.messages if message.role == "system"]:
        body["systemInstruction"] = {"parts": system}
    return body


def _content(message: ChatMessage) -> dict[str, Any]:
    return {"role": "model" if message.role == "assistant" else "user", "parts": [{"text": message.content}]}


def _generation_config(parameters: Parameters) -> dict[str, Any]:
    values = {
        "maxOutputTokens": parameters.max_tokens,
        "temperature": parameters.temperature,
        "topP": parameters.top_p,
        "seed": parameters.seed,
    }
    config: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if parameters.stop:
        config["stopSequences"] = list(parameters.stop)
    if parameters.reasoning_effort is not None:
        config["thinkingConfig"] = {"thinkingLevel": _gemini_models.thinking_level(parameters.reasoning_effort)}
    if parameters.output_schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = parameters.output_schema
    return config


def _candidate(candidate: Any, document: Mapping[str, Any]) -> Answer | CallFailure:
    if not isinstance(candidate, dict):
        return malformed("candidates[0] is no object")
    finish_reason = word(candidate.get("finishReason"))
    if finish_reason == _ACCOUNT_LIMITED:
        return failure("permission", 200, f"finishReason {_ACCOUNT_LIMITED}")
    content = candidate.get("content")
    if content is None and finish_reason is None:
        return malformed("candidates[0] has neither content nor finishReason")
    text = _text(content)
    if text is None:
        return malformed("candidates[0].content is no list of parts")
    return _answer(_outcome(finish_reason, text), text, finish_reason, document)


def _outcome(finish_reason: str | None, text: str) -> AnsweredOutcome:
    """Return what a candidate is. One that stopped for an unknown reason is what it wrote, or was kept back."""
    if finish_reason in _TRUNCATED:
        return "truncated"
    if finish_reason in _FILTERED:
        return "filtered"
    return "answered" if text or finish_reason is None or finish_reason in _ENDED else "filtered"


def _no_candidates(document: Mapping[str, Any]) -> Answer | CallFailure:
    """Return what a JSON object means that came with HTTP 200 and has no candidate."""
    if document.get("error") is not None:
        return failure_of(200, document)
    block_reason = word(mapping(document.get("promptFeedback")).get("blockReason"))
    if block_reason is not None:
        return _answer("filtered", "", block_reason, document)
    if any(key in document for key in _FOREIGN_KEYS):
        return mismatched("an answer of another API")
    return malformed("neither candidates nor promptFeedback.blockReason")


def _answer(outcome: AnsweredOutcome, text: str, finish_reason: str | None, document: Mapping[str, Any]) -> Answer:
    return Answer(
        outcome=outcome,
        text=text,
        usage=_usage(document.get("usageMetadata")),
        finish_reason=finish_reason,
        provider_request_id=word(document.get("responseId")),
        served_model=word(document.get("modelVersion")),
    )


def _text(content: Any) -> str | None:
    """Return the text of a candidate without its thoughts; None when this is no content of one."""
    if content is None:
        return ""
    parts = content.get("parts") if isinstance(content, dict) else False
    if parts is None:
        return ""
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return None
    texts = [part["text"] for part in parts if part.get("text") is not None and part.get("thought") is not True]
    return utf8_text("".join(texts)) if all(isinstance(text, str) for text in texts) else None


def _usage(raw: Any) -> Usage | None:
    """Return the tokens normalised, or None when they are not stated or impossible.

    The prompt's count includes cached tokens; the candidates' excludes thoughts, but on a few servers includes them,
    which the total shows. A count of zero is left out on the wire.
    """
    prompt = count(raw, "promptTokenCount")
    cached, tools = count_or_zero(raw, "cachedContentTokenCount"), count_or_zero(raw, "toolUsePromptTokenCount")
    written, thoughts = count_or_zero(raw, "candidatesTokenCount"), count_or_zero(raw, "thoughtsTokenCount")
    if prompt is None or cached is None or tools is None or written is None or thoughts is None or cached > prompt:
        return None
    total = count(raw, "totalTokenCount")
    if thoughts and total == prompt + tools + written and thoughts <= written:
        written -= thoughts
    elif mapping(raw).get("candidatesTokenCount") is None and total is not None and total > prompt + tools + thoughts:
        # Something was written and not counted: no count is better than zero.
        return None
    return Usage(
        input_tokens=prompt - cached + tools,
        cache_read_tokens=cached,
        output_tokens=written,
        reasoning_tokens=thoughts,
    )


CODEC = GeminiCodec()
