"""`/v1/providers`: the registered model providers."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.providers.capabilities import check_registration
from abtest.providers.registration import ModelProvider
from abtest.runtime.access import Role
from abtest.runtime.provider_health import MODEL_LENGTH, health_of
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
    from abtest.adapters.addresses import check_base_url

    who = caller(router, Role.ADMIN)
    provider = ModelProvider.model_validate({**json_body(router), "id": provider_id})
    check_registration(provider)
    if provider.base_url is not None:
        check_base_url(provider.base_url, allow_private=ports().settings.allow_private_base_urls)
    ports().providers.put(who.workspace, provider)
    return provider.model_dump(mode="json")


@router.get("/providers/<provider_id>/health")
def provider_health(provider_id: str) -> dict[str, Any]:
    """Return how a provider's model does: rates, latencies, the last failure, the circuit."""
    who = caller(router, Role.VIEWER)
    model = (router.current_event.query_string_parameters or {}).get("model") or ""
    if not 1 <= len(model) <= MODEL_LENGTH:
        issue = InputIssue("model", "which model? Health is kept for each", None, f"1 to {MODEL_LENGTH} characters")
        raise InvalidInputError("The query does not fit.", [issue])
    return health_of(who.workspace, provider_id, model, ports()).model_dump(mode="json")
