"""Where a provider may live: the check of a base URL when it is registered, and of an address when it is connected to.

Outside of the local environment a provider has a public address and speaks HTTPS. A name is looked up twice, because
it may resolve differently by the time a connection is made; see `abtest.adapters.http` for the second time.

Depends on: nothing but `abtest.core`. Used by: `abtest.adapters.http`; the API checks base URLs with it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import SplitResult, urlsplit

from abtest.core.errors import InputIssue, InvalidInputError

FORBIDDEN = "resolves to a private, loopback, link-local or reserved address, which providers may not have here"
"""What to say of a host; the host stands before it."""

Resolve = Callable[[str, int], Iterable[str]]
"""Returns the addresses of a host name and a port; raises OSError when it has none."""

_TRANSLATORS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


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


def is_forbidden(address: str) -> bool:
    """Return whether an address leads, directly or through a translation, to anything but the public internet."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is not None:
            return is_forbidden(str(inner))
        if any(parsed in network for network in _TRANSLATORS):
            return is_forbidden(str(ipaddress.IPv4Address(parsed.packed[-4:])))
    return not parsed.is_global or parsed.is_multicast or parsed.is_reserved


def is_forbidden_literal(host: str) -> bool:
    """Return whether a host of a URL is an address, which no resolver ever sees, and a forbidden one.

    Short spellings such as `127.1` and `2130706433` are addresses as well, and forbidden whatever they lead to.
    """
    looks_like_an_address = ":" in host or host.replace(".", "").isdigit()
    return looks_like_an_address and is_forbidden(host)


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
    if not addresses or any(is_forbidden(address) for address in addresses):
        return InputIssue("base_url", f"the host {FORBIDDEN}", host[:80], "a public address")
    return None


def _system_resolve(host: str, port: int) -> Iterable[str]:
    return {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
