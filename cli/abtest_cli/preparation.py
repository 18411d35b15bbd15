"""Checks a test folder whole before anything leaves the machine: definition, datasets, templates against samples.

Depends on: `definition_files`, `abtest.management`, the catalogue of judges. Used by: `running`, the commands that
send tests and judges.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abtest.contracts.definition import TestDefinition
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.template_references import without_references
from abtest.management.datasets import FrozenRows, freeze_rows
from abtest.management.judge_checks import imported_issues
from abtest.management.model import DatasetKind
from abtest.management.validation import check_against_dataset, parse_definition
from abtest.runtime.catalogue import JudgeRegistry
from abtest_cli.definition_files import JudgeFile, TestFile, load_judge_file, load_test_file

_NO_VERSION = "0" * 64
"""Stands in for the version of a dataset that could not be read, so that the rest is checked all the same."""
_SHOWN_IDS = 3


@dataclass(frozen=True)
class Body:
    """Rows to upload: `rows` as canonical JSONL."""

    name: str
    kind: DatasetKind
    version: str
    rows: bytes


@dataclass(frozen=True)
class PreparedTest:
    """A test that is right as far as this machine can tell.

    Args:
        path: its file.
        name: of the test.
        definition: as the API takes it, versions included.
        uploads: the datasets it needs there.
        warnings: what a person should know.
        samples: rows of the dataset; None when it is named by its version only.
    """

    path: Path
    name: str
    definition: dict[str, Any]
    uploads: tuple[Body, ...]
    warnings: tuple[str, ...]
    samples: int | None


@dataclass(frozen=True)
class PreparedJudges:
    """Judges of a file.

    Args:
        judges: as the API takes them, versions included.
        uploads: the scores they read.
        issues: what is wrong with the file, and with the rows of scores.
    """

    judges: dict[str, Any]
    uploads: tuple[Body, ...]
    issues: tuple[InputIssue, ...]


def prepare(path: Path) -> PreparedTest:
    """Read and check a test folder.

    Args:
        path: the test file, or its folder.

    Raises:
        InvalidInputError: with every issue of the file, the definition, the datasets and the prompts at once.
    """
    file = load_test_file(path)
    issues = list(file.issues)
    dataset = _frozen(file.dataset, "samples", "dataset", issues)
    recordings = {
        name: _frozen(recording, "recording", f"variants.{name}.recording", issues)
        for name, recording in file.recordings.items()
    }
    scores = _frozen_scores(file, issues)
    raw = _with_versions(file, dataset, recordings)
    raw = {**raw, **({"judges": _judges_with_versions(file, raw["judges"], scores)} if "judges" in raw else {})}
    definition = _parsed(raw, issues)
    warnings: list[str] = []
    if definition is not None and dataset is not None:
        found, warnings = check_against_dataset(definition, dataset.summary, JudgeRegistry())
        issues += found
        for name, rows in recordings.items():
            if rows is not None:
                _match_recording(name, dataset, rows, issues, warnings)
        _match_scores(definition, dataset, scores, issues, warnings)
    if issues or definition is None:
        raise InvalidInputError(f"{file.path} cannot be run.", issues)
    uploads = [_body(file.dataset, "samples", dataset)]
    uploads += [_body(file.recordings[name], "recording", rows) for name, rows in recordings.items()]
    uploads += [_body(file.scores[name], "scores", rows) for name, rows in scores.items()]
    return PreparedTest(
        path=file.path,
        name=definition.name,
        definition=raw,
        uploads=_each_once(uploads),
        warnings=tuple(warnings),
        samples=dataset.summary.rows if dataset else None,
    )


def prepare_judges(path: Path) -> PreparedJudges:
    """Read the judges of a file, with the scores they read.

    Args:
        path: a test file or its folder, whose judges are taken, or a file that has a judge under each name.

    Raises:
        InvalidInputError: the file itself cannot be read, or has no judges.
    """
    file = load_judge_file(path)
    issues = list(file.issues)
    scores = _frozen_scores(file, issues)
    bodies = [_body(file.scores[name], "scores", rows) for name, rows in scores.items()]
    return PreparedJudges(_judges_with_versions(file, file.judges, scores), _each_once(bodies), tuple(issues))


def _frozen(path: Path | None, kind: DatasetKind, where: str, issues: list[InputIssue]) -> FrozenRows | None:
    if path is None:
        return None
    try:
        with path.open("rb") as lines:
            return freeze_rows(lines, kind)
    except InvalidInputError as error:
        issues += [InputIssue(f"{i.path} in {path.name}", i.message, i.found, i.allowed, i.line) for i in error.issues]
        if len(error.issues) > 1:
            issues.append(InputIssue(where, error.message, str(path)))
    except OSError as error:
        issues.append(InputIssue(where, f"cannot be read: {error.strerror}", str(path)))
    return None


def _frozen_scores(file: TestFile | JudgeFile, issues: list[InputIssue]) -> dict[str, FrozenRows | None]:
    return {name: _frozen(path, "scores", f"judges.{name}.scores", issues) for name, path in file.scores.items()}


def _with_versions(
    file: TestFile, dataset: FrozenRows | None, recordings: Mapping[str, FrozenRows | None]
) -> dict[str, Any]:
    raw = dict(file.definition)
    bad_paths = {issue.path for issue in file.issues}
    if file.dataset is not None or "dataset" in bad_paths:
        raw["dataset"] = _version(dataset)
    variants = raw.get("variants")
    if isinstance(variants, dict):
        for name, variant in variants.items():
            where = f"variants.{name}.recording"
            if isinstance(variant, dict) and (name in recordings or where in bad_paths):
                variant["recording"] = _version(recordings.get(name))
    return raw


def _judges_with_versions(file: TestFile | JudgeFile, judges: Any, scores: Mapping[str, FrozenRows | None]) -> Any:
    if not isinstance(judges, dict):
        return judges
    bad_paths = {issue.path for issue in file.issues}
    return {
        name: {**judge, "scores": _version(scores.get(name))}
        if isinstance(judge, dict) and (name in scores or f"judges.{name}.scores" in bad_paths)
        else judge
        for name, judge in judges.items()
    }


def _version(rows: FrozenRows | None) -> dict[str, str]:
    return {"version": rows.version if rows else _NO_VERSION}


def _parsed(raw: Mapping[str, Any], issues: list[InputIssue]) -> TestDefinition | None:
    try:
        # Which templates a workspace has, only the platform knows.
        return parse_definition(without_references(raw), JudgeRegistry())
    except InvalidInputError as error:
        issues += error.issues
        return None


def _match_recording(
    name: str, dataset: FrozenRows, recording: FrozenRows, issues: list[InputIssue], warnings: list[str]
) -> None:
    """Tell of samples without a recorded output: they would be failed answers."""
    asked, recorded = _ids(dataset), set(_ids(recording))
    lacking = [sample_id for sample_id in asked if sample_id not in recorded]
    if not lacking:
        return
    examples = ", ".join(lacking[:_SHOWN_IDS])
    if len(lacking) == len(asked):
        allowed = f"rows whose id is a sample's: {examples}, ..."
        issues.append(
            InputIssue(f"variants.{name}.recording", "no row belongs to a sample of the dataset", None, allowed)
        )
    else:
        warnings.append(
            f"{name}: {len(lacking)} of {len(asked)} samples have no recorded output ({examples}, ...); "
            "they count as failed answers."
        )


def _match_scores(
    definition: TestDefinition,
    dataset: FrozenRows,
    scores: Mapping[str, FrozenRows | None],
    issues: list[InputIssue],
    warnings: list[str],
) -> None:
    """Tell of rows that score no sample or variant of the test, and of judges that would read nothing."""
    facts = JudgeRegistry().facts(definition.judges)
    asked = set(_ids(dataset))
    for name, rows in scores.items():
        if rows is None or name not in facts:
            continue
        issues += imported_issues(facts[name], rows.summary, list(definition.variants), definition.control)
        named = list(dict.fromkeys(_ids(rows)))
        strangers = [sample_id for sample_id in named if sample_id not in asked]
        examples = ", ".join(strangers[:_SHOWN_IDS])
        if strangers and len(strangers) == len(named):
            message = "no row belongs to a sample of the dataset"
            issues.append(InputIssue(f"judges.{name}.scores", message, examples, "rows whose id is a sample's"))
        elif strangers:
            warnings.append(
                f"{name}: {len(strangers)} of the {len(named)} samples that its scores name are not in the dataset "
                f"({examples}, ...); those rows are not used."
            )


def _ids(rows: FrozenRows) -> list[str]:
    return [json.loads(line)["id"] for line in rows.lines]


def _body(path: Path | None, kind: DatasetKind, rows: FrozenRows | None) -> Body | None:
    return None if path is None or rows is None else Body(path.name, kind, rows.version, b"".join(rows.lines))


def _each_once(bodies: list[Body | None]) -> tuple[Body, ...]:
    return tuple({body.version: body for body in bodies if body is not None}.values())
