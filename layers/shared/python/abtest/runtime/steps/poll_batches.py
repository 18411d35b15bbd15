"""PollBatches: looks at every job that is with a vendor, and moves on what can be moved on.

Depends on: providers. Used by: `functions/poll_batches`.
"""

from __future__ import annotations

from typing import Any

from abtest.contracts.steps import Step
from abtest.core.clock import iso
from abtest.providers.batches.model import JobState
from abtest.providers.batches.polling import Polled


class PollBatches(Step):
    """What asks for a round; the schedule says nothing.

    Args:
        all: look at every open job, due or not; for people who do not want to wait.
    """

    all: bool = False


class PolledBatches(Step):
    """What one round came to.

    Args:
        open: jobs that were open when it began.
        moved: how many of them were looked at.
        ended: how many of those have ended.
        answered, failed, mismatched, duplicates, unreadable: of the requests of jobs that have ended.
        broken: jobs left as they were, because a store did not answer.
    """

    open: int
    moved: int
    ended: int
    answered: int
    failed: int
    mismatched: int
    duplicates: int
    unreadable: int
    broken: int


def summary_of(polled: Polled) -> PolledBatches:
    """Return the counts of a round."""
    ended = [state for state in polled.moved if state.phase == "ended"]
    return PolledBatches(
        open=polled.open,
        moved=len({state.id.key for state in polled.moved}),
        ended=len(ended),
        answered=sum(state.counts.answered for state in ended),
        failed=sum(state.counts.failed for state in ended),
        mismatched=sum(state.counts.mismatched for state in ended),
        duplicates=sum(state.counts.duplicates for state in ended),
        unreadable=sum(state.counts.unreadable for state in ended),
        broken=polled.broken,
    )


def loggable(state: JobState) -> dict[str, Any]:
    """Return what the log says of a job: names, numbers and words, never a prompt, an answer or a token."""
    return {
        "correlation_id": state.id.run_id,
        "wave": state.id.wave,
        "variant": state.id.variant,
        "batch": state.id.batch,
        "phase": state.phase,
        "submission": state.submissions,
        "vendor_job_id": state.vendor_job_id or "",
        "next_look_at": iso(state.next_look_at),
        "trouble": "" if state.trouble is None else state.trouble.detail,
        **state.counts.model_dump(),
    }
