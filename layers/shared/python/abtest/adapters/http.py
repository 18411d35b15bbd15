"""Sends HTTP requests to providers: the interface of httpx over the connection pool of aiohttp.

httpx's own pool costs time quadratic in its connections, so a hundred calls in flight would keep a processor busy; over
aiohttp they cost a third of a millisecond each. Addresses are checked twice: when a base URL is registered, and again
whenever a connection is made, because a name may resolve differently by then.

Depends on: httpx, httpx-aiohttp, aiohttp, `abtest.adapters` (addresses, bodies, http_failures, signing).
Used by: wiring.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from abtest import __version__
from abtest.adapters.addresses import FORBIDDEN, is_forbidden, is_forbidden_literal
from abtest.adapters.bodies import ACCEPTED_ENCODINGS, BodyEncodingError, BodyTooLargeError, read_body
from abtest.adapters.http_failures import ForbiddenAddressError, classified, invalid_url, timed_out
from abtest.contracts.records import FailureReason
from abtest.providers.model import CallFailure, HttpReply, HttpRequest

if TYPE_CHECKING:
    from abtest.adapters.signing import AwsSigner

LONGEST_BODY_BYTES = 8 * 1024 * 1024
# Shorter than the idle limits of common load balancers (60 s), which else close a connection as it is used again.
_KEEP_ALIVE_S = 20.0
_HEADERS = {"user-agent": f"abtest/{__version__}", "accept-encoding": ACCEPTED_ENCODINGS}


@dataclass(frozen=True, slots=True)
class PhaseLimits:
    """Longest time of the phases before an answer; each call's own limit holds for its whole exchange.

    Args:
        connect_s: making one connection: TCP and TLS.
        pool_s: having a connection: waiting for a free one, looking the name up, making one.
    """

    connect_s: float = 10.0
    pool_s: float = 30.0


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the context of all connections; reading the certificates takes 20 ms, once a worker."""
    return httpx.create_ssl_context()


class HttpxTransport:
    """Implements the providers' `Transport`; an async context manager that lives in one event loop.

    Proxies of the environment are not used: behind one, the check of addresses would check nothing.

    Args:
        max_connections: most connections at the same time; at least the calls in flight.
        allow_private: whether a provider may live on a private or loopback address.
        limits: longest time of single phases.
        signer: signs requests to AWS; None makes one when it is needed.
        longest_body_bytes: a longer answer is not read to its end.
    """

    def __init__(
        self,
        max_connections: int,
        *,
        allow_private: bool,
        limits: PhaseLimits | None = None,
        signer: AwsSigner | None = None,
        longest_body_bytes: int = LONGEST_BODY_BYTES,
    ) -> None:
        self._max_connections = max_connections
        self._allow_private = allow_private
        self._limits = limits or PhaseLimits()
        self._signer = signer
        self._longest_body_bytes = longest_body_bytes
        self._transport: httpx.AsyncBaseTransport | None = None

    async def __aenter__(self) -> Self:
        context = _tls_context()
        self._transport = AiohttpTransport(verify=context, client=lambda: self._session(context))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpReply | CallFailure:
        """Return the reply, or why there is none.

        Args:
            request: sent as it is, signed where it asks for that; redirects are not followed.
            timeout_s: for the whole exchange, from connecting to the last byte.
        """
        if self._transport is None:
            raise RuntimeError("HttpxTransport is used outside of its `async with` block")
        exchange = _Exchange(self._transport, self._limits, timeout_s, self._longest_body_bytes)
        try:
            async with asyncio.timeout(timeout_s):
                signed = await self._signed(request)
                return signed if isinstance(signed, CallFailure) else await exchange.run(signed)
        except TimeoutError:
            return exchange.timed_out()
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            return classified(error)

    async def _signed(self, request: HttpRequest) -> HttpRequest | CallFailure:
        if request.signing is not None:
            if self._signer is None:
                # botocore is large, and most workers sign nothing.
                from abtest.adapters.signing import AwsSigner

                self._signer = AwsSigner()
            signed = await self._signer.signed(request, request.signing)
            if isinstance(signed, CallFailure):
                return signed
            request = signed
        if all(value.isascii() and value.isprintable() for value in request.headers.values()):
            return request
        detail = "nothing was sent: the key holds characters that an HTTP header cannot"
        return CallFailure(failure_reason="auth", retryable=False, detail=detail)

    def _session(self, context: ssl.SSLContext) -> aiohttp.ClientSession:
        resolver = aiohttp.ThreadedResolver()
        connector = _Connector(
            limit=self._max_connections,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=context,
            resolver=resolver if self._allow_private else _PublicResolver(resolver),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            middlewares=(_as_written if self._allow_private else _as_written_to_public_hosts,),
        )


