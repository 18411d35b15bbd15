"""The HTTP transport against real servers on loopback, and the check of base URLs."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from abtest.adapters.addresses import check_base_url
from abtest.adapters.http import LONGEST_BODY_BYTES, HttpxTransport
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.core.clock import SystemClock
from abtest.core.errors import InvalidInputError
from abtest.providers.model import (
    BatchSettings,
    CallFailure,
    ChatMessage,
    ControlState,
    HttpReply,
    HttpRequest,
    LedgerEntry,
    ModelRequest,
    RetryPolicy,
)
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of
from abtest.providers.service import Batch, answer_batch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from mock_provider import Behaviour, MockProvider, started

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
BODY = b'{"messages": [{"role": "user", "content": "hello"}]}'


@asynccontextmanager
async def served(handler: Handler) -> Any:
    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def spoken(script: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> Any:
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def call(url: str, **headers: str) -> HttpRequest:
    return HttpRequest(url=f"{url}/v1/chat/completions", headers=headers, body=BODY)


def sent(
    handler: Handler, timeout_s: float = 5.0, *, allow_private: bool = True, host: str = "127.0.0.1", **headers: str
) -> HttpReply | CallFailure:
    async def run() -> HttpReply | CallFailure:
        async with (
            served(handler) as url,
            HttpxTransport(10, allow_private=allow_private) as transport,
        ):
            return await transport.send(call(url.replace("127.0.0.1", host), **headers), timeout_s)

    return asyncio.run(run())


def sent_to(url: str, *, allow_private: bool = True, timeout_s: float = 5.0) -> HttpReply | CallFailure:
    async def run() -> HttpReply | CallFailure:
        async with HttpxTransport(10, allow_private=allow_private) as transport:
            return await transport.send(call(url), timeout_s)

    return asyncio.run(run())


def reason(outcome: HttpReply | CallFailure) -> tuple[str, bool]:
    assert isinstance(outcome, CallFailure)
    assert outcome.detail
    assert "127.0.0.1" not in outcome.detail
    return outcome.failure_reason, outcome.retryable


def test_a_reply_comes_back_whole__plain():
    seen: list[Any] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append((request.method, request.path, dict(request.headers), await request.read()))
        return web.Response(status=429, body=b"slow down", headers={"Retry-After": "3", "X-Request-ID": "r1"})

    reply = sent(handler, authorization="Bearer k")
    assert isinstance(reply, HttpReply)
    assert (reply.status, reply.body) == (429, b"slow down")
    assert (reply.headers["retry-after"], reply.headers["x-request-id"]) == ("3", "r1")
    method, path, headers, body = seen[0]
    assert (method, path, body) == ("POST", "/v1/chat/completions", BODY)
    assert headers["Authorization"] == "Bearer k"
    assert headers["User-Agent"].startswith("abtest/")
    assert "Cookie" not in headers


def test_a_compressed_body_is_decoded__gzip():
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=gzip.compress(b"text " * 1000), headers={"content-encoding": "gzip"})

    reply = sent(handler)
    assert isinstance(reply, HttpReply)
    assert reply.body == b"text " * 1000


def test_a_body_that_is_not_what_it_says_is_malformed__broken_gzip():
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"no gzip at all", headers={"content-encoding": "gzip"})

    assert reason(sent(handler)) == ("malformed", False)


def test_a_body_is_limited__decompressed_too_large():
    bomb = gzip.compress(b"\0" * (LONGEST_BODY_BYTES + 1))

    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=bomb, headers={"content-encoding": "gzip"})

    assert len(bomb) < 100_000
    assert reason(sent(handler)) == ("too_large", False)


def test_redirects_are_not_followed__status_307():
    async def handler(request: web.BaseRequest) -> web.Response:
        assert request.path == "/v1/chat/completions"
        return web.Response(status=307, headers={"location": "http://169.254.169.254/latest/meta-data"})

    reply = sent(handler)
    assert isinstance(reply, HttpReply)
    assert reply.status == 307


def test_cookies_are_not_kept__server_sets_one():
    cookies: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        cookies.append(request.headers.get("cookie"))
        return web.Response(headers={"set-cookie": "a=b; Path=/"})

    async def run() -> None:
        async with served(handler) as url, HttpxTransport(1, allow_private=True) as transport:
            for _ in range(2):
                await transport.send(call(url), 5.0)

    asyncio.run(run())
    assert cookies == [None, None]


def test_a_slow_answer_times_out__whole_exchange():
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            # Each part comes soon enough; all together do not.
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    assert reason(sent(handler, timeout_s=0.2)) == ("timeout", True)


def test_a_closed_connection_is_a_connection_failure__before_the_answer():
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def run() -> HttpReply | CallFailure:
        async with spoken(close) as url, HttpxTransport(1, allow_private=True) as transport:
            return await transport.send(call(url), 5.0)

    assert reason(asyncio.run(run())) == ("connection", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a"',
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_a_broken_answer_is_a_connection_failure__cut_or_no_http(answer: bytes):
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def run() -> HttpReply | CallFailure:
        async with spoken(speak) as url, HttpxTransport(1, allow_private=True) as transport:
            return await transport.send(call(url), 5.0)

    assert reason(asyncio.run(run())) == ("connection", True)


def test_a_closed_port_is_a_connection_failure__nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert reason(sent_to(f"http://127.0.0.1:{port}")) == ("connection", True)


def test_an_unknown_name_is_a_connection_failure__reserved_domain():
    assert reason(sent_to("http://provider.invalid")) == ("connection", True)


def test_a_plain_server_is_a_tls_failure__https_url():
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response()

    async def run() -> HttpReply | CallFailure:
        async with served(handler) as url, HttpxTransport(1, allow_private=True) as transport:
            return await transport.send(call(url.replace("http:", "https:")), 5.0)

    assert reason(asyncio.run(run())) == ("tls", False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_is_sent_to_a_private_address__not_allowed(host: str):
    async def handler(_request: web.BaseRequest) -> web.Response:
        raise AssertionError("a request arrived")

    assert reason(sent(handler, allow_private=False, host=host)) == ("not_found", False)


@pytest.mark.parametrize("url", ["http://[bad", "http://", "://x"])
def test_a_url_that_is_none_is_told__not_raised(url: str):
    assert isinstance(sent_to(url), CallFailure)


@pytest.mark.parametrize("key", ["Bearer a\nb", "Bearer ключ", "Bearer a\r\nx-evil: 1"])
def test_a_key_that_no_header_can_carry_is_refused_unsent__and_not_shown(key: str):
    async def handler(_request: web.BaseRequest) -> web.Response:
        raise AssertionError("a request arrived")

    outcome = sent(handler, authorization=key)
    assert reason(outcome) == ("auth", False)
    assert key not in repr(outcome)


def test_a_transport_is_used_inside_its_block__outside():
    async def run() -> None:
        await HttpxTransport(1, allow_private=True).send(call("http://127.0.0.1:1"), 1.0)

    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(run())


class Store:
    """A ledger and a run's record in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, LedgerEntry] = {}
        self.calls = 0

    def get_many(self, keys: Any, /) -> dict[str, LedgerEntry]:
        return {key: self.entries[key] for key in keys if key in self.entries}

    def put_many(self, entries: Any, /) -> None:
        self.entries |= entries

    def state(self) -> ControlState:
        return ControlState()

    def spend(self, calls: int, cost_usd: Decimal) -> ControlState:
        self.calls += calls
        return self.state()


