"""`llmock`, somebody else's stand-in for the vendors, as a process: it fails as told and judges how its client retried.

Its control routes, read in its source (0.2.2): `POST /_llmock/scenario` queues behaviours, `GET /_llmock/requests` is
the journal, `GET /_llmock/verdict` judges it, `POST /_llmock/reset` forgets both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from harness.platform import free_port

_READY_S = 30.0


class LlmockServer:
    """The server as a test sees it.

    Args:
        url: without a vendor's path.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=15)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def behave(self, *behaviours: dict[str, Any]) -> None:
        """Forget everything, then queue behaviours; each request takes the first that suits it."""
        self._http.post("/_llmock/reset").raise_for_status()
        if behaviours:
            self._http.post("/_llmock/scenario", json={"behaviors": behaviours}).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """Return the journal, once nothing is in flight."""
        return list(self._http.get("/_llmock/requests").json()["requests"])

    def verdict(self) -> dict[str, Any]:
        """Return what the server says of its client."""
        return dict(self._http.get("/_llmock/verdict").json())


@contextmanager
def llmock_server(log: Path) -> Iterator[LlmockServer]:
    """Have a server on a free port for as long as the block lasts.

    Args:
        log: takes what it prints.
    """
    port = free_port()
    program = Path(sys.executable).with_name("llmock")
    command = [str(program), "serve", "-p", str(port), "--log-level", "warning", "--response-style", "echo"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMOCK_")}
    server = LlmockServer(f"http://127.0.0.1:{port}")
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            wait_until_ready(f"{server.url}/health", process, log)
            yield server
        finally:
            server.close()
            process.terminate()
            process.wait(10)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once an address answers 200.

    Args:
        process: that is to answer.
        log: its output, for the message when it does not.
    """
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    output = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise AssertionError(f"{url} did not answer within {_READY_S:g} s:\n{output}")
