"""`abtest watch`, `abtest report`, `abtest cancel`: runs that exist already.

Depends on: typer; `abtest_cli.running`, `connection`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from abtest_cli.commands.run import LOCAL, Environment, Output, Wishes, env_option, watched

RunId = Annotated[str, typer.Argument(help="Identifier of the run: run_...", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("watch")(watch)
    app.command("report")(report)
    app.command("cancel")(cancel)


def watch(run_id: RunId, env: Environment = LOCAL, output: Output = None) -> None:
    """Follow a run to its verdict; Ctrl-C stops watching, not the run."""
    from abtest_cli import running
    from abtest_cli.connection import connect
    from abtest_cli.output import console

    with connect(env) as client:
        result = watched(client, run_id, Wishes(environment=env, output=output), console())
    running.raise_unless_completed(result.run)


def report(run_id: RunId, env: Environment = LOCAL, output: Output = None) -> None:
    """Download the report of a run that has ended, and show the result again."""
    from abtest_cli import running
    from abtest_cli.connection import connect
    from abtest_cli.errors import RunNotCompletedError
    from abtest_cli.output import console

    with connect(env) as client:
        run = client.run(run_id)
        if run["status"] not in running.ENDED:
            raise RunNotCompletedError(
                f"Run {run_id} is still {run['phase']}; there is no report yet. "
                f"Follow it: `abtest watch {run_id}{env_option(env)}`."
            )
        result = running.collect(client, run, output)
    running.show(console(), result)
    running.raise_unless_completed(run)


def cancel(run_id: RunId, env: Environment = LOCAL) -> None:
    """Ask a run to stop; it keeps what it has, and nothing more is spent after the calls in flight."""
    from abtest_cli.connection import connect
    from abtest_cli.output import console

    with connect(env) as client:
        run = client.cancel_run(run_id)
    out = console()
    if run["status"] == "RUNNING":
        out.print(
            f"Run {run_id} stops within seconds. See it end: abtest watch {run_id}{env_option(env)}", markup=False
        )
    else:
        out.print(f"Run {run_id} had ended before: {run['status']}.", markup=False)
