"""Amazon Bedrock Converse: one wire format for the models of every maker that AWS serves.

`POST https://bedrock-runtime.{region}.amazonaws.com/model/{model}/converse`; a model is an id, the id of an inference
profile, or an ARN. A request is signed when it is sent, because a signature holds the time, or carries an API key of
Bedrock. HTTP 200 is no success by itself: filtered and cut answers come with it.

Sources: the service model `bedrock-runtime` 2023-09-30 of botocore 1.43.106; the requests that boto3 1.43.106 sends.

Depends on: `abtest.providers.model`, `vendors` (_bedrock_errors, _claude, _json). Used by: the registry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, JsonValue, StringConstraints

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Usage
from abtest.providers.model import (
    Answer,
    AnsweredOutcome,
    AwsSigning,
    CallFailure,
    Capabilities,
    HttpRequest,
    ModelRequest,
)
from abtest.providers.registration import ModelProvider, Options
from abtest.providers.vendors import _claude, _json
from abtest.providers.vendors._bedrock_errors import failure

SIGNING_NAME = "bedrock"
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,5}(-[a-z]{2,12}){1,2}-[0-9]{1,2}$")]

_DOMAIN = "amazonaws.com"
# Partitions of AWS whose names end otherwise, by the beginning of their regions.
_OTHER_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
_SCHEMA_NAME = "answer"
_HIGHEST_TEMPERATURE = 1.0
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_EFFORTS_WITH_THINKING = ("xhigh", "max")
_THINKING = "thinking"
_OUTCOMES: dict[str, AnsweredOutcome] = {
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "guardrail_intervened": "filtered",
    "content_filtered": "filtered",
    "refusal": "refused",
}


class BedrockOptions(Options):
    """What Converse needs to know beyond the common fields.

    Args:
        region: where the models are asked, such as `us-east-1`; requests are signed for it, whatever the base URL.
        auth_style: `sigv4` signs with the secret's JSON of access keys, or as the function itself without a secret;
            `bearer` sends the secret, an API key of Bedrock, as it is.
        additional_fields: `additionalModelRequestFields`, sent with every request as they are: what a model takes
            beyond the common parameters, such as `{"top_k": 50}`.
    """

    region: Region
    auth_style: Literal["sigv4", "bearer"] = "sigv4"
    additional_fields: dict[str, JsonValue] = Field(default_factory=dict)


class BedrockCodec:
    """Builds requests and reads replies of Converse."""

    capabilities = Capabilities(
        parameters=frozenset({"temperature", "top_p", "max_tokens", "stop", "reasoning_effort", "output_schema"})
    )
    options = BedrockOptions

    def refusals(self, parameters: Parameters, provider: ModelProvider, model: str) -> Mapping[str, str]:
        """Return which of the given parameters this model cannot be sent here, and why.

        Args:
            parameters: those at None are never refused.
            provider: its options may hold fields of the model's own.
            model: what is known of a version of Claude holds where its name says it; of other makers' models nothing is
                known but what the registration's `unsupported_parameters` say.

        Source: the documentation of `InferenceConfiguration` and `OutputConfig.effort` in botocore's service model.
        """
        version = _claude.model_version(model)
        if version is not None:
            found = {
                "temperature": _claude.temperature_refusal(parameters, version),
                "top_p": _claude.top_p_refusal(parameters, version),
                "reasoning_effort": _claude.effort_refusal(parameters.reasoning_effort, version),
                "output_schema": _claude.schema_refusal(parameters.output_schema, version),
            }
        else:
            fields = BedrockOptions.model_validate(provider.options).additional_fields
            found = {
                "temperature": _temperature_refusal(parameters.temperature),
                "reasoning_effort": _effort_refusal(parameters.reasoning_effort, fields),
            }
        return {name: why for name, why in found.items() if why is not None}

    def build(self, request: ModelRequest, provider: ModelProvider, api_key: str | None) -> HttpRequest:
        """Return the HTTP request that asks for this answer.

        Args:
            request: the rendered messages and the parameters.
            provider: its options name the region.
            api_key: JSON of access keys, or an API key, as the options say; None signs as the function itself.
        """
        options = BedrockOptions.model_validate(provider.options)
        key = _json.clean_key(api_key)
        # No `accept`: every header that stands here is signed, and the fewer are, the fewer a proxy can break.
        headers = {"content-type": "application/json"}
        signing = None
        if options.auth_style == "sigv4":
            signing = AwsSigning(service=SIGNING_NAME, region=options.region, credentials=key)
        elif key:
            headers["authorization"] = f"Bearer {key}"
        body = _json.encoded(_body(request, options))
        return HttpRequest(url=_url(request.model, provider, options), headers=headers, body=body, signing=signing)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer | CallFailure:
        """Return what an HTTP reply says; total: whatever the body holds, it never raises.

        Args:
            status: HTTP status.
            headers: names in lower case.
            body: decoded from any compression.
        """
        document = _json.decoded(status, body)
        if isinstance(document, CallFailure):
            return document
        if status != 200:
            return failure(status, headers, document)
        if not isinstance(document, dict):
            return _json.malformed("the body is not a JSON object")
        return _answer(document, headers)


def _temperature_refusal(temperature: float | None) -> str | None:
    too_high = temperature is not None and temperature > _HIGHEST_TEMPERATURE
    return f"Converse's temperature goes from 0 to {_HIGHEST_TEMPERATURE:g}" if too_high else None


def _effort_refusal(effort: str | None, additional_fields: Mapping[str, Any]) -> str | None:
    if effort is None:
        return None
    if effort not in _EFFORTS:
        return f"Converse's efforts are {', '.join(_EFFORTS)}"
    if effort in _EFFORTS_WITH_THINKING and _THINKING not in additional_fields:
        # Without thinking the service would quietly take it as `high`.
        return f"{effort} needs {_THINKING!r} in the option additional_fields"
    return None


def _url(model: str, provider: ModelProvider, options: BedrockOptions) -> str:
    base_url = provider.base_url or f"https://bedrock-runtime.{options.region}.{_domain(options.region)}"
    # One segment of the path: the colons and slashes of an ARN are escaped as well.
    return f"{base_url.rstrip('/')}/model/{quote(model.encode(errors='replace'), safe='')}/converse"


def _domain(region: str) -> str:
    return next((domain for start, domain in _OTHER_DOMAINS.items() if region.startswith(start)), _DOMAIN)


def _body(request: ModelRequest, options: BedrockOptions) -> dict[str, Any]:
    parameters = request.parameters
    system = [{"text": message.content} for message in request.messages if message.role == "system"]
    body: dict[str, Any] = {
        "messages": [
            {"role": message.role, "content": [{"text": message.content}]}
            for message in request.messages
            if message.role != "system"
        ],
        "inferenceConfig": _inference(parameters),
    }
    if system:
        body["system"] = system
    if output := _output(parameters):
        body["outputConfig"] = output
    if additional := _additional(request, options):
        body["additionalModelRequestFields"] = additional
    return body


def _additional(request: ModelRequest, options: BedrockOptions) -> dict[str, Any]:
    """Return the fields of the model's own; Claude only thinks when it is asked to, whatever its effort."""
    thinks = request.parameters.reasoning_effort is not None and _claude.model_version(request.model) is not None
    return {**({_THINKING: {"type": "adaptive"}} if thinks else {}), **options.additional_fields}


