"""Signing of requests to AWS: whose credentials, how they are renewed, and what is said when there are none."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError, CredentialRetrievalError
from harness.recording_server import recording_server

from abtest.adapters.http import HttpxTransport
from abtest.adapters.signing import AwsSigner
from abtest.providers.model import AwsSigning, CallFailure, HttpReply, HttpRequest

OWN = AwsSigning(service="bedrock", region="us-east-1")
REQUEST = HttpRequest(url="https://example.com/model/a%3Ab/converse", headers={"content-type": "x"}, body=b"{}")


def given(secret: str) -> AwsSigning:
    return AwsSigning(service="bedrock", region="eu-west-1", credentials=secret)


def signed(signer: AwsSigner, signing: AwsSigning, times: int = 1) -> list[HttpRequest | CallFailure]:
    async def run() -> list[HttpRequest | CallFailure]:
        return await asyncio.gather(*(signer.signed(REQUEST, signing) for _ in range(times)))

    return asyncio.run(run())


def nobody() -> Credentials | None:
    raise AssertionError("the process's own credentials were asked for")


def scope_of(request: HttpRequest | CallFailure) -> str:
    assert isinstance(request, HttpRequest)
    return request.headers["Authorization"].partition("Credential=")[2].partition(",")[0]


@pytest.mark.parametrize("more", [{}, {"session_token": None}, {"session_token": ""}, {"note": "ours"}])
def test_a_secret_signs__keys_of_a_user(more: dict[str, Any]):
    secret = json.dumps({"access_key_id": " AKID\n", "secret_access_key": "key", **more})
    (request,) = signed(AwsSigner(nobody), given(secret))
    assert scope_of(request).startswith("AKID/")
    assert scope_of(request).endswith("/eu-west-1/bedrock/aws4_request")
    assert isinstance(request, HttpRequest)
    assert "X-Amz-Security-Token" not in request.headers
    assert (request.url, request.body, request.headers["content-type"]) == (REQUEST.url, b"{}", "x")


def test_a_secret_signs__keys_of_a_session():
    secret = json.dumps({"access_key_id": "ASIA", "secret_access_key": "key", "session_token": "token"})
    (request,) = signed(AwsSigner(nobody), given(secret))
    assert isinstance(request, HttpRequest)
    assert request.headers["X-Amz-Security-Token"] == "token"
    assert "x-amz-security-token" in request.headers["Authorization"]


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("s3cr3t-api-key", "is no JSON"),
        ('["s3cr3t"]', "is no JSON"),
        ("null", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("{}", "lacks access_key_id"),
        ('{"access_key_id": "AKID"}', "lacks secret_access_key"),
        ('{"secret_access_key": "s3cr3t"}', "lacks access_key_id"),
        ('{"access_key_id": 5, "secret_access_key": "s3cr3t"}', "lacks access_key_id"),
        ('{"access_key_id": "A B", "secret_access_key": "s3cr3t"}', "lacks access_key_id"),
        ('{"access_key_id": "A\\r\\nx: y", "secret_access_key": "s3cr3t"}', "lacks access_key_id"),
        ('{"access_key_id": "AKID", "secret_access_key": "\\ud800"}', "lacks secret_access_key"),
        ('{"access_key_id": "AKID", "secret_access_key": "s3cr3t", "session_token": "é"}', "session_token"),
        ('{"access_key_id": "AKID", "secret_access_key": "s3cr3t", "session_token": 1}', "session_token"),
    ],
)
def test_a_wrong_secret_is_refused_unsent__and_not_shown(secret: str, says: str):
    (failure,) = signed(AwsSigner(nobody), given(secret))
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("auth", False)
    assert says in failure.detail
    assert "access_key_id, secret_access_key" in failure.detail or says == "session_token"
    assert "s3cr3t" not in repr(failure)
    assert "AKID" not in repr(failure)


def test_a_role_signs__no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAROLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    (request,) = signed(AwsSigner(), OWN)
    assert scope_of(request).startswith("ASIAROLE/")


def test_no_credentials_at_all_is_told__and_looked_for_again():
    found: list[Credentials | None] = [None, Credentials("AKID", "key")]
    signer = AwsSigner(lambda: found.pop(0))
    (failure,) = signed(signer, OWN)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("auth", False)
    assert "give the function a role" in failure.detail
    assert scope_of(signed(signer, OWN)[0]).startswith("AKID/")


@pytest.mark.parametrize(
    "error",
    [
        CredentialRetrievalError(provider="s3cr3t", error_msg="s3cr3t"),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "s3cr3t"}}, "AssumeRole"),
        OSError("s3cr3t"),
        RuntimeError("s3cr3t"),
    ],
)
def test_unreadable_credentials_are_told__not_raised(error: Exception):
    def broken() -> Credentials | None:
        raise error

    (failure,) = signed(AwsSigner(broken), OWN)
    assert isinstance(failure, CallFailure)
    assert failure.failure_reason == "auth"
    assert failure.detail == (
        f"nothing was sent: the function's own AWS credentials could not be read ({type(error).__name__})"
    )


def renewing(serve: Callable[[], dict[str, str]], left: timedelta) -> RefreshableCredentials:
    expiry = (datetime.now(UTC) + left).isoformat()
    return RefreshableCredentials.create_from_metadata({**serve(), "expiry_time": expiry}, serve, "test")


def test_expiring_credentials_are_renewed_once__a_hundred_calls():
    served: list[int] = []

    def serve() -> dict[str, str]:
        served.append(threading.get_ident())
        expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"access_key": f"KEY{len(served)}", "secret_key": "k", "token": "t", "expiry_time": expiry}

    own = renewing(serve, left=timedelta(seconds=30))
    requests = signed(AwsSigner(lambda: own), OWN, times=100)
    assert {scope_of(request).partition("/")[0] for request in requests} == {"KEY2"}
    assert len(served) == 2
    # The second one was fetched while the event loop went on with other calls.
    assert served[1] != threading.get_ident()


def test_fresh_credentials_are_not_renewed__an_hour_left():
    served: list[int] = []

    def serve() -> dict[str, str]:
        served.append(1)
        return {"access_key": "KEY", "secret_key": "k", "token": "t"}

    own = renewing(serve, left=timedelta(hours=1))
    signer = AwsSigner(lambda: own)
    for _ in range(3):
        assert scope_of(signed(signer, OWN)[0]).startswith("KEY/")
    assert served == [1]


def test_the_transport_sends_nothing__credentials_are_wrong():
    async def run(url: str) -> HttpReply | CallFailure:
        async with HttpxTransport(1, allow_private=True) as transport:
            request = HttpRequest(url=url, headers={}, body=b"{}", signing=given("no json"))
            return await transport.send(request, 5.0)

    with recording_server() as server:
        failure = asyncio.run(run(server.url))
        assert isinstance(failure, CallFailure)
        assert failure.failure_reason == "auth"
        assert server.requests == []


def test_a_credential_that_takes_too_long_is_a_time_out__within_the_calls_limit():
    release = threading.Event()

    def slow() -> Credentials | None:
        release.wait(5)
        return None

    async def run() -> HttpReply | CallFailure:
        async with HttpxTransport(1, allow_private=True, signer=AwsSigner(slow)) as transport:
            try:
                request = HttpRequest(url="http://127.0.0.1:9", headers={}, body=b"", signing=OWN)
                return await transport.send(request, 0.1)
            finally:
                release.set()

    failure = asyncio.run(run())
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable) == ("timeout", True)


def test_a_worker_that_signs_nothing_does_not_load_the_sdk__import_of_the_transport():
    program = "import sys, abtest.adapters.http; print(sorted({'botocore', 'boto3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
