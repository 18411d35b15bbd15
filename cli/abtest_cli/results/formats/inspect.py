"""Logs of Inspect, the evaluation framework of the UK AI Security Institute: one log is one variant.

The `.eval` form is a zip archive. Its summaries hold every sample's scores without the transcripts, so they are read
when they are there; a log that was cut off has them in parts. Epochs of one sample share a cluster.

Depends on: `gathering`. Used by: `abtest_cli.results.reading`, by name.
Source: UKGovernmentBEIS inspect_ai, `log/_recorders/eval.py`, `log/_log.py` (`EvalLog`, `EvalSampleSummary`),
`scorer/_metric.py` (`value_to_float`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from abtest.analytics.data.tables import ScoreTable
from abtest_cli.results.gathering import Scores, distinct_names
from abtest_cli.results.mistakes import shown
from abtest_cli.results.model import Reading, ResultFormat
from abtest_cli.results.sources import Head, Source

_HEADERS = ("header.json", "_journal/start.json", "start.json")
_SUMMARIES = ("summaries.json", "summary.json")
_SUMMARY_PART = re.compile(r"(_journal/)?summaries/\d+\.json")
_SAMPLE = re.compile(r"samples/.+\.json")
_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_Key = tuple[str, str, int]


@dataclass(frozen=True)
class _Log:
    source: Source
    model: str
    task: str
    arguments: str


def _recognises(head: Head) -> bool:
    if head.kind == "zip":
        return any(name in head.members for name in _HEADERS)
    document = head.document
    return isinstance(document, dict) and isinstance(document.get("eval"), dict) and "model" in document["eval"]


def _read(sources: Sequence[Source], reading: Reading) -> ScoreTable:
    logs = [_log(source, reading) for source in sources]
    candidates = [
        (log.model, f"{log.model} ({log.arguments})" if log.arguments else log.model, _file_name(log), log.source.name)
        for log in logs
    ]
    variants = distinct_names(candidates, [log.task for log in logs])
    several = len({log.task for log in logs}) > 1
    scores = Scores(reading, sources, "sample")
    for log, variant in zip(logs, variants, strict=True):
        _add_samples(log, variant, several, scores, reading)

    def name(sample: Hashable) -> str:
        task, identity, epoch = sample if isinstance(sample, tuple) else ("", sample, 1)
        return f"{task}/{identity}#{epoch}" if several else f"{identity}#{epoch}"

    rows = scores.finish()
    return rows.table(without=scores.left_out, sample_name=name, shared_only=True)


def _add_samples(log: _Log, variant: str, several: bool, scores: Scores, reading: Reading) -> None:
    def add(number: int, key: _Key, metric: str, value: Any) -> None:
        scores.add(
            log.source,
            number,
            sample=key,
            variant=variant,
            metric=metric,
            value=value,
            cluster=f"{log.task}/{key[1]}" if several else key[1],
            slice_name=log.task if several else None,
        )

    unscored: list[tuple[int, _Key]] = []
    seen: dict[str, None] = {}
    number = 0
    for number, sample in enumerate(_samples(log.source, reading), 1):
        identity, epoch = sample.get("id"), sample.get("epoch", 1)
        if isinstance(identity, bool) or not isinstance(identity, int | str) or not isinstance(epoch, int):
            found, allowed = shown(identity), "an `id` and an `epoch`"
            reading.mistakes.add(f"{log.source.name}, sample {number}", "no name", found=found, allowed=allowed)
            continue
        key = (log.task, str(identity), epoch)
        values = list(_values(sample))
        if not values:
            unscored.append((number, key))
        for metric, value in values:
            seen[metric] = None
            add(number, key, metric, value)
    if not number:
        reading.mistakes.add(log.source.name, "no samples", allowed="a log written with its samples")
    reading.rows += number
    # A sample that failed has no scores: it is missing in every metric of the log, which is known only now.
    for place, key in unscored:
        for metric in seen:
            add(place, key, metric, None)


def _log(source: Source, reading: Reading) -> _Log:
    if source.kind == "zip":
        with source.archive() as member:
            names = [name for name in _HEADERS if name in source.members]
            header = member(names[0]) if names else None
    else:
        header = source.document()
    evaluation = header.get("eval") if isinstance(header, dict) else None
    if not isinstance(evaluation, dict) or not isinstance(evaluation.get("model"), str):
        reading.mistakes.fail(source.name, "no Inspect log", allowed="a log with its header, in which `eval.model` is")
    status = header.get("status") if isinstance(header, dict) else None
    if status not in (None, "success"):
        reading.warn(f"{source.name}: the log's status is {shown(status)}, so samples may be missing.")
    arguments = evaluation.get("task_args") or {}
    text = (
        ", ".join(f"{name}={_plain(value)}" for name, value in arguments.items()) if isinstance(arguments, dict) else ""
    )
    return _Log(source, evaluation["model"], str(evaluation.get("task") or ""), text)


def _samples(source: Source, reading: Reading) -> Iterator[Mapping[str, Any]]:
    with ExitStack() as stack:
        if source.kind == "zip":
            found = _archived(source.members, stack.enter_context(source.archive()))
        else:
            samples = source.document().get("samples")
            found = iter(samples) if isinstance(samples, list) else iter(())
        for number, sample in enumerate(found, 1):
            if isinstance(sample, dict):
                yield sample
            else:
                reading.mistakes.add(f"{source.name}, sample {number}", "is no object", found=shown(sample))


def _archived(members: Sequence[str], member: Callable[[str], Any]) -> Iterator[Any]:
    whole = [name for name in _SUMMARIES if name in members][:1]
    parts = [name for name in members if _SUMMARY_PART.fullmatch(name)]
    for name in whole or parts:
        content = member(name)
        yield from content if isinstance(content, list) else [content]
    if not whole and not parts:
        yield from (member(name) for name in members if _SAMPLE.fullmatch(name))


def _values(sample: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    scores = sample.get("scores")
    if scores is None and isinstance(sample.get("score"), dict):
        scores = {"score": sample["score"]}
    for scorer, score in scores.items() if isinstance(scores, dict) else ():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict):
            for name, part in value.items():
                yield f"{scorer}/{name}", _number(part)
        else:
            yield scorer, _number(value)


def _number(value: Any) -> Any:
    """Return a score's value as Inspect's own metrics see it; NaN is its word for a sample that was not scored."""
    if isinstance(value, str):
        grade = _GRADES.get(value, _GRADES.get(value.lower()) if len(value) > 1 else None)
        if grade is not None:
            return grade
        try:
            return float(value)
        except ValueError:
            return value
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _file_name(log: _Log) -> str:
    return log.source.path.name.removesuffix(".gz").removesuffix(".eval").removesuffix(".json")


FORMAT = ResultFormat(
    name="inspect",
    description="logs of Inspect (`.eval` or `.json`), one log a variant",
    shape="an Inspect log: a zip with `header.json`, or a JSON object with `eval.model`",
    recognises=_recognises,
    read=_read,
)
