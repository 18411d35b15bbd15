"""Servers that misbehave, on loopback: each has its named reason, and none is waited for past its deadline."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import socket
import ssl
import struct
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness.wire_formats import FORMATS, Spoken

from abtest.adapters import http
from abtest.adapters.addresses import check_base_url
from abtest.adapters.http import LONGEST_BODY_BYTES, HttpxTransport, PhaseLimits
from abtest.contracts.records import FailureReason
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.model import Answer, CallFailure, HttpReply, HttpRequest
from abtest.providers.ports import HttpCodec
from abtest.providers.registry import codec_of, vendor_names

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MEGABYTE = 1024 * 1024
OK = b'{"output": {"message": {"content": [{"text": "hi"}]}}, "stopReason": "end_turn"}'
HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body>Bad gateway</body></html>"
LATE_S = 1.0
"""What a busy machine may add to a deadline."""


@dataclass
class Seen:
    """What the server saw of the client."""

    requests: int = 0
    sent_bytes: int = 0
    hung_up: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(body: bytes, status: int = 200, **headers: str) -> bytes:
    return head(status, content_length=str(len(body)), **headers) + body


@asynccontextmanager
async def spoken(script: Script, seen: Seen, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answer each request on each connection by a script, until the client or the script has enough."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in lines.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                seen.requests += 1
                await script(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            seen.hung_up = True
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.tasks.add(asyncio.get_running_loop().create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        # What the client closed is heard before the server ends.
        await asyncio.sleep(0.05)
        server.close()
        for task in seen.tasks:
            task.cancel()
        await asyncio.gather(*seen.tasks, return_exceptions=True)


def asked(url: str, body: bytes = b'{"q": 1}') -> HttpRequest:
    return HttpRequest(url=f"{url}/model/a%3Ab/converse", headers={"content-type": "application/json"}, body=body)


def sent(
    script: Script,
    *,
    timeout_s: float = 5.0,
    tls: ssl.SSLContext | None = None,
    seen: Seen | None = None,
    body: bytes = b'{"q": 1}',
    url: str | None = None,
    **settings: Any,
) -> HttpReply | CallFailure:
    """Return what came of one request, having checked that the deadline was kept."""

    async def run() -> HttpReply | CallFailure:
        async with spoken(script, seen or Seen(), tls) as served:
            settings.setdefault("allow_private", True)
            async with HttpxTransport(2, **settings) as transport:
                start_s = time.monotonic()
                outcome = await transport.send(asked(url or served, body), timeout_s)
                assert time.monotonic() - start_s < timeout_s + LATE_S
                return outcome

    return asyncio.run(run())


def says(*parts: bytes, then: str = "hang up") -> Script:
    """Send some bytes, and then hang up, reset the connection, wait for ever, or keep the connection."""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then == "wait":
            await asyncio.sleep(60)
        if then == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        if then == "hang up":
            writer.close()
        if then != "keep":
            raise ConnectionResetError

    return script


def endless(start: bytes, part: bytes, pause_s: float = 0.0, limit_bytes: int = 30 * MEGABYTE) -> tuple[Script, Seen]:
    """Send a beginning, and one part again and again until the client hangs up."""
    seen = Seen()

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while seen.sent_bytes < limit_bytes:
            writer.write(part)
            seen.sent_bytes += len(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return script, seen


def understood(outcome: HttpReply | CallFailure, codec: HttpCodec | None = None) -> CallFailure:
    """Return the failure of the exchange, or what a codec makes of the reply."""
    if isinstance(outcome, HttpReply):
        codec = codec or codec_of("bedrock")  # type: ignore[assignment]
        outcome = codec.parse(outcome.status, outcome.headers, outcome.body)  # type: ignore[union-attr, assignment]
    assert isinstance(outcome, CallFailure), outcome
    assert outcome.detail
    assert "127.0.0.1" not in outcome.detail
    assert outcome.failure_reason in WHAT_TO_DO
    return outcome


def reason(outcome: HttpReply | CallFailure) -> tuple[FailureReason, bool]:
    failure = understood(outcome)
    return failure.failure_reason, failure.retryable


# --- TLS -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """Someone who signs certificates for the loopback address."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, folder: Path, name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = _certificate(subject, subject, key.public_key(), key.public_key())
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        built = built.add_extension(_SIGNS_CERTIFICATES, critical=True)
        return cls(folder, key, built.sign(key, hashes.SHA256()))

    def file(self) -> str:
        path = self.folder / "authority.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def context(self, name: str, address: str = "127.0.0.1", valid_days: int = 1) -> ssl.SSLContext:
        """Return a server's context with a certificate of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = self.key.public_key()
        built = _certificate(subject, self.certificate.subject, key.public_key(), signer, valid_days).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        return _server_context(self.folder / f"{name}.pem", built.sign(self.key, hashes.SHA256()), key)


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Any, signer: Any, valid_days: int = 1
) -> x509.CertificateBuilder:
    # With the identifiers of both keys: Python from 3.13 on trusts nothing less.
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=valid_days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _server_context(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """An authority that the transport trusts for this test."""
    trusted = Authority.new(tmp_path, "trusted")
    monkeypatch.setenv("SSL_CERT_FILE", trusted.file())
    http._tls_context.cache_clear()
    yield trusted
    http._tls_context.cache_clear()


def test_a_certificate_of_a_trusted_authority_is_taken__https(authority: Authority):
    outcome = sent(says(whole(OK)), tls=authority.context("good"))
    assert isinstance(outcome, HttpReply)
    assert outcome.body == OK


@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        ({"valid_days": -1}, "it has expired"),
        ({"address": "192.0.2.1"}, "it is for another address"),
    ],
)
def test_a_wrong_certificate_is_a_tls_failure__and_says_why(
    certificate: dict[str, Any], problem: str, authority: Authority
):
    seen = Seen()
    failure = understood(sent(says(whole(OK)), tls=authority.context("wrong", **certificate), seen=seen))
    assert (failure.failure_reason, failure.retryable) == ("tls", False)
    assert problem in failure.detail
    assert seen.requests == 0


def test_a_certificate_that_signed_itself_is_a_tls_failure__self_signed(authority: Authority, tmp_path: Path):
    stranger = Authority.new(tmp_path, "stranger")
    context = _server_context(tmp_path / "self.pem", stranger.certificate, stranger.key)
    failure = understood(sent(says(whole(OK)), tls=context))
    assert (failure.failure_reason, failure.retryable) == ("tls", False)
    assert "signed by itself" in failure.detail


def test_a_certificate_of_a_stranger_is_a_tls_failure__unknown_authority(authority: Authority, tmp_path: Path):
    failure = understood(sent(says(whole(OK)), tls=Authority.new(tmp_path, "stranger").context("x")))
    assert (failure.failure_reason, failure.retryable) == ("tls", False)
    assert "nobody who is trusted" in failure.detail


def test_a_server_that_hangs_up_in_the_handshake_is_a_connection_failure__retried():
    async def run() -> HttpReply | CallFailure:
        def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server, HttpxTransport(1, allow_private=True) as transport:
            return await transport.send(asked(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"), 5.0)

    assert reason(asyncio.run(run())) == ("connection", True)


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_silent_server_times_out__no_byte():
    failure = understood(sent(says(then="wait"), timeout_s=0.2))
    assert (failure.failure_reason, failure.retryable, failure.status) == ("timeout", True, None)
    assert "no answer within 0.2 s" in failure.detail


def test_a_dripping_body_times_out__and_the_status_is_kept():
    script, seen = endless(head(content_length="1000"), b" ", pause_s=0.02)
    failure = understood(sent(script, timeout_s=0.3, seen=seen))
    assert (failure.failure_reason, failure.retryable, failure.status) == ("timeout", True, 200)
    assert "not the whole answer" in failure.detail
    assert seen.hung_up


def test_dripping_headers_time_out__they_never_end():
    script, seen = endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", pause_s=0.02)
    assert reason(sent(script, timeout_s=0.3, seen=seen)) == ("timeout", True)
    assert seen.hung_up


def test_interim_answers_time_out__for_ever():
    script, seen = endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n", pause_s=0.02)
    assert reason(sent(script, timeout_s=0.3, seen=seen)) == ("timeout", True)
    assert seen.hung_up


def test_a_handshake_that_never_ends_times_out__at_the_limit_of_connecting():
    async def run() -> tuple[HttpReply | CallFailure, float]:
        # The backlog accepts; nobody ever answers.
        with socket.create_server(("127.0.0.1", 0)) as listening:
            limits = PhaseLimits(connect_s=0.2)
            async with HttpxTransport(1, allow_private=True, limits=limits) as transport:
                start_s = time.monotonic()
                outcome = await transport.send(asked(f"https://127.0.0.1:{listening.getsockname()[1]}"), 30.0)
                return outcome, time.monotonic() - start_s

    outcome, took_s = asyncio.run(run())
    failure = understood(outcome)
    assert (failure.failure_reason, failure.retryable) == ("timeout", True)
    assert "no connection" in failure.detail
    assert took_s < 0.2 + LATE_S


def test_waiting_for_a_free_connection_times_out__at_the_limit_of_the_pool():
    async def run() -> tuple[HttpReply | CallFailure, float]:
        limits = PhaseLimits(pool_s=0.2)
        async with (
            spoken(says(then="wait"), Seen()) as url,
            HttpxTransport(1, allow_private=True, limits=limits) as transport,
        ):
            first = asyncio.create_task(transport.send(asked(url), 3.0))
            await asyncio.sleep(0.05)
            start_s = time.monotonic()
            outcome = await transport.send(asked(url), 30.0)
            took_s = time.monotonic() - start_s
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            return outcome, took_s

    outcome, took_s = asyncio.run(run())
    assert "no connection" in understood(outcome).detail
    assert took_s < 0.2 + LATE_S


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_an_early_refusal_is_heard__the_request_is_not_read():
    async def run() -> HttpReply | CallFailure:
        hung_up = asyncio.Event()

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(whole(b"{}", 413))
            await hung_up.wait()
            writer.transport.abort()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server, HttpxTransport(1, allow_private=True) as transport:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            start_s = time.monotonic()
            outcome = await transport.send(asked(url, b" " * 20 * MEGABYTE), 10.0)
            assert time.monotonic() - start_s < 5.0
            hung_up.set()
            await asyncio.sleep(0.1)
            return outcome

    outcome = asyncio.run(run())
    assert isinstance(outcome, HttpReply)
    assert outcome.status == 413


# --- size ------------------------------------------------------------------------------------------------------------


def peak_bytes(call: Callable[[], Any]) -> tuple[Any, int]:
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("framing", ["chunked", "until the end"])
def test_a_30_mb_answer_is_cut_off__no_length_given(framing: str):
    part = b"x" * 65_536
    start = head(transfer_encoding="chunked") if framing == "chunked" else head()
    script, seen = endless(start, b"10000\r\n" + part + b"\r\n" if framing == "chunked" else part)
    outcome, peak = peak_bytes(lambda: sent(script, seen=seen))
    assert reason(outcome) == ("too_large", False)
    assert seen.hung_up
    assert seen.sent_bytes < LONGEST_BODY_BYTES + 8 * MEGABYTE
    assert peak < 3 * LONGEST_BODY_BYTES


def test_a_30_mb_answer_is_not_read__its_length_is_given():
    script, seen = endless(head(content_length=str(30 * MEGABYTE)), b"x" * 65_536)
    outcome, peak = peak_bytes(lambda: sent(script, seen=seen))
    assert reason(outcome) == ("too_large", False)
    assert seen.hung_up
    assert peak < 4 * MEGABYTE


def test_the_longest_answer_is_read__exactly_8_mb():
    outcome = sent(says(whole(b" " * LONGEST_BODY_BYTES)))
    assert isinstance(outcome, HttpReply)
    assert len(outcome.body) == LONGEST_BODY_BYTES


@pytest.mark.parametrize(("status", "expected"), [(500, ("server_error", True)), (401, ("auth", False))])
def test_the_status_of_an_error_counts__its_body_is_30_mb(status: int, expected: tuple[FailureReason, bool]):
    script, seen = endless(head(status, content_length=str(30 * MEGABYTE)), b"x" * 65_536)
    assert reason(sent(script, seen=seen)) == expected


# --- compression -----------------------------------------------------------------------------------------------------


def raw_deflated(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(OK)),
        ("GZIP", gzip.compress(OK)),
        ("x-gzip", gzip.compress(OK)),
        ("gzip", gzip.compress(OK[:10]) + gzip.compress(OK[10:])),
        ("gzip", gzip.compress(OK) + b"\0" * 100),
        ("deflate", zlib.compress(OK)),
        ("deflate", raw_deflated(OK)),
        ("identity", OK),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 1000])
def test_a_compressed_body_is_read__every_form(encoding: str, body: bytes, chunk_bytes: int):
    chunks = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)]
    framed = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    outcome = sent(says(head(content_encoding=encoding, transfer_encoding="chunked"), *framed, b"0\r\n\r\n"))
    assert isinstance(outcome, HttpReply)
    assert outcome.body == OK


@pytest.mark.parametrize("size_bytes", [LONGEST_BODY_BYTES + 1, 500 * MEGABYTE])
def test_a_small_body_that_becomes_large_is_cut_off__gzip_bomb(size_bytes: int):
    bomb = bomb_of(size_bytes)
    outcome, peak = peak_bytes(lambda: sent(says(whole(bomb, content_encoding="gzip"))))
    assert reason(outcome) == ("too_large", False)
    assert peak < 3 * LONGEST_BODY_BYTES + len(bomb)


def bomb_of(size_bytes: int) -> bytes:
    stream = zlib.compressobj(9, wbits=31)
    parts = [stream.compress(b"\0" * MEGABYTE) for _ in range(size_bytes // MEGABYTE)]
    return b"".join([*parts, stream.compress(b"\0" * (size_bytes % MEGABYTE)), stream.flush()])


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(OK)[:-4]),
        ("gzip", gzip.compress(OK)[:30] + b"\xff" * 30),
        ("deflate", b"\xff\xff\xff"),
        ("gzip, gzip", gzip.compress(bomb_of(20 * MEGABYTE))),
        ("br", b"\x0b\x02\x80hello\x03"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_malformed__compression(encoding: str, body: bytes):
    assert reason(sent(says(whole(body, content_encoding=encoding)))) == ("malformed", False)
    assert reason(sent(says(whole(body, 503, content_encoding=encoding)))) == ("overloaded", True)


# --- framing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        says(),
        says(then="reset"),
        says(head(content_length="1000"), OK, then="reset"),
        says(head(content_length="1000"), OK),
        says(head(transfer_encoding="chunked"), b"5\r\n{"),
        says(head(transfer_encoding="chunked"), b"5\r\nhello\r\n"),
        says(head(transfer_encoding="chunked"), b"zz\r\nhello\r\n0\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"),
        says(b"hello\r\n"),
        says(b"<html>HTTP/0.9</html>\r\n"),
        says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        says(b"\x15\x03\x03\x00\x02\x02\x46"),
        says(b"HTTP/9.9 OK\r\n\r\n"),
        says(b"HTTP/1.1 abc OK\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nhello!!"),
        says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n"),
    ],
    ids=lambda _: "",
)
def test_a_broken_exchange_is_a_connection_failure__cut_reset_or_no_http(script: Script):
    assert reason(sent(script)) == ("connection", True)


def test_an_endless_header_is_cut_off__without_waiting_for_its_end():
    script, seen = endless(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 65_536)
    outcome, peak = peak_bytes(lambda: sent(script, seen=seen))
    assert reason(outcome) == ("connection", True)
    assert seen.sent_bytes < 16 * MEGABYTE
    assert peak < 16 * MEGABYTE


@pytest.mark.parametrize(("pause_s", "expected"), [(0.0, ("connection", True)), (0.05, ("malformed", False))])
def test_a_length_that_is_too_short_cuts_the_answer__and_the_rest_reaches_no_call(
    pause_s: float, expected: tuple[FailureReason, bool]
):
    seen = Seen()

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(content_length="40") + OK[:40])
        await asyncio.sleep(pause_s)
        writer.write(OK[40:] + whole(OK))

    async def run() -> list[HttpReply | CallFailure]:
        outcomes = []
        async with spoken(script, seen) as url, HttpxTransport(1, allow_private=True) as transport:
            for _ in range(2):
                outcomes.append(await transport.send(asked(url), 5.0))
                await asyncio.sleep(2 * pause_s)
        return outcomes

    for outcome in asyncio.run(run()):
        assert reason(outcome) == expected
    assert seen.requests == 2


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
def test_an_answer_that_nobody_asked_for_reaches_no_call__sent_into_an_idle_connection(pause_s: float):
    numbers: Iterator[int] = iter(range(1, 100))
    seen = Seen()

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(numbers)
        writer.write(whole(b"answer %d" % number))
        await writer.drain()
        await asyncio.sleep(pause_s)
        writer.write(whole(b"again %d" % number))
        await writer.drain()

    async def run() -> list[bytes]:
        bodies = []
        async with spoken(script, seen) as url, HttpxTransport(1, allow_private=True) as transport:
            for _ in range(3):
                outcome = await transport.send(asked(url), 5.0)
                assert isinstance(outcome, HttpReply)
                bodies.append(outcome.body)
                await asyncio.sleep(pause_s + 0.05)
        return bodies

    assert asyncio.run(run()) == [b"answer 1", b"answer 2", b"answer 3"]


def test_a_sound_connection_is_used_again__ten_calls():
    connections: set[int] = set()

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer.get_extra_info("peername")[1])
        writer.write(whole(OK))

    async def run() -> None:
        async with spoken(script, Seen()) as url, HttpxTransport(1, allow_private=True) as transport:
            for _ in range(10):
                assert isinstance(await transport.send(asked(url), 5.0), HttpReply)

    asyncio.run(run())
    assert len(connections) == 1


def test_a_call_is_not_repeated_behind_our_back__the_server_hung_up_on_an_idle_connection():
    seen = Seen()

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if seen.requests == 1:
            writer.write(whole(OK))
            return
        writer.close()
        raise ConnectionResetError

    async def run() -> list[HttpReply | CallFailure]:
        async with spoken(script, seen) as url, HttpxTransport(1, allow_private=True) as transport:
            return [await transport.send(asked(url), 5.0) for _ in range(2)]

    first, second = asyncio.run(run())
    assert isinstance(first, HttpReply)
    assert reason(second) == ("connection", True)
    assert seen.requests == 2


# --- content ---------------------------------------------------------------------------------------------------------


def http_codecs() -> dict[str, HttpCodec]:
    codecs = {name: codec_of(name) for name in vendor_names()}
    return {name: codec for name, codec in codecs.items() if isinstance(codec, HttpCodec)}


@pytest.mark.parametrize("vendor", http_codecs())
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (whole(HTML), ("html_page", False)),
        (whole(HTML, 502), ("html_page", True)),
        (whole(HTML, 403), ("html_page", False)),
        (whole(b"\xff\xfe\x00garbage\x80"), ("invalid_utf8", False)),
        (whole(OK[:40]), ("malformed", False)),
        (whole(b""), ("malformed", False)),
        (whole(b"", 307, location="http://169.254.169.254/"), ("not_found", False)),
        (whole(b'{"object": "list", "data": []}'), ("mismatched", False)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_wrong_answer_is_named__by_every_vendor(vendor: str, reply: bytes, expected: tuple[FailureReason, bool]):
    failure = understood(sent(says(reply)), http_codecs()[vendor])
    assert (failure.failure_reason, failure.retryable) == expected


@pytest.mark.parametrize("vendor", http_codecs())
@pytest.mark.parametrize("other", FORMATS)
def test_another_apis_answer_is_mismatched__each_against_each(vendor: str, other: str):
    body = json.dumps(FORMATS[other].reply(Spoken("hi", "m", 1, 3, 4))).encode()
    result = http_codecs()[vendor].parse(200, {}, body)
    if vendor == other:
        assert isinstance(result, Answer)
        return
    assert isinstance(result, CallFailure)
    assert (result.failure_reason, result.retryable) == ("mismatched", False)


# --- addresses -------------------------------------------------------------------------------------------------------

PUBLIC = "93.184.215.14"


def answering(monkeypatch: pytest.MonkeyPatch, *lookups: list[str]) -> list[str]:
    """Let the system's resolver give other addresses with each lookup; returns the hosts it is asked for."""
    asked_for: list[str] = []
    left = [*lookups]

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked_for.append(host)
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [_entry(address, port) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked_for


def _entry(address: str, port: int) -> Any:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)


