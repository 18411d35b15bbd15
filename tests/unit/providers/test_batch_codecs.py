"""The codecs of batch interfaces alone: what they ask, what they make of a reply, and that none makes them raise."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.core.errors import ProviderConfigurationError
from abtest.providers.batches.interface import BatchInterface, json_lines, reply_of
from abtest.providers.batches.model import (
    Accepted,
    JobView,
    Nowhere,
    PreparedCall,
    Refused,
    Results,
    Sought,
    Submission,
    Unclear,
)
from abtest.providers.batches.ports import BatchCodec
from abtest.providers.batches.registry import batch_codec_of, offers_batches, vendor_names
from abtest.providers.batches.results import outcomes_of
from abtest.providers.batches.vendors._multipart import Part, multipart
from abtest.providers.model import CallFailure, HttpReply, HttpRequest
from abtest.providers.registration import REPLAY_PROVIDER, ModelProvider

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "abc-1"
CALLS = (PreparedCall("abc-1-00000", b'{"model":"small"}'), PreparedCall("abc-1-00001", b'{"model":"small"}'))
SOUGHT = Sought(KEY, "abc-1-", 2, NOW - timedelta(minutes=1), NOW, frozenset())
TIMED_OUT = CallFailure(failure_reason="timeout", retryable=True, detail="no answer within 5 s")
VENDORS = vendor_names()


def provider(vendor: str, **changes: Any) -> ModelProvider:
    return ModelProvider(id="p", vendor=vendor, **changes)


def interface(vendor: str, **changes: Any) -> tuple[BatchCodec, BatchInterface]:
    registration = provider(vendor, **changes)
    codec = batch_codec_of(registration)
    return codec, BatchInterface.of(codec.direct, registration, "small", "sk-secret", NOW)


def reply(document: Any, status: int = 200, **headers: str) -> HttpReply:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return HttpReply(status=status, headers={n.replace("_", "-"): v for n, v in headers.items()}, body=body)


def played(
    exchange: Generator[HttpRequest, HttpReply | CallFailure, Any], *replies: HttpReply | CallFailure
) -> tuple[list[HttpRequest], Any]:
    """Return what was asked, and what came of it; the last reply is given as often as it takes."""
    asked: list[HttpRequest] = []
    try:
        request = next(exchange)
        for number in range(200):
            asked.append(request)
            request = exchange.send(replies[min(number, len(replies) - 1)])
    except StopIteration as done:
        return asked, done.value
    raise AssertionError("the exchange does not end")


# Where, and who asks


@pytest.mark.parametrize(
    ("vendor", "urls"),
    [
        ("openai_chat", ["https://api.openai.com/v1/files", "https://api.openai.com/v1/batches"]),
        ("openai_responses", ["https://api.openai.com/v1/files", "https://api.openai.com/v1/batches"]),
        ("anthropic", ["https://api.anthropic.com/v1/messages/batches"]),
        ("gemini", ["https://generativelanguage.googleapis.com/v1/models/small:batchGenerateContent"]),
    ],
)
def test_a_vendors_own_address_is_known(vendor: str, urls: list[str]) -> None:
    codec, at = interface(vendor)
    asked, _ = played(codec.submit(at, Submission(KEY, CALLS)), reply({"id": "file-1", "name": "batches/b1"}))

    assert [request.url for request in asked] == urls
    assert {request.method for request in asked} == {"POST"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_request_is_signed_as_a_single_call_is(vendor: str) -> None:
    codec, at = interface(vendor)
    exchanges = [
        codec.submit(at, Submission(KEY, CALLS)),
        codec.find(at, SOUGHT),
        codec.look(at, "batches/b1"),
        codec.cancel(at, "batches/b1"),
    ]
    asked = [request for exchange in exchanges for request in played(exchange, reply({"id": "x"}))[0]]

    assert len(asked) >= 4
    for request in asked:
        secret = [value for value in request.headers.values() if "sk-secret" in value]
        assert len(secret) == 1
        assert "sk-secret" not in repr(request)
    assert "sk-secret" not in repr(at)


def test_options_of_the_registration_hold_for_the_batch_interface() -> None:
    _, openai = interface("openai_chat", options={"organization": "org-1", "project": "proj-1"})
    _, older = interface("anthropic", options={"api_version": "2023-06-01"})
    codec, beta = interface("gemini", base_url="https://example.com", options={"api_version": "v1beta"})
    asked, _ = played(codec.look(beta, "batches/b1"), reply({}))

    assert (openai.headers["openai-organization"], openai.headers["openai-project"]) == ("org-1", "proj-1")
    assert (older.headers["anthropic-version"], older.headers["x-api-key"]) == ("2023-06-01", "sk-secret")
    assert asked[0].url == "https://example.com/v1beta/batches/b1"


def test_a_tuned_model_of_gemini_has_its_jobs_beside_the_others() -> None:
    registration = provider("gemini")
    codec = batch_codec_of(registration)
    at = BatchInterface.of(codec.direct, registration, "tunedModels/mine", None, NOW)
    asked = (
        played(codec.submit(at, Submission(KEY, CALLS)), reply({}))[0] + played(codec.find(at, SOUGHT), reply({}))[0]
    )

    assert [urlsplit(request.url).path for request in asked] == [
        "/v1/tunedModels/mine:batchGenerateContent",
        "/v1/batches",
    ]


def test_identifiers_cannot_lead_elsewhere() -> None:
    codec, at = interface("openai_chat")
    asked = played(codec.look(at, "../files/x?y"), reply({}))[0]
    gemini, there = interface("gemini")
    _, handed = played(gemini.submit(there, Submission(KEY, CALLS)), reply({"name": "batches/../x"}))

    assert asked[0].url == "https://api.openai.com/v1/batches/..%2Ffiles%2Fx%3Fy"
    assert isinstance(handed, Unclear)


def test_openai_is_told_to_forget_prompts_and_answers__other_servers_are_not_asked() -> None:
    told = []
    for base_url in (None, "https://example.com/v1"):
        codec, at = interface("openai_chat", base_url=base_url)
        asked, _ = played(codec.submit(at, Submission(KEY, CALLS)), reply({"id": "file-1"}))
        told.append((b"expires_after" in asked[0].body, b"output_expires_after" in asked[1].body))

    assert told == [(True, True), (False, False)]


# What a submission came to


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [(400, Refused, False), (401, Refused, False), (404, Refused, False), (429, Refused, True), (301, Refused, False)],
)
def test_a_refusal_is_one(vendor: str, status: int, kind: type, retryable: bool) -> None:
    codec, at = interface(vendor)
    _, handed = played(codec.submit(at, Submission(KEY, CALLS)), reply({"error": {}}, status))

    assert isinstance(handed, kind)
    assert handed.failure.retryable is retryable


@pytest.mark.parametrize("vendor", ["anthropic", "gemini"])
@pytest.mark.parametrize(
    "said",
    [
        TIMED_OUT,
        CallFailure(failure_reason="connection", retryable=True),
        reply({"error": {}}, 500),
        reply({"error": {}}, 503),
        reply({"error": {}}, 408),
        reply({"error": {}}, 409),
        reply({}),
        reply(b"<html>hello</html>"),
        reply(b'{"id": '),
        reply([]),
        reply({"id": 5, "name": None}),
        reply({"id": "", "name": "operations/x"}),
    ],
    ids=str,
)
def test_what_may_have_been_accepted_is_unclear(vendor: str, said: HttpReply | CallFailure) -> None:
    codec, at = interface(vendor)

    assert isinstance(played(codec.submit(at, Submission(KEY, CALLS)), said)[1], Unclear)


@pytest.mark.parametrize("said", [TIMED_OUT, reply({}, 500), reply({}), reply(b"nonsense")], ids=str)
def test_openai__a_file_that_may_be_there_is_no_job(said: HttpReply | CallFailure) -> None:
    codec, at = interface("openai_chat")
    asked, handed = played(codec.submit(at, Submission(KEY, CALLS)), said)

    assert isinstance(handed, Refused)
    assert len(asked) == 1


@pytest.mark.parametrize("said", [TIMED_OUT, reply({}, 500), reply({}), reply(b"nonsense")], ids=str)
def test_openai__a_job_over_the_file_may_be_there(said: HttpReply | CallFailure) -> None:
    codec, at = interface("openai_chat")

    assert isinstance(played(codec.submit(at, Submission(KEY, CALLS)), reply({"id": "file-1"}), said)[1], Unclear)


@pytest.mark.parametrize("reason", ["auth", "tls", "not_found", "clock_skew"])
def test_what_never_left_the_worker_was_not_accepted(reason: Any) -> None:
    codec, at = interface("anthropic")
    unsent = CallFailure(failure_reason=reason, retryable=False)

    assert isinstance(played(codec.submit(at, Submission(KEY, CALLS)), unsent)[1], Refused)


def test_a_servers_wish_to_wait_is_heard() -> None:
    codec, at = interface("anthropic")
    _, handed = played(codec.submit(at, Submission(KEY, CALLS)), reply({}, 429, retry_after="40"))

    assert handed.failure.retry_after_s == 40


# Looking


def test_states_of_openai() -> None:
    codec, at = interface("openai_chat")
    ends = {"validating": None, "in_progress": None, "finalizing": None, "cancelling": None, "never heard of": None}
    ends |= {state: state for state in ("completed", "expired", "cancelled", "failed")}

    for state, expected in ends.items():
        _, view = played(codec.look(at, "b"), reply({"id": "b", "status": state}))
        assert view.ended == expected


@pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_"])
def test_states_of_gemini(prefix: str) -> None:
    codec, at = interface("gemini")
    ends = {"PENDING": None, "RUNNING": None, "UNSPECIFIED": None, "SUCCEEDED": "completed", "FAILED": "failed"}
    ends |= {"CANCELLED": "cancelled", "EXPIRED": "expired", "PARTIALLY_SUCCEEDED": "completed"}

    for state, expected in ends.items():
        _, view = played(codec.look(at, "batches/b"), reply({"metadata": {"state": prefix + state}}))
        assert view.ended == expected


def test_gemini_answers_are_found_in_either_part_of_the_record() -> None:
    codec, at = interface("gemini")
    lines = [{"response": {"candidates": []}}, {"response": {"candidates": []}}]
    state = {"state": "BATCH_STATE_SUCCEEDED"}
    records = [
        {"metadata": {**state, "output": {"inlinedResponses": {"inlinedResponses": lines}}}},
        {"metadata": state, "response": {"inlinedResponses": {"inlinedResponses": lines}}},
        {"metadata": state, "response": {"inlinedResponses": lines}},
    ]

    for record in records:
        _, view = played(codec.look(at, "batches/b"), reply(record))
        asked, results = played(codec.results(at, "batches/b", view, ["x-0", "x-1"]))
        assert asked == []
        assert [line.custom_id for line in results.lines] == ["x-0", "x-1"]


def test_a_job_of_gemini_that_failed_says_why() -> None:
    codec, at = interface("gemini")
    failed = {"metadata": {"state": "BATCH_STATE_FAILED"}, "error": {"code": 8, "message": "quota"}}
    _, view = played(codec.look(at, "batches/b"), reply(failed))
    _, silent = played(codec.look(at, "batches/b"), reply({"metadata": {"state": "BATCH_STATE_FAILED"}}))

    assert (view.failure.failure_reason, view.failure.retryable) == ("rate_limited", True)
    assert silent.failure.failure_reason == "batch_failed"


def test_the_reason_a_job_of_openai_failed_for__is_its_code_and_not_its_message() -> None:
    codec, at = interface("openai_chat")
    errors = {"object": "list", "data": [{"code": "odd_code", "message": "SECRET PROMPT", "line": 1}]}
    _, view = played(codec.look(at, "b"), reply({"status": "failed", "errors": errors}))

    assert view.failure == CallFailure(
        failure_reason="batch_failed", retryable=False, detail="the job failed, code odd_code"
    )


@pytest.mark.parametrize("vendor", ["openai_chat", "anthropic"])
def test_results_that_cannot_be_fetched_are_a_failure(vendor: str) -> None:
    codec, at = interface(vendor)
    view = JobView("completed", files=("file-1",))
    too_large = CallFailure(failure_reason="too_large", retryable=False, status=200)

    assert played(codec.results(at, "b", view, ()), too_large)[1] == too_large
    assert played(codec.results(at, "b", view, ()), reply({}, 500))[1].failure_reason == "server_error"


# Finding


def test_lists_without_an_end_are_given_up() -> None:
    pages = {
        "openai_chat": {"data": [{"id": "b", "created_at": NOW.timestamp()}], "has_more": True},
        "anthropic": {"data": [{"id": "b", "created_at": NOW.isoformat()}], "has_more": True},
        "gemini": {"operations": [], "nextPageToken": "more"},
    }
    for vendor, page in pages.items():
        codec, at = interface(vendor)
        asked, found = played(codec.find(at, SOUGHT), reply(page))
        assert isinstance(found, Unclear)
        assert len(asked) == 50


def test_lists_are_read_no_further_than_the_time_in_question() -> None:
    long_ago = NOW - timedelta(days=1)
    pages = {
        "openai_chat": {"data": [{"id": "b", "created_at": long_ago.timestamp()}], "has_more": True},
        "anthropic": {"data": [{"id": "b", "created_at": long_ago.isoformat()}], "has_more": True},
    }
    for vendor, page in pages.items():
        codec, at = interface(vendor)
        asked, found = played(codec.find(at, SOUGHT), reply(page))
        assert (found, len(asked)) == (Nowhere(), 1)


def test_a_list_that_cannot_be_read_settles_nothing() -> None:
    for vendor in VENDORS:
        codec, at = interface(vendor)
        for said in (TIMED_OUT, reply({}, 500), reply(b"<html>"), reply([])):
            assert isinstance(played(codec.find(at, SOUGHT), said)[1], Unclear)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, Accepted("m1")),
        ({"created_at": (NOW - timedelta(minutes=10)).isoformat()}, Nowhere()),
        ({"created_at": (NOW + timedelta(minutes=10)).isoformat()}, Nowhere()),
        ({"request_counts": {"succeeded": 3}}, Nowhere()),
        ({"id": "known"}, Nowhere()),
    ],
)
def test_candidates_at_anthropic_are_of_the_right_time_and_size(changes: dict[str, Any], found: Any) -> None:
    codec, at = interface("anthropic")
    job = {"id": "m1", "created_at": NOW.isoformat(), "processing_status": "ended", "request_counts": {"succeeded": 2}}
    listed = reply({"data": [{**job, **changes}], "has_more": False})
    results = reply(b'{"custom_id":"abc-1-00000","result":{"type":"expired"}}')
    sought = Sought(KEY, "abc-1-", 2, NOW, NOW, frozenset({"known"}))

    assert played(codec.find(at, sought), listed, results)[1] == found


# Any reply at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *("id", "name", "status", "data", "errors", "code", "custom_id", "response", "result", "type", "message"),
        *("metadata", "output", "inlinedResponses", "error", "operations", "processing_status", "request_counts"),
        *("created_at", "has_more", "body", "status_code", "displayName", "state"),
    ]
)
SHAPED = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | SHAPED.map(lambda value: json.dumps(value).encode())
LINES = st.lists(BODIES, max_size=4).map(b"\n".join)
REPLIES = st.builds(
    lambda status, body: HttpReply(status=status, headers={}, body=body),
    st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 404, 429, 500, 503]),
    BODIES | LINES,
) | st.just(TIMED_OUT)


@settings(max_examples=150, deadline=None)
@given(replies=st.lists(REPLIES, min_size=1, max_size=4), vendor=st.sampled_from(VENDORS))
def test_no_reply_makes_a_codec_raise(replies: list[HttpReply | CallFailure], vendor: str) -> None:
    codec, at = interface(vendor)
    handed = played(codec.submit(at, Submission(KEY, CALLS)), *replies)[1]
    found = played(codec.find(at, SOUGHT), *replies)[1]
    view = played(codec.look(at, "batches/b1"), *replies)[1]
    cancelled = played(codec.cancel(at, "batches/b1"), *replies)[1]
    shown = view if isinstance(view, JobView) else JobView("completed", files=("file-1",))
    results = played(codec.results(at, "batches/b1", shown, ["x-0"]), *replies)[1]

    assert isinstance(handed, Accepted | Refused | Unclear)
    assert isinstance(found, Accepted | Nowhere | Unclear)
    assert isinstance(view, JobView | CallFailure)
    assert cancelled is None or isinstance(cancelled, CallFailure)
    if isinstance(results, Results):
        outcomes = outcomes_of(["x-0", "x-1"], shown, results, codec.direct)
        assert outcomes.answers.keys() | outcomes.failures.keys() == {"x-0", "x-1"}
        assert not outcomes.answers.keys() & outcomes.failures.keys()


@given(st.binary())
def test_lines_of_any_bytes_are_read_or_counted(body: bytes) -> None:
    found, unreadable = json_lines(body)

    assert len(found) + unreadable == len([line for line in body.split(b"\n") if line.strip()])


@pytest.mark.parametrize("status", [None, True, "200", 99, 600, 1e9])
def test_a_result_whose_status_is_none_is_no_reply(status: object) -> None:
    assert reply_of(status, {}) is None


def test_a_result_nested_beyond_reason_is_no_reply() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}

    assert reply_of(200, deep) is None


# The rest


def test_a_form_is_read_by_the_standard_library_as_it_was_meant() -> None:
    content = b'{"a":"--abtest"}\n{"b":"\\r\\n--abtest--"}\n'
    body, content_type = multipart(
        [Part("purpose", b"batch"), Part("file", content, filename="x.jsonl", content_type="application/jsonl")],
        boundary="abtest",
    )
    form = BytesParser(policy=HTTP).parsebytes(f"content-type: {content_type}\r\n\r\n".encode() + body)
    purpose, file = form.iter_parts()

    assert purpose.get_payload(decode=True) == b"batch"
    assert (file.get_filename(), file.get_content_type()) == ("x.jsonl", "application/jsonl")
    assert file.get_payload(decode=True) == content


def test_vendors_without_a_batch_interface_say_so() -> None:
    assert VENDORS == ("anthropic", "gemini", "openai_chat", "openai_responses")
    assert not offers_batches(REPLAY_PROVIDER)
    assert offers_batches(provider("openai_chat"))
    assert not offers_batches(provider("openai_responses", options={"api_version": "2025-03-01"}))
    with pytest.raises(ProviderConfigurationError, match="has no batch interface") as caught:
        batch_codec_of(provider("bedrock", options={"region": "us-east-1"}))
    assert "mode: direct" in caught.value.details["what_to_do"]
