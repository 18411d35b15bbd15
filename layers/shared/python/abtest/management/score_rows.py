"""Rows of scores that were given elsewhere: each scores one answer or compares two, and no two say the same thing.

Depends on: `abtest.contracts`. Used by: the freezing of datasets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from abtest.contracts.records import ImportedScore
from abtest.core.errors import InputIssue
from abtest.management.model import ScoresSummary

TIE = "tie"
"""The winner of a comparison without one."""
_FORMS = "`variant` with `score`, or `first` and `second` with `winner`"
_OF_SCORES = ("variant", "score", "dimensions")
_OF_COMPARISONS = ("first", "second", "winner")


def compares(row: ImportedScore) -> bool:
    """Return whether a row compares two answers; else it scores one."""
    return row.first is not None or row.second is not None


def key_of(row: ImportedScore) -> Hashable:
    """Return what only one row may have: of a comparison the order counts."""
    return (row.id, row.variant, row.first, row.second, row.repeat)


def row_issues(row: ImportedScore, line: int) -> list[InputIssue]:
    """Return what is wrong with a row beyond its fields' types.

    Args:
        row: as it was read; a field that was written counts, also as null.
        line: from 1.
    """
    comparison = compares(row) or "winner" in row.model_fields_set
    wrong = _OF_SCORES if comparison else _OF_COMPARISONS
    mixed = [name for name in wrong if getattr(row, name) not in (None, {})]
    if mixed:
        what = "compares two answers" if comparison else "scores one answer"
        message = f"the row {what}, and this belongs to the other form"
        return [InputIssue(name, message, str(getattr(row, name))[:80], _FORMS, line) for name in mixed]
    found = _comparison(row, line) if comparison else _score(row, line)
    return list(found)


def _score(row: ImportedScore, line: int) -> Iterator[InputIssue]:
    if not row.variant:
        yield InputIssue("variant", "the row does not say whose answer it scores", row.variant, _FORMS, line)
    if "score" not in row.model_fields_set:
        allowed = "a number; null where the judge could not say"
        yield InputIssue("score", "this field is required", allowed=allowed, line=line)
    elif row.score is None and row.dimensions:
        message = "a judge that scored dimensions has a score of the whole"
        yield InputIssue("score", message, "null", "a number, such as the mean of the dimensions", line)


def _comparison(row: ImportedScore, line: int) -> Iterator[InputIssue]:
    names = [name for name in ("first", "second") if not getattr(row, name)]
    for name in names:
        yield InputIssue(name, "the row does not say which two answers it compares", allowed=_FORMS, line=line)
    if names:
        return
    if row.first == row.second:
        yield InputIssue("second", "an answer cannot be compared with itself", row.second, "another variant", line)
    for name in ("first", "second"):
        if getattr(row, name) == TIE:
            message = "a variant of this name cannot be told from a comparison without a winner"
            yield InputIssue(name, message, TIE, "another name of the variant", line)
    choices = f"{row.first}, {row.second}, {TIE}; null where the judge could not say"
    if "winner" not in row.model_fields_set:
        yield InputIssue("winner", "this field is required", allowed=choices, line=line)
    elif row.winner not in (row.first, row.second, TIE, None):
        yield InputIssue("winner", "it is neither of the two", row.winner, choices, line)


@dataclass
class ScoreTally:
    """Counts what the rows of one dataset hold."""

    samples: set[str] = field(default_factory=set)
    variants: Counter[str] = field(default_factory=Counter)
    dimensions: Counter[str] = field(default_factory=Counter)
    lowest: float | None = None
    highest: float | None = None
    binary: bool = True
    unreadable: int = 0
    repeats: int = 1
    first_line: dict[bool, int] = field(default_factory=dict)

    def add(self, row: ImportedScore, line: int) -> None:
        """Count one row that is right in itself."""
        self.samples.add(row.id)
        self.variants.update(name for name in (row.variant, row.first, row.second) if name is not None)
        self.dimensions.update(list(row.dimensions))
        self.repeats = max(self.repeats, row.repeat + 1)
        self.first_line.setdefault(compares(row), line)
        self.unreadable += row.score is None and row.winner is None
        for score in (row.score, *row.dimensions.values()):
            if score is not None:
                self.lowest = score if self.lowest is None else min(self.lowest, score)
                self.highest = score if self.highest is None else max(self.highest, score)
                self.binary = self.binary and score in (0, 1)

    def issues(self) -> list[InputIssue]:
        """Return what is wrong with the rows together: one judge either scores or compares."""
        if len(self.first_line) < 2:
            return []
        other = max(self.first_line.values())
        message = (
            f"it is of another form than line {min(self.first_line.values())}: scores and comparisons are two judges"
        )
        return [InputIssue("(row)", message, allowed="a file of its own for each form", line=other)]

    def summary(self) -> ScoresSummary:
        """Return what the rows hold."""
        return ScoresSummary(
            preferences=True in self.first_line,
            samples=len(self.samples),
            rows_by_variant=dict(self.variants),
            dimensions=dict(self.dimensions),
            lowest=self.lowest,
            highest=self.highest,
            binary=self.binary and self.lowest is not None,
            unreadable=self.unreadable,
            repeats=self.repeats,
        )
