"""`abtest judges`: how answers may be scored, by what questions, and one judge tried on one answer.

Depends on: typer; `abtest_cli.connection`, `judge_catalogue`, `judge_trials`, `judge_views`.
Used by: `abtest_cli.main`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abtest_cli.commands.run import LOCAL, Environment

if TYPE_CHECKING:
    from abtest_cli.judge_catalogue import Catalogue
    from abtest_cli.judge_trials import TrialOptions

judges = typer.Typer(help="How answers may be scored: judges, their dimensions, their prompts.", no_args_is_help=True)
template = typer.Typer(help="Prompts of your own for judges.", no_args_is_help=True)
judges.add_typer(template, name="template")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(judges, name="judges")


def _text(name: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, help=text, show_default=False)
    return option


@judges.command("list")
def list_judges(*, as_json: AsJson = False, env: Environment = LOCAL) -> None:
    """List the judge types, the dimensions they may look at, and the templates of their prompts."""
    from abtest_cli.judge_views import dimensions_table, judges_table, templates_table

    found = _looked_up(env, _all)
    if as_json:
        _print_json(found)
        return
    tables = (judges_table(found["judges"]), dimensions_table(found["dimensions"]), templates_table(found["templates"]))
    _print(*tables)


@judges.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A judge type, a dimension or a template.", show_default=False)],
    *,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Of a template. [default: latest]")] = None,
    as_json: AsJson = False,
    env: Environment = LOCAL,
) -> None:
    """Show a judge's options, a dimension's anchors or the text of a template; all that have the name."""
    from abtest_cli.judge_views import shown

    found = _looked_up(env, lambda catalogue: _named(catalogue, name, version))
    if as_json:
        _print_json(found)
        return
    _print(*shown(found))


def _looked_up(env: str, read: Callable[[Catalogue], dict[str, Any]]) -> dict[str, Any]:
    """Return what is wanted, and say beside it when no platform was asked."""
    from abtest_cli.judge_catalogue import looked_up
    from abtest_cli.output import console, print_warnings

    found, note = looked_up(env, read)
    print_warnings(console(stderr=True), [note] if note else [])
    return found


def _all(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "judges": catalogue.judges(),
        "dimensions": catalogue.judge_dimensions(),
        "templates": catalogue.judge_templates(),
    }


def _named(catalogue: Catalogue, name: str, version: int | None) -> dict[str, Any]:
    """Return what has a name, by what it is.

    Raises:
        NotFoundError: nothing has it; the message suggests the nearest.
    """
    from abtest.core.errors import NotFoundError
    from abtest.core.registry import unknown_name

    types = {one["type"]: one for one in catalogue.judges()}
    dimensions = {one["name"]: one for one in catalogue.judge_dimensions()}
    templates = {one["name"] for one in catalogue.judge_templates()}
    found: dict[str, Any] = {}
    if version is None and name in types:
        found["judge"] = types[name]
    if version is None and name in dimensions:
        found["dimension"] = dimensions[name]
    if name in templates:
        found["template"] = catalogue.judge_template(name, version)
    if not found:
        known = templates if version is not None else {*types, *dimensions, *templates}
        raise NotFoundError(f"There is no such judge, dimension or template: {unknown_name(name, known)}")
    return found


@judges.command("try")
def try_judge(
    source: Annotated[
        str, typer.Argument(help="A test file or folder, a file of judges, or a judge type.", show_default=False)
    ],
    *,
    judge: Annotated[str | None, _text("--judge", "Which judge of the file. [default: the only one]")] = None,
    option: Annotated[
        list[str] | None, _text("--option", "NAME=VALUE of a judge given by its type; may be repeated.")
    ] = None,
    sample: Annotated[Path | None, _text("--sample", "File with the sample: JSON, or JSONL.")] = None,
    sample_id: Annotated[
        str | None, _text("--sample-id", "Which sample of the file, or of the test's dataset. [default: the first]")
    ] = None,
    inputs: Annotated[list[str] | None, _text("--input", "NAME=VALUE of the sample; may be repeated.")] = None,
    document: Annotated[
        list[str] | None, _text("--document", "A text the answer should rest on, or @FILE; may be repeated.")
    ] = None,
    reference: Annotated[str | None, _text("--reference", "The sample's reference, or @FILE.")] = None,
    answer: Annotated[str | None, _text("--answer", "What is judged, or @FILE; of a pair the treatment's.")] = None,
    against: Annotated[str | None, _text("--against", "The control's answer of a pair, or @FILE.")] = None,
    fallback: Annotated[int, typer.Option("--fallback", min=0, help="Which fallback is asked; 0 is its model.")] = 0,
    render: Annotated[bool, typer.Option("--render", help="Print the prompts, and ask nobody.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Show the prompts and the model's replies as well.")] = False,
    as_json: AsJson = False,
    env: Environment = LOCAL,
) -> None:
    """Try one judge on one answer or pair: its verdict, what its model said, what that cost."""
    from abtest_cli.judge_trials import TrialOptions
    from abtest_cli.judge_views import prompts_shown, trial_shown

    options = TrialOptions(
        source=source,
        judge=judge,
        options=option or (),
        sample=sample,
        sample_id=sample_id,
        inputs=inputs or (),
        documents=document or (),
        reference=reference,
        answer=answer,
        against=against,
        fallback=fallback,
    )
    result = _tried(options, env, render=render)
    if as_json:
        _print_json(result)
    else:
        _print(*(prompts_shown(result) if render else trial_shown(result, raw=raw)))
    if any(reply["outcome"] == "failed" for one in result["judges"] for reply in one["replies"]):
        raise typer.Exit(1)


def _tried(options: TrialOptions, env: str, *, render: bool) -> dict[str, Any]:
    """Return what a trial shows: made on this machine where no model is needed."""
    from abtest_cli.connection import connect
    from abtest_cli.judge_trials import rendered_locally, request_of, scored_locally
    from abtest_cli.output import console, print_warnings

    request = request_of(options)
    print_warnings(console(stderr=True), request.notes)

    def lookup(name: str, version: int | None) -> Any:
        from abtest.evaluation.template_references import JudgeTemplate

        with connect(env) as client:
            found = client.judge_template(name, version)
        return JudgeTemplate.model_validate({key: found.get(key) for key in JudgeTemplate.model_fields})

    if render:
        return rendered_locally(request.body, lookup)
    scored = scored_locally(request.body, lookup)
    if scored is not None:
        return scored
    with connect(env) as client:
        return client.try_judge(request.body)


@template.command("put")
def put_template(
    name: Annotated[str, typer.Argument(help="The name that judges will use.", show_default=False)],
    *,
    judge: Annotated[str, typer.Option("--judge", help="The type of judge it is for.")] = "rubric",
    system_file: Annotated[Path | None, _text("--system-file", "File of the system message.")] = None,
    user_file: Annotated[Path | None, _text("--user-file", "File of the user message.")] = None,
    env: Environment = LOCAL,
) -> None:
    """Keep a prompt of your own as the next version; a part that is left out is the built-in one."""
    from abtest_cli.connection import connect
    from abtest_cli.definition_files import MAX_PROMPT_BYTES
    from abtest_cli.names import check_name
    from abtest_cli.output import console
    from abtest_cli.yaml_files import read_text

    check_name(name, "NAME", "The template cannot be kept.")
    files = {"system": system_file, "user": user_file}
    texts = {
        part: read_text(path, f"--{part}-file", MAX_PROMPT_BYTES) for part, path in files.items() if path is not None
    }
    with connect(env) as client:
        kept = client.put_judge_template(name, {"judge": judge, **texts})
    console().print(
        f"Template {kept['name']} is kept in {env} as version {kept['version']}. "
        f"A {kept['judge']} judge uses it by  template: {{name: {kept['name']}, version: {kept['version']}}}",
        markup=False,
        soft_wrap=True,
    )


def _print(*parts: Any) -> None:
    from abtest_cli.output import console

    out = console()
    for part in parts:
        out.print(part)


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
