"""OpenAI's batch interface, the same for each of its wire formats: a file of requests, a job over it, files of results.

`POST /files`, then `POST /batches` with the file's id; `GET /batches/{id}` until it has ended; `GET
/files/{id}/content` for the answers and for the errors. The job keeps our name of it as metadata, so that a job whose
acceptance nobody heard of is found in `GET /batches`. Only the second request can cost anything.

Source: the API reference, https://platform.openai.com/docs/api-reference/batch, and the types of the official client
(openai 3.57.0, `types/batch.py`).

Depends on: `abtest.providers.batches.interface`. Used by: the modules of OpenAI's wire formats beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from abtest.contracts.records import FailureReason
from abtest.providers.batches.interface import BatchInterface, is_refusal, json_lines, objects_of, reply_of
from abtest.providers.batches.model import (
    Accepted,
    Handed,
    JobView,
    Nowhere,
    Refused,
    ResultLine,
    Results,
    Sought,
    Submission,
    Unclear,
    VendorEnd,
    Whereabouts,
)
from abtest.providers.batches.ports import Exchange
from abtest.providers.batches.vendors._multipart import Part, multipart
from abtest.providers.model import CallFailure
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors._json import malformed, mapping, shown_word, word

METADATA_KEY = "abtest_job"
"""Under this name the job's metadata holds our key of it."""
KEPT_S = 7 * 24 * 3600
"""How long the vendor keeps files with prompts and answers; without being told it keeps some of them for ever."""

_OWN_HOST = "api.openai.com"
_ENDS: Mapping[str, VendorEnd] = {
    "completed": "completed",
    "expired": "expired",
    "cancelled": "cancelled",
    "failed": "failed",
}
_LINE_REASONS: Mapping[str, FailureReason] = {"batch_expired": "batch_expired", "batch_cancelled": "cancelled"}
_JOB_REASONS: Mapping[str, tuple[FailureReason, bool]] = {
    # The account has as many tokens in unfinished jobs as it may: there is room again when some of them end.
    "token_limit_exceeded": ("rate_limited", True),
    "billing_hard_limit_reached": ("quota", False),
    "insufficient_quota": ("quota", False),
    "model_not_found": ("model_not_found", False),
}
_PAGE = 100
_MOST_PAGES = 50
_SKEW = timedelta(minutes=10)


