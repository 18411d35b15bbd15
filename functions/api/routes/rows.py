"""`/v1/runs/{run_id}/rows`: the samples and answers of a run that has ended, for whoever judges them elsewhere."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.core.errors import ConflictError
from abtest.management.model import TestStatus
from abtest.runtime.access import Role
from abtest.runtime.answer_files import BatchFiles, answer_files
from routes._request import caller, page_of, ports

router = Router()


def _shown(batch: BatchFiles) -> dict[str, Any]:
    return {
        "wave": batch.wave,
        "batch": batch.batch,
        "samples": {"url": batch.samples_url},
        "responses": {variant: {"url": url} for variant, url in batch.responses_urls.items()},
    }


@router.get("/runs/<run_id>/rows")
def get_rows(run_id: str) -> dict[str, Any]:
    """Return a page of batches, each with where its rows can be downloaded for the next 15 minutes."""
    who = caller(router, Role.VIEWER)
    limit, cursor = page_of(router)
    run = ports().runs.get(who.workspace, run_id)
    if run.status == TestStatus.RUNNING:
        raise ConflictError(f"Run {run_id} is still going on; its rows can be read when it has ended.")
    files = answer_files(ports().objects, who.workspace, run_id, limit=limit, cursor=cursor)
    return {
        "control": files.control,
        "variants": list(files.variants),
        "items": [_shown(batch) for batch in files.batches],
        "next_cursor": files.next_cursor,
    }
