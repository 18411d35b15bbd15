"""`abtest rejudge`: other judges for the answers of a run that is over, without asking the variants' models again.

Depends on: typer; `abtest_cli.running`, `definition_files`, `connection`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abtest_cli.commands.run import LOCAL, Environment, Output, Wishes, ask, env_option, watched
from abtest_cli.commands.runs import RunId

if TYPE_CHECKING:
    from rich.console import Console

    from abtest_cli.client import ApiClient
    from abtest_cli.running import RunResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rejudge")(rejudge)


def rejudge(
    run_id: RunId,
    *,
    judge: Annotated[
        list[Path],
        typer.Option("--judge", help="File of judges by name, or a test file whose judges are taken; may be repeated."),
    ],
    primary: Annotated[
        str | None,
        typer.Option("--primary", help="Metric that decides. [default: the run's, or the only judge]"),
    ] = None,
    margin: Annotated[
        float | None, typer.Option("--margin", help="Largest loss on it that still counts as no worse.")
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="Keep the run's own judges beside them.")] = False,
    cap: Annotated[str | None, typer.Option("--cap", help="Most that the judges may cost, in USD.")] = None,
    env: Environment = LOCAL,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")] = False,
    output: Output = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start and return; `abtest watch` follows.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="A repeated command with the same key starts nothing twice.")
    ] = None,
) -> None:
    """Judge the answers of a run anew, as a run of its own: the old result stays.

    Exit code 0 when the new run completed, 1 when it failed or was cancelled, 2 when a judge or the command is wrong.
    """
    from abtest_cli import running
    from abtest_cli.connection import connect
    from abtest_cli.output import console
    from abtest_cli.rejudging import read_judges

    out = console(stderr=as_json)
    wishes = Wishes(env, yes or as_json, not no_wait, output, idempotency_key, as_json)
    judges = read_judges(judge)
    wanted: dict[str, Any] = {"add": add, "primary_metric": primary, "primary_margin": margin, "cap_usd": cap}
    body = {name: value for name, value in wanted.items() if value not in (None, False)}
    with connect(env) as client:
        for dataset in judges.uploads:
            client.upload_dataset(dataset.name, dataset.kind, dataset.rows)
        result = start_and_follow(client, run_id, {"judges": judges.judges, **body}, wishes, out)
    if as_json and result is not None:
        typer.echo(running.as_json(result))
    if result is not None:
        running.raise_unless_completed(result.run)


def start_and_follow(
    client: ApiClient, run_id: str, body: dict[str, Any], wishes: Wishes, out: Console
) -> RunResult | None:
    """Show what judging anew will ask for, start it and take it to its verdict; None when it was only started.

    Raises:
        InvalidInputError: a judge is wrong; nothing was spent.
        typer.Abort: the person does not want it after seeing the estimate.
        typer.Exit: the person stopped watching; the run goes on.
    """
    from abtest_cli.estimate_table import print_estimate

    planned = client.rejudge_run(run_id, {**body, "dry_run": True}, idempotency_key=None)
    print_estimate(out, planned)
    ask(planned, wishes)
    key = wishes.idempotency_key or secrets.token_urlsafe(18)
    started = client.rejudge_run(run_id, body, idempotency_key=key)
    new_id = str(started["run_id"])
    out.print(f"Run {new_id} judges the answers of {run_id} anew.", markup=False)
    if not wishes.wait:
        if wishes.as_json:
            typer.echo(json.dumps(started))
        out.print(f"Watch it: abtest watch {new_id}{env_option(wishes.environment)}", markup=False)
        return None
    return watched(client, new_id, wishes, out)