class OpenAiBatches:
    """The batch interface of one of OpenAI's wire formats.

    Args:
        direct: the format's codec.
        endpoint: what each request of a job is for, beginning with `/v1`.
    """

    def __init__(self, direct: HttpCodec, endpoint: str) -> None:
        self.direct = direct
        self._endpoint = endpoint
        self._path = endpoint.removeprefix("/v1")

    def refusal(self, provider: ModelProvider) -> str | None:
        """Return why a registration has no batch interface that is spoken here."""
        if provider.options.get("api_version") is not None:
            return "deployments in Azure have a batch interface of their own, which is not spoken here"
        return None

    def submit(self, at: BatchInterface, submission: Submission) -> Exchange[Handed]:
        """Upload the requests, then start the job over them."""
        uploaded = at.document((yield self._upload(at, submission)))
        if isinstance(uploaded, CallFailure):
            # A file alone costs nothing and does nothing, whether or not it arrived.
            return Refused(uploaded)
        file_id = word(uploaded.get("id"))
        if file_id is None:
            return Refused(malformed("HTTP 200 without the file's id"))
        document: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": self._endpoint,
            "completion_window": "24h",
            "metadata": {METADATA_KEY: submission.key},
        }
        if _is_own_host(at):
            document["output_expires_after"] = {"anchor": "created_at", "seconds": KEPT_S}
        return at.handed((yield at.post(f"{self._root(at)}/batches", document)), "id")

    def find(self, at: BatchInterface, sought: Sought) -> Exchange[Whereabouts]:
        """Look through the account's jobs, newest first, for the one whose metadata holds the key."""
        oldest_s = (sought.asked_from - _SKEW).timestamp()
        query: dict[str, Any] = {"limit": _PAGE}
        for _ in range(_MOST_PAGES):
            page = at.document((yield at.get(f"{self._root(at)}/batches?{urlencode(query)}")))
            if isinstance(page, CallFailure):
                return Unclear(page)
            jobs = objects_of(page.get("data"))
            for job in jobs:
                identifier = word(job.get("id"))
                if identifier and mapping(job.get("metadata")).get(METADATA_KEY) == sought.key:
                    return Accepted(identifier)
            last = word(jobs[-1].get("id")) if jobs else None
            created_s = jobs[-1].get("created_at") if jobs else None
            too_old = isinstance(created_s, int | float) and created_s < oldest_s
            if not page.get("has_more") or last is None or too_old:
                return Nowhere()
            query["after"] = last
        return Unclear(malformed("the list of jobs does not end"))

    def look(self, at: BatchInterface, vendor_job_id: str) -> Exchange[JobView | CallFailure]:
        """Ask how far a job is."""
        job = at.document((yield at.get(self._job(at, vendor_job_id))))
        if isinstance(job, CallFailure):
            return job
        # Servers that speak the same format write the words in capitals.
        ended = _ENDS.get(str(job.get("status")).lower())
        files = tuple(name for name in (word(job.get("output_file_id")), word(job.get("error_file_id"))) if name)
        return JobView(ended, failure=_job_failure(job) if ended == "failed" else None, files=files)

    def results(
        self,
        at: BatchInterface,
        vendor_job_id: str,  # noqa: ARG002 - the port's signature
        view: JobView,
        custom_ids: Sequence[str],  # noqa: ARG002 - the port's signature
    ) -> Exchange[Results | CallFailure]:
        """Fetch the file of answers and the file of errors."""
        lines: list[ResultLine] = []
        unreadable = 0
        for name in view.files:
            reply = yield at.get(f"{self._root(at)}/files/{quote(name, safe='')}/content")
            failure = at.failure(reply)
            if failure is not None or isinstance(reply, CallFailure):
                return failure or malformed("no reply")
            objects, bad = json_lines(reply.body)
            read = [_line(found) for found in objects]
            lines += [line for line in read if line is not None]
            unreadable += bad + read.count(None)
        return Results(tuple(lines), unreadable)

    def cancel(self, at: BatchInterface, vendor_job_id: str) -> Exchange[CallFailure | None]:
        """Ask the vendor to stop working on a job."""
        reply = yield at.post(f"{self._job(at, vendor_job_id)}/cancel", {})
        failure = at.failure(reply)
        # A job that has ended cannot be cancelled, which is as good.
        return None if failure is None or (failure.status in (400, 409) and is_refusal(failure)) else failure

    def _root(self, at: BatchInterface) -> str:
        return at.direct_url.removesuffix(self._path)

    def _job(self, at: BatchInterface, vendor_job_id: str) -> str:
        return f"{self._root(at)}/batches/{quote(vendor_job_id, safe='')}"

    def _upload(self, at: BatchInterface, submission: Submission) -> Any:
        lines = b"".join(
            b'{"custom_id":"%b","method":"POST","url":"%b","body":%b}\n'
            % (call.custom_id.encode(), self._endpoint.encode(), call.body)
            for call in submission.calls
        )
        fields = {"purpose": "batch"}
        if _is_own_host(at):
            fields |= {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(KEPT_S)}
        parts = [Part(name, value.encode()) for name, value in fields.items()]
        parts.append(Part("file", lines, filename=f"{submission.key}.jsonl", content_type="application/jsonl"))
        body, content_type = multipart(parts, boundary=f"abtest-{submission.key}")
        headers = {"content-type": content_type, "accept": "application/json"}
        return at.send(f"{self._root(at)}/files", body, headers)


def _is_own_host(at: BatchInterface) -> bool:
    # Servers that speak the same format may refuse fields they do not know.
    host = urlsplit(at.direct_url).hostname or ""
    return host == _OWN_HOST or host.endswith(f".{_OWN_HOST}")


def _job_failure(job: Mapping[str, Any]) -> CallFailure:
    """Return why a job was not run at all: its file was checked and something in it, or the account, did not do."""
    errors = objects_of(mapping(job.get("errors")).get("data"))
    known = [code for error in errors if (code := shown_word(error.get("code")))]
    reason, retryable = next((_JOB_REASONS[code] for code in known if code in _JOB_REASONS), ("batch_failed", False))
    detail = f"the job failed, code {known[0]}" if known else "the job failed"
    return CallFailure(failure_reason=reason, retryable=retryable, detail=detail)


def _line(found: Mapping[str, Any]) -> ResultLine | None:
    custom_id = word(found.get("custom_id"))
    if custom_id is None:
        return None
    response = mapping(found.get("response"))
    reply = reply_of(response.get("status_code"), response.get("body"), ("x-request-id", response.get("request_id")))
    if reply is not None:
        return ResultLine(custom_id, reply)
    error = found.get("error")
    if not isinstance(error, dict):
        return None
    code = shown_word(error.get("code"))
    reason = _LINE_REASONS.get(code or "", "batch_failed")
    return ResultLine(custom_id, CallFailure(failure_reason=reason, retryable=False, detail=f"code {code or 'none'}"))
