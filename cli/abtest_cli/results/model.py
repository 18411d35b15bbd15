"""What a format of results is, and what the reading of one needs.

Depends on: `mistakes`, `sources`, `abtest.analytics.data.tables`. Used by: `reading`, the formats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from abtest.analytics.data.tables import ResultTable
from abtest_cli.results.mistakes import Mistakes
from abtest_cli.results.sources import Head, Source


@dataclass
class Reading:
    """What one reading has met so far.

    Args:
        mistakes: what is wrong.
        score_range: lowest and highest score allowed, both included; None allows every number.
        ranged_metric: the metric the range is of; None is every metric.
        warnings: what a person should know, in order.
        ignored: columns that no format asked for, in order.
        rows: how many rows, or scored samples of a log, were read.
    """

    mistakes: Mistakes = field(default_factory=Mistakes)
    score_range: tuple[float, float] | None = None
    ranged_metric: str | None = None
    warnings: list[str] = field(default_factory=list)
    ignored: dict[str, None] = field(default_factory=dict)
    rows: int = 0

    def warn(self, sentence: str) -> None:
        """Note something once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


@dataclass(frozen=True)
class Columns:
    """The columns of a format of rows.

    Args:
        required: each row has them.
        optional: read when they are there.
        others_expected: the tool writes more that nobody misses, so ignoring them is not worth a word.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    others_expected: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        """All columns that are read."""
        return self.required + self.optional


@dataclass(frozen=True)
class ResultFormat:
    """One form that a file of results may have.

    Args:
        name: as `--format` takes it; the module's name.
        description: one line: what writes such files.
        shape: how a file is recognised, as a message tells it.
        recognises: whether the beginning of a file has that form.
        read: reads files of that form as one table.
        columns: what a row has; None when the file is not made of rows of columns.
    """

    name: str
    description: str
    shape: str
    recognises: Callable[[Head], bool]
    read: Callable[[Sequence[Source], Reading], ResultTable]
    columns: Columns | None = None
