"""The REST API: parse, one service call, map the result. Each resource has a file in `routes`."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError
from routes import datasets, health, judges, providers, runs, tests

from abtest.core.errors import AbTestError
from abtest.runtime import http_errors
from abtest.runtime.observability import WARM_UP, count, logger, metrics, tracer

SERVICE_PREFIX = "/service"
"""Where the same routes stand behind IAM."""

app = APIGatewayHttpResolver(strip_prefixes=[SERVICE_PREFIX])
for resource in (health, datasets, judges, providers, runs, tests):
    app.include_router(resource.router, prefix="/v1")


@app.exception_handler(AbTestError)
def on_known(error: AbTestError) -> Response[str]:
    """Answer with the error's own status and sentence."""
    logger.warning("request refused", code=error.code, reason=error.message)
    return http_errors.problem(error, _request_id())


@app.exception_handler([ValidationError, RequestValidationError])
def on_invalid(error: ValidationError) -> Response[str]:
    """Answer with every field that does not fit."""
    return on_known(http_errors.invalid_body(error))


@app.not_found
def on_missing(_error: RouteNotFoundError) -> Response[str]:
    """Answer that nobody lives there."""
    return on_known(http_errors.missing_route(app.current_event.path))


@app.exception_handler(Exception)
def on_unexpected(error: Exception) -> Response[str]:
    """Answer without details; the log has them."""
    logger.exception("request failed", error=type(error).__name__)
    return http_errors.unexpected(_request_id())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of the HTTP API."""
    if event == WARM_UP:
        count("WarmUps")
        return dict(WARM_UP)
    answer = app.resolve(event, context)
    count("Requests")
    logger.info("request", route=event.get("routeKey"), status=answer.get("statusCode"))
    return answer


def _request_id() -> str:
    return app.current_event.request_context.request_id
