"""Graded preferences of our own form: how much a judge prefers a variant to a baseline, one a row.

Depends on: `accumulating`, `rows`. Used by: `abtest_cli.results.reading`, by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.analytics.data.tables import PreferenceTable
from abtest_cli.results.accumulating import PreferenceRows
from abtest_cli.results.model import Columns, Reading, ResultFormat
from abtest_cli.results.rows import chunks
from abtest_cli.results.sources import Head, Source

_COLUMNS = Columns(
    ("sample", "variant", "baseline", "preference"),
    ("judge", "cluster", "slice", "length_variant", "length_baseline"),
)


def _recognises(head: Head) -> bool:
    return set(_COLUMNS.required) <= set(head.columns)


def _read(sources: Sequence[Source], reading: Reading) -> PreferenceTable:
    rows = PreferenceRows(reading, sources)
    for source in sources:
        for chunk in chunks(source, _COLUMNS, reading):
            rows.add_chunk(chunk)
    return rows.table()


FORMAT = ResultFormat(
    name="preference",
    description="one graded preference a row, as CSV or JSON lines",
    shape="columns `sample`, `variant`, `baseline`, `preference`",
    recognises=_recognises,
    read=_read,
    columns=_COLUMNS,
)
