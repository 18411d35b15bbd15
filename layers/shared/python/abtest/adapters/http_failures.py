"""Names what went wrong with an exchange over HTTP, out of what httpx and aiohttp raise.

Kinds are named, texts of errors are not shown: they may hold the URL.

Depends on: httpx, aiohttp, `abtest.adapters.addresses`. Used by: `abtest.adapters.http`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

import aiohttp
import httpx

from abtest.adapters.addresses import FORBIDDEN
from abtest.providers.model import CallFailure

_BROKEN_TLS = "TLS: no secure connection could be agreed on; maybe the server speaks plain HTTP there"
# OpenSSL's numbers of what is wrong with a certificate (x509_vfy.h).
_CERTIFICATE_PROBLEMS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself",
    19: "its chain ends with an authority that is not trusted",
    20: "it was signed by nobody who is trusted",
    62: "it is for another host",
    64: "it is for another address",
}


class ForbiddenAddressError(OSError):
    """A host leads to an address that providers may not have."""


def classified(error: BaseException) -> CallFailure:
    """Return the failure for what httpx or aiohttp raised."""
    causes = list(_chain(error))
    if any(isinstance(cause, ForbiddenAddressError) for cause in causes):
        # As wrong as a wrong path: no other call of the batch can do better.
        return CallFailure(failure_reason="not_found", retryable=False, detail=f"the host {FORBIDDEN}")
    # The bridge calls a closed connection a time-out; the innermost cause knows better.
    original = next((cause for cause in causes if isinstance(cause, aiohttp.ClientError)), error)
    if isinstance(original, aiohttp.ConnectionTimeoutError):
        return timed_out("no connection could be made in time")
    if isinstance(original, TimeoutError | httpx.TimeoutException):
        return timed_out("the connection timed out")
    if isinstance(original, httpx.InvalidURL | httpx.UnsupportedProtocol | aiohttp.InvalidURL):
        return invalid_url()
    return _tls_failure(original, causes) or _connection_failure(original)


def invalid_url() -> CallFailure:
    """Return the failure of an address that is none."""
    return CallFailure(failure_reason="not_found", retryable=False, detail="the base URL is not valid")


def timed_out(detail: str, status: int | None = None) -> CallFailure:
    """Return the failure of an exchange that took too long."""
    return CallFailure(failure_reason="timeout", retryable=True, status=status, detail=detail)


def _tls_failure(original: BaseException, causes: Iterable[BaseException]) -> CallFailure | None:
    if not isinstance(original, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return None
    # aiohttp's own certificate error poses as one of ssl's, without what that one knows.
    broken = next((c for c in causes if isinstance(c, ssl.SSLError) and not isinstance(c, aiohttp.ClientError)), None)
    if isinstance(broken, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        # The other side hung up; it may not the next time.
        return _connection_failure(original)
    detail = _BROKEN_TLS
    if isinstance(broken, ssl.SSLCertVerificationError):
        problem = _CERTIFICATE_PROBLEMS.get(broken.verify_code, f"OpenSSL's problem {broken.verify_code}")
        detail = f"TLS: the server's certificate is not trusted: {problem}"
    return CallFailure(failure_reason="tls", retryable=False, detail=detail)


def _connection_failure(original: BaseException) -> CallFailure:
    detail = "the connection broke before the answer was complete"
    if isinstance(original, aiohttp.ClientConnectorDNSError):
        detail = "the host's name does not resolve"
    elif isinstance(original, aiohttp.ClientConnectorError):
        detail = "no connection could be made"
    elif isinstance(original, aiohttp.ClientResponseError):
        detail = "what answers there speaks no HTTP"
    return CallFailure(failure_reason="connection", retryable=True, detail=detail)


def _chain(error: BaseException) -> Iterable[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
