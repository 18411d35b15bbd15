"""The embedded AWS: stock MiniStack as a child process on loopback.

Nothing of it is patched; what makes it fit are its documented variables. Its state lives in memory and in a private
TMPDIR and is meant to be thrown away.

Source: ministack 1.5.33, `app.py` (start, health), `core/iam_evaluator.py` (the key `test` is the account's root).
Depends on: `processes`, `probes`. Used by: `stack`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from abtest_cli.local.errors import EmulatorError
from abtest_cli.local.options import ACCOUNT, HOST, REGION, HomePaths
from abtest_cli.local.probes import tail, wait_until_ready
from abtest_cli.local.processes import Mark, spawn
from abtest_cli.local.state import ProcessRecord

ROLE = "emulator"
_READY_TIMEOUT_S = 60.0
# A worker may sit idle as long as a person thinks: a day.
_WARM_TTL_S = 86_400


def endpoint_url(port: int) -> str:
    """Return the endpoint of every embedded service."""
    return f"http://{HOST}:{port}"


def health_url(port: int) -> str:
    """Return the address that answers 200 when the embedded AWS runs."""
    return f"{endpoint_url(port)}/_ministack/health"


def environment(mark: Mark, port: int, auth: bool) -> dict[str, str]:
    """Return the variables of the embedded AWS; its Lambda workers inherit them.

    Args:
        mark: what its processes carry.
        port: where it listens.
        auth: whether IAM is enforced.
    """
    files = mark.temporary
    return mark.environment(
        {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AUTH": "true" if auth else "false",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_WARM_TTL_SECONDS": str(_WARM_TTL_S),
            "STATE_DIR": str(files / "state"),
            "S3_DATA_DIR": str(files / "s3"),
            # It would look for containers of other emulators on the user's Docker and remove them.
            "DOCKER_HOST": f"unix://{files}/no-docker.sock",
            # Batches run beside each other in processes; a thread pool in each would only fight over the cores.
            "OPENBLAS_NUM_THREADS": "1",
        }
    )


def start(mark: Mark, port: int, auth: bool) -> ProcessRecord:
    """Start the embedded AWS.

    Args:
        mark: what its processes carry.
        port: where it listens.
        auth: whether IAM is enforced.
    """
    return spawn(
        ROLE,
        [sys.executable, "-m", "ministack"],
        environment(mark, port, auth),
        log_path(mark.home),
        mark.temporary,
    )


def log_path(home: Path) -> Path:
    """Return the file with what the embedded AWS printed."""
    return HomePaths(home).logs / "emulator.log"


def wait(record: ProcessRecord, home: Path, port: int, cancelled: threading.Event) -> None:
    """Wait until the embedded AWS answers.

    Args:
        record: its process.
        home: folder of the stack.
        port: where it listens.
        cancelled: set when the start is given up.

    Raises:
        EmulatorError: it ended or did not answer in time; the last lines it printed are in the message.
    """
    problem = wait_until_ready(health_url(port), record, _READY_TIMEOUT_S, cancelled)
    if problem:
        log = log_path(home)
        raise EmulatorError(
            f"The embedded AWS (MiniStack on port {port}) {problem}. Its last lines, from {log}:\n{tail(log)}\n"
            "Run `abtest doctor`; if the port was taken meanwhile, choose another one with --port."
        )
