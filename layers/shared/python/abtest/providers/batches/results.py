"""What the results of a job say of each of its requests: matched by name, each read as if it had come alone.

Depends on: `abtest.providers.batches.model`. Used by: polling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from abtest.contracts.records import FailureReason
from abtest.providers.batches.model import JobCounts, JobView, ResultLine, Results, VendorEnd
from abtest.providers.model import Answer, CallFailure
from abtest.providers.ports import HttpCodec

_MISSING: Mapping[VendorEnd, FailureReason] = {"expired": "batch_expired", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the requests of a job.

    Args:
        answers: by custom id.
        failures: why the others have none, by custom id; together with the answers they are all of the job's.
        counts: of both, and of what could not be used.
        whole: no result is missing or unreadable beyond what the job's end explains, so reading again shows no more.
    """

    answers: Mapping[str, Answer]
    failures: Mapping[str, FailureReason]
    counts: JobCounts
    whole: bool


def outcomes_of(custom_ids: Sequence[str], view: JobView, results: Results, codec: HttpCodec) -> Outcomes:
    """Return what became of each request of a job.

    Args:
        custom_ids: of all its requests, no two alike.
        view: how the job ended.
        results: what there is.
        codec: the vendor's own, which reads each result.
    """
    found = _Matched(frozenset(custom_ids))
    for line in results.lines:
        found.take(line, codec)
    missing = [name for name in custom_ids if name not in found.answers and name not in found.failures]
    failures = found.failures | dict.fromkeys(missing, _why_missing(view, results.unreadable, found.mismatched))
    counts = JobCounts(
        answered=len(found.answers),
        failed=len(failures),
        mismatched=found.mismatched,
        duplicates=found.duplicates,
        unreadable=results.unreadable,
    )
    whole = results.unreadable == 0 and (not missing or view.ended != "completed")
    return Outcomes(found.answers, failures, counts, whole)


@dataclass
class _Matched:
    """Results by the request they are of."""

    wanted: frozenset[str]
    answers: dict[str, Answer] = field(default_factory=dict)
    failures: dict[str, FailureReason] = field(default_factory=dict)
    mismatched: int = 0
    duplicates: int = 0

    def take(self, line: ResultLine, codec: HttpCodec) -> None:
        """Take one result: of several an answer is kept, for it was paid for, and of several answers the first."""
        custom_id = line.custom_id
        if custom_id not in self.wanted:
            self.mismatched += 1
            return
        if custom_id in self.answers or custom_id in self.failures:
            self.duplicates += 1
        if custom_id in self.answers:
            return
        said = _said(line, codec)
        if isinstance(said, Answer):
            self.answers[custom_id] = said
            self.failures.pop(custom_id, None)
        else:
            self.failures.setdefault(custom_id, said.failure_reason)


def _said(line: ResultLine, codec: HttpCodec) -> Answer | CallFailure:
    reply = line.outcome
    return reply if isinstance(reply, CallFailure) else codec.parse(reply.status, reply.headers, reply.body)


def _why_missing(view: JobView, unreadable: int, mismatched: int) -> FailureReason:
    if view.failure is not None:
        return view.failure.failure_reason
    if view.ended is not None and view.ended in _MISSING:
        return _MISSING[view.ended]
    if unreadable:
        return "malformed"
    return "mismatched" if mismatched else "batch_failed"
