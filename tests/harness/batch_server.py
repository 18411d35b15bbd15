"""A loopback server that speaks the batch interfaces of OpenAI, Anthropic and Gemini, with faults a test asks for.

Written from the types of the vendors' own clients; `tests/contract/test_batch_wire.py` drives it with those clients.
Nothing runs by itself: a job ends when the test says so, or after so many looks at it.

Addresses: OpenAI below `/v1`, Anthropic below `/v1/messages/batches`, Gemini below `/gemini/v1`.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from abtest.providers.model import CallFailure, HttpReply, HttpRequest
from harness.wire_formats import FORMATS, Spoken, WireFormat

Document = dict[str, Any]
Outcome = str
"""What becomes of one request: `answered`, `errored`, `expired`, `cancelled`, `missing`."""
INPUT_TOKENS, OUTPUT_TOKENS = 10, 5
"""Of every answer."""


@dataclass
class Job:
    """One job as the server keeps it; `name` is the client's, None where the interface has none."""

    identifier: str
    vendor: str
    name: str | None
    requests: list[tuple[str, Document]]
    model: str
    created_at: datetime
    endpoint: str = ""
    state: str = "running"
    looks: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    errors: list[Document] = field(default_factory=list)


@dataclass(frozen=True)
class Recorded:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Faults:
    """What goes wrong, until it is reset.

    Args:
        statuses: the next submissions are answered so, and not accepted.
        lost_replies: so many next submissions are accepted, and the connection closes without a reply.
        look_statuses: the next requests for a job or its results are answered so.
        after_looks: jobs end by themselves when they were looked at so often; None never.
        outcome: what becomes of a request, by its index in the job.
        mangled: the lines of results as they are sent, from the lines as they should be.
        rejected: a job is accepted and then fails as a whole with this code (OpenAI).
        with_names: whether Gemini's results carry the names of their requests.
        page: jobs on a page of a list.
    """

    statuses: list[int] = field(default_factory=list)
    lost_replies: int = 0
    look_statuses: list[int] = field(default_factory=list)
    after_looks: int | None = None
    outcome: Callable[[int], Outcome] = lambda _index: "answered"
    mangled: Callable[[list[bytes]], list[bytes]] = lambda lines: lines
    rejected: str | None = None
    with_names: bool = True
    page: int = 100


class LostReplyError(Exception):
    """The connection is to close without a reply."""


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    status: int
    body: bytes

    @classmethod
    def of(cls, document: Document, status: int = 200) -> Reply:
        """Return a JSON reply."""
        return cls(status, json.dumps(document).encode())


