"""`/v1/providers`: the registered model providers."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.providers import registry
from abtest.providers.model import REPLAY_PROVIDER, ModelProvider
from abtest.runtime.access import Role
from routes._request import caller, json_body, ports

router = Router()


@router.get("/providers")
def list_providers() -> dict[str, Any]:
    """Return every provider; `replay` always exists."""
    who = caller(router, Role.VIEWER)
    return {"items": [provider.model_dump(mode="json") for provider in ports().providers.list(who.workspace)]}


@router.get("/providers/<provider_id>")
def get_provider(provider_id: str) -> dict[str, Any]:
    """Return one provider."""
    who = caller(router, Role.VIEWER)
    return ports().providers.get(who.workspace, provider_id).model_dump(mode="json")


@router.put("/providers/<provider_id>")
def put_provider(provider_id: str) -> dict[str, Any]:
    """Register a provider, or change its registration."""
    from abtest.adapters.http import check_base_url

    who = caller(router, Role.ADMIN)
    provider = ModelProvider.model_validate({**json_body(router), "id": provider_id})
    _check(provider)
    if provider.base_url is not None:
        check_base_url(provider.base_url, allow_private=ports().settings.allow_private_base_urls)
    ports().providers.put(who.workspace, provider)
    return provider.model_dump(mode="json")


def _check(provider: ModelProvider) -> None:
    if provider.id == REPLAY_PROVIDER.id:
        issue = InputIssue("id", "the name is taken: it serves recorded answers", provider.id, "another name")
        raise InvalidInputError("The provider cannot be registered.", [issue])
    if provider.vendor not in registry.vendor_names():
        known = ", ".join(registry.vendor_names())
        issue = InputIssue("vendor", "no such vendor", provider.vendor, known)
        raise InvalidInputError("The provider cannot be registered.", [issue])
