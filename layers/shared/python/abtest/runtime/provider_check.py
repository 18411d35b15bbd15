"""The live check of a provider's model over the API.

Depends on: `abtest.providers.health`, the stores of providers and keys. Used by: `functions/check_provider`.
"""

from __future__ import annotations

import uuid
from asyncio import AbstractEventLoop
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from abtest.core.errors import ProviderConfigurationError
from abtest.providers.health.check import CheckPorts, CheckResult, check_provider, check_request, without_key
from abtest.providers.ports import Transport
from abtest.runtime.provider_health import MODEL_LENGTH, HealthPorts


class CheckBody(BaseModel):
    """Body of `POST /v1/providers/{provider_id}/check`: which model is asked."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=MODEL_LENGTH)


class Secrets(Protocol):
    """The providers' keys."""

    def key(self, secret_name: str, *, fresh: bool = False) -> str:
        """Return a key; `fresh` reads it anew whatever is remembered."""
        ...


class LiveCheckPorts(HealthPorts, Protocol):
    """What a check needs."""

    @property
    def secrets(self) -> Secrets:
        """Keys."""

    @property
    def transport(self) -> Transport:
        """HTTP, tied to the event loop."""

    @property
    def event_loop(self) -> AbstractEventLoop:
        """The worker's one loop."""


def check_of(workspace: str, provider_id: str, model: str, ports: LiveCheckPorts) -> CheckResult:
    """Return what one call to a provider's model shows.

    A failed call is a result, not an error: it says what to do.

    Args:
        workspace: the caller's.
        provider_id: of a registered provider.
        model: the provider's name of the model.
        ports: what is outside.

    Raises:
        NotFoundError: there is no such provider.
        InvalidInputError: there is nothing to check.
    """
    provider = ports.providers.get(workspace, provider_id)
    check_request(provider, model)
    try:
        # Read anew: who corrects a key and checks again must not hear of the old one.
        key = ports.secrets.key(provider.secret_name, fresh=True) if provider.secret_name else None
    except ProviderConfigurationError as error:
        return without_key(provider, model, error.message)
    outside = CheckPorts(
        transport=ports.transport, state=ports.shared_state, clock=ports.clock, owner=f"check {uuid.uuid4().hex}"
    )
    return ports.event_loop.run_until_complete(check_provider(provider, model, key, outside))
