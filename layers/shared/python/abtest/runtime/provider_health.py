"""The health of a provider's model over the API.

Depends on: `abtest.providers.health`, the provider store. Used by: the API's provider routes, the live check.
"""

from __future__ import annotations

from typing import Protocol

from abtest.core.clock import Clock
from abtest.providers.health.record import HealthView, health_key, read_health, view
from abtest.providers.ports import SharedState
from abtest.providers.registration import ModelProvider

MODEL_LENGTH = 200


class Providers(Protocol):
    """The registered providers."""

    def get(self, workspace: str, provider_id: str) -> ModelProvider:
        """Return a provider; NotFoundError when none has that identifier."""
        ...


class HealthPorts(Protocol):
    """What reading a health record needs."""

    @property
    def providers(self) -> Providers:
        """Registered providers."""

    @property
    def shared_state(self) -> SharedState:
        """Documents that workers share."""

    @property
    def clock(self) -> Clock:
        """The time."""


def health_of(workspace: str, provider_id: str, model: str, ports: HealthPorts) -> HealthView:
    """Return how a provider's model does, as the workers' calls and checks of the last minutes show it.

    Args:
        workspace: the caller's.
        provider_id: of a registered provider.
        model: the provider's name of the model.
        ports: what is outside.

    Raises:
        NotFoundError: there is no such provider.
        StoreError: the record cannot be read.
    """
    provider = ports.providers.get(workspace, provider_id)
    health = read_health(ports.shared_state.read(health_key(provider, model)))
    return view(health, provider.id, model, ports.clock.now().timestamp())
