"""Starting, finding and ending the processes of the local stack, and no others.

Each process we start carries the home and the instance in its environment, and so do the workers it starts. That
mark finds them when no file does: after a crash, after `kill -9`, with a broken state file.

Depends on: psutil. Used by: `ministack`, `llm`, `synthesis`, `teardown`, `health`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from abtest_cli.local.errors import PortInUseError
from abtest_cli.local.options import HOST
from abtest_cli.local.state import ProcessRecord

MARK_HOME = "ABTEST_LOCAL_HOME"
MARK_INSTANCE = "ABTEST_LOCAL_INSTANCE"

# An allow-list: what is not named here stays outside. The user's AWS profile, proxies (the embedded AWS is on
# loopback) and settings meant for another emulator would change what the deployed functions do.
_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TERM", "SYSTEMROOT"),
        *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "LD_LIBRARY_PATH"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "NIX_SSL_CERT_FILE"),
    }
)
_KEPT_PREFIXES = ("LC_", "OPENBLAS_", "OMP_", "MKL_", "DYLD_", "GGML_", "XDG_", "UV_", "COVERAGE_")

# Held so that the end of one of them is noticed and no warning tells of a process left behind on purpose.
_started: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Mark:
    """What tells our processes from all others.

    Args:
        home: folder of the stack.
        instance: identifier of one start.
        temporary: TMPDIR of that instance.
    """

    home: Path
    instance: str
    temporary: Path

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a clean, marked environment for a child.

        Args:
            extra: variables on top.
        """
        kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
        mark = {MARK_HOME: str(self.home), MARK_INSTANCE: self.instance, "TMPDIR": str(self.temporary)}
        return {**kept, "PYTHONUNBUFFERED": "1", **mark, **(extra or {})}


def spawn(role: str, command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path) -> ProcessRecord:
    """Start a process that outlives the command, in its own session, so that a terminal's Ctrl-C is not sent to it.

    Args:
        role: what it is for.
        command: program and arguments.
        environment: from `Mark.environment`.
        log: file for what it prints; started anew.
        folder: its working folder.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started[child.pid] = child
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.Error:
        started = time.time()
    return ProcessRecord(role=role, pid=child.pid, create_time=started)


def wait_for_exit(record: ProcessRecord, timeout_s: float, cancelled: threading.Event) -> int | None:
    """Wait for a child that ends by itself.

    Args:
        record: a child that `spawn` started in this process.
        timeout_s: when to end it by force.
        cancelled: set when the whole start is given up; ends it by force too.

    Returns:
        Its exit code; None when it was ended by force.
    """
    child = _started[record.pid]
    deadline = time.monotonic() + timeout_s
    while child.poll() is None:
        if time.monotonic() > deadline or cancelled.is_set():
            process = record.process()
            stop([process] if process else [])
            return None
        cancelled.wait(0.05)
    _started.pop(record.pid, None)
    return child.returncode


def find(home: Path, instance: str | None = None) -> list[psutil.Process]:
    """Return the running processes that carry the mark of a home.

    Args:
        home: folder of the stack.
        instance: only those of one start; None for all.
    """
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if environment.get(MARK_HOME) != str(home) or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if instance is None or environment.get(MARK_INSTANCE) == instance:
                found.append(process)
    return found


def stop(processes: Iterable[psutil.Process], grace_s: float = 1.0) -> int:
    """End processes and everything they started: first asked, then forced.

    Args:
        processes: the ones to end; psutil refuses to signal a process whose id was given out again.
        grace_s: how long they may take after being asked.

    Returns:
        How many ended.
    """
    family: dict[int, psutil.Process] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            family |= {child.pid: child for child in (process, *process.children(recursive=True))}
    for process in family.values():
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in _still_running(family.values(), grace_s):
        with contextlib.suppress(psutil.Error):
            process.kill()
    _still_running(family.values(), grace_s)
    for pid in [pid for pid, child in _started.items() if pid in family or child.poll() is not None]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            _started.pop(pid).wait(timeout=grace_s)
    return len(family)


def _still_running(family: Iterable[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    # Not psutil.wait_procs: it also waits for dead processes that their parent has not collected yet, and the parent
    # may be busy or be nobody.
    alive = list(family)
    deadline = time.monotonic() + timeout_s
    while True:
        alive = [process for process in alive if _runs(process)]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def listener(port: int) -> psutil.Process | None:
    """Return the process that listens on a local port, or None when nobody does or it may not be known."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return psutil.Process(connection.pid) if connection.pid else None
    return None


def port_is_taken(port: int) -> bool:
    """Return whether anybody listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def require_free_port(port: int, purpose: str, option: str) -> None:
    """Refuse to go on when a port is taken.

    Args:
        port: the port.
        purpose: what it is for, as the person reads it.
        option: the command-line option that chooses another one.

    Raises:
        PortInUseError: somebody listens there; names the process when the system tells.
    """
    if not port_is_taken(port):
        return
    process = listener(port)
    if process is None:
        who, home = "another process (it may belong to another user)", None
    else:
        who, home = f"process {process.pid}", None
        with contextlib.suppress(psutil.Error, OSError):
            who = f"{process.name()!r} (process {process.pid})"
            home = process.environ().get(MARK_HOME)
    if home:
        out = f"It is a local stack of {home}: stop it with `ABTEST_HOME={home} abtest down`"
    else:
        out = "It is not a local stack of ours: end that process"
    raise PortInUseError(
        f"Port {port}, needed for {purpose}, is taken by {who}. {out}, or choose another port with {option}.",
        details={"port": port, "pid": process.pid if process else None, "home": home},
    )
