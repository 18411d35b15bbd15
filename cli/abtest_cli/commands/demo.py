"""`abtest demo`: the local stack, one real test of a real LLM, its verdict; then everything is gone again.

Depends on: typer; `abtest_cli.local`, `commands.run`. Used by: `abtest_cli.main`, `make demo`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from abtest_cli.commands.run import Output, Wishes, run_test
from abtest_cli.commands.stack import Port, options_of, reporter
from abtest_cli.examples import DEFAULT

if TYPE_CHECKING:
    from rich.console import Console

    from abtest_cli.local.stack import LocalOptions, LocalStack, Report

_PHASE_WORDS = {
    "planning": "plan the run",
    "generating": "ask the LLM",
    "judging": "judge the answers",
    "analysing": "analyse and report",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    example: Annotated[str, typer.Option("--example", help="Which example to run.")] = DEFAULT,
    keep_up: Annotated[bool, typer.Option("--keep-up", help="Leave the local stack up afterwards.")] = False,
    port: Port = None,
    output: Output = None,
) -> None:
    """Run a real A/B test of a real LLM through the whole platform, on this machine, without any account."""
    from abtest_cli import running
    from abtest_cli.connection import client_of, sign_in_local, store
    from abtest_cli.examples import folder_of
    from abtest_cli.output import console, seconds
    from abtest_cli.preparation import prepare

    prepared = prepare(folder_of(example))
    out = console()
    began = time.monotonic()
    out.print("Starting the local stack: an embedded AWS with the whole platform in it, and a small real LLM.")
    with _stack(options_of(port, llm=True), reporter(out), keep_up=keep_up) as stack:
        word = "the stack is up" if stack.note == "started" else f"the stack is {stack.note}"
        out.print(f"  {word:<32} {seconds(time.monotonic() - began):>8}\n", markup=False)
        credentials = sign_in_local(stack)
        if keep_up:
            store().save(credentials)
        with client_of(credentials, keep=None) as client:
            wishes = Wishes(yes=True, output=output, run_ends_with_command=not keep_up)
            result = run_test(client, prepared, wishes, out)
        if result is not None:
            _print_seconds(out, result.phase_seconds, time.monotonic() - began)
    stays = keep_up or stack.note != "started"
    out.print("The local stack stays up; stop it: abtest down." if stays else "The local stack is down again.")
    if result is not None:
        running.raise_unless_completed(result.run)


def _stack(options: LocalOptions, report: Report, *, keep_up: bool) -> AbstractContextManager[LocalStack]:
    from abtest_cli.local import stack

    return nullcontext(stack.up(options, report)) if keep_up else stack.session(options, report)


def _print_seconds(out: Console, phases: Mapping[str, float], total_s: float) -> None:
    from abtest_cli.output import seconds

    out.print()
    for phase, words in _PHASE_WORDS.items():
        if phase in phases:
            out.print(f"  {words:<32} {seconds(phases[phase]):>8}", markup=False)
    out.print(f"  {'from start to verdict':<32} {seconds(total_s):>8}", markup=False)
