"""Datasets and budgets in memory.

Depends on: management. Used by: wiring without AWS.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from decimal import Decimal

from abtest.core.errors import BudgetExceededError, NotFoundError, StoreError
from abtest.core.money import dollars
from abtest.management.model import Dataset


class MemoryDatasetStore:
    """Implements `DatasetStore`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._datasets: dict[tuple[str, str], Dataset] = {}
        self._versions: dict[tuple[str, str], Dataset] = {}

    def create(self, dataset: Dataset) -> None:
        """Keep a new dataset that awaits its upload.

        Raises:
            StoreError: its identifier is taken.
        """
        key = (dataset.workspace, dataset.dataset_id)
        with self._lock:
            if key in self._datasets:
                raise StoreError(f"There is a dataset {dataset.dataset_id!r} already.")
            self._datasets[key] = dataset

    def get(self, workspace: str, dataset_id: str) -> Dataset:
        """Return a dataset.

        Raises:
            NotFoundError: none has that identifier.
        """
        with self._lock:
            dataset = self._datasets.get((workspace, dataset_id))
        if dataset is None:
            raise NotFoundError(f"There is no dataset {dataset_id!r} in workspace {workspace!r}.")
        return dataset

    def freeze(self, dataset: Dataset) -> None:
        """Keep a dataset with its version and summary."""
        with self._lock:
            self._datasets[dataset.workspace, dataset.dataset_id] = dataset
            if dataset.version is not None:
                self._versions[dataset.workspace, dataset.version] = dataset

    def by_version(self, workspace: str, version: str) -> Dataset | None:
        """Return a frozen dataset by its content version, or None."""
        with self._lock:
            return self._versions.get((workspace, version))


@dataclass
class _Reservation:
    amount_usd: Decimal
    held: bool = True


class MemoryBudgetStore:
    """Implements `BudgetStore`: one total a workspace, one reservation a run, changed together."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._committed_usd: dict[str, Decimal] = {}
        self._reservations: dict[tuple[str, str], _Reservation] = {}

    def reserve(self, workspace: str, run_id: str, amount_usd: Decimal, limit_usd: Decimal | None) -> None:
        """Reserve money for a run; a second call for the same run changes nothing.

        Raises:
            BudgetExceededError: spent + reserved + amount would exceed the limit.
        """
        with self._lock:
            if (workspace, run_id) in self._reservations:
                return
            committed = self._committed_usd.get(workspace, Decimal(0))
            if limit_usd is not None and committed + amount_usd > limit_usd:
                raise BudgetExceededError(
                    f"Workspace {workspace!r} has {dollars(limit_usd)}, of which {dollars(committed)} is spent or "
                    f"reserved; this run asks for {dollars(amount_usd)}. Lower its cap, or ask an administrator for a "
                    "higher limit.",
                    details={
                        "limit_usd": str(limit_usd),
                        "committed_usd": str(committed),
                        "asked_usd": str(amount_usd),
                    },
                )
            self._committed_usd[workspace] = committed + amount_usd
            self._reservations[workspace, run_id] = _Reservation(amount_usd)

    def release(self, workspace: str, run_id: str, spent_usd: Decimal) -> None:
        """Turn a run's reservation into what it spent; a second call changes nothing."""
        with self._lock:
            reservation = self._reservations.get((workspace, run_id))
            if reservation is None or not reservation.held:
                return
            reservation.held = False
            self._committed_usd[workspace] += spent_usd - reservation.amount_usd
