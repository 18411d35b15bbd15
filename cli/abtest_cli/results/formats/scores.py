"""Scores of our own form: one score a row.

Depends on: `accumulating`, `rows`. Used by: `abtest_cli.results.reading`, by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.data.tables import ScoreTable
from abtest_cli.results.accumulating import ScoreRows
from abtest_cli.results.model import Columns, Reading, ResultFormat
from abtest_cli.results.rows import chunks
from abtest_cli.results.sources import Head, Source

_COLUMNS = Columns(("sample", "variant", "score"), ("cluster", "judge", "metric", "slice"))


def _recognises(head: Head) -> bool:
    return set(_COLUMNS.required) <= set(head.columns)


def _read(sources: Sequence[Source], reading: Reading) -> ScoreTable:
    rows = ScoreRows(reading, sources)
    for source in sources:
        for chunk in chunks(source, _COLUMNS, reading):
            rows.add_chunk(chunk)
    return rows.table()


FORMAT = ResultFormat(
    name="scores",
    description="one score a row, as CSV or JSON lines",
    shape="columns `sample`, `variant`, `score`",
    recognises=_recognises,
    read=_read,
    columns=_COLUMNS,
)
