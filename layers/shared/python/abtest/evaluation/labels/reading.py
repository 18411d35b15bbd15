"""Reads labels back: the CSV or JSONL of a sheet after people filled it in, or what the page of a sheet saved.

Depends on: `abtest.core`, the formats. Used by: the command line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.labels.checking import RawLabel
from abtest.evaluation.labels.formats import ITEM, LABEL, NOTE, SHEET, as_written

LABELLER = "labeller"
_LONGEST_CELL = 16 * 1024 * 1024
_NEEDED = (SHEET, ITEM, LABEL)
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class ReadLabel:
    """One row that carries a label.

    Args:
        line: in the file, from 1; of a row over several lines the last.
    """

    item: str
    label: RawLabel
    note: str | None
    line: int


@dataclass(frozen=True)
class LabelFile:
    """A file of labels.

    Args:
        sheet_id: the one sheet it belongs to.
        labeller: whoever the file names; None where it names nobody.
        labels: rows with a label, in their order.
        unlabelled: rows without one.
    """

    sheet_id: str
    labeller: str | None
    labels: tuple[ReadLabel, ...]
    unlabelled: int


def read_labels(body: bytes) -> LabelFile:
    """Return the labels of a file, CSV or JSONL by its content.

    Args:
        body: of the file.

    Raises:
        InvalidInputError: it cannot be read, or holds several sheets or labellers; every issue with its line.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        issue = InputIssue("(file)", f"not UTF-8 at byte {error.start}", allowed="in a spreadsheet: save as CSV UTF-8")
        raise InvalidInputError("The labels cannot be read.", [issue]) from error
    issues: list[InputIssue] = []
    rows = list(_json_rows(text, issues) if text.lstrip().startswith("{") else _csv_rows(text, issues))
    sheet_id = _the_one(SHEET, rows, issues)
    labeller = _the_one(LABELLER, rows, issues)
    if not rows and not issues:
        issues.append(InputIssue("(file)", "it has no row"))
    if sheet_id is None and rows:
        issues.append(InputIssue(SHEET, "no row names the sheet", allowed="the column as it was exported"))
    if issues:
        raise InvalidInputError("The labels cannot be read.", issues)
    labels = tuple(
        ReadLabel(str(row[ITEM]), row[LABEL], row.get(NOTE) or None, line) for line, row in rows if _given(row)
    )
    return LabelFile(sheet_id or "", labeller, labels, len(rows) - len(labels))


Row = tuple[int, Mapping[str, Any]]


def _json_rows(text: str, issues: list[InputIssue]) -> Iterator[Row]:
    # Not splitlines(): a line separator of Unicode may stand inside a text.
    for line, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError):
            issues.append(InputIssue("(line)", "not a JSON object", line=line))
            continue
        if not isinstance(row, dict):
            issues.append(InputIssue("(line)", "not a JSON object", line=line))
        elif (issue := _shape(row, line)) is not None:
            issues.append(issue)
        else:
            yield line, row


def _shape(row: Mapping[str, Any], line: int) -> InputIssue | None:
    if not isinstance(row.get(ITEM), str):
        return InputIssue(ITEM, "this field is required, as it was exported", line=line)
    if not isinstance(row.get(LABEL), str | int | float | None):
        return InputIssue(LABEL, "not a label", str(row[LABEL])[:40], "a text or a number", line=line)
    for name in (SHEET, LABELLER, NOTE):
        if not isinstance(row.get(name), str | None):
            return InputIssue(name, "not a text", str(row[name])[:40], line=line)
    return None


def _csv_rows(text: str, issues: list[InputIssue]) -> Iterator[Row]:
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        # Spreadsheets of some countries save semicolons. What stands in quotes is a name and separates nothing.
        head = _QUOTED.sub("", text).split("\n", maxsplit=1)[0]
        delimiter = max(",;\t", key=head.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        names = [as_written(name.strip()).lower() for name in next(reader, [])]
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            found = ", ".join(name for name in names if name)[:80] or "nothing"
            issues.append(InputIssue("(header)", f"no column {' and no column '.join(missing)}", found, line=1))
            return
        twice = [name for name in (*_NEEDED, NOTE, LABELLER) if names.count(name) > 1]
        if twice:
            issues.append(InputIssue("(header)", "two columns have this name; keep one", twice[0], line=1))
            return
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, {name: as_written(cell) for name, cell in zip(names, cells, strict=False)}
    except csv.Error as error:
        issues.append(InputIssue("(line)", f"not CSV: {error}", line=reader.line_num))
    finally:
        csv.field_size_limit(before)


def _the_one(name: str, rows: Iterable[Row], issues: list[InputIssue]) -> str | None:
    """Return the one value of a column, None where nothing stands; several are an issue."""
    found: dict[str, int] = {}
    for line, row in rows:
        value = str(row.get(name) or "").strip()
        if value:
            found.setdefault(value, line)
    if len(found) > 1:
        second, line = list(found.items())[1]
        issues.append(
            InputIssue(name, "a file holds one only; import the others apart", second, next(iter(found)), line)
        )
    return next(iter(found), None)


def _given(row: Mapping[str, Any]) -> bool:
    label = row.get(LABEL)
    return label is not None and str(label).strip() != ""
