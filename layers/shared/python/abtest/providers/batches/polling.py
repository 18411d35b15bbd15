"""The poller's part of `mode: batch`: looks at every job that is due and moves it on, whatever happened before.

Each job is taken under a lease, so that two pollers never work on one, and its state is written before anything that
another worker may act on: a message goes back to its queue only when the state says why.

Depends on: `abtest.providers.batches`. Used by: `abtest.runtime.steps.poll_batches`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from abtest.contracts.steps import GenerateMessage
from abtest.core.clock import Clock
from abtest.core.errors import AbTestError
from abtest.providers.batches.model import JobRequests, JobState
from abtest.providers.batches.ports import BatchJobStore
from abtest.providers.batches.schedule import TIMES, has_room, later, outstanding_usd, waited_too_long
from abtest.providers.batches.transitions import all_failed
from abtest.providers.batches.vendor_side import VendorSide, VendorTools
from abtest.providers.ports import Ledger, RunControl, Transport

LEASE_S = 330.0
"""How long a poller has a job to itself; longer than any of its invocations."""

_AT_A_TIME = 4
_START_MARGIN_S = 30.0


@dataclass(frozen=True, slots=True)
class PollPorts:
    """What is outside of the poller.

    Args:
        ledger: of a workspace.
        control: of a workspace's run.
        api_key: from a secret's name.
        bring_back: puts a message back into its queue.
        remaining_s: seconds until the poller is stopped.
    """

    jobs: BatchJobStore
    transport: Transport
    ledger: Callable[[str], Ledger]
    control: Callable[[str, str], RunControl]
    api_key: Callable[[str], str]
    clock: Clock
    bring_back: Callable[[GenerateMessage], None]
    remaining_s: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Polled:
    """What one round came to.

    Args:
        open: jobs that were not closed when it began.
        moved: states that were left, in the order in which that happened.
        broken: jobs that were left as they were, mostly because a store did not answer; another round finds them.
    """

    open: int
    moved: tuple[JobState, ...]
    broken: int


async def poll(ports: PollPorts, *, everything: bool = False) -> Polled:
    """Look at every job that is due, and move it on.

    Args:
        ports: what is outside.
        everything: look at every open job now, due or not.

    Raises:
        StoreError: the list of jobs cannot be read.
    """
    return await _Round(ports, everything).run()


@dataclass
class _Round:
    ports: PollPorts
    everything: bool
    moved: list[JobState] = field(default_factory=list)
    broken: int = 0

    async def run(self) -> Polled:
        """Return what the round came to."""
        jobs = await asyncio.to_thread(self.ports.jobs.open)
        now = self.ports.clock.now()
        free = [job for job in jobs if job.lease_until is None or job.lease_until <= now]
        due = [job for job in free if self.everything or job.next_look_at <= now]
        places = asyncio.Semaphore(_AT_A_TIME)

        async def attend(job: JobState) -> None:
            async with places:
                await self._attend(job, jobs)

        together = [attend(job) for job in due if job.phase != "parked"]
        # What goes wrong with one job is no reason to leave the others.
        faults = [found for found in await asyncio.gather(*together, return_exceptions=True) if found is not None]
        for job in due:
            # One after the other: what one takes of the room under a cap, the next must see.
            if job.phase == "parked":
                await self._attend(job, jobs)
        if faults:
            raise faults[0]
        return Polled(len(jobs), tuple(self.moved), self.broken)

    async def _attend(self, job: JobState, jobs: Sequence[JobState]) -> None:
        if self.ports.remaining_s() < _START_MARGIN_S:
            return
        try:
            lease_until = later(self.ports.clock.now(), LEASE_S)
            state = await self._kept(job.model_copy(update={"lease_until": lease_until}))
            requests = None if state is None else await asyncio.to_thread(self.ports.jobs.requests, job.id)
            while state is not None:
                after = await self._after(state, requests, jobs)
                state = await self._kept(after)
                if state is not None:
                    self.moved.append(state)
                    if state.phase == "closed" or state.next_look_at > self.ports.clock.now():
                        return
        except AbTestError:
            # A store that does not answer, or a registration that this version cannot serve any more.
            self.broken += 1

    async def _kept(self, state: JobState) -> JobState | None:
        return await asyncio.to_thread(self.ports.jobs.write, state)

    async def _after(self, state: JobState, requests: JobRequests | None, jobs: Sequence[JobState]) -> JobState:
        if requests is None:
            return _with(state, phase="closed")
        control = self.ports.control(state.id.workspace, state.id.run_id)
        run = await asyncio.to_thread(control.state)
        stopped = run.cancel_requested
        if stopped and not state.told:
            # The worker fails the task at once; what is at the vendor is looked after nevertheless.
            await self._bring_back(requests)
            state = state.model_copy(update={"told": True})
        if state.phase == "absent":
            return await self._absent(state, requests)
        if state.phase == "parked":
            outstanding = outstanding_usd(
                state, await asyncio.to_thread(self.ports.jobs.of_run, state.id.workspace, state.id.run_id)
            )
            return self._parked(state, requests, fits=has_room(state, run, outstanding) or not outstanding)
        if state.phase == "ended":
            if not state.told:
                await self._bring_back(requests)
            return _with(state, phase="closed")
        side = VendorSide(self._tools(requests, control, state), state, requests)
        if state.phase == "submitting":
            others = frozenset(job.vendor_job_id for job in jobs if job.vendor_job_id and job.id != state.id)
            return _released(await side.recovered(others))
        return _released(await side.looked(stopped=stopped))

    async def _absent(self, state: JobState, requests: JobRequests) -> JobState:
        if state.told:
            return _with(state, phase="closed")
        now = self.ports.clock.now()
        if waited_too_long(state, now):
            reason = "batch_failed" if state.trouble is None else state.trouble.failure_reason
            return all_failed(state, requests, reason, now)
        await self._bring_back(requests)
        return _with(state, next_look_at=later(now, TIMES.back_s))

    def _parked(self, state: JobState, requests: JobRequests, *, fits: bool) -> JobState:
        now = self.ports.clock.now()
        if state.told:
            return _with(state, phase="closed")
        if waited_too_long(state, now):
            return all_failed(state, requests, "budget", now)
        if fits:
            return _with(state, phase="absent", next_look_at=now)
        return _with(state, next_look_at=later(now, TIMES.look_s))

    async def _bring_back(self, requests: JobRequests) -> None:
        await asyncio.to_thread(self.ports.bring_back, requests.message)

    def _tools(self, requests: JobRequests, control: RunControl, state: JobState) -> VendorTools:
        secret_name = requests.provider.secret_name
        api_key: str | None = None
        try:
            api_key = self.ports.api_key(secret_name) if secret_name else None
        except AbTestError:
            # Without its key the vendor refuses to say anything, which is what the state then tells.
            api_key = None
        timeout_s = max(1.0, min(requests.provider.timeout_s, self.ports.remaining_s() - _START_MARGIN_S / 2))
        return VendorTools(
            transport=self.ports.transport,
            ledger=self.ports.ledger(state.id.workspace),
            control=control,
            clock=self.ports.clock,
            api_key=api_key,
            timeout_s=timeout_s,
        )


def _with(state: JobState, **changes: Any) -> JobState:
    return _released(state.model_copy(update=changes))


def _released(state: JobState) -> JobState:
    return state.model_copy(update={"lease_until": None})