@pytest.mark.parametrize(
    "private",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["fd00:ec2::254"],
        [PUBLIC, "127.0.0.1"],
    ],
)
def test_a_name_that_changes_its_mind_is_refused__public_when_registered(
    private: list[str], monkeypatch: pytest.MonkeyPatch
):
    asked_for = answering(monkeypatch, [PUBLIC], private)
    check_base_url("https://provider.example.com/v1", allow_private=False)

    async def run() -> HttpReply | CallFailure:
        async with HttpxTransport(1, allow_private=False) as transport:
            return await transport.send(asked("https://provider.example.com/v1"), 5.0)

    failure = understood(asyncio.run(run()))
    assert (failure.failure_reason, failure.retryable) == ("not_found", False)
    assert "private" in failure.detail
    assert set(asked_for) == {"provider.example.com"}
    assert len(asked_for) == 2


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "0x7f.1",
    ],
)
def test_an_address_in_place_of_a_name_is_refused__any_spelling(host: str):
    seen = Seen()

    async def run() -> HttpReply | CallFailure:
        async with spoken(says(whole(OK)), seen) as url, HttpxTransport(1, allow_private=False) as transport:
            return await transport.send(asked(url.replace("127.0.0.1", host)), 5.0)

    failure = understood(asyncio.run(run()))
    assert (failure.failure_reason, failure.retryable) == ("not_found", False)
    assert "private" in failure.detail
    assert seen.requests == 0


def test_a_redirect_into_a_private_network_is_not_followed__status_302():
    target = Seen()

    async def run() -> HttpReply | CallFailure:
        async with (
            spoken(says(whole(OK)), target) as inner,
            spoken(says(whole(b"", 302, location=f"{inner}/x")), Seen()) as url,
            HttpxTransport(1, allow_private=True) as transport,
        ):
            return await transport.send(asked(url), 5.0)

    assert reason(asyncio.run(run())) == ("not_found", False)
    assert target.requests == 0
