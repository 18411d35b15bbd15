"""Anthropic's batch interface: the requests in one body, one list of results by their own names.

`POST /v1/messages/batches`; `GET .../{id}` until `processing_status` is `ended`; `GET .../{id}/results`, which is one
JSON object a line. The address of the results in the reply is not followed: the key goes to the registered host only.

A job carries no name of ours. One whose acceptance nobody heard of is looked for among the jobs that were made in the
minutes in question with as many requests, and known by the custom ids of its results, which begin with our key. While
such a job still runs it cannot be told whose it is, so it is waited for: a job is never handed over twice.

Source: the API reference, https://docs.anthropic.com/en/api/creating-message-batches, and the types of the official
client (anthropic 2.14.0, `types/messages/message_batch*.py`).

Depends on: `abtest.providers.batches.interface`. Used by: the registry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from abtest.providers.batches.interface import BatchInterface, is_refusal, json_lines, objects_of, reply_of
from abtest.providers.batches.model import (
    Accepted,
    Handed,
    JobView,
    Nowhere,
    ResultLine,
    Results,
    Sought,
    Submission,
    Unclear,
    Whereabouts,
)
from abtest.providers.batches.ports import Exchange
from abtest.providers.model import CallFailure
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors._json import JSON_HEADERS, malformed, mapping, word
from abtest.providers.vendors.anthropic import CODEC as DIRECT

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status that an error has when its request is sent alone, by its type."""
_PAGE = 100
_MOST_PAGES = 50
_SKEW = timedelta(minutes=2)


class AnthropicBatches:
    """The batch interface of Anthropic Messages."""

    direct = DIRECT

    def refusal(self, provider: ModelProvider) -> str | None:  # noqa: ARG002 - the port's signature
        """Return why a registration has no batch interface that is spoken here: never."""
        return None

    def submit(self, at: BatchInterface, submission: Submission) -> Exchange[Handed]:
        """Hand a job over."""
        requests = b",".join(
            b'{"custom_id":"%b","params":%b}' % (call.custom_id.encode(), call.body) for call in submission.calls
        )
        reply = yield at.send(_root(at), b'{"requests":[%b]}' % requests, JSON_HEADERS)
        return at.handed(reply, "id")

    def find(self, at: BatchInterface, sought: Sought) -> Exchange[Whereabouts]:
        """Look for a job among those made in the minutes in question, by the custom ids of its results."""
        candidates = yield from self._candidates(at, sought)
        if isinstance(candidates, CallFailure):
            return Unclear(candidates)
        running = 0
        for identifier, ended in candidates:
            if not ended:
                running += 1
                continue
            results = yield from self.results(at, identifier, JobView("completed"), ())
            if isinstance(results, CallFailure):
                return Unclear(results)
            if any(line.custom_id.startswith(sought.custom_prefix) for line in results.lines):
                return Accepted(identifier)
        if running:
            detail = f"{running} jobs of that time are not finished, and one of them may be this"
            return Unclear(CallFailure(failure_reason="timeout", retryable=True, detail=detail))
        return Nowhere()

    def look(self, at: BatchInterface, vendor_job_id: str) -> Exchange[JobView | CallFailure]:
        """Ask how far a job is."""
        job = at.document((yield at.get(_job(at, vendor_job_id))))
        if isinstance(job, CallFailure):
            return job
        # What was cancelled or expired says so in its own result.
        return JobView("completed" if job.get("processing_status") == "ended" else None)

    def results(
        self,
        at: BatchInterface,
        vendor_job_id: str,
        view: JobView,  # noqa: ARG002 - the port's signature
        custom_ids: Sequence[str],  # noqa: ARG002 - the port's signature
    ) -> Exchange[Results | CallFailure]:
        """Fetch the results."""
        reply = yield at.get(f"{_job(at, vendor_job_id)}/results")
        failure = at.failure(reply)
        if failure is not None or isinstance(reply, CallFailure):
            return failure or malformed("no reply")
        objects, unreadable = json_lines(reply.body)
        read = [_line(found) for found in objects]
        return Results(tuple(line for line in read if line is not None), unreadable + read.count(None))

    def cancel(self, at: BatchInterface, vendor_job_id: str) -> Exchange[CallFailure | None]:
        """Ask the vendor to stop working on a job."""
        failure = at.failure((yield at.post(f"{_job(at, vendor_job_id)}/cancel", {})))
        # A job that has ended cannot be cancelled, which is as good.
        return None if failure is None or (failure.status in (400, 409) and is_refusal(failure)) else failure

    def _candidates(self, at: BatchInterface, sought: Sought) -> Exchange[list[tuple[str, bool]] | CallFailure]:
        """Return the jobs that may be the one sought, each with whether it has ended."""
        earliest, latest = sought.asked_from - _SKEW, sought.asked_until + _SKEW
        found: list[tuple[str, bool]] = []
        query: dict[str, Any] = {"limit": _PAGE}
        for _ in range(_MOST_PAGES):
            page = at.document((yield at.get(f"{_root(at)}?{urlencode(query)}")))
            if isinstance(page, CallFailure):
                return page
            jobs = objects_of(page.get("data"))
            for job in jobs:
                identifier, made = word(job.get("id")), _moment(job.get("created_at"))
                in_time = made is None or earliest <= made <= latest
                if identifier and in_time and identifier not in sought.others and _total(job) == sought.requests:
                    found.append((identifier, job.get("processing_status") == "ended"))
            made_last = _moment(jobs[-1].get("created_at")) if jobs else None
            last = word(jobs[-1].get("id")) if jobs else None
            if not page.get("has_more") or last is None or (made_last is not None and made_last < earliest):
                return found
            query["after_id"] = last
        return malformed("the list of jobs does not end")


def _root(at: BatchInterface) -> str:
    return f"{at.direct_url}/batches"


def _job(at: BatchInterface, vendor_job_id: str) -> str:
    return f"{_root(at)}/{quote(vendor_job_id, safe='')}"


def _total(job: Mapping[str, Any]) -> int:
    return sum(count for count in mapping(job.get("request_counts")).values() if isinstance(count, int))


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _line(found: Mapping[str, Any]) -> ResultLine | None:
    custom_id, result = word(found.get("custom_id")), mapping(found.get("result"))
    if custom_id is None:
        return None
    kind = result.get("type")
    if kind == "expired":
        return ResultLine(custom_id, CallFailure(failure_reason="batch_expired", retryable=False))
    if kind == "canceled":
        return ResultLine(custom_id, CallFailure(failure_reason="cancelled", retryable=False))
    if kind == "succeeded":
        reply = reply_of(200, result.get("message"))
    elif kind == "errored":
        error = mapping(result.get("error"))
        status = _STATUSES.get(str(mapping(error.get("error")).get("type")), 500)
        reply = reply_of(status, result.get("error"), ("request-id", error.get("request_id")))
    else:
        reply = None
    return None if reply is None else ResultLine(custom_id, reply)


CODEC = AnthropicBatches()
