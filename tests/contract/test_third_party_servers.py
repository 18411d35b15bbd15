"""Our codecs, transport and retries against servers that others wrote: `llmock`, `aimock`, and a real LLM."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness.aimock_server import AimockServer, aimock_server, installed
from harness.batches import Answered, answered, asked
from harness.faulty_proxy import FaultyProxy, faulty_proxy
from harness.llmock_server import LlmockServer, llmock_server

from abtest.providers.model import HttpRequest, RetryPolicy
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of


@dataclass(frozen=True)
class Speaker:
    """A vendor's wire format as a third party serves it.

    Args:
        llmock_path: what llmock puts before the vendor's own path; None where it does not serve the format.
        options: of the registration.
        key: what our secret would hold.
    """

    vendor: str
    model: str
    llmock_path: str | None
    aimock_path: str
    options: Mapping[str, Any]
    key: str = "key-1"


_AWS_KEY = '{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "example"}'
SPEAKERS = {
    speaker.vendor: speaker
    for speaker in (
        Speaker("openai_chat", "gpt-4o", "/v1", "/v1", {}),
        Speaker("openai_responses", "gpt-4o", "/v1", "/v1", {}),
        Speaker("anthropic", "claude-sonnet-4-5", "/anthropic", "", {}),
        Speaker("gemini", "gemini-2.5-pro", "/gemini", "", {"api_version": "v1beta"}),
        Speaker("bedrock", "anthropic.claude-v2:1", None, "", {"region": "us-east-1"}, _AWS_KEY),
    )
}
ON_LLMOCK = tuple(name for name, speaker in SPEAKERS.items() if speaker.llmock_path is not None)


def registered(speaker: Speaker, base_url: str, **changes: Any) -> ModelProvider:
    facts: dict[str, Any] = {"id": "third", "vendor": speaker.vendor, "base_url": base_url, "timeout_s": 10}
    return ModelProvider(**(facts | {"options": speaker.options} | changes))


def ask(speaker: Speaker, base_url: str, count: int, retry: RetryPolicy | None = None, **changes: Any) -> Answered:
    provider = registered(speaker, base_url, **changes)
    prompts = [f"question {number}" for number in range(count)]
    return answered(provider, asked(provider, prompts, speaker.model), api_key=speaker.key, retry=retry)


# llmock ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _llmock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmockServer]:
    with llmock_server(tmp_path_factory.mktemp("llmock") / "log") as server:
        yield server


@pytest.fixture
def llmock(_llmock: LlmockServer) -> LlmockServer:
    """The server, with nothing queued and nothing remembered."""
    _llmock.behave()
    return _llmock


def on_llmock(llmock: LlmockServer, vendor: str, count: int, **changes: Any) -> Answered:
    speaker = SPEAKERS[vendor]
    return ask(speaker, f"{llmock.url}{speaker.llmock_path}", count, **changes)


def all_answered(done: Answered, count: int) -> None:
    """Check that each answer is the one to its own question: llmock's style `echo` repeats it."""
    assert done.outcomes == {"answered": count}
    for number, text in enumerate(done.texts):
        assert text is not None
        assert text.endswith(f"question {number}")


@pytest.mark.parametrize("vendor", ON_LLMOCK)
def test_a_batch_is_answered__by_llmock(llmock: LlmockServer, vendor: str) -> None:
    done = on_llmock(llmock, vendor, 30)
    all_answered(done, 30)
    assert done.ledger_entries == 30
    assert llmock.verdict() == {
        "passed": True,
        "calls": 30,
        "attempts": 30,
        "faults_injected": 0,
        "errors": 0,
        "warnings": 0,
        "findings": [],
    }


@pytest.mark.parametrize(
    ("vendor", "status", "reason"),
    [
        ("openai_chat", 429, "rate_limited"),
        ("openai_responses", 429, "rate_limited"),
        ("anthropic", 429, "rate_limited"),
        ("gemini", 429, "rate_limited"),
        ("anthropic", 529, "overloaded"),
        ("gemini", 503, "overloaded"),
        ("openai_chat", 503, "overloaded"),
    ],
)
def test_a_storm_of_refusals_is_sat_out__with_hints(
    llmock: LlmockServer, vendor: str, status: int, reason: str
) -> None:
    llmock.behave({"type": "fail", "status": status, "retry_after": 0.3, "times": 25})
    done = on_llmock(llmock, vendor, 60)
    verdict = llmock.verdict()

    all_answered(done, 60)
    assert done.reasons == {"none": 60, reason: 25}
    # Hints were honoured, nobody gave up, and nothing was asked without need.
    assert (verdict["passed"], verdict["findings"]) == (True, [])
    assert (verdict["calls"], verdict["faults_injected"]) == (60, 25)
    assert done.seconds >= 0.3


