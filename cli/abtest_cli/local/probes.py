"""Waiting for a child process until it answers over HTTP, and noticing when it dies instead.

Depends on: httpx. Used by: `ministack`, `llm`, `health`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx

from abtest_cli.local.errors import LocalStackError
from abtest_cli.local.state import ProcessRecord

_POLL_S = 0.05


class StartCancelledError(LocalStackError):
    """The start was given up while a part of it was still under way."""

    code = "local_start_cancelled"


def answers(url: str, timeout_s: float = 2.0) -> bool:
    """Return whether a GET is answered with 200, whatever proxies the user's environment names."""
    try:
        with httpx.Client(trust_env=False, timeout=timeout_s) as client:
            return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, or a note that there are none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        text = ""
    return "\n".join(text.splitlines()[-lines:]) or "(it printed nothing)"


def wait_until_ready(url: str, record: ProcessRecord, timeout_s: float, cancelled: threading.Event) -> str | None:
    """Wait until a process answers.

    Args:
        url: answered with 200 once it is ready.
        record: the process.
        timeout_s: when to give up.
        cancelled: set when the whole start is given up.

    Returns:
        None when it is ready; otherwise what happened, to be completed by the caller.

    Raises:
        StartCancelledError: `cancelled` was set.
    """
    deadline = time.monotonic() + timeout_s
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        while time.monotonic() < deadline:
            if cancelled.is_set():
                raise StartCancelledError("The start was given up.")
            try:
                if client.get(url).status_code == 200:
                    return None
            except httpx.HTTPError:
                pass
            if record.process() is None:
                return "ended before it was ready"
            cancelled.wait(_POLL_S)
    return f"was not ready within {timeout_s:.0f} s"
