"""The worker's part of `mode: batch`: take what the ledger has, hand the rest over as one job, or report its failures.

A job is written down before the vendor is asked and again when it has answered, so that whatever happens to the worker
the poller knows what may be at the vendor. Nothing here waits for answers: the worker is done once the job is handed
over, and the poller puts the message back when there is something to report.

Depends on: `abtest.providers.batches`, the service's parts. Used by: `abtest.runtime.steps.batch_mode`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from abtest.contracts.records import FailureReason
from abtest.contracts.steps import GenerateMessage
from abtest.providers.batches.interface import BatchInterface
from abtest.providers.batches.model import (
    Accepted,
    JobEntry,
    JobId,
    JobRequests,
    JobState,
    PreparedCall,
    Refused,
    Submission,
)
from abtest.providers.batches.outage import refused_error
from abtest.providers.batches.ports import BatchCodec, BatchJobStore, drive
from abtest.providers.batches.registry import batch_codec_of
from abtest.providers.batches.schedule import (
    TIMES,
    has_room,
    later,
    next_try,
    outstanding_usd,
    worst_cost_usd,
)
from abtest.providers.batches.settling import entries_of
from abtest.providers.batches.transitions import accepted
from abtest.providers.ledger_key import payer
from abtest.providers.model import BatchResult, BatchSettings, CallFailure, Deferral, WaitingFor
from abtest.providers.ports import BatchPorts
from abtest.providers.rows import BatchRows
from abtest.providers.service import Batch

WHY: WaitingFor = "batch_interface"
"""What a batch waits for that is with its vendor."""

_LEASE_MARGIN_S = 30.0
_POINTLESS: frozenset[FailureReason] = frozenset(
    {"auth", "permission", "clock_skew", "quota", "not_found", "model_not_found", "model_retired"}
)
"""Reasons that every request of a variant shares: where all have them, the run is wrong and not the samples."""


async def answer_by_batch(
    batch: Batch, message: GenerateMessage, ports: BatchPorts, jobs: BatchJobStore, settings: BatchSettings
) -> BatchResult:
    """Return the rows of a batch over its vendor's batch interface, as far as they are there.

    Args:
        batch: the requests and where they go.
        message: asked for it; the poller puts it back when the job has ended.
        ports: what is outside; limits and circuits of direct calls do not apply.
        jobs: where jobs are kept.
        settings: cache mode and the run's scope in the ledger.

    Returns:
        All rows when the ledger has the answers or the job has ended; else nothing, `deferred` for `WHY`: the message
        is done with, and comes back by itself. `deadline` when this worker has no time left.

    Raises:
        StoreError: a store cannot be used; the message should come back.
        ProviderConfigurationError: the registration has no batch interface.
    """
    codec = batch_codec_of(batch.provider)
    requests = [request.model_copy(update={"mode": "batch"}) for request in batch.requests]
    rows = BatchRows(requests, batch.provider, settings)
    missing = rows.take_hits(await entries_of(ports.ledger, rows.wanted))
    if not missing:
        return BatchResult(rows.responses(out_of_budget=False))
    job = JobId.of(message)
    state = await asyncio.to_thread(jobs.get, job)
    if state is not None and state.phase in ("ended", "closed"):
        return await _reported(rows, missing, state, batch, jobs)
    if state is not None and state.phase not in ("absent", "parked"):
        return _waiting(state, ports.clock.now())
    return await _Handover(codec, batch, rows, missing, message, ports, jobs, settings).run(state)


async def _reported(
    rows: BatchRows, missing: list[str], state: JobState, batch: Batch, jobs: BatchJobStore
) -> BatchResult:
    """Return the rows of a job that has ended: its answers are in the ledger, the rest failed as its state says."""
    kept = await asyncio.to_thread(jobs.requests, state.id)
    custom_ids = {entry.ledger_key: entry.custom_id for entry in kept.entries} if kept else {}
    reasons: set[FailureReason] = set()
    for key in missing:
        reason = state.failures.get(custom_ids.get(key, ""), "batch_failed")
        reasons.add(reason)
        rows.note_failure(key, reason, ())
    failure = None if rows.any_hit or len(reasons) != 1 else _pointless(reasons.pop(), state)
    fatal = None if failure is None else refused_error(batch.provider, state.model, failure)
    return BatchResult(rows.responses(out_of_budget=False), fatal=fatal)


def _pointless(reason: FailureReason, state: JobState) -> CallFailure | None:
    """Return what makes the whole run wrong where all requests of a job failed for one reason; None when nothing does.

    That the vendor never took the job, or that the reason is one all requests of a variant share.
    """
    never_taken = state.vendor_job_id is None and reason != "budget"
    if not never_taken and reason not in _POINTLESS:
        return None
    detail = state.trouble.detail if state.trouble is not None else f"each request: {reason}"
    return CallFailure(failure_reason=reason, retryable=False, detail=detail)


def _waiting(state: JobState, now: datetime) -> BatchResult:
    until = state.deadline_at or state.next_look_at
    detail = "" if state.trouble is None else state.trouble.detail
    if state.phase == "parked":
        detail = "the cap leaves no room until other jobs of the run have ended"
    wait_s = max(0.0, (until - now).total_seconds())
    return BatchResult((), unfinished=True, stopped="deferred", deferral=Deferral(wait_s, WHY, detail))


@dataclass
class _Handover:
    """Hands the missing requests of one batch over, once."""

    codec: BatchCodec
    batch: Batch
    rows: BatchRows
    missing: list[str]
    message: GenerateMessage
    ports: BatchPorts
    jobs: BatchJobStore
    settings: BatchSettings

    async def run(self, before: JobState | None) -> BatchResult:
        """Return what became of it.

        Args:
            before: the state it follows on; None for a new job.
        """
        control = await asyncio.to_thread(self.ports.control.state)
        if control.cancel_requested:
            return BatchResult((), unfinished=True, stopped="cancelled")
        if self.ports.remaining_s() < self.settings.start_margin_s:
            return BatchResult((), unfinished=True, stopped="deadline")
        state, requests = self._planned(before)
        kept = await asyncio.to_thread(self.jobs.write, state, requests)
        if kept is None:
            # Another delivery of the message is at it.
            return _waiting(state, self.ports.clock.now())
        # Asked after the job is written down: of two that ask at a time, each sees the other.
        others = await asyncio.to_thread(self.jobs.of_run, state.id.workspace, state.id.run_id)
        outstanding = outstanding_usd(kept, others)
        if not has_room(kept, control, outstanding):
            return await (self._parked(kept) if outstanding else self._out_of_budget(kept, requests))
        return await self._hand_over(kept, requests)

    def _planned(self, before: JobState | None) -> tuple[JobState, JobRequests]:
        now, provider = self.ports.clock.now(), self.batch.provider
        asked = [self.rows.request(key) for key in self.missing]
        job, submission = JobId.of(self.message), 1 if before is None else before.submissions + 1
        lease_until = later(now, self.ports.remaining_s() + _LEASE_MARGIN_S)
        changes: dict[str, Any] = {
            "phase": "submitting",
            "requests": len(asked),
            "lease_until": lease_until,
            "asked_from": now,
            "asked_until": lease_until,
            "next_look_at": later(lease_until, TIMES.unsure_s),
            "submissions": submission,
            "worst_cost_usd": worst_cost_usd(asked, provider, now),
        }
        if before is None:
            facts = {"id": job, "number": 0, "provider": provider.id, "model": asked[0].model, "created_at": now}
            state = JobState.model_validate({**facts, **changes})
        else:
            state = before.model_copy(update=changes)
        entries = tuple(
            JobEntry(
                custom_id=job.custom_id(submission, index),
                ledger_key=key,
                paid_by=payer(request, self.settings.ledger_scope),
            )
            for index, (key, request) in enumerate(zip(self.missing, asked, strict=True))
        )
        return state, JobRequests(message=self.message, provider=provider, model=state.model, entries=entries)

    async def _hand_over(self, state: JobState, requests: JobRequests) -> BatchResult:
        provider, now = self.batch.provider, self.ports.clock.now()
        calls = tuple(PreparedCall(entry.custom_id, self._body(entry.ledger_key)) for entry in requests.entries)
        at = BatchInterface.of(self.codec.direct, provider, state.model, self.batch.api_key, now)
        exchange = self.codec.submit(at, Submission(state.vendor_key, calls))
        handed = await drive(exchange, self.ports.transport, provider.timeout_s)
        if isinstance(handed, Accepted):
            return await self._accepted(state, handed.vendor_job_id)
        if isinstance(handed, Refused):
            return await self._refused(state, requests, handed.failure)
        # The vendor may have it; the poller asks for it before anything else is done.
        now = self.ports.clock.now()
        unsure = {"lease_until": None, "asked_until": now, "next_look_at": later(now, TIMES.unsure_s)}
        return await self._wait(state, **unsure, trouble=handed.failure)

    def _body(self, key: str) -> bytes:
        return self.codec.direct.build(self.rows.request(key), self.batch.provider, self.batch.api_key).body

    async def _accepted(self, state: JobState, vendor_job_id: str) -> BatchResult:
        return await self._wait(state, **accepted(state, vendor_job_id, self.ports.clock.now()))

    async def _refused(self, state: JobState, requests: JobRequests, failure: CallFailure) -> BatchResult:
        now, nothing_asked = self.ports.clock.now(), {"lease_until": None, "asked_from": None, "asked_until": None}
        if failure.retryable:
            troubles = state.troubles + 1
            again = {"phase": "absent", "troubles": troubles, "next_look_at": next_try(troubles, failure, now)}
            return await self._wait(state, **nothing_asked, **again, trouble=failure)
        await self._close(state, requests, failure.failure_reason, failure)
        fatal = refused_error(self.batch.provider, state.model, failure)
        return BatchResult((), unfinished=True, fatal=fatal)

    async def _parked(self, state: JobState) -> BatchResult:
        now = self.ports.clock.now()
        later_on = {"phase": "parked", "lease_until": None, "asked_from": None, "asked_until": None}
        return await self._wait(state, **later_on, next_look_at=later(now, TIMES.look_s))

    async def _out_of_budget(self, state: JobState, requests: JobRequests) -> BatchResult:
        await self._close(state, requests, "budget", None)
        return BatchResult(self.rows.responses(out_of_budget=True), stopped="budget")

    async def _close(
        self, state: JobState, requests: JobRequests, reason: FailureReason, trouble: CallFailure | None
    ) -> None:
        """Write down that a job never was, and why, so that another delivery of the message says the same."""
        failures = dict.fromkeys((entry.custom_id for entry in requests.entries), reason)
        over = {"phase": "closed", "lease_until": None, "failures": failures, "trouble": trouble}
        await asyncio.to_thread(self.jobs.write, state.model_copy(update=over))

    async def _wait(self, state: JobState, **changes: Any) -> BatchResult:
        after = state.model_copy(update=changes)
        # When this write is lost the lease ends, and the poller looks for the job at the vendor.
        kept = await asyncio.to_thread(self.jobs.write, after)
        return _waiting(kept or after, self.ports.clock.now())
