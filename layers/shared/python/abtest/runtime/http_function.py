"""A Lambda function that answers a part of the HTTP API: routes in, problem details out, one log line a request.

Depends on: Powertools event handler, `abtest.runtime.http_errors`. Used by: `functions/api`, and the
functions that answer one route each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from abtest.core.errors import AbTestError
from abtest.runtime import http_errors
from abtest.runtime.observability import WARM_UP, count, logger, metrics, tracer

SERVICE_PREFIX = "/service"
"""Where the same routes stand behind IAM."""
VERSION_PREFIX = "/v1"

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def http_function(*routers: Router) -> Handler:
    """Return the handler of a function that answers some routes.

    Args:
        routers: their paths stand below `/v1`, and below `/service/v1` for callers who sign.
    """
    app = APIGatewayHttpResolver(strip_prefixes=[SERVICE_PREFIX])
    for router in routers:
        app.include_router(router, prefix=VERSION_PREFIX)
    _map_errors(app)

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        if event == WARM_UP:
            count("WarmUps")
            return dict(WARM_UP)
        answer = app.resolve(event, context)
        count("Requests")
        logger.info("request", route=event.get("routeKey"), status=answer.get("statusCode"))
        return answer

    instrumented: Callable[..., Any] = tracer.capture_lambda_handler(capture_response=False)(handler)
    logged: Callable[..., Any] = logger.inject_lambda_context(clear_state=True)(metrics.log_metrics(instrumented))
    return logged


def _map_errors(app: APIGatewayHttpResolver) -> None:
    """Have every failure answered as problem details."""

    def request_id() -> str:
        return app.current_event.request_context.request_id

    def on_known(error: AbTestError) -> Response[str]:
        logger.warning("request refused", code=error.code, reason=error.message)
        return http_errors.problem(error, request_id())

    def on_invalid(error: ValidationError) -> Response[str]:
        return on_known(http_errors.invalid_body(error))

    def on_missing(_error: RouteNotFoundError) -> Response[str]:
        return on_known(http_errors.missing_route(app.current_event.path))

    def on_unexpected(error: Exception) -> Response[str]:
        # Without details; the log has them.
        logger.exception("request failed", error=type(error).__name__)
        return http_errors.unexpected(request_id())

    app.exception_handler(AbTestError)(on_known)
    app.exception_handler([ValidationError, RequestValidationError])(on_invalid)
    app.not_found(on_missing)
    app.exception_handler(Exception)(on_unexpected)
