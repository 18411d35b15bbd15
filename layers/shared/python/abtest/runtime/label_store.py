"""Where the sheets and labels of a run are kept.

Depends on: `abtest.evaluation.labels.model`, the run and object ports. Used by: `abtest.runtime.label_sheets`,
`abtest.runtime.labelling`, `abtest.runtime.label_analysis`, the API.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from abtest.contracts import object_keys
from abtest.core.clock import Clock
from abtest.core.errors import ConflictError, NotFoundError
from abtest.evaluation.labels.model import LabelImport, LabellingSheet
from abtest.evaluation.model import JudgeConfiguration
from abtest.management.model import Run, RunFrozen, TestStatus
from abtest.management.ports import ObjectStore, RunStore

DOWNLOAD_LIFETIME_S = 900
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": object_keys.JSONL, "html": "text/html; charset=utf-8"}
PARALLEL_READS = 8

Kept = TypeVar("Kept", LabellingSheet, LabelImport)


class LabellingPorts(Protocol):
    """Where runs, bodies and the time are."""

    @property
    def runs(self) -> RunStore:
        """Runs."""

    @property
    def objects(self) -> ObjectStore:
        """Bodies."""

    @property
    def clock(self) -> Clock:
        """The time."""


class LabelStore:
    """The sheets and labels of one run.

    Args:
        objects: where they live.
    """

    def __init__(self, objects: ObjectStore, workspace: str, run_id: str) -> None:
        self._objects = objects
        self._run = (workspace, run_id)

    def sheets(self) -> list[LabellingSheet]:
        """Return the sheets, oldest first."""
        found = self._read(object_keys.labelling_sheets(*self._run), LabellingSheet)
        return sorted(found, key=lambda sheet: (sheet.created_at, sheet.sheet_id))

    def sheet(self, sheet_id: str) -> LabellingSheet:
        """Return one sheet.

        Raises:
            NotFoundError: there is none with that identifier.
        """
        found = next((sheet for sheet in self.sheets() if sheet.sheet_id == sheet_id), None)
        if found is None:
            raise NotFoundError(f"Run {self._run[1]} has no labelling sheet {sheet_id!r}.")
        return found

    def imports(self) -> dict[str, list[LabelImport]]:
        """Return the imports by sheet."""
        found: dict[str, list[LabelImport]] = {}
        for one in self._read(object_keys.label_imports(*self._run), LabelImport):
            found.setdefault(one.sheet_id, []).append(one)
        return found

    def write_sheet(self, sheet: LabellingSheet, files: Iterable[tuple[str, bytes]]) -> None:
        """Write a sheet: what people get first, so that a sheet that is listed can be fetched."""
        for name, body in files:
            key = object_keys.labelling_file(*self._run, sheet.sheet_id, name)
            self._objects.put(key, body, content_type=FORMATS[name])
        self._objects.put(object_keys.labelling_sheet(*self._run, sheet.sheet_id), sheet.model_dump_json().encode())

    def write_import(self, labels: LabelImport) -> None:
        """Write labels that came in together."""
        self._objects.put(object_keys.label_import(*self._run, labels.import_id), labels.model_dump_json().encode())

    def downloads(self, sheet_id: str) -> dict[str, dict[str, str]]:
        """Return where each file of a sheet can be fetched for the next 15 minutes."""
        return {
            name: {
                "url": self._objects.download_url(
                    object_keys.labelling_file(*self._run, sheet_id, name),
                    expires_in_s=DOWNLOAD_LIFETIME_S,
                    filename=f"{sheet_id}.{name}",
                )
            }
            for name in FORMATS
        }

    def _read(self, prefix: str, model: type[Kept]) -> list[Kept]:
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            bodies = pool.map(self._objects.get, self._objects.keys(prefix))
            return [model.model_validate_json(body) for body in bodies]


def completed(runs: RunStore, workspace: str, run_id: str) -> Run:
    """Return a run that has ended well.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has not.
    """
    run = runs.get(workspace, run_id)
    if run.status != TestStatus.COMPLETED:
        raise ConflictError(f"Run {run_id} is {run.status}; only the answers of a completed run can be labelled.")
    return run


def configured(frozen: RunFrozen) -> list[JudgeConfiguration]:
    """Return the judges of a run as evaluation takes them."""
    return [
        JudgeConfiguration(name=name, type=judge.type, parameters=judge.parameters)
        for name, judge in frozen.definition.judges.items()
    ]
