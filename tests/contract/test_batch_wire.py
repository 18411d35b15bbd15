"""The batch interfaces over a real connection: the vendors' own clients and ours speak alike to the test server.

The clients prove the server, which then proves ours: what both send is compared field by field, and what both read of
one job is the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types as gemini
from harness.batch_server import BatchServer, Recorded, batch_server

from abtest.adapters.http import HttpxTransport
from abtest.providers.batches.interface import BatchInterface
from abtest.providers.batches.model import Accepted, JobView, Nowhere, PreparedCall, Results, Sought, Submission
from abtest.providers.batches.ports import Exchange, Result, drive
from abtest.providers.batches.registry import batch_codec_of
from abtest.providers.model import Answer, ChatMessage, ModelRequest
from abtest.providers.registration import ModelProvider

KEY = "sk-secret"
QUESTIONS = ("first question", "second question")
CUSTOM_IDS = ("abc-1-00000", "abc-1-00001")
VENDORS = ("anthropic", "gemini", "openai_chat", "openai_responses")
AUTH_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "anthropic-version")


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with batch_server() as running:
        yield running


class Ours:
    """Our side of one vendor's interface."""

    def __init__(self, server: BatchServer, vendor: str) -> None:
        self.server = server
        self.provider = ModelProvider(id="p", vendor=vendor, base_url=server.base_url(vendor))
        self.codec = batch_codec_of(self.provider)
        self.at = BatchInterface.of(self.codec.direct, self.provider, "small", KEY, datetime.now(UTC))

    def calls(self) -> tuple[PreparedCall, ...]:
        """Return the questions as the vendor's codec sends them."""
        return tuple(
            PreparedCall(custom_id, self.codec.direct.build(_request(self.provider, text), self.provider, KEY).body)
            for custom_id, text in zip(CUSTOM_IDS, QUESTIONS, strict=True)
        )

    def run(self, exchange: Exchange[Result]) -> Result:
        """Return what an exchange over a real connection comes to."""

        async def exchanged() -> Result:
            async with HttpxTransport(2, allow_private=True) as transport:
                return await drive(exchange, transport, 10)

        return asyncio.run(exchanged())

    def submit(self) -> str:
        """Hand the questions over and return the vendor's identifier of the job."""
        handed = self.run(self.codec.submit(self.at, Submission("abc-1", self.calls())))
        assert isinstance(handed, Accepted)
        return handed.vendor_job_id

    def texts(self, identifier: str) -> dict[str, str | None]:
        """Return the answers of a job that has ended, by custom id."""
        view = self.run(self.codec.look(self.at, identifier))
        assert isinstance(view, JobView)
        assert view.ended == "completed"
        results = self.run(self.codec.results(self.at, identifier, view, CUSTOM_IDS))
        assert isinstance(results, Results)
        said = {}
        for line in results.lines:
            answer = self.codec.direct.parse(line.outcome.status, line.outcome.headers, line.outcome.body)  # type: ignore[union-attr,arg-type]
            assert isinstance(answer, Answer)
            said[line.custom_id] = answer.text
        return said


class Openai:
    """The same by the official client."""

    def __init__(self, server: BatchServer, vendor: str) -> None:
        self.client = openai.OpenAI(api_key=KEY, base_url=server.base_url(vendor), max_retries=0)
        self.endpoint = {"openai_chat": "/v1/chat/completions", "openai_responses": "/v1/responses"}[vendor]

    def submit(self, bodies: list[dict[str, Any]]) -> str:
        lines = [
            {"custom_id": custom_id, "method": "POST", "url": self.endpoint, "body": body}
            for custom_id, body in zip(CUSTOM_IDS, bodies, strict=True)
        ]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        file = self.client.files.create(file=("abc-1.jsonl", content, "application/jsonl"), purpose="batch")
        assert file.purpose == "batch"
        return self.client.batches.create(
            input_file_id=file.id,
            endpoint=self.endpoint,  # type: ignore[arg-type]
            completion_window="24h",
            metadata={"abtest_job": "abc-1"},
        ).id

    def texts(self, identifier: str) -> dict[str, str | None]:
        job = self.client.batches.retrieve(identifier)
        assert (job.status, job.error_file_id) == ("completed", None)
        assert job.output_file_id is not None
        lines = [json.loads(line) for line in self.client.files.content(job.output_file_id).content.splitlines()]
        said = {}
        for line in lines:
            body = line["response"]["body"]
            if self.endpoint.endswith("completions"):
                said[line["custom_id"]] = (
                    openai.types.chat.ChatCompletion.model_validate(body).choices[0].message.content
                )
            else:
                said[line["custom_id"]] = openai.types.responses.Response.construct(**body).output_text
        return said

    def cancel(self, identifier: str) -> None:
        assert self.client.batches.cancel(identifier).status == "cancelling"

    def listed(self) -> list[str]:
        return [job.id for job in self.client.batches.list(limit=1)]


