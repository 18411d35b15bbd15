"""Annotations of AlpacaEval: how much an annotator prefers output 2, the model's, to output 1, the reference's.

AlpacaEval writes 1 for output 1, 2 for output 2, numbers between for graded annotators, 0 or 1.5 for a draw and null
for none. Annotations that go from 0 to 1 are taken as the preference for output 2.

Depends on: `accumulating`, `rows`. Used by: `abtest_cli.results.reading`, by name.
Source: tatsu-lab alpaca_eval, `annotators/pairwise_evaluator.py` and `metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from abtest.analytics.data.tables import PreferenceTable, Values
from abtest_cli.results.accumulating import PreferenceRows
from abtest_cli.results.model import Columns, Reading, ResultFormat
from abtest_cli.results.rows import Chunk, chunks
from abtest_cli.results.sources import Head, Source

_COLUMNS = Columns(
    ("instruction", "generator_1", "generator_2", "preference"),
    ("output_1", "output_2", "annotator", "dataset"),
    others_expected=True,
)
_NAMES = {
    "instruction": "sample",
    "generator_2": "variant",
    "generator_1": "baseline",
    "preference": "preference",
    "annotator": "judge",
    "dataset": "slice",
}
_LENGTHS = {"output_2": "length_variant", "output_1": "length_baseline"}


def _recognises(head: Head) -> bool:
    return {"instruction", "output_1", "output_2", "preference"} <= set(head.columns)


def _read(sources: Sequence[Source], reading: Reading) -> PreferenceTable:
    rows = PreferenceRows(reading, sources)
    for source in sources:
        for chunk in chunks(source, _COLUMNS, reading):
            rows.add_chunk(_renamed(chunk))

    def convert(preference: Values) -> Values:
        return _from_zero_to_one(preference, rows.where, reading)

    return rows.table(convert=convert)


def _renamed(chunk: Chunk) -> Chunk:
    columns = {new: chunk.columns[old] for old, new in _NAMES.items() if old in chunk.columns}
    for old, new in _LENGTHS.items():
        if old in chunk.columns:
            values = chunk.columns[old]
            lengths = [len(text) if isinstance(text, str) else None for text in values]
            columns[new] = lengths if chunk.typed else ["" if n is None else str(n) for n in lengths]
    return Chunk(chunk.source, columns, chunk.lines, chunk.typed)


def _from_zero_to_one(preference: Values, where: str, reading: Reading) -> Values:
    mistakes = reading.mistakes
    above, between = (preference > 1).any(), ((preference > 0) & (preference < 1)).any()
    draws = preference == 0
    if above and between:
        allowed = "0 to 1 in every row, or AlpacaEval's own 1 to 2 (0 being a draw)"
        mistakes.fail(where, "preferences of two scales are mixed: below 1 and above 1", allowed=allowed)
    if draws.any() and not above and not between:
        allowed = "0 and 1 written as 1 and 2, or both as the `preference` format has them"
        found = "only 0 and 1: either draws and wins of output 1, or wins of output 1 and of output 2"
        mistakes.fail(where, "the preferences can be read in two ways", found=found, allowed=allowed)
    if between:
        return preference
    return np.where(draws, 0.5, preference - 1)


FORMAT = ResultFormat(
    name="alpaca_eval",
    description="annotations of AlpacaEval (`annotations.json`)",
    shape="rows with the keys `instruction`, `output_1`, `output_2`, `generator_1`, `generator_2`, `preference`",
    recognises=_recognises,
    read=_read,
    columns=_COLUMNS,
)