def _inference(parameters: Parameters) -> dict[str, Any]:
    inference: dict[str, Any] = {"maxTokens": parameters.max_tokens}
    if parameters.temperature is not None:
        inference["temperature"] = parameters.temperature
    if parameters.top_p is not None:
        inference["topP"] = parameters.top_p
    if parameters.stop:
        inference["stopSequences"] = list(parameters.stop)
    return inference


def _output(parameters: Parameters) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if parameters.output_schema is not None:
        # The schema travels as a text: JSON within JSON.
        schema = {"name": _SCHEMA_NAME, "schema": json.dumps(parameters.output_schema, separators=(",", ":"))}
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    if parameters.reasoning_effort is not None:
        output["effort"] = parameters.reasoning_effort
    return output


def _answer(document: dict[str, Any], headers: Mapping[str, str]) -> Answer | CallFailure:
    output, finish_reason = document.get("output"), _json.word(document.get("stopReason"))
    if document and not isinstance(output, dict) and finish_reason is None:
        return _json.mismatched("a JSON object of another kind than an answer of Converse")
    outcome = _OUTCOMES.get(finish_reason or "", "answered")
    content = _json.mapping(_json.mapping(output).get("message")).get("content")
    if not isinstance(content, list):
        if outcome != "filtered":
            return _json.malformed("an answer without output.message.content")
        content = []
    return Answer(
        outcome=outcome,
        text=_json.utf8_text("".join(_texts(content))),
        usage=_usage(document.get("usage")),
        finish_reason=finish_reason,
        provider_request_id=_json.word(headers.get("x-amzn-requestid")),
        served_model=_routed_model(document.get("trace")),
    )


def _texts(content: list[Any]) -> Iterator[str]:
    """Yield the texts of an answer: of blocks of text and of text with citations, not what was thought before."""
    for block in map(_json.mapping, content):
        if isinstance(text := block.get("text"), str):
            yield text
        cited = _json.mapping(block.get("citationsContent")).get("content")
        if isinstance(cited, list):
            yield from (text for part in cited if isinstance(text := _json.mapping(part).get("text"), str))


def _usage(raw: Any) -> Usage | None:
    """Return the tokens normalised; None when they are not stated or impossible.

    `inputTokens` is uncached input already; what was thought is part of `outputTokens` and not told apart.

    Source: Amazon Bedrock User Guide, "Prompt caching for faster model inference".
    """
    sent, made = _json.count(raw, "inputTokens"), _json.count(raw, "outputTokens")
    read, written = _json.count_or_zero(raw, "cacheReadInputTokens"), _json.count_or_zero(raw, "cacheWriteInputTokens")
    if sent is None or made is None or read is None or written is None:
        return None
    return Usage(input_tokens=sent, cache_read_tokens=read, cache_write_tokens=written, output_tokens=made)


def _routed_model(trace: Any) -> str | None:
    """Return the model that a prompt router chose; without a router the reply names none."""
    return _json.word(_json.mapping(_json.mapping(trace).get("promptRouter")).get("invokedModelId"))


CODEC = BedrockCodec()
