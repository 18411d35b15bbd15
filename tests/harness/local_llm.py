"""The bundled LLM behind the server of llama.cpp, as the local stack starts it, for tests that need a real model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abtest_cli.local.llm import model_file
from harness.llmock_server import wait_until_ready
from harness.platform import free_port

MODEL = "smollm2"


@contextmanager
def local_llm(folder: Path) -> Iterator[str]:
    """Have the model served on a free loopback port for as long as the block lasts; yields the base URL with `/v1`.

    Args:
        folder: gets the server's log.
    """
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "abtest_cli.local.llm_server", "--port", str(port)]
    command += ["--model", str(model_file()), "--alias", MODEL]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(20)
