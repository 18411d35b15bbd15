"""Scheduled each minute: looks after the jobs that are with the vendors' batch interfaces."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from abtest.adapters.dynamodb.control import StoredRunControl
from abtest.providers.batches.polling import PollPorts, poll
from abtest.runtime.observability import count, logger, step
from abtest.runtime.steps.poll_batches import PollBatches, PolledBatches, loggable, summary_of
from abtest.runtime.wiring import wiring

SHOWN = ("ended", "answered", "failed", "mismatched", "duplicates", "unreadable", "broken")


@step(PollBatches)
def lambda_handler(event: PollBatches, context: LambdaContext) -> PolledBatches:
    """Poll every job that is due, and put the messages of those that have ended back into their queues."""
    wired = wiring("poll_batches")

    def remaining_s() -> float:
        return context.get_remaining_time_in_millis() / 1000

    ports = PollPorts(
        jobs=wired.batch_jobs,
        transport=wired.result_transport,
        ledger=wired.ledger,
        control=lambda workspace, run_id: StoredRunControl(wired.runs, workspace, run_id),
        api_key=wired.secrets.key,
        clock=wired.clock,
        bring_back=wired.queues.put_back,
        remaining_s=remaining_s,
    )
    polled = wired.event_loop.run_until_complete(poll(ports, everything=event.all))
    for state in polled.moved:
        logger.info("job moved on", **loggable(state))
    summary = summary_of(polled)
    for name in SHOWN:
        if value := getattr(summary, name):
            count(f"BatchJobs{name.capitalize()}", value)
    return summary
