"""Bedrock Converse: what boto3 sends is what ours sends, and both read the same in the same replies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from harness.recording_server import RecordedRequest, RecordingServer, recording_server, sent_by_us

from abtest.contracts.definition import Parameters
from abtest.providers.model import Answer, CallFailure, ChatMessage, HttpReply, ModelRequest
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors.bedrock import CODEC

FIXTURES = Path(__file__).parents[1] / "unit" / "providers" / "fixtures" / "bedrock"
ANSWERS = sorted(path.stem for path in FIXTURES.glob("*.json") if not path.stem.startswith("error_"))
ERRORS = sorted(path.stem for path in FIXTURES.glob("error_*.json"))
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG", "session_token": "t0ken/+=="}
MOMENT = datetime(2026, 11, 25, 15, 30, 12)  # noqa: DTZ001 - as botocore has it: UTC without saying so
SCHEMA = {"type": "object", "properties": {"ville": {"type": "string"}}, "additionalProperties": False}
MODELS = (
    "amazon.nova-lite-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1::foundation-model/a.b-v1:0",
)
USER, MORE = ChatMessage(role="user", content="Où est-ce ?"), ChatMessage(role="user", content="And now?")
CASES: dict[str, tuple[tuple[ChatMessage, ...], Parameters, dict[str, Any]]] = {
    "plain": ((USER,), Parameters(max_tokens=7), {"inferenceConfig": {"maxTokens": 7}}),
    "system": (
        (ChatMessage(role="system", content="Be brief."), USER),
        Parameters(),
        {"system": [{"text": "Be brief."}], "inferenceConfig": {"maxTokens": 512}},
    ),
    "multi_turn": (
        (USER, ChatMessage(role="assistant", content="Ici."), MORE),
        Parameters(),
        {"inferenceConfig": {"maxTokens": 512}},
    ),
    "temperature": (
        (USER,),
        Parameters(temperature=0.25),
        {"inferenceConfig": {"maxTokens": 512, "temperature": 0.25}},
    ),
    "greedy": ((USER,), Parameters(temperature=0), {"inferenceConfig": {"maxTokens": 512, "temperature": 0}}),
    "top_p": ((USER,), Parameters(top_p=0.5), {"inferenceConfig": {"maxTokens": 512, "topP": 0.5}}),
    "stop": (
        (USER,),
        Parameters(stop=("\n\n", "END")),
        {"inferenceConfig": {"maxTokens": 512, "stopSequences": ["\n\n", "END"]}},
    ),
    "reasoning_effort": (
        (USER,),
        Parameters(reasoning_effort="low"),
        {"inferenceConfig": {"maxTokens": 512}, "outputConfig": {"effort": "low"}},
    ),
    "output_schema": (
        (USER,),
        Parameters(output_schema=SCHEMA),
        {
            "inferenceConfig": {"maxTokens": 512},
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"name": "answer", "schema": json.dumps(SCHEMA)}},
                }
            },
        },
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    with recording_server() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RecordingServer) -> Any:
    return client_of("us-east-1", server.url)


def client_of(region: str, endpoint_url: str | None = None) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=KEYS["access_key_id"],
        aws_secret_access_key=KEYS["secret_access_key"],
        aws_session_token=KEYS["session_token"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def provider_at(url: str | None, **options: Any) -> ModelProvider:
    return ModelProvider(id="aws", vendor="bedrock", base_url=url, options={"region": "us-east-1", **options})


def asked(messages: tuple[ChatMessage, ...] = (USER,), model: str = MODELS[0], **changed: Any) -> ModelRequest:
    given = {"provider": "aws", "vendor": "bedrock", "model": model, "messages": messages, "sample_id": "s"}
    return ModelRequest(**given, variant="a", **changed)


def of_boto3(messages: tuple[ChatMessage, ...]) -> list[dict[str, Any]]:
    turns = [message for message in messages if message.role != "system"]
    return [{"role": message.role, "content": [{"text": message.content}]} for message in turns]


def with_schema_decoded(body: Any) -> Any:
    structure = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {})
    if structure:
        structure["jsonSchema"]["schema"] = json.loads(structure["jsonSchema"]["schema"])
    return body


def reply_of(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def answers_with(server: RecordingServer, reply: Mapping[str, Any]) -> None:
    headers = {name.replace("-", "_"): value for name, value in reply["headers"].items()}
    server.answers(reply["body"], reply["status"], **headers)


def stop_clocks(monkeypatch: pytest.MonkeyPatch, moment: datetime = MOMENT) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: moment)


def authorization(request: RecordedRequest) -> tuple[str, ...]:
    """Who signed, for what, and which headers; the signature itself is of the body."""
    found = re.fullmatch(
        r"(\S+) Credential=(\S+), SignedHeaders=(\S+), Signature=\S+", request.headers["authorization"]
    )
    assert found is not None
    return found.groups()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", CASES)
def test_requests_are_alike__field_by_field(
    case: str, model: str, server: RecordingServer, client: Any, monkeypatch: pytest.MonkeyPatch
):
    stop_clocks(monkeypatch)
    answers_with(server, reply_of("ok"))
    messages, parameters, arguments = CASES[case]
    if case == "reasoning_effort" and "claude" in model:
        arguments = {**arguments, "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}
    client.converse(modelId=model, messages=of_boto3(messages), **arguments)
    theirs = server.take()
    built = CODEC.build(asked(messages, model, parameters=parameters), provider_at(server.url), json.dumps(KEYS))
    assert isinstance(sent_by_us(built), HttpReply)
    ours = server.take()
    assert (ours.method, ours.path, ours.query) == (theirs.method, theirs.path, theirs.query)
    assert with_schema_decoded(ours.json()) == with_schema_decoded(theirs.json())
    for name in ("host", "content-type", "x-amz-date", "x-amz-security-token"):
        assert ours.headers[name] == theirs.headers[name]
    assert authorization(ours) == authorization(theirs)


@pytest.mark.parametrize("model", MODELS)
def test_signatures_are_alike__the_same_body_at_the_same_moment(
    model: str, server: RecordingServer, client: Any, monkeypatch: pytest.MonkeyPatch
):
    stop_clocks(monkeypatch)
    answers_with(server, reply_of("ok"))
    client.converse(modelId=model, messages=of_boto3((USER,)))
    theirs = server.take()
    built = CODEC.build(asked(model=model), provider_at(server.url), json.dumps(KEYS))
    assert isinstance(sent_by_us(built.model_copy(update={"body": theirs.body})), HttpReply)
    ours = server.take()
    assert ours.body == theirs.body
    assert ours.headers["authorization"] == theirs.headers["authorization"]


def test_a_signature_fits_what_was_sent__computed_anew_from_the_wire(server: RecordingServer):
    answers_with(server, reply_of("ok"))
    sent_by_us(CODEC.build(asked(model=MODELS[2]), provider_at(server.url), json.dumps(KEYS)))
    request = server.take()
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    aws = AWSRequest(
        method=request.method,
        url=server.url + request.path,
        data=request.body,
        headers={name: request.headers[name] for name in signed},
    )
    aws.context["timestamp"] = request.headers["x-amz-date"]
    signer = botocore.auth.SigV4Auth(ReadOnlyCredentials(*KEYS.values()), "bedrock", "us-east-1")
    signature = signer.signature(signer.string_to_sign(aws, signer.canonical_request(aws)), aws)
    assert request.headers["authorization"].endswith(f"Signature={signature}")
    made = datetime.strptime(aws.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((made - datetime.now(UTC)).total_seconds()) < 60


def test_each_attempt_is_signed_anew__the_same_request_twice(server: RecordingServer, monkeypatch: pytest.MonkeyPatch):
    answers_with(server, reply_of("ok"))
    built = CODEC.build(asked(), provider_at(server.url), json.dumps(KEYS))
    dates = []
    for moment in (MOMENT, MOMENT.replace(minute=45)):
        stop_clocks(monkeypatch, moment)
        sent_by_us(built)
        dates.append(server.take().headers["x-amz-date"])
    assert dates == ["20261125T153012Z", "20261125T154512Z"]


@pytest.mark.parametrize("name", ["error_clock_behind", "error_clock_ahead"])
def test_a_wrong_clock_is_named__signed_hours_ago(
    name: str, server: RecordingServer, client: Any, monkeypatch: pytest.MonkeyPatch
):
    stop_clocks(monkeypatch, MOMENT.replace(year=2020))
    answers_with(server, reply_of(name))
    reply = sent_by_us(CODEC.build(asked(), provider_at(server.url), json.dumps(KEYS)))
    assert server.take().headers["x-amz-date"].startswith("2020")
    assert isinstance(reply, HttpReply)
    failure = CODEC.parse(reply.status, reply.headers, reply.body)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("clock_skew", False)
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        client.converse(modelId=MODELS[0], messages=of_boto3((USER,)))
    server.take()


@pytest.mark.parametrize(
    "region",
    [
        "us-east-1",
        "ap-southeast-2",
        "us-gov-west-1",
        "cn-north-1",
        "eusc-de-east-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "us-isof-south-1",
        "eu-isoe-west-1",
    ],
)
def test_a_regions_address_is_the_sdks__every_partition(region: str):
    url = CODEC.build(asked(), provider_at(None).model_copy(update={"options": {"region": region}}), None).url
    assert f"https://{urlsplit(url).netloc}" == client_of(region).meta.endpoint_url


def test_an_api_key_is_sent_alike__bearer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-1")
    seen: list[Any] = []

    def caught(request: Any, **_: Any) -> AWSResponse:
        seen.append(request)
        raw = type("Raw", (), {"stream": lambda *_: iter([json.dumps(reply_of("ok")["body"]).encode()])})()
        return AWSResponse(request.url, 200, {}, raw)

    client = boto3.client("bedrock-runtime", region_name="us-east-1")
    client.meta.events.register("before-send.bedrock-runtime.Converse", caught)
    client.converse(modelId=MODELS[1], messages=of_boto3((USER,)))
    (theirs,) = seen
    ours = CODEC.build(asked(model=MODELS[1]), provider_at(None, auth_style="bearer"), "bedrock-api-key-1")
    assert ours.signing is None
    assert ours.url == theirs.url
    assert ours.headers["authorization"] == theirs.headers["Authorization"].decode()


def test_a_models_own_fields_are_sent_alike__thinking(server: RecordingServer, client: Any):
    answers_with(server, reply_of("ok"))
    fields = {"thinking": {"type": "adaptive"}}
    client.converse(
        modelId=MODELS[1],
        messages=of_boto3((USER,)),
        inferenceConfig={"maxTokens": 512},
        additionalModelRequestFields=fields,
        outputConfig={"effort": "max"},
    )
    theirs = server.take().json()
    request = asked(model=MODELS[1], parameters=Parameters(reasoning_effort="max"))
    sent_by_us(CODEC.build(request, provider_at(server.url, additional_fields=fields), json.dumps(KEYS)))
    assert server.take().json() == theirs


@pytest.mark.parametrize("name", ANSWERS)
def test_fixtures_are_answers_of_converse__by_the_service_model(name: str):
    session = botocore.session.get_session()
    shape = session.get_service_model("bedrock-runtime").operation_model("Converse").output_shape
    report = ParamValidator().validate(reply_of(name)["body"], shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_read_alike__text_usage_and_stop_reason(name: str, server: RecordingServer, client: Any):
    reply = reply_of(name)
    answers_with(server, reply)
    theirs = client.converse(modelId=MODELS[0], messages=of_boto3((USER,)))
    server.take()
    answer = CODEC.parse(reply["status"], reply["headers"], json.dumps(reply["body"]).encode())
    assert isinstance(answer, Answer)
    blocks = theirs["output"]["message"]["content"]
    cited = [part for block in blocks for part in block.get("citationsContent", {}).get("content", [])]
    assert answer.text == "".join(part["text"] for part in [*blocks, *cited] if "text" in part)
    assert answer.finish_reason == theirs["stopReason"]
    assert answer.provider_request_id == theirs["ResponseMetadata"]["RequestId"]
    assert answer.usage is not None
    assert answer.usage.input_tokens == theirs["usage"]["inputTokens"]
    assert answer.usage.total_output_tokens == theirs["usage"]["outputTokens"]
    assert answer.usage.cache_read_tokens == theirs["usage"].get("cacheReadInputTokens", 0)
    assert answer.usage.cache_write_tokens == theirs["usage"].get("cacheWriteInputTokens", 0)
    assert answer.usage.total_input_tokens + answer.usage.total_output_tokens == theirs["usage"]["totalTokens"]


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_named_alike__the_sdks_code(name: str, server: RecordingServer, client: Any):
    reply = reply_of(name)
    answers_with(server, reply)
    with pytest.raises(ClientError) as caught:
        client.converse(modelId=MODELS[0], messages=of_boto3((USER,)))
    server.take()
    failure = CODEC.parse(reply["status"], reply["headers"], json.dumps(reply["body"]).encode())
    assert isinstance(failure, CallFailure)
    code = caught.value.response["Error"]["Code"]
    assert failure.detail == (f"HTTP {reply['status']}, {code}" if not code.isdigit() else f"HTTP {reply['status']}")
