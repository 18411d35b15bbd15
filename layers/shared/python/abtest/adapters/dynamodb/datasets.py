"""Datasets and budgets in DynamoDB.

Depends on: the table. Used by: wiring.
"""

from __future__ import annotations

from decimal import Decimal

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import ConditionFailedError, Table
from abtest.core.errors import BudgetExceededError, NotFoundError
from abtest.core.money import dollars
from abtest.management.model import Dataset


class DynamoDatasetStore:
    """Implements `DatasetStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, dataset: Dataset) -> None:
        """Keep a new dataset that awaits its upload."""
        self._table.put(
            {**keys.dataset(dataset.workspace, dataset.dataset_id), "document": dataset.model_dump_json()},
            if_absent=True,
        )

    def get(self, workspace: str, dataset_id: str) -> Dataset:
        """Return a dataset.

        Raises:
            NotFoundError: none has that identifier.
        """
        item = self._table.get(keys.dataset(workspace, dataset_id))
        if item is None:
            raise NotFoundError(f"There is no dataset {dataset_id!r} in workspace {workspace!r}.")
        return Dataset.model_validate_json(item["document"])

    def freeze(self, dataset: Dataset) -> None:
        """Keep a dataset with its version and summary."""
        document = dataset.model_dump_json()
        operations = [
            self._table.put_operation({**keys.dataset(dataset.workspace, dataset.dataset_id), "document": document})
        ]
        if dataset.version is not None:
            key = keys.dataset_version(dataset.workspace, dataset.version)
            operations.append(self._table.put_operation({**key, "document": document}))
        self._table.transact(operations)

    def by_version(self, workspace: str, version: str) -> Dataset | None:
        """Return a frozen dataset by its content version, or None."""
        item = self._table.get(keys.dataset_version(workspace, version))
        return Dataset.model_validate_json(item["document"]) if item else None


class DynamoBudgetStore:
    """Implements `BudgetStore`: one total a workspace, one reservation a run, changed together."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def reserve(self, workspace: str, run_id: str, amount_usd: Decimal, limit_usd: Decimal | None) -> None:
        """Reserve money for a run; a second call for the same run changes nothing.

        Raises:
            BudgetExceededError: spent + reserved + amount would exceed the limit.
        """
        if self._table.get(keys.reservation(workspace, run_id)) is not None:
            return
        values = {":amount": amount_usd}
        condition = None
        if limit_usd is not None:
            # `committed` is spent + reserved: DynamoDB conditions cannot add two attributes.
            values[":room"] = limit_usd - amount_usd
            condition = "attribute_not_exists(committed_usd) OR committed_usd <= :room"
            if amount_usd > limit_usd:
                raise self._exceeded(workspace, amount_usd, limit_usd)
        try:
            self._table.transact(
                [
                    self._table.put_operation(
                        {**keys.reservation(workspace, run_id), "amount_usd": amount_usd, "held": True}, if_absent=True
                    ),
                    self._table.update_operation(
                        keys.budget(workspace), "ADD committed_usd :amount", values, condition=condition
                    ),
                ]
            )
        except ConditionFailedError:
            if self._table.get(keys.reservation(workspace, run_id)) is None and limit_usd is not None:
                raise self._exceeded(workspace, amount_usd, limit_usd) from None

    def release(self, workspace: str, run_id: str, spent_usd: Decimal) -> None:
        """Turn a run's reservation into what it spent; a second call changes nothing."""
        item = self._table.get(keys.reservation(workspace, run_id))
        if item is None or not item["held"]:
            return
        try:
            self._table.transact(
                [
                    self._table.update_operation(
                        keys.reservation(workspace, run_id),
                        "SET held = :no, spent_usd = :spent",
                        {":no": False, ":yes": True, ":spent": spent_usd},
                        condition="held = :yes",
                    ),
                    self._table.update_operation(
                        keys.budget(workspace), "ADD committed_usd :change", {":change": spent_usd - item["amount_usd"]}
                    ),
                ]
            )
        except ConditionFailedError:
            return

    def _exceeded(self, workspace: str, amount_usd: Decimal, limit_usd: Decimal) -> BudgetExceededError:
        item = self._table.get(keys.budget(workspace)) or {}
        committed = item.get("committed_usd", Decimal(0))
        return BudgetExceededError(
            f"Workspace {workspace!r} has {dollars(limit_usd)}, of which {dollars(committed)} is spent or reserved; "
            f"this run asks for {dollars(amount_usd)}. Lower its cap, or ask an administrator for a higher limit.",
            details={"limit_usd": str(limit_usd), "committed_usd": str(committed), "asked_usd": str(amount_usd)},
        )
