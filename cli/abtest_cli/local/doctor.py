"""The checks of `abtest doctor`: everything a start needs, each with what was found and how to put it right.

Depends on: `machine`, `processes`, `llm`, `synthesis`, `health`. Used by: `stack`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import psutil

from abtest_cli.local import health, llm, machine, processes, synthesis
from abtest_cli.local.errors import LocalStackError
from abtest_cli.local.model import Check
from abtest_cli.local.options import LocalOptions

_SYNC = "Install the local extras again: `make setup`."
_MINISTACK = "1.5.33"


def diagnose(options: LocalOptions) -> list[Check]:
    """Run every check; one that cannot be carried out is a failed check, never an exception.

    Args:
        options: the stack that is to be started.
    """
    checks: list[tuple[str, Callable[[LocalOptions], Check]]] = [
        ("Python", _python),
        ("uv", _uv),
        ("repository", _repository),
        ("Node.js", _node),
        ("CDK library", _cdk),
        ("embedded AWS", _emulator),
        ("LLM", _llm),
        ("disk", _disk),
        ("memory", _memory),
        ("home folder", _home),
        ("local stack", _stack),
        ("port", _port),
    ]
    return [_carry_out(name, check, options) for name, check in checks]


def _carry_out(name: str, check: Callable[[LocalOptions], Check], options: LocalOptions) -> Check:
    try:
        return check(options)
    except LocalStackError as error:
        return Check(name, False, error.message, "See the message.")
    except (OSError, ValueError, subprocess.SubprocessError, psutil.Error) as error:
        return Check(name, False, f"could not be checked: {type(error).__name__}: {error}", "See the message.")


def _python(_options: LocalOptions) -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Check("Python", fits, found, "" if fits else "Use Python 3.11, 3.12 or 3.13.")


def _uv(_options: LocalOptions) -> Check:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    return Check("uv", bool(found), found or "not found", "" if found else "Install uv: `pip install uv`.")


def _repository(options: LocalOptions) -> Check:
    missing = [n for n in ("app.py", "infra", "functions", "statemachines") if not (options.repository / n).exists()]
    if missing:
        text = f"{options.repository} lacks {', '.join(missing)}"
        return Check("repository", False, text, "Run the command inside a complete clone of the product.")
    return Check("repository", True, str(options.repository))


def _node(_options: LocalOptions) -> Check:
    folder = synthesis.node_folder()
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    result = subprocess.run(
        ["node", "--version"], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=20, check=False
    )
    ok = result.returncode == 0
    text = f"{result.stdout.strip()} in {folder}" if ok else result.stderr.strip()[:300]
    return Check("Node.js", ok, text, _when(ok))


def _when(ok: bool, advice: str = _SYNC) -> str:
    return "" if ok else advice


def _cdk(_options: LocalOptions) -> Check:
    try:
        return Check("CDK library", True, f"aws-cdk-lib {metadata.version('aws-cdk-lib')}")
    except metadata.PackageNotFoundError:
        return Check("CDK library", False, "aws-cdk-lib is not installed", _SYNC)


def _emulator(_options: LocalOptions) -> Check:
    try:
        version = metadata.version("ministack")
    except metadata.PackageNotFoundError:
        return Check("embedded AWS", False, "ministack is not installed", _SYNC)
    ok = version == _MINISTACK
    return Check("embedded AWS", ok, f"ministack {version}", _when(ok, f"Version {_MINISTACK} is needed. {_SYNC}"))


def _llm(options: LocalOptions) -> Check:
    if not options.llm:
        return Check("LLM", True, "not asked for")
    file = llm.model_file()
    served = importlib.util.find_spec("xllamacpp") is not None
    text = f"{file.name}, {file.stat().st_size / 1e6:.0f} MB" if served else "xllamacpp is not installed"
    return Check("LLM", served, text, _when(served, f"{_SYNC} Or start without it: --no-llm."))


def _disk(options: LocalOptions) -> Check:
    free = machine.free_disk_bytes(options.home)
    ok = free >= machine.DISK_NEEDED_BYTES
    advice = f"{machine.gib(machine.DISK_NEEDED_BYTES)} are needed: free some, or set ABTEST_HOME to another disk."
    return Check("disk", ok, f"{machine.gib(free)} free at {options.home}", _when(ok, advice))


def _memory(_options: LocalOptions) -> Check:
    free = machine.free_memory_bytes()
    ok = free >= machine.MEMORY_NEEDED_BYTES
    advice = f"{machine.gib(machine.MEMORY_NEEDED_BYTES)} are needed: close something, or start with --no-llm."
    return Check("memory", ok, f"{machine.gib(free)} available", _when(ok, advice))


def _home(options: LocalOptions) -> Check:
    place = options.home
    while not place.exists():
        place = place.parent
    ok = place.is_dir() and os.access(place, os.W_OK)
    advice = "Make it writable, or set ABTEST_HOME to a folder that is."
    return Check("home folder", ok, f"{options.home} {'can' if ok else 'cannot'} be written", _when(ok, advice))


def _stack(options: LocalOptions) -> Check:
    found = health.status(options.home)
    dead = "; ".join(f"{part.name}: {part.message}" for part in found.parts if not part.ok)
    ok = found.state != "broken"
    return Check("local stack", ok, dead or found.state, "" if ok else found.what_to_do)


def _port(options: LocalOptions) -> Check:
    if not processes.port_is_taken(options.port):
        return Check("port", True, f"{options.port} is free")
    if any(process.pid == _pid(options.port) for process in processes.find(options.home)):
        return Check("port", True, f"{options.port} is used by this local stack")
    try:
        processes.require_free_port(options.port, "the embedded AWS", "--port")
    except LocalStackError as error:
        return Check("port", False, error.message, "Choose another port with --port, or end that process.")
    return Check("port", True, f"{options.port} is free")


def _pid(port: int) -> int | None:
    process = processes.listener(port)
    return process.pid if process else None