def test_every_call_is_answered_and_paid_once__a_provider_full_of_faults():
    behaviour = Behaviour(latency_ms=1, rate_429=0.15, rate_500=0.15, rate_disconnect=0.15, retry_after_s=0.01)
    mock, store = MockProvider(behaviour, seed=3), Store()

    async def run() -> Any:
        runner, port = await started(mock)
        provider = ModelProvider(id="mock", vendor="openai_chat", base_url=f"http://127.0.0.1:{port}/v1")
        asked = [
            ModelRequest(
                provider="mock",
                vendor="openai_chat",
                model="mock",
                messages=(ChatMessage(role="user", content=f"question {number}"),),
                sample_id=str(number),
                variant="a",
            )
            for number in range(300)
        ]
        settings = BatchSettings(
            "run_1", max_in_flight=50, retry=RetryPolicy(max_attempts=12, base_s=0.001, cap_s=0.01)
        )
        async with HttpxTransport(50, allow_private=True) as transport:
            ports = BatchPorts(
                transport,
                store,
                store,
                SystemClock(),
                lambda: 600.0,
                random.Random(1).random,
                MemorySharedState(),
                "worker",
            )
            batch = Batch(provider, asked, codec_of("openai_chat"))
            result = await answer_batch(batch, ports, settings), await answer_batch(batch, ports, settings)
        await runner.cleanup()
        return result

    first, second = asyncio.run(run())
    assert [row.text for row in first.responses] == [f"question {number}" for number in range(300)]
    assert mock.counts.total == len(mock.counts.by_prompt_sha) == store.calls == 300
    assert second.responses == first.responses
    assert {"429", "500", "disconnect", "200"} == set(mock.counts.by_status)
    reasons = {attempt.failure_reason for row in first.responses for attempt in row.attempts}
    assert reasons == {None, "rate_limited", "server_error", "connection"}


