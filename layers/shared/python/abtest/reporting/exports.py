"""The result for machines: `analysis.json` and `samples.csv`.

Depends on: `abtest.analytics.model`, `abtest.reporting.rows`. Used by: `functions/finish_run`, `functions/fail_run`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from abtest.analytics.model import AnalysisPlan, AnalysisResult
from abtest.contracts.records import ModelResponse
from abtest.reporting.rows import PairedRow

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_ROWS_A_CHUNK = 500


def analysis_json(analysis: AnalysisResult) -> bytes:
    """Return an analysis as indented JSON, UTF-8; money is text, absent numbers are null."""
    return analysis.model_dump_json(indent=2).encode() + b"\n"


def samples_csv(rows: Iterable[PairedRow], plan: AnalysisPlan) -> Iterator[bytes]:
    """Yield a CSV file (RFC 4180, UTF-8) with one line for every sample and variant, in pieces.

    A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula. Such a text
    gets one `'` before it; whoever reads the file by program removes that one character. Numbers are not touched.

    Args:
        rows: all rows of the run; read once.
        plan: names the variants and judges.

    Yields:
        Pieces to join; the first one carries the header.
    """
    judges = [judge.name for judge in plan.judges]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    head = ("sample_id", "cluster", "variant", "outcome", "failure_reason", "text")
    writer.writerow([*head, *map(_safe, judges), *_OPERATIONS])
    for number, row in enumerate(rows, start=1):
        for variant in plan.variants:
            writer.writerow(_line(row, variant, judges))
        if number % _ROWS_A_CHUNK == 0:
            yield _taken(buffer)
    yield _taken(buffer)


_OPERATIONS = ("latency_ms", "input_tokens", "output_tokens", "cost_usd", "from_ledger")


def _taken(buffer: io.StringIO) -> bytes:
    piece = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return piece


def _line(row: PairedRow, variant: str, judges: list[str]) -> list[str]:
    response = row.responses.get(variant)
    scores = [row.score(variant, judge) for judge in judges]
    return [
        _safe(row.sample.id),
        _safe(row.sample.cluster or ""),
        _safe(variant),
        response.outcome if response else "",
        (response.failure_reason or "") if response else "no_response",
        _safe((response.text or "") if response else ""),
        *("" if score is None else f"{score:.12g}" for score in scores),
        *_operations(response),
    ]


def _operations(response: ModelResponse | None) -> list[str]:
    if response is None:
        return ["", "", "", "", ""]
    usage = response.usage
    return [
        "" if response.latency_ms is None else f"{response.latency_ms:.3f}",
        "" if usage is None else str(usage.total_input_tokens),
        "" if usage is None else str(usage.total_output_tokens),
        "" if response.cost_usd is None else f"{response.cost_usd:f}",
        "true" if response.from_ledger else "false",
    ]


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