class _Exchange:
    """One request and its reply; knows how far it got."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, limits: PhaseLimits, timeout_s: float, longest_body_bytes: int
    ) -> None:
        self._transport, self._limits, self._timeout_s = transport, limits, timeout_s
        self._longest_body_bytes = longest_body_bytes
        self._status: int | None = None

    async def run(self, request: HttpRequest) -> HttpReply | CallFailure:
        """Return the reply, or why its body is none."""
        url = _parsed(request.url)
        if url.scheme not in ("http", "https") or not url.host:
            return invalid_url()
        _URL_AS_WRITTEN.set(request.url)
        # Straight to the transport: what httpx's client adds (cookies, redirects, sign-in flows, defaults from the
        # environment) is not wanted here, and takes as long as the exchange itself.
        sent = httpx.Request(
            request.method,
            url,
            headers={**_HEADERS, **request.headers},
            content=request.body,
            extensions={"timeout": self._phases()},
        )
        response = await self._transport.handle_async_request(sent)
        self._status = response.status_code
        try:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}
            body = await _body(response, self._longest_body_bytes)
        finally:
            await response.aclose()
        return body if isinstance(body, CallFailure) else HttpReply(status=self._status, headers=headers, body=body)

    def timed_out(self) -> CallFailure:
        """Return the failure of an exchange whose time is over."""
        what = "no answer" if self._status is None else f"HTTP {self._status}, and not the whole answer,"
        return timed_out(f"{what} within {self._timeout_s:g} s", self._status)

    def _phases(self) -> dict[str, float]:
        whole_s = self._timeout_s
        connect_s, pool_s = min(whole_s, self._limits.connect_s), min(whole_s, self._limits.pool_s)
        return {"connect": connect_s, "read": whole_s, "pool": pool_s}


async def _body(response: httpx.Response, longest_bytes: int) -> bytes | CallFailure:
    status = response.status_code
    # Of an error the status tells enough, whatever its body is.
    is_error = status >= 300
    try:
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > longest_bytes:
            raise BodyTooLargeError
        encoding = response.headers.get("content-encoding", "")
        return await read_body(response.aiter_raw(), encoding, longest_bytes)
    except BodyTooLargeError:
        detail = f"the body is longer than {longest_bytes // 1024**2} MB"
        return b"" if is_error else _useless("too_large", status, detail)
    except BodyEncodingError as error:
        detail = f"the body is compressed, and {error}"
        return b"" if is_error else _useless("malformed", status, detail)


def _useless(reason: FailureReason, status: int, detail: str) -> CallFailure:
    # Not retried: a reply with status 200 may have been paid for.
    return CallFailure(failure_reason=reason, retryable=False, status=status, detail=f"HTTP {status}, {detail}")


_parsed = lru_cache(maxsize=64)(httpx.URL)
"""Parsed URLs; a worker sees a few addresses, ever again."""

_URL_AS_WRITTEN: ContextVar[str] = ContextVar("url_as_written")
"""The URL of the call that the present task makes."""


@lru_cache(maxsize=64)
def _unchanged(url: str) -> URL:
    return URL(str(httpx.URL(url)), encoded=True)


async def _as_written(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request with the path as its codec wrote it.

    aiohttp would undo escapes that it thinks needless, such as `%3A`; but a path is signed as it was written.
    """
    request.url = _unchanged(_URL_AS_WRITTEN.get())
    return await send(request)


async def _as_written_to_public_hosts(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Do so, and refuse addresses in place of names: no resolver ever sees them."""
    if is_forbidden_literal(_unchanged(_URL_AS_WRITTEN.get()).raw_host or ""):
        raise ForbiddenAddressError(FORBIDDEN)
    return await _as_written(request, send)


class _Connector(aiohttp.TCPConnector):
    """Never reuses a connection on which something came that nobody had asked for.

    The next call would take it for its answer: aiohttp only looks whether an idle connection is still open.
    """

    async def _get(self, *arguments: Any, **named: Any) -> aiohttp.connector.Connection | None:
        while (connection := await super()._get(*arguments, **named)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


class _PublicResolver(AbstractResolver):
    """Resolves names, and refuses those that lead into a private network."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._inner.resolve(host, port, family)
        if any(is_forbidden(result["host"]) for result in results):
            raise ForbiddenAddressError(FORBIDDEN)
        return results

    async def close(self) -> None:
        await self._inner.close()
