"""Which addresses the command line speaks to: HTTPS anywhere, plain HTTP on this machine only.

Depends on: nothing. Used by: `client`, `sign_in`, `commands.login`.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from abtest.core.errors import InputIssue
from abtest_cli.errors import UsageError


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine: `localhost` or a loopback number."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(url: str, what: str) -> str:
    """Return an address without its closing slash.

    Args:
        url: as a person or a server gave it.
        what: what it is, for the message: `--url`.

    Raises:
        UsageError: it is neither HTTPS nor on this machine, so passwords and prompts would travel in the clear.
    """
    parts = urlsplit(url.strip())
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))):
        return url.strip().rstrip("/")
    issue = InputIssue(what, "this address is not used", url, "https://..., or http:// on this machine (127.0.0.1)")
    raise UsageError("The address cannot be used.", [issue])
