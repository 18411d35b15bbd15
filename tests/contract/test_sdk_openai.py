"""Our requests to OpenAI and Azure against those of the official client, and our reading of replies against its.

The client (`openai`) and our codec ask the same of a recording server; what it recorded must be equal wherever both
speak of the same thing. Headers that only tell who the client is are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import openai
import pytest
from harness.recording_server import RecordedRequest, RecordingServer, recording_server, sent_by_us
from openai.types import ChatModel
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from abtest.contracts.definition import Parameters
from abtest.providers.model import Answer, CallFailure, ChatMessage, HttpReply, ModelRequest
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors import openai_chat, openai_responses
from abtest.providers.vendors._openai_models import refusals_of_model

FIXTURES = Path(__file__).parents[1] / "unit/providers/fixtures"
KEY = "sk-secret"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
OPEN_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TURNS: dict[str, list[tuple[str, str]]] = {
    "plain": [("user", "Où est Paris? “日本” 🙂")],
    "system": [("system", "Be brief."), ("user", "Hi")],
    "turns": [("system", "Be brief."), ("user", "1+1"), ("assistant", "2"), ("user", '2+2\n\t\\"quoted"')],
}
COMPARED_HEADERS = ("authorization", "api-key", "content-type", "accept", "openai-organization", "openai-project")
# What the client sends where a caller says it of its own; the parameter of ours that says the same.
CHAT_PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "none": ({}, {}),
    "temperature": ({"temperature": 0}, {"temperature": 0}),
    "top_p": ({"top_p": 0.25}, {"top_p": 0.25}),
    "seed": ({"seed": 2**31 - 1}, {"seed": 2**31 - 1}),
    "stop": ({"stop": ("\n", "END")}, {"stop": ["\n", "END"]}),
    "effort": ({"reasoning_effort": "minimal"}, {"reasoning_effort": "minimal"}),
    "schema": (
        {"output_schema": SCHEMA},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
            }
        },
    ),
    "open schema": (
        {"output_schema": OPEN_SCHEMA},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": False, "schema": OPEN_SCHEMA},
            }
        },
    ),
}
RESPONSES_PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "none": ({}, {}),
    "temperature": ({"temperature": 1.5}, {"temperature": 1.5}),
    "top_p": ({"top_p": 0.25}, {"top_p": 0.25}),
    "effort": ({"reasoning_effort": "xhigh"}, {"reasoning": {"effort": "xhigh"}}),
    "schema": (
        {"output_schema": SCHEMA},
        {"text": {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": SCHEMA}}},
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    with recording_server() as running:
        yield running


def client(server: RecordingServer, **more: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, **more)


def azure(server: RecordingServer, version: str) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(azure_endpoint=server.url, api_version=version, api_key=KEY, max_retries=0)


def provider(server: RecordingServer, path: str = "/v1", **options: str) -> ModelProvider:
    return ModelProvider(id="p", vendor="openai_chat", base_url=server.url + path, options=options)


def ours(
    server: RecordingServer,
    codec: HttpCodec,
    registered: ModelProvider,
    turns: list[tuple[str, str]],
    **parameters: Any,
) -> RecordedRequest:
    request = ModelRequest(
        provider="p",
        vendor="openai_chat",
        model="gpt-4.1-mini",
        messages=tuple(ChatMessage(role=role, content=content) for role, content in turns),
        parameters=Parameters(max_tokens=64, **parameters),
        sample_id="s1",
        variant="a",
    )
    assert isinstance(sent_by_us(codec.build(request, registered, KEY)), HttpReply)
    return server.take()


def assert_same(mine: RecordedRequest, theirs: RecordedRequest) -> None:
    assert (mine.method, mine.path, mine.query) == (theirs.method, theirs.path, theirs.query)
    for name in COMPARED_HEADERS:
        assert mine.headers.get(name) == theirs.headers.get(name), name
    assert mine.json() == theirs.json()


def reply(vendor: str, name: str) -> Any:
    return json.loads((FIXTURES / vendor / f"{name}.json").read_bytes())


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("parameters", CHAT_PARAMETERS)
def test_chat_requests_equal_the_clients__compatible_names(server: RecordingServer, turns: str, parameters: str):
    server.answers(reply("openai_chat", "ok"))
    given, named = CHAT_PARAMETERS[parameters]
    messages: Any = [{"role": role, "content": content} for role, content in TURNS[turns]]
    with client(server) as sdk:
        sdk.chat.completions.create(model="gpt-4.1-mini", messages=messages, max_tokens=64, **named)
    theirs = server.take()
    assert_same(ours(server, openai_chat.CODEC, provider(server), TURNS[turns], **given), theirs)


def test_chat_requests_equal_the_clients__the_vendors_own_names(server: RecordingServer):
    server.answers(reply("openai_chat", "ok"))
    messages: Any = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    with client(server, organization="org-1", project="proj_1") as sdk:
        sdk.chat.completions.create(model="gpt-4.1-mini", messages=messages, max_completion_tokens=64)
    theirs = server.take()
    registered = provider(
        server,
        max_tokens_field="max_completion_tokens",
        system_role="developer",
        organization="org-1",
        project="proj_1",
    )
    assert_same(ours(server, openai_chat.CODEC, registered, TURNS["system"]), theirs)


@pytest.mark.parametrize("path", ["", "/", "/openai"])
def test_chat_requests_equal_the_clients__azure(server: RecordingServer, path: str):
    server.answers(reply("openai_chat", "filtered_azure"))
    messages: Any = [{"role": role, "content": content} for role, content in TURNS["turns"]]
    with azure(server, "2024-10-21") as sdk:
        sdk.chat.completions.create(model="gpt-4.1-mini", messages=messages, max_tokens=64, temperature=0)
    theirs = server.take()
    assert theirs.path == "/openai/deployments/gpt-4.1-mini/chat/completions"
    registered = provider(server, path, auth_style="api_key", api_version="2024-10-21")
    assert_same(ours(server, openai_chat.CODEC, registered, TURNS["turns"], temperature=0), theirs)


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("parameters", RESPONSES_PARAMETERS)
def test_responses_requests_equal_the_clients__every_parameter(server: RecordingServer, turns: str, parameters: str):
    server.answers(reply("openai_responses", "ok"))
    given, named = RESPONSES_PARAMETERS[parameters]
    with client(server) as sdk:
        sdk.responses.create(**responses_arguments(turns), **named)
    theirs = server.take()
    assert_same(ours(server, openai_responses.CODEC, provider(server), TURNS[turns], **given), theirs)


def test_responses_requests_equal_the_clients__azure(server: RecordingServer):
    server.answers(reply("openai_responses", "ok"))
    with azure(server, "2025-03-01-preview") as sdk:
        sdk.responses.create(**responses_arguments("turns"))
    theirs = server.take()
    registered = provider(server, "", auth_style="api_key", api_version="2025-03-01-preview")
    assert_same(ours(server, openai_responses.CODEC, registered, TURNS["turns"]), theirs)


def responses_arguments(turns: str) -> dict[str, Any]:
    """Return how a caller of the client asks: the system prompt as instructions, the rest as input."""
    instructions = [content for role, content in TURNS[turns] if role == "system"]
    return {
        "model": "gpt-4.1-mini",
        "input": [{"role": role, "content": content} for role, content in TURNS[turns] if role != "system"],
        "max_output_tokens": 64,
        "store": False,
        **({"instructions": instructions[0]} if instructions else {}),
    }


def names(vendor: str, *starts: str) -> list[str]:
    return sorted(path.stem for path in (FIXTURES / vendor).glob("*.json") if path.stem.startswith(starts))


ANSWERS = ("ok", "refused", "filtered", "truncated")


@pytest.mark.parametrize("name", names("openai_chat", *ANSWERS))
def test_chat_replies_are_read_as_the_client_reads_them__every_answer(server: RecordingServer, name: str):
    document = reply("openai_chat", name)
    # Strictly, so that a fixture cannot be what the vendor's types do not allow.
    ChatCompletion.model_validate(document, strict=True)
    server.answers(document, x_request_id="req-1")
    with client(server) as sdk:
        theirs = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    server.take()
    mine = openai_chat.CODEC.parse(200, {"x-request-id": "req-1"}, json.dumps(document).encode())
    assert isinstance(mine, Answer)
    choice, usage = theirs.choices[0], theirs.usage
    assert usage is not None
    assert mine.text == (choice.message.content or choice.message.refusal or "")
    assert (mine.finish_reason, mine.served_model) == (choice.finish_reason, theirs.model)
    assert mine.provider_request_id == theirs._request_id
    assert_same_usage(mine, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    assert (mine.outcome == "refused") == bool(choice.message.refusal)


@pytest.mark.parametrize("name", names("openai_responses", *ANSWERS))
def test_responses_are_read_as_the_client_reads_them__every_answer(server: RecordingServer, name: str):
    document = reply("openai_responses", name)
    if name != "ok_llama_cpp":
        Response.model_validate(document)
    server.answers(document)
    with client(server) as sdk:
        theirs = sdk.responses.create(model="m", input="Hi")
    server.take()
    mine = openai_responses.CODEC.parse(200, {}, json.dumps(document).encode())
    assert isinstance(mine, Answer)
    assert mine.text == (theirs.output_text or mine.text)
    assert (mine.text == theirs.output_text) == (mine.outcome != "refused")
    assert (mine.served_model, mine.provider_request_id) == (theirs.model, theirs.id)
    assert (mine.outcome in ("truncated", "filtered")) == (theirs.status == "incomplete")
    assert theirs.usage is not None
    assert_same_usage(mine, theirs.usage.input_tokens, theirs.usage.output_tokens, theirs.usage.total_tokens)


@pytest.mark.parametrize("name", names("openai_responses", "failed", "queued"))
def test_responses_that_failed_are_ones_the_client_knows__every_failure(name: str):
    theirs = Response.model_validate(reply("openai_responses", name))
    assert theirs.status in ("failed", "queued")
    assert theirs.output_text == ""


def assert_same_usage(mine: Answer, tokens_in: int, tokens_out: int, total: int) -> None:
    assert mine.usage is not None
    assert (mine.usage.total_input_tokens, mine.usage.total_output_tokens) == (tokens_in, tokens_out)
    assert mine.usage.total_input_tokens + mine.usage.total_output_tokens == total


@pytest.mark.parametrize(
    ("status", "name", "theirs", "reason"),
    [
        (400, "error_parameter", openai.BadRequestError, "bad_request"),
        (401, "error_key", openai.AuthenticationError, "auth"),
        (403, "error_model_access", openai.PermissionDeniedError, "permission"),
        (404, "error_model", openai.NotFoundError, "model_not_found"),
        (429, "error_rate_limit", openai.RateLimitError, "rate_limited"),
        (500, "error_server", openai.InternalServerError, "server_error"),
    ],
)
def test_errors_are_the_clients_kinds__common_ones(
    server: RecordingServer, status: int, name: str, theirs: type[openai.APIStatusError], reason: str
):
    document = reply("openai_chat", name)
    server.answers(document, status)
    with client(server) as sdk, pytest.raises(theirs) as raised:
        sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    server.take()
    mine = openai_chat.CODEC.parse(status, {}, json.dumps(document).encode())
    assert isinstance(mine, CallFailure)
    assert mine.failure_reason == reason
    # The client keeps the same two words of the body apart from the message.
    assert all(word in mine.detail for word in (raised.value.code, raised.value.type) if word)


@pytest.mark.parametrize("model", get_args(ChatModel))
def test_every_model_the_client_names_is_of_a_family__chat_models(model: str):
    # No model takes all of these; one of no family would be refused nothing.
    special = ("gpt-audio", "codex-mini")
    asked = Parameters(reasoning_effort="minimal", temperature=0.5, stop=("x",))
    assert model.startswith(special) or refusals_of_model(asked, model)
