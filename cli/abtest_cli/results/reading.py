"""Reads files of results as one table, whatever tool wrote them.

Depends on: the formats in `abtest_cli.results.formats`, `abtest.core.registry`. Used by: `abtest analyze`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from abtest.analytics.data.tables import ResultTable
from abtest.core import registry
from abtest_cli.results import formats
from abtest_cli.results.mistakes import Mistakes, quoted
from abtest_cli.results.model import Reading, ResultFormat
from abtest_cli.results.rows import did_you_mean
from abtest_cli.results.sources import Head, Source

_NEVER_OVERLOOKED = ("cluster", "slice", "judge", "metric", "length_variant", "length_baseline")


@dataclass(frozen=True)
class ReadResults:
    """What the files held.

    Args:
        table: all rows.
        format: name of the files' format.
        warnings: what a person should know, as sentences.
        rows: how many rows the files had; scored samples for logs that are no tables.
    """

    table: ResultTable
    format: str
    warnings: tuple[str, ...]
    rows: int


def format_names() -> tuple[str, ...]:
    """Return the names of all formats, sorted."""
    return registry.names(formats)


def load_format(name: str) -> ResultFormat:
    """Return one format, importing only its module.

    Raises:
        KeyError: no format has that name; the message suggests the nearest.
    """
    return cast("ResultFormat", registry.load(formats, name, "FORMAT"))


def read_results(
    paths: Sequence[Path],
    format_name: str | None = None,
    *,
    metric_range: tuple[float, float] | None = None,
    metric: str | None = None,
) -> ReadResults:
    """Read files of results as one.

    Rows are streamed; memory grows with the number of rows by tens of bytes each, and with the samples' names.

    Args:
        paths: the files, all of one format; `-` is standard input.
        format_name: the format; None recognises it by the beginning of each file.
        metric_range: lowest and highest score allowed, both included.
        metric: the metric the range is of; None is every metric.

    Raises:
        InvalidInputError: the files cannot be read, with up to a hundred mistakes.
    """
    reading = Reading(score_range=metric_range, ranged_metric=metric)
    _require_arguments(paths, format_name, reading)
    with ExitStack() as stack:
        sources = [stack.enter_context(closing(Source(path, reading.mistakes))) for path in paths]
        chosen = load_format(format_name) if format_name is not None else _recognised(sources, reading.mistakes)
        table = chosen.read(sources, reading)
    return ReadResults(table, chosen.name, (*reading.warnings, *_about_ignored(reading, chosen)), reading.rows)


def _require_arguments(paths: Sequence[Path], format_name: str | None, reading: Reading) -> None:
    mistakes = reading.mistakes
    if not paths:
        mistakes.add("files", "no file is named", allowed="one file or more, or `-` for standard input")
    if format_name is not None and format_name not in format_names():
        mistakes.add("format", registry.unknown_name(format_name, format_names()))
    if reading.score_range is not None:
        low, high = reading.score_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            mistakes.add(
                "metric range", "no range", found=f"{low:g} to {high:g}", allowed="a lower and a higher number"
            )
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            mistakes.add(str(path), "the file is named twice")
        seen.add(path.resolve())
    mistakes.refuse_if_any()


def _recognised(sources: Sequence[Source], mistakes: Mistakes) -> ResultFormat:
    known = [load_format(name) for name in format_names()]
    found: dict[str, Source] = {}
    for source in sources:
        head = source.head()
        fitting = [candidate for candidate in known if candidate.recognises(head)]
        if len(fitting) != 1:
            _refuse_unrecognised(source, head, fitting, known, mistakes)
        found.setdefault(fitting[0].name, source)
    if len(found) > 1:
        each = "; ".join(f"{source.name} is `{name}`" for name, source in found.items())
        mistakes.fail("files", "the files have different formats", found=each, allowed="files of one format")
    return load_format(next(iter(found)))


def _refuse_unrecognised(
    source: Source, head: Head, fitting: Sequence[ResultFormat], known: Sequence[ResultFormat], mistakes: Mistakes
) -> None:
    if fitting:
        found = quoted(candidate.name for candidate in fitting)
        mistakes.fail(source.name, "fits several formats", found=found, allowed="one of them, named with --format")
    message = "no known format" + _nearly(head, known)
    if head.kind == "csv" and len(head.columns) == 1 and any(mark in head.columns[0] for mark in ";\t|"):
        message = "no known format; the fields seem to be separated by something else than commas"
    found = _what_stands(head)
    mistakes.fail(source.name, message, found=found, allowed="; ".join(f"{f.name}: {f.shape}" for f in known))


def _nearly(head: Head, known: Sequence[ResultFormat]) -> str:
    """Return what is missing for the format that comes nearest, when one comes near."""
    misses = []
    for candidate in known:
        if candidate.columns is not None and not candidate.columns.others_expected:
            required = candidate.columns.required
            missing = [name for name in required if name not in head.columns]
            others = [name for name in head.columns if name not in candidate.columns.known]
            hints = [(name, did_you_mean(name, others)) for name in missing]
            near = len(required) - len(missing) + sum(bool(hint) for _, hint in hints) / 2
            misses.append((near / len(required), candidate.name, hints))
    nearness, name, hints = max(misses, key=lambda miss: miss[0])
    if nearness < 0.5:
        return ""
    return f"; for `{name}` there is " + ", and ".join(f"no column `{column}`{hint}" for column, hint in hints)


def _what_stands(head: Head) -> str:
    if head.kind == "zip":
        return f"a zip archive of {quoted(head.members[:5]) or 'nothing'}"
    if head.columns:
        kind = "columns" if head.kind == "csv" else "rows with the keys"
        return f"{kind} {quoted(head.columns)}"
    if isinstance(head.document, dict):
        return f"a JSON object with the keys {quoted(list(head.document)[:20])}"
    return f"JSON that is {type(head.document).__name__}" if head.document is not None else "no rows of columns"


def _about_ignored(reading: Reading, chosen: ResultFormat) -> tuple[str, ...]:
    if not reading.ignored:
        return ()
    optional = chosen.columns.optional if chosen.columns is not None else ()
    meant = []
    for name in reading.ignored:
        near = [known for known in optional if known in name.lower() and known in _NEVER_OVERLOOKED]
        meant.append(f"`{name}` (to be read it must be called `{near[0]}`)" if near else f"`{name}`")
    return (f"Columns not read: {', '.join(meant)}.",)
