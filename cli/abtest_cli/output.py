"""What the terminal shows: sentences, errors, amounts; colour only where it helps.

Depends on: rich. Used by: every command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape as escape_markup

from abtest.core.duration import duration_text
from abtest.core.errors import AbTestError, InvalidInputError

MAX_SHOWN_ISSUES = 50
LOG_COLUMNS = 120
_SYMBOLS = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")
seconds = duration_text
"""A duration for a person."""


def escape(text: str) -> str:
    """Return a text from outside as a terminal may show it: no markup, and no control character that acts."""
    return escape_markup(text.translate(_SYMBOLS))


def console(*, stderr: bool = False) -> Console:
    """Return a console; with `stderr` standard output stays free for data."""
    stream = sys.stderr if stderr else sys.stdout
    # A log has no width of its own; 80 columns would cut the tables.
    width = None if stream.isatty() else LOG_COLUMNS
    return Console(file=stream, width=width, highlight=False, soft_wrap=True)


def money(raw: Any) -> Decimal | None:
    """Return an amount of the API in USD; None is unknown."""
    if raw is None:
        return None
    try:
        return Decimal(str(raw))
    except InvalidOperation:
        return None


def print_error(error: AbTestError) -> None:
    """Say what went wrong, with every issue, on standard error."""
    out = console(stderr=True)
    out.print(f"[bold red]Error:[/] {escape(error.message)}")
    issues = error.issues if isinstance(error, InvalidInputError) else ()
    for issue in issues[:MAX_SHOWN_ISSUES]:
        out.print(f"  [red]•[/] {escape(issue.sentence())}")
    if len(issues) > MAX_SHOWN_ISSUES:
        out.print(f"  ... and {len(issues) - MAX_SHOWN_ISSUES} more")


def counted(number: int, one: str) -> str:
    """Return a number of things: `1 call`, `2 calls`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def print_warnings(out: Console, warnings: Sequence[str]) -> None:
    """Say what a person should know, each once."""
    for warning in dict.fromkeys(warnings):
        out.print(f"[yellow]Note:[/] {escape(warning)}")


def write_text(path: Path, text: str) -> None:
    """Write a file a person asked for.

    Raises:
        UsageError: it cannot be written.
    """
    from abtest_cli.errors import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error


def interactive() -> bool:
    """Return whether a person sits at the terminal and can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()
