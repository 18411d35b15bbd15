"""The Anthropic Messages codec: what is sent, what is refused, and what every kind of reply means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Usage
from abtest.core.errors import InvalidInputError
from abtest.providers.capabilities import check_registration, unsupported
from abtest.providers.model import Answer, CallFailure, ChatMessage, ModelRequest
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors.anthropic import CODEC

FIXTURES = Path(__file__).parent / "fixtures" / "anthropic"
OWN = ModelProvider(id="claude", vendor="anthropic")
OLDER = ModelProvider(id="claude", vendor="anthropic", options={"api_version": "2023-06-01"})
SCHEMA = {"type": "object", "properties": {"capital": {"type": "string"}}, "additionalProperties": False}
REQUEST = ModelRequest(
    provider="claude",
    vendor="anthropic",
    model="claude-sonnet-4-6",
    messages=(
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content="Où ?"),
        ChatMessage(role="assistant", content="Ici."),
        ChatMessage(role="user", content="Sûr ?"),
    ),
    parameters=Parameters(max_tokens=64, stop=("\n\n", "END"), reasoning_effort="high", output_schema=SCHEMA),
    sample_id="s1",
    variant="a",
)


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def answered(name: str, **headers: str) -> Answer:
    parsed = CODEC.parse(200, headers, fixture(name))
    assert isinstance(parsed, Answer)
    return parsed


def failed(status: int, body: bytes) -> CallFailure:
    parsed = CODEC.parse(status, {}, body)
    assert isinstance(parsed, CallFailure)
    assert parsed.status == status
    return parsed


def sent(request: ModelRequest, provider: ModelProvider = OWN) -> dict[str, Any]:
    document = json.loads(CODEC.build(request, provider, None).body)
    assert isinstance(document, dict)
    return document


def error(kind: Any = None, message: str = "SECRET", code: Any = None) -> bytes:
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, "details": {"error_code": code}}}
    ).encode()


def test_build_sends_system_turns_and_every_parameter__newest_version():
    http = CODEC.build(REQUEST, OWN, "sk-1")
    assert (http.method, http.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert http.headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "anthropic-version": "2026-10-21",
        "authorization": "Bearer sk-1",
    }
    assert json.loads(http.body) == {
        "model": "claude-sonnet-4-6",
        "max_tokens": 64,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Où ?"},
            {"role": "assistant", "content": "Ici."},
            {"role": "user", "content": "Sûr ?"},
        ],
        "stop_sequences": ["\n\n", "END"],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
    }


def test_build_sends_sampling_parameters__older_version():
    request = REQUEST.model_copy(update={"parameters": Parameters(temperature=0, top_p=0.5, max_tokens=5)})
    body = sent(request, OLDER)
    assert (body["temperature"], body["top_p"]) == (0, 0.5)
    assert {"thinking", "output_config", "stop_sequences"}.isdisjoint(body)


def test_build_leaves_out_what_is_not_set__plain_request():
    request = REQUEST.model_copy(update={"parameters": Parameters(max_tokens=5), "messages": REQUEST.messages[1:2]})
    assert set(sent(request)) == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    "base_url",
    [
        "https://gate.example/claude",
        "https://gate.example/claude/",
        "https://gate.example/claude/v1",
        "https://gate.example/claude/v1/",
    ],
)
def test_build_appends_the_path_once__base_url_with_or_without_version(base_url: str):
    provider = OWN.model_copy(update={"base_url": base_url})
    assert CODEC.build(REQUEST, provider, None).url == "https://gate.example/claude/v1/messages"


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({}, "authorization", "Bearer sk-1"),
        ({"api_version": "2023-06-01"}, "x-api-key", "sk-1"),
        ({"auth_style": "x_api_key"}, "x-api-key", "sk-1"),
        ({"api_version": "2023-06-01", "auth_style": "bearer"}, "authorization", "Bearer sk-1"),
    ],
)
def test_the_key_is_sent_in_one_header__style_of_the_version_or_chosen(options: dict[str, Any], name: str, value: str):
    headers = CODEC.build(REQUEST, OWN.model_copy(update={"options": options}), " sk-1\n").headers
    assert headers[name] == value
    assert headers["anthropic-version"] == options.get("api_version", "2026-10-21")
    assert len({"authorization", "x-api-key"} & set(headers)) == 1


@pytest.mark.parametrize("key", [None, "", " \n"])
def test_no_key_is_sent__none_or_blank(key: str | None):
    assert {"authorization", "x-api-key"}.isdisjoint(CODEC.build(REQUEST, OWN, key).headers)


def test_beta_names_are_sent__option_beta():
    provider = OWN.model_copy(update={"options": {"beta": "context-1m-2025-08-07,other"}})
    assert CODEC.build(REQUEST, provider, None).headers["anthropic-beta"] == "context-1m-2025-08-07,other"


def test_a_request_hides_key_and_prompt__shown():
    shown = repr(CODEC.build(REQUEST, OWN, "sk-1"))
    assert "sk-1" not in shown
    assert "brief" not in shown


def test_build_replaces_half_a_surrogate_pair__prompt_with_one():
    request = REQUEST.model_copy(update={"messages": (ChatMessage.model_construct(role="user", content="a\ud800b"),)})
    assert sent(request)["messages"][0]["content"] == "a?b"


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"api_version": "2024-01-01"}, "options.api_version"),
        ({"auth_style": "basic"}, "options.auth_style"),
        ({"beta": "two words"}, "options.beta"),
        ({"beta": "line\r\nx-evil: 1"}, "options.beta"),
        ({"version": "2026-10-21"}, "options.version"),
    ],
)
def test_a_registration_is_refused_with_the_option__wrong_option(options: dict[str, Any], path: str):
    with pytest.raises(InvalidInputError) as caught:
        check_registration(OWN.model_copy(update={"options": options}))
    assert [issue.path for issue in caught.value.issues] == [path]


def refused(provider: ModelProvider, model: str, **parameters: Any) -> set[str]:
    reasons = unsupported(provider, model, Parameters(**parameters))
    assert all(reasons.values())
    return set(reasons)


@pytest.mark.parametrize(
    ("provider", "model", "parameters", "expected"),
    [
        (OWN, "claude-sonnet-4-6", {"temperature": 0}, {"temperature"}),
        (OWN, "claude-sonnet-4-6", {"temperature": 1, "top_p": 1}, {"temperature", "top_p"}),
        (OWN, "any-model", {"temperature": 0.5}, {"temperature"}),
        (OWN, "claude-sonnet-4-6", {"seed": 7}, {"seed"}),
        (OWN, "claude-sonnet-4-6", {"stop": ("x",), "max_tokens": 5, "reasoning_effort": "max"}, set()),
        (OLDER, "claude-sonnet-4-6", {"temperature": 0}, set()),
        (OLDER, "claude-sonnet-4-6", {"temperature": 1.01}, {"temperature"}),
        (OLDER, "any-model", {"temperature": 2}, {"temperature"}),
        (OLDER, "any-model", {"temperature": 0.2, "top_p": 0.3}, set()),
        (OLDER, "claude-sonnet-4-6", {"temperature": 0.2, "top_p": 0.3}, {"top_p"}),
        (OLDER, "claude-opus-4-20250514", {"temperature": 0.2, "top_p": 0.3}, set()),
        (OLDER, "claude-opus-4-7", {"temperature": 0.2, "top_p": 0.99}, {"temperature", "top_p"}),
        (OLDER, "claude-opus-4-7", {"temperature": 1}, set()),
        (OLDER, "anthropic/claude-opus-5-5", {"temperature": 0}, {"temperature"}),
        (OLDER, "claude-sonnet-4-6", {"temperature": 0, "reasoning_effort": "low"}, {"temperature"}),
        (OLDER, "claude-sonnet-4-6", {"temperature": 1, "reasoning_effort": "low"}, set()),
        (OLDER, "claude-sonnet-4-6", {"top_p": 0.9, "reasoning_effort": "low"}, {"top_p"}),
        (OLDER, "claude-sonnet-4-6", {"top_p": 0.95, "reasoning_effort": "low"}, set()),
    ],
)
def test_sampling_parameters_are_refused__by_version_model_and_value(
    provider: ModelProvider, model: str, parameters: dict[str, Any], expected: set[str]
):
    assert refused(provider, model, **parameters) == expected


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("claude-opus-5-5", {"low", "medium", "high", "xhigh", "max"}),
        ("claude-opus-4-7", {"low", "medium", "high", "xhigh", "max"}),
        ("claude-sonnet-4-6", {"low", "medium", "high", "max"}),
        ("claude-mythos-preview", {"low", "medium", "high", "xhigh", "max"}),
        ("local-model", {"low", "medium", "high", "xhigh", "max"}),
        ("claude-haiku-4-5-20251001", set()),
        ("claude-opus-4-20250514", set()),
        ("claude-3-7-sonnet-20250219", set()),
        ("claude-2.1", set()),
    ],
)
def test_reasoning_efforts_are_refused__by_model(model: str, efforts: set[str]):
    every = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    assert {effort for effort in every if not refused(OWN, model, reasoning_effort=effort)} == efforts


@pytest.mark.parametrize(
    ("model", "expected"), [("claude-sonnet-4-5", set()), ("claude-opus-4-1", {"output_schema"}), ("local", set())]
)
def test_a_schema_is_refused__model_that_follows_none(model: str, expected: set[str]):
    assert refused(OWN, model, output_schema=SCHEMA) == expected


def test_an_answer_carries_text_usage_model_and_id__plain():
    assert answered("ok", **{"request-id": "req_1"}) == Answer(
        outcome="answered",
        text="Paris is the capital of France.",
        usage=Usage(input_tokens=21, output_tokens=9),
        finish_reason="end_turn",
        provider_request_id="req_1",
        served_model="claude-sonnet-4-6-20260115",
    )


def test_the_id_of_the_body_is_taken__no_header():
    assert answered("ok").provider_request_id == "msg_01Paris"


@pytest.mark.parametrize(
    ("name", "outcome", "text", "finish_reason"),
    [
        ("ok_blocks", "answered", "Paris is the capital of France.", "end_turn"),
        ("ok_cached", "answered", "Paris.", "end_turn"),
        ("ok_reasoning", "answered", "Paris.", "end_turn"),
        ("ok_schema", "answered", '{"capital": "Paris"}', "end_turn"),
        ("ok_stop_sequence", "answered", "Paris", "stop_sequence"),
        ("ok_empty", "answered", "", "end_turn"),
        ("ok_tool_use", "answered", "", "tool_use"),
        ("refused", "refused", "", "refusal"),
        ("refused_midway", "refused", "The first step", "refusal"),
        ("truncated", "truncated", "Paris is the", "max_tokens"),
        ("truncated_thinking", "truncated", "", "max_tokens"),
        ("truncated_context", "truncated", "Paris is the", "model_context_window_exceeded"),
        ("truncated_pause", "truncated", "Let me look", "pause_turn"),
    ],
)
def test_status_200_is_read_closely__every_outcome(name: str, outcome: str, text: str, finish_reason: str):
    answer = answered(name)
    assert (answer.outcome, answer.text, answer.finish_reason) == (outcome, text, finish_reason)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Usage(input_tokens=21, output_tokens=9)),
        (
            {"cache_read_input_tokens": 50, "cache_creation_input_tokens": 30},
            Usage(input_tokens=21, cache_read_tokens=50, cache_write_tokens=30, output_tokens=9),
        ),
        ({"output_tokens_details": {"thinking_tokens": 9}}, Usage(input_tokens=21, reasoning_tokens=9)),
        (
            {"output_tokens_details": {"thinking_tokens": 4}},
            Usage(input_tokens=21, output_tokens=5, reasoning_tokens=4),
        ),
        ({"cache_read_input_tokens": None, "output_tokens_details": None}, Usage(input_tokens=21, output_tokens=9)),
        ({"output_tokens_details": {"thinking_tokens": 10}}, None),
        ({"output_tokens_details": {"thinking_tokens": -1}}, None),
        ({"cache_read_input_tokens": -1}, None),
        ({"cache_creation_input_tokens": "3"}, None),
        ({"input_tokens": None}, None),
        ({"input_tokens": True}, None),
        ({"output_tokens": 1.5}, None),
        ({"output_tokens": 10**30}, None),
    ],
)
def test_usage_is_normalised_or_unknown__every_form(changes: dict[str, Any], expected: Usage | None):
    document = json.loads(fixture("ok"))
    document["usage"] |= changes
    parsed = CODEC.parse(200, {}, json.dumps(document).encode())
    assert isinstance(parsed, Answer)
    assert parsed.usage == expected
    assert parsed.text == "Paris is the capital of France."


@pytest.mark.parametrize("usage", [None, [], 5, {}])
def test_usage_is_unknown__not_stated(usage: Any):
    parsed = CODEC.parse(200, {}, json.dumps(json.loads(fixture("ok")) | {"usage": usage}).encode())
    assert isinstance(parsed, Answer)
    assert parsed.usage is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (fixture("ok")[:200], "malformed"),
        (b"null", "malformed"),
        (b"[]", "malformed"),
        (b'"text"', "malformed"),
        (b"{}", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"type": "message"}', "malformed"),
        (b'{"type": "message", "content": "text"}', "malformed"),
        (b'{"type": "message", "content": ["text"]}', "malformed"),
        (b'{"type": "message", "content": [{"type": "text"}]}', "malformed"),
        (b'{"type": "message", "content": [{"type": "text", "text": null}]}', "malformed"),
        (b'{"error": "oops"}', "malformed"),
        (b"\xff\xfe\xfa", "invalid_utf8"),
        (b"<!doctype html><html><body>Sign in</body></html>", "html_page"),
        (b'{"type": "message_batch", "id": "b"}', "mismatched"),
        (b'{"type": "a long sentence of somebody"}', "mismatched"),
        (b'{"type": 5}', "mismatched"),
        (b'{"id": "x", "object": "chat.completion", "choices": []}', "mismatched"),
        (b'{"candidates": []}', "mismatched"),
        (b'{"output": {"message": {}}}', "mismatched"),
    ],
)
def test_a_reply_without_a_message_is_told_apart_and_not_retried__status_200(body: bytes, reason: str):
    failure = failed(200, body)
    assert (failure.failure_reason, failure.retryable) == (reason, False)
    assert "sentence" not in failure.detail


@pytest.mark.parametrize(
    ("status", "name", "reason", "retryable"),
    [
        (400, "error_invalid_request", "bad_request", False),
        (400, "error_sampling", "bad_request", False),
        (400, "error_credit_balance", "quota", False),
        (400, "error_usage_limits", "quota", False),
        (400, "error_on_hold", "permission", False),
        (400, "error_disabled", "permission", False),
        (400, "error_prompt_too_long", "context_length", False),
        (400, "error_context_limit", "context_length", False),
        (400, "error_authentication", "auth", False),
        (401, "error_authentication", "auth", False),
        (402, "error_billing", "quota", False),
        (403, "error_permission", "permission", False),
        (404, "error_model_not_found", "model_not_found", False),
        (404, "error_model_retired", "model_retired", False),
        (404, "error_not_found", "not_found", False),
        (413, "error_request_too_large", "context_length", False),
        (429, "error_rate_limit", "rate_limited", True),
        (429, "error_ramp_limit", "rate_limited", True),
        (429, "error_tier_spend_limit", "quota", False),
        (429, "error_usage_limits", "quota", False),
        (429, "error_prompt_too_long", "rate_limited", True),
        (500, "error_api", "server_error", True),
        (504, "error_timeout", "timeout", True),
        (529, "error_overloaded", "overloaded", True),
        (200, "error_overloaded", "overloaded", True),
        (200, "error_api", "server_error", True),
        (200, "error_rate_limit", "rate_limited", True),
        (200, "error_authentication", "auth", False),
    ],
)
def test_error_bodies_are_classified__every_kind(status: int, name: str, reason: str, retryable: bool):
    failure = failed(status, fixture(name))
    assert (failure.failure_reason, failure.retryable) == (reason, retryable)
    assert "SECRET" not in failure.detail
    assert failure.detail.startswith(f"HTTP {status}, type ")


@pytest.mark.parametrize(
    ("status", "body", "reason", "retryable"),
    [
        (400, b"not json", "bad_request", False),
        (401, b"", "auth", False),
        (403, b'{"error": {"type": "forbidden", "message": "Request not allowed"}}', "permission", False),
        (403, b"<html><title>Attention</title></html>", "html_page", False),
        (404, b'{"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}', "not_found", False),
        (404, error("NotFoundError", "The model `x` does not exist."), "model_not_found", False),
        (404, b"", "not_found", False),
        (408, error("api_error"), "timeout", True),
        (409, error("conflict_error"), "server_error", True),
        (410, b"", "model_retired", False),
        (413, b"too large", "context_length", False),
        (422, error("invalid_request_error"), "bad_request", False),
        (400, error("exceed_context_size_error"), "context_length", False),
        (400, b'{"error": "the request exceeds the available context size"}', "context_length", False),
        (502, b"<html><body>Bad gateway</body></html>", "html_page", True),
        (503, error("unavailable_error", "Loading model"), "overloaded", True),
        (503, b"", "overloaded", True),
        (529, b"", "overloaded", True),
        (599, b'{"error": []}', "server_error", True),
        (301, b"", "not_found", False),
        (204, b"", "malformed", False),
        (201, fixture("ok"), "malformed", False),
    ],
)
def test_errors_of_proxies_and_compatible_servers_are_classified__other_bodies(
    status: int, body: bytes, reason: str, retryable: bool
):
    failure = failed(status, body)
    assert (failure.failure_reason, failure.retryable) == (reason, retryable)


def test_details_name_type_and_code_and_nothing_else__error_body():
    assert failed(429, fixture("error_tier_spend_limit")).detail == (
        "HTTP 429, type rate_limit_error, code enforced_spend_limit_reached"
    )
    assert failed(400, error("the prompt was: hello", code="my key")).detail == "HTTP 400"


def test_half_a_surrogate_pair_becomes_a_question_mark__answer_with_one():
    parsed = CODEC.parse(200, {}, b'{"type": "message", "content": [{"type": "text", "text": "a\\ud800b"}]}')
    assert isinstance(parsed, Answer)
    assert parsed.text == "a?b"
    assert parsed.model_dump_json()


KEYS = ["type", "content", "text", "error", "message", "details", "error_code", "usage", "stop_reason", "model", "id"]
KEYS += ["input_tokens", "output_tokens", "output_tokens_details", "thinking_tokens", "role", "choices"]
WORDS = ["message", "error", "text", "refusal", "max_tokens", "not_found_error", "invalid_request_error"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
WHOLE = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FIXTURES.glob("*.json"))]


def is_sound(parsed: object, body: bytes) -> bool:
    """Whether a result is one of the two, and no text of an answer is another's than the body's."""
    if isinstance(parsed, CallFailure):
        return parsed.detail.startswith("HTTP ")
    assert isinstance(parsed, Answer)
    assert parsed.text is not None
    assert parsed.model_dump_json()
    blocks = json.loads(body)["content"]
    written = "".join(block["text"] for block in blocks if block.get("type") == "text")
    return parsed.text == written.encode(errors="replace").decode()


@given(status=st.integers(100, 599), document=json_values)
def test_parse_is_total__any_json(status: int, document: Any):
    body = json.dumps(document).encode()
    assert is_sound(CODEC.parse(status, {}, body), body)


@given(status=st.sampled_from([200, 400, 404, 429, 500, 529]), body=st.binary(max_size=200))
def test_parse_is_total__any_bytes(status: int, body: bytes):
    assert is_sound(CODEC.parse(status, {}, body), body)


@given(
    status=st.sampled_from([200, 200, 200, 400, 404, 429, 500, 529]),
    document=st.sampled_from(WHOLE),
    key=st.sampled_from(KEYS),
    value=json_values,
    where=st.sampled_from(["top", "usage", "error", "block"]),
    headers=st.dictionaries(st.sampled_from(["request-id", "retry-after"]), st.text(max_size=20)),
)
def test_parse_is_total__changed_replies(
    status: int, document: dict[str, Any], key: str, value: Any, where: str, headers: dict[str, str]
):
    changed = json.loads(json.dumps(document))
    block = (changed.get("content") or [changed])[0]
    part = {"top": changed, "usage": changed.get("usage", changed), "error": changed.get("error", changed)}
    part.get(where, block)[key] = value
    body = json.dumps(changed).encode()
    assert is_sound(CODEC.parse(status, headers, body), body)


@given(cut=st.integers(0, 400), name=st.sampled_from(["ok", "refused", "error_overloaded"]))
def test_parse_is_total__cut_replies(cut: int, name: str):
    body = fixture(name)[:cut]
    assert is_sound(CODEC.parse(200, {}, body), body)
