"""Gemini's batch interface: the requests in one body, the answers in the job's own record.

`POST .../models/{model}:batchGenerateContent`; `GET .../batches/{id}` until its state has ended. The answers come with
that record, in the order of the requests; a name of ours goes with each request and may or may not come back, so an
answer without one is known by its place, as long as there are as many answers as requests. The job's display name is
our key of it, by which a job whose acceptance nobody heard of is found in `GET .../batches`.

Source: the API reference, https://ai.google.dev/api/batch-api, and the converters of the official client (google-genai
3.6.0, `batches.py`).

Depends on: `abtest.providers.batches.interface`. Used by: the registry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from abtest.providers.batches.interface import BatchInterface, is_refusal, objects_of, reply_of
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
    VendorEnd,
    Whereabouts,
)
from abtest.providers.batches.ports import Exchange
from abtest.providers.model import CallFailure
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors._json import JSON_HEADERS, malformed, mapping, word
from abtest.providers.vendors.gemini import CODEC as DIRECT

METADATA_KEY = "key"
"""Under this name the metadata of a request holds its custom id."""

_NAME = re.compile(r"batches/[A-Za-z0-9_-]{1,120}")
_ENDS: Mapping[str, VendorEnd] = {
    "SUCCEEDED": "completed",
    "PARTIALLY_SUCCEEDED": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}
_RPC_STATUSES: Mapping[int, tuple[int, str]] = {
    1: (499, "CANCELLED"),
    2: (500, "UNKNOWN"),
    3: (400, "INVALID_ARGUMENT"),
    4: (504, "DEADLINE_EXCEEDED"),
    5: (404, "NOT_FOUND"),
    7: (403, "PERMISSION_DENIED"),
    8: (429, "RESOURCE_EXHAUSTED"),
    9: (400, "FAILED_PRECONDITION"),
    13: (500, "INTERNAL"),
    14: (503, "UNAVAILABLE"),
    16: (401, "UNAUTHENTICATED"),
}
"""HTTP status and name of each code of google.rpc.Code that a model's answer may have."""
_PAGE = 100
_MOST_PAGES = 50


class GeminiBatches:
    """The batch interface of Gemini generateContent."""

    direct = DIRECT

    def refusal(self, provider: ModelProvider) -> str | None:  # noqa: ARG002 - the port's signature
        """Return why a registration has no batch interface that is spoken here: never."""
        return None

    def submit(self, at: BatchInterface, submission: Submission) -> Exchange[Handed]:
        """Hand a job over."""
        requests = b",".join(
            b'{"request":%b,"metadata":{"%b":"%b"}}' % (call.body, METADATA_KEY.encode(), call.custom_id.encode())
            for call in submission.calls
        )
        body = b'{"batch":{"displayName":"%b","inputConfig":{"requests":{"requests":[%b]}}}}' % (
            submission.key.encode(),
            requests,
        )
        model_url = at.direct_url.removesuffix(":generateContent")
        handed = at.handed((yield at.send(f"{model_url}:batchGenerateContent", body, JSON_HEADERS)), "name")
        if isinstance(handed, Accepted) and not _NAME.fullmatch(handed.vendor_job_id):
            return Unclear(malformed("HTTP 200 whose name is no job's"))
        return handed

    def find(self, at: BatchInterface, sought: Sought) -> Exchange[Whereabouts]:
        """Look through the account's jobs for the one whose display name is the key."""
        query: dict[str, Any] = {"pageSize": _PAGE}
        for _ in range(_MOST_PAGES):
            page = at.document((yield at.get(f"{_root(at)}/batches?{urlencode(query)}")))
            if isinstance(page, CallFailure):
                return Unclear(page)
            for job in objects_of(page.get("operations")):
                name = word(job.get("name"))
                named = mapping(job.get("metadata")).get("displayName")
                if name and named == sought.key and _NAME.fullmatch(name):
                    return Accepted(name)
            token = word(page.get("nextPageToken"))
            if token is None:
                return Nowhere()
            query["pageToken"] = token
        return Unclear(malformed("the list of jobs does not end"))

    def look(self, at: BatchInterface, vendor_job_id: str) -> Exchange[JobView | CallFailure]:
        """Ask how far a job is; the answers come with the reply."""
        job = at.document((yield at.get(_job(at, vendor_job_id))))
        if isinstance(job, CallFailure):
            return job
        record = mapping(job.get("metadata"))
        state = str(record.get("state")).removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
        ended = _ENDS.get(state)
        output = mapping(record.get("output")) or mapping(job.get("response"))
        return JobView(
            ended,
            failure=_job_failure(at, job.get("error")) if ended == "failed" else None,
            inline=tuple(_inlined(output)),
        )

    def results(
        self,
        at: BatchInterface,  # noqa: ARG002 - the port's signature
        vendor_job_id: str,  # noqa: ARG002 - the port's signature
        view: JobView,
        custom_ids: Sequence[str],
    ) -> Exchange[Results | CallFailure]:
        """Return the results, which came with the last look."""
        places = custom_ids if len(view.inline) == len(custom_ids) else ()
        read = [_line(found, places[index] if places else None) for index, found in enumerate(view.inline)]
        return Results(tuple(line for line in read if line is not None), read.count(None))
        yield  # an exchange without requests is a generator nevertheless

    def cancel(self, at: BatchInterface, vendor_job_id: str) -> Exchange[CallFailure | None]:
        """Ask the vendor to stop working on a job."""
        failure = at.failure((yield at.post(f"{_job(at, vendor_job_id)}:cancel", {})))
        # A job that has ended cannot be cancelled, which is as good.
        return None if failure is None or (failure.status in (400, 409) and is_refusal(failure)) else failure


def _root(at: BatchInterface) -> str:
    # The address ends in the collection of models and the model's name.
    return at.direct_url.rsplit("/", 2)[0]


def _job(at: BatchInterface, vendor_job_id: str) -> str:
    # The name was checked when it came: it holds nothing that an address would have to escape.
    return f"{_root(at)}/{vendor_job_id}"


def _inlined(output: Mapping[str, Any]) -> list[object]:
    inlined = output.get("inlinedResponses")
    found = inlined.get("inlinedResponses") if isinstance(inlined, dict) else inlined
    return found if isinstance(found, list) else []


def _as_error(error: object) -> tuple[int, dict[str, Any]]:
    """Return a google.rpc.Status as the HTTP status and error body that it would have been alone."""
    facts = mapping(error)
    code = facts.get("code")
    status, name = _RPC_STATUSES.get(code if isinstance(code, int) else 2, (500, "UNKNOWN"))
    return status, {"error": {**facts, "code": status, "status": name}}


def _job_failure(at: BatchInterface, error: object) -> CallFailure:
    reply = reply_of(*_as_error(error))
    said = None if reply is None else at.codec.parse(reply.status, reply.headers, reply.body)
    if isinstance(said, CallFailure) and mapping(error):
        return said
    return CallFailure(failure_reason="batch_failed", retryable=False, detail="the job failed")


def _line(found: object, place: str | None) -> ResultLine | None:
    facts = mapping(found)
    custom_id = word(mapping(facts.get("metadata")).get(METADATA_KEY)) or place
    if custom_id is None:
        return None
    if mapping(facts.get("error")):
        reply = reply_of(*_as_error(facts["error"]))
    else:
        reply = reply_of(200, facts.get("response"))
    return None if reply is None else ResultLine(custom_id, reply)


CODEC = GeminiBatches()
