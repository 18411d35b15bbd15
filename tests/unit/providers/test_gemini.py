"""The Gemini codec: what is sent, what is refused, and what every kind of reply means."""

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
from abtest.providers.vendors.gemini import CODEC

FIXTURES = Path(__file__).parent / "fixtures" / "gemini"
OWN = ModelProvider(id="google", vendor="gemini")
SCHEMA = {"type": "object", "properties": {"capital": {"type": "string"}}}
REQUEST = ModelRequest(
    provider="google",
    vendor="gemini",
    model="gemini-3.5-flash",
    messages=(
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content="Où ?"),
        ChatMessage(role="assistant", content="Ici."),
        ChatMessage(role="user", content="Sûr ?"),
    ),
    parameters=Parameters(
        temperature=0,
        top_p=0.5,
        max_tokens=64,
        seed=7,
        stop=("\n\n", "END"),
        reasoning_effort="high",
        output_schema=SCHEMA,
    ),
    sample_id="s1",
    variant="a",
)
OWN_ADDRESS = "https://generativelanguage.googleapis.com"


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def answered(name: str) -> Answer:
    parsed = CODEC.parse(200, {}, fixture(name))
    assert isinstance(parsed, Answer)
    return parsed


def failed(status: int, body: bytes) -> CallFailure:
    parsed = CODEC.parse(status, {}, body)
    assert isinstance(parsed, CallFailure)
    assert parsed.status == status
    return parsed


def error(status: Any = None, message: Any = "SECRET", details: Any = None) -> bytes:
    return json.dumps({"error": {"code": 400, "message": message, "status": status, "details": details}}).encode()


def test_build_sends_system_turns_and_every_parameter__whole_request():
    http = CODEC.build(REQUEST, OWN, " key-1\n")
    assert (http.method, http.url) == ("POST", f"{OWN_ADDRESS}/v1/models/gemini-3.5-flash:generateContent")
    assert http.headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "x-goog-api-key": "key-1",
    }
    assert json.loads(http.body) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Où ?"}]},
            {"role": "model", "parts": [{"text": "Ici."}]},
            {"role": "user", "parts": [{"text": "Sûr ?"}]},
        ],
        "generationConfig": {
            "maxOutputTokens": 64,
            "temperature": 0,
            "topP": 0.5,
            "seed": 7,
            "stopSequences": ["\n\n", "END"],
            "thinkingConfig": {"thinkingLevel": "HIGH"},
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
    }


def test_build_leaves_out_what_is_not_set__plain_request():
    request = REQUEST.model_copy(update={"parameters": Parameters(max_tokens=5), "messages": REQUEST.messages[1:2]})
    assert json.loads(CODEC.build(request, OWN, None).body) == {
        "contents": [{"role": "user", "parts": [{"text": "Où ?"}]}],
        "generationConfig": {"maxOutputTokens": 5},
    }


@pytest.mark.parametrize("key", [None, "", " \n"])
def test_no_key_is_sent__none_or_blank(key: str | None):
    assert "x-goog-api-key" not in CODEC.build(REQUEST, OWN, key).headers


@pytest.mark.parametrize(
    ("base_url", "api_version", "expected"),
    [
        (None, "v1", f"{OWN_ADDRESS}/v1"),
        (None, "v1beta", f"{OWN_ADDRESS}/v1beta"),
        ("https://gate.example", "v1beta", "https://gate.example/v1beta"),
        ("https://gate.example/google/", "v1", "https://gate.example/google/v1"),
        ("https://gate.example/google/v1beta", "v1", "https://gate.example/google/v1beta"),
        ("https://gate.example/google/v1beta/", "v1", "https://gate.example/google/v1beta"),
        ("https://gate.example/v1", "v1beta", "https://gate.example/v1"),
        ("https://gate.example/v1alpha", "v1", "https://gate.example/v1alpha"),
        ("https://gate.example/preview", "v1", "https://gate.example/preview/v1"),
    ],
)
def test_the_version_stands_once_in_the_address__base_url_with_or_without(
    base_url: str | None, api_version: str, expected: str
):
    provider = OWN.model_copy(update={"base_url": base_url, "options": {"api_version": api_version}})
    assert CODEC.build(REQUEST, provider, None).url == f"{expected}/models/gemini-3.5-flash:generateContent"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("models/gemini-3.5-flash", "models/gemini-3.5-flash"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("../../files/x?y=", "models/..%2F..%2Ffiles%2Fx%3Fy%3D"),
        ("models/../x", "models/..%2Fx"),
        ("a model", "models/a%20model"),
    ],
)
def test_a_model_is_one_segment_of_the_path__every_name(model: str, path: str):
    url = CODEC.build(REQUEST.model_copy(update={"model": model}), OWN, None).url
    assert url == f"{OWN_ADDRESS}/v1/{path}:generateContent"


