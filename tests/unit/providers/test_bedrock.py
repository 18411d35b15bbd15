"""The Bedrock Converse codec: what is sent, and what every kind of reply means."""

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
from abtest.providers.model import Answer, AwsSigning, CallFailure, ChatMessage, ModelRequest
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors.bedrock import CODEC

FIXTURES = Path(__file__).parent / "fixtures" / "bedrock"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))
REQUEST_ID = "0b5a7e0e-6c1d-4f6e-9f30-1c2d3e4f5a6b"
MODEL = "us.anthropic.claude-opus-4-6-v1:0"
OTHER = "amazon.nova-lite-v1:0"
PROVIDER = ModelProvider(id="aws", vendor="bedrock", options={"region": "us-east-1"})
BEARER = PROVIDER.model_copy(update={"options": {"region": "us-east-1", "auth_style": "bearer"}})
KEYS = '{"access_key_id": "AKID", "secret_access_key": "s3cr3t"}'
SCHEMA = {"type": "object", "properties": {"ville": {"type": "string", "description": "où"}}}
REQUEST = ModelRequest(
    provider="aws",
    vendor="bedrock",
    model=MODEL,
    messages=(
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content="Hi"),
        ChatMessage(role="assistant", content="Hello."),
        ChatMessage(role="user", content="Où ?"),
    ),
    parameters=Parameters(
        temperature=0.5,
        top_p=0.25,
        max_tokens=64,
        stop=("\n\n", "END"),
        reasoning_effort="low",
        output_schema=SCHEMA,
    ),
    sample_id="s1",
    variant="a",
)


def fixture(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def parsed(name: str) -> Answer | CallFailure:
    reply = fixture(name)
    return CODEC.parse(reply["status"], reply["headers"], json.dumps(reply["body"]).encode())


def ok_with(**changed: Any) -> bytes:
    return json.dumps(fixture("ok")["body"] | changed).encode()


def answered(body: bytes) -> Answer:
    answer = CODEC.parse(200, {}, body)
    assert isinstance(answer, Answer)
    return answer


def failed(status: int, body: bytes, **headers: str) -> CallFailure:
    failure = CODEC.parse(status, headers, body)
    assert isinstance(failure, CallFailure)
    return failure


def test_build_sends_every_part__full_request():
    http = CODEC.build(REQUEST, PROVIDER, None)
    assert http.method == "POST"
    assert http.url == (
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-opus-4-6-v1%3A0/converse"
    )
    body = json.loads(http.body)
    assert json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"].pop("schema")) == SCHEMA
    assert body == {
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Hi"}]},
            {"role": "assistant", "content": [{"text": "Hello."}]},
            {"role": "user", "content": [{"text": "Où ?"}]},
        ],
        "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "topP": 0.25, "stopSequences": ["\n\n", "END"]},
        "outputConfig": {
            "effort": "low",
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "answer"}}},
        },
        "additionalModelRequestFields": {"thinking": {"type": "adaptive"}},
    }


def test_build_leaves_out_what_is_not_set__plain_request():
    plain = REQUEST.model_copy(update={"parameters": Parameters(max_tokens=5), "messages": REQUEST.messages[1:2]})
    assert json.loads(CODEC.build(plain, PROVIDER, None).body) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 5},
    }


def test_build_sends_a_models_own_fields__from_the_options():
    options = {"region": "us-east-1", "additional_fields": {"thinking": {"type": "enabled"}, "top_k": 5}}
    body = json.loads(CODEC.build(REQUEST, PROVIDER.model_copy(update={"options": options}), None).body)
    assert body["additionalModelRequestFields"] == options["additional_fields"]


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.b-v1:0",
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.a.b-v1%3A0",
        ),
        ("../admin?x=1#y", "..%2Fadmin%3Fx%3D1%23y"),
        ("a\ud800b", "a%3Fb"),
    ],
)
def test_a_model_is_one_segment_of_the_path__whatever_its_name(model: str, segment: str):
    url = CODEC.build(REQUEST.model_copy(update={"model": model}), PROVIDER, None).url
    assert url == f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{segment}/converse"


