"""A small process that cleans up after its parent when the parent cannot: `kill -9`, out of memory, a closed terminal.

It holds the reading end of a pipe. The parent either says that it is done or dies; in both cases the pipe tells at
once, on every system, without polling.

Depends on: `teardown`. Used by: `stack`; runs as `python -m abtest_cli.local.watchdog HOME INSTANCE`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

_RELEASE = b"release\n"


class Watchdog:
    """The parent's side.

    Args:
        home: folder of the stack.
        instance: the start to clean up after.
    """

    def __init__(self, home: Path, instance: str) -> None:
        # Without the mark in its environment: it must survive the teardown that it carries out.
        self._child = subprocess.Popen(
            [sys.executable, "-m", "abtest_cli.local.watchdog", str(home), instance],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def release(self) -> None:
        """Say that nothing is left to clean up after, or that the stack may outlive this process."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired, ValueError):
            self._child.communicate(_RELEASE, timeout=10)


def main(arguments: list[str]) -> int:
    """Wait for the parent's word or end, and clean up in the second case.

    Args:
        arguments: home folder and instance.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    word = b""
    while len(word) < len(_RELEASE):
        part = os.read(sys.stdin.fileno(), len(_RELEASE) - len(word))
        if not part:
            break
        word += part
    if word != _RELEASE:
        from abtest_cli.local.teardown import tear_down

        tear_down(Path(arguments[0]), arguments[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
