"""The Anthropic codec beside the official client: the same requests on the wire, the same reading of replies.

The client sends to a recording server on loopback, as ours does. Two more servers answer for real: `llmock`, which
checks requests against its own idea of the API, and the bundled LLM, whose server speaks Anthropic Messages as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import anthropic
import pytest
from anthropic.types import Message, OutputConfigParam, StopReason
from anthropic.types.shared.error_response import ErrorResponse
from harness.llmock_server import LlmockServer, llmock_server, wait_until_ready
from harness.platform import free_port
from harness.recording_server import RecordedRequest, RecordingServer, recording_server, sent_by_us

from abtest.contracts.definition import Parameters
from abtest.providers.capabilities import unsupported
from abtest.providers.model import Answer, CallFailure, ChatMessage, HttpReply, ModelRequest
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors.anthropic import CODEC
from abtest_cli.local import llm

FIXTURES = Path(__file__).parents[1] / "unit" / "providers" / "fixtures" / "anthropic"
REPLIES = sorted(path.stem for path in FIXTURES.glob("*.json") if not path.stem.startswith("error_"))
KEY = "sk-ant-test"
MODEL = "claude-sonnet-4-6"
SCHEMA = {
    "type": "object",
    "properties": {"capital": {"type": "string"}},
    "required": ["capital"],
    "additionalProperties": False,
}
SYSTEM = ChatMessage(role="system", content="Be brief.")
USER = ChatMessage(role="user", content="Où est Paris ? 🗼")
TURNS = (USER, ChatMessage(role="assistant", content="En France."), ChatMessage(role="user", content="Sûr ?"))
SENT_TURNS = [{"role": turn.role, "content": turn.content} for turn in TURNS]
SAME_HEADERS = ("authorization", "x-api-key", "anthropic-version", "anthropic-beta", "content-type", "accept")
OLDER: dict[str, Any] = {"api_version": "2023-06-01"}
OLDER_HEADERS = {"anthropic-version": "2023-06-01", "X-Api-Key": KEY, "Authorization": anthropic.omit}


def asked(
    messages: tuple[ChatMessage, ...] = (USER,), parameters: Parameters | None = None, model: str = MODEL
) -> ModelRequest:
    return ModelRequest(
        provider="claude",
        vendor="anthropic",
        model=model,
        messages=messages,
        parameters=parameters or Parameters(max_tokens=64),
        sample_id="s1",
        variant="a",
    )


def registered(url: str, **options: Any) -> ModelProvider:
    return ModelProvider(id="claude", vendor="anthropic", base_url=url, options=options)


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    with recording_server() as running:
        yield running


@pytest.fixture
def client(server: RecordingServer) -> Iterator[anthropic.Anthropic]:
    server.requests.clear()
    with anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0) as opened:
        yield opened


def shown(request: RecordedRequest) -> dict[str, Any]:
    """What both sides speak of; each adds headers about itself."""
    headers = {name: request.headers.get(name) for name in SAME_HEADERS}
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "body": request.json(),
    }


CASES: dict[str, tuple[ModelRequest, dict[str, Any], dict[str, Any]]] = {
    "plain": (asked(), {}, {}),
    "system": (asked((SYSTEM, USER)), {}, {"system": "Be brief."}),
    "turns": (asked((SYSTEM, *TURNS)), {}, {"system": "Be brief.", "messages": SENT_TURNS}),
    "stop": (
        asked(parameters=Parameters(max_tokens=64, stop=("\n\n", "END"))),
        {},
        {"stop_sequences": ["\n\n", "END"]},
    ),
    "effort": (
        asked(parameters=Parameters(max_tokens=64, reasoning_effort="xhigh"), model="claude-opus-4-8"),
        {},
        {"model": "claude-opus-4-8", "thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
    ),
    "schema": (
        asked(parameters=Parameters(max_tokens=64, output_schema=SCHEMA)),
        {},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "effort and schema": (
        asked(parameters=Parameters(max_tokens=64, reasoning_effort="low", output_schema=SCHEMA)),
        {},
        {
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        },
    ),
    "key in its own header": (
        asked(),
        {"auth_style": "x_api_key"},
        {"extra_headers": {"X-Api-Key": KEY, "Authorization": anthropic.omit}},
    ),
    "beta": (
        asked(),
        {"beta": "context-1m-2025-08-07"},
        {"extra_headers": {"anthropic-beta": "context-1m-2025-08-07"}},
    ),
    "older version": (asked(), OLDER, {"extra_headers": OLDER_HEADERS}),
    "older version, temperature": (
        asked(parameters=Parameters(max_tokens=64, temperature=0)),
        OLDER,
        {"extra_headers": OLDER_HEADERS, "extra_body": {"temperature": 0}},
    ),
    "older version, top_p": (
        asked(parameters=Parameters(max_tokens=64, top_p=0.25)),
        OLDER,
        {"extra_headers": OLDER_HEADERS, "extra_body": {"top_p": 0.25}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_our_request_is_the_clients__every_parameter(server: RecordingServer, client: anthropic.Anthropic, case: str):
    request, options, extra = CASES[case]
    provider = registered(server.url, **options)
    assert unsupported(provider, request.model, request.parameters) == {}
    server.answers(fixture("ok"))
    plain = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": USER.content}]}
    client.messages.create(**(plain | extra))
    theirs = shown(server.take())
    assert isinstance(sent_by_us(CODEC.build(request, provider, KEY)), HttpReply)
    assert shown(server.take()) == theirs


def test_a_base_url_with_a_path_is_kept__as_the_client_keeps_it(server: RecordingServer):
    server.answers(fixture("ok"))
    server.requests.clear()
    with anthropic.Anthropic(api_key=KEY, base_url=f"{server.url}/gate", max_retries=0) as client:
        client.messages.create(model=MODEL, max_tokens=64, messages=[{"role": "user", "content": USER.content}])
    theirs = shown(server.take())
    sent_by_us(CODEC.build(asked(), registered(f"{server.url}/gate/v1"), KEY))
    assert shown(server.take()) == theirs


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_fixture_is_one_the_client_knows__strictly(name: str):
    message = Message.model_validate(fixture(name), strict=True)
    assert message.model_extra == {}
    assert all(block.model_extra == {} for block in message.content)


ERRORS: dict[str, tuple[int, type[anthropic.APIStatusError], str]] = {
    "error_invalid_request": (400, anthropic.BadRequestError, "bad_request"),
    "error_sampling": (400, anthropic.BadRequestError, "bad_request"),
    "error_credit_balance": (400, anthropic.BadRequestError, "quota"),
    "error_usage_limits": (400, anthropic.BadRequestError, "quota"),
    "error_on_hold": (400, anthropic.BadRequestError, "permission"),
    "error_disabled": (400, anthropic.BadRequestError, "permission"),
    "error_prompt_too_long": (400, anthropic.BadRequestError, "context_length"),
    "error_context_limit": (400, anthropic.BadRequestError, "context_length"),
    "error_authentication": (401, anthropic.AuthenticationError, "auth"),
    "error_billing": (402, anthropic.PaymentRequiredError, "quota"),
    "error_permission": (403, anthropic.PermissionDeniedError, "permission"),
    "error_model_not_found": (404, anthropic.NotFoundError, "model_not_found"),
    "error_model_retired": (404, anthropic.NotFoundError, "model_retired"),
    "error_not_found": (404, anthropic.NotFoundError, "not_found"),
    "error_request_too_large": (413, anthropic.ContentTooLargeError, "context_length"),
    "error_rate_limit": (429, anthropic.RateLimitError, "rate_limited"),
    "error_ramp_limit": (429, anthropic.RateLimitError, "rate_limited"),
    "error_tier_spend_limit": (429, anthropic.RateLimitError, "quota"),
    "error_api": (500, anthropic.InternalServerError, "server_error"),
    "error_timeout": (504, anthropic.GatewayTimeoutError, "timeout"),
    "error_overloaded": (529, anthropic.OverloadedError, "overloaded"),
}


def test_every_error_fixture_is_compared__with_the_client():
    assert set(ERRORS) == {path.stem for path in FIXTURES.glob("error_*.json")}


@pytest.mark.parametrize("name", sorted(set(ERRORS) - {"error_request_too_large"}))
def test_an_error_fixture_is_one_the_client_knows__strictly(name: str):
    # `request_too_large` is documented and not among the client's types.
    assert ErrorResponse.model_validate(fixture(name), strict=True).error.type == fixture(name)["error"]["type"]


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_told_apart_as_the_client_does__every_error(
    server: RecordingServer, client: anthropic.Anthropic, name: str
):
    status, kind, reason = ERRORS[name]
    server.answers(fixture(name), status)
    with pytest.raises(kind) as caught:
        client.messages.create(model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "?"}])
    ours = parsed_by_us(server.url, asked())
    assert isinstance(ours, CallFailure)
    assert ours.failure_reason == reason
    assert ours.status == caught.value.status_code
    words = [f"HTTP {status}", f"type {caught.value.type}"]
    assert ours.detail == ", ".join(words + ([f"code {caught.value.error_code}"] if caught.value.error_code else []))


def parsed_by_us(url: str, request: ModelRequest, **options: Any) -> Answer | CallFailure:
    reply = sent_by_us(CODEC.build(request, registered(url, **options), KEY), timeout_s=60)
    assert isinstance(reply, HttpReply), reply
    return CODEC.parse(reply.status, reply.headers, reply.body)


@pytest.mark.parametrize("name", REPLIES)
def test_replies_are_read_as_the_client_reads_them__every_reply(
    server: RecordingServer, client: anthropic.Anthropic, name: str
):
    server.answers(fixture(name), request_id="req_011Reply")
    theirs = client.messages.create(model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "?"}])
    ours = parsed_by_us(server.url, asked())
    assert isinstance(ours, Answer)
    assert ours.text == "".join(block.text for block in theirs.content if block.type == "text")
    assert (ours.finish_reason, ours.served_model) == (theirs.stop_reason, theirs.model)
    assert ours.provider_request_id == theirs._request_id == "req_011Reply"
    assert ours.usage is not None
    assert ours.usage.input_tokens == theirs.usage.input_tokens
    assert ours.usage.cache_read_tokens == theirs.usage.cache_read_input_tokens
    assert ours.usage.cache_write_tokens == theirs.usage.cache_creation_input_tokens
    assert ours.usage.total_output_tokens == theirs.usage.output_tokens
    details = theirs.usage.output_tokens_details
    assert ours.usage.reasoning_tokens == (details.thinking_tokens if details else 0)


OUTCOMES = {
    "end_turn": "answered",
    "stop_sequence": "answered",
    "tool_use": "answered",
    "max_tokens": "truncated",
    "pause_turn": "truncated",
    "model_context_window_exceeded": "truncated",
    "refusal": "refused",
}


def test_every_stop_reason_the_client_knows_has_an_outcome__decided_here():
    assert set(get_args(StopReason)) == set(OUTCOMES)
    for reason, outcome in OUTCOMES.items():
        parsed = CODEC.parse(200, {}, json.dumps(fixture("ok") | {"stop_reason": reason}).encode())
        assert isinstance(parsed, Answer)
        assert parsed.outcome == outcome, reason


def test_every_effort_the_client_knows_can_be_sent__and_no_other():
    hint = get_type_hints(OutputConfigParam)["effort"]
    known = {effort for literal in get_args(hint) for effort in get_args(literal)}
    ours = {
        effort
        for literal in get_args(Parameters.model_fields["reasoning_effort"].annotation)
        for effort in get_args(literal)
    }
    provider = registered("http://127.0.0.1:9")
    sent = {e for e in ours if not unsupported(provider, "claude-opus-5-5", Parameters(reasoning_effort=e))}
    assert sent == known


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmockServer]:
    with llmock_server(tmp_path_factory.mktemp("llmock") / "llmock.log") as running:
        yield running


def test_a_third_party_server_answers_us__llmock(mock: LlmockServer):
    mock.behave()
    answer = parsed_by_us(f"{mock.url}/anthropic", asked((SYSTEM, *TURNS)))
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.finish_reason, answer.served_model) == ("answered", "end_turn", MODEL)
    assert answer.text
    assert answer.usage is not None
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


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
        (529, "overloaded", True),
    ],
)
def test_a_third_partys_errors_are_classified__llmock(mock: LlmockServer, status: int, reason: str, retryable: bool):
    mock.behave({"type": "fail", "status": status})
    failure = parsed_by_us(f"{mock.url}/anthropic", asked())
    assert isinstance(failure, CallFailure)
    assert (failure.status, failure.failure_reason, failure.retryable) == (status, reason, retryable)


def test_a_wrong_address_is_told_from_a_wrong_model__llmock(mock: LlmockServer):
    mock.behave()
    failure = parsed_by_us(f"{mock.url}/nothing-here", asked())
    assert isinstance(failure, CallFailure)
    assert failure.failure_reason == "not_found"


ALIAS = "smollm2-135m"


@pytest.fixture(scope="module")
def real_llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bundled LLM in a process of its own; its address, without a path."""
    log, port = tmp_path_factory.mktemp("llm") / "llm.log", free_port()
    command = [sys.executable, "-m", "abtest_cli.local.llm_server", "--port", str(port)]
    command += ["--model", str(llm.model_file()), "--alias", ALIAS]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until_ready(llm.health_url(port), process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


LLM_PARAMETERS = Parameters(max_tokens=24, temperature=0)


@pytest.mark.e2e
def test_a_real_model_gives_us_what_it_gives_the_client__bundled_llm(real_llm: str):
    ours = parsed_by_us(real_llm, asked((SYSTEM, USER), LLM_PARAMETERS, ALIAS), **OLDER)
    with anthropic.Anthropic(api_key=KEY, base_url=real_llm, max_retries=0) as client:
        theirs = client.messages.create(
            model=ALIAS,
            max_tokens=24,
            system="Be brief.",
            messages=[{"role": "user", "content": USER.content}],
            extra_body={"temperature": 0},
        )
    assert isinstance(ours, Answer)
    assert ours.text == "".join(block.text for block in theirs.content if block.type == "text")
    assert ours.text
    assert (ours.finish_reason, ours.served_model) == (theirs.stop_reason, theirs.model)
    assert ours.usage is not None
    assert ours.usage.total_input_tokens > 10
    assert ours.usage.output_tokens == theirs.usage.output_tokens


@pytest.mark.e2e
def test_a_real_model_is_cut_and_stopped__bundled_llm(real_llm: str):
    cut = parsed_by_us(real_llm, asked(parameters=Parameters(max_tokens=2, temperature=0), model=ALIAS), **OLDER)
    assert isinstance(cut, Answer)
    assert (cut.outcome, cut.finish_reason) == ("truncated", "max_tokens")
    question = (ChatMessage(role="user", content="Count: one two three"),)
    limited = Parameters(max_tokens=40, temperature=0, stop=("e",))
    stopped = parsed_by_us(real_llm, asked(question, limited, ALIAS), **OLDER)
    assert isinstance(stopped, Answer)
    # This server says `end_turn` of an answer that a stop sequence ended.
    assert stopped.outcome == "answered"
    assert stopped.text
    assert "e" not in stopped.text


@pytest.mark.e2e
def test_a_real_models_full_context_is_named__bundled_llm(real_llm: str):
    long = (ChatMessage(role="user", content="word " * 9000),)
    failure = parsed_by_us(real_llm, asked(long, LLM_PARAMETERS, ALIAS), **OLDER)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("context_length", False)
