"""Checks a test folder whole before anything leaves the machine: definition, datasets, templates against samples.

Depends on: `definition_files`, `abtest.management`, `abtest.evaluation`. Used by: `running`, `commands.init`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abtest.contracts.definition import TestDefinition
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.service import needs_reference
from abtest.evaluation.validation import check_parameters
from abtest.management.datasets import FrozenRows, freeze_rows
from abtest.management.model import DatasetKind
from abtest.management.validation import check_against_dataset, parse_definition
from abtest_cli.definition_files import TestFile, load_test_file

_NO_VERSION = "0" * 64
"""Stands in for the version of a dataset that could not be read, so that the rest is checked all the same."""
_SHOWN_IDS = 3


class _Judges:
    """Management's catalogue of judges, over the evaluation domain."""

    def check(self, judge_type: str, parameters: Mapping[str, Any]) -> Sequence[InputIssue]:
        return check_parameters(judge_type, parameters)

    def needs_reference(self, judge_type: str, parameters: Mapping[str, Any]) -> bool:
        return needs_reference(judge_type, parameters)


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
    raw = _with_versions(file, dataset, recordings)
    definition = _parsed(raw, issues)
    warnings: list[str] = []
    if definition is not None and dataset is not None:
        found, warnings = check_against_dataset(definition, dataset.summary, _Judges())
        issues += found
        for name, recording_rows in recordings.items():
            if recording_rows is not None:
                _match_recording(name, dataset, recording_rows, issues, warnings)
    if issues or definition is None:
        raise InvalidInputError(f"{file.path} cannot be run.", issues)
    uploads = [_body(file.dataset, "samples", dataset)]
    uploads += [_body(file.recordings[name], "recording", rows) for name, rows in recordings.items()]
    return PreparedTest(
        path=file.path,
        name=definition.name,
        definition=raw,
        uploads=tuple({body.version: body for body in uploads if body is not None}.values()),
        warnings=tuple(warnings),
        samples=dataset.summary.rows if dataset else None,
    )


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


def _with_versions(
    file: TestFile, dataset: FrozenRows | None, recordings: Mapping[str, FrozenRows | None]
) -> dict[str, Any]:
    raw = dict(file.definition)
    bad_paths = {issue.path for issue in file.issues}
    if file.dataset is not None or "dataset" in bad_paths:
        raw["dataset"] = {"version": dataset.version if dataset else _NO_VERSION}
    variants = raw.get("variants")
    if isinstance(variants, dict):
        for name, variant in variants.items():
            where = f"variants.{name}.recording"
            if isinstance(variant, dict) and (name in recordings or where in bad_paths):
                rows = recordings.get(name)
                variant["recording"] = {"version": rows.version if rows else _NO_VERSION}
    return raw


def _parsed(raw: Mapping[str, Any], issues: list[InputIssue]) -> TestDefinition | None:
    try:
        return parse_definition(raw, _Judges())
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


def _ids(rows: FrozenRows) -> list[str]:
    return [json.loads(line)["id"] for line in rows.lines]


def _body(path: Path | None, kind: DatasetKind, rows: FrozenRows | None) -> Body | None:
    return None if path is None or rows is None else Body(path.name, kind, rows.version, b"".join(rows.lines))
