"""A loopback server that records requests and answers what it is told, and our own way of sending to it.

A vendor's SDK and our codec send the same question to it; what it recorded of both is then compared.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from abtest.adapters.http import HttpxTransport
from abtest.providers.model import CallFailure, HttpReply, HttpRequest


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it came over the wire: `path` still percent-encoded, header names in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class GivenReply:
    """What the server answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


class RecordingServer:
    """What a test sees of the server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[RecordedRequest] = []
        self._reply = GivenReply()

    def answers(self, body: Any, status: int = 200, **headers: str) -> None:
        """Answer every request from now on so.

        Args:
            body: bytes as they are, anything else as JSON.
            headers: names with `_` for `-`.
        """
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._reply = GivenReply(status, raw, {"content-type": "application/json", **named})

    def take(self) -> RecordedRequest:
        """Return the one request that came since the last time, and forget it."""
        assert len(self.requests) == 1, [f"{request.method} {request.path}" for request in self.requests]
        return self.requests.pop()

    def record(self, request: RecordedRequest) -> GivenReply:
        """Keep a request and return what to answer."""
        self.requests.append(request)
        return self._reply


@contextmanager
def recording_server() -> Iterator[RecordingServer]:
    """Have a server on a free loopback port for as long as the block lasts."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server = RecordingServer(http.server_address[1])
    http.recorder = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    """Answers every method alike; each connection serves one request, so that none is left open."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        request = RecordedRequest(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        reply = self.server.recorder.record(request)  # type: ignore[attr-defined]
        self.close_connection = True
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-length": str(len(reply.body)), "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def sent_by_us(request: HttpRequest, timeout_s: float = 10.0) -> HttpReply | CallFailure:
    """Send a codec's request as a worker does, and return what came back."""

    async def exchange() -> HttpReply | CallFailure:
        async with HttpxTransport(2, allow_private=True) as transport:
            return await transport.send(request, timeout_s)

    return asyncio.run(exchange())
