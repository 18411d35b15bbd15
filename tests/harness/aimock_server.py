"""`aimock`, somebody else's stand-in for the vendors, from npm, as a process: answers from fixtures, chaos on demand.

Its control routes, read in its source (1.43.0): `POST /__aimock/chaos` sets the rates of faults in the place of those
before, `DELETE` clears them, `GET /__aimock/journal` lists requests, `POST /__aimock/reset/journal` forgets them; a
plain `/__aimock/reset` would forget the fixtures as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.llmock_server import wait_until_ready
from harness.platform import REPOSITORY, free_port

sys.path.insert(0, str(REPOSITORY))

from infra.node import prepare_node
from infra.paths import BUILD

PACKAGE = "@copilotkit/aimock@1.43.0"
REQUIRE = "ABTEST_REQUIRE_NPM"


class AimockServer:
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

    def behave(self, **rates: float) -> None:
        """Forget every request, then set the rates of faults; none clears them."""
        self._http.post("/__aimock/reset/journal").raise_for_status()
        self.calm()
        if rates:
            self._http.post("/__aimock/chaos", json=rates).raise_for_status()

    def calm(self) -> None:
        """Clear the rates of faults."""
        self._http.delete("/__aimock/chaos").raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """Return the journal: requests that got a response."""
        return list(self._http.get("/__aimock/journal").json())


def installed(cache: Path) -> Path:
    """Return the server's program, installed from npm once a checkout; skips the test where npm cannot.

    Args:
        cache: a folder for npm's downloads, so that none is left elsewhere.
    """
    home = BUILD / "npm" / PACKAGE.replace("/", "+")
    program = home / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    if program.is_file():
        return program
    home.mkdir(parents=True, exist_ok=True)
    flags = ["--no-audit", "--no-fund", "--no-save", "--cache", str(cache), "--prefix", str(home)]
    command = [*npm(), "install", *flags, PACKAGE]
    try:
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=180, check=False)
        problem = None if done.returncode == 0 else done.stderr.strip()[-500:]
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem is None:
        return program
    message = f"npm could not install {PACKAGE}: {problem}"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(message)
    pytest.skip(f"{message} ({REQUIRE}=1 makes this a failure)")


def node() -> Path:
    """Return the node that comes as a Python package; else the machine's."""
    prepare_node()
    return Path(os.environ.get("JSII_NODE") or shutil.which("node") or "node")


def npm() -> list[str]:
    """Return the npm beside that node; else the machine's."""
    packaged = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node()), str(packaged)] if packaged.is_file() else ["npm"]


@contextmanager
def aimock_server(program: Path, folder: Path, fixtures: list[dict[str, Any]]) -> Iterator[AimockServer]:
    """Have a server on a free port for as long as the block lasts.

    Args:
        program: from `installed`.
        folder: for its fixtures and its log.
        fixtures: what it answers to what.
    """
    written, log = folder / "fixtures.json", folder / "aimock.log"
    written.write_text(json.dumps({"fixtures": fixtures}), encoding="utf-8")
    port = free_port()
    command = [str(node()), str(program), "-p", str(port), "-f", str(written), "--log-level", "warn"]
    environment = {**os.environ, "NODE_DISABLE_COMPILE_CACHE": "1"}
    server = AimockServer(f"http://127.0.0.1:{port}")
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            wait_until_ready(f"{server.url}/health", process, log)
            yield server
        finally:
            server.close()
            process.terminate()
            process.wait(10)