class BatchServer:
    """What a test sees of the server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.jobs: list[Job] = []
        self.files: dict[str, tuple[str, bytes]] = {}
        self.recorded: list[Recorded] = []
        self.faults = Faults()
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        """What the records of jobs say of the time."""
        self.paid: Counter[str] = Counter()
        """How often each prompt was answered, whether or not anybody fetched the answer."""
        self.lengthen = 0
        """Characters that are put behind every answer."""
        self._lock = threading.RLock()
        self._serial = 0

    def base_url(self, vendor: str) -> str:
        """Return the base URL under which a vendor is registered."""
        return self.url + {"anthropic": "", "gemini": "/gemini"}.get(vendor, "/v1")

    def finish(self, state: str = "completed") -> None:
        """End every job that runs, `completed`, `expired` or `cancelled`."""
        with self._lock:
            for job in self.jobs:
                if job.state in ("running", "cancelling"):
                    self._end(job, state)

    def handle(self, request: Recorded) -> Reply:
        """Return the reply to a request.

        Raises:
            LostReplyError: there is none.
        """
        with self._lock:
            self.recorded.append(request)
            for method, pattern, name in _ROUTES:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    return getattr(self, name)(request, *map(unquote, match.groups()))
            return Reply.of({"error": {"message": "nothing here", "type": "not_found", "code": None}}, 404)

    # OpenAI

    def _upload(self, request: Recorded) -> Reply:
        if self.faults.statuses and self.faults.statuses[0] >= 500:
            return self._error("openai_chat", self.faults.statuses.pop(0))
        head = b"content-type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
        form = BytesParser(policy=HTTP).parsebytes(head + request.body)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        assert parts["purpose"].get_content().strip() == "batch"
        content = parts["file"].get_payload(decode=True)
        identifier = self._identifier("file")
        self.files[identifier] = (parts["file"].get_filename(), content)
        return Reply.of(_file(identifier, *self.files[identifier]))

    def _content(self, request: Recorded, identifier: str) -> Reply:
        if self.faults.look_statuses:
            return self._error("openai_chat", self.faults.look_statuses.pop(0))
        return Reply(200, self.files[identifier][1]) if identifier in self.files else self._error("openai_chat", 404)

    def _submit_openai(self, request: Recorded) -> Reply:
        asked = json.loads(request.body)
        vendor = {"/v1/chat/completions": "openai_chat", "/v1/responses": "openai_responses"}[asked["endpoint"]]
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]][1].splitlines()]
        assert all((line["method"], line["url"]) == ("POST", asked["endpoint"]) for line in lines)
        job = Job(
            identifier=self._identifier("batch"),
            vendor=vendor,
            name=(asked.get("metadata") or {}).get("abtest_job"),
            requests=[(line["custom_id"], line["body"]) for line in lines],
            model=lines[0]["body"]["model"],
            created_at=self.now(),
            endpoint=asked["endpoint"],
        )
        if self.faults.rejected is not None:
            job.state, job.errors = "failed", [{"code": self.faults.rejected, "message": "no", "line": None}]
        return self._accepted(job, lambda: _openai_job(job))

    def _list_openai(self, request: Recorded) -> Reply:
        jobs, more = self._page([job for job in self.jobs if job.vendor.startswith("openai")], request, "after")
        document = {"object": "list", "data": [_openai_job(job) for job in jobs], "has_more": more}
        ends = {"first_id": jobs[0].identifier, "last_id": jobs[-1].identifier} if jobs else {}
        return Reply.of({**document, **ends})

    def _look_openai(self, request: Recorded, identifier: str) -> Reply:
        return self._looked(identifier, "openai_chat", _openai_job)

    def _cancel_openai(self, request: Recorded, identifier: str) -> Reply:
        return self._cancelled(identifier, "openai_chat", _openai_job)

    # Anthropic

    def _submit_anthropic(self, request: Recorded) -> Reply:
        asked = json.loads(request.body)["requests"]
        job = Job(
            identifier=self._identifier("msgbatch"),
            vendor="anthropic",
            name=None,
            requests=[(one["custom_id"], one["params"]) for one in asked],
            model=asked[0]["params"]["model"],
            created_at=self.now(),
        )
        return self._accepted(job, lambda: self._anthropic_job(job))

    def _list_anthropic(self, request: Recorded) -> Reply:
        jobs, more = self._page([job for job in self.jobs if job.vendor == "anthropic"], request, "after_id")
        ends = {"first_id": jobs[0].identifier if jobs else None, "last_id": jobs[-1].identifier if jobs else None}
        return Reply.of({"data": [self._anthropic_job(job) for job in jobs], "has_more": more, **ends})

    def _look_anthropic(self, request: Recorded, identifier: str) -> Reply:
        return self._looked(identifier, "anthropic", self._anthropic_job)

    def _results_anthropic(self, request: Recorded, identifier: str) -> Reply:
        if self.faults.look_statuses:
            return self._error("anthropic", self.faults.look_statuses.pop(0))
        job = self._job(identifier)
        if job is None or job.state == "running":
            return self._error("anthropic", 404)
        kinds = {"errored": "errored", "expired": "expired", "cancelled": "canceled"}
        lines: list[Document] = []
        for custom_id, body in job.requests:
            outcome = job.outcomes[custom_id]
            if outcome == "missing":
                continue
            result: Document = {"type": kinds.get(outcome, "succeeded")}
            if outcome == "answered":
                result["message"] = self._answer(job, body)
            if outcome == "errored":
                error = {"type": "invalid_request_error", "message": "asked for by the test"}
                result["error"] = {"type": "error", "error": error, "request_id": "req_1"}
            lines.append({"custom_id": custom_id, "result": result})
        return Reply(200, self._lines(lines))

    def _cancel_anthropic(self, request: Recorded, identifier: str) -> Reply:
        return self._cancelled(identifier, "anthropic", self._anthropic_job)

    def _anthropic_job(self, job: Job) -> Document:
        counts = Counter(job.outcomes.values()) if job.state not in ("running", "cancelling") else Counter()
        ended = job.state not in ("running", "cancelling")
        status = "ended" if ended else {"running": "in_progress", "cancelling": "canceling"}[job.state]
        made = job.created_at.isoformat().replace("+00:00", "Z")
        return {
            "id": job.identifier,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {
                "processing": 0 if ended else len(job.requests),
                "succeeded": counts["answered"] + counts["missing"],
                "errored": counts["errored"],
                "canceled": counts["cancelled"],
                "expired": counts["expired"],
            },
            "created_at": made,
            "expires_at": made,
            "ended_at": made if ended else None,
            "cancel_initiated_at": None,
            "archived_at": None,
            # Another host on purpose: nobody may send a key there.
            "results_url": f"{self.url}/v1/messages/batches/{job.identifier}/results" if ended else None,
        }

    # Gemini

    def _submit_gemini(self, request: Recorded, model: str) -> Reply:
        batch = json.loads(request.body)["batch"]
        asked = batch["inputConfig"]["requests"]["requests"]
        job = Job(
            identifier=f"batches/{self._identifier('b')}",
            vendor="gemini",
            name=batch["displayName"],
            requests=[((one.get("metadata") or {}).get("key", ""), one["request"]) for one in asked],
            model=model,
            created_at=self.now(),
        )
        return self._accepted(job, lambda: self._gemini_job(job))

    def _list_gemini(self, request: Recorded) -> Reply:
        jobs, more = self._page([job for job in self.jobs if job.vendor == "gemini"], request, "pageToken")
        token = {"nextPageToken": jobs[-1].identifier} if more else {}
        return Reply.of({"operations": [self._gemini_job(job) for job in jobs], **token})

    def _look_gemini(self, request: Recorded, identifier: str) -> Reply:
        return self._looked(f"batches/{identifier}", "gemini", self._gemini_job)

    def _cancel_gemini(self, request: Recorded, identifier: str) -> Reply:
        reply = self._cancelled(f"batches/{identifier}", "gemini", self._gemini_job)
        return reply if reply.status >= 300 else Reply.of({})

    def _gemini_job(self, job: Job) -> Document:
        states = {"running": "RUNNING", "cancelling": "RUNNING", "completed": "SUCCEEDED"}
        state = states.get(job.state, job.state.upper())
        metadata: Document = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "name": job.identifier,
            "displayName": job.name,
            "model": f"models/{job.model}",
            "state": f"BATCH_STATE_{state}",
            "createTime": job.created_at.isoformat().replace("+00:00", "Z"),
        }
        done = job.state not in ("running", "cancelling")
        if done and job.state in ("completed", "cancelled"):
            metadata["output"] = {"inlinedResponses": {"inlinedResponses": self._inlined(job)}}
        return {"name": job.identifier, "metadata": metadata, **({"done": True} if done else {})}

    def _inlined(self, job: Job) -> list[Document]:
        lines: list[Document] = []
        for custom_id, body in job.requests:
            outcome = job.outcomes[custom_id]
            name = {"metadata": {"key": custom_id}} if self.faults.with_names else {}
            if outcome == "answered":
                lines.append({"response": self._answer(job, body), **name})
            elif outcome != "missing":
                code = {"errored": 3, "expired": 4, "cancelled": 1}[outcome]
                lines.append({"error": {"code": code, "message": "asked for by the test"}, **name})
        return [json.loads(line) for line in self._lines(lines).splitlines()]

    # All

    def _accepted(self, job: Job, shown: Callable[[], Document]) -> Reply:
        if self.faults.statuses:
            return self._error(job.vendor, self.faults.statuses.pop(0))
        self.jobs.append(job)
        if self.faults.lost_replies:
            self.faults.lost_replies -= 1
            raise LostReplyError
        return Reply.of(shown())

    def _looked(self, identifier: str, vendor: str, shown: Callable[[Job], Document]) -> Reply:
        if self.faults.look_statuses:
            return self._error(vendor, self.faults.look_statuses.pop(0))
        job = self._job(identifier)
        if job is None:
            return self._error(vendor, 404)
        job.looks += 1
        if self.faults.after_looks is not None and job.looks >= self.faults.after_looks and job.state == "running":
            self._end(job, "completed")
        return Reply.of(shown(job))

    def _cancelled(self, identifier: str, vendor: str, shown: Callable[[Job], Document]) -> Reply:
        job = self._job(identifier)
        if job is None:
            return self._error(vendor, 404)
        if job.state not in ("running", "cancelling"):
            return self._error(vendor, 400)
        job.state = "cancelling"
        return Reply.of(shown(job))

    def _end(self, job: Job, state: str) -> None:
        job.state = state
        for index, (custom_id, body) in enumerate(job.requests):
            outcome = self.faults.outcome(index)
            job.outcomes[custom_id] = outcome
            if outcome in ("answered", "missing"):
                self.paid[_format(job).last_text(body)] += 1
        if job.vendor.startswith("openai"):
            self._write_files(job)

    def _write_files(self, job: Job) -> None:
        answers: list[Document] = []
        errors: list[Document] = []
        for custom_id, body in job.requests:
            outcome = job.outcomes[custom_id]
            line: Document = {"id": self._identifier("batch_req"), "custom_id": custom_id, "error": None}
            if outcome == "answered":
                response = {"status_code": 200, "request_id": "req-1", "body": self._answer(job, body)}
                answers.append({**line, "response": response})
            elif outcome == "errored":
                body = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "bad"}}
                errors.append({**line, "response": {"status_code": 400, "request_id": "req-2", "body": body}})
            elif outcome != "missing":
                error = {"code": f"batch_{outcome}", "message": "it did not get to this"}
                errors.append({**line, "response": None, "error": error})
        for kind, lines in (("output", answers), ("error", errors)):
            if lines:
                self.files[f"file-{kind}-{job.identifier}"] = (f"{kind}.jsonl", self._lines(lines))

    def _answer(self, job: Job, body: Document) -> Document:
        wire = _format(job)
        self._serial += 1
        text = f"re: {wire.last_text(body)}" + "x" * self.lengthen
        said = Spoken(text, job.model, self._serial, INPUT_TOKENS, OUTPUT_TOKENS)
        return wire.reply(said)

    def _lines(self, documents: list[Document]) -> bytes:
        lines = self.faults.mangled([json.dumps(document).encode() for document in documents])
        return b"".join(line + b"\n" for line in lines)

    def _page(self, jobs: list[Job], request: Recorded, cursor: str) -> tuple[list[Job], bool]:
        newest_first = list(reversed(jobs))
        after = request.query.get(cursor, [None])[0]
        if after is not None:
            names = [job.identifier for job in newest_first]
            newest_first = newest_first[names.index(after) + 1 :]
        return newest_first[: self.faults.page], len(newest_first) > self.faults.page

    def _job(self, identifier: str) -> Job | None:
        return next((job for job in self.jobs if job.identifier == identifier), None)

    def _error(self, vendor: str, status: int) -> Reply:
        document = FORMATS[vendor].error(status)
        if vendor == "gemini":
            document["error"]["status"] = _GOOGLE_NAMES.get(status, "INTERNAL")
        return Reply.of(document, status)

    def _identifier(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}_{self._serial:06d}"


_GOOGLE_NAMES = {
    400: "FAILED_PRECONDITION",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
_ROUTES = (
    ("POST", r"/v1/files", "_upload"),
    ("GET", r"/v1/files/([^/]+)/content", "_content"),
    ("POST", r"/v1/batches", "_submit_openai"),
    ("GET", r"/v1/batches", "_list_openai"),
    ("GET", r"/v1/batches/([^/]+)", "_look_openai"),
    ("POST", r"/v1/batches/([^/]+)/cancel", "_cancel_openai"),
    ("POST", r"/v1/messages/batches", "_submit_anthropic"),
    ("GET", r"/v1/messages/batches", "_list_anthropic"),
    ("GET", r"/v1/messages/batches/([^/]+)", "_look_anthropic"),
    ("GET", r"/v1/messages/batches/([^/]+)/results", "_results_anthropic"),
    ("POST", r"/v1/messages/batches/([^/]+)/cancel", "_cancel_anthropic"),
    ("POST", r"/gemini/v1(?:beta)?/models/([^/:]+):batchGenerateContent", "_submit_gemini"),
    ("GET", r"/gemini/v1(?:beta)?/batches", "_list_gemini"),
    ("GET", r"/gemini/v1(?:beta)?/batches/([^/:]+)", "_look_gemini"),
    ("POST", r"/gemini/v1(?:beta)?/batches/([^/:]+):cancel", "_cancel_gemini"),
)


class DirectTransport:
    """A `Transport` without a network: hands requests to a server in this process.

    Args:
        server: answers them.
    """

    def __init__(self, server: BatchServer) -> None:
        self.server = server
        self.timeouts_s: list[float] = []

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpReply | CallFailure:
        self.timeouts_s.append(timeout_s)
        parts = urlsplit(request.url)
        query = parse_qs(parts.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            reply = self.server.handle(Recorded(request.method, parts.path, query, headers, request.body))
        except LostReplyError:
            return CallFailure(failure_reason="connection", retryable=True, detail="the connection broke")
        return HttpReply(status=reply.status, headers={}, body=reply.body)


@contextmanager
def batch_server() -> Iterator[BatchServer]:
    """Have a server on a free loopback port for as long as the block lasts."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server = BatchServer(http.server_address[1])
    http.batches = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the server; each connection serves one, so that none is left open."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        request = Recorded(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        self.close_connection = True
        try:
            reply = self.server.batches.handle(request)  # type: ignore[attr-defined]
        except LostReplyError:
            return
        self.send_response(reply.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply.body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def _format(job: Job) -> WireFormat:
    return FORMATS[job.vendor]


def _file(identifier: str, filename: str, content: bytes) -> Document:
    return {
        "id": identifier,
        "object": "file",
        "bytes": len(content),
        "created_at": 1,
        "filename": filename,
        "purpose": "batch",
        "status": "processed",
    }


def _openai_job(job: Job) -> Document:
    status = {"running": "in_progress"}.get(job.state, job.state)
    outcomes = Counter(job.outcomes.values())
    ended = job.state in ("completed", "expired", "cancelled")
    errors = {"object": "list", "data": job.errors} if job.errors else None
    return {
        "id": job.identifier,
        "object": "batch",
        "endpoint": job.endpoint,
        "errors": errors,
        "input_file_id": "file_0",
        "completion_window": "24h",
        "status": status,
        "output_file_id": f"file-output-{job.identifier}" if ended and outcomes["answered"] else None,
        "error_file_id": f"file-error-{job.identifier}" if ended and _has_errors(outcomes) else None,
        "created_at": int(job.created_at.timestamp()),
        "request_counts": {"total": len(job.requests), "completed": outcomes["answered"], "failed": 0},
        "metadata": {"abtest_job": job.name} if job.name else None,
    }


def _has_errors(outcomes: Mapping[Outcome, int]) -> bool:
    return any(outcomes.get(kind, 0) for kind in ("errored", "expired", "cancelled"))
