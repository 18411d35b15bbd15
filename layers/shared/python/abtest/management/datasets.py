"""Datasets: every row is checked, every bad row is told with its line, and the good ones are frozen by content.

Depends on: `abtest.contracts`, the rules of each kind of row. Used by: the API when an upload is complete, the command
line before it uploads.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from abtest.contracts.definition import issues_of
from abtest.contracts.records import ImportedScore, Recording, Sample
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.hashing import canonical_json
from abtest.management import sample_rows, score_rows
from abtest.management.model import DatasetKind, DatasetSummary
from abtest.management.ports import TokenCounter
from abtest.management.score_rows import ScoreTally

MAX_ROW_BYTES = 1_000_000
MAX_ISSUES = 100
MAX_SUMMARY_BYTES = 100_000
"""Room for the summary in a record of 400 KB; only thousands of different input names need more."""

Row = Sample | Recording | ImportedScore
_MODELS: dict[DatasetKind, type[Sample] | type[Recording] | type[ImportedScore]] = {
    "samples": Sample,
    "recording": Recording,
    "scores": ImportedScore,
}


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
    first_line: dict[Hashable, int] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    scores: ScoreTally = field(default_factory=ScoreTally)

    def read(self, number: int, raw: bytes) -> None:
        row, line, issues = self._parse(number, raw)
        if row is None:
            self._refuse(issues)
            return
        key = score_rows.key_of(row) if isinstance(row, ImportedScore) else row.id
        issues = _row_issues(row, number) or self._repeated(row, key, number)
        if issues:
            self._refuse(issues)
            return
        self.first_line[key] = number
        self.lines.append(line)
        if isinstance(row, Sample):
            self.samples.append(row)
        elif isinstance(row, ImportedScore):
            self.scores.add(row, number)

    def end(self) -> None:
        """Look at the rows together."""
        together = sample_rows.joint_issues(self.samples, self.first_line) + self.scores.issues()
        self.bad_rows += len(together)
        self.issues.extend(together[: MAX_ISSUES - len(self.issues)])

    def summary(self, counter: TokenCounter | None) -> DatasetSummary:
        total_bytes = sum(map(len, self.lines))
        if self.kind == "samples":
            return sample_rows.summary_of(self.samples, total_bytes, counter)
        scores = self.scores.summary() if self.kind == "scores" else None
        return DatasetSummary(rows=len(self.lines), total_bytes=total_bytes, scores=scores)

    def _refuse(self, issues: Sequence[InputIssue]) -> None:
        self.bad_rows += 1
        self.issues.extend(issues[: MAX_ISSUES - len(self.issues)])

    def _repeated(self, row: Row, key: Hashable, number: int) -> list[InputIssue]:
        first = self.first_line.get(key)
        if first is None:
            return []
        if isinstance(row, ImportedScore):
            message = f"line {first} scores the same: its id, variants and repeat are the same"
            return [InputIssue("id", message, row.id, "one row for each; number them by `repeat`", number)]
        return [InputIssue("id", f"line {first} has the same id", row.id, "ids are unique", number)]

    def _parse(self, number: int, raw: bytes) -> tuple[Row | None, bytes, list[InputIssue]]:
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
            row = _MODELS[self.kind].model_validate(data)
            return row, canonical_json(_canonical_data(row)) + b"\n", []
        except ValidationError as error:
            fields = "the fields of a row are " + ", ".join(_MODELS[self.kind].model_fields)
            issues = issues_of(error)
            return None, b"", [InputIssue(i.path, i.message, i.found, i.allowed or fields, number) for i in issues]
        except (ValueError, RecursionError):
            # JSON may escape half a surrogate pair, and nest without end; what is kept may not.
            return refused("the row cannot be kept", _excerpt(raw), "text that UTF-8 holds, nested less than 200 deep")


def freeze_rows(lines: Iterable[bytes], kind: DatasetKind, counter: TokenCounter | None = None) -> FrozenRows:
    """Check every row and return the frozen dataset.

    Args:
        lines: the rows as JSONL, one row a line; blank lines are passed over.
        kind: what the rows are.
        counter: counts the tokens of the inputs; None leaves them uncounted.

    Raises:
        InvalidInputError: with the first 100 issues, each with its line, and the number of bad rows.
    """
    reader = _Reader(kind)
    for number, raw in enumerate(lines, start=1):
        if raw.strip():
            reader.read(number, raw.strip().removeprefix(b"\xef\xbb\xbf"))
    reader.end()
    if reader.bad_rows:
        raise InvalidInputError(f"{reader.bad_rows} of the dataset's rows cannot be used", reader.issues)
    if not reader.lines:
        raise InvalidInputError(
            "the dataset is empty", [InputIssue("dataset", "no row", None, "one JSON object a line, at least one")]
        )
    summary = reader.summary(counter)
    _check_names(summary)
    digest = hashlib.sha256()
    for line in reader.lines:
        digest.update(line)
    return FrozenRows(digest.hexdigest(), tuple(reader.lines), summary)


def _row_issues(row: Row, line: int) -> list[InputIssue]:
    if isinstance(row, Sample):
        return sample_rows.row_issues(row, line)
    return score_rows.row_issues(row, line) if isinstance(row, ImportedScore) else []


def _canonical_data(row: Row) -> dict[str, Any]:
    if isinstance(row, Sample):
        return sample_rows.canonical_data(row)
    return row.model_dump(mode="json", exclude_defaults=isinstance(row, ImportedScore))


def _check_names(summary: DatasetSummary) -> None:
    """Raise where the names that rows use are as many as the rows: nothing could use them, and no record holds them."""
    if len(summary.model_dump_json().encode()) <= MAX_SUMMARY_BYTES:
        return
    if summary.scores is None:
        found = f"{len(summary.input_counts):,} different names"
        issue = InputIssue("inputs", "too many or too long input names", found, "the same few names in each row")
    else:
        found = f"{len(summary.scores.rows_by_variant):,} variants, {len(summary.scores.dimensions):,} dimensions"
        message = "too many or too long names of variants or dimensions"
        issue = InputIssue("variant", message, found, "the same few names in all rows")
    raise InvalidInputError("the dataset's rows do not look alike", [issue])


def _excerpt(raw: bytes) -> str:
    return raw[:60].decode("utf-8", "replace")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is larger than any number that can be kept")
    return value