class Anthropic:
    """The same by the official client."""

    def __init__(self, server: BatchServer, vendor: str) -> None:
        # The newer version of the API signs in by a bearer token, as ours does by default.
        self.client = anthropic.Anthropic(api_key=KEY, base_url=server.base_url(vendor), max_retries=0)

    def submit(self, bodies: list[dict[str, Any]]) -> str:
        requests = [{"custom_id": c, "params": body} for c, body in zip(CUSTOM_IDS, bodies, strict=True)]
        return self.client.messages.batches.create(requests=requests).id  # type: ignore[arg-type]

    def texts(self, identifier: str) -> dict[str, str | None]:
        job = self.client.messages.batches.retrieve(identifier)
        assert job.processing_status == "ended"
        said: dict[str, str | None] = {}
        for line in self.client.messages.batches.results(identifier):
            assert line.result.type == "succeeded"
            said[line.custom_id] = line.result.message.content[0].text  # type: ignore[union-attr]
        return said

    def cancel(self, identifier: str) -> None:
        assert self.client.messages.batches.cancel(identifier).processing_status == "canceling"

    def listed(self) -> list[str]:
        return [job.id for job in self.client.messages.batches.list(limit=1)]


class Gemini:
    """The same by the official client."""

    def __init__(self, server: BatchServer, vendor: str) -> None:
        options = gemini.HttpOptions(base_url=server.base_url(vendor))
        self.client = genai.Client(api_key=KEY, http_options=options)

    def submit(self, bodies: list[dict[str, Any]]) -> str:
        requests = [
            gemini.InlinedRequest(
                contents=body["contents"],
                config=gemini.GenerateContentConfig(max_output_tokens=body["generationConfig"]["maxOutputTokens"]),
                metadata={"key": custom_id},
            )
            for custom_id, body in zip(CUSTOM_IDS, bodies, strict=True)
        ]
        config = gemini.CreateBatchJobConfig(display_name="abc-1")
        job = self.client.batches.create(model="small", src=requests, config=config)  # type: ignore[arg-type]
        assert (job.display_name, job.state) == ("abc-1", gemini.JobState.JOB_STATE_RUNNING)
        return str(job.name)

    def texts(self, identifier: str) -> dict[str, str | None]:
        job = self.client.batches.get(name=identifier)
        assert job.state == gemini.JobState.JOB_STATE_SUCCEEDED
        assert job.dest is not None
        lines = job.dest.inlined_responses or []
        return {line.metadata["key"]: line.response.text for line in lines}  # type: ignore[index,union-attr]

    def cancel(self, identifier: str) -> None:
        self.client.batches.cancel(name=identifier)

    def listed(self) -> list[str]:
        return [str(job.name) for job in self.client.batches.list(config=gemini.ListBatchJobsConfig(page_size=1))]


CLIENTS: dict[str, Any] = {
    "anthropic": Anthropic,
    "gemini": Gemini,
    "openai_chat": Openai,
    "openai_responses": Openai,
}


def _request(provider: ModelProvider, text: str) -> ModelRequest:
    return ModelRequest(
        provider=provider.id,
        vendor=provider.vendor,
        model="small",
        messages=(ChatMessage(role="user", content=text),),
        sample_id="s",
        variant="a",
    )


