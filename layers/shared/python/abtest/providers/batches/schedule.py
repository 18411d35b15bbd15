"""When a job is looked at, how long it is waited for, and how much it may cost: pure decisions.

Depends on: `abtest.providers.batches.model`, pricing. Used by: submission, polling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from abtest.contracts.records import Usage
from abtest.core.money import total
from abtest.providers.batches.model import AT_VENDOR, JobState
from abtest.providers.model import CallFailure, ControlState, ModelRequest
from abtest.providers.pricing import price_of
from abtest.providers.registration import ModelProvider

CHARACTERS_PER_TOKEN = 2
"""Of a prompt, as in the estimate before a run: an upper bound of tokens for Latin scripts, code and numbers."""
FRAME_TOKENS = 32
"""What a chat's frame adds to a request: roles, separators, a default system prompt."""


@dataclass(frozen=True, slots=True)
class JobTimes:
    """How long things about a job may take.

    Args:
        look_s: between two looks at a young job.
        young_s: how long a job is young.
        late_look_s: between two looks at an older job, and at most after a look that failed.
        unsure_s: after a submission whose answer nobody heard, before the vendor is asked for it: lists lag.
        back_s: before a message that went back to its queue goes there again.
        admission_s: how long a job may wait to be accepted by the vendor, or for room under the cap.
        window_s: how long vendors take at most; what is not answered by then has expired.
        grace_s: how long after that the vendor may take to say so.
        imperfect_reads: how often results that are not whole are read before what is missing counts as failed.
        lost_looks: how often in a row the vendor may know nothing of a job before it counts as lost.
    """

    look_s: float = 60.0
    young_s: float = 30 * 60.0
    late_look_s: float = 300.0
    unsure_s: float = 120.0
    back_s: float = 900.0
    # Both together, and an hour for the rest, are less than the 48 hours that the state machine waits for a batch.
    admission_s: float = 20 * 3600.0
    window_s: float = 24 * 3600.0
    grace_s: float = 2 * 3600.0
    imperfect_reads: int = 3
    lost_looks: int = 5


TIMES = JobTimes()
"""The times of all jobs."""


def later(now: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds from now."""
    return now + timedelta(seconds=seconds)


def next_look(state: JobState, now: datetime, times: JobTimes = TIMES) -> datetime:
    """Return when a job that the vendor works on is looked at again: each minute while it is young, then each five."""
    since = state.submitted_at or state.created_at
    return later(now, times.look_s if (now - since).total_seconds() < times.young_s else times.late_look_s)


def next_try(troubles: int, failure: CallFailure | None, now: datetime, times: JobTimes = TIMES) -> datetime:
    """Return when something that failed is tried again: after a minute, doubling up to five, or as the server asks.

    Args:
        troubles: failures in a row, this one included.
        failure: may say what the server asks for; up to a quarter of an hour is honoured.
    """
    wait_s = min(times.late_look_s, times.look_s * 2 ** max(0, min(troubles, 10) - 1))
    if failure is not None and failure.retry_after_s is not None:
        wait_s = max(wait_s, min(failure.retry_after_s, times.back_s))
    return later(now, wait_s)


def waited_too_long(state: JobState, now: datetime, times: JobTimes = TIMES) -> bool:
    """Return whether a job has waited to be accepted for as long as it may."""
    return (now - state.created_at).total_seconds() >= times.admission_s


def worst_cost_usd(requests: Sequence[ModelRequest], provider: ModelProvider, at: datetime) -> Decimal | None:
    """Return the most that requests may cost over the batch interface; None is unknown.

    Args:
        requests: input is counted by its characters, output as the most the answer may have.
        at: moment of the price.
    """
    return total(_worst_cost_usd(request, provider, at) for request in requests)


def _worst_cost_usd(request: ModelRequest, provider: ModelProvider, at: datetime) -> Decimal | None:
    characters = sum(len(message.content) for message in request.messages)
    usage = Usage(
        input_tokens=characters // CHARACTERS_PER_TOKEN + FRAME_TOKENS, output_tokens=request.parameters.max_tokens
    )
    return price_of(provider, request.model, usage, at, batch=True)[0]


def outstanding_usd(state: JobState, jobs: Iterable[JobState]) -> Decimal:
    """Return the most that the run's other jobs may still cost; those of unknown cost count as nothing.

    Args:
        jobs: of the run.
    """
    others = (job for job in jobs if job.id != state.id and job.phase in AT_VENDOR)
    return sum((job.worst_cost_usd or Decimal(0) for job in others), Decimal(0))


def has_room(state: JobState, control: ControlState, outstanding: Decimal) -> bool:
    """Return whether a job can be paid for whatever it comes to: spent, outstanding and its own stay within the cap.

    A job of unknown cost has room until the cap is reached.
    """
    if control.cap_usd is None:
        return True
    if control.spent_usd >= control.cap_usd:
        return False
    return control.spent_usd + outstanding + (state.worst_cost_usd or Decimal(0)) <= control.cap_usd
