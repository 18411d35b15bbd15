"""Registering, checking and freezing datasets.

Depends on: the ports. Used by: the API.
"""

from __future__ import annotations

from dataclasses import dataclass

from abtest.contracts import object_keys
from abtest.core.clock import Clock
from abtest.core.errors import ConflictError, InputIssue, InvalidInputError, NotFoundError
from abtest.core.ids import new_id
from abtest.management.datasets import freeze_rows
from abtest.management.model import Dataset, DatasetKind
from abtest.management.ports import DatasetStore, ObjectStore, TokenCounter, Upload

MAX_UPLOAD_BYTES = 200_000_000
UPLOAD_LIFETIME_S = 900


@dataclass(frozen=True)
class DatasetService:
    """Datasets of a workspace.

    Args:
        counter: counts the tokens of their inputs, for later estimates; None leaves them uncounted.
    """

    datasets: DatasetStore
    objects: ObjectStore
    clock: Clock
    counter: TokenCounter | None = None

    def register(self, *, workspace: str, name: str, kind: DatasetKind, size_bytes: int) -> tuple[Dataset, Upload]:
        """Keep a new dataset and return where its rows go.

        Raises:
            InvalidInputError: it is too large.
        """
        if size_bytes > MAX_UPLOAD_BYTES:
            issue = InputIssue("size_bytes", "the upload is too large", str(size_bytes), f"{MAX_UPLOAD_BYTES:,} bytes")
            raise InvalidInputError("The dataset cannot be registered.", [issue])
        dataset = Dataset(
            dataset_id=new_id("dataset"), workspace=workspace, name=name, kind=kind, created_at=self.clock.now()
        )
        self.datasets.create(dataset)
        key = object_keys.upload(workspace, dataset.dataset_id)
        return dataset, self.objects.upload(key, expires_in_s=UPLOAD_LIFETIME_S)

    def complete(self, *, workspace: str, dataset_id: str) -> Dataset:
        """Check every uploaded row and freeze the dataset under its content version.

        Raises:
            ConflictError: nothing was uploaded yet.
            InvalidInputError: with the line of every bad row.
        """
        dataset = self.datasets.get(workspace, dataset_id)
        if dataset.version is not None:
            return dataset
        try:
            lines = self.objects.lines(object_keys.upload(workspace, dataset_id))
            frozen = freeze_rows(lines, dataset.kind, self.counter)
        except NotFoundError as error:
            raise ConflictError("Nothing was uploaded yet; PUT the rows to the upload's address first.") from error
        self.objects.put(
            object_keys.dataset_rows(workspace, frozen.version),
            b"".join(frozen.lines),
            content_type=object_keys.JSONL,
        )
        ready = dataset.model_copy(update={"version": frozen.version, "summary": frozen.summary})
        self.datasets.freeze(ready)
        return ready
