"""`abtest labels`: what people say of a run's answers, beside what its judges say.

Depends on: typer; `abtest_cli.connection`, `abtest_cli.label_table`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from abtest_cli.commands.run import LOCAL, Environment, env_option
from abtest_cli.commands.runs import RunId

labels = typer.Typer(
    help="People's labels: how far to trust a judge, and the effect as people see it.", no_args_is_help=True
)

Format = Literal["csv", "jsonl", "html"]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(labels, name="labels")


@labels.command("sheet")
def make_sheet(
    run_id: RunId,
    *,
    metric: Annotated[str, typer.Option("--metric", help="A judge, or JUDGE.DIMENSION.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.", show_default=False)],
    items: Annotated[int, typer.Option("--items", min=1, max=2000, help="Answers (or pairs) to label.")] = 50,
    choose: Annotated[
        Literal["random", "disagreement"],
        typer.Option("--choose", help="At random, which a corrected effect needs, or where judges disagree."),
    ] = "random",
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the choice. [default: drawn]")] = None,
    format_name: Annotated[
        Format | None, typer.Option("--format", help="csv, jsonl or html. [default: by the file's name, else csv]")
    ] = None,
    env: Environment = LOCAL,
) -> None:
    """Write answers of a completed run into a sheet that hides who gave them."""
    from abtest_cli.connection import connect
    from abtest_cli.label_files import check_new, format_of, write_sheet
    from abtest_cli.output import console, counted

    check_new(output)
    wanted = format_of(output, format_name)
    body = {"metric": metric, "items": items, "choose": choose, **({} if seed is None else {"seed": seed})}
    with connect(env) as client:
        sheet = client.create_labelling_sheet(run_id, body)
        write_sheet(output, client.download(str(sheet["downloads"][wanted]["url"])))
    out = console()
    chosen = f"{counted(sheet['items'], 'item')} of {counted(sheet['samples'], 'sample')}"
    out.print(f"{chosen}, chosen with seed {sheet['seed']}: {output}", markup=False)
    out.print(f"Asked: {sheet['question']} Labels: {sheet['allowed']}.", markup=False)
    if sheet["items"] < items:
        out.print(f"{items} were asked for; there are no more that fit and are on no earlier sheet.", markup=False)
    # The page asks who labels, and saves under this name.
    filled = f"{output} --labeller NAME" if wanted != "html" else f"labels-{sheet['sheet_id']}.jsonl"
    then = "Then" if wanted != "html" else "Then, with the file that the page saves"
    out.print(f"{then}: abtest labels import {run_id} {filled}{env_option(env)}", markup=False, soft_wrap=True)


@labels.command("import")
def import_labels(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(help="The filled sheet, or what its page saved.", show_default=False)],
    *,
    labeller: Annotated[
        str | None, typer.Option("--labeller", help="Who labelled. [default: as the file says]")
    ] = None,
    as_json: AsJson = False,
    env: Environment = LOCAL,
) -> None:
    """Send one person's labels; nothing is kept when anything is wrong."""
    import json

    from abtest_cli.connection import connect
    from abtest_cli.label_files import labels_body, read_label_file, with_lines
    from abtest_cli.label_table import show_import
    from abtest_cli.output import console

    read = read_label_file(file)
    body = labels_body(read, labeller)
    with connect(env) as client, with_lines(read):
        kept = client.add_labels(run_id, body)
    if as_json:
        typer.echo(json.dumps(kept, indent=2, ensure_ascii=False))
        return
    show_import(console(), kept, read.unlabelled)


@labels.command("show")
def show_labels(
    run_id: RunId,
    *,
    metric: Annotated[
        str | None, typer.Option("--metric", help="A judge, or JUDGE.DIMENSION. [default: every one with labels]")
    ] = None,
    as_json: AsJson = False,
    env: Environment = LOCAL,
) -> None:
    """Show how far the judge agrees with people, the effect as people see it, and what more labels would bring."""
    import json

    from abtest_cli.connection import connect
    from abtest_cli.label_table import show_analysis, show_sheets
    from abtest_cli.output import console

    with connect(env) as client:
        so_far = client.labels(run_id)
        found = [sheet["metric"] for sheet in so_far["sheets"] if sheet["labelled"]]
        wanted = [metric] if metric is not None else list(dict.fromkeys(found))
        analyses = [client.label_analysis(run_id, name) for name in wanted]
    if as_json:
        typer.echo(json.dumps({**so_far, "analyses": analyses}, indent=2, ensure_ascii=False))
        return
    out = console()
    show_sheets(out, so_far)
    for analysis in analyses:
        show_analysis(out, analysis)
