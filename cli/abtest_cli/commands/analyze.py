"""`abtest analyze`: results that other tools produced, without any cloud.

Depends on: typer; `abtest_cli.results`, `abtest_cli.analysis_options`, `abtest.analytics.offline`. Used by:
`abtest_cli.main`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("analyze")(analyze)


def analyze(
    files: Annotated[list[Path], typer.Argument(help="Files of results; - is standard input.", show_default=False)],
    *,
    control: Annotated[
        str | None, typer.Option("--control", help="What the others are compared with. [default: the first variant]")
    ] = None,
    treatment: Annotated[
        list[str] | None,
        typer.Option("--treatment", help="What is compared with it; may be repeated. [default: all others]"),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="The metric that decides. [default: the first]")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format of the files. [default: detected]", show_default=False)
    ] = None,
    score_range: Annotated[
        str | None, typer.Option("--range", help="LOW:HIGH of the scores; others are refused.", show_default=False)
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Two-sided error rate.")] = 0.05,
    tie_margin: Annotated[float, typer.Option("--tie-margin", help="Scores no further apart than this tie.")] = 0.0,
    margin: Annotated[
        list[str] | None,
        typer.Option(
            "--margin",
            help="NAME=VALUE: the largest accepted loss of a metric (or NAME:p95), as 0.02 or 10%; may be repeated.",
            show_default=False,
        ),
    ] = None,
    lower_is_better: Annotated[
        list[str] | None,
        typer.Option("--lower-is-better", help="A metric of which less is more; may be repeated.", show_default=False),
    ] = None,
    design: Annotated[
        str,
        typer.Option("--design", help="fixed, always_valid, or group_sequential:LOOK/LOOKS[:pocock], as declared."),
    ] = "fixed",
    planned: Annotated[
        int | None, typer.Option("--planned", min=1, help="Samples planned in all, for a sequential design.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resampling.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the report to this file.", show_default=False)
    ] = None,
) -> None:
    """Compare variants by files of results: scores, pairwise verdicts, preferences, or another tool's logs."""
    import json

    # Read when numpy is first imported. What is solved here is small: more threads would wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from abtest.analytics.offline import analyse_table
    from abtest_cli.analysis_options import request_of, scale_of
    from abtest_cli.output import console
    from abtest_cli.results.reading import read_results

    request = request_of(
        files,
        control=control,
        treatments=treatment or [],
        metric=metric,
        alpha=alpha,
        tie_margin=tie_margin,
        margins=margin or [],
        lower_is_better=lower_is_better or [],
        design=design,
        planned=planned,
        seed=seed,
        score_range=score_range,
    )
    read = read_results(files, format_name, metric_range=scale_of(score_range))
    result = analyse_table(read.table, request)
    result = result.model_copy(update={"warnings": (*read.warnings, *result.warnings)})
    if html is not None:
        from abtest.reporting.report import render_report
        from abtest_cli.output import write_text

        write_text(html, render_report(result, ()))
    if as_json:
        from abtest_cli.analysis_json import analysis_object

        typer.echo(json.dumps(analysis_object(result), indent=2, allow_nan=False))
        return
    from abtest_cli.result_table import show_result

    show_result(console(), result)
    if html is not None:
        console().print(f"Report: {html}", markup=False)
