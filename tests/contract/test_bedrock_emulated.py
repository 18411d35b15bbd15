"""Bedrock Converse through the embedded AWS to a real LLM: signatures are checked there, by code that is not ours."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore.compat import get_current_datetime
from botocore.exceptions import ClientError
from harness.llmock_server import wait_until_ready
from harness.platform import free_port

from abtest.adapters.http import HttpxTransport
from abtest.contracts.definition import Parameters
from abtest.providers.model import Answer, CallFailure, ChatMessage, HttpReply, ModelRequest
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of
from abtest_cli.local.llm import model_file

pytestmark = pytest.mark.e2e

REGION = "us-east-1"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
MESSAGES = (
    ChatMessage(role="system", content="You answer in one short sentence."),
    ChatMessage(role="user", content="What is the capital of France?"),
    ChatMessage(role="assistant", content="The capital of France is Paris."),
    ChatMessage(role="user", content="And of Italy?"),
)
GREEDY = Parameters(temperature=0, max_tokens=24)
# AWS asks for the first right; the embedded AWS for one that it names after the operation.
RIGHTS = ["bedrock:InvokeModel", "bedrock:Converse"]
MAY_INVOKE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": RIGHTS, "Resource": "*"}]}


@dataclass(frozen=True)
class Emulated:
    """The embedded AWS that enforces IAM, and the LLM behind it."""

    url: str
    llm_url: str

    def client(self, service: str, **keys: str) -> Any:
        keys = keys or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)


@contextmanager
def process(command: list[str], health_url: str, log: Path, variables: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        running = subprocess.Popen(command, env={**os.environ, **variables}, stdout=output, stderr=output)
        try:
            wait_until_ready(health_url, running, log)
            yield
        finally:
            running.terminate()
            running.wait(20)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    folder, llm_port, port = tmp_path_factory.mktemp("aws"), free_port(), free_port()
    llm = [sys.executable, "-m", "abtest_cli.local.llm_server", "--port", str(llm_port)]
    llm += ["--model", str(model_file()), "--alias", "smollm2"]
    variables = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "MINISTACK_BEDROCK_PROXY_URL": f"http://127.0.0.1:{llm_port}",
        "NO_PROXY": "127.0.0.1",
    }
    url = f"http://127.0.0.1:{port}"
    with (
        process(llm, f"http://127.0.0.1:{llm_port}/health", folder / "llm.log", {}),
        process([sys.executable, "-m", "ministack"], f"{url}/_ministack/health", folder / "aws.log", variables),
    ):
        yield Emulated(url, f"http://127.0.0.1:{llm_port}/v1")


def new_user(emulated: Emulated, name: str, policy: dict[str, Any] | None) -> dict[str, str]:
    """Return the keys of a new user, as a provider's secret holds them."""
    iam = emulated.client("iam")
    iam.create_user(UserName=name)
    if policy is not None:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}


@pytest.fixture(scope="module")
def keys(emulated: Emulated) -> dict[str, str]:
    return new_user(emulated, "caller", MAY_INVOKE)


def asked(
    emulated: Emulated, keys: dict[str, str] | None, *, vendor: str = "bedrock", model: str = MODEL, **changed: Any
) -> Answer | CallFailure:
    """Ask as a worker does, over the real transport."""
    at, options = (emulated.url, {"region": REGION}) if vendor == "bedrock" else (emulated.llm_url, {})
    provider = ModelProvider(id="p", vendor=vendor, base_url=at, options=options)
    given = {"messages": MESSAGES, "parameters": GREEDY, **changed}
    request = ModelRequest(provider="p", vendor=vendor, model=model, sample_id="s", variant="a", **given)
    codec: Any = codec_of(vendor)
    http = codec.build(request, provider, json.dumps(keys) if keys else None)

    async def exchange() -> HttpReply | CallFailure:
        async with HttpxTransport(1, allow_private=True) as transport:
            return await transport.send(http, 60.0)

    reply = asyncio.run(exchange())
    return reply if isinstance(reply, CallFailure) else codec.parse(reply.status, reply.headers, reply.body)


