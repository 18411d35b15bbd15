"""The command `abtest`: reads the command line, runs one command, says what went wrong in one sentence.

Depends on: typer, `abtest_cli.commands`. Used by: the console script `abtest`, `python -m abtest_cli`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from abtest.core.errors import AbTestError, InvalidInputError
from abtest_cli.commands import (
    analyze,
    demo,
    initialise,
    judge,
    judges,
    labels,
    login,
    power,
    providers,
    rejudge,
    run,
    runs,
    stack,
)

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_DEBUG = "--debug"

app = typer.Typer(
    name="abtest",
    help="A/B testing for LLMs: is the new model or prompt really better, by how much, and how sure are we?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (demo, stack, login, initialise, run, runs, rejudge, judge, analyze, power, providers, judges, labels):
    module.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from abtest import __version__

        typer.echo(f"abtest {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show where in the program an error came from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def run_cli(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: without the program's name; `--debug` may stand anywhere.

    Returns:
        0 done, 1 failed, 2 wrong usage or input, 130 interrupted.
    """
    debug = _DEBUG in arguments
    try:
        code = app([a for a in arguments if a != _DEBUG], prog_name="abtest", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except typer.Abort:
        # What typer makes of Ctrl-C, and of an end of input at a question.
        typer.echo("Stopped.", err=True)
        return INTERRUPTED
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        return INTERRUPTED
    except AbTestError as error:
        if debug:
            raise
        from abtest_cli.output import print_error

        print_error(error)
        return USAGE if isinstance(error, InvalidInputError) else FAILED
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has gone; the interpreter must not complain while closing the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if debug:
            raise
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """Say what typer found wrong with the command line, or that the program itself failed."""
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        context = getattr(error, "ctx", None)
        where = f" See `{context.command_path} --help`." if context is not None else ""
        # A number outside its bounds comes without a full stop, and a check of ours with pydantic's label before it.
        message = str(error.format_message()).replace("Value error, ", "").rstrip(".")
        if message:
            typer.secho(f"Error: {message}.{where}", fg="red", err=True)
        return int(error.exit_code)
    typer.secho(
        f"Error: the program failed: {type(error).__name__}: {error}. Please report it with the output of the same "
        f"command and {_DEBUG}.",
        fg="red",
        err=True,
    )
    return FAILED


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal or log cannot show must not end the command.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run_cli(sys.argv[1:]))