@pytest.mark.parametrize("vendor", ON_LLMOCK)
def test_a_storm_of_errors_is_sat_out__without_hints(llmock: LlmockServer, vendor: str) -> None:
    llmock.behave({"type": "fail", "status": 500, "times": 20})
    done = on_llmock(llmock, vendor, 40)

    all_answered(done, 40)
    assert done.reasons == {"none": 40, "server_error": 20}
    assert llmock.verdict()["passed"] is True


@pytest.mark.parametrize("vendor", ON_LLMOCK)
@pytest.mark.parametrize("status", [400, 403, 422])
def test_what_no_retry_mends_is_asked_once__by_status(llmock: LlmockServer, vendor: str, status: int) -> None:
    llmock.behave({"type": "fail", "status": status, "times": 5})
    done = on_llmock(llmock, vendor, 5)
    assert llmock.verdict()["passed"] is True
    assert len(llmock.requests()) == 5
    assert done.ledger_entries == 0


@pytest.mark.parametrize("vendor", ON_LLMOCK)
def test_a_stalled_call_is_given_up_and_repeated__after_timeout_s(llmock: LlmockServer, vendor: str) -> None:
    llmock.behave({"type": "delay", "seconds": 1.5, "times": 5})
    done = on_llmock(llmock, vendor, 20, timeout_s=0.5)

    all_answered(done, 20)
    assert done.reasons == {"none": 20, "timeout": 5}
    assert 0.5 <= done.seconds < 5
    assert llmock.verdict()["passed"] is True


@pytest.fixture
def proxy(llmock: LlmockServer) -> Iterator[FaultyProxy]:
    port = urlsplit(llmock.url).port
    assert port is not None
    with faulty_proxy(port) as between:
        yield between


@pytest.mark.parametrize("spoiling", ["cut", "empty"])
@pytest.mark.parametrize("vendor", ON_LLMOCK)
def test_a_lost_answer_is_asked_for_again__connection_ends(
    llmock: LlmockServer, proxy: FaultyProxy, vendor: str, spoiling: Any
) -> None:
    proxy.spoil(spoiling, answers=8)
    speaker = SPEAKERS[vendor]
    done = ask(speaker, f"{proxy.url}{speaker.llmock_path}", 30)

    all_answered(done, 30)
    assert proxy.spoiled == 8
    assert done.reasons == {"none": 30, "connection": 8}
    assert llmock.verdict()["passed"] is True


@pytest.mark.parametrize("vendor", ON_LLMOCK)
def test_a_garbled_answer_is_no_answer_and_not_paid_again__http_200(
    llmock: LlmockServer, proxy: FaultyProxy, vendor: str
) -> None:
    proxy.spoil("garble", answers=6)
    speaker = SPEAKERS[vendor]
    done = ask(speaker, f"{proxy.url}{speaker.llmock_path}", 30)

    assert done.outcomes == {"answered": 24, "malformed": 6}
    assert len(llmock.requests()) == 30
    assert [row.text for row in done.result.responses if row.outcome == "failed"] == [None] * 6


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
@pytest.mark.parametrize("vendor", ["openai_chat", "openai_responses", "anthropic"])
def test_a_stream_nobody_asked_for_gives_no_answer__whole_or_broken(
    llmock: LlmockServer, monkeypatch: pytest.MonkeyPatch, vendor: str, kind: str
) -> None:
    """Some gateways stream whatever is asked; half of a stream must never pass for an answer."""
    _streaming(monkeypatch, vendor)
    llmock.behave({"type": "stream_fault", "kind": kind, "after_chunks": 2, "times": 5})
    done = on_llmock(llmock, vendor, 10)

    assert set(done.outcomes) <= {"malformed", "connection", "mismatched"}
    assert [row.text for row in done.result.responses] == [None] * 10
    assert done.reasons["connection"] == (5 if kind == "disconnect" else 0)
    assert done.ledger_entries == 0


