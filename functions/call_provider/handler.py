"""Queue worker: answers one batch of a variant, or asks a judge about one, and tells the waiting execution."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.adapters.dynamodb.control import StoredRunControl
from abtest.runtime.loaded import keep_what_is_loaded
from abtest.runtime.observability import WARM_UP, count, logger, metrics, tracer
from abtest.runtime.steps.queue_worker import WorkerPorts, parsed_message
from abtest.runtime.steps.queued_batch import answer_queued, log_fields, metric_counts
from abtest.runtime.wiring import wiring

processor = BatchProcessor(
    event_type=EventType.SQS,
    raise_on_entire_batch_failure=False,
    logger=logger,  # type: ignore[arg-type] # Powertools' own Logger has the methods, not the type
)


@cache
def _ports() -> WorkerPorts:
    wired = wiring("call_provider")
    return WorkerPorts(
        runs=wired.runs,
        objects=wired.objects,
        queues=wired.queues,
        queue_urls=wired.settings.queue_urls,
        tasks=wired.tasks,
        transport=wired.transport,
        ledger=wired.ledger,
        control=lambda workspace, run_id: StoredRunControl(wired.runs, workspace, run_id),
        api_key=wired.secrets.key,
        clock=wired.clock,
        jitter=random.SystemRandom().random,
        run_async=wired.event_loop.run_until_complete,
        message_lease_s=wired.settings.message_lease_s,
        batch_jobs=wired.batch_jobs,
        shared=wired.shared_state,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse | dict[str, Any]:
    """Answer the batches of an SQS event; a message that fails comes back alone."""
    if event == WARM_UP:
        _ports()
        count("WarmUps")
        return dict(WARM_UP)

    def remaining_s() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def answer(record: SQSRecord) -> None:
        message = parsed_message(record.body, record.event_source_arn, record.receipt_handle, _ports())
        logger.set_correlation_id(message.batch.run_id)
        result = answer_queued(message, record.receipt_handle, remaining_s, _ports())
        if result is None:
            count("BatchesNotFinished")
            logger.info("batch not finished", **log_fields(message))
            return
        for name, value in metric_counts(result).items():
            count(name, value)
        logger.info("batch done", **log_fields(message), **result.model_dump())

    answered = process_partial_response(event=event, record_handler=answer, processor=processor, context=context)
    # The first batch has loaded what all need: codecs, prices, judges.
    keep_what_is_loaded()
    return answered
