"""Sends HTTP requests to providers: the interface of httpx over the connection pool of aiohttp.

httpx's own pool costs time quadratic in its connections, so a hundred calls in flight would keep a processor busy; over
aiohttp they cost a third of a millisecond each. Addresses are checked twice: when a base URL is registered, and again
whenever a connection is made, because a name may resolve differently by then.

Depends on: httpx, httpx-aiohttp, aiohttp. Used by: `functions/call_provider`; the API checks base URLs with it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

from abtest import __version__
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.providers.model import CallFailure, HttpReply, HttpRequest

LONGEST_BODY_BYTES = 8 * 1024 * 1024
_CONNECT_TIMEOUT_S = 10.0
# Shorter than the idle limits of common load balancers (60 s), which else close a connection as it is used again.
_KEEP_ALIVE_S = 20.0
_HEADERS = {"user-agent": f"abtest/{__version__}", "accept-encoding": "gzip, deflate"}
_TRANSLATORS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_FORBIDDEN = "resolves to a private, loopback, link-local or reserved address, which providers may not have here"

Resolve = Callable[[str, int], Iterable[str]]
"""Returns the addresses of a host name and a port; raises OSError when it has none."""


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
    """

    def __init__(self, max_connections: int, *, allow_private: bool) -> None:
        self._max_connections = max_connections
        self._allow_private = allow_private
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
            request: sent as it is; redirects are not followed.
            timeout_s: for the whole exchange, from connecting to the last byte.
        """
        if self._transport is None:
            raise RuntimeError("HttpxTransport is used outside of its `async with` block")
        if not all(value.isascii() and value.isprintable() for value in request.headers.values()):
            return CallFailure(
                failure_reason="auth",
                retryable=False,
                detail="nothing was sent: the key holds characters that an HTTP header cannot",
            )
        try:
            url = _parsed(request.url)
            if url.scheme not in ("http", "https") or not url.host:
                return _invalid_url()
            if not self._allow_private and _is_forbidden_literal(url.host):
                return _forbidden()
            async with asyncio.timeout(timeout_s):
                return await _exchange(self._transport, request, timeout_s)
        except TimeoutError:
            return _timed_out(f"no answer within {timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            return _classified(error)

    def _session(self, context: ssl.SSLContext) -> aiohttp.ClientSession:
        resolver = aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            limit=self._max_connections,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=context,
            resolver=resolver if self._allow_private else _PublicResolver(resolver),
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


async def _exchange(
    transport: httpx.AsyncBaseTransport, request: HttpRequest, timeout_s: float
) -> HttpReply | CallFailure:
    # Straight to the transport: what httpx's client adds (cookies, redirects, sign-in flows, defaults from the
    # environment) is not wanted here, and takes as long as the exchange itself.
    timeout = {"connect": min(timeout_s, _CONNECT_TIMEOUT_S), "read": timeout_s, "pool": timeout_s}
    sent = httpx.Request(
        request.method,
        _parsed(request.url),
        headers={**_HEADERS, **request.headers},
        content=request.body,
        extensions={"timeout": timeout},
    )
    response = await transport.handle_async_request(sent)
    try:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > LONGEST_BODY_BYTES:
                return _too_long(response.status_code)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}
        return HttpReply(status=response.status_code, headers=headers, body=b"".join(chunks))
    finally:
        await response.aclose()


_parsed = lru_cache(maxsize=64)(httpx.URL)
"""Parsed URLs; a worker sees a few addresses, ever again."""


class _ForbiddenAddressError(OSError):
    """A host name resolves to an address that providers may not have."""


class _PublicResolver(AbstractResolver):
    """Resolves names, and refuses those that lead into a private network."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._inner.resolve(host, port, family)
        if any(_is_forbidden(result["host"]) for result in results):
            raise _ForbiddenAddressError(_FORBIDDEN)
        return results

    async def close(self) -> None:
        await self._inner.close()


def check_base_url(url: str, *, allow_private: bool, resolve: Resolve | None = None) -> None:
    """Return when a provider may live at a base URL.

    Args:
        url: as the person wrote it.
        allow_private: whether private and loopback addresses, and plain http, are allowed; only locally.
        resolve: looks a name up; the system's resolver if None.

    Raises:
        InvalidInputError: it may not; the one issue says why and what is allowed.
    """
    issue = _shape_issue(url)
    if issue is None and not allow_private:
        issue = _address_issue(urlsplit(url), resolve or _system_resolve)
    if issue is not None:
        raise InvalidInputError(issue.sentence(), [issue])


