"""Files of labels at the command line: written whole, read with their lines, so that a mistake is found in the file.

Depends on: `abtest.evaluation.labels.reading`. Used by: `abtest_cli.commands.labels`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.labels.model import MOST_ITEMS
from abtest.evaluation.labels.reading import LabelFile, read_labels
from abtest_cli.errors import UsageError

FORMATS = ("csv", "jsonl", "html")
_ROW = re.compile(r"labels\.(\d+)\.(\w+)")
_PAGE_START = 32
_MENTIONED = re.compile(r"\blabels\.(\d+)\b")


def format_of(path: Path, wanted: str | None) -> str:
    """Return the format of a sheet: the one that was asked for, else by the file's name, else CSV."""
    suffix = path.suffix.lower().removeprefix(".")
    return wanted or (suffix if suffix in FORMATS else "csv")


def check_new(path: Path) -> None:
    """Return when a sheet may be written to a path: before it is made, because a sheet takes samples from later ones.

    Raises:
        UsageError: a file is there, which may hold somebody's labels, or there is no such folder.
    """
    if path.exists() or path.is_symlink():
        issue = InputIssue("--output", "it is there already, and may hold somebody's labels", str(path), "a new file")
        raise UsageError("The sheet is not made; nothing was overwritten.", [issue])
    if not path.parent.is_dir():
        issue = InputIssue("--output", "there is no such folder", str(path.parent), "a file in a folder that is there")
        raise UsageError("The sheet is not made.", [issue])


def write_sheet(path: Path, body: bytes) -> None:
    """Write a sheet a person asked for, and never over a file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with path.open("xb") as file:
            file.write(body)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error


def read_label_file(path: Path) -> LabelFile:
    """Return the labels of a file.

    Raises:
        UsageError: it cannot be read.
        InvalidInputError: it holds no labels of one sheet.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    if body.lstrip()[:_PAGE_START].lower().startswith((b"<!doctype html", b"<html")):
        issue = InputIssue("FILE", "it is the page itself, without labels", str(path), "the .jsonl file the page saves")
        raise UsageError("The labels cannot be read. Open the page in a browser, label, and save.", [issue])
    return read_labels(body)


def labels_body(read: LabelFile, labeller: str | None) -> dict[str, Any]:
    """Return labels as the API takes them.

    Args:
        read: of a file.
        labeller: who labelled; None takes whom the file names.

    Raises:
        UsageError: nobody is named, or nothing is labelled, or too much.
    """
    name = (labeller or read.labeller or "").strip()
    if not name:
        raise UsageError(
            "Who labelled? Name them: --labeller NAME. A person's second label of an item replaces the first."
        )
    if not read.labels:
        raise UsageError(f"None of the {read.unlabelled} rows has a label; fill in the column `label`.")
    if len(read.labels) > MOST_ITEMS:
        raise UsageError(f"The file has {len(read.labels):,} labels; one import takes {MOST_ITEMS:,}. Split the file.")
    rows = [{"item": row.item, "label": row.label, **({"note": row.note} if row.note else {})} for row in read.labels]
    return {"sheet_id": read.sheet_id, "labeller": name, "labels": rows}


@contextmanager
def with_lines(read: LabelFile) -> Iterator[None]:
    """Have the API's issues name lines of the file in place of positions in the request."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(error.message, [_in_file(issue, read) for issue in error.issues]) from error


def _in_file(issue: InputIssue, read: LabelFile) -> InputIssue:
    named = _ROW.match(issue.path)
    if named is None or int(named[1]) >= len(read.labels):
        return issue

    def line(position: str) -> int:
        return read.labels[int(position)].line

    message = _MENTIONED.sub(lambda other: f"line {line(other[1])}", issue.message)
    return replace(issue, path=named[2], message=message, line=line(named[1]))
