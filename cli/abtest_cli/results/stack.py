"""Rows of all files as parts of columns, and where in which file each row stands.

Depends on: numpy, `sources`. Used by: `accumulating`, `checks`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest_cli.results.sources import Source

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    Args:
        path: the file, and the entry in it when it has no lines.
        line: line in the file, from 1; None when it has no lines.
    """

    path: str
    line: int | None

    def beside(self, other: Place) -> str:
        """Return the place in words, as seen from another row."""
        if self.line is None:
            return self.path
        return f"line {self.line}" if self.path == other.path else f"{self.path}, line {self.line}"


class Stack:
    """Grows by parts, a part being some rows of one file."""

    def __init__(self) -> None:
        self.rows = 0
        self._parts: list[tuple[int, Mapping[str, Array | None]]] = []
        self._starts: list[int] = []
        self._places: list[tuple[Source, Sequence[int], str | None]] = []

    def add(
        self, source: Source, lines: Sequence[int], columns: Mapping[str, Array | None], *, entry: str | None = None
    ) -> None:
        """Put rows at the end.

        Args:
            source: their file.
            lines: where each stands in it, from 1.
            columns: arrays by name, each as long as `lines`; None when no row of the part has the column.
            entry: what the file consists of when it has no lines, such as `result`.
        """
        self._parts.append((len(lines), columns))
        self._starts.append(self.rows)
        self._places.append((source, lines, entry))
        self.rows += len(lines)

    def take(self, column: str, fill: float, dtype: npt.DTypeLike) -> Array | None:
        """Return a whole column and let its parts go; None when no part has it.

        Args:
            column: its name.
            fill: the value in parts that do not have it.
            dtype: of the result.
        """
        if all(columns.get(column) is None for _, columns in self._parts):
            return None
        whole = np.full(self.rows, fill, dtype)
        for start, (count, columns) in zip(self._starts, self._parts, strict=True):
            part = columns.get(column)
            if part is not None:
                whole[start : start + count] = part
        self._parts = [(count, {k: v for k, v in columns.items() if k != column}) for count, columns in self._parts]
        return whole

    def place(self, row: int) -> Place:
        """Return where a row stands."""
        part = bisect_right(self._starts, row) - 1
        source, lines, entry = self._places[part]
        line = lines[row - self._starts[part]]
        return Place(source.name, line) if entry is None else Place(f"{source.name}, {entry} {line}", None)