def test_the_mock_provider_counts_and_changes__over_http():
    async def run() -> list[Any]:
        runner, port = await started(MockProvider(Behaviour(latency_ms=0)))
        url = f"http://127.0.0.1:{port}"
        paths = [("POST", "/v1/chat/completions", BODY), ("GET", "/__calls", b""), ("POST", "/__reset", b"")]
        paths += [("POST", "/__behaviour", b'{"status": 503}'), *paths[:2], ("POST", "/__behaviour", b'{"no": 1}')]
        async with HttpxTransport(1, allow_private=True) as transport:
            replies = [
                await transport.send(HttpRequest(method=method, url=url + path, headers={}, body=body), 5.0)
                for method, path, body in paths
            ]
        await runner.cleanup()
        return [(reply.status, json.loads(reply.body)) for reply in replies if isinstance(reply, HttpReply)]

    replies = asyncio.run(run())
    assert [status for status, _ in replies] == [200, 200, 200, 200, 503, 200, 400]
    sha = hashlib.sha256(b'[{"content":"hello","role":"user"}]').hexdigest()
    assert replies[1][1]["by_prompt_sha"] == {sha: 1}
    assert replies[3][1]["status"] == 503
    assert (replies[5][1]["total"], replies[5][1]["received"], replies[5][1]["by_status"]) == (0, 1, {"503": 1})


PUBLIC = {"api.example.com": ["93.184.215.14", "2606:2800:220:1:248:1893:25c8:1946"]}


def resolved(addresses: Iterable[str]) -> Callable[[str, int], Iterable[str]]:
    return lambda _host, _port: addresses


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v1", "https://api.example.com", "https://api.example.com:8443/a/b/"]
)
def test_a_base_url_is_accepted__public_https(url: str):
    check_base_url(url, allow_private=False, resolve=resolved(PUBLIC["api.example.com"]))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/v1", "http://localhost:9/v1", "https://10.0.0.1"])
def test_a_base_url_is_accepted__private_where_allowed(url: str):
    check_base_url(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "https://",
        "https://[bad",
        "https://api.example.com:99999",
        "https://user:secret@api.example.com",
        "https://key@api.example.com",
        "https://api.example.com/v1?key=1",
        "https://api.example.com/v1#part",
    ],
)
@pytest.mark.parametrize("allow_private", [True, False])
def test_a_base_url_is_refused__wrong_shape(url: str, allow_private: bool):
    with pytest.raises(InvalidInputError) as caught:
        check_base_url(url, allow_private=allow_private, resolve=resolved(PUBLIC["api.example.com"]))
    assert caught.value.issues[0].path == "base_url"
    assert "secret" not in caught.value.message.replace("secret_name", "").replace("as a secret", "")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "no address",
    ],
)
def test_a_base_url_is_refused__leads_into_a_private_network(address: str):
    with pytest.raises(InvalidInputError, match="private"):
        check_base_url("https://api.example.com/v1", allow_private=False, resolve=resolved(["93.184.215.14", address]))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "127.1", "0x7f.1", "localhost"])
def test_a_base_url_is_refused__loopback_in_any_spelling(host: str):
    with pytest.raises(InvalidInputError):
        check_base_url(f"https://{host}/v1", allow_private=False)


def test_a_base_url_is_refused__plain_http():
    with pytest.raises(InvalidInputError, match="unencrypted"):
        check_base_url("http://api.example.com", allow_private=False, resolve=resolved(PUBLIC["api.example.com"]))


def test_a_base_url_is_refused__name_does_not_resolve():
    def unknown(_host: str, _port: int) -> Iterable[str]:
        raise OSError("no such name")

    with pytest.raises(InvalidInputError, match="does not resolve"):
        check_base_url("https://nowhere.example.com", allow_private=False, resolve=unknown)
