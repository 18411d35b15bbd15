"""Labels as people write them, checked whole and put into the one form in which they are kept.

Depends on: `abtest.core`, the model. Used by: `abtest.runtime.labelling`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from abtest.core.errors import InputIssue
from abtest.evaluation.labels.model import ItemKey, Label, LabellingSheet, LabelQuestion

RawLabel = str | int | float | bool
_BINARY = {"0": "0", "1": "1", "fail": "0", "pass": "1", "false": "0", "true": "1", "no": "0", "yes": "1"}
_PREFERENCE = ("1", "2", "tie")
_FOUND_CHARACTERS = 40


def checked_labels(
    sheet: LabellingSheet, rows: Sequence[tuple[str, RawLabel, str | None]]
) -> tuple[tuple[Label, ...], list[InputIssue]]:
    """Return labels as they are kept, and everything that is wrong; labels count only where nothing is.

    Args:
        sheet: whose items they are about.
        rows: item, label and note.
    """
    known = {key.item for key in sheet.keys}
    seen: dict[str, int] = {}
    labels: list[Label] = []
    issues: list[InputIssue] = []
    for number, (item, raw, note) in enumerate(rows):
        if item not in known:
            issues.append(InputIssue(f"labels.{number}.item", "no item of this sheet", _shortened(item)))
        elif item in seen:
            issues.append(
                InputIssue(f"labels.{number}.item", f"labelled twice here, first by labels.{seen[item]}", item)
            )
        else:
            seen[item] = number
        label = kept_label(raw, sheet.question)
        if label is None:
            issues.append(
                InputIssue(f"labels.{number}.label", "not a label", _shortened(raw), allowed_labels(sheet.question))
            )
        else:
            labels.append(Label(item=item, label=label, note=(note or "").strip() or None))
    return tuple(labels), issues


def kept_label(raw: RawLabel, question: LabelQuestion) -> str | None:
    """Return a label as it is kept, or None when it is none.

    Args:
        raw: as it was written; case and surrounding blanks do not count.
        question: says what a label is.
    """
    if isinstance(raw, bool):
        return str(int(raw)) if question.kind == "binary" else None
    # As text, for a whole number of any size may be sent, and the largest fit no float.
    text = (raw if isinstance(raw, str) else str(raw)).strip().lower()
    if question.kind == "binary":
        return _BINARY.get(_whole(text))
    if question.kind == "preference":
        return _whole(text) if _whole(text) in _PREFERENCE else None
    try:
        number = float(text)
    except ValueError:
        return None
    low, high = question.scale
    return f"{number:.12g}" if math.isfinite(number) and low <= number <= high else None


def allowed_labels(question: LabelQuestion) -> str:
    """Return what may be written, for a person."""
    if question.kind == "binary":
        return "1 (pass) or 0 (fail)"
    if question.kind == "preference":
        return "1, 2 or tie"
    low, high = question.scale
    return f"a number from {low:g} to {high:g}"


def label_value(label: str, key: ItemKey) -> float:
    """Return a kept label as a number beside the judge's: of a pair the treatment's share of the preference.

    Args:
        label: as it is kept.
        key: of its item.
    """
    if key.treatment_shown is None:
        return float(label)
    return 0.5 if label == "tie" else float(label == key.treatment_shown)


def _whole(text: str) -> str:
    """Return `1` for `1.0`, which spreadsheets make of it."""
    return text[:-2] if text.endswith(".0") else text


def _shortened(found: RawLabel) -> str:
    text = str(found)
    return text if len(text) <= _FOUND_CHARACTERS else f"{text[:_FOUND_CHARACTERS]}…"
