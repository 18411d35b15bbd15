"""What batch interfaces need from outside, and what each vendor's must offer.

A codec never talks to a network: its methods are generators that yield requests, are sent the replies and return what
came of it, so that a test drives them with replies of its own and a worker with a transport.

Depends on: `abtest.providers.batches.model`. Used by: submission, polling, `abtest.adapters`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol, TypeVar

from abtest.providers.batches.interface import BatchInterface
from abtest.providers.batches.model import (
    Handed,
    JobId,
    JobRequests,
    JobState,
    JobView,
    Results,
    Sought,
    Submission,
    Whereabouts,
)
from abtest.providers.model import CallFailure, HttpReply, HttpRequest
from abtest.providers.ports import HttpCodec, Transport
from abtest.providers.registration import ModelProvider

Result = TypeVar("Result")
Exchange = Generator[HttpRequest, HttpReply | CallFailure, Result]
"""Yields requests, is sent their replies, returns what came of it; never raises over a reply."""


class BatchCodec(Protocol):
    """One vendor's batch interface: pure, no network, no clock."""

    direct: HttpCodec

    def refusal(self, provider: ModelProvider) -> str | None:
        """Return why a registration has no batch interface that is spoken here, in a few words; None when it has."""
        ...

    def submit(self, at: BatchInterface, submission: Submission) -> Exchange[Handed]:
        """Hand a job over, once: never again after a reply that leaves open whether it was accepted."""
        ...

    def find(self, at: BatchInterface, sought: Sought) -> Exchange[Whereabouts]:
        """Look for a job whose acceptance nobody heard of."""
        ...

    def look(self, at: BatchInterface, vendor_job_id: str) -> Exchange[JobView | CallFailure]:
        """Ask how far a job is."""
        ...

    def results(
        self, at: BatchInterface, vendor_job_id: str, view: JobView, custom_ids: Sequence[str]
    ) -> Exchange[Results | CallFailure]:
        """Fetch the results of a job that has ended.

        Args:
            view: what the last look said.
            custom_ids: of its requests, in the order in which they were handed over.
        """
        ...

    def cancel(self, at: BatchInterface, vendor_job_id: str) -> Exchange[CallFailure | None]:
        """Ask the vendor to stop working on a job; None when it will."""
        ...


class BatchJobStore(Protocol):
    """The jobs, shared by workers and poller."""

    def get(self, job: JobId, /) -> JobState | None:
        """Return how far a job is, read consistently, or None when there is none."""
        ...

    def requests(self, job: JobId, /) -> JobRequests | None:
        """Return what a job is made of, or None when there is no such job."""
        ...

    def write(self, state: JobState, requests: JobRequests | None = None, /) -> JobState | None:
        """Keep the state that follows on another, and what the job is made of with it when that is given.

        Args:
            state: with the `number` of the state it follows on; 0 for a new job.

        Returns:
            The state as it was kept, with its own number; None when somebody else was faster.
        """
        ...

    def open(self) -> Sequence[JobState]:
        """Return the jobs that are not closed, of all runs; what was written just now may be missing."""
        ...

    def of_run(self, workspace: str, run_id: str, /) -> Sequence[JobState]:
        """Return all jobs of a run, read consistently."""
        ...


async def drive(exchange: Exchange[Result], transport: Transport, timeout_s: float) -> Result:
    """Return what an exchange comes to over a transport.

    Args:
        timeout_s: for each of its requests.
    """
    try:
        request = next(exchange)
        while True:
            request = exchange.send(await transport.send(request, timeout_s))
    except StopIteration as done:
        result: Result = done.value
        return result
