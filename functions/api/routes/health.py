"""`/v1/health`: that the platform answers, and how to sign in. The only route without an authorizer."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest import __version__
from routes._request import ports

router = Router()


@router.get("/health")
def get_health() -> dict[str, Any]:
    """Return the environment, the version and where a client signs in."""
    settings = ports().settings
    return {
        "status": "ok",
        "environment": settings.environment,
        "version": __version__,
        "sign_in": {
            "issuer": settings.issuer,
            "client_id": settings.user_pool_client_id,
            "region": settings.issuer.split(".")[1] if ".amazonaws." in settings.issuer else None,
            "idp_endpoint_url": settings.identity_endpoint_url,
        },
    }
