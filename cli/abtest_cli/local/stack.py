"""The local stack, as the commands and the end-to-end tests use it: up, down, status, diagnose, session.

Depends on: `starter`, `teardown`, `health`, `doctor`, `watchdog`. Used by: `abtest_cli.commands`, tests/e2e.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abtest_cli.local import health, state, synthesis
from abtest_cli.local.doctor import diagnose
from abtest_cli.local.errors import LocalStackError, SettingsDifferError
from abtest_cli.local.health import status
from abtest_cli.local.identity import Tokens, sign_in
from abtest_cli.local.interrupts import ending_signals_raise, exclusive, uninterrupted
from abtest_cli.local.model import Check, LocalStack, LocalStatus, Part, from_state
from abtest_cli.local.options import HomePaths, LocalOptions, Report, default_home, default_port
from abtest_cli.local.starter import Starter
from abtest_cli.local.teardown import tear_down
from abtest_cli.local.watchdog import Watchdog

__all__ = [
    "Check",
    "LocalOptions",
    "LocalStack",
    "LocalStackError",
    "LocalStatus",
    "Part",
    "Report",
    "Tokens",
    "default_home",
    "default_port",
    "diagnose",
    "down",
    "session",
    "sign_in",
    "status",
    "up",
]


def _silent(_phase: str, _seconds: float | None) -> None:
    return None


def up(options: LocalOptions, report: Report = _silent) -> LocalStack:
    """Start the local stack, or bring a running one up to date; it runs on when this process ends.

    Args:
        options: what to start.
        report: told of every phase, when it starts and when it ends.

    Returns:
        How to reach it.

    Raises:
        LocalStackError: what went wrong and what to do; everything that was started has been stopped and removed.
    """
    with ending_signals_raise(), exclusive(HomePaths(options.home).lock):
        running = _running(options)
        if running is not None:
            return _up_to_date(options, report, running)
        starter, watchdog = _prepared(options, report)
        try:
            return _stack(options, starter.start(), "started")
        finally:
            watchdog.release()


def down(home: Path) -> bool:
    """Stop the local stack of a home and remove its temporary files. Safe to repeat; needs no state file.

    Args:
        home: folder of the stack.

    Returns:
        Whether there was anything to stop or remove.
    """
    with uninterrupted():
        return tear_down(home)


@contextmanager
def session(options: LocalOptions, report: Report = _silent) -> Iterator[LocalStack]:
    """Have a local stack for the duration of a block.

    A stack that is running already is used, brought up to date and left running. One that this block starts ends with
    it, however it ends: normally, by an exception, by Ctrl-C or SIGTERM; when this process is killed outright, a
    watchdog process ends the stack.

    Args:
        options: what to start.
        report: told of every phase.

    Yields:
        How to reach it.

    Raises:
        LocalStackError: what went wrong and what to do.
    """
    with ending_signals_raise():
        with exclusive(HomePaths(options.home).lock):
            running = _running(options)
            if running is not None:
                stack, starter, watchdog = _up_to_date(options, report, running), None, None
            else:
                starter, watchdog = _prepared(options, report)
                try:
                    stack = _stack(options, starter.start(), "started")
                except BaseException:
                    watchdog.release()
                    raise
        try:
            yield stack
        finally:
            if starter is not None and watchdog is not None:
                with uninterrupted():
                    tear_down(options.home, starter.instance)
                    watchdog.release()


def _running(options: LocalOptions) -> state.LocalState | None:
    remembered = state.load(options.home)
    if remembered is None:
        return None
    # The lock is ours, so `status` would say that the stack is being started; look at the parts themselves.
    found = health.inspect(options.home, remembered)
    if found.stack is None:
        return None
    differences = health.differences(
        remembered, port=options.port, auth=options.auth, llm=options.llm, repository=options.repository
    )
    if differences:
        raise SettingsDifferError(
            f"A local stack of {options.home} runs already, with other settings: {', '.join(differences)}. "
            "Run `abtest down` first, or use it as it is by asking for the same settings."
        )
    return remembered


def _up_to_date(options: LocalOptions, report: Report, running: state.LocalState) -> LocalStack:
    if running.fingerprint == synthesis.fingerprint(options.repository):
        return _stack(options, running, "already running")
    return _stack(options, Starter(options, report, running).redeploy(), "redeployed")


def _prepared(options: LocalOptions, report: Report) -> tuple[Starter, Watchdog]:
    tear_down(options.home)
    starter = Starter(options, report)
    return starter, Watchdog(options.home, starter.instance)


def _stack(options: LocalOptions, remembered: state.LocalState, note: str) -> LocalStack:
    stack = from_state(options.home, remembered, note)
    if stack is None:
        raise LocalStackError(
            f"The password of the local user is gone ({remembered.credentials_path}). "
            "Run `abtest down`, then `abtest up`."
        )
    return stack