def _bodies(ours: Ours) -> list[dict[str, Any]]:
    return [json.loads(call.body) for call in ours.calls()]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_job_is_submitted_as_the_official_client_does(server: BatchServer, vendor: str) -> None:
    ours = Ours(server, vendor)
    CLIENTS[vendor](server, vendor).submit(_bodies(ours))
    theirs, server.recorded = server.recorded, []
    ours.submit()

    assert len(theirs) == len(server.recorded)
    for their, our in zip(theirs, server.recorded, strict=True):
        assert (our.method, our.path, our.query) == (their.method, their.path, their.query)
        assert _sent(our) == _sent(their)
        assert _auth(our) == _auth(their)
    first, second = server.jobs
    assert (first.requests, first.name, first.model) == (second.requests, second.name, second.model)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_job_reads_the_same_to_both(server: BatchServer, vendor: str) -> None:
    ours, client = Ours(server, vendor), CLIENTS[vendor](server, vendor)
    identifier = ours.submit()
    server.finish()

    said = ours.texts(identifier)
    assert said == {name: f"re: {text}" for name, text in zip(CUSTOM_IDS, QUESTIONS, strict=True)}
    assert client.texts(identifier) == said


@pytest.mark.parametrize("vendor", VENDORS)
def test_looking_and_cancelling_ask_what_the_official_client_asks(server: BatchServer, vendor: str) -> None:
    ours, client = Ours(server, vendor), CLIENTS[vendor](server, vendor)
    identifier = ours.submit()
    server.recorded = []
    client.cancel(identifier)
    assert ours.run(ours.codec.cancel(ours.at, identifier)) is None
    server.finish("cancelled")
    client.listed()
    their_cancel, our_cancel, *_ = server.recorded

    assert (our_cancel.method, our_cancel.path) == (their_cancel.method, their_cancel.path)
    assert _auth(our_cancel) == _auth(their_cancel)
    view = ours.run(ours.codec.look(ours.at, identifier))
    assert isinstance(view, JobView)
    assert view.ended == ("completed" if vendor == "anthropic" else "cancelled")
    # What has ended cannot be cancelled, which is no failure.
    assert ours.run(ours.codec.cancel(ours.at, identifier)) is None


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_job_is_found_again__on_whichever_page_of_the_list(server: BatchServer, vendor: str) -> None:
    server.faults.page = 2
    ours, client = Ours(server, vendor), CLIENTS[vendor](server, vendor)
    started = datetime.now(UTC)
    wanted = ours.submit()
    for _ in range(4):
        ours.submit()
    for job in server.jobs[1:]:
        job.name = "another"
        job.requests = [(custom_id.replace("abc", "xyz"), body) for custom_id, body in job.requests]
    server.finish()

    def found(key: str, prefix: str) -> object:
        now = datetime.now(UTC)
        sought = Sought(key, prefix, len(QUESTIONS), started - timedelta(seconds=5), now, frozenset())
        return ours.run(ours.codec.find(ours.at, sought))

    assert len(client.listed()) == 5
    assert found("abc-1", "abc-1-") == Accepted(wanted)
    assert found("nobody", "nobody-") == Nowhere()


def test_the_key_goes_to_the_registered_host_only(server: BatchServer) -> None:
    with batch_server() as elsewhere:
        ours = Ours(server, "anthropic")
        identifier = ours.submit()
        server.finish()
        server.url = elsewhere.url
        ours.texts(identifier)

        assert elsewhere.recorded == []


def _auth(recorded: Recorded) -> dict[str, str]:
    return {name: recorded.headers[name] for name in AUTH_HEADERS if name in recorded.headers}


def _sent(recorded: Recorded) -> Any:
    """Return what a request carries, its form and its JSON lines decoded; names of files that differ are left out."""
    kind = recorded.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        form = BytesParser(policy=HTTP).parsebytes(f"content-type: {kind}\r\n\r\n".encode() + recorded.body)
        parts = [
            (
                part.get_param("name", header="content-disposition"),
                part.get_filename(),
                _lines(part.get_payload(decode=True)),
            )
            for part in form.iter_parts()
        ]
        return sorted(parts, key=lambda part: str(part[0]))
    document = json.loads(recorded.body)
    document.pop("input_file_id", None)
    return document


def _lines(content: Any) -> Any:
    text = content.decode().strip()
    return [json.loads(line) for line in text.splitlines()] if text.startswith("{") else text
