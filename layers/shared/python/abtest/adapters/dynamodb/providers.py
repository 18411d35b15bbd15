"""Registered providers in DynamoDB.

Depends on: the table. Used by: wiring.
"""

from __future__ import annotations

from collections.abc import Mapping

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import Table
from abtest.adapters.provider_facts import provider_facts
from abtest.core.errors import NotFoundError
from abtest.management.ports import ProviderFacts
from abtest.providers.registration import REPLAY_PROVIDER, ModelProvider


class DynamoProviderStore:
    """The providers of each workspace; implements `ProviderDirectory` too."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, workspace: str, provider: ModelProvider) -> None:
        """Keep a registration, instead of an earlier one of the same identifier."""
        self._table.put({**keys.provider(workspace, provider.id), "document": provider.model_dump_json()})

    def get(self, workspace: str, provider_id: str) -> ModelProvider:
        """Return a provider.

        Raises:
            NotFoundError: none has that identifier.
        """
        if provider_id == REPLAY_PROVIDER.id:
            return REPLAY_PROVIDER
        item = self._table.get(keys.provider(workspace, provider_id))
        if item is None:
            raise NotFoundError(f"There is no provider {provider_id!r} in workspace {workspace!r}.")
        return ModelProvider.model_validate_json(item["document"])

    def list(self, workspace: str) -> tuple[ModelProvider, ...]:
        """Return every provider, `replay` last."""
        items = self._table.query(keys.provider_partition(workspace))
        return (*(ModelProvider.model_validate_json(item["document"]) for item in items), REPLAY_PROVIDER)

    def facts(self, workspace: str) -> Mapping[str, ProviderFacts]:
        """Return what management needs to know of every provider."""
        return {provider.id: provider_facts(provider) for provider in self.list(workspace)}
