"""Pairwise verdicts of our own form: one verdict about two answers a row.

Depends on: `accumulating`, `rows`. Used by: `abtest_cli.results.reading`, by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.data.tables import PairwiseTable
from abtest_cli.results.accumulating import PairwiseRows
from abtest_cli.results.model import Columns, Reading, ResultFormat
from abtest_cli.results.rows import chunks
from abtest_cli.results.sources import Head, Source

_COLUMNS = Columns(("sample", "first", "second", "verdict"), ("judge", "cluster", "slice"))


def _recognises(head: Head) -> bool:
    return set(_COLUMNS.required) <= set(head.columns)


def _read(sources: Sequence[Source], reading: Reading) -> PairwiseTable:
    rows = PairwiseRows(reading, sources)
    for source in sources:
        for chunk in chunks(source, _COLUMNS, reading):
            rows.add_chunk(chunk)
    return rows.table()


FORMAT = ResultFormat(
    name="pairwise",
    description="one verdict about two answers a row, as CSV or JSON lines",
    shape="columns `sample`, `first`, `second`, `verdict`",
    recognises=_recognises,
    read=_read,
    columns=_COLUMNS,
)
