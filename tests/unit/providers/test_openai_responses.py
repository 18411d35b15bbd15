"""The Responses codec: what is sent, and what every kind of reply means."""

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
    reason_of,
)

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Usage
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.model import Answer, CallFailure, ChatMessage
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors.openai_responses import CODEC

VENDOR = "openai_responses"
OWN = ModelProvider(id="openai", vendor=VENDOR)
COMPATIBLE = ModelProvider(id="local", vendor=VENDOR, base_url="http://127.0.0.1:8080/v1/")
EVERYTHING = Parameters(
    temperature=0, top_p=0.5, max_tokens=64, reasoning_effort="low", output_schema=STRICT_SCHEMA
)  # fmt: skip


def sent(parameters: Parameters = EVERYTHING, messages: tuple[ChatMessage, ...] = MESSAGES) -> dict[str, Any]:
    request = REQUEST.model_copy(update={"parameters": parameters, "messages": messages})
    return dict(json.loads(CODEC.build(request, OWN, "sk-1").body))


def reply(*output: Any, **document: Any) -> bytes:
    return json.dumps({"object": "response", "status": "completed", "output": output, **document}).encode()


def message(*content: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(content)}


def test_the_codec_is_one__of_the_port():
    assert isinstance(CODEC, HttpCodec)
    assert CODEC.capabilities.parameters == set(Parameters.model_fields) - {"seed", "stop"}


def test_build_sends_every_parameter__and_stores_nothing_at_the_vendor():
    assert sent() == {
        "model": "small",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "The capital of Spain?"},
            {"role": "assistant", "content": "Madrid."},
            {"role": "user", "content": "Où ?"},
        ],
        "max_output_tokens": 64,
        "store": False,
        "temperature": 0,
        "top_p": 0.5,
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": STRICT_SCHEMA}},
    }


def test_build_leaves_out_what_is_not_set__plain_parameters():
    assert set(sent(Parameters(), MESSAGES[-1:])) == {"model", "input", "max_output_tokens", "store"}


def test_build_speaks_to_the_own_host__no_base_url():
    http = CODEC.build(REQUEST, OWN, "sk-1\n")
    assert (http.method, http.url) == ("POST", "https://api.openai.com/v1/responses")
    assert http.headers["authorization"] == "Bearer sk-1"


def test_build_names_no_deployment__azure_version():
    options = {"auth_style": "api_key", "api_version": "2025-03-01-preview"}
    azure = OWN.model_copy(update={"base_url": "https://acme.openai.azure.com/", "options": options})
    http = CODEC.build(REQUEST, azure, "k1")
    assert http.url == "https://acme.openai.azure.com/openai/responses?api-version=2025-03-01-preview"
    assert http.headers["api-key"] == "k1"


def test_a_limit_below_sixteen_is_refused__own_host_alone():
    few = Parameters(max_tokens=15)
    assert set(CODEC.refusals(few, OWN, "gpt-4.1")) == {"max_tokens"}
    assert CODEC.refusals(few, COMPATIBLE, "gpt-4.1") == {}
    assert CODEC.refusals(Parameters(max_tokens=16), OWN, "gpt-4.1") == {}


def test_refusals_come_from_the_own_host_alone__reasoning_model():
    assert set(CODEC.refusals(EVERYTHING, OWN, "o3")) == {"temperature", "top_p"}
    assert CODEC.refusals(EVERYTHING, COMPATIBLE, "o3") == {}