def test_a_request_hides_key_and_prompt__shown():
    shown = repr(CODEC.build(REQUEST, OWN, "key-1"))
    assert "key-1" not in shown
    assert "brief" not in shown


def test_build_replaces_half_a_surrogate_pair__prompt_with_one():
    request = REQUEST.model_copy(update={"messages": (ChatMessage.model_construct(role="user", content="a\ud800b"),)})
    document = json.loads(CODEC.build(request, OWN, None).body)
    assert document["contents"][0]["parts"][0]["text"] == "a?b"


@pytest.mark.parametrize(
    ("options", "path"), [({"api_version": "v2"}, "options.api_version"), ({"version": "v1"}, "options.version")]
)
def test_a_registration_is_refused_with_the_option__wrong_option(options: dict[str, Any], path: str):
    with pytest.raises(InvalidInputError) as caught:
        check_registration(OWN.model_copy(update={"options": options}))
    assert [issue.path for issue in caught.value.issues] == [path]


def refused(model: str, **parameters: Any) -> set[str]:
    reasons = unsupported(OWN, model, Parameters(**parameters))
    assert all(reasons.values())
    return set(reasons)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-pro", set()),
        ("gemini-3-flash-preview", set()),
        ("gemini-3.1-pro-preview", set()),
        ("gemini-3.5-flash", set()),
        ("gemma-3-27b-it", set()),
        ("tunedModels/mine", set()),
        ("gemini-3.5-flash-lite", {"temperature", "top_p"}),
        ("models/gemini-3.6-flash", {"temperature", "top_p"}),
        ("gemini-3.8-flash", {"temperature", "top_p"}),
        ("gemini-4-hydrogen", {"temperature", "top_p"}),
        ("gemini-flash-latest", {"temperature", "top_p"}),
    ],
)
def test_sampling_parameters_are_refused__models_that_ignore_them(model: str, expected: set[str]):
    assert refused(model, temperature=0, top_p=0.5, seed=7, stop=("x",), output_schema=SCHEMA) == expected
    assert refused(model, seed=7) == set()


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gemini-2.5-flash", set()),
        ("gemini-2.0-flash", set()),
        ("gemini-3-pro-preview", {"low", "high"}),
        ("gemini-3.1-pro-preview", {"low", "medium", "high"}),
        ("gemini-3-flash-preview", {"minimal", "low", "medium", "high"}),
        ("gemini-3.5-flash-lite", {"minimal", "low", "medium", "high"}),
        ("gemini-3.6-flash", {"minimal", "low", "medium", "high"}),
        ("gemini-3.8-flash", {"low", "medium", "high"}),
        ("gemini-4-hydrogen", {"minimal", "low", "medium", "high", "xhigh"}),
        ("gemini-flash-latest", {"minimal", "low", "medium", "high", "xhigh"}),
        ("local-model", {"minimal", "low", "medium", "high", "xhigh"}),
    ],
)
def test_reasoning_efforts_are_refused__by_model(model: str, efforts: set[str]):
    every = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    assert {effort for effort in every if not refused(model, reasoning_effort=effort)} == efforts


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh"])
def test_the_effort_is_sent_as_a_thinking_level__every_level(effort: Any):
    request = REQUEST.model_copy(update={"parameters": Parameters(reasoning_effort=effort)})
    config = json.loads(CODEC.build(request, OWN, None).body)["generationConfig"]
    assert config["thinkingConfig"] == {"thinkingLevel": effort.upper()}


def test_an_answer_carries_text_usage_model_and_id__plain():
    assert answered("ok") == Answer(
        outcome="answered",
        text="Paris is the capital of France.",
        usage=Usage(input_tokens=12, output_tokens=7),
        finish_reason="STOP",
        provider_request_id="resp-Paris",
        served_model="gemini-3.5-flash-001",
    )


