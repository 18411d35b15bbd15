"""Ending a local stack: its processes, their TMPDIR and what it remembers. Safe to repeat, and to call at any moment.

Imports little: the watchdog runs it in a process of its own, right after its parent has died.

Depends on: `processes`, `state`. Used by: `stack`, `watchdog`.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import psutil

from abtest_cli.local import processes, state
from abtest_cli.local.options import HomePaths

_ROUNDS = 4


def stop_processes(home: Path, instance: str | None = None) -> int:
    """End every process of a home.

    Found twice over: by the recorded ids with their start times, and by the mark in the environment, which also finds
    the workers of an emulator that was killed.

    Args:
        home: folder of the stack.
        instance: only those of one start; None for all.

    Returns:
        How many were ended.
    """
    ended = 0
    for _ in range(_ROUNDS):
        found: dict[int, psutil.Process] = {process.pid: process for process in processes.find(home, instance)}
        remembered = state.load(home)
        if remembered is not None and instance in (None, remembered.instance):
            for record in remembered.processes:
                process = record.process()
                if process is not None:
                    found[process.pid] = process
        if not found:
            break
        # Once more after each round: a dying emulator may have started another worker meanwhile.
        ended += processes.stop(found.values())
    return ended


def tear_down(home: Path, instance: str | None = None) -> bool:
    """End a local stack and remove its temporary files; logs and the synthesised templates stay.

    Args:
        home: folder of the stack.
        instance: only that start, for one who must not end a stack that somebody started since; None for all.

    Returns:
        Whether there was anything to end or remove.
    """
    home = home.expanduser().resolve()
    paths = HomePaths(home)
    ended = stop_processes(home, instance)
    removed = False
    for folder in [paths.runs] if instance is None else [paths.temporary(instance)]:
        removed = removed or folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # another start's folder may be in it
        paths.runs.rmdir()
    remembered = state.load(home)
    if instance is None or remembered is None or remembered.instance == instance:
        for file in (paths.state, paths.credentials):
            removed = removed or file.exists()
            file.unlink(missing_ok=True)
    return bool(ended) or removed
