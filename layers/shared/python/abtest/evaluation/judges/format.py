"""Does the answer have a required form?

Measures: whether the answer meets every constraint that is given: a kind of value (JSON, XML, number, date), one of
some labels, a beginning, an end, a number of lines, a list, no Markdown. White space around the answer is ignored.

- `json`: strict JSON of any type; `json_object`: a JSON object. `xml`: one well-formed element, with or without a
  declaration; a document type is refused, so nothing is expanded or fetched.
- `number`: ASCII digits with an optional sign, decimal point and exponent, and nothing else: `-1.5`, `2e3`.
- `date`: a day of the calendar as `YYYY-MM-DD` (ISO 8601).
- Lines are counted where they are not blank.
- `bullets`: every line begins with `-`, `*`, `+`, `•`, `‣` or `–` and a space; `numbers`: with 1, 2, 3 … in order and
  `.` or `)`. A line that is indented by a tab or by two spaces belongs to the item above it.
- Markdown is a heading, fence, quotation, table, bold text, inline code, link or picture. A list is not counted as
  Markdown: `layout` says what is wanted there.

When it misleads: form is not content; an answer of the right form may be wrong in every word. One sentence of courtesy
around an otherwise right answer fails it. A refused answer is the empty one: it has no Markdown and 0 lines, and passes
where only these are asked. Markdown is recognised by its marks, so `2**3**4` and `__init__` count as bold text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Literal
from xml.parsers import expat

from pydantic import Field, StringConstraints, field_validator, model_validator

from abtest.contracts.records import Sample
from abtest.evaluation.json_values import NOTHING, whole_json
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.text import composed, shown

Text = Annotated[str, StringConstraints(min_length=1)]
Check = Callable[[str], str | None]
"""The stripped answer in; what is wrong with it out, or None."""


class Parameters(JudgeParameters):
    """Options of `format`; at least one constraint."""

    kind: Literal["json", "json_object", "xml", "number", "date"] | None = Field(
        default=None, description="What the whole answer must be."
    )
    labels: tuple[Text, ...] | None = Field(default=None, description="The whole answer must be one of these.")
    starts_with: tuple[Text, ...] | None = Field(default=None, description="The answer must begin with one of these.")
    ends_with: tuple[Text, ...] | None = Field(default=None, description="The answer must end with one of these.")
    case_sensitive: bool = Field(default=True, description="Whether `Yes` differs from `yes` in the three above.")
    lines_at_least: int | None = Field(default=None, ge=0, description="The fewest lines that are not blank.")
    lines_at_most: int | None = Field(default=None, ge=0, description="The most lines that are not blank.")
    layout: Literal["bullets", "numbers"] | None = Field(
        default=None, description="The whole answer must be this list."
    )
    items_at_least: int | None = Field(default=None, ge=0, description="The fewest items of the list.")
    items_at_most: int | None = Field(default=None, ge=0, description="The most items of the list.")
    markdown: Literal["allowed", "forbidden"] = Field(default="allowed", description="Whether marks of Markdown fail.")

    @field_validator("labels", "starts_with", "ends_with")
    @classmethod
    def _something_to_find(cls, texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if texts is not None and not all(map(str.strip, texts)):
            raise ValueError("a text of white space alone finds nothing, because it is ignored around the answer")
        if texts == ():
            raise ValueError("an empty list allows nothing; name at least one text, or leave the option out")
        return texts

    @model_validator(mode="after")
    def _constraints_work(self) -> Parameters:
        for what, low, high in (
            ("lines", self.lines_at_least, self.lines_at_most),
            ("items", self.items_at_least, self.items_at_most),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"{what}_at_least = {low} is more than {what}_at_most = {high}; swap them")
        if self.layout is None and (self.items_at_least, self.items_at_most) != (None, None):
            raise ValueError("only a list has items; give the layout too: bullets or numbers")
        if not any(True for _ in _checks(self)):
            raise ValueError("nothing is asked of the form; give at least one constraint")
        return self


_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BULLET = re.compile(r"[ \t]*[-*+•‣–][ \t]+(?=\S)")
_NUMBERED = re.compile(r"[ \t]*(?P<number>\d{1,9})[.)][ \t]+(?=\S)")
_INDENTED = re.compile(r"\t|[ ]{2}")
_BOLD = re.compile(r"(?<!\*)\*\*(?=[^\s*])[^\n]{1,500}?\*\*|(?<!\w)__(?=[^\W_])[^\n_]{1,500}__(?!\w)")
# What it is, the characters without which it cannot be, which are quick to look for, and its pattern.
_MARKDOWN = (
    ("a fence", ("```", "~~~"), re.compile(r"^[ ]{0,3}(?:```|~~~)", re.MULTILINE)),
    ("a heading", ("#",), re.compile(r"^[ ]{0,3}#{1,6}[ \t]", re.MULTILINE)),
    ("a quotation", (">",), re.compile(r"^[ ]{0,3}>", re.MULTILINE)),
    ("a table", ("|",), re.compile(r"^[ ]{0,3}(?:\|[ ]*:?-+:?[ ]*\||:?-{2,}:?[ ]*\|)", re.MULTILINE)),
    ("bold text", ("**", "__"), _BOLD),
    ("inline code", ("`",), re.compile(r"(?<!`)`[^`\n]{1,500}`(?!`)")),
    ("a link", ("](",), re.compile(r"\]\((?=[^)\s])")),
)


def _is_xml(text: str) -> bool:
    def refuse(*_: object) -> None:
        raise ValueError("a document type is refused")

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, ValueError):  # A lone surrogate, which is no UTF-8, is a ValueError too.
        return False
    return True


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


_KINDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "json": ("JSON", lambda text: whole_json(text) is not NOTHING),
    "json_object": ("a JSON object", lambda text: isinstance(whole_json(text), dict)),
    "xml": ("well-formed XML", _is_xml),
    "number": ("a number", lambda text: _NUMBER.fullmatch(text) is not None),
    "date": ("a date as YYYY-MM-DD", _is_date),
}


def _kind(kind: str) -> Check:
    called, holds = _KINDS[kind]
    return lambda text: None if holds(text) else f"is not {called}"


def _fixed_texts(parameters: Parameters) -> Iterator[Check]:
    def form(text: str) -> str:
        return composed(text) if parameters.case_sensitive else composed(text).casefold()

    def check(texts: tuple[str, ...], says: str, holds: Callable[[str, tuple[str, ...]], bool]) -> Check:
        wanted = tuple(form(text.strip()) for text in texts)
        named = " or ".join(map(shown, texts))
        return lambda text: None if holds(form(text), wanted) else f"{says} {named}"

    if parameters.labels is not None:
        yield check(parameters.labels, "is not", lambda text, wanted: text in wanted)
    if parameters.starts_with is not None:
        yield check(parameters.starts_with, "does not begin with", str.startswith)
    if parameters.ends_with is not None:
        yield check(parameters.ends_with, "does not end with", str.endswith)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _between(count: int, low: int | None, high: int | None, what: str) -> str | None:
    found = f"has {count:,} {what.removesuffix('s') if count == 1 else what}"
    if low is not None and count < low:
        return f"{found}, fewer than {low:,}"
    return None if high is None or count <= high else f"{found}, more than {high:,}"


def _list(parameters: Parameters) -> Check:
    bullets = parameters.layout == "bullets"
    marker = _BULLET if bullets else _NUMBERED

    def check(text: str) -> str | None:
        count = 0
        for line in _lines(text):
            if count and _INDENTED.match(line):
                continue
            match = marker.match(line)
            count += 1
            if match is None or not (bullets or int(match["number"]) == count):
                return f"is not a list of {parameters.layout}: {shown(line)} is not item {count:,}"
        if not count:
            return f"is not a list of {parameters.layout}: it is empty"
        return _between(count, parameters.items_at_least, parameters.items_at_most, "items")

    return check


def _no_markdown(text: str) -> str | None:
    found = [what for what, marks, pattern in _MARKDOWN if any(mark in text for mark in marks) and pattern.search(text)]
    return f"has Markdown: {', '.join(found)}" if found else None


def _checks(parameters: Parameters) -> Iterator[Check]:
    if parameters.kind is not None:
        yield _kind(parameters.kind)
    yield from _fixed_texts(parameters)
    low, high = parameters.lines_at_least, parameters.lines_at_most
    if (low, high) != (None, None):
        yield lambda text: _between(len(_lines(text)), low, high, "lines")
    if parameters.layout is not None:
        yield _list(parameters)
    if parameters.markdown == "forbidden":
        yield _no_markdown


def _compile(parameters: Parameters) -> Scorer:
    checks = tuple(_checks(parameters))

    def score(_: Sample, answer: str) -> Score:
        text = answer.strip()
        wrong = [says for check in checks if (says := check(text)) is not None]
        return verdict_of(False, f"{shown(answer)} {'; '.join(wrong)}") if wrong else Score(1.0)

    return score


JUDGE = JudgeType(
    name="format",
    summary="1 when the answer has every form that is asked: a kind of value, labels, beginning, end, lines, list.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: False,
)