@pytest.mark.parametrize(
    ("name", "outcome", "text", "finish_reason"),
    [
        ("ok_parts", "answered", "Paris is the capital of France.", "STOP"),
        ("ok_cached", "answered", "Paris.", "STOP"),
        ("ok_reasoning", "answered", "Paris.", "STOP"),
        ("ok_schema", "answered", '{"capital": "Paris"}', "STOP"),
        ("ok_empty", "answered", "", "STOP"),
        ("ok_no_parts", "answered", "", "STOP"),
        ("malformed_call", "answered", "", "MALFORMED_FUNCTION_CALL"),
        ("truncated", "truncated", "Paris is the", "MAX_TOKENS"),
        ("truncated_thinking", "truncated", "", "MAX_TOKENS"),
        ("truncated_continuation", "truncated", "Paris is the", "CONTINUATION"),
        ("filtered_safety", "filtered", "", "SAFETY"),
        ("filtered_recitation", "filtered", "It was the best", "RECITATION"),
        ("filtered_other", "filtered", "", "OTHER"),
        ("filtered_prompt", "filtered", "", "PROHIBITED_CONTENT"),
    ],
)
def test_status_200_is_read_closely__every_outcome(name: str, outcome: str, text: str, finish_reason: str):
    answer = answered(name)
    assert (answer.outcome, answer.text, answer.finish_reason) == (outcome, text, finish_reason)
    assert answer.usage is not None
    assert answer.served_model == "gemini-3.5-flash-001"


@pytest.mark.parametrize(
    ("finish_reason", "text", "outcome"),
    [
        ("OTHER", "half", "answered"),
        ("NEW_REASON", "half", "answered"),
        ("NEW_REASON", "", "filtered"),
        ("FINISH_REASON_UNSPECIFIED", "", "filtered"),
        (None, "half", "answered"),
        (None, "", "answered"),
        ("LANGUAGE", "", "filtered"),
        ("ESCALATION", "", "filtered"),
    ],
)
def test_an_unknown_end_is_what_was_written_or_kept_back__finish_reason(
    finish_reason: str | None, text: str, outcome: str
):
    candidate = {"content": {"parts": [{"text": text}]}, "finishReason": finish_reason}
    parsed = CODEC.parse(200, {}, json.dumps({"candidates": [candidate]}).encode())
    assert isinstance(parsed, Answer)
    assert (parsed.outcome, parsed.text, parsed.finish_reason) == (outcome, text, finish_reason)


def test_a_limited_account_is_a_failure_of_the_account__finish_reason():
    failure = failed(200, fixture("account_limited"))
    assert (failure.failure_reason, failure.retryable) == ("permission", False)
    assert failure.detail == "HTTP 200, finishReason PUP_LIMITED_DISABLED"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"promptTokenCount": 12, "candidatesTokenCount": 7}, Usage(input_tokens=12, output_tokens=7)),
        (
            {
                "promptTokenCount": 2300,
                "cachedContentTokenCount": 2000,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 40,
                "totalTokenCount": 2343,
            },
            Usage(input_tokens=300, cache_read_tokens=2000, output_tokens=3, reasoning_tokens=40),
        ),
        (
            {"promptTokenCount": 12, "candidatesTokenCount": 43, "thoughtsTokenCount": 40, "totalTokenCount": 55},
            Usage(input_tokens=12, output_tokens=3, reasoning_tokens=40),
        ),
        (
            {"promptTokenCount": 12, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 24},
            Usage(input_tokens=17, output_tokens=7),
        ),
        ({"promptTokenCount": 12, "totalTokenCount": 12}, Usage(input_tokens=12)),
        ({"promptTokenCount": 12}, Usage(input_tokens=12)),
        ({"promptTokenCount": 12, "totalTokenCount": 19}, None),
        ({"candidatesTokenCount": 7}, None),
        ({"promptTokenCount": 12, "candidatesTokenCount": -7}, None),
        ({"promptTokenCount": 12, "cachedContentTokenCount": 13}, None),
        ({"promptTokenCount": 12, "thoughtsTokenCount": "4"}, None),
        ({"promptTokenCount": True}, None),
        ({"promptTokenCount": 10**30}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_normalised_or_unknown__every_form(usage: Any, expected: Usage | None):
    parsed = CODEC.parse(200, {}, json.dumps(json.loads(fixture("ok")) | {"usageMetadata": usage}).encode())
    assert isinstance(parsed, Answer)
    assert parsed.usage == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (fixture("ok")[:200], "malformed"),
        (b"null", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b"[" * 100_000, "malformed"),
        (fixture("no_candidates"), "malformed"),
        (b'{"candidates": [], "promptFeedback": {}}', "malformed"),
        (b'{"candidates": "text"}', "malformed"),
        (b'{"candidates": ["text"]}', "malformed"),
        (b'{"candidates": [{}]}', "malformed"),
        (b'{"candidates": [{"content": "text"}]}', "malformed"),
        (b'{"candidates": [{"content": {"parts": "text"}}]}', "malformed"),
        (b'{"candidates": [{"content": {"parts": ["text"]}}]}', "malformed"),
        (b'{"candidates": [{"content": {"parts": [{"text": 5}]}}]}', "malformed"),
        (b'{"error": "oops"}', "malformed"),
        (b"\xff\xfe\xfa", "invalid_utf8"),
        (b"<!doctype html><html><body>Sign in</body></html>", "html_page"),
        (b'[{"candidates": []}, {"candidates": []}]', "malformed"),
        (b'{"type": "message", "content": []}', "mismatched"),
        (b'{"id": "x", "object": "chat.completion", "choices": []}', "mismatched"),
    ],
)
def test_a_reply_without_a_candidate_is_told_apart_and_not_retried__status_200(body: bytes, reason: str):
    failure = failed(200, body)
    assert (failure.failure_reason, failure.retryable) == (reason, False)


