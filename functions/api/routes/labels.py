"""`/v1/runs/{run_id}/labelling-sheets` and `/v1/runs/{run_id}/labels`: people's labels."""

from __future__ import annotations

import secrets
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.runtime.access import Role
from abtest.runtime.observability import logger
from routes._request import caller, parsed_body, ports

router = Router()
_SECRET_BYTES = 16


@router.post("/runs/<run_id>/labelling-sheets")
def create_sheet(run_id: str) -> Response[dict[str, Any]]:
    """Choose answers, hide who gave them, and say where the sheet can be fetched."""
    from abtest.runtime.label_sheets import MOST_SEED, Drawn, SheetBody, make_sheet
    from abtest.runtime.label_store import LabelStore
    from abtest.runtime.labelling import described

    who = caller(router, Role.EXPERIMENTER)
    body = parsed_body(router, SheetBody)
    drawn = Drawn(seed=secrets.randbelow(MOST_SEED + 1), blinding=secrets.token_hex(_SECRET_BYTES))
    sheet = make_sheet(body, run_id, workspace=who.workspace, created_by=who.name, ports=ports(), drawn=drawn)
    logger.info("labelling sheet made", run=run_id, sheet=sheet.sheet_id, items=len(sheet.keys), by=who.name)
    downloads = LabelStore(ports().objects, who.workspace, run_id).downloads(sheet.sheet_id)
    return Response(status_code=201, content_type="application/json", body={**described(sheet), "downloads": downloads})


@router.get("/runs/<run_id>/labelling-sheets")
def list_sheets(run_id: str) -> dict[str, Any]:
    """Return every sheet of a run, and where it can be fetched for the next 15 minutes."""
    from abtest.runtime.label_store import LabelStore
    from abtest.runtime.labelling import described

    who = caller(router, Role.VIEWER)
    ports().runs.get(who.workspace, run_id)
    store = LabelStore(ports().objects, who.workspace, run_id)
    return {"items": [{**described(one), "downloads": store.downloads(one.sheet_id)} for one in store.sheets()]}


@router.post("/runs/<run_id>/labels")
def add_labels(run_id: str) -> Response[dict[str, Any]]:
    """Keep one person's labels on a sheet: all of them, or none when anything is wrong."""
    from abtest.runtime.labelling import LabelsBody, import_labels

    who = caller(router, Role.EXPERIMENTER)
    body = parsed_body(router, LabelsBody)
    kept = import_labels(body, run_id, workspace=who.workspace, imported_by=who.name, ports=ports())
    logger.info(
        "labels imported",
        run=run_id,
        sheet=kept["sheet_id"],
        labels=kept["labels"],
        labels_id=kept["import_id"],
        by=who.name,
    )
    return Response(status_code=201, content_type="application/json", body=kept)


@router.get("/runs/<run_id>/labels")
def get_labels(run_id: str) -> dict[str, Any]:
    """Return what came in: by sheet and by person, with what they disagree about."""
    from abtest.runtime.labelling import labels_so_far

    who = caller(router, Role.VIEWER)
    return labels_so_far(run_id, workspace=who.workspace, ports=ports())