@pytest.mark.parametrize("base_url", ["https://vpce-1.example.com", "https://vpce-1.example.com/"])
def test_build_uses_the_registered_address__base_url(base_url: str):
    http = CODEC.build(REQUEST, PROVIDER.model_copy(update={"base_url": base_url}), None)
    assert http.url.startswith("https://vpce-1.example.com/model/us.")
    assert http.signing == AwsSigning(service="bedrock", region="us-east-1")


@pytest.mark.parametrize(("api_key", "credentials"), [(None, None), ("", None), (f" {KEYS}\n", KEYS)])
def test_build_asks_for_a_signature__sigv4(api_key: str | None, credentials: str | None):
    http = CODEC.build(REQUEST, PROVIDER, api_key)
    assert http.signing == AwsSigning(service="bedrock", region="us-east-1", credentials=credentials)
    assert "authorization" not in http.headers


def test_build_sends_the_key_as_it_is__bearer():
    http = CODEC.build(REQUEST, BEARER, "bedrock-api-key-1\n")
    assert http.signing is None
    assert http.headers["authorization"] == "Bearer bedrock-api-key-1"
    assert "authorization" not in CODEC.build(REQUEST, BEARER, None).headers


@pytest.mark.parametrize(("provider", "key"), [(PROVIDER, KEYS), (BEARER, "bedrock-api-key-s3cr3t")])
def test_a_request_hides_key_and_prompt__shown(provider: ModelProvider, key: str):
    shown = repr(CODEC.build(REQUEST, provider, key))
    assert "s3cr3t" not in shown
    assert "brief" not in shown


def test_build_replaces_half_a_surrogate_pair__prompt_with_one():
    half = REQUEST.model_copy(update={"messages": (ChatMessage.model_construct(role="user", content="a\ud800b"),)})
    assert json.loads(CODEC.build(half, PROVIDER, None).body)["messages"][0]["content"] == [{"text": "a?b"}]


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-4", "us-gov-west-1", "cn-north-1", "us-iso-east-1"])
def test_a_region_is_taken__as_aws_writes_them(region: str):
    check_registration(PROVIDER.model_copy(update={"options": {"region": region}}))


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "options.region"),
        ({"region": "us-east-1.evil.example/"}, "options.region"),
        ({"region": "US East"}, "options.region"),
        ({"region": "us-east-1", "auth_style": "basic"}, "options.auth_style"),
        ({"region": "us-east-1", "version": 2}, "options.version"),
    ],
)
def test_a_registration_is_refused__wrong_options(options: dict[str, Any], path: str):
    with pytest.raises(InvalidInputError) as caught:
        check_registration(PROVIDER.model_copy(update={"options": options}))
    assert [issue.path for issue in caught.value.issues] == [path]


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        (Parameters(temperature=1, top_p=1, max_tokens=1, stop=("x",), reasoning_effort="high"), set()),
        (Parameters(output_schema=SCHEMA), set()),
        (Parameters(seed=1), {"seed"}),
        (Parameters(temperature=1.1), {"temperature"}),
        (Parameters(reasoning_effort="none"), {"reasoning_effort"}),
        (Parameters(reasoning_effort="minimal"), {"reasoning_effort"}),
        (Parameters(reasoning_effort="xhigh"), {"reasoning_effort"}),
        (Parameters(reasoning_effort="max", seed=0), {"reasoning_effort", "seed"}),
    ],
)
def test_parameters_are_refused__those_converse_cannot_carry(parameters: Parameters, refused: set[str]):
    assert set(unsupported(PROVIDER, OTHER, parameters)) == refused


@pytest.mark.parametrize(
    ("model", "parameters", "refused"),
    [
        ("us.anthropic.claude-opus-4-7", Parameters(temperature=0), {"temperature"}),
        ("us.anthropic.claude-opus-4-7", Parameters(temperature=1, top_p=0.9), {"top_p"}),
        ("us.anthropic.claude-opus-4-7", Parameters(reasoning_effort="max", output_schema=SCHEMA), set()),
        ("us.anthropic.claude-opus-4-6-v1", Parameters(reasoning_effort="xhigh"), {"reasoning_effort"}),
        ("us.anthropic.claude-opus-4-6-v1", Parameters(reasoning_effort="low", temperature=0), {"temperature"}),
        ("us.anthropic.claude-opus-4-6-v1", Parameters(reasoning_effort="low", temperature=1), set()),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Parameters(temperature=0, top_p=0.9), {"top_p"}),
        ("anthropic.claude-3-haiku-20240307-v1:0", Parameters(temperature=0, top_p=0.9), set()),
        ("anthropic.claude-3-haiku-20240307-v1:0", Parameters(temperature=1.5), {"temperature"}),
        ("anthropic.claude-3-haiku-20240307-v1:0", Parameters(output_schema=SCHEMA), {"output_schema"}),
        ("anthropic.claude-3-haiku-20240307-v1:0", Parameters(reasoning_effort="low"), {"reasoning_effort"}),
    ],
)
def test_parameters_are_refused__those_a_version_of_claude_does_not_take(
    model: str, parameters: Parameters, refused: set[str]
):
    assert set(unsupported(PROVIDER, model, parameters)) == refused


