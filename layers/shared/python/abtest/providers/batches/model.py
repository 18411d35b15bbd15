"""What is kept of a job, which is one batch of samples handed to a vendor, and what vendors say of it.

Depends on: `abtest.contracts`, `abtest.providers.model`. Used by: the codecs, submission, polling, the job stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from abtest.contracts.records import FailureReason
from abtest.contracts.steps import GenerateMessage
from abtest.core.hashing import content_hash
from abtest.providers.model import CallFailure, HttpReply
from abtest.providers.registration import ModelProvider, Value

JobPhase = Literal["submitting", "absent", "parked", "submitted", "cancelling", "ended", "closed"]
"""Where a job is.

| phase | meaning | who moves it on |
|---|---|---|
| `submitting` | a worker hands it over; after its lease nobody knows whether the vendor has it | worker, poller |
| `absent` | the vendor certainly does not have it; its message goes back to the queue | poller, then worker |
| `parked` | it waits until the run's other jobs leave room under the cap | poller |
| `submitted` | the vendor has it | poller |
| `cancelling` | the vendor has it and was asked to stop, because the run did | poller |
| `ended` | all there is was read; its message goes back to the queue | poller |
| `closed` | nothing is to be done any more | |
"""
AT_VENDOR: frozenset[JobPhase] = frozenset({"submitting", "absent", "submitted", "cancelling"})
"""Phases in which a job may still cost money: the vendor has it, or may have it at any moment."""
VendorEnd = Literal["completed", "expired", "cancelled", "failed"]
"""How a vendor says that a job ended."""

_KEY_DIGITS = 32
_PREFIX_DIGITS = 16


class JobId(Value):
    """Names a job: the batch of samples it is made of."""

    workspace: str
    run_id: str
    wave: int
    variant: str
    batch: int

    @classmethod
    def of(cls, message: GenerateMessage) -> JobId:
        """Return the identifier of the job that a queue's message asks for."""
        item = message.batch
        return cls(workspace=item.workspace, run_id=item.run_id, wave=item.wave, variant=item.variant, batch=item.batch)

    @property
    def name(self) -> str:
        """Return its name within the run."""
        return f"{self.wave}#{self.variant}#{self.batch}"

    @property
    def key(self) -> str:
        """Return 32 hexadecimal digits that name it everywhere and say nothing about whose it is."""
        return content_hash([self.workspace, self.run_id, self.wave, self.variant, self.batch])[:_KEY_DIGITS]

    def vendor_key(self, submission: int) -> str:
        """Return the name a vendor keeps with the job, by which it is found again.

        Args:
            submission: from 1; a job that is handed over a second time has another name.
        """
        return f"{self.key}-{submission}"

    def custom_id(self, submission: int, index: int) -> str:
        """Return the name of one request of the job: at most 64 letters, digits and `-`, as every vendor allows.

        Args:
            submission: as in `vendor_key`; results of another submission are not taken for this one's.
            index: of the request, from 0.
        """
        return f"{self.custom_prefix(submission)}{index:05d}"

    def custom_prefix(self, submission: int) -> str:
        """Return what the custom ids of a submission begin with."""
        return f"{self.key[:_PREFIX_DIGITS]}-{submission}-"


class JobEntry(Value):
    """One request of a job.

    Args:
        custom_id: its name at the vendor.
        ledger_key: where its answer goes.
        paid_by: of `providers.ledger_key.payer`.
    """

    custom_id: str
    ledger_key: str
    paid_by: str


class JobRequests(Value):
    """What a job is made of, as it was last handed over.

    Args:
        message: the queue's message with its task token, to be put back when the job has ended.
        provider: the registration that the run started with.
        entries: without prompts; those are with the vendor.
    """

    message: GenerateMessage = Field(repr=False)
    provider: ModelProvider
    model: str
    entries: tuple[JobEntry, ...] = Field(repr=False)


