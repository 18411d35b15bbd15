"""Logs, traces and metrics of every function, from one place.

Logs are JSON with the run's id as correlation id; prompts, answers and keys are never logged. Metrics are EMF
under `LlmAbTest`. Traces go to X-Ray.

Depends on: Powertools. Used by: the functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from abtest.core.errors import AbTestError
from abtest.runtime.settings import ObservabilitySettings

NAMESPACE = "LlmAbTest"

_settings = ObservabilitySettings()
logger = Logger(service=_settings.service_name, level=_settings.log_level)
tracer = Tracer(service=_settings.service_name)
metrics = Metrics(namespace=NAMESPACE, service=_settings.service_name)

StepInput = TypeVar("StepInput", bound=BaseModel)
WARM_UP = {"warm": True}
"""An event that only wakes a worker up; no step input looks like it."""


def step(
    model: type[StepInput],
) -> Callable[
    [Callable[[StepInput, LambdaContext], BaseModel]], Callable[[dict[str, Any], LambdaContext], dict[str, Any]]
]:
    """Make a lifecycle step of a function from a parsed input to a result.

    The input is validated, the log lines carry its run's id, the result is JSON; a failure is logged with its code
    and goes on to Step Functions under its class name.

    Args:
        model: of the input.
    """

    def decorate(
        function: Callable[[StepInput, LambdaContext], BaseModel],
    ) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
        @functools.wraps(function)
        def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            if event == WARM_UP:
                count("WarmUps")
                return dict(WARM_UP)
            try:
                parsed = model.model_validate(event)
                logger.set_correlation_id(str(getattr(parsed, "run_id", "")))
                result = function(parsed, context)
            except AbTestError as error:
                count("StepsFailed")
                logger.error("step failed", code=error.code, error=type(error).__name__, reason=error.message)
                raise
            except Exception:
                # The runtime logs what nobody foresaw; that it happened must be counted as well.
                count("StepsFailed")
                raise
            count("StepsDone")
            logger.info("step done", **_loggable(parsed))
            return result.model_dump(mode="json")

        instrumented: Callable[..., Any] = tracer.capture_lambda_handler(capture_response=False)(handler)
        logged: Callable[..., Any] = logger.inject_lambda_context(clear_state=True)(instrumented)
        return metrics.log_metrics(logged)

    return decorate


def count(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add to a metric of this invocation.

    Args:
        name: PascalCase, such as `ResponsesFailed`.
    """
    metrics.add_metric(name=name, unit=unit, value=value)


def _loggable(parsed: BaseModel) -> dict[str, Any]:
    return {k: v for k, v in parsed.model_dump(mode="json").items() if isinstance(v, str | int) and k != "run_id"}
