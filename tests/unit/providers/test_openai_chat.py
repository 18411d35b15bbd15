"""The Chat Completions codec: what is sent, and what every kind of reply means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_support import (
    MESSAGES,
    REQUEST,
    STRICT_SCHEMA,
    body,
    check_total,
    json_values,
    mutated_replies,
    names,
)
from pydantic import ValidationError

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Usage
from abtest.providers.model import Answer, CallFailure, ChatMessage
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors.openai_chat import CODEC

VENDOR = "openai_chat"
COMPATIBLE = ModelProvider(id="local", vendor=VENDOR, base_url="http://127.0.0.1:8080/v1/")
OWN = ModelProvider(id="openai", vendor=VENDOR)
AZURE = ModelProvider(
    id="azure",
    vendor=VENDOR,
    base_url="https://acme.openai.azure.com",
    options={"auth_style": "api_key", "api_version": "2024-10-21"},
)
EVERYTHING = Parameters(
    temperature=0, top_p=0.5, max_tokens=64, seed=7, stop=("\n\n", "END"), reasoning_effort="low",
    output_schema=STRICT_SCHEMA,
)  # fmt: skip


def sent(provider: ModelProvider, parameters: Parameters = EVERYTHING, **changes: Any) -> dict[str, Any]:
    request = REQUEST.model_copy(update={"parameters": parameters, "messages": MESSAGES, **changes})
    return dict(json.loads(CODEC.build(request, provider, "sk-1").body))


def with_options(provider: ModelProvider, **options: str) -> ModelProvider:
    return provider.model_copy(update={"options": {**provider.options, **options}})


def reply(choice: dict[str, Any] | None = None, **document: Any) -> bytes:
    return json.dumps({"choices": [choice or {"message": {"content": "Paris"}}], **document}).encode()


def test_the_codec_is_one__of_the_port():
    assert isinstance(CODEC, HttpCodec)
    assert CODEC.capabilities.parameters == set(Parameters.model_fields)


def test_build_sends_every_parameter__compatible_server():
    http = CODEC.build(REQUEST, COMPATIBLE, None)
    assert (http.method, http.url) == ("POST", "http://127.0.0.1:8080/v1/chat/completions")
    assert not {"authorization", "api-key"} & set(http.headers)
    assert sent(COMPATIBLE) == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "The capital of Spain?"},
            {"role": "assistant", "content": "Madrid."},
            {"role": "user", "content": "Où ?"},
        ],
        "max_tokens": 64,
        "temperature": 0,
        "top_p": 0.5,
        "seed": 7,
        "reasoning_effort": "low",
        "stop": ["\n\n", "END"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": STRICT_SCHEMA},
        },
    }


def test_build_leaves_out_what_is_not_set__plain_parameters():
    assert set(sent(COMPATIBLE, Parameters(max_tokens=5))) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize("base_url", [None, "https://api.openai.com/v1/", "https://eu.api.openai.com/v1"])
def test_build_uses_the_newer_names__own_host(base_url: str | None):
    provider = OWN.model_copy(update={"base_url": base_url})
    expected = (base_url or "https://api.openai.com/v1").rstrip("/") + "/chat/completions"
    assert CODEC.build(REQUEST, provider, "sk-1").url == expected
    assert sent(provider)["max_completion_tokens"] == 64
    assert "max_tokens" not in sent(provider)
    assert sent(provider)["messages"][0] == {"role": "developer", "content": "Be brief."}


@pytest.mark.parametrize("base_url", ["https://api.openai.com.example.org/v1", "https://myapi.openai.com/v1"])
def test_build_uses_the_common_names__host_that_only_looks_like_the_own_one(base_url: str):
    assert sent(OWN.model_copy(update={"base_url": base_url}))["max_tokens"] == 64


def test_options_name_the_fields__whatever_the_host():
    chosen = sent(with_options(COMPATIBLE, max_tokens_field="max_completion_tokens", system_role="developer"))
    assert (chosen["max_completion_tokens"], chosen["messages"][0]["role"]) == (64, "developer")
    older = sent(with_options(OWN, max_tokens_field="max_tokens", system_role="system"))
    assert (older["max_tokens"], older["messages"][0]["role"]) == (64, "system")


@pytest.mark.parametrize(
    "base_url",
    ["https://acme.openai.azure.com", "https://acme.openai.azure.com/", "https://acme.openai.azure.com/openai"],
)
def test_build_names_the_deployment__azure_version(base_url: str):
    provider = AZURE.model_copy(update={"base_url": base_url})
    http = CODEC.build(REQUEST.model_copy(update={"model": "my model/1"}), provider, "k1\n")
    assert http.url == (
        "https://acme.openai.azure.com/openai/deployments/my%20model%2F1/chat/completions?api-version=2024-10-21"
    )
    assert http.headers["api-key"] == "k1"
    assert "authorization" not in http.headers


def test_headers_name_the_payer__organization_and_project():
    headers = CODEC.build(REQUEST, with_options(OWN, organization="org-1", project="proj_1"), "sk-1").headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")


@pytest.mark.parametrize(
    "options",
    [
        {"auth_style": "basic"},
        {"api_version": "2024?x=1"},
        {"organization": "a\nb"},
        {"max_tokens": 1},
        {"project": ""},
    ],
)
def test_options_are_refused__unknown_or_unfit_for_a_header(options: dict[str, Any]):
    with pytest.raises(ValidationError):
        CODEC.options.model_validate(options)


@pytest.mark.parametrize(("key", "header"), [("sk-1", "Bearer sk-1"), (" sk-1\n", "Bearer sk-1"), (" \n", None)])
def test_build_sends_the_key_as_bearer__with_or_without_the_newline_of_its_file(key: str, header: str | None):
    assert CODEC.build(REQUEST, OWN, key).headers.get("authorization") == header


def test_a_request_hides_key_and_prompt__shown():
    shown = repr(CODEC.build(REQUEST, OWN, "sk-1"))
    assert "sk-1" not in shown
    assert "Où" not in shown


def test_build_replaces_half_a_surrogate_pair__prompt_with_one():
    half = (ChatMessage.model_construct(role="user", content="a\ud800b"),)
    assert sent(COMPATIBLE, messages=half)["messages"][0]["content"] == "a?b"


def test_refusals_come_from_the_own_host_alone__reasoning_model():
    assert set(CODEC.refusals(EVERYTHING, OWN, "gpt-5-mini")) == {"temperature", "top_p", "stop"}
    assert CODEC.refusals(EVERYTHING, COMPATIBLE, "gpt-5-mini") == {}
    assert CODEC.refusals(EVERYTHING, AZURE, "gpt-5-mini") == {}


PLAIN = Usage(input_tokens=19, output_tokens=7)
OUTCOMES: dict[str, tuple[str, str, Usage, str]] = {
    "ok": ("answered", "Paris.", PLAIN, "stop"),
    "ok_cached": (
        "answered",
        "Paris.",
        Usage(input_tokens=95, cache_read_tokens=1024, cache_write_tokens=200, output_tokens=7),
        "stop",
    ),
    "ok_reasoning": ("answered", "Paris.", Usage(input_tokens=19, output_tokens=23, reasoning_tokens=64), "stop"),
    "ok_schema": ("answered", '{"city":"Paris"}', PLAIN, "stop"),
    "ok_empty": ("answered", "", Usage(input_tokens=19, output_tokens=1), "stop"),
    "ok_tool_calls": ("answered", "", PLAIN, "tool_calls"),
    "ok_llama_cpp": ("answered", "Paris.", Usage(input_tokens=1, cache_read_tokens=30, output_tokens=3), "stop"),
    "ok_vllm": ("answered", "Paris.", Usage(input_tokens=14, output_tokens=12), "stop"),
    "ok_ollama": ("answered", "Paris.", Usage(input_tokens=32, output_tokens=4), "stop"),
    "refused": ("refused", "I can't help with that.", PLAIN, "stop"),
    "filtered": ("filtered", "The first step", PLAIN, "content_filter"),
    "filtered_azure": ("filtered", "", Usage(input_tokens=19), "content_filter"),
    "truncated": ("truncated", "The capital of", Usage(input_tokens=19, output_tokens=3), "length"),
    "truncated_reasoning": ("truncated", "", Usage(input_tokens=19, reasoning_tokens=64), "length"),
}


def test_each_answer_has_its_outcome__none_forgotten():
    assert set(OUTCOMES) == {name for name in names(VENDOR) if not name.startswith(("error_", "within_", "other_"))}


@pytest.mark.parametrize("name", OUTCOMES)
def test_status_200_is_read_closely__every_outcome(name: str):
    answer = CODEC.parse(200, {"x-request-id": "req-5"}, body(VENDOR, name))
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.text, answer.usage, answer.finish_reason) == OUTCOMES[name]
    assert answer.provider_request_id == "req-5"
    assert answer.served_model == json.loads(body(VENDOR, name))["model"]


@pytest.mark.parametrize(
    ("choice", "outcome", "text"),
    [
        ({"message": {"content": "", "refusal": "No"}, "finish_reason": "content_filter"}, "refused", "No"),
        ({"message": {"content": "x"}, "finish_reason": None}, "answered", "x"),
        ({"message": {"content": "x"}}, "answered", "x"),
        ({"message": {}}, "answered", ""),
        ({"message": {"content": "cut"}, "finish_reason": "model_length"}, "truncated", "cut"),
        ({"message": {"content": "cut"}, "finish_reason": "insufficient_system_resource"}, "truncated", "cut"),
        (
            {"message": {"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}},
            "answered",
            "ab",
        ),
    ],
)
def test_what_compatible_servers_send_is_understood__unusual_choices(choice: dict[str, Any], outcome: str, text: str):
    answer = CODEC.parse(200, {}, reply(choice, id="chatcmpl-9"))
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.text, answer.provider_request_id) == (outcome, text, "chatcmpl-9")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
             "completion_tokens_details": {"reasoning_tokens": 20}},
            Usage(input_tokens=10, output_tokens=5, reasoning_tokens=20),
        ),
        ({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": None},
         Usage(input_tokens=3, output_tokens=4)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 9}}, None),
        ({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": -1}}, None),
        ({"prompt_tokens": 3, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 9}}, None),
        ({"prompt_tokens": 3}, None),
        ({"prompt_tokens": -1, "completion_tokens": 4}, None),
        ({"prompt_tokens": True, "completion_tokens": 4}, None),
        ({"prompt_tokens": "3", "completion_tokens": 4}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 4}, None),
        (None, None),
        ([], None),
    ],
)  # fmt: skip
def test_usage_is_normalised_or_unknown__every_form(usage: Any, expected: Usage | None):
    answer = CODEC.parse(200, {}, reply(usage=usage))
    assert isinstance(answer, Answer)
    assert answer.usage == expected


def test_half_a_surrogate_pair_becomes_a_question_mark__answer_with_one():
    answer = CODEC.parse(200, {}, b'{"model": "m\\udfff", "choices": [{"message": {"content": "a\\ud800b"}}]}')
    assert isinstance(answer, Answer)
    assert (answer.text, answer.served_model) == ("a?b", "m?")


@settings(max_examples=200)
@given(status=st.integers(100, 599) | st.just(200), document=json_values)
def test_parse_is_total__any_json(status: int, document: Any):
    check_total(CODEC, status, document)


@settings(max_examples=300)
@given(status=st.just(200) | st.integers(100, 599), document=mutated_replies(VENDOR))
def test_parse_is_total__fixtures_with_another_part(status: int, document: Any):
    check_total(CODEC, status, document)


@given(status=st.integers(100, 599) | st.just(200), raw=st.binary(max_size=200))
def test_parse_is_total__any_bytes(status: int, raw: bytes):
    assert isinstance(CODEC.parse(status, {}, raw), Answer | CallFailure)