PLAIN = Usage(input_tokens=19, output_tokens=7)
OUTCOMES: dict[str, tuple[str, str, Usage, str]] = {
    "ok": ("answered", "Paris.", PLAIN, "completed"),
    "ok_cached": (
        "answered",
        "Paris.",
        Usage(input_tokens=95, cache_read_tokens=1024, cache_write_tokens=200, output_tokens=7),
        "completed",
    ),
    "ok_reasoning": ("answered", "Paris.", Usage(input_tokens=19, output_tokens=23, reasoning_tokens=64), "completed"),
    "ok_schema": ("answered", '{"city":"Paris"}', PLAIN, "completed"),
    "ok_empty": ("answered", "", Usage(input_tokens=19, output_tokens=1), "completed"),
    "ok_two_messages": ("answered", "Let me think. Paris.", PLAIN, "completed"),
    "ok_llama_cpp": ("answered", "Paris.", Usage(input_tokens=1, cache_read_tokens=30, output_tokens=3), "completed"),
    "refused": ("refused", "I can't help with that.", PLAIN, "completed"),
    "filtered": ("filtered", "The first step", PLAIN, "content_filter"),
    "truncated": ("truncated", "The capital of", Usage(input_tokens=19, output_tokens=16), "max_output_tokens"),
    "truncated_reasoning": ("truncated", "", Usage(input_tokens=19, reasoning_tokens=64), "max_output_tokens"),
    "failed_policy": ("filtered", "", Usage(input_tokens=19), "content_filter"),
    "failed_prompt": ("filtered", "", Usage(input_tokens=19), "content_filter"),
}
FAILURES: dict[str, tuple[int, str, bool]] = {
    "failed_server": (200, "server_error", True),
    "failed_spent": (200, "server_error", False),
    "failed_rate_limit": (200, "rate_limited", True),
    "failed_image": (200, "malformed", False),
    "failed_unsaid": (200, "malformed", False),
    "queued": (200, "malformed", False),
    "error_key": (401, "auth", False),
    "error_quota": (429, "quota", False),
    "error_rate_limit": (429, "rate_limited", True),
    "error_context_length": (400, "context_length", False),
    "error_model": (400, "model_not_found", False),
    "error_effort": (400, "bad_request", False),
    "error_fewest_tokens": (400, "bad_request", False),
    "error_server": (500, "server_error", True),
    "other_chat": (200, "mismatched", False),
    "other_converse": (200, "mismatched", False),
    "other_deleted": (200, "mismatched", False),
}


def test_each_fixture_has_its_meaning__none_forgotten():
    assert {*OUTCOMES, *FAILURES} == set(names(VENDOR))


@pytest.mark.parametrize("name", OUTCOMES)
def test_status_200_is_read_closely__every_outcome(name: str):
    answer = CODEC.parse(200, {}, body(VENDOR, name))
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.text, answer.usage, answer.finish_reason) == OUTCOMES[name]
    document = json.loads(body(VENDOR, name))
    assert (answer.provider_request_id, answer.served_model) == (document["id"], document["model"])


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_classified__every_form(name: str):
    status, reason, retryable = FAILURES[name]
    assert reason_of(CODEC.parse(status, {}, body(VENDOR, name))) == (reason, retryable)
    assert reason in WHAT_TO_DO


def test_a_failure_shows_its_code_and_no_text__failed_response():
    failure = CODEC.parse(200, {}, body(VENDOR, "failed_rate_limit"))
    assert isinstance(failure, CallFailure)
    assert failure.detail == "HTTP 200, with an error of status 429, code rate_limit_exceeded"


@pytest.mark.parametrize(
    ("document", "outcome", "text"),
    [
        (reply(message({"type": "output_text", "text": "a"}), {"type": "function_call"}, None), "answered", "a"),
        (reply(message({"type": "output_text", "text": None}, None, {"type": "image"})), "answered", ""),
        (reply(message({"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "No"})), "refused", "a"),
        (reply({"type": "message", "content": "a"}), "answered", ""),
        (reply(status="incomplete"), "truncated", ""),
        (reply(status="incomplete", incomplete_details={"reason": "steered"}), "truncated", ""),
        (b'{"output": []}', "answered", ""),
    ],
)
def test_content_is_read_part_by_part__unusual_replies(document: bytes, outcome: str, text: str):
    answer = CODEC.parse(200, {}, document)
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.text) == (outcome, text)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b'{"object": "response", "status": "completed"}', "malformed"),
        (b'{"object": "response", "output": {}}', "malformed"),
        (b'{"object": "response", "output": [], "status": "cancelled"}', "malformed"),
        (b'{"object": "response", "output": [], "status": {}}', "malformed"),
        (b'{"error": "broken"}', "malformed"),
        (b'{"output": "Paris"}', "mismatched"),
        (b'{"object": ["response"], "output": []}', "mismatched"),
        (b"<html>busy</html>", "html_page"),
        (b'{"output": ["\xe9"]}', "invalid_utf8"),
        (reply()[:30], "malformed"),
    ],
)
def test_a_body_without_an_answer_has_its_reason_and_is_not_retried__status_200(raw: bytes, reason: str):
    assert reason_of(CODEC.parse(200, {}, raw)) == (reason, False)


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