class JobCounts(Value):
    """What a job's results were.

    Args:
        answered: requests with an answer, refusals included.
        failed: requests without one.
        mismatched: results for requests that are not of this job.
        duplicates: further results for a request that had one.
        unreadable: results that are cut or malformed.
    """

    answered: int = 0
    failed: int = 0
    mismatched: int = 0
    duplicates: int = 0
    unreadable: int = 0


class JobState(Value):
    """How far a job is.

    Args:
        number: of this state; each change adds one, and of two changes of one state the first wins.
        requests: how many it holds.
        lease_until: until then somebody works on it, and nobody else may.
        next_look_at: when the poller has something to do for it.
        asked_from, asked_until: between these the vendor may have accepted it; None when nothing is open there.
        submissions: how often it was handed over.
        deadline_at: after this the poller waits no longer for the vendor.
        worst_cost_usd: the most it may cost; None is unknown.
        troubles: looks in a row that failed.
        imperfect_reads: how often results were read that were not whole.
        told: its message went back although it has not ended, because the run stopped.
        trouble: why the last exchange with the vendor failed.
        failures: why requests have no answer, by custom id; complete once it has ended.
    """

    id: JobId
    phase: JobPhase
    number: int = 1
    provider: str
    model: str
    requests: int
    created_at: datetime
    lease_until: datetime | None = None
    next_look_at: datetime
    asked_from: datetime | None = None
    asked_until: datetime | None = None
    submissions: int = 0
    vendor_job_id: str | None = None
    submitted_at: datetime | None = None
    deadline_at: datetime | None = None
    worst_cost_usd: Decimal | None = None
    troubles: int = 0
    imperfect_reads: int = 0
    told: bool = False
    trouble: CallFailure | None = None
    failures: Mapping[str, FailureReason] = Field(default_factory=dict)
    counts: JobCounts = JobCounts()

    @property
    def vendor_key(self) -> str:
        """Return the name the vendor keeps with the present submission."""
        return self.id.vendor_key(self.submissions)


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """One request of a job as the vendor's own codec would send it alone; `body` is its JSON."""

    custom_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """What is handed over: `key` is the name the vendor is asked to keep with it."""

    key: str
    calls: tuple[PreparedCall, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor has the job, under this identifier."""

    vendor_job_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The vendor does not have the job, and says why."""

    failure: CallFailure


@dataclass(frozen=True, slots=True)
class Unclear:
    """The vendor may have the job: no answer came, or none that says so."""

    failure: CallFailure


Handed = Accepted | Refused | Unclear
"""What became of handing a job over."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which job is looked for at a vendor after a submission whose answer nobody heard.

    Args:
        key: the name that went with it.
        custom_prefix: what its custom ids begin with, for vendors that keep no name.
        requests: how many it holds.
        asked_from, asked_until: between these it was accepted, if it was.
        others: the vendor's identifiers of jobs that are known to be others.
    """

    key: str
    custom_prefix: str
    requests: int
    asked_from: datetime
    asked_until: datetime
    others: frozenset[str]


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The vendor certainly does not have the job."""


Whereabouts = Accepted | Nowhere | Unclear
"""What looking for a job came to."""


@dataclass(frozen=True, slots=True)
class JobView:
    """What a vendor says of a job.

    Args:
        ended: None while the vendor works on it.
        failure: why the vendor ran none of it; `retryable` when handing it over again later may help.
        files: the vendor's names of the files with results.
        inline: results that came with the view, in the vendor's form.
    """

    ended: VendorEnd | None
    failure: CallFailure | None = None
    files: tuple[str, ...] = ()
    inline: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One result: a reply as it would have come alone, or why there is none."""

    custom_id: str
    outcome: HttpReply | CallFailure


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a job, as far as they can be read.

    Args:
        lines: in the vendor's order.
        unreadable: how many more there are that say nothing.
    """

    lines: tuple[ResultLine, ...]
    unreadable: int = 0
