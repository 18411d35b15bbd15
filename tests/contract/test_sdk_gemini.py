"""The Gemini codec beside the official client: the same requests on the wire, the same reading of replies.

The client sends to a recording server on loopback, as ours does. `llmock`, a third party's server, answers for real.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from harness.llmock_server import LlmockServer, llmock_server
from harness.recording_server import RecordedRequest, RecordingServer, recording_server, sent_by_us

from abtest.contracts.definition import Parameters
from abtest.providers.capabilities import unsupported
from abtest.providers.model import Answer, CallFailure, ChatMessage, HttpReply, ModelRequest
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors.gemini import CODEC

FIXTURES = Path(__file__).parents[1] / "unit" / "providers" / "fixtures" / "gemini"
REPLIES = sorted(path.stem for path in FIXTURES.glob("*.json") if not path.stem.startswith("error_"))
ERRORS = sorted(path.stem for path in FIXTURES.glob("error_*.json"))
KEY = "AIza-test"
MODEL = "gemini-3.5-flash"
SCHEMA = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
SYSTEM = ChatMessage(role="system", content="Be brief.")
USER = ChatMessage(role="user", content="Où est Paris ? 🗼")
TURNS = (USER, ChatMessage(role="assistant", content="En France."), ChatMessage(role="user", content="Sûr ?"))
SENT_TURNS = [
    types.Content(role="model" if turn.role == "assistant" else "user", parts=[types.Part(text=turn.content)])
    for turn in TURNS
]
SAME_HEADERS = ("authorization", "x-goog-api-key", "content-type")
EVERY_EFFORT = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def asked(
    messages: tuple[ChatMessage, ...] = (USER,), parameters: Parameters | None = None, model: str = MODEL
) -> ModelRequest:
    return ModelRequest(
        provider="google",
        vendor="gemini",
        model=model,
        messages=messages,
        parameters=parameters or Parameters(max_tokens=64),
        sample_id="s1",
        variant="a",
    )


def registered(url: str, **options: Any) -> ModelProvider:
    return ModelProvider(id="google", vendor="gemini", base_url=url, options=options)


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    with recording_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch, server: RecordingServer) -> None:
    for name in ("GOOGLE_GENAI_API_VERSION", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    server.requests.clear()


def asked_by_the_client(url: str, api_version: str | None = None, **arguments: Any) -> types.GenerateContentResponse:
    options = types.HttpOptions(base_url=url, api_version=api_version)
    with genai.Client(api_key=KEY, vertexai=False, http_options=options) as client:
        return client.models.generate_content(**({"model": MODEL, "contents": SENT_TURNS[:1]} | arguments))


def config(**values: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(**({"max_output_tokens": 64} | values))


def shown(request: RecordedRequest) -> dict[str, Any]:
    """What both sides speak of; each adds headers about itself."""
    body = request.json()
    # The client names a role for the instruction, which the API ignores: instructions have none.
    body.get("systemInstruction", {}).pop("role", None)
    # It spells one field as its types do: JSON of protocol buffers takes either spelling of a field.
    thinking = body["generationConfig"].get("thinkingConfig", {})
    if "thinking_level" in thinking:
        thinking["thinkingLevel"] = thinking.pop("thinking_level")
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": {name: request.headers.get(name) for name in SAME_HEADERS},
        "body": body,
    }


def with_parameters(**values: Any) -> ModelRequest:
    return asked(parameters=Parameters.model_validate({"max_tokens": 64, **values}))


CASES: dict[str, tuple[ModelRequest, dict[str, Any], dict[str, Any]]] = {
    "plain": (asked(), {}, {"config": config()}),
    "beta": (asked(), {"api_version": "v1beta"}, {"config": config(), "api_version": "v1beta"}),
    "system": (asked((SYSTEM, USER)), {}, {"config": config(system_instruction="Be brief.")}),
    "turns": (
        asked((SYSTEM, *TURNS)),
        {},
        {"contents": SENT_TURNS, "config": config(system_instruction="Be brief.")},
    ),
    "temperature": (with_parameters(temperature=0), {}, {"config": config(temperature=0)}),
    "top_p": (with_parameters(top_p=0.25), {}, {"config": config(top_p=0.25)}),
    "seed": (with_parameters(seed=7), {}, {"config": config(seed=7)}),
    "stop": (with_parameters(stop=("\n\n", "END")), {}, {"config": config(stop_sequences=["\n\n", "END"])}),
    "effort": (
        with_parameters(reasoning_effort="minimal"),
        {},
        {"config": config(thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.MINIMAL))},
    ),
    "schema": (
        with_parameters(output_schema=SCHEMA),
        {},
        {"config": config(response_mime_type="application/json", response_json_schema=SCHEMA)},
    ),
    "everything, beta": (
        asked((SYSTEM, *TURNS), with_parameters(temperature=1.5, seed=0, reasoning_effort="high").parameters),
        {"api_version": "v1beta"},
        {
            "contents": SENT_TURNS,
            "api_version": "v1beta",
            "config": config(
                system_instruction="Be brief.",
                temperature=1.5,
                seed=0,
                thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.HIGH),
            ),
        },
    ),
    "model with its collection": (
        asked(model="models/gemini-3.5-flash"),
        {},
        {"model": "models/gemini-3.5-flash", "config": config()},
    ),
    "tuned model": (asked(model="tunedModels/mine"), {}, {"model": "tunedModels/mine", "config": config()}),
}


@pytest.mark.parametrize("case", CASES)
def test_our_request_is_the_clients__every_parameter(server: RecordingServer, case: str):
    request, options, arguments = CASES[case]
    provider = registered(server.url, **options)
    assert unsupported(provider, request.model, request.parameters) == {}
    server.answers(fixture("ok"))
    asked_by_the_client(server.url, **arguments)
    theirs = shown(server.take())
    assert isinstance(sent_by_us(CODEC.build(request, provider, KEY)), HttpReply)
    assert shown(server.take()) == theirs


def test_a_base_url_with_a_path_is_kept__as_the_client_keeps_it(server: RecordingServer):
    server.answers(fixture("ok"))
    asked_by_the_client(f"{server.url}/gate", "v1beta", config=config())
    theirs = shown(server.take())
    sent_by_us(CODEC.build(asked(), registered(f"{server.url}/gate/v1beta"), KEY))
    assert shown(server.take()) == theirs


def test_every_thinking_level_the_client_knows_can_be_sent__and_no_other():
    known = {level.value.lower() for level in types.ThinkingLevel} - {"thinking_level_unspecified"}
    asks = {effort: Parameters.model_validate({"reasoning_effort": effort}) for effort in EVERY_EFFORT}
    provider = registered("http://127.0.0.1:9")
    assert {effort for effort in EVERY_EFFORT if not unsupported(provider, "gemini-4-hydrogen", asks[effort])} == known


def parsed_by_us(url: str, request: ModelRequest, **options: Any) -> Answer | CallFailure:
    reply = sent_by_us(CODEC.build(request, registered(url, **options), KEY))
    assert isinstance(reply, HttpReply), reply
    return CODEC.parse(reply.status, reply.headers, reply.body)


@pytest.mark.parametrize("name", [name for name in REPLIES if name not in {"account_limited", "no_candidates"}])
def test_replies_are_read_as_the_client_reads_them__every_reply(server: RecordingServer, name: str):
    server.answers(fixture(name))
    # Otherwise the client goes on asking for the rest of an answer that is to be continued.
    theirs = asked_by_the_client(server.url, config=config(automatic_continuation=False))
    server.requests.clear()
    ours = parsed_by_us(server.url, asked())
    assert isinstance(ours, Answer)
    assert ours.text == (theirs.text or "")
    assert (ours.served_model, ours.provider_request_id) == (theirs.model_version, theirs.response_id)
    if theirs.candidates:
        assert theirs.candidates[0].finish_reason is not None
        assert ours.finish_reason == theirs.candidates[0].finish_reason.value
    else:
        assert theirs.prompt_feedback is not None
        assert theirs.prompt_feedback.block_reason is not None
        assert (ours.outcome, ours.finish_reason) == ("filtered", theirs.prompt_feedback.block_reason.value)
    usage = theirs.usage_metadata
    assert usage is not None
    assert ours.usage is not None
    assert ours.usage.total_input_tokens == usage.prompt_token_count
    assert ours.usage.cache_read_tokens == (usage.cached_content_token_count or 0)
    assert ours.usage.output_tokens == (usage.candidates_token_count or 0)
    assert ours.usage.reasoning_tokens == (usage.thoughts_token_count or 0)
    assert ours.usage.total_input_tokens + ours.usage.total_output_tokens == usage.total_token_count


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_fixture_is_one_the_client_knows__no_unknown_field_or_word(name: str):
    document = fixture(name)
    response = types.GenerateContentResponse.model_validate(document)
    for candidate in response.candidates or []:
        assert candidate.finish_reason in set(types.FinishReason)
    if response.prompt_feedback is not None:
        assert response.prompt_feedback.block_reason in set(types.BlockedReason)
    written = response.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert set(document) <= set(written)
    assert written["usageMetadata"] == document["usageMetadata"]


OUTCOMES = {
    "STOP": ("answered", "answered"),
    "MALFORMED_FUNCTION_CALL": ("answered", "answered"),
    "MALFORMED_RESPONSE": ("answered", "answered"),
    "UNEXPECTED_TOOL_CALL": ("answered", "answered"),
    "TOO_MANY_TOOL_CALLS": ("answered", "answered"),
    "MISSING_THOUGHT_SIGNATURE": ("answered", "answered"),
    "FINISH_REASON_UNSPECIFIED": ("answered", "filtered"),
    "OTHER": ("answered", "filtered"),
    "NO_IMAGE": ("answered", "filtered"),
    "IMAGE_OTHER": ("answered", "filtered"),
    "MAX_TOKENS": ("truncated", "truncated"),
    "CONTINUATION": ("truncated", "truncated"),
    "SAFETY": ("filtered", "filtered"),
    "RECITATION": ("filtered", "filtered"),
    "LANGUAGE": ("filtered", "filtered"),
    "BLOCKLIST": ("filtered", "filtered"),
    "PROHIBITED_CONTENT": ("filtered", "filtered"),
    "SPII": ("filtered", "filtered"),
    "ESCALATION": ("filtered", "filtered"),
    "MODEL_ARMOR": ("filtered", "filtered"),
    "IMAGE_SAFETY": ("filtered", "filtered"),
    "IMAGE_PROHIBITED_CONTENT": ("filtered", "filtered"),
    "IMAGE_RECITATION": ("filtered", "filtered"),
}
"""By finish reason: the outcome with text, and without."""


def test_every_finish_reason_the_client_knows_has_an_outcome__decided_here():
    assert {reason.value for reason in types.FinishReason} == {*OUTCOMES, "PUP_LIMITED_DISABLED"}
    for reason, outcomes in OUTCOMES.items():
        for text, outcome in zip(("half", ""), outcomes, strict=True):
            document = {"candidates": [{"finishReason": reason, "content": {"parts": [{"text": text}]}}]}
            parsed = CODEC.parse(200, {}, json.dumps(document).encode())
            assert isinstance(parsed, Answer)
            assert parsed.outcome == outcome, (reason, text)


@pytest.mark.parametrize("reason", [reason.value for reason in types.BlockedReason])
def test_every_block_reason_the_client_knows_is_a_filter__no_candidates(reason: str):
    parsed = CODEC.parse(200, {}, json.dumps({"promptFeedback": {"blockReason": reason}}).encode())
    assert isinstance(parsed, Answer)
    assert (parsed.outcome, parsed.text, parsed.finish_reason) == ("filtered", "", reason)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_told_apart_as_the_client_does__every_error(server: RecordingServer, name: str):
    document = fixture(name)
    error = (document[0] if isinstance(document, list) else document)["error"]
    server.answers(document, error["code"])
    with pytest.raises(errors.ServerError if error["code"] >= 500 else errors.ClientError) as caught:
        asked_by_the_client(server.url)
    server.requests.clear()
    ours = parsed_by_us(server.url, asked())
    assert isinstance(ours, CallFailure)
    assert ours.status == caught.value.code
    assert re.match(rf"HTTP {ours.status}, status {caught.value.status}\b", ours.detail)


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmockServer]:
    with llmock_server(tmp_path_factory.mktemp("llmock") / "llmock.log") as running:
        yield running


def test_a_third_party_server_answers_us_and_the_client_alike__llmock(mock: LlmockServer):
    mock.behave()
    ours = parsed_by_us(f"{mock.url}/gemini", asked((SYSTEM, *TURNS)), api_version="v1beta")
    theirs = asked_by_the_client(
        f"{mock.url}/gemini", "v1beta", contents=SENT_TURNS, config=config(system_instruction="Be brief.")
    )
    assert isinstance(ours, Answer)
    assert (ours.outcome, ours.finish_reason, ours.text) == ("answered", "STOP", theirs.text)
    assert ours.text
    assert ours.usage is not None
    assert theirs.usage_metadata is not None
    assert ours.usage.input_tokens == theirs.usage_metadata.prompt_token_count
    assert ours.usage.output_tokens == theirs.usage_metadata.candidates_token_count


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (400, "bad_request", False),
        (401, "auth", False),
        (402, "quota", False),
        (403, "permission", False),
        (413, "context_length", False),
        (429, "rate_limited", True),
        (500, "server_error", True),
        (503, "overloaded", True),
        (504, "timeout", True),
    ],
)
def test_a_third_partys_errors_are_classified__llmock(mock: LlmockServer, status: int, reason: str, retryable: bool):
    mock.behave({"type": "fail", "status": status})
    failure = parsed_by_us(f"{mock.url}/gemini", asked(), api_version="v1beta")
    assert isinstance(failure, CallFailure)
    assert (failure.status, failure.failure_reason, failure.retryable) == (status, reason, retryable)


def test_a_version_that_is_not_served_is_told__llmock(mock: LlmockServer):
    mock.behave()
    failure = parsed_by_us(f"{mock.url}/gemini", asked())
    assert isinstance(failure, CallFailure)
    assert (failure.status, failure.failure_reason) == (404, "not_found")
