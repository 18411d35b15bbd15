"""Registered providers in memory.

Depends on: management, providers. Used by: wiring without AWS.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from abtest.adapters.provider_facts import provider_facts
from abtest.core.errors import NotFoundError
from abtest.management.ports import ProviderFacts
from abtest.providers.registration import REPLAY_PROVIDER, ModelProvider


class MemoryProviderStore:
    """The providers of each workspace; implements `ProviderDirectory` too."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._providers: dict[tuple[str, str], ModelProvider] = {}

    def put(self, workspace: str, provider: ModelProvider) -> None:
        """Keep a registration, instead of an earlier one of the same identifier."""
        with self._lock:
            self._providers[workspace, provider.id] = provider

    def get(self, workspace: str, provider_id: str) -> ModelProvider:
        """Return a provider.

        Raises:
            NotFoundError: none has that identifier.
        """
        if provider_id == REPLAY_PROVIDER.id:
            return REPLAY_PROVIDER
        with self._lock:
            provider = self._providers.get((workspace, provider_id))
        if provider is None:
            raise NotFoundError(f"There is no provider {provider_id!r} in workspace {workspace!r}.")
        return provider

    def list(self, workspace: str) -> tuple[ModelProvider, ...]:
        """Return every provider by identifier, `replay` last."""
        with self._lock:
            mine = sorted((name, provider) for (owner, name), provider in self._providers.items() if owner == workspace)
        return (*(provider for _, provider in mine), REPLAY_PROVIDER)

    def facts(self, workspace: str) -> Mapping[str, ProviderFacts]:
        """Return what management needs to know of every provider."""
        return {provider.id: provider_facts(provider) for provider in self.list(workspace)}
