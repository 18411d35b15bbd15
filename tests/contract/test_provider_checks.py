"""The live check against real servers on loopback: each thing that can be wrong has its name and says what to do."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from abtest.adapters.http import HttpxTransport
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.core.clock import SystemClock
from abtest.core.errors import InvalidInputError
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.health.check import CheckPorts, CheckResult, check_provider, check_request
from abtest.providers.health.circuit import Circuit, Lease
from abtest.providers.health.record import ProviderHealth, health_key, read_health, view
from abtest.providers.registration import REPLAY_PROVIDER, ModelPrice, ModelProvider

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from mock_provider import Behaviour, MockProvider, started

MODEL = "my-model"
ANSWER = {
    "id": "chatcmpl-1",
    "model": "my-model-2026-01-31",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9},
}
Script = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def a_provider(base_url: str | None, **facts: Any) -> ModelProvider:
    price = ModelPrice(input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(2))
    known = {"id": "mine", "vendor": "openai_chat", "secret_name": "abtest/x/providers/mine", "prices": {MODEL: price}}
    return ModelProvider(**(known | {"base_url": base_url} | facts))


class Checked:
    """A server that answers by a script, what it was asked, and the shared documents that know of it."""

    def __init__(self) -> None:
        self.state = MemorySharedState()
        self.key = ""
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    def check(
        self,
        script: Script,
        *,
        path: str = "/v1",
        scheme: str = "http",
        tls: ssl.SSLContext | None = None,
        allow_private: bool = True,
        **facts: Any,
    ) -> CheckResult:
        async def run() -> CheckResult:
            async with self.served(script, tls) as port:
                provider = a_provider(f"{scheme}://127.0.0.1:{port}{path}", **facts)
                self.key = health_key(provider, MODEL)
                return await self.check_at(provider, allow_private=allow_private)

        return asyncio.run(run())

    async def check_at(self, provider: ModelProvider, *, allow_private: bool = True) -> CheckResult:
        async with HttpxTransport(4, allow_private=allow_private) as transport:
            ports = CheckPorts(transport=transport, state=self.state, clock=SystemClock(), owner="check 1")
            return await check_provider(provider, MODEL, "key-1" if provider.secret_name else None, ports)

    @asynccontextmanager
    async def served(self, script: Script, tls: ssl.SSLContext | None) -> Any:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.asked.append((request.path, headers, json.loads(await request.read())))
            return await script(request)

        runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


def says(body: Any, status: int = 200, **headers: str) -> Script:
    async def script(_request: web.BaseRequest) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=named)
        return web.json_response(body, status=status, headers=named)

    return script


def refuses(status: int, kind: str = "some_error", code: str | None = None, message: str = "SECRET") -> Script:
    return says({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)


async def hangs(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError("nobody waits so long")


async def breaks(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def test_check__that_works_spends_one_token_in_one_request() -> None:
    checked = Checked()
    result = checked.check(says(ANSWER))
    ((path, headers, body),) = checked.asked
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer key-1"
    assert (body["model"], body["max_tokens"]) == (MODEL, 1)
    assert len(json.dumps(body["messages"])) < 60
    assert (result.ok, result.outcome, result.reason, result.status) == (True, "truncated", None, 200)
    assert result.served_model == "my-model-2026-01-31"
    assert (result.most_tokens, result.cost_usd, result.price_source) == (1, Decimal("0.00001"), "configured")
    assert result.latency_ms is not None
    assert 0 < result.latency_ms < 20_000
    assert result.what_to_do is None


@pytest.mark.parametrize(
    ("script", "reason", "facts"),
    [
        pytest.param(refuses(401, code="invalid_api_key"), "auth", {}, id="wrong key"),
        pytest.param(refuses(403), "permission", {}, id="key without access"),
        pytest.param(refuses(404, code="model_not_found"), "model_not_found", {}, id="unknown model"),
        pytest.param(says(b"404 page not found", 404), "not_found", {"path": "/wrong"}, id="wrong base URL"),
        pytest.param(refuses(429, code="insufficient_quota"), "quota", {}, id="no credit"),
        pytest.param(refuses(429, code="rate_limit_exceeded"), "rate_limited", {}, id="too many requests"),
        pytest.param(refuses(529), "overloaded", {}, id="overloaded"),
        pytest.param(refuses(500), "server_error", {}, id="server error"),
        pytest.param(
            says(b"<!doctype html><html><body>Sign in</body></html>", content_type="text/html"),
            "html_page",
            {},
            id="web page",
        ),
        pytest.param(says(b'{"choices": [{"message": {"role": "assist'), "malformed", {}, id="cut answer"),
        pytest.param(says(b'{"text": "\xff\xfe"}'), "invalid_utf8", {}, id="no UTF-8"),
        pytest.param(says(b" " * 30_000_000), "too_large", {}, id="30 MB"),
        pytest.param(hangs, "timeout", {"timeout_s": 0.3}, id="no answer in time"),
        pytest.param(breaks, "connection", {}, id="connection breaks"),
        pytest.param(says(ANSWER), "tls", {"scheme": "https"}, id="plain server"),
        pytest.param(says(ANSWER), "not_found", {"allow_private": False}, id="private address"),
    ],
)
def test_check__names_what_is_wrong_and_what_to_do(script: Script, reason: str, facts: dict[str, Any]) -> None:
    checked = Checked()
    result = checked.check(script, **facts)
    assert (result.ok, result.reason, result.outcome) == (False, reason, None)
    assert result.what_to_do == WHAT_TO_DO[result.reason]
    assert result.detail
    assert "SECRET" not in result.model_dump_json()
    assert "key-1" not in result.model_dump_json()
    assert len(checked.asked) <= 1, "a check is one attempt"


def test_check__of_a_server_nobody_runs(unused_port: int) -> None:
    result = asyncio.run(Checked().check_at(a_provider(f"http://127.0.0.1:{unused_port}/v1")))
    assert (result.ok, result.reason, result.status) == (False, "connection", None)
    assert result.what_to_do == WHAT_TO_DO["connection"]


def test_check__of_a_certificate_nobody_trusts(tmp_path: Path) -> None:
    result = Checked().check(says(ANSWER), scheme="https", tls=self_signed(tmp_path))
    assert (result.ok, result.reason) == (False, "tls")
    assert "signed by itself" in result.detail


def test_check__without_a_registered_key_says_so() -> None:
    result = Checked().check(refuses(401), secret_name=None)
    assert result.reason == "auth"
    assert result.what_to_do is not None
    assert "without secret_name" in result.what_to_do


def test_check__of_a_request_the_model_refuses_blames_no_variant() -> None:
    result = Checked().check(refuses(400, kind="invalid_request_error"))
    assert result.reason == "bad_request"
    assert result.what_to_do is not None
    assert "variant" not in result.what_to_do


@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param(
            says(ANSWER | {"choices": [{"message": {"role": "assistant", "content": ""}, "finish_reason": "length"}]}),
            200,
            id="nothing visible",
        ),
        pytest.param(
            refuses(
                400,
                kind="invalid_request_error",
                message="Could not finish the message because max_tokens or model output limit was reached.",
            ),
            400,
            id="ended by the limit",
        ),
    ],
)
def test_check__of_a_reasoning_model_that_comes_to_no_word_is_ok(script: Script, status: int) -> None:
    result = Checked().check(script)
    assert (result.ok, result.outcome, result.status) == (True, "truncated", status)


@pytest.mark.parametrize("vendor", ["openai_chat", "openai_responses", "anthropic", "gemini"])
def test_check__speaks_every_vendors_format(vendor: str) -> None:
    async def run() -> CheckResult:
        mock = MockProvider(Behaviour(latency_ms=1))
        runner, port = await started(mock)
        try:
            suffix = "/v1" if vendor.startswith("openai") else ""
            result = await Checked().check_at(a_provider(f"http://127.0.0.1:{port}{suffix}", vendor=vendor))
            assert mock.counts.total == 1
            return result
        finally:
            await runner.cleanup()

    result = asyncio.run(run())
    assert result.ok, result
    assert result.most_tokens == (16 if vendor == "openai_responses" else 1)


def test_check__feeds_the_health_record() -> None:
    checked = Checked()
    checked.check(says(ANSWER))
    key = checked.key
    shown = view(read_health(checked.state.read(key)), "mine", MODEL, time.time())
    assert (shown.attempts, shown.answered) == (1, 1)
    assert shown.latency_p50_ms is not None


def test_check__is_the_probe_of_a_circuit_that_is_due() -> None:
    result, after = checked_circuit(probe_in_s=-1, script=says(ANSWER))
    assert (result.ok, result.decided_circuit) == (True, True)
    assert after.closed


def test_check__that_fails_as_the_probe_opens_the_circuit_again() -> None:
    result, after = checked_circuit(probe_in_s=-1, script=refuses(503))
    assert (result.ok, result.decided_circuit) == (False, True)
    assert (after.closed, after.failed_probes, after.lease) == (False, 1, None)


def test_check__calls_while_the_circuit_cools_down_and_closes_nothing() -> None:
    result, after = checked_circuit(probe_in_s=60, script=says(ANSWER))
    assert (result.ok, result.decided_circuit) == (True, False)
    assert not after.closed


def test_check__beside_another_workers_probe_closes_nothing() -> None:
    lease = Lease(owner="worker", expires_at_s=time.time() + 9)
    result, after = checked_circuit(probe_in_s=-1, script=says(ANSWER), lease=lease)
    assert (result.ok, result.decided_circuit) == (True, False)
    assert after.lease == lease


def test_check__of_recordings_or_an_unbounded_answer_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="cannot be checked"):
        check_request(REPLAY_PROVIDER, MODEL)
    unbounded = a_provider("http://127.0.0.1:9/v1", unsupported_parameters={MODEL: ("max_tokens",)})
    with pytest.raises(InvalidInputError) as caught:
        check_request(unbounded, MODEL)
    assert "cannot be limited" in caught.value.issues[0].message


def checked_circuit(*, probe_in_s: float, script: Script, lease: Lease | None = None) -> tuple[CheckResult, Circuit]:
    """Check a provider whose circuit is open, and return the circuit after it."""
    checked = Checked()
    now_s = time.time()
    circuit = Circuit(generation=3, closed=False, changed_at_s=now_s - 10, probe_at_s=now_s + probe_in_s, lease=lease)

    async def run() -> CheckResult:
        async with checked.served(script, None) as port:
            provider = a_provider(f"http://127.0.0.1:{port}/v1")
            checked.key = health_key(provider, MODEL)
            checked.state.change(checked.key, lambda _: (ProviderHealth(circuit=circuit).document(), None))
            return await checked.check_at(provider)

    result = asyncio.run(run())
    return result, read_health(checked.state.read(checked.key)).circuit


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return the context of a server whose certificate no authority signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
