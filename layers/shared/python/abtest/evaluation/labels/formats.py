"""A sheet as files: CSV for a spreadsheet, JSONL for a program.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula or a command. Such a
text gets one `'` before it, and so does one that begins with `'`: removing one leading `'` gives the text back.

Depends on: the model. Used by: `abtest.runtime.labelling`, `abtest.evaluation.labels.reading`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from abtest.evaluation.labels.checking import allowed_labels
from abtest.evaluation.labels.model import LabelQuestion, SheetItem

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MARK = "'"
LABEL, NOTE, ITEM, SHEET = "label", "note", "item", "sheet"


def response_columns(question: LabelQuestion) -> tuple[str, ...]:
    """Return the names of the answers in every format."""
    return ("response_1", "response_2") if question.kind == "preference" else ("response",)


def sheet_csv(sheet_id: str, question: LabelQuestion, items: Sequence[SheetItem]) -> bytes:
    """Return a sheet as CSV (RFC 4180), UTF-8 with a byte order mark, every cell quoted, the column `label` empty.

    Args:
        sheet_id: of the sheet; an import needs it.
        question: what people are asked.
        items: in the order of the sheet.
    """
    inputs = list(dict.fromkeys(name for item in items for name in item.inputs))
    facts = [name for name in _FACTS if any(_fact(item, name) not in (None, "") for item in items)]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    head = (SHEET, ITEM, *(f"input {name}" for name in inputs), *facts, *response_columns(question))
    writer.writerow(
        [spreadsheet_safe(name) for name in (*head, "question", "allowed", *_anchors(question), LABEL, NOTE)]
    )
    tail = [question.text, allowed_labels(question), *(text for _, text in question.anchors), "", ""]
    for item in items:
        cells = [sheet_id, item.item, *(_text(item.inputs.get(name)) for name in inputs)]
        cells += [_text(_fact(item, name)) for name in facts] + [*item.responses, *tail]
        writer.writerow([spreadsheet_safe(cell) for cell in cells])
    return buffer.getvalue().encode("utf-8-sig", "replace")


def sheet_jsonl(sheet_id: str, question: LabelQuestion, items: Sequence[SheetItem]) -> bytes:
    """Return a sheet as JSONL: one item a line, every text exactly as it is, `label` null.

    Args:
        sheet_id: of the sheet; an import needs it.
        question: what people are asked.
        items: in the order of the sheet.
    """
    asked = {
        "question": question.text,
        "allowed": allowed_labels(question),
        "anchors": {f"{point:g}": text for point, text in question.anchors},
    }
    lines = []
    for item in items:
        shown = item.model_dump(mode="json", exclude={"item", "responses"})
        responses = dict(zip(response_columns(question), item.responses, strict=True))
        row = {SHEET: sheet_id, ITEM: item.item, **asked, **shown, **responses, LABEL: None, NOTE: None}
        lines.append(json.dumps(row, ensure_ascii=True, allow_nan=False).encode() + b"\n")
    return b"".join(lines)


def spreadsheet_safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"{MARK}{text}" if text.startswith((MARK, *FORMULA_STARTS)) else text


def as_written(cell: str) -> str:
    """Return the text behind a cell of `spreadsheet_safe`."""
    return cell[1:] if cell.startswith(MARK) and cell[1:].startswith((MARK, *FORMULA_STARTS)) else cell


_FACTS = ("messages", "documents", "reference", "expected_outcome", "rubric")


def _fact(item: SheetItem, name: str) -> Any:
    """Return a fact of a sample as a cell has it: earlier turns and documents as paragraphs."""
    if name == "messages":
        return "\n\n".join(f"{turn.role}: {turn.content}" for turn in item.messages)
    if name == "documents":
        return "\n\n".join(f"{one.title}\n{one.text}" if one.title else one.text for one in item.documents)
    return getattr(item, name)


def _anchors(question: LabelQuestion) -> list[str]:
    return [f"anchor {point:g}" for point, _ in question.anchors]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
