"""Turns columns of names and numbers into arrays: codes for names, NaN for what is missing.

Depends on: numpy, `rows`, `mistakes`. Used by: `accumulating`, the formats.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abtest.analytics.data.tables import Codes, Values
from abtest_cli.results.mistakes import shown
from abtest_cli.results.model import Reading
from abtest_cli.results.rows import ABSENT, Chunk

_NONE = -1
_TRUTH = {"true": 1.0, "false": 0.0}


class Names:
    """Names and their codes, in the order of their first occurrence."""

    def __init__(self) -> None:
        self._codes: defaultdict[Hashable, int] = defaultdict()
        # A missing name gets the next code without leaving the dictionary's own C code.
        self._codes.default_factory = self._codes.__len__

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, column: Sequence[Hashable]) -> Codes:
        """Return the code of each name of a column."""
        return np.fromiter(map(self._codes.__getitem__, column), np.int32, len(column))

    def codes_or_none(self, column: Sequence[Hashable]) -> Codes:
        """Return the code of each name of a column, and -1 where there is none (None)."""
        get = self._codes.__getitem__
        return np.fromiter((_NONE if name is None else get(name) for name in column), np.int32, len(column))

    def names(self) -> tuple[Any, ...]:
        """Return the names by code."""
        return tuple(self._codes)


@dataclass(frozen=True)
class Column:
    """One column of a chunk, for reading it and for saying what is wrong in it.

    Args:
        chunk: the rows.
        name: of the column.
        reading: takes mistakes.
    """

    chunk: Chunk
    name: str
    reading: Reading

    @property
    def values(self) -> Sequence[Any] | None:
        """The values; None when no row has the column."""
        return self.chunk.columns.get(self.name)

    def mistake(self, row: int, message: str, *, found: str | None, allowed: str) -> None:
        """Note that a value is wrong."""
        line = self.chunk.lines[row]
        self.reading.mistakes.add(self.chunk.source.name, message, found=found, allowed=allowed, line=line)


def required_names(column: Column, names: Names) -> Codes:
    """Return codes of a column in which each row must name something; JSON integers count as their digits."""
    values = column.values or ()
    if "" not in values and set(map(type, values)) == {str}:
        return names.codes(values)
    texts = [_name(column, row, value) for row, value in enumerate(values)]
    return names.codes(["" if text is None else text for text in texts])


def optional_names(column: Column, names: Names, *, default: str | None) -> Codes | None:
    """Return codes of a column that rows may leave empty.

    Args:
        column: the column.
        names: of the things in it.
        default: what an empty field stands for; None gives the code -1.

    Returns:
        the codes, or None when no row has the column.
    """
    values = column.values
    if values is None:
        return None
    if "" not in values and set(map(type, values)) == {str}:
        return names.codes(values)
    texts = [default if value is None or value == "" else _name(column, row, value) for row, value in enumerate(values)]
    return names.codes_or_none(texts)


def numbers(column: Column) -> Values | None:
    """Return a column of finite numbers, NaN where it is null or empty; None when no row has the column."""
    values = column.values
    if values is None:
        return None
    result = _fast_numbers(values, column.chunk.typed)
    if result is None or not np.isfinite(result).all():
        result = np.array([_number(column, row, value) for row, value in enumerate(values)], np.float64)
    return result


def words(column: Column, meaning: Mapping[str, int]) -> Codes:
    """Return a column of fixed words as their codes."""
    values = column.values or ()
    try:
        return np.fromiter(map(meaning.__getitem__, values), np.int32, len(values))
    except (KeyError, TypeError):
        return np.array([_word(column, row, value, meaning) for row, value in enumerate(values)], np.int32)


def number_or_none(value: Any) -> float | None:
    """Return a JSON value as a finite number, truth values as 1 and 0; None when it is none."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _fast_numbers(values: Sequence[Any], typed: bool) -> Values | None:
    if typed:
        if set(map(type, values)) - {float, int, bool}:
            return None
    elif "_" in "".join(values):  # Python's own notation 1_000 is no number in a file
        return None
    try:
        return np.fromiter(map(float, values), np.float64, len(values))
    except (ValueError, OverflowError):
        return None


def _number(column: Column, row: int, value: Any) -> float:
    if value is None or value == "":
        return math.nan
    typed = column.chunk.typed
    number = number_or_none(value) if typed else _text_number(value)
    if number is not None:
        return number
    if value is ABSENT:
        column.mistake(row, f"no `{column.name}`", found=None, allowed="a number, or null when it is missing")
        return math.nan
    kinds = "a finite number without quotes" if typed else "a finite number"
    allowed = f"{kinds}, true, false, or {'null' if typed else 'nothing'} when it is missing"
    column.mistake(row, f"`{column.name}` is not a number", found=shown(value), allowed=allowed)
    return math.nan


def _text_number(text: str) -> float | None:
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return _TRUTH.get(text.strip().lower())
    return number if math.isfinite(number) else None


def _name(column: Column, row: int, value: Any) -> str | None:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    message, found = f"`{column.name}` is no name", None if value is ABSENT else shown(value)
    if value is ABSENT:
        message = f"no `{column.name}`"
    elif value is None or value == "":
        message, found = f"`{column.name}` is empty", None
    column.mistake(row, message, found=found, allowed="a text or a whole number")
    return None


def _word(column: Column, row: int, value: Any, meaning: Mapping[str, int]) -> int:
    if isinstance(value, str) and value in meaning:
        return meaning[value]
    found = None if value is ABSENT else shown(value)
    message = f"no `{column.name}`" if value is ABSENT else f"`{column.name}` is an unknown word"
    column.mistake(row, message, found=found, allowed=", ".join(meaning))
    return 0
