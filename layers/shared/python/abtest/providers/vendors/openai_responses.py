"""OpenAI Responses, the vendor's newer API, which some of its models speak alone.

`POST {base_url}/responses`, with nothing stored at the vendor. HTTP 200 is no success by itself: a response says in
its `status` whether it failed or is incomplete, and refuses in a part of its content. `seed` and `stop` do not exist.

Source: the API reference, https://platform.openai.com/docs/api-reference/responses, and the requests that the official
clients `OpenAI` and `AzureOpenAI` (openai 3.57.0) send. That an answer is allowed at least 16 tokens: the vendor's
error, quoted in earendil-works/pi#6265.

Depends on: `abtest.providers.model`, the modules of OpenAI beside it. Used by: the registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from abtest.contracts.definition import Parameters
from abtest.providers.model import Answer, AnsweredOutcome, CallFailure, Capabilities, HttpRequest, ModelRequest
from abtest.providers.registration import ModelProvider, Options
from abtest.providers.vendors._json import (
    decoded,
    encoded,
    malformed,
    mapping,
    mismatched,
    shown_word,
    utf8_text,
    word,
)
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

FEWEST_OUTPUT_TOKENS = 16
"""The least limit of an answer that the vendor's own host takes."""

_OBJECT = "response"
_PATH = "/responses"
_USAGE = UsageNames("input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details")


class OpenAiResponsesCodec:
    """Builds requests and reads replies of the Responses API."""

    capabilities = Capabilities(
        parameters=frozenset({"temperature", "top_p", "max_tokens", "reasoning_effort", "output_schema"}),
        default_base_url=DEFAULT_BASE_URL,
    )
    options: type[Options] = OpenAiOptions

    def refusals(self, parameters: Parameters, provider: ModelProvider, model: str) -> Mapping[str, str]:
        """Return which of the given parameters this model cannot be sent here, and why.

        On the vendor's own host by the model's family; of other hosts only their registration knows.
        """
        refused = refusals_of(parameters, provider, model)
        if speaks_to_vendor(provider) and parameters.max_tokens < FEWEST_OUTPUT_TOKENS:
            refused["max_tokens"] = f"the Responses API takes {FEWEST_OUTPUT_TOKENS} or more"
        return refused

    def build(self, request: ModelRequest, provider: ModelProvider, api_key: str | None) -> HttpRequest:
        """Return the HTTP request that asks for this answer.

        Args:
            request: the rendered messages and the parameters.
            provider: its base URL and options say where to.
            api_key: None sends none.
        """
        options = OpenAiOptions.model_validate(provider.options)
        return HttpRequest(
            url=url_of(provider, options, _PATH, _PATH),
            headers=headers_of(options, api_key),
            body=encoded(_body(request)),
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
        return _read(headers, document) if isinstance(document, dict) else malformed("whose body is not a JSON object")


def _body(request: ModelRequest) -> dict[str, Any]:
    parameters = request.parameters
    turns = [{"role": turn.role, "content": turn.content} for turn in request.messages if turn.role != "system"]
    body: dict[str, Any] = {
        "model": request.model,
        "input": turns,
        "max_output_tokens": parameters.max_tokens,
        "store": False,
    }
    instructions = "\n\n".join(turn.content for turn in request.messages if turn.role == "system")
    if instructions:
        body["instructions"] = instructions
    for name in ("temperature", "top_p"):
        value = getattr(parameters, name)
        if value is not None:
            body[name] = value
    if parameters.reasoning_effort is not None:
        body["reasoning"] = {"effort": parameters.reasoning_effort}
    if parameters.output_schema is not None:
        body["text"] = {"format": {"type": "json_schema", **schema_facts(parameters.output_schema)}}
    return body


def _read(headers: Mapping[str, str], document: dict[str, Any]) -> Answer | CallFailure:
    """Return what a JSON object says that came with status 200."""
    state = document.get("status")
    if document.get("error") or state == "failed" or document.get("object") == "error":
        return error_within(headers, document, usage_of(document.get("usage"), _USAGE))
    output = document.get("output")
    if document and document.get("object", _OBJECT if isinstance(output, list) else None) != _OBJECT:
        return mismatched("the body is another object than a response")
    if not isinstance(output, list):
        return malformed("without output")
    if state not in ("completed", "incomplete", None):
        return malformed(f"the response is not finished, status {shown_word(state)}")
    return _answer(headers, document, output)


def _answer(headers: Mapping[str, str], document: dict[str, Any], output: list[Any]) -> Answer:
    refusal = "".join(_parts(output, "refusal", "refusal"))
    finish_reason = word(document.get("status"))
    if finish_reason == "incomplete":
        finish_reason = word(mapping(document.get("incomplete_details")).get("reason")) or finish_reason
    return Answer(
        outcome="refused" if refusal else _outcome(document.get("status"), finish_reason),
        text=utf8_text("".join(_parts(output, "output_text", "text")) or refusal),
        usage=usage_of(document.get("usage"), _USAGE),
        finish_reason=finish_reason,
        provider_request_id=request_id_of(headers, document),
        served_model=word(document.get("model")),
    )


def _outcome(state: Any, finish_reason: str | None) -> AnsweredOutcome:
    if state != "incomplete":
        return "answered"
    return "filtered" if finish_reason == "content_filter" else "truncated"


def _parts(output: list[Any], kind: str, field: str) -> Iterator[str]:
    """Yield one field of the parts of one kind, of every message; reasoning and calls of tools are no messages."""
    for item in output:
        content = item.get("content") if isinstance(item, dict) and item.get("type") == "message" else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == kind and isinstance(part.get(field), str):
                yield part[field]


CODEC = OpenAiResponsesCodec()
