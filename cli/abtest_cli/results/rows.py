"""Turns CSV, JSON lines and a JSON list into chunks of columns, some hundreds of rows at a time.

Work is done a chunk at a time by C loops (`csv`, `orjson`, `zip`, `map`); only a chunk in which something is wrong is
gone through row by row, to say where.

Depends on: orjson, `model`, `sources`, `mistakes`. Used by: the formats.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Final

import orjson

from abtest.core.registry import nearest
from abtest_cli.results.mistakes import quoted, shown
from abtest_cli.results.model import Columns, Reading
from abtest_cli.results.sources import Head, Source, json_value

ABSENT: Final = object()
"""Stands for a required key that an object does not have; null is something else."""
# Few enough for the processor's cache, and for the garbage collector not to start: twice as fast as some thousands.
_CHUNK_ROWS = 512
_MAX_FIELD_CHARACTERS = 1 << 27
MAX_ROWS = 20_000_000
"""Ten million pairs take about 4 GB; a random part of more than that answers as well."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file.

    Args:
        source: the file.
        columns: values by the column's name, each as long as `lines`; an optional column that no row has is missing.
        lines: where each row stands in the file, from 1.
        typed: values are JSON values; otherwise all are text.
    """

    source: Source
    columns: dict[str, Sequence[Any]]
    lines: Sequence[int]
    typed: bool


def chunks(source: Source, columns: Columns, reading: Reading) -> Iterator[Chunk]:
    """Yield the rows of a file.

    Args:
        source: a file of rows.
        columns: what to take of each.
        reading: takes mistakes and the names of columns that nobody asked for.

    Raises:
        InvalidInputError: a required column is missing, or the file has no rows.
    """
    head = source.head()
    if head.kind == "zip":
        reading.mistakes.fail(source.name, "a zip file, not a table of rows", allowed="CSV, JSON lines or a JSON list")
    require_columns(source, head, columns, reading)
    empty = True
    read = _csv_chunks(source, columns, reading) if head.kind == "csv" else _json_chunks(source, head, columns, reading)
    for chunk in read:
        empty = empty and not chunk.lines
        _count(source, len(chunk.lines), reading)
        yield chunk
    if empty and not reading.mistakes.issues:
        reading.mistakes.add(source.name, "no rows", allowed="at least one row after the header")


def require_columns(source: Source, head: Head, columns: Columns, reading: Reading) -> None:
    """Refuse a file whose rows cannot have the required columns.

    Raises:
        InvalidInputError: a column is missing or stands twice.
    """
    for name in columns.required:
        if name not in head.columns:
            hint = did_you_mean(name, [column for column in head.columns if column not in columns.known])
            found = quoted(head.columns) if head.columns else "no columns"
            reading.mistakes.add(source.name, f"no column `{name}`{hint}", found=found)
    if head.kind == "csv":
        for name in columns.known:
            if head.columns.count(name) > 1:
                reading.mistakes.add(source.name, f"column `{name}` stands more than once", line=1)
    reading.mistakes.refuse_if_any()


def did_you_mean(name: str, found: Sequence[str]) -> str:
    """Return the hint at a column that may have been meant, or nothing."""
    part = [column for column in found if name in column.lower()]
    guess = part[0] if part else nearest(name, found)
    return f"; did you mean `{guess}`?" if guess else ""


def objects(source: Source, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of JSON lines, each with its line."""
    for lines, rows in _json_rows(source, reading):
        _count(source, len(rows), reading)
        yield from zip(lines, rows, strict=True)


def _count(source: Source, rows: int, reading: Reading) -> None:
    """Count rows, and refuse more than this machine should hold."""
    reading.rows += rows
    if reading.rows > MAX_ROWS:
        allowed = f"{MAX_ROWS:,} rows; analyse a random part of the samples, whole samples at a time"
        reading.mistakes.fail(source.name, "too many rows", found=f"more than {MAX_ROWS:,}", allowed=allowed)


def _csv_chunks(source: Source, columns: Columns, reading: Reading) -> Iterator[Chunk]:
    reader = csv.reader(chain.from_iterable(_decoded(source, reading)), strict=True)
    field_limit = csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    try:
        header = next(row for row in reader if row)
        wanted = [(name, header.index(name)) for name in columns.known if name in header]
        _note_ignored(header, columns, reading)
        while True:
            before = reader.line_num
            rows = list(islice(reader, _CHUNK_ROWS))
            if not rows:
                return
            lines: Sequence[int] = range(before + 1, reader.line_num + 1)
            if len(lines) != len(rows):
                lines = _lines_of(rows, before)
            if set(map(len, rows)) != {len(header)}:
                rows, lines = _well_formed(rows, lines, header, source, reading)
            fields = list(zip(*rows, strict=True)) or [()] * len(header)
            yield Chunk(source, {name: fields[index] for name, index in wanted}, lines, typed=False)
    except csv.Error as error:
        message = f"no valid CSV: {error}"
        allowed = 'fields with commas, quotes or line ends in quotes, and quotes in them doubled: "say ""yes"""'
        reading.mistakes.add(source.name, message, allowed=allowed, line=reader.line_num)
    finally:
        csv.field_size_limit(field_limit)


