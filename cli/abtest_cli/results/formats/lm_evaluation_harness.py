"""Logged samples of the LM Evaluation Harness: one file holds one model's answers to one task.

A row has one value for each metric of the task. A task with several filters has a row for each, and the harness then
calls the metric `metric,filter`.

Depends on: `gathering`, `rows`. Used by: `abtest_cli.results.reading`, by name.
Source: EleutherAI lm-evaluation-harness, `lm_eval/loggers/evaluation_tracker.py` and `lm_eval/evaluator.py`, option
`--log_samples`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from abtest.analytics.data.tables import ScoreTable
from abtest_cli.results.coding import number_or_none
from abtest_cli.results.gathering import Scores, distinct_names
from abtest_cli.results.mistakes import shown
from abtest_cli.results.model import Columns, Reading, ResultFormat
from abtest_cli.results.rows import objects, require_columns
from abtest_cli.results.sources import Head, Source

_COLUMNS = Columns(("doc_id",), ("filter", "metrics"), others_expected=True)
_FILE_NAME = re.compile(r"samples_(?P<task>.+?)_\d{4}-\d\d-\d\dT[\d.:-]+$")
_ENDINGS = (".gz", ".jsonl", ".json")
_NO_METRIC = frozenset(
    ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "task", "task_name")
)
_NO_FILTER = "none"


def _recognises(head: Head) -> bool:
    return head.kind == "jsonl" and {"doc_id", "doc", "resps"} <= set(head.columns)


def _read(sources: Sequence[Source], reading: Reading) -> ScoreTable:
    stems = [_stem(source.path) for source in sources]
    tasks = [_task(stem) for stem in stems]
    candidates = [
        (_parent(source.path, stem), stem, f"{_parent(source.path, stem)}/{stem}", source.name)
        for source, stem in zip(sources, stems, strict=True)
    ]
    variants = distinct_names(candidates, tasks)
    several = len(set(tasks)) > 1
    scores = Scores(reading, sources, None)
    for source, variant, task in zip(sources, variants, tasks, strict=True):
        require_columns(source, source.head(), _COLUMNS, reading)
        for line, row in objects(source, reading):
            document = row.get("doc_id")
            if isinstance(document, bool) or not isinstance(document, int | str) or document == "":
                found, allowed = shown(document), "the number of the document"
                reading.mistakes.add(source.name, "`doc_id` is no name", found=found, allowed=allowed, line=line)
                continue
            sample = f"{task}/{document}" if several else str(document)
            for metric, value in _metrics(row):
                scores.add(
                    source,
                    line,
                    sample=sample,
                    variant=variant,
                    metric=metric,
                    value=value,
                    slice_name=task if several else None,
                )
    return scores.finish().table(without=scores.left_out)


def _metrics(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    named = row.get("metrics")
    chosen = row.get("filter")
    suffix = f",{chosen}" if isinstance(chosen, str) and chosen not in ("", _NO_FILTER) else ""
    if isinstance(named, list):
        for name in named:
            yield f"{name}{suffix}", row.get(str(name))
        return
    for name, value in row.items():
        if name not in _NO_METRIC and not name.endswith("_hash") and number_or_none(value) is not None:
            yield f"{name}{suffix}", value


def _stem(path: Path) -> str:
    name = path.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _task(stem: str) -> str:
    match = _FILE_NAME.match(stem)
    return match["task"] if match else ""


def _parent(path: Path, stem: str) -> str:
    """Return the folder's name where the harness has put the file, which is the model's."""
    return path.resolve().parent.name if _FILE_NAME.match(stem) else ""


FORMAT = ResultFormat(
    name="lm_evaluation_harness",
    description="samples logged by the LM Evaluation Harness (`--log_samples`), one file a model and task",
    shape="JSON lines with the keys `doc_id`, `doc`, `resps`",
    recognises=_recognises,
    read=_read,
    columns=_COLUMNS,
)
