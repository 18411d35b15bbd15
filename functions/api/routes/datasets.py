"""`/v1/datasets`: register, upload, freeze."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel, ConfigDict, Field

from abtest.management.dataset_service import DatasetService
from abtest.management.model import Dataset, DatasetKind
from abtest.runtime.access import Role
from abtest.runtime.catalogue import Tokenizers
from routes._request import caller, parsed_body, ports

router = Router()


class NewDataset(BaseModel):
    """Body of `POST /v1/datasets`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    kind: DatasetKind = "samples"
    size_bytes: int = Field(ge=1)


def _service() -> DatasetService:
    return DatasetService(ports().datasets, ports().objects, ports().clock, Tokenizers())


def _shown(dataset: Dataset) -> dict[str, Any]:
    summary = dataset.summary.model_dump(mode="json") if dataset.summary else None
    return {
        "dataset_id": dataset.dataset_id,
        "name": dataset.name,
        "kind": dataset.kind,
        "status": dataset.status,
        "version": dataset.version,
        "rows": dataset.summary.rows if dataset.summary else None,
        "summary": summary,
    }


@router.post("/datasets")
def create_dataset() -> Response[dict[str, Any]]:
    """Register a dataset and say where its rows go."""
    who = caller(router, Role.EXPERIMENTER)
    body = parsed_body(router, NewDataset)
    dataset, upload = _service().register(
        workspace=who.workspace, name=body.name, kind=body.kind, size_bytes=body.size_bytes
    )
    where = {"method": upload.method, "url": upload.url, "headers": dict(upload.headers)}
    return Response(status_code=201, content_type="application/json", body={**_shown(dataset), "upload": where})


@router.get("/datasets/<dataset_id>")
def get_dataset(dataset_id: str) -> dict[str, Any]:
    """Return one dataset."""
    who = caller(router, Role.VIEWER)
    return _shown(ports().datasets.get(who.workspace, dataset_id))


@router.post("/datasets/<dataset_id>/complete")
def complete_dataset(dataset_id: str) -> dict[str, Any]:
    """Check every uploaded row and freeze the dataset."""
    who = caller(router, Role.EXPERIMENTER)
    return _shown(_service().complete(workspace=who.workspace, dataset_id=dataset_id))
