"""Where a registration's batch interface is and how it is spoken to: beside its direct one, with the same headers.

Depends on: `abtest.providers.vendors`. Used by: the codecs of batch interfaces, submission, polling.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from abtest.providers.batches.model import Accepted, Handed, Refused, Unclear
from abtest.providers.model import CallFailure, ChatMessage, HttpReply, HttpRequest, ModelRequest
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import ModelProvider
from abtest.providers.retry import with_hints
from abtest.providers.vendors._json import JSON_HEADERS, decoded, encoded, malformed, word

_UNSENT = frozenset({"auth", "clock_skew", "not_found", "tls"})
"""Reasons without a status that mean that nothing left the worker, or that no server read it."""
_UNDECIDED_STATUSES = frozenset({408, 409})


@dataclass(frozen=True, slots=True)
class BatchInterface:
    """The batch interface of one registration, at one moment.

    Args:
        direct_url: where the vendor's codec sends a single request for the model.
        headers: who asks: the key, the account, the version of the API.
        codec: the vendor's own, which reads replies and errors.
        now: the time in UTC, for hints of the server that are dates.
    """

    direct_url: str
    headers: Mapping[str, str] = field(repr=False)
    codec: HttpCodec
    now: datetime

    @classmethod
    def of(
        cls, codec: HttpCodec, provider: ModelProvider, model: str, api_key: str | None, now: datetime
    ) -> BatchInterface:
        """Return the interface of a registration; the vendor's own codec says where it is and who asks.

        Args:
            codec: of the provider's vendor.
            model: the provider's name of it.
            api_key: None when the provider needs none.
            now: the time in UTC.
        """
        question = ModelRequest(
            provider=provider.id,
            vendor=provider.vendor,
            model=model,
            messages=(ChatMessage(role="user", content="-"),),
            sample_id="-",
            variant="-",
        )
        alone = codec.build(question, provider, api_key)
        headers = {name: value for name, value in alone.headers.items() if name.lower() not in JSON_HEADERS}
        return cls(direct_url=alone.url, headers=headers, codec=codec, now=now)

    def get(self, url: str) -> HttpRequest:
        """Return a request for what is at an address."""
        return HttpRequest(method="GET", url=url, headers={**self.headers, "accept": "*/*"}, body=b"")

    def post(self, url: str, document: Mapping[str, Any]) -> HttpRequest:
        """Return a request that sends a JSON object to an address."""
        return self.send(url, encoded(document), JSON_HEADERS)

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpRequest:
        """Return a request that sends a body to an address."""
        return HttpRequest(url=url, headers={**self.headers, **headers}, body=body)

    def failure(self, reply: HttpReply | CallFailure) -> CallFailure | None:
        """Return why a reply is no success, with the server's hints about trying again; None when it is one."""
        if isinstance(reply, CallFailure):
            return reply
        if reply.status in (200, 201, 202):
            return None
        said = self.codec.parse(reply.status, reply.headers, reply.body)
        if not isinstance(said, CallFailure):
            # A filter's verdict on a single prompt; of a whole job it is a refusal.
            said = CallFailure(
                failure_reason="bad_request", retryable=False, status=reply.status, detail=f"HTTP {reply.status}"
            )
        return with_hints(said, reply.headers, self.now)

    def document(self, reply: HttpReply | CallFailure) -> dict[str, Any] | CallFailure:
        """Return the JSON object of a reply, or why there is none."""
        failure = self.failure(reply)
        if failure is not None or isinstance(reply, CallFailure):
            return failure or malformed("no reply")
        found = decoded(reply.status, reply.body)
        if isinstance(found, dict | CallFailure):
            return found
        return malformed("the body is no JSON object", reply.status)

    def handed(self, reply: HttpReply | CallFailure, name: str) -> Handed:
        """Return what the reply to handing a job over means.

        Args:
            name: of the field that holds the vendor's identifier of the job.
        """
        found = self.document(reply)
        if isinstance(found, CallFailure):
            return Refused(found) if is_refusal(found) else Unclear(found)
        vendor_job_id = word(found.get(name))
        return Accepted(vendor_job_id) if vendor_job_id else Unclear(malformed(f"HTTP 200 without {name}"))


def is_refusal(failure: CallFailure) -> bool:
    """Return whether a failure says that nothing was accepted, and not only that nobody heard whether it was."""
    if failure.status is None:
        return failure.failure_reason in _UNSENT
    return 300 <= failure.status < 500 and failure.status not in _UNDECIDED_STATUSES


def objects_of(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects of a list; none when it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def json_lines(body: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the JSON objects of a body of lines, and how many lines hold none; total over any bytes."""
    found: list[dict[str, Any]] = []
    unreadable = 0
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            found.append(value)
        else:
            unreadable += 1
    return found, unreadable


def reply_of(status: object, document: object, request_id: tuple[str, object] | None = None) -> HttpReply | None:
    """Return a result's JSON as the reply it would have been alone, or None when it is no reply.

    Args:
        status: what stands for the HTTP status.
        document: its body.
        request_id: name of the header that would have carried the request's identifier, and its value.
    """
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status < 600:
        return None
    if not isinstance(document, dict):
        return None
    identifier = word(request_id[1]) if request_id else None
    headers = {request_id[0]: identifier} if request_id and identifier else {}
    try:
        return HttpReply(status=status, headers=headers, body=json.dumps(document).encode())
    except RecursionError:
        return None
