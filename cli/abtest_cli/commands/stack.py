"""`abtest up`, `down`, `status`, `doctor`: the local stack.

Depends on: typer; `abtest_cli.local`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from abtest_cli.local.options import LocalOptions, Report

Port = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65535, help="Port of the embedded AWS. [default: 4566]", show_default=False),
]
NoLlm = Annotated[bool, typer.Option("--no-llm", help="Do without the bundled LLM.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)
    app.command("doctor")(doctor)


def options_of(port: int | None, *, llm: bool) -> LocalOptions:
    """Return the options of the local stack as asked for on the command line."""
    from abtest_cli.local.stack import LocalOptions

    return LocalOptions(llm=llm) if port is None else LocalOptions(port=port, llm=llm)


def reporter(out: Console) -> Report:
    """Return what shows the phases of the local stack with their seconds."""
    from abtest_cli.output import seconds

    def report(phase: str, seconds_taken: float | None) -> None:
        if seconds_taken is not None:
            out.print(f"  {phase:<32} {seconds(seconds_taken):>8}", markup=False)

    return report


def up(port: Port = None, no_llm: NoLlm = False) -> None:
    """Start the local stack: an embedded AWS with the whole platform in it, and a small real LLM."""
    from abtest_cli.connection import sign_in_local, store
    from abtest_cli.local.stack import up as start
    from abtest_cli.output import console

    out = console()
    stack = start(options_of(port, llm=not no_llm), reporter(out))
    store().save(sign_in_local(stack))
    out.print(
        f"The local stack is {'up' if stack.note == 'started' else stack.note}, and you are signed in (--env local)."
    )
    out.print(f"  API            {stack.api_url}", markup=False)
    out.print(f"  embedded AWS   {stack.endpoint_url}", markup=False)
    if stack.llm_base_url:
        out.print(f"  LLM            {stack.llm_base_url}", markup=False)
        out.print("Run a test: abtest run examples/json-extraction", markup=False)
    out.print("Stop it all: abtest down")


def down() -> None:
    """Stop the local stack and remove its temporary files. Safe to repeat."""
    from abtest_cli.connection import LOCAL, store
    from abtest_cli.local.stack import default_home
    from abtest_cli.local.stack import down as stop
    from abtest_cli.output import console

    stopped = stop(default_home())
    store().remove(LOCAL)
    console().print("The local stack is down." if stopped else "No local stack was up.")


def status() -> None:
    """Tell how the local stack is; exit code 1 when it cannot serve."""
    from abtest_cli.local.stack import default_home
    from abtest_cli.local.stack import status as look
    from abtest_cli.output import console

    found = look(default_home())
    out = console()
    out.print(f"The local stack is {found.state}.", markup=False)
    for part in found.parts:
        out.print(f"  {'✓' if part.ok else '✗'} {part.name}: {part.message}", markup=False)
    if found.stack is not None:
        out.print(f"  API: {found.stack.api_url}", markup=False)
    if found.what_to_do:
        out.print(found.what_to_do, markup=False)
    if found.state == "broken":
        raise typer.Exit(1)


def doctor(port: Port = None, no_llm: NoLlm = False) -> None:
    """Check whether this machine can run the local stack; exit code 1 when something is to be done."""
    from abtest_cli.local.stack import diagnose
    from abtest_cli.output import console

    out = console()
    checks = diagnose(options_of(port, llm=not no_llm))
    for check in checks:
        out.print(f"  {'✓' if check.ok else '✗'} {check.name}: {check.message}", markup=False)
        if not check.ok and check.what_to_do:
            out.print(f"    {check.what_to_do}", markup=False)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
    out.print("Everything is as it should be.")