def _decoded(source: Source, reading: Reading) -> Iterator[list[str]]:
    passed = 0
    for block in source.blocks():
        try:
            yield list(map(bytes.decode, block))
        except UnicodeDecodeError:
            yield [_replaced(raw, passed + index, source, reading) for index, raw in enumerate(block, 1)]
        passed += len(block)


def _replaced(raw: bytes, line: int, source: Source, reading: Reading) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at character {error.start + 1} of the line"
        reading.mistakes.add(source.name, message, found=f"byte {raw[error.start]:#04x}", line=line)
        return raw.decode(errors="replace")


def _lines_of(rows: Sequence[Sequence[str]], before: int) -> list[int]:
    """Return the first line of each row where a quoted field goes on over line ends."""
    lines = []
    for row in rows:
        lines.append(before + 1)
        before += 1 + sum(field.count("\n") for field in row)
    return lines


def _well_formed(
    rows: list[list[str]], lines: Sequence[int], header: Sequence[str], source: Source, reading: Reading
) -> tuple[list[list[str]], list[int]]:
    kept_rows, kept_lines = [], []
    for row, line in zip(rows, lines, strict=True):
        if len(row) == len(header):
            kept_rows.append(row)
            kept_lines.append(line)
        elif row:  # an empty line is no row
            amount = "too many fields" if len(row) > len(header) else "too few fields"
            allowed = f"{len(header)}, as in the header"
            reading.mistakes.add(source.name, amount, found=str(len(row)), allowed=allowed, line=line)
    return kept_rows, kept_lines


def _json_chunks(source: Source, head: Head, columns: Columns, reading: Reading) -> Iterator[Chunk]:
    for lines, rows in _listed(source, reading) if head.kind == "json" else _json_rows(source, reading):
        keys = set().union(*rows) if rows else set()
        _note_ignored(sorted(keys.difference(columns.known)), columns, reading)
        names = [name for name in columns.known if name in keys]
        taken: dict[str, Sequence[Any]] = {}
        for name in names:
            try:
                taken[name] = list(map(itemgetter(name), rows))
            except KeyError:
                instead = ABSENT if name in columns.required else None
                taken[name] = [row.get(name, instead) for row in rows]
        for name in columns.required:
            taken.setdefault(name, [ABSENT] * len(rows))
        yield Chunk(source, taken, lines, typed=True)


def _json_rows(source: Source, reading: Reading) -> Iterator[tuple[Sequence[int], list[dict[str, Any]]]]:
    passed = 0
    for block in source.blocks():
        lines: Sequence[int] = range(passed + 1, passed + len(block) + 1)
        passed += len(block)
        try:
            rows = list(map(orjson.loads, block))
        except orjson.JSONDecodeError:
            lines, rows = _valid_rows(block, lines, source, reading)
        if set(map(type, rows)) - {dict}:
            lines, rows = _only_objects(rows, lines, source, reading)
        yield lines, rows


def _valid_rows(
    block: list[bytes], lines: Sequence[int], source: Source, reading: Reading
) -> tuple[list[int], list[Any]]:
    kept_lines, rows = [], []
    for line, raw in zip(lines, block, strict=True):
        if not raw.strip():
            continue
        try:
            rows.append(json_value(raw))
            kept_lines.append(line)
        except ValueError as error:
            message = f"no valid JSON: {error}"
            if not _is_utf8(raw):
                message = "not UTF-8"
            elif not raw.endswith(b"\n"):
                message = "the last line is cut off"
            reading.mistakes.add(source.name, message, found=shown(raw.decode(errors="replace").strip()), line=line)
    return kept_lines, rows


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _only_objects(
    rows: list[Any], lines: Sequence[int], source: Source, reading: Reading
) -> tuple[list[int], list[dict[str, Any]]]:
    kept_lines, kept_rows = [], []
    for line, row in zip(lines, rows, strict=True):
        if isinstance(row, dict):
            kept_lines.append(line)
            kept_rows.append(row)
        else:
            reading.mistakes.add(source.name, "the row is no JSON object", found=shown(row), line=line)
    return kept_lines, kept_rows


def _listed(source: Source, reading: Reading) -> Iterator[tuple[Sequence[int], list[dict[str, Any]]]]:
    document = source.document()
    if not isinstance(document, list):
        reading.mistakes.fail(source.name, "no list of rows", found=shown(document), allowed="a JSON list of objects")
    for start in range(0, len(document), _CHUNK_ROWS):
        rows = document[start : start + _CHUNK_ROWS]
        yield _only_objects(rows, range(start + 1, start + len(rows) + 1), source, reading)


def _note_ignored(names: Sequence[str], columns: Columns, reading: Reading) -> None:
    if not columns.others_expected:
        reading.ignored.update(dict.fromkeys(name for name in names if name not in columns.known))