def test_claude_is_asked_to_think__an_effort_is_given():
    claude, other = "us.anthropic.claude-opus-4-6-v1", "openai.gpt-oss-120b-1:0"

    def additional(model: str, effort: str | None, **fields: Any) -> Any:
        options = {"region": "us-east-1", "additional_fields": fields}
        request = REQUEST.model_copy(
            update={"model": model, "parameters": Parameters.model_validate({"reasoning_effort": effort})}
        )
        body = json.loads(CODEC.build(request, PROVIDER.model_copy(update={"options": options}), None).body)
        assert body.get("outputConfig") == ({"effort": effort} if effort else None)
        return body.get("additionalModelRequestFields")

    assert additional(claude, "low") == {"thinking": {"type": "adaptive"}}
    assert additional(claude, "low", top_k=5) == {"thinking": {"type": "adaptive"}, "top_k": 5}
    assert additional(claude, "low", thinking={"type": "disabled"}) == {"thinking": {"type": "disabled"}}
    assert additional(claude, None) is None
    assert additional(other, "low") is None


@pytest.mark.parametrize("effort", ["xhigh", "max"])
def test_the_highest_efforts_are_taken__thinking_is_asked_for(effort: str):
    options = {"region": "us-east-1", "additional_fields": {"thinking": {"type": "adaptive"}}}
    provider = PROVIDER.model_copy(update={"options": options})
    assert unsupported(provider, OTHER, Parameters.model_validate({"reasoning_effort": effort})) == {}


@pytest.mark.parametrize(
    ("name", "outcome", "text", "finish_reason"),
    [
        ("ok", "answered", "Paris", "end_turn"),
        ("stop_sequence", "answered", "Par", "stop_sequence"),
        ("several_texts", "answered", "Paris", "end_turn"),
        ("cached", "answered", "Paris", "end_turn"),
        ("reasoning", "answered", "Paris", "end_turn"),
        ("citations", "answered", "It is Paris", "end_turn"),
        ("content_filtered", "filtered", "", "content_filtered"),
        ("guardrail", "filtered", "This cannot be answered here.", "guardrail_intervened"),
        ("truncated", "truncated", "The capital of", "max_tokens"),
        ("reasoning_used_up_the_limit", "truncated", "", "max_tokens"),
        ("context_window", "truncated", "The", "model_context_window_exceeded"),
        ("empty", "answered", "", "end_turn"),
        ("malformed_output", "answered", '{"capital": ', "malformed_model_output"),
        ("routed", "answered", "Paris", "end_turn"),
    ],
)
def test_status_200_is_read_closely__every_outcome(name: str, outcome: str, text: str, finish_reason: str):
    answer = parsed(name)
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.text, answer.finish_reason) == (outcome, text, finish_reason)
    assert answer.provider_request_id == REQUEST_ID
    assert answer.usage is not None


def test_every_fixture_is_tested__by_its_name():
    # pytest keeps the parameters of a test on the function.
    tables = (test_status_200_is_read_closely__every_outcome, test_failures_are_classified__every_error)
    tested = {case[0] for table in tables for mark in table.pytestmark for case in mark.args[1]}
    assert tested == set(NAMES)


