"""People's labels of a run: checked whole and kept, and what came in so far.

Depends on: `abtest.evaluation.labels`, `abtest.runtime.label_store`. Used by: `functions/api`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from abtest.core.errors import InvalidInputError
from abtest.core.ids import new_id
from abtest.evaluation.labels.checking import allowed_labels, checked_labels
from abtest.evaluation.labels.merging import SETTLING, SheetLabels, settled, sheet_labels
from abtest.evaluation.labels.model import MOST_ITEMS, NAME_CHARACTERS, NOTE_CHARACTERS, LabelImport, LabellingSheet
from abtest.runtime.label_store import LabellingPorts, LabelStore

_MOST_NOTES = 100


class LabelRow(BaseModel):
    """One label as a client sends it."""

    model_config = ConfigDict(extra="forbid")

    item: str = Field(min_length=1, max_length=64)
    label: str | int | float | bool
    note: str | None = Field(default=None, max_length=NOTE_CHARACTERS)


class LabelsBody(BaseModel):
    """Body of `POST /v1/runs/{run_id}/labels`."""

    model_config = ConfigDict(extra="forbid")

    sheet_id: str = Field(min_length=1, max_length=64)
    labeller: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARACTERS)]
    labels: list[LabelRow] = Field(min_length=1, max_length=MOST_ITEMS)


def import_labels(
    body: LabelsBody, run_id: str, *, workspace: str, imported_by: str, ports: LabellingPorts
) -> dict[str, Any]:
    """Check labels whole and keep them all, or none.

    Args:
        body: what a client sent.
        run_id: of the run.
        workspace: the caller's.
        imported_by: the caller.
        ports: runs, bodies, time.

    Returns:
        What was kept, and how the sheet stands after it.

    Raises:
        NotFoundError: there is no such run or sheet.
        InvalidInputError: an item is unknown or a label is none; with every issue, and nothing is kept.
    """
    ports.runs.get(workspace, run_id)
    store = LabelStore(ports.objects, workspace, run_id)
    sheet = store.sheet(body.sheet_id)
    labels, issues = checked_labels(sheet, [(row.item, row.label, row.note) for row in body.labels])
    if issues:
        raise InvalidInputError("The labels cannot be used; nothing was kept.", issues)
    new = LabelImport(
        import_id=new_id("labels"),
        sheet_id=sheet.sheet_id,
        labeller=body.labeller,
        imported_at=ports.clock.now(),
        imported_by=imported_by,
        labels=labels,
    )
    before = store.imports().get(sheet.sheet_id, [])
    store.write_import(new)
    return _told(sheet, new, before)


def _told(sheet: LabellingSheet, new: LabelImport, before: list[LabelImport]) -> dict[str, Any]:
    """Return what an import did, and how its sheet stands after it."""
    earlier, after = sheet_labels(before), sheet_labels([*before, new])
    return {
        "import_id": new.import_id,
        "sheet_id": sheet.sheet_id,
        "labeller": new.labeller,
        "labels": len(new.labels),
        "replaced": after.replaced - earlier.replaced,
        "changed": after.changed - earlier.changed,
        "sheet": _standing(sheet, after),
    }


def labels_so_far(run_id: str, *, workspace: str, ports: LabellingPorts) -> dict[str, Any]:
    """Return what came in: a row for each sheet, with who labelled how much and where people disagree.

    Raises:
        NotFoundError: there is no such run.
    """
    ports.runs.get(workspace, run_id)
    store = LabelStore(ports.objects, workspace, run_id)
    imports = store.imports()
    rows = []
    for sheet in store.sheets():
        labels = sheet_labels(imports.get(sheet.sheet_id, []))
        rows.append({**described(sheet), **_standing(sheet, labels), "notes": _notes(labels)})
    return {"run_id": run_id, "sheets": rows}


def described(sheet: LabellingSheet) -> dict[str, Any]:
    """Return a sheet as clients see it: everything but its key and its secret."""
    question = sheet.question
    return {
        "sheet_id": sheet.sheet_id,
        "metric": question.metric,
        "question": question.text,
        "kind": question.kind,
        "allowed": allowed_labels(question),
        "choose": sheet.choose,
        "seed": sheet.seed,
        "items": len(sheet.keys),
        "samples": sheet.samples,
        "population": sheet.population,
        "created_at": sheet.model_dump(mode="json")["created_at"],
        "created_by": sheet.created_by,
    }


def _standing(sheet: LabellingSheet, labels: SheetLabels) -> dict[str, Any]:
    found = settled(sheet, labels)
    by_labeller = {who: sum(who in given for given in labels.by_item.values()) for who in labels.labellers}
    return {
        "items": len(sheet.keys),
        "labelled": len(labels.by_item),
        "labellers": [{"labeller": who, "labels": count} for who, count in by_labeller.items()],
        "labelled_by_several": found.several,
        "conflicts": found.conflicts,
        "left_out": found.left_out,
        "settled_by": SETTLING[sheet.question.kind],
        "replaced": labels.replaced,
        "changed": labels.changed,
    }


def _notes(labels: SheetLabels) -> list[dict[str, str]]:
    notes = [
        {"item": item, "labeller": who, "note": label.note}
        for item, given in labels.by_item.items()
        for who, label in given.items()
        if label.note
    ]
    return notes[:_MOST_NOTES]
