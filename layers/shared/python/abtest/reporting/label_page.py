"""A labelling sheet as one HTML file that needs nothing else: people label in it and save what they said.

It makes no request. Its policy allows the one script and the one style that are in it, by their hashes; all text of
samples and answers is escaped. What people say stays in their browser until they save it as a file.

Depends on: jinja2, `abtest.evaluation.labels`, `abtest.reporting.rendering`. Used by: `abtest.runtime.labelling`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup

from abtest.evaluation.labels.checking import allowed_labels
from abtest.evaluation.labels.model import NAME_CHARACTERS, NOTE_CHARACTERS, LabelQuestion, SheetItem
from abtest.reporting.rendering import environment

_MOST_POINTS = 11
"""A scale of more points gets a field for a number."""


@dataclass(frozen=True)
class Option:
    """One label to choose.

    Args:
        value: as it is saved.
        key: the key that chooses it; None where it has none.
        text: beside it.
        meaning: its anchor.
    """

    value: str
    key: str | None
    text: str
    meaning: str = ""


def render_label_page(sheet_id: str, question: LabelQuestion, items: Sequence[SheetItem]) -> str:
    """Return a sheet as an HTML document.

    Args:
        sheet_id: of the sheet.
        question: what people are asked.
        items: in the order of the sheet.
    """
    script, style = _asset("label_page.js"), _asset("label_page.css")
    allowed = f"script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    page = environment().get_template("label_page.html.j2")
    return page.render(
        # Nothing here is markup but what this package ships.
        policy=policy,
        script=Markup(script),  # noqa: S704
        style=Markup(style),  # noqa: S704
        sheet_id=sheet_id,
        question=question,
        items=items,
        options=options_of(question),
        allowed=allowed_labels(question),
        name_characters=NAME_CHARACTERS,
        note_characters=NOTE_CHARACTERS,
    )


def options_of(question: LabelQuestion) -> list[Option]:
    """Return the labels to choose from; none where a number is written instead."""
    if question.kind == "binary":
        return [Option("1", "1", "pass"), Option("0", "0", "fail")]
    if question.kind == "preference":
        return [Option("1", "1", "Response 1"), Option("2", "2", "Response 2"), Option("tie", "t", "tie")]
    low, high = question.scale
    if low != int(low) or high != int(high) or high - low >= _MOST_POINTS:
        return []
    meanings = dict(question.anchors)
    points = range(int(low), int(high) + 1)
    return [Option(str(n), str(n) if 0 <= n <= 9 else None, str(n), meanings.get(n, "")) for n in points]


def _asset(name: str) -> str:
    return files("abtest.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