def test_the_model_that_answered_is_named__by_a_prompt_router_only():
    routed, plain = parsed("routed"), parsed("ok")
    assert isinstance(routed, Answer)
    assert isinstance(plain, Answer)
    assert routed.served_model == "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"
    assert plain.served_model is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (fixture("ok")["body"]["usage"], Usage(input_tokens=12, output_tokens=7)),
        (
            fixture("cached")["body"]["usage"],
            Usage(input_tokens=12, cache_read_tokens=2048, cache_write_tokens=1052, output_tokens=7),
        ),
        (fixture("reasoning")["body"]["usage"], Usage(input_tokens=12, output_tokens=130)),
        (
            {"inputTokens": 1, "outputTokens": 0, "cacheReadInputTokens": None},
            Usage(input_tokens=1, output_tokens=0),
        ),
        ({"inputTokens": 1}, None),
        ({"outputTokens": 1}, None),
        ({"inputTokens": -1, "outputTokens": 1}, None),
        ({"inputTokens": True, "outputTokens": 1}, None),
        ({"inputTokens": "1", "outputTokens": 1}, None),
        ({"inputTokens": 10**30, "outputTokens": 1}, None),
        ({"inputTokens": 1, "outputTokens": 1, "cacheReadInputTokens": -5}, None),
        ({"inputTokens": 1, "outputTokens": 1, "cacheWriteInputTokens": 1.5}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_normalised__every_form(usage: Any, expected: Usage | None):
    assert answered(ok_with(usage=usage)).usage == expected


@pytest.mark.parametrize(
    ("name", "reason", "retryable"),
    [
        ("error_access_denied", "permission", False),
        ("error_payment", "quota", False),
        ("error_wrong_api_key", "auth", False),
        ("error_wrong_access_key", "auth", False),
        ("error_expired_token", "auth", False),
        ("error_wrong_secret_key", "auth", False),
        ("error_clock_behind", "clock_skew", False),
        ("error_clock_ahead", "clock_skew", False),
        ("error_throttled", "rate_limited", True),
        ("error_daily_quota", "quota", False),
        ("error_service_quota", "quota", False),
        ("error_model_not_ready", "overloaded", True),
        ("error_unavailable", "overloaded", True),
        ("error_internal", "server_error", True),
        ("error_model_timeout", "timeout", True),
        ("error_model_error", "server_error", True),
        ("error_model_refuses", "bad_request", False),
        ("error_validation", "bad_request", False),
        ("error_too_long", "context_length", False),
        ("error_too_long_claude", "context_length", False),
        ("error_invalid_model", "model_not_found", False),
        ("error_needs_a_profile", "model_not_found", False),
        ("error_model_not_found", "model_not_found", False),
        ("error_end_of_life", "model_retired", False),
        ("error_legacy", "model_retired", False),
        ("error_account_not_verified", "permission", False),
        ("error_use_case_form", "permission", False),
        ("error_unknown_operation", "not_found", False),
    ],
)
def test_failures_are_classified__every_error(name: str, reason: str, retryable: bool):
    failure = parsed(name)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == (reason, retryable)
    assert failure.status == fixture(name)["status"]
    message = fixture(name)["body"].get("message") or fixture(name)["body"].get("Message") or "no message"
    assert message not in failure.detail


@pytest.mark.parametrize(
    ("status", "body", "reason", "retryable"),
    [
        (400, b"", "bad_request", False),
        (400, b'{"message": ["Input is too long"]}', "bad_request", False),
        (401, b"{}", "auth", False),
        (403, b"{}", "permission", False),
        (403, b'{"message": "Missing Authentication Token"}', "auth", False),
        (404, b"{}", "not_found", False),
        (404, b'{"message": "Model not found."}', "model_not_found", False),
        (413, b"", "context_length", False),
        (429, b"slow down", "rate_limited", True),
        (500, b"\xff", "server_error", True),
        (502, b"<html><body>bad gateway</body></html>", "html_page", True),
        (403, b"<!DOCTYPE html><html></html>", "html_page", False),
        (529, b"null", "overloaded", True),
        (302, b"", "not_found", False),
        (204, b"", "malformed", False),
    ],
)
def test_failures_are_classified__unnamed_errors(status: int, body: bytes, reason: str, retryable: bool):
    failure = failed(status, body)
    assert (failure.failure_reason, failure.retryable, failure.status) == (reason, retryable, status)


@pytest.mark.parametrize(
    "name",
    [
        "ThrottlingException",
        "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        "com.amazon.coral.service#ThrottlingException",
        "Throttling",
    ],
)
def test_an_error_is_named__by_header_or_body(name: str):
    in_header = failed(400, b"{}", **{"x-amzn-errortype": name})
    in_body = [failed(400, json.dumps({field: name}).encode()) for field in ("__type", "code", "Code")]
    for failure in (in_header, *in_body):
        assert failure.failure_reason == "rate_limited"
        assert failure.detail in ("HTTP 400, ThrottlingException", "HTTP 400, Throttling")


def test_details_show_no_text_of_the_reply__a_name_that_is_none():
    assert failed(400, b'{"message": "PROMPT"}', **{"x-amzn-errortype": "the PROMPT was wrong"}).detail == "HTTP 400"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed"),
        (b"null", "malformed"),
        (b"[]", "malformed"),
        (b'"text"', "malformed"),
        (b"{}", "malformed"),
        (b"[" * 100_000, "malformed"),
        (ok_with()[:40], "malformed"),
        (b'{"stopReason": "end_turn"}', "malformed"),
        (ok_with(output={}), "malformed"),
        (ok_with(output={"message": {"content": "Paris"}}), "malformed"),
        (ok_with(output=None), "malformed"),
        (b"<html><body>hello</body></html>", "html_page"),
        (b"\xff\xfe{}", "invalid_utf8"),
        (ok_with().replace(b"Paris", b"Par\xe9s"), "invalid_utf8"),
        (b'{"id": "chatcmpl-1", "object": "chat.completion", "choices": [], "usage": {}}', "mismatched"),
        (b'{"id": "resp_1", "object": "response", "output": [], "usage": {}}', "mismatched"),
        (b'{"type": "message", "content": [{"type": "text", "text": "x"}], "usage": {}}', "mismatched"),
        (b'{"candidates": []}', "mismatched"),
        (b'{"modelSummaries": []}', "mismatched"),
    ],
)
def test_a_reply_without_an_answer_is_named_and_not_retried__status_200(body: bytes, reason: str):
    failure = failed(200, body)
    assert (failure.failure_reason, failure.retryable, failure.status) == (reason, False, 200)