def test_the_text_is_the_llms__the_same_as_asked_directly(emulated: Emulated, keys: dict[str, str]) -> None:
    through_aws = asked(emulated, keys)
    directly = asked(emulated, None, vendor="openai_chat", model="smollm2")
    assert isinstance(through_aws, Answer)
    assert isinstance(directly, Answer)
    assert through_aws.outcome == "answered"
    assert through_aws.text
    assert through_aws.text == directly.text
    assert through_aws.usage is not None
    assert through_aws.usage.total_input_tokens > 20
    assert 1 < through_aws.usage.total_output_tokens <= GREEDY.max_tokens
    assert through_aws.provider_request_id


def test_the_sdk_gets_the_same_text__same_keys(emulated: Emulated, keys: dict[str, str]) -> None:
    ours = asked(emulated, keys)
    client = emulated.client(
        "bedrock-runtime",
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )
    theirs = client.converse(
        modelId=MODEL,
        system=[{"text": MESSAGES[0].content}],
        messages=[{"role": message.role, "content": [{"text": message.content}]} for message in MESSAGES[1:]],
        inferenceConfig={"maxTokens": GREEDY.max_tokens, "temperature": 0},
    )
    assert isinstance(ours, Answer)
    assert ours.text == theirs["output"]["message"]["content"][0]["text"]


@pytest.mark.parametrize(
    "model", [MODEL, "us.amazon.nova-lite-v1:0", f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}"]
)
def test_a_signature_is_accepted__every_form_of_a_models_name(
    emulated: Emulated, keys: dict[str, str], model: str
) -> None:
    answer = asked(emulated, keys, model=model)
    assert isinstance(answer, Answer), answer
    assert answer.text


def test_a_signature_is_accepted__keys_of_a_session(emulated: Emulated, keys: dict[str, str]) -> None:
    sts = emulated.client(
        "sts", aws_access_key_id=keys["access_key_id"], aws_secret_access_key=keys["secret_access_key"]
    )
    made = sts.get_session_token()["Credentials"]
    session = {
        "access_key_id": made["AccessKeyId"],
        "secret_access_key": made["SecretAccessKey"],
        "session_token": made["SessionToken"],
    }
    assert isinstance(asked(emulated, session), Answer)


def test_the_processs_own_credentials_sign__no_secret(
    emulated: Emulated, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["secret_access_key"])
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    assert isinstance(asked(emulated, None), Answer)


@pytest.mark.parametrize(
    "wrong",
    [{"secret_access_key": "wrong"}, {"access_key_id": "AKIAUNKNOWN"}, {"session_token": "unknown"}],
)
def test_a_wrong_key_is_named__one_part_is_wrong(
    emulated: Emulated, keys: dict[str, str], wrong: dict[str, str]
) -> None:
    failure = asked(emulated, keys | wrong)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("auth", False)


def test_a_revoked_key_is_named__deleted(emulated: Emulated) -> None:
    keys = new_user(emulated, "leaver", MAY_INVOKE)
    assert isinstance(asked(emulated, keys), Answer)
    emulated.client("iam").delete_access_key(UserName="leaver", AccessKeyId=keys["access_key_id"])
    failure = asked(emulated, keys)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("auth", False)


def test_a_missing_right_is_named__user_without_a_policy(emulated: Emulated) -> None:
    failure = asked(emulated, new_user(emulated, "stranger", None))
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("permission", False)


@pytest.mark.parametrize("skew", [timedelta(minutes=-20), timedelta(minutes=20)])
def test_a_wrong_clock_is_named__behind_and_ahead(
    emulated: Emulated, keys: dict[str, str], skew: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: get_current_datetime() + skew)
    failure = asked(emulated, keys)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("clock_skew", False)
    client = emulated.client(
        "bedrock-runtime", aws_access_key_id=keys["access_key_id"], aws_secret_access_key=keys["secret_access_key"]
    )
    with pytest.raises(ClientError, match="Signature"):
        client.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
