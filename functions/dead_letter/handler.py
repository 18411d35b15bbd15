"""Dead-letter worker: turns a message nobody could process into a task failure."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.runtime.observability import WARM_UP, count, logger, metrics, tracer
from abtest.runtime.steps.dead_letter import DeadLetterPorts, dead_letter
from abtest.runtime.wiring import wiring

processor = BatchProcessor(
    event_type=EventType.SQS,
    raise_on_entire_batch_failure=False,
    logger=logger,  # type: ignore[arg-type] # Powertools' own Logger has the methods, not the type
)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse | dict[str, Any]:
    """Fail the task of each message; the messages are kept in the bucket under `dead-letters/`."""
    if event == WARM_UP:
        count("WarmUps")
        return dict(WARM_UP)
    wired = wiring("dead_letter")
    ports = DeadLetterPorts(runs=wired.runs, objects=wired.objects, tasks=wired.tasks)

    def bury(record: SQSRecord) -> None:
        told = dead_letter(record.message_id, record.body, ports)
        count("DeadLetters")
        logger.error("message undeliverable", message_id=record.message_id, execution_told=told)

    return process_partial_response(event=event, record_handler=bury, processor=processor, context=context)
