"""Scores of a person's own function: kept as a file, shown as a table, made a judge of the type `imported`.

Depends on: `local_judge`, `abtest.management.datasets`. Used by: `commands.judge`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from abtest.contracts.definition import Name
from abtest.contracts.records import ImportedScore
from abtest.core.errors import InputIssue
from abtest.management.datasets import FrozenRows, freeze_rows
from abtest_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from abtest_cli.local_judge import LocalScores

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def default_output(sources: Sequence[str]) -> Path:
    """Return where scores go unless told otherwise: `.abtest/scores/<run or file>.jsonl` in the working folder."""
    return Path(".abtest") / "scores" / f"{Path(sources[0]).stem}.jsonl"


def write_scores(path: Path, rows: Iterable[ImportedScore]) -> None:
    """Write scores as rows that a dataset of kind `scores` is made of.

    Raises:
        UsageError: the file cannot be written.
    """
    from abtest_cli.output import write_text

    write_text(path, "".join(f"{_line(row)}\n" for row in rows))


def _line(row: ImportedScore) -> str:
    # A score that is null says that the function could not say; one that is left out would be a mistake.
    data: dict[str, Any] = {"id": row.id, "variant": row.variant, "score": row.score}
    more = {"dimensions": row.dimensions, "reason": row.reason}
    return json.dumps({**data, **{name: value for name, value in more.items() if value}}, ensure_ascii=False)


def frozen(rows: Iterable[ImportedScore]) -> FrozenRows:
    """Return scores as the dataset that they become.

    Raises:
        InvalidInputError: a row cannot be kept.
    """
    return freeze_rows([_line(row).encode() for row in rows], "scores")


def judge_of(scores: FrozenRows, scale: tuple[float, float] | None) -> dict[str, Any]:
    """Return the judge that reads scores, as a definition has it.

    Args:
        scores: of one function.
        scale: lowest and highest score there can be; None takes 0 to 1 where all scores lie there.

    Raises:
        UsageError: the scale is not known, or scores lie outside it; or a dimension cannot name a metric.
    """
    summary = scores.summary.scores
    if summary is None or summary.lowest is None or summary.highest is None:
        raise UsageError("There is no score to import: the function could not say anything of any answer.")
    lowest, highest = summary.lowest, summary.highest
    low, high = scale or (0.0, 1.0)
    if not low <= lowest <= highest <= high:
        issue = InputIssue(
            "--scale", "the scores are not on it", f"{low:g},{high:g}", f"{lowest:g},{highest:g} or wider"
        )
        raise UsageError(f"The scores go from {lowest:g} to {highest:g}.", [issue])
    wrong = [name for name in summary.dimensions if not _is_name(name)]
    if wrong:
        allowed = "a letter, then up to 63 letters, digits, '.', '_' or '-'"
        issues = [InputIssue("dimensions", "no metric can have this name", name[:80], allowed) for name in wrong]
        raise UsageError("The dimensions of the function cannot be metrics.", issues)
    judge: dict[str, Any] = {"type": "imported", "scores": {"version": scores.version}}
    if scale is None and summary.binary:
        judge["binary"] = True
    elif scale is not None:
        judge["scale"] = [low, high]
    if summary.dimensions:
        judge["dimensions"] = sorted(summary.dimensions)
    return judge


def _is_name(name: str) -> bool:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return True


def parsed_scale(raw: str | None) -> tuple[float, float] | None:
    """Return a scale from `LOW,HIGH`.

    Raises:
        UsageError: it is none.
    """
    if raw is None:
        return None
    try:
        low, high = (float(part) for part in raw.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(
            "--scale cannot be used.", [InputIssue("--scale", "not a scale", raw, "LOW,HIGH, such as 1,5")]
        )
    return low, high


def by_variant(scores: LocalScores) -> dict[str, dict[str, Any]]:
    """Return what a function said of each variant: `scored`, `mean`, `unreadable`, `not_judged`."""
    found: dict[str, list[float | None]] = {}
    for row in scores.rows:
        found.setdefault(row.variant or "", []).append(row.score)
    return {
        variant: {
            "scored": len(values := [score for score in found.get(variant, ()) if score is not None]),
            "mean": math.fsum(values) / len(values) if values else None,
            "unreadable": len(found.get(variant, ())) - len(values),
            "not_judged": scores.not_judged.get(variant, 0),
        }
        for variant in (*found, *(name for name in scores.not_judged if name not in found))
    }


def scores_table(scores: LocalScores) -> Table:
    """Return what a function said of each variant, for a terminal; means are no verdict."""
    from rich.table import Table

    from abtest_cli.output import escape

    table = Table(title="Scores", title_justify="left", title_style="bold")
    for name in ("variant", "scored", "mean", "could not say", "failed answers"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    for variant, row in by_variant(scores).items():
        mean = "" if row["mean"] is None else f"{row['mean']:.4g}"
        cells = (f"{row['scored']:,}", mean, f"{row['unreadable']:,}", f"{row['not_judged']:,}")
        table.add_row(escape(variant), *cells)
    return table
