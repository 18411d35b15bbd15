"""Datasets: every row is checked, every bad row is told with its line, and the good ones are frozen by content.

Depends on: `abtest.contracts`. Used by: the API when an upload is complete, the command line before it uploads.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import ValidationError

from abtest.contracts.definition import issues_of
from abtest.contracts.records import Recording, Sample
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.hashing import canonical_json
from abtest.management.model import DatasetKind, DatasetSummary, InputTokens
from abtest.management.ports import TokenCounter
from abtest.management.token_counts import count_inputs, rows_to_count

MAX_ROW_BYTES = 1_000_000
MAX_ISSUES = 100
MAX_SUMMARY_BYTES = 100_000
"""Room for the summary in a record of 400 KB; only thousands of different input names need more."""


@dataclass(frozen=True)
class FrozenRows:
    """The canonical rows of a dataset and what is known of them.

    Args:
        version: SHA-256 of the canonical lines, 64 hexadecimal digits.
        lines: canonical JSON of each row, one line each, newline included.
    """

    version: str
    lines: tuple[bytes, ...]
    summary: DatasetSummary


@dataclass
class _Reader:
    kind: DatasetKind
    issues: list[InputIssue] = field(default_factory=list)
    bad_rows: int = 0
    first_line: dict[str, int] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    rows: list[Sample] = field(default_factory=list)

    def read(self, number: int, raw: bytes) -> None:
        row, line, issues = self._parse(number, raw)
        if row is not None and row.id in self.first_line:
            first = self.first_line[row.id]
            issues = [InputIssue("id", f"line {first} has the same id", row.id, "ids are unique", number)]
        if issues:
            self.bad_rows += 1
            self.issues.extend(issues[: MAX_ISSUES - len(self.issues)])
        elif row is not None:
            self.first_line[row.id] = number
            self.lines.append(line)
            if isinstance(row, Sample):
                self.rows.append(row)

    def _parse(self, number: int, raw: bytes) -> tuple[Sample | Recording | None, bytes, list[InputIssue]]:
        def refused(message: str, found: str, allowed: str) -> tuple[None, bytes, list[InputIssue]]:
            return None, b"", [InputIssue("(row)", message, found, allowed, number)]

        if len(raw) > MAX_ROW_BYTES:
            return refused("the row is too long", f"{len(raw)} bytes", f"{MAX_ROW_BYTES:,} bytes")
        try:
            data = json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            return refused(f"not JSON: {error}", _excerpt(raw), "one JSON object a line")
        if not isinstance(data, dict):
            return refused("not an object", _excerpt(raw), "one JSON object a line")
        try:
            row = (Sample if self.kind == "samples" else Recording).model_validate(data)
            return row, canonical_json(row.model_dump(mode="json")) + b"\n", []
        except ValidationError as error:
            fields = _fields(self.kind)
            issues = issues_of(error)
            return None, b"", [InputIssue(i.path, i.message, i.found, i.allowed or fields, number) for i in issues]
        except (ValueError, RecursionError):
            # JSON may escape half a surrogate pair, and nest without end; what is kept may not.
            return refused("the row cannot be kept", _excerpt(raw), "text that UTF-8 holds, nested less than 200 deep")


def freeze_rows(lines: Iterable[bytes], kind: DatasetKind, counter: TokenCounter | None = None) -> FrozenRows:
    """Check every row and return the frozen dataset.

    Args:
        lines: the rows as JSONL, one row a line; blank lines are passed over.
        kind: `samples` or `recording`.
        counter: counts the tokens of the inputs; None leaves them uncounted.

    Raises:
        InvalidInputError: with the first 100 issues, each with its line, and the number of bad rows.
    """
    reader = _Reader(kind)
    for number, raw in enumerate(lines, start=1):
        if raw.strip():
            reader.read(number, raw.strip().removeprefix(b"\xef\xbb\xbf"))
    if reader.bad_rows:
        raise InvalidInputError(f"{reader.bad_rows} of the dataset's rows cannot be used", reader.issues)
    if not reader.lines:
        raise InvalidInputError(
            "the dataset is empty", [InputIssue("dataset", "no row", None, "one JSON object a line, at least one")]
        )
    summary = _summary(reader, counter)
    if len(summary.model_dump_json().encode()) > MAX_SUMMARY_BYTES:
        found = f"{len(summary.input_counts):,} different names"
        issue = InputIssue("inputs", "too many or too long input names", found, "the same few names in each row")
        raise InvalidInputError("the dataset's rows do not look alike", [issue])
    digest = hashlib.sha256()
    for line in reader.lines:
        digest.update(line)
    return FrozenRows(digest.hexdigest(), tuple(reader.lines), summary)


def _summary(reader: _Reader, counter: TokenCounter | None) -> DatasetSummary:
    counts: Counter[str] = Counter()
    blanks: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for row in reader.rows:
        for name, value in row.inputs.items():
            text = _text(value)
            counts[name] += 1
            blanks[name] += not text.strip()
            characters[name] += len(text)
    clusters = {row.cluster for row in reader.rows if row.cluster is not None}
    alone = sum(row.cluster is None for row in reader.rows)
    return DatasetSummary(
        rows=len(reader.lines),
        input_counts=dict(counts),
        blank_counts={name: n for name, n in blanks.items() if n},
        input_characters=dict(characters),
        input_tokens={} if counter is None else _tokens(reader.rows, characters, counter),
        references=sum(row.reference is not None for row in reader.rows),
        clusters=len(clusters) + alone if clusters else None,
        total_bytes=sum(map(len, reader.lines)),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tokens(rows: Sequence[Sample], characters: Mapping[str, int], counter: TokenCounter) -> dict[str, InputTokens]:
    if not characters:
        return {}
    texts = [{name: _text(value) for name, value in row.inputs.items()} for row in rows_to_count(rows)]
    return {
        encoding: count_inputs(texts, characters, partial(counter.count, encoding)) for encoding in counter.encodings
    }


def _fields(kind: DatasetKind) -> str:
    model = Sample if kind == "samples" else Recording
    return "the fields of a row are " + ", ".join(model.model_fields)


def _excerpt(raw: bytes) -> str:
    return raw[:60].decode("utf-8", "replace")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is larger than any number that can be kept")
    return value
