"""`abtest init`: a test folder to start from.

Depends on: typer; `abtest_cli.examples`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from abtest_cli.examples import DEFAULT


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.", show_default=False)],
    example: Annotated[str, typer.Option("--example", help="Which example to start from.")] = DEFAULT,
) -> None:
    """Make a test folder to edit: test.yaml, dataset.jsonl, prompts. Nothing is ever overwritten."""
    from abtest.core.errors import InputIssue
    from abtest_cli.errors import UsageError
    from abtest_cli.examples import folder_of
    from abtest_cli.output import console

    source = folder_of(example)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        issue = InputIssue("folder", "it exists and is not empty", str(folder), "a new or an empty folder")
        raise UsageError("Nothing was written.", [issue])
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    out = console()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        out.print(f"  {path}", markup=False)
    out.print(f"Edit {folder / 'test.yaml'}, then: abtest run {folder}", markup=False)