@pytest.mark.parametrize(
    ("status", "name", "reason", "retry_after_s"),
    [
        (400, "error_invalid_argument", "bad_request", None),
        (400, "error_thinking_level", "bad_request", None),
        (400, "error_api_key", "auth", None),
        (401, "error_unauthenticated", "auth", None),
        (403, "error_no_key", "auth", None),
        (403, "error_leaked_key", "auth", None),
        (403, "error_permission", "permission", None),
        (400, "error_location", "permission", None),
        (400, "error_free_tier", "quota", None),
        (403, "error_billing_disabled", "quota", None),
        (402, "error_prepaid", "quota", None),
        (429, "error_spending_cap", "quota", None),
        (404, "error_model_not_found", "model_not_found", None),
        (404, "error_model_retired", "model_retired", None),
        (404, "error_not_found", "not_found", None),
        (400, "error_context", "context_length", None),
        (429, "error_quota_day", "quota", None),
        (429, "error_quota_day_info", "quota", None),
    ],
)
def test_errors_that_stay_are_not_retried__every_kind(status: int, name: str, reason: str, retry_after_s: None):
    failure = failed(status, fixture(name))
    assert (failure.failure_reason, failure.retryable, failure.retry_after_s) == (reason, False, retry_after_s)
    assert "SECRET" not in failure.detail
    assert failure.detail.startswith(f"HTTP {status}, status ")


@pytest.mark.parametrize(
    ("status", "name", "reason", "retry_after_s"),
    [
        (429, "error_rate_minute", "rate_limited", 17.429760048),
        (429, "error_wrapped", "rate_limited", 2.0),
        (429, "error_exhausted", "rate_limited", None),
        (500, "error_internal", "server_error", None),
        (503, "error_unavailable", "overloaded", None),
        (504, "error_deadline", "timeout", None),
        (200, "error_unavailable", "overloaded", None),
        (200, "error_wrapped", "rate_limited", 2.0),
    ],
)
def test_errors_that_pass_are_retried_when_the_server_says__every_kind(
    status: int, name: str, reason: str, retry_after_s: float | None
):
    failure = failed(status, fixture(name))
    assert (failure.failure_reason, failure.retryable, failure.retry_after_s) == (reason, True, retry_after_s)


@pytest.mark.parametrize(
    ("status", "body", "reason", "retryable"),
    [
        (400, b"not json", "bad_request", False),
        (400, error("FAILED_PRECONDITION", "Precondition check failed."), "permission", False),
        (400, error("INVALID_ARGUMENT", None, "none"), "bad_request", False),
        (401, b"", "auth", False),
        (403, b"", "permission", False),
        (404, b"", "not_found", False),
        (404, b"<!DOCTYPE html><html><title>Error 404</title></html>", "html_page", False),
        (404, error("NOT_FOUND", "Requested entity was not found."), "model_not_found", False),
        (409, error("ABORTED"), "server_error", True),
        (410, b"", "model_retired", False),
        (413, b"", "context_length", False),
        (413, error("RESOURCE_EXHAUSTED"), "context_length", False),
        (429, b"slow down", "rate_limited", True),
        (429, error("RESOURCE_EXHAUSTED", details=[{"reason": "BILLING_DISABLED"}]), "quota", False),
        (499, error("CANCELLED"), "timeout", True),
        (501, error("UNIMPLEMENTED"), "bad_request", False),
        (502, b"<html><body>Bad gateway</body></html>", "html_page", True),
        (500, error(None, "api key expired"), "server_error", True),
        (301, b"", "not_found", False),
        (204, b"", "malformed", False),
        (201, fixture("ok"), "malformed", False),
    ],
)
def test_errors_of_front_ends_and_proxies_are_classified__other_bodies(
    status: int, body: bytes, reason: str, retryable: bool
):
    failure = failed(status, body)
    assert (failure.failure_reason, failure.retryable) == (reason, retryable)


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        ("36s", 36.0),
        ("0.5s", 0.5),
        ("0s", 0.0),
        ("-3s", None),
        ("36", None),
        ("1e9s", None),
        ("9" * 400 + "s", None),
        (36, None),
        ({"seconds": 3}, None),
        (None, None),
    ],
)
def test_the_wait_a_server_asks_for_is_understood__every_form(delay: Any, expected: float | None):
    failure = failed(429, error("RESOURCE_EXHAUSTED", details=[{"x": 1}, {"retryDelay": delay}]))
    assert failure.retry_after_s == expected


