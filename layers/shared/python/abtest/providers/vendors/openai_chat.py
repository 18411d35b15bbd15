"""OpenAI Chat Completions, the wire format that most servers of models speak, Azure's among them.

`POST {base_url}/chat/completions`. HTTP 200 is no success by itself: refusals, filters and cut answers come with it.

Source: the API reference, https://platform.openai.com/docs/api-reference/chat, and the requests that the official
clients `OpenAI` and `AzureOpenAI` (openai 3.57.0) send.

Depends on: `abtest.providers.model`, the modules of OpenAI beside it. Used by: the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from abtest.contracts.definition import Parameters
from abtest.providers.model import Answer, AnsweredOutcome, CallFailure, Capabilities, HttpRequest, ModelRequest
from abtest.providers.registration import ModelProvider, Options
from abtest.providers.vendors._json import decoded, encoded, failure, malformed, mismatched, utf8_text, word
from abtest.providers.vendors._openai import (
    DEFAULT_BASE_URL,
    OpenAiOptions,
    UsageNames,
    headers_of,
    refusals_of,
    request_id_of,
    schema_facts,
    speaks_to_vendor,
    url_of,
    usage_of,
)
from abtest.providers.vendors._openai_errors import error_within, failed_reply

_OBJECT = "chat.completion"
_USAGE = UsageNames("prompt_tokens", "prompt_tokens_details", "completion_tokens", "completion_tokens_details")
# Beside the vendor's own: `model_length` of Mistral, `insufficient_system_resource` of DeepSeek, `abort` of vLLM.
_OUTCOMES: dict[str | None, AnsweredOutcome] = {
    "length": "truncated",
    "model_length": "truncated",
    "insufficient_system_resource": "truncated",
    "abort": "truncated",
    "content_filter": "filtered",
}


class OpenAiChatOptions(OpenAiOptions):
    """What Chat Completions may need to know.

    Args:
        max_tokens_field: what the limit of an answer is called; `auto` is `max_completion_tokens` on the vendor's own
            host and `max_tokens` everywhere else. Azure's reasoning models want `max_completion_tokens`.
        system_role: the role of the system prompt; `auto` is `developer` on the vendor's own host and `system`
            everywhere else.
    """

    max_tokens_field: Literal["auto", "max_tokens", "max_completion_tokens"] = "auto"
    system_role: Literal["auto", "system", "developer"] = "auto"


class OpenAiChatCodec:
    """Builds requests and reads replies of Chat Completions."""

    capabilities = Capabilities(
        parameters=frozenset(
            {"temperature", "top_p", "max_tokens", "seed", "stop", "reasoning_effort", "output_schema"}
        ),
        default_base_url=DEFAULT_BASE_URL,
    )
    options: type[Options] = OpenAiChatOptions

    def refusals(self, parameters: Parameters, provider: ModelProvider, model: str) -> Mapping[str, str]:
        """Return which of the given parameters this model cannot be sent here, and why.

        On the vendor's own host by the model's family; of other hosts only their registration knows.
        """
        return refusals_of(parameters, provider, model)

    def build(self, request: ModelRequest, provider: ModelProvider, api_key: str | None) -> HttpRequest:
        """Return the HTTP request that asks for this answer.

        Args:
            request: the rendered messages and the parameters.
            provider: its base URL and options say where to and by which names.
            api_key: None sends none.
        """
        options = OpenAiChatOptions.model_validate(provider.options)
        deployment = quote(request.model, safe="")
        return HttpRequest(
            url=url_of(provider, options, "/chat/completions", f"/deployments/{deployment}/chat/completions"),
            headers=headers_of(options, api_key),
            body=encoded(_body(request, options, own_host=speaks_to_vendor(provider))),
        )

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
            return failed_reply(status, headers, document)
        if not isinstance(document, dict):
            return malformed("whose body is not a JSON object")
        choice = _first(document.get("choices"))
        message = choice.get("message") if choice else None
        if choice is None or not isinstance(message, dict):
            return _without_message(headers, document)
        finish_reason = word(choice.get("finish_reason"))
        if finish_reason == "error":
            # A gateway's word for a model that broke off; what it wrote until then may have been paid for.
            return failure("server_error", 200, "finish_reason error")
        refusal = _text(message.get("refusal"))
        return Answer(
            outcome="refused" if refusal else _OUTCOMES.get(finish_reason, "answered"),
            text=utf8_text(_text(message.get("content")) or refusal),
            usage=usage_of(document.get("usage"), _USAGE),
            finish_reason=finish_reason,
            provider_request_id=request_id_of(headers, document),
            served_model=word(document.get("model")),
        )


def _body(request: ModelRequest, options: OpenAiChatOptions, *, own_host: bool) -> dict[str, Any]:
    parameters = request.parameters
    limit, system_role = options.max_tokens_field, options.system_role
    if limit == "auto":
        limit = "max_completion_tokens" if own_host else "max_tokens"
    if system_role == "auto":
        system_role = "developer" if own_host else "system"
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            {"role": system_role if message.role == "system" else message.role, "content": message.content}
            for message in request.messages
        ],
        limit: parameters.max_tokens,
    }
    for name in ("temperature", "top_p", "seed", "reasoning_effort"):
        value = getattr(parameters, name)
        if value is not None:
            body[name] = value
    if parameters.stop:
        body["stop"] = list(parameters.stop)
    if parameters.output_schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": schema_facts(parameters.output_schema)}
    return body


def _without_message(headers: Mapping[str, str], document: dict[str, Any]) -> Answer | CallFailure:
    """Return the failure of a JSON object that holds no `choices[0].message`."""
    kind = document.get("object")
    if document.get("error") or kind == "error":
        return error_within(headers, document, usage_of(document.get("usage"), _USAGE))
    if "choices" in document and kind in (_OBJECT, None):
        return malformed("without choices[0].message")
    if kind == _OBJECT or not document:
        return malformed("without choices")
    return mismatched("the body is another object than a chat completion")


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


CODEC = OpenAiChatCodec()