def _streaming(monkeypatch: pytest.MonkeyPatch, vendor: str) -> None:
    codec = codec_of(vendor)
    build = codec.build

    def streamed(*arguments: Any) -> HttpRequest:
        request = build(*arguments)
        return request.model_copy(update={"body": request.body[:-1] + b',"stream":true}'})

    monkeypatch.setattr(type(codec), "build", lambda _self, *arguments: streamed(*arguments))


# aimock ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AimockServer]:
    program = installed(tmp_path_factory.mktemp("npm"))
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "input_tokens": 11, "output_tokens": 3}
    fixtures = [{"match": {}, "response": {"content": "Paris, of course.", "usage": usage}}]
    with aimock_server(program, tmp_path_factory.mktemp("aimock"), fixtures) as server:
        yield server


@pytest.fixture
def aimock(_aimock: AimockServer) -> AimockServer:
    """The server without faults."""
    _aimock.behave()
    return _aimock


def on_aimock(aimock: AimockServer, vendor: str, count: int, **changes: Any) -> Answered:
    speaker = SPEAKERS[vendor]
    return ask(speaker, f"{aimock.url}{speaker.aimock_path}", count, **changes)


@pytest.mark.parametrize("vendor", SPEAKERS)
def test_a_batch_is_answered__by_aimock(aimock: AimockServer, vendor: str) -> None:
    done = on_aimock(aimock, vendor, 20)
    assert done.outcomes == {"answered": 20}
    for row in done.result.responses:
        assert row.text == "Paris, of course."
        assert row.usage is not None
        assert (row.usage.total_input_tokens, row.usage.total_output_tokens) == (11, 3)
    assert len(aimock.requests()) == 20


_FAULTS = {"rateLimitRate": "rate_limited", "dropRate": "server_error", "disconnectRate": "connection"}


@pytest.mark.parametrize("vendor", SPEAKERS)
@pytest.mark.parametrize("rate", _FAULTS)
def test_chaos_is_sat_out__until_it_ends(aimock: AimockServer, vendor: str, rate: str) -> None:
    ends = chaos_for(aimock, 0.4, **{rate: 1})
    # Too few attempts to open the circuit.
    done = on_aimock(aimock, vendor, 6, retry=RetryPolicy(max_attempts=12, base_s=0.5, cap_s=0.5))
    ends.join()

    assert done.outcomes == {"answered": 6}
    # Refused calls wait here, or elsewhere: rows know the attempts of their last pass.
    assert set(done.reasons) | ({_FAULTS[rate]} if done.deferrals else set()) == {"none", _FAULTS[rate]}
    # Its 429 asks for a second; `x-ratelimit-reset-tokens: 6m0s` beside it must not hold the batch for minutes.
    assert sum(deferral.wait_s for deferral in done.deferrals) <= 6
    assert done.seconds < 10


def test_an_outage_opens_the_circuit__and_one_probe_closes_it(aimock: AimockServer) -> None:
    ends = chaos_for(aimock, 3.0, dropRate=1)
    done = on_aimock(aimock, "openai_chat", 60, retry=RetryPolicy(max_attempts=12, base_s=0.2, cap_s=0.4))
    ends.join()

    assert done.outcomes == {"answered": 60}
    assert [deferral.why for deferral in done.deferrals] == ["circuit_open"]
    assert 5 < done.deferrals[0].wait_s <= 10
    # While it was open nobody called; without it there would have been hundreds of attempts in three seconds.
    assert len(aimock.requests()) < 60 + 200


def chaos_for(aimock: AimockServer, seconds: float, **rates: float) -> threading.Timer:
    """Let the server fail for a time."""
    aimock.behave(**rates)
    ends = threading.Timer(seconds, aimock.calm)
    ends.start()
    return ends


@pytest.mark.parametrize("vendor", SPEAKERS)
def test_an_answer_that_is_no_json_fails_without_a_second_call__http_200(aimock: AimockServer, vendor: str) -> None:
    aimock.behave(malformedRate=1)
    done = on_aimock(aimock, vendor, 10)
    assert done.outcomes == {"malformed": 10}
    assert all(len(row.attempts) == 1 for row in done.result.responses)
    assert done.ledger_entries == 0
