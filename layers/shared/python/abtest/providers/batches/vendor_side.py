"""One job at its vendor: found again, looked at, cancelled, its results read; each step gives the job's next state.

Depends on: `abtest.providers.batches`. Used by: polling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from abtest.contracts.records import FailureReason
from abtest.core.clock import Clock
from abtest.providers.batches.interface import BatchInterface
from abtest.providers.batches.model import (
    Accepted,
    JobRequests,
    JobState,
    JobView,
    Nowhere,
    Sought,
)
from abtest.providers.batches.ports import BatchCodec, Exchange, Result, drive
from abtest.providers.batches.registry import batch_codec_of
from abtest.providers.batches.results import outcomes_of
from abtest.providers.batches.schedule import TIMES, later, next_look, next_try, waited_too_long
from abtest.providers.batches.settling import settle
from abtest.providers.batches.transitions import accepted, all_failed, ended
from abtest.providers.model import CallFailure
from abtest.providers.ports import Ledger, RunControl, Transport

_LOST = frozenset({"not_found", "model_not_found"})
_TELLING = frozenset({"auth", "permission", "clock_skew", "quota"})
"""Reasons that say more about a job nobody could read than that its time is over."""


@dataclass(frozen=True, slots=True)
class VendorTools:
    """What is needed to speak to a vendor about a job, and to keep what it says.

    Args:
        ledger, control: of the job's workspace and run.
        timeout_s: of each request.
    """

    transport: Transport
    ledger: Ledger
    control: RunControl
    clock: Clock
    api_key: str | None = field(repr=False)
    timeout_s: float


class VendorSide:
    """One job at its vendor.

    Args:
        tools: what is outside.
        state: where the job is.
        requests: what it is made of.
    """

    def __init__(self, tools: VendorTools, state: JobState, requests: JobRequests) -> None:
        self._tools, self._state, self._requests = tools, state, requests
        self._codec: BatchCodec = batch_codec_of(requests.provider)

    async def recovered(self, others: frozenset[str]) -> JobState:
        """Return the state of a job that was handed over, and nobody heard whether it was accepted.

        Args:
            others: the vendor's identifiers of jobs that are known to be others.
        """
        state, now = self._state, self._tools.clock.now()
        sought = Sought(
            key=state.vendor_key,
            custom_prefix=state.id.custom_prefix(state.submissions),
            requests=state.requests,
            asked_from=state.asked_from or state.created_at,
            asked_until=state.asked_until or now,
            others=others,
        )
        found = await self._drive(self._codec.find(self._interface(), sought))
        now = self._tools.clock.now()
        if isinstance(found, Accepted):
            return self._with(**accepted(state, found.vendor_job_id, now))
        if isinstance(found, Nowhere):
            phase = "closed" if state.told else "absent"
            return self._with(phase=phase, next_look_at=now, asked_from=None, asked_until=None, troubles=0)
        if waited_too_long(state, now):
            return all_failed(state, self._requests, "batch_failed", now)
        troubles = state.troubles + 1
        return self._with(troubles=troubles, trouble=found.failure, next_look_at=next_try(troubles, found.failure, now))

    async def looked(self, *, stopped: bool) -> JobState:
        """Return the state of a job that the vendor has.

        Args:
            stopped: its run is over, so that the vendor is asked to stop as well.
        """
        identifier = self._state.vendor_job_id or ""
        if stopped and self._state.phase == "submitted":
            return await self._cancelled(identifier)
        view = await self._drive(self._codec.look(self._interface(), identifier))
        now = self._tools.clock.now()
        if isinstance(view, CallFailure):
            return self._troubled(view)
        if view.ended is None:
            if self._is_overdue():
                return self._given_up("batch_expired")
            return self._with(troubles=0, trouble=None, next_look_at=next_look(self._state, now))
        if view.failure is not None and view.failure.retryable and not waited_too_long(self._state, now):
            return self._to_be_handed_over_again(view.failure)
        return await self._read(view, identifier)

    async def _cancelled(self, identifier: str) -> JobState:
        """Return the state after the vendor was asked to stop; what it has answered by then is paid for and read."""
        failure = await self._drive(self._codec.cancel(self._interface(), identifier))
        if failure is not None:
            return self._troubled(failure)
        return self._with(phase="cancelling", next_look_at=later(self._tools.clock.now(), TIMES.look_s))

    def _to_be_handed_over_again(self, failure: CallFailure) -> JobState:
        """Return the state after the vendor ran none of a job for a reason that passes, such as a full account."""
        now, troubles = self._tools.clock.now(), self._state.submissions
        return self._with(
            phase="closed" if self._state.told else "absent",
            vendor_job_id=None,
            submitted_at=None,
            deadline_at=None,
            trouble=failure,
            next_look_at=next_try(troubles, failure, now),
        )

    async def _read(self, view: JobView, identifier: str) -> JobState:
        custom_ids = [entry.custom_id for entry in self._requests.entries]
        results = await self._drive(self._codec.results(self._interface(), identifier, view, custom_ids))
        if isinstance(results, CallFailure):
            return self._unread(results)
        outcomes = outcomes_of(custom_ids, view, results, self._codec.direct)
        tools, now = self._tools, self._tools.clock.now()
        await settle(self._requests, outcomes.answers, tools.ledger, tools.control, now)
        reads = self._state.imperfect_reads + 1
        if not outcomes.whole and reads < TIMES.imperfect_reads:
            # A body that was cut on its way may be whole the next time.
            return self._with(imperfect_reads=reads, next_look_at=next_try(reads, None, now))
        return ended(self._with(trouble=view.failure), outcomes.failures, outcomes.counts, now)

    def _unread(self, failure: CallFailure) -> JobState:
        """Return the state after results could not be had: those that are too long, say, will not be shorter later."""
        reason, reads = failure.failure_reason, self._state.imperfect_reads + 1
        if failure.retryable or reason in _TELLING:
            return self._troubled(failure)
        if reads >= TIMES.imperfect_reads:
            return self._given_up("batch_failed" if reason in _LOST else reason, failure)
        next_look_at = next_try(reads, failure, self._tools.clock.now())
        return self._with(imperfect_reads=reads, trouble=failure, next_look_at=next_look_at)

    def _troubled(self, failure: CallFailure) -> JobState:
        now, troubles = self._tools.clock.now(), self._state.troubles + 1
        if failure.failure_reason in _LOST and troubles >= TIMES.lost_looks:
            return self._given_up("batch_failed", failure)
        if self._is_overdue():
            reason = failure.failure_reason if failure.failure_reason in _TELLING else "batch_expired"
            return self._given_up(reason, failure)
        return self._with(troubles=troubles, trouble=failure, next_look_at=next_try(troubles, failure, now))

    def _given_up(self, reason: FailureReason, failure: CallFailure | None = None) -> JobState:
        return all_failed(self._with(trouble=failure), self._requests, reason, self._tools.clock.now())

    def _is_overdue(self) -> bool:
        deadline_at = self._state.deadline_at
        return deadline_at is not None and self._tools.clock.now() >= deadline_at

    def _interface(self) -> BatchInterface:
        requests = self._requests
        return BatchInterface.of(
            self._codec.direct, requests.provider, requests.model, self._tools.api_key, self._tools.clock.now()
        )

    async def _drive(self, exchange: Exchange[Result]) -> Result:
        return await drive(exchange, self._tools.transport, self._tools.timeout_s)

    def _with(self, **changes: Any) -> JobState:
        return self._state.model_copy(update=changes)