def test_details_name_status_reason_and_quota_and_nothing_else__error_body():
    assert failed(429, fixture("error_quota_day")).detail == (
        "HTTP 429, status RESOURCE_EXHAUSTED, quota GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    )
    assert failed(400, fixture("error_api_key")).detail == "HTTP 400, status INVALID_ARGUMENT, reason API_KEY_INVALID"
    assert failed(400, error("the prompt was: hello")).detail == "HTTP 400"


def test_half_a_surrogate_pair_becomes_a_question_mark__answer_with_one():
    body = b'{"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": "a\\ud800b"}]}}]}'
    parsed = CODEC.parse(200, {}, body)
    assert isinstance(parsed, Answer)
    assert parsed.text == "a?b"
    assert parsed.model_dump_json()


KEYS = ["candidates", "content", "parts", "text", "thought", "finishReason", "promptFeedback", "blockReason", "error"]
KEYS += ["status", "message", "details", "violations", "quotaId", "retryDelay", "reason", "metadata", "usageMetadata"]
KEYS += ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount", "modelVersion"]
WORDS = ["STOP", "SAFETY", "MAX_TOKENS", "RESOURCE_EXHAUSTED", "NOT_FOUND", "17s", "GenerateRequestsPerDay"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
WHOLE = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FIXTURES.glob("*.json"))]


def is_sound(parsed: object, body: bytes) -> bool:
    """Whether a result is one of the two, and no text of an answer is another's than the body's."""
    if isinstance(parsed, CallFailure):
        return parsed.detail.startswith("HTTP ") and (parsed.retry_after_s is None or parsed.retry_after_s >= 0)
    assert isinstance(parsed, Answer)
    assert parsed.text is not None
    assert parsed.model_dump_json()
    candidates = json.loads(body).get("candidates")
    # Of a blocked prompt nothing else is read, whatever stands there.
    usable = isinstance(candidates, list) and candidates and isinstance(candidates[0], dict)
    candidate = candidates[0] if usable else {}
    parts = (candidate.get("content") or {}).get("parts") or []
    written = "".join(part.get("text") or "" for part in parts if part.get("thought") is not True)
    return parsed.text == written.encode(errors="replace").decode()


@given(status=st.integers(100, 599), document=json_values)
def test_parse_is_total__any_json(status: int, document: Any):
    body = json.dumps(document).encode()
    assert is_sound(CODEC.parse(status, {}, body), body)


@given(status=st.sampled_from([200, 400, 404, 429, 500, 503]), body=st.binary(max_size=200))
def test_parse_is_total__any_bytes(status: int, body: bytes):
    assert is_sound(CODEC.parse(status, {}, body), body)


@given(
    status=st.sampled_from([200, 200, 200, 400, 404, 429, 500, 503]),
    document=st.sampled_from(WHOLE),
    key=st.sampled_from(KEYS),
    value=json_values,
    where=st.sampled_from(["top", "usage", "error", "detail", "candidate", "part"]),
)
def test_parse_is_total__changed_replies(status: int, document: Any, key: str, value: Any, where: str):
    changed = json.loads(json.dumps(document))
    top = changed[0] if isinstance(changed, list) else changed
    candidate = (top.get("candidates") or [top])[0]
    failed_with = top.get("error", top)
    parts = {
        "top": top,
        "usage": top.get("usageMetadata", top),
        "error": failed_with,
        "detail": (failed_with.get("details") or [top])[0],
        "candidate": candidate,
        "part": ((candidate.get("content") or {}).get("parts") or [candidate])[0],
    }
    parts[where][key] = value
    body = json.dumps(changed).encode()
    assert is_sound(CODEC.parse(status, {}, body), body)


@given(cut=st.integers(0, 400), name=st.sampled_from(["ok", "filtered_prompt", "error_rate_minute"]))
def test_parse_is_total__cut_replies(cut: int, name: str):
    body = fixture(name)[:cut]
    assert is_sound(CODEC.parse(200, {}, body), body)
