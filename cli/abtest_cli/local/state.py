"""What the local stack remembers between two commands: which processes are its own and what was deployed.

A process is known by its id *and* its start time, because the operating system gives ids out again.

Depends on: psutil. Used by: `stack`, `teardown`, `health`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from abtest_cli.local.options import HomePaths

FORMAT = 1
_START_TIME_TOLERANCE_S = 0.5


@dataclass(frozen=True)
class ProcessRecord:
    """One process of ours.

    Args:
        role: `emulator` or `llm`.
        pid: its id.
        create_time: when it started, seconds since 1970 as the operating system tells it.
    """

    role: str
    pid: int
    create_time: float

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it has ended or its id belongs to another one now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < _START_TIME_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


@dataclass(frozen=True)
class LocalState:
    """A started local stack.

    Args:
        instance: identifier of this start; its processes carry it in their environment.
        port: port of the embedded AWS.
        llm_port: port of the LLM, None without one.
        auth: whether IAM is enforced.
        repository: the checkout that was deployed.
        fingerprint: hash of the deployed sources; empty when the last deployment did not finish.
        processes: the emulator and the LLM.
        api_url: base of the API, without `/v1`.
        outputs: outputs of all stacks.
        username: the local user.
        credentials_path: file with the password.
        timings: seconds by phase of the start.
    """

    instance: str
    port: int
    llm_port: int | None
    auth: bool
    repository: str
    fingerprint: str
    processes: tuple[ProcessRecord, ...]
    api_url: str
    outputs: Mapping[str, str]
    username: str
    credentials_path: str
    timings: Mapping[str, float] = field(default_factory=dict)


def write_private(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON that only its owner may read, at once or not at all.

    Args:
        path: where to.
        data: JSON-ready.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2, sort_keys=True)
            file.write("\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def save(home: Path, state: LocalState) -> None:
    """Remember a started stack.

    Args:
        home: folder of the stack.
        state: what runs.
    """
    write_private(HomePaths(home).state, {"format": FORMAT, **asdict(state)})


def load(home: Path) -> LocalState | None:
    """Return what a home remembers.

    Args:
        home: folder of the stack.

    Returns:
        The state; None when there is none or it cannot be read: a broken file is as good as no file, because
        the processes are also found by what they carry in their environment.
    """
    try:
        data = json.loads(HomePaths(home).state.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            return None
        records = tuple(ProcessRecord(**record) for record in data.pop("processes"))
        return LocalState(processes=records, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def load_password(state: LocalState) -> str | None:
    """Return the local user's password, or None when its file cannot be read."""
    try:
        return str(json.loads(Path(state.credentials_path).read_text(encoding="utf-8"))["password"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
