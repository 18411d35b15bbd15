"""`abtest judge`: a person's own Python function as a judge of a finished run, run on their machine.

Depends on: typer; `answers`, `local_judge`, `local_scores`, `commands.rejudge`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abtest_cli.commands.run import LOCAL, Environment, Output, Wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from abtest_cli.answers import Answer
    from abtest_cli.client import ApiClient
    from abtest_cli.local_judge import LocalScores, Scorer
    from abtest_cli.running import RunResult


@dataclass(frozen=True)
class Import:
    """How scores become a judge of the run they are of.

    Args:
        name: of the judge.
        scale: `LOW,HIGH` as it was written.
        primary: the metric that decides; None leaves it to the platform.
        add: keep the run's own judges beside it.
    """

    name: str
    scale: str | None
    primary: str | None
    add: bool


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("judge")(judge)


def judge(
    sources: Annotated[
        list[str], typer.Argument(help="A finished run (run_...), or files of saved answers.", show_default=False)
    ],
    *,
    local: Annotated[Path, typer.Option("--local", help="Python file with the function, run here; or: similarity.")],
    function: Annotated[str, typer.Option("--function", help="The function's name.")] = "score",
    scores_file: Annotated[
        Path | None, typer.Option("--scores", help="File of the scores. [default: .abtest/scores/RUN.jsonl]")
    ] = None,
    save_rows: Annotated[
        Path | None, typer.Option("--save-rows", help="Keep the answers as a file, to judge them again offline.")
    ] = None,
    import_as: Annotated[
        str | None, typer.Option("--import", help="Upload the scores and judge the run anew by them, under this name.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option("--scale", help="LOW,HIGH of the imported scores. [default: 0,1]")
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option("--primary", help="Metric that decides. [default: the run's, or the imported scores]"),
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="Keep the run's own judges beside them.")] = False,
    env: Environment = LOCAL,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")] = False,
    output: Output = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start and return; `abtest watch` follows.")] = False,
) -> None:
    """Judge the answers of a finished run by your own function, on your machine.

    The function is `score(sample, answer, response)`. It returns a number, a bool, None where it cannot say, or
    `{"score": ..., "reason": ..., "dimensions": {...}}`.
    """
    from abtest_cli import running
    from abtest_cli.local_judge import load_scorer
    from abtest_cli.local_scores import by_variant, default_output, write_scores
    from abtest_cli.output import console

    wanted = None if import_as is None else Import(import_as, scale, primary, add)
    _check(sources, wanted)
    scorer = load_scorer(local, function)
    out = console(stderr=as_json)
    path = scores_file or default_output(sources)
    with _platform(sources, env) as client:
        scores = _judged(client, sources, save_rows, (scorer, local), out)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_scores(path, scores.rows)
        _show(out, scores, path)
        result = None
        if wanted is not None and client is not None:
            wishes = Wishes(env, yes or as_json, not no_wait, output, None, as_json)
            result = _imported(client, sources[0], scores, wanted, file=path.name, wishes=wishes, out=out)
    if as_json and not (no_wait and wanted is not None):
        shown: dict[str, Any] = {"scores": str(path), "variants": by_variant(scores)}
        typer.echo(json.dumps({**shown, "run": json.loads(running.as_json(result)) if result else None}, indent=2))
    if result is not None:
        running.raise_unless_completed(result.run)


def _check(sources: list[str], wanted: Import | None) -> None:
    """Refuse what cannot work before the function is run for long."""
    from abtest.core.errors import InputIssue
    from abtest_cli.answers import is_run
    from abtest_cli.errors import UsageError
    from abtest_cli.local_scores import parsed_scale
    from abtest_cli.names import check_name

    if wanted is not None:
        check_name(wanted.name, "--import", "The scores cannot be imported by this name.")
        parsed_scale(wanted.scale)
        if len(sources) != 1 or not is_run(sources[0]):
            issue = InputIssue("--import", "scores are imported into the run they are of", None, "one run: run_...")
            raise UsageError("The scores of files, or of several runs, cannot be imported.", [issue])


@contextlib.contextmanager
def _platform(sources: list[str], environment: str) -> Iterator[ApiClient | None]:
    """Give a client where a source is a run; files alone need no platform."""
    from abtest_cli.answers import is_run
    from abtest_cli.connection import connect

    if not any(map(is_run, sources)):
        yield None
        return
    with connect(environment) as client:
        yield client


def _judged(
    client: ApiClient | None, sources: list[str], save_rows: Path | None, scorer: tuple[Scorer, Path], out: Console
) -> LocalScores:
    from abtest_cli.answers import answers_of, write_answers
    from abtest_cli.errors import UsageError
    from abtest_cli.local_judge import score_answers

    answers = answers_of(client, sources)
    if not answers:
        raise UsageError(f"There are no answers to judge in {', '.join(sources)}.")
    if save_rows is not None:
        write_answers(save_rows, answers)
        out.print(f"{len(answers):,} answers are kept in {save_rows}.", markup=False)
    with _steps(answers, out) as step:
        return score_answers(scorer[0], answers, scorer[1], step)


@contextlib.contextmanager
def _steps(answers: list[Answer], out: Console) -> Iterator[Callable[[], None]]:
    """Show how far a slow function is; at a terminal only."""
    from rich.progress import Progress

    with Progress(console=out, disable=not out.is_terminal, transient=True) as progress:
        task = progress.add_task("judging", total=len(answers))
        yield lambda: progress.advance(task)


def _show(out: Console, scores: LocalScores, path: Path) -> None:
    from abtest_cli.local_scores import scores_table
    from abtest_cli.output import print_warnings

    out.print(scores_table(scores))
    if scores.errors:
        said = f"The function failed at {scores.errors:,} answers, which count as missing. The first: "
        print_warnings(out, [said + str(scores.first_error)])
    out.print(f"Scores: {path}", markup=False)


def _imported(
    client: ApiClient, run_id: str, scores: LocalScores, wanted: Import, *, file: str, wishes: Wishes, out: Console
) -> RunResult | None:
    from abtest_cli.commands.rejudge import start_and_follow
    from abtest_cli.local_scores import frozen, judge_of, parsed_scale

    rows = frozen(scores.rows)
    imported = judge_of(rows, parsed_scale(wanted.scale))
    client.upload_dataset(file, "scores", b"".join(rows.lines))
    body: dict[str, Any] = {"judges": {wanted.name: imported}}
    if wanted.primary is not None:
        body["primary_metric"] = wanted.primary
    if wanted.add:
        body["add"] = True
    return start_and_follow(client, run_id, body, wishes, out)