def test_a_filter_is_an_outcome__no_message_at_all():
    answer = answered(ok_with(output={}, stopReason="content_filtered"))
    assert (answer.outcome, answer.text) == ("filtered", "")


def test_half_a_surrogate_pair_becomes_a_question_mark__answer_with_one():
    body = b'{"output": {"message": {"content": [{"text": "a\\ud800b"}]}}, "stopReason": "end_turn"}'
    assert answered(body).text == "a?b"


KEYS_OF_REPLIES = [
    "output",
    "message",
    "content",
    "text",
    "citationsContent",
    "stopReason",
    "usage",
    "inputTokens",
    "outputTokens",
    "trace",
    "promptRouter",
    "invokedModelId",
    "Message",
    "__type",
    "code",
    "originalStatusCode",
    "cacheReadInputTokens",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS_OF_REPLIES), inner, max_size=5),
    max_leaves=25,
)
statuses = st.sampled_from([200, 400, 403, 404, 424, 429, 500]) | st.integers(100, 999)
headers = st.dictionaries(st.sampled_from(["x-amzn-errortype", "x-amzn-requestid", "content-type"]), st.text())


@given(status=statuses, headers=headers, document=json_values)
def test_parse_is_total__any_json(status: int, headers: dict[str, str], document: Any):
    assert isinstance(CODEC.parse(status, headers, json.dumps(document).encode()), Answer | CallFailure)


@given(status=statuses, headers=headers, body=st.binary(max_size=200))
def test_parse_is_total__any_bytes(status: int, headers: dict[str, str], body: bytes):
    assert isinstance(CODEC.parse(status, headers, body), Answer | CallFailure)


@given(name=st.sampled_from(NAMES), data=st.data())
def test_no_text_is_invented__damaged_replies(name: str, data: st.DataObject):
    reply = fixture(name)
    body = bytearray(json.dumps(reply["body"], ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    result = CODEC.parse(data.draw(statuses), reply["headers"], bytes(body))
    assert isinstance(result, Answer | CallFailure)
    if isinstance(result, Answer) and result.text:
        there = "".join(strings_of(json.loads(body.decode("utf-8-sig"))))
        assert set(there) | {"?"} >= set(result.text)
        assert len(result.text) <= len(there)


def strings_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in strings_of(item)]
