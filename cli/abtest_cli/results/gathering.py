"""Gathers the scores of tools' logs one by one, and leaves out the metrics that are no numbers.

Depends on: `accumulating`, `coding`. Used by: the formats of other tools.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

from abtest_cli.results.accumulating import ScoreRows
from abtest_cli.results.coding import number_or_none
from abtest_cli.results.mistakes import shown
from abtest_cli.results.model import Reading
from abtest_cli.results.sources import Source

_PART_ROWS = 1 << 14


class Scores:
    """Takes one score at a time and puts them into rows by parts.

    Args:
        reading: takes warnings.
        sources: all files.
        entry: what a file consists of when its rows have no lines, such as `result`; None when they have.
    """

    def __init__(self, reading: Reading, sources: Sequence[Source], entry: str | None) -> None:
        self.rows = ScoreRows(reading, sources)
        self.reading = reading
        self.entry = entry
        self.left_out: dict[str, str] = {}
        self._source: Source | None = None
        self._columns: dict[str, list[Any]] = {}
        self._lines: list[int] = []

    def add(
        self,
        source: Source,
        line: int,
        *,
        sample: Hashable,
        variant: Hashable,
        metric: str,
        value: Any,
        cluster: Hashable | None = None,
        slice_name: str | None = None,
    ) -> None:
        """Put one score at the end.

        Args:
            source: the file.
            line: where it stands.
            sample: what was asked.
            variant: who answered.
            metric: what was measured.
            value: None is missing; what is no number makes the metric one that is left out.
            cluster: what the sample belongs to.
            slice_name: the part of the data it is in.
        """
        if source is not self._source or len(self._lines) >= _PART_ROWS:
            self.end_part()
            self._source = source
        score = math.nan if value is None else number_or_none(value)
        if score is None and isinstance(value, float):
            place = (source.name, line) if self.entry is None else (f"{source.name}, {self.entry} {line}", None)
            message, allowed = f"`{metric}` is not a number", "a finite number, or null when it is missing"
            self.reading.mistakes.add(place[0], message, found=shown(value), allowed=allowed, line=place[1])
        elif score is None:
            self.left_out.setdefault(metric, shown(value))
        self._lines.append(line)
        row = {"sample": sample, "variant": variant, "metric": metric, "score": math.nan if score is None else score}
        row |= {"cluster": cluster, "slice": slice_name}
        for column, entry in row.items():
            self._columns.setdefault(column, []).append(entry)

    def end_part(self) -> None:
        """Put what is gathered into the rows; afterwards they can become a table."""
        if self._lines and self._source is not None:
            self.rows.add(self._source, self._lines, self._columns, entry=self.entry)
        self._lines, self._columns = [], {}

    def finish(self) -> ScoreRows:
        """Return the rows, after saying which metrics are left out.

        Raises:
            InvalidInputError: no metric is left.
        """
        self.end_part()
        mistakes = self.reading.mistakes
        mistakes.refuse_if_any()
        metrics = [name for name in self.rows.metrics.names() if name not in self.left_out]
        for name, value in self.left_out.items():
            self.reading.warn(f"Metric `{name}` is left out: it has values that are no numbers, such as {value}.")
        if not metrics:
            found = "; ".join(f"`{name}`: {value}" for name, value in self.left_out.items()) or None
            mistakes.fail(self.rows.where, "there is no score that is a number", found=found)
        return self.rows


def distinct_names(candidates: Sequence[Sequence[str]], parts: Sequence[Hashable]) -> list[str]:
    """Return a name for each file: the first of its candidates under which no two files hold the same part.

    Args:
        candidates: for each file the names it may have, from the one wanted most; equally many.
        parts: what each file holds, such as its task; files of one name and several parts are one variant.
    """
    for level in range(len(candidates[0])):
        names = [names[level] for names in candidates]
        if all(names) and len(set(zip(names, parts, strict=True))) == len(names):
            return names
    return [f"{names[-1]} ({index})" for index, names in enumerate(candidates, 1)]
