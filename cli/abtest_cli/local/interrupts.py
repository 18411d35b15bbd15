"""Making sure that an interrupted start cleans up: SIGTERM and SIGHUP become an exception, as Ctrl-C already is.

Depends on: nothing. Used by: `stack`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from abtest_cli.local.errors import StackBusyError

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Terminated(SystemExit):
    """Somebody asked this process to end."""


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(128 + number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def ending_signals_raise() -> Iterator[None]:
    """Turn the signals that would end the process silently into an exception, so that `finally` blocks run."""
    if not _in_main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and the ending signals for the few seconds that cleaning up takes."""
    if not _in_main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *_ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def holder(lock: Path) -> int | None:
    """Return the id of the process that is starting the stack right now, or None.

    Args:
        lock: the lock file of the home.
    """
    try:
        with lock.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text.isdecimal() else 0
    except OSError:
        return None
    return None


def _take(descriptor: int) -> bool:
    # More than once: `holder` takes the lock for an instant to see whether it is free.
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.02)
    return False


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Let only one process at a time start the stack of a home; the system frees the lock when its holder dies.

    Args:
        lock: the lock file of the home.

    Raises:
        StackBusyError: another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("a+") as file:
        if not _take(file.fileno()):
            other = holder(lock)
            who = f" (process {other})" if other else ""
            raise StackBusyError(
                f"Another command{who} is starting the local stack of {lock.parent} right now. Wait for it, or stop "
                "it with Ctrl-C; for a second stack beside it set ABTEST_HOME and --port.",
                details={"pid": other},
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