def _shape_issue(url: str) -> InputIssue | None:
    allowed = "an address such as https://api.openai.com/v1"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return InputIssue("base_url", "this is no URL", url[:80], allowed)
    if parts.username is not None or parts.password is not None:
        # What was found is not repeated: it may be a password.
        return InputIssue("base_url", "a URL must not hold credentials", None, "the key as a secret: secret_name")
    if not valid:
        return InputIssue("base_url", "this is no http or https URL with a host", url[:80], allowed)
    if parts.query or parts.fragment:
        return InputIssue("base_url", "a base URL has neither query nor fragment", url[:80], allowed)
    return None


def _address_issue(parts: SplitResult, resolve: Resolve) -> InputIssue | None:
    host = parts.hostname or ""
    if parts.scheme != "https":
        return InputIssue("base_url", "keys and prompts would travel unencrypted", parts.scheme, "https")
    try:
        addresses = list(resolve(host, parts.port or 443))
    except (OSError, UnicodeError):
        return InputIssue("base_url", "the host's name does not resolve", host[:80], "a name that public DNS knows")
    if not addresses or any(_is_forbidden(address) for address in addresses):
        return InputIssue("base_url", f"the host {_FORBIDDEN}", host[:80], "a public address")
    return None


def _system_resolve(host: str, port: int) -> Iterable[str]:
    return {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}


def _is_forbidden(address: str) -> bool:
    """Return whether an address leads, directly or through a translation, to anything but the public internet."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is not None:
            return _is_forbidden(str(inner))
        if any(parsed in network for network in _TRANSLATORS):
            return _is_forbidden(str(ipaddress.IPv4Address(parsed.packed[-4:])))
    return not parsed.is_global or parsed.is_multicast or parsed.is_reserved


def _is_forbidden_literal(host: str) -> bool:
    """Return whether a host is an address, which no resolver ever sees, and a forbidden one."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return _is_forbidden(host)


def _too_long(status: int) -> CallFailure:
    detail = f"the body is longer than {LONGEST_BODY_BYTES // 1024**2} MB"
    return CallFailure(failure_reason="malformed", retryable=False, status=status, detail=detail)


def _forbidden() -> CallFailure:
    # As wrong as a wrong path: no other call of the batch can do better.
    return CallFailure(failure_reason="not_found", retryable=False, detail=f"the host {_FORBIDDEN}")


def _invalid_url() -> CallFailure:
    return CallFailure(failure_reason="not_found", retryable=False, detail="the base URL is not valid")


def _timed_out(detail: str) -> CallFailure:
    return CallFailure(failure_reason="timeout", retryable=True, detail=detail)


_CONNECTION_DETAILS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError),
        "TLS: the server's certificate is not trusted or the handshake failed",
    ),
    ((aiohttp.ClientConnectorDNSError,), "the host's name does not resolve"),
    ((aiohttp.ClientConnectorError,), "no connection could be made"),
)


def _classified(error: BaseException) -> CallFailure:
    """Return a failure for what httpx or aiohttp raised; kinds are named, texts are not: they may hold the URL."""
    causes = list(_chain(error))
    if any(isinstance(cause, _ForbiddenAddressError) for cause in causes):
        return _forbidden()
    # The bridge calls a closed connection a time-out; the innermost cause knows better.
    original = next((cause for cause in causes if isinstance(cause, aiohttp.ClientError)), error)
    if isinstance(original, TimeoutError | httpx.TimeoutException):
        return _timed_out("the connection timed out")
    if isinstance(original, httpx.InvalidURL | httpx.UnsupportedProtocol | aiohttp.InvalidURL):
        return _invalid_url()
    if isinstance(original, httpx.DecodingError):
        return CallFailure(failure_reason="malformed", retryable=False, detail="the body cannot be decompressed")
    broke = "the connection broke before the answer was complete"
    detail = next((detail for kinds, detail in _CONNECTION_DETAILS if isinstance(original, kinds)), broke)
    return CallFailure(failure_reason="connection", retryable=True, detail=detail)


def _chain(error: BaseException) -> Iterable[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
