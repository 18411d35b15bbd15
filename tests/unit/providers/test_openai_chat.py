"""The Chat Completions codec: what is sent, and what every kind of reply means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Usage
from abtest.providers.model import Answer, CallFailure, ChatMessage, ModelProvider, ModelRequest
from abtest.providers.vendors.openai_chat import CODEC

COMPATIBLE = ModelProvider(id="local", vendor="openai_chat", base_url="http://127.0.0.1:8080/v1/")
OWN = ModelProvider(id="openai", vendor="openai_chat")
REQUEST = ModelRequest(
    provider="local",
    vendor="openai_chat",
    model="small",
    messages=(ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Où ?")),
    parameters=Parameters(temperature=0, top_p=0.5, max_tokens=64, seed=7, stop=("\n\n", "END")),
    sample_id="s1",
    variant="a",
)


def reply(choice: dict[str, Any] | None = None, **document: Any) -> bytes:
    whole = {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "choices": [choice or {"message": {"role": "assistant", "content": "Paris"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    return json.dumps(whole | document).encode()


def error(code: Any = None, kind: Any = "invalid_request_error", param: Any = None, message: str = "PROMPT") -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def answered(body: bytes, **headers: str) -> Answer:
    parsed = CODEC.parse(200, headers, body)
    assert isinstance(parsed, Answer)
    return parsed


def failed(status: int, body: bytes) -> CallFailure:
    parsed = CODEC.parse(status, {}, body)
    assert isinstance(parsed, CallFailure)
    return parsed


def test_build_sends_every_parameter__compatible_server():
    http = CODEC.build(REQUEST, COMPATIBLE, None)
    assert (http.method, http.url) == ("POST", "http://127.0.0.1:8080/v1/chat/completions")
    assert json.loads(http.body) == {
        "model": "small",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Où ?"}],
        "max_tokens": 64,
        "temperature": 0,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["\n\n", "END"],
    }
    assert "authorization" not in http.headers


def test_build_leaves_out_what_is_not_set__plain_parameters():
    request = REQUEST.model_copy(update={"parameters": Parameters(max_tokens=5)})
    assert set(json.loads(CODEC.build(request, COMPATIBLE, None).body)) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize("base_url", [None, "https://api.openai.com/v1", "https://api.openai.com/v1/"])
def test_build_uses_the_newer_limit__own_host(base_url: str | None):
    http = CODEC.build(REQUEST, OWN.model_copy(update={"base_url": base_url}), "sk-1")
    assert http.url == "https://api.openai.com/v1/chat/completions"
    body = json.loads(http.body)
    assert body["max_completion_tokens"] == 64
    assert "max_tokens" not in body


@pytest.mark.parametrize("key", ["sk-1", "sk-1\n", " sk-1 "])
def test_build_sends_the_key_as_bearer__with_or_without_the_newline_of_its_file(key: str):
    assert CODEC.build(REQUEST, OWN, key).headers["authorization"] == "Bearer sk-1"


def test_a_request_hides_key_and_prompt__shown():
    shown = repr(CODEC.build(REQUEST, OWN, "sk-1"))
    assert "sk-1" not in shown
    assert "brief" not in shown


def test_build_replaces_half_a_surrogate_pair__prompt_with_one():
    request = REQUEST.model_copy(update={"messages": (ChatMessage.model_construct(role="user", content="a\ud800b"),)})
    assert json.loads(CODEC.build(request, COMPATIBLE, None).body)["messages"][0]["content"] == "a?b"


def test_an_answer_carries_text_usage_and_id__plain():
    answer = answered(reply(), **{"x-request-id": "req-5"})
    assert answer == Answer(
        outcome="answered",
        text="Paris",
        usage=Usage(input_tokens=10, output_tokens=5),
        finish_reason="stop",
        provider_request_id="req-5",
    )


def test_the_id_of_the_body_is_taken__no_header():
    assert answered(reply()).provider_request_id == "chatcmpl-9"


@pytest.mark.parametrize(
    ("choice", "outcome", "text"),
    [
        ({"message": {"content": "cut"}, "finish_reason": "length"}, "truncated", "cut"),
        ({"message": {"content": None}, "finish_reason": "length"}, "truncated", ""),
        ({"message": {"content": None, "refusal": "I cannot"}, "finish_reason": "stop"}, "refused", "I cannot"),
        ({"message": {"content": "", "refusal": "No"}, "finish_reason": "content_filter"}, "refused", "No"),
        ({"message": {"content": "half"}, "finish_reason": "content_filter"}, "filtered", "half"),
        ({"message": {"content": None}, "finish_reason": "content_filter"}, "filtered", ""),
        ({"message": {"content": "x", "refusal": None}, "finish_reason": "stop"}, "answered", "x"),
        ({"message": {"content": ""}, "finish_reason": "stop"}, "answered", ""),
        ({"message": {"content": None}, "finish_reason": "tool_calls"}, "answered", ""),
        ({"message": {"content": "x"}, "finish_reason": None}, "answered", "x"),
        ({"message": {"content": "x"}}, "answered", "x"),
        (
            {"message": {"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}},
            "answered",
            "ab",
        ),
    ],
)
def test_status_200_is_read_closely__every_outcome(choice: dict[str, Any], outcome: str, text: str):
    answer = answered(reply(choice))
    assert (answer.outcome, answer.text) == (outcome, text)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input_tokens=10, cache_read_tokens=60, cache_write_tokens=30, output_tokens=30, reasoning_tokens=20),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input_tokens=10, output_tokens=5, reasoning_tokens=20),
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": None},
            Usage(input_tokens=3, output_tokens=4),
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(input_tokens=0, cache_read_tokens=9, output_tokens=4),
        ),
        ({"prompt_tokens": 3}, None),
        ({"prompt_tokens": -1, "completion_tokens": 4}, None),
        ({"prompt_tokens": True, "completion_tokens": 4}, None),
        ({"prompt_tokens": "3", "completion_tokens": 4}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 4}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_normalised__every_form(usage: Any, expected: Usage | None):
    assert answered(reply(usage=usage)).usage == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": "text"}]}',
        b'{"error": {"message": "oops"}}',
        reply()[:40],
    ],
)
def test_a_body_without_an_answer_is_malformed_and_not_retried__status_200(body: bytes):
    failure = failed(200, body)
    assert (failure.failure_reason, failure.retryable) == ("malformed", False)


@pytest.mark.parametrize(
    ("status", "body", "reason", "retryable"),
    [
        (400, error("context_length_exceeded"), "bad_request", False),
        (400, b"not json", "bad_request", False),
        (401, error("invalid_api_key"), "auth", False),
        (402, error(), "quota", False),
        (403, error(), "auth", False),
        (404, error("model_not_found"), "not_found", False),
        (405, b"", "bad_request", False),
        (408, b"", "timeout", True),
        (409, error(), "server_error", True),
        (413, b"", "bad_request", False),
        (422, b'{"detail": [{"msg": "PROMPT"}]}', "bad_request", False),
        (429, error("rate_limit_exceeded"), "rate_limited", True),
        (429, b"slow down", "rate_limited", True),
        (429, error("insufficient_quota"), "quota", False),
        (429, error(None, kind="insufficient_quota"), "quota", False),
        (500, b"", "server_error", True),
        (502, b"<html>", "server_error", True),
        (503, error(), "server_error", True),
        (529, error("overloaded"), "server_error", True),
        (301, b"", "not_found", False),
        (204, b"", "malformed", False),
        (200, error(429), "rate_limited", True),
        (200, error(502), "server_error", True),
        (200, error("weird"), "malformed", False),
    ],
)
def test_failures_are_classified__every_status(status: int, body: bytes, reason: str, retryable: bool):
    failure = failed(status, body)
    assert (failure.failure_reason, failure.retryable) == (reason, retryable)
    assert "PROMPT" not in failure.detail


def test_a_filter_that_stops_the_prompt_is_an_outcome__status_400():
    parsed = CODEC.parse(400, {}, error("content_filter"))
    assert isinstance(parsed, Answer)
    assert (parsed.outcome, parsed.text, parsed.usage) == ("filtered", "", None)


def test_details_name_code_and_parameter_and_nothing_else__error_body():
    failure = failed(
        400, error("unsupported_value", param="messages[0].content", message="your key sk-123 said PROMPT")
    )
    assert failure.detail == ("HTTP 400, type invalid_request_error, code unsupported_value, param messages[0].content")


def test_details_leave_out_what_is_no_word__error_body_with_text_as_code():
    assert failed(400, error("the prompt was: hello", kind=None)).detail == "HTTP 400"


def test_half_a_surrogate_pair_becomes_a_question_mark__answer_with_one():
    body = b'{"id": "x", "choices": [{"message": {"content": "a\\ud800b"}, "finish_reason": "stop"}]}'
    assert answered(body).text == "a?b"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "refusal",
                    "finish_reason",
                    "usage",
                    "error",
                    "code",
                    "id",
                    "type",
                    "text",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(status=st.integers(100, 599), document=json_values)
def test_parse_is_total__any_json(status: int, document: Any):
    assert isinstance(CODEC.parse(status, {}, json.dumps(document).encode()), Answer | CallFailure)


@given(status=st.integers(100, 599), body=st.binary(max_size=200))
def test_parse_is_total__any_bytes(status: int, body: bytes):
    assert isinstance(CODEC.parse(status, {}, body), Answer | CallFailure)
