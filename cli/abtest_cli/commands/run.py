"""`abtest run`: a test folder to its verdict.

Depends on: typer; `abtest_cli.running`, `preparation`, `connection`. Used by: `abtest_cli.main`, `commands.demo`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from abtest_cli.client import ApiClient
    from abtest_cli.preparation import PreparedTest
    from abtest_cli.running import RunResult

LOCAL = "local"
Environment = Annotated[str, typer.Option("--env", "-e", envvar="ABTEST_ENV", help="Environment that is signed in to.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of the report. [default: .abtest/reports/RUN]")
]


@dataclass(frozen=True)
class Wishes:
    """How a person wants a run to go.

    Args:
        environment: where it runs, for the hints.
        yes: start without a question.
        wait: stay until the verdict.
        output: folder of the report.
        idempotency_key: of the start; None makes one.
        as_json: nothing but JSON on standard output.
        run_ends_with_command: Ctrl-C ends what the run runs on, so it does not go on.
    """

    environment: str = LOCAL
    yes: bool = False
    wait: bool = True
    output: Path | None = None
    idempotency_key: str | None = None
    as_json: bool = False
    run_ends_with_command: bool = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    file: Annotated[Path, typer.Argument(help="The test file, or its folder.", show_default=False)],
    *,
    env: Environment = LOCAL,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")] = False,
    output: Output = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Start the run and return; `abtest watch` follows.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="A repeated command with the same key starts nothing twice.")
    ] = None,
) -> None:
    """Run a test: check it, upload it, show the estimate, wait for the verdict.

    Exit code 0 when the run completed, 1 when it failed or was cancelled, 2 when the test or the command is wrong.
    """
    from abtest_cli import running
    from abtest_cli.connection import connect
    from abtest_cli.output import console
    from abtest_cli.preparation import prepare

    out = console(stderr=as_json)
    wishes = Wishes(env, yes or as_json, not no_wait, output, idempotency_key, as_json)
    prepared = prepare(file)
    with connect(env) as client:
        result = run_test(client, prepared, wishes, out)
    if as_json and result is not None:
        typer.echo(running.as_json(result))
    if result is not None:
        running.raise_unless_completed(result.run)


def run_test(client: ApiClient, prepared: PreparedTest, wishes: Wishes, out: Console) -> RunResult | None:
    """Take a checked test to its verdict; None when it was only started.

    Raises:
        InvalidInputError: the platform finds more to correct; nothing was spent.
        typer.Abort: the person does not want it after seeing the estimate.
        typer.Exit: the person stopped watching; the run goes on.
    """
    from abtest_cli import running
    from abtest_cli.estimate_table import print_estimate
    from abtest_cli.output import print_warnings

    if prepared.samples is not None:
        out.print(f"{prepared.name}: {prepared.samples:,} samples, everything checks out.", markup=False)
    test = running.submit(client, prepared)
    print_estimate(out, test)
    print_warnings(out, [w for w in prepared.warnings if w not in (test.get("warnings") or ())])
    ask(test, wishes)
    started = client.start_run(str(test["test_id"]), wishes.idempotency_key or secrets.token_urlsafe(18))
    run_id = str(started["run_id"])
    out.print(f"Run {run_id} has started.", markup=False)
    if not wishes.wait:
        if wishes.as_json:
            typer.echo(json.dumps(started))
        out.print(f"Watch it: abtest watch {run_id}{env_option(wishes.environment)}", markup=False)
        return None
    return watched(client, run_id, wishes, out)


def watched(client: ApiClient, run_id: str, wishes: Wishes, out: Console) -> RunResult:
    """Follow a run to its end and show the result.

    Raises:
        typer.Exit: Ctrl-C; the run goes on, and the person is told how to come back or stop it.
    """
    from abtest_cli import running

    try:
        result = running.follow(client, run_id, out, wishes.output)
    except KeyboardInterrupt:
        if wishes.run_ends_with_command:
            out.print("\nStopping the run and everything it runs on.")
            raise
        option = env_option(wishes.environment)
        out.print(f"\nThe run goes on. Watch it: abtest watch {run_id}{option}", markup=False)
        out.print(f"Cancel it: abtest cancel {run_id}{option}", markup=False)
        raise typer.Exit(130) from None
    running.show(out, result)
    return result


def env_option(environment: str) -> str:
    """Return the option that names an environment, or nothing for the default one."""
    return "" if environment == LOCAL else f" --env {environment}"


def ask(test: Mapping[str, Any], wishes: Wishes) -> None:
    """Ask before money is spent, where a person can answer; an unknown price is asked about too.

    Args:
        test: what carries the estimate.
        wishes: how the person wants it.

    Raises:
        typer.Abort: the person does not want it.
    """
    from abtest_cli.output import interactive, money

    cost_usd = money(test["estimate"]["cost_usd_max"])
    if wishes.yes or wishes.environment == LOCAL or cost_usd == 0 or not interactive():
        return
    typer.confirm("Start the run?", default=True, abort=True)
