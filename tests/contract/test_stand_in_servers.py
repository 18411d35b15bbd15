"""The servers that stand in for providers: the vendors' clients read their replies, and they count what they did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import anthropic.types
import boto3
import google.genai.types
import openai.types.chat
import openai.types.responses
import pytest
from botocore.parsers import create_parser
from harness.batches import Answered, answered, asked
from harness.faulty_provider import FAULTS, FaultyProvider, faulty_provider
from harness.wire_formats import FORMATS, Spoken

from abtest.providers.model import Answer, RetryPolicy
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of

SAID = Spoken("four words of text", "model-1", 7, input_tokens=11, output_tokens=3)
AWS_KEY = '{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "example"}'
MANY = RetryPolicy(max_attempts=12, base_s=0.01, cap_s=0.02)


def _bedrock(document: dict[str, Any]) -> tuple[str, int, int]:
    model = boto3.client("bedrock-runtime", region_name="us-east-1").meta.service_model.operation_model("Converse")
    reply = {"status_code": 200, "headers": {}, "body": json.dumps(document).encode()}
    parsed = create_parser("rest-json").parse(reply, model.output_shape)
    usage = parsed["usage"]
    return parsed["output"]["message"]["content"][0]["text"], usage["inputTokens"], usage["outputTokens"]


def _chat(document: dict[str, Any]) -> tuple[str | None, int, int]:
    parsed = openai.types.chat.ChatCompletion.model_validate(document, strict=True)
    assert parsed.usage is not None
    return parsed.choices[0].message.content, parsed.usage.prompt_tokens, parsed.usage.completion_tokens


def _responses(document: dict[str, Any]) -> tuple[str, int, int]:
    parsed = openai.types.responses.Response.construct(**document)
    assert parsed.usage is not None
    return parsed.output_text, parsed.usage.input_tokens, parsed.usage.output_tokens


def _anthropic(document: dict[str, Any]) -> tuple[str, int, int]:
    parsed = anthropic.types.Message.construct(**document)
    return parsed.content[0].text, parsed.usage.input_tokens, parsed.usage.output_tokens


def _gemini(document: dict[str, Any]) -> tuple[str | None, int | None, int | None]:
    parsed = google.genai.types.GenerateContentResponse.model_validate(document)
    assert parsed.usage_metadata is not None
    return parsed.text, parsed.usage_metadata.prompt_token_count, parsed.usage_metadata.candidates_token_count


READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
}


@pytest.mark.parametrize("vendor", FORMATS)
def test_a_reply_is_one_of_its_vendor__read_by_the_vendors_client_and_by_ours(vendor: str) -> None:
    document = FORMATS[vendor].reply(SAID)
    assert READERS[vendor](document) == (SAID.text, SAID.input_tokens, SAID.output_tokens)

    ours = codec_of(vendor).parse(200, {}, json.dumps(document).encode())
    assert isinstance(ours, Answer)
    assert (ours.outcome, ours.text) == ("answered", SAID.text)
    assert ours.usage is not None
    assert (ours.usage.total_input_tokens, ours.usage.total_output_tokens) == (SAID.input_tokens, SAID.output_tokens)


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyProvider]:
    with faulty_provider() as provider:
        yield provider


def ask(faulty: FaultyProvider, vendor: str, count: int, *, tag: str = "question", timeout_s: float = 5.0) -> Answered:
    provider = ModelProvider(
        id="faulty",
        vendor=vendor,
        base_url=faulty.url + FORMATS[vendor].path,
        timeout_s=timeout_s,
        options={"region": "us-east-1"} if vendor == "bedrock" else {},
    )
    key = AWS_KEY if vendor == "bedrock" else "key-1"
    prompts = [f"{tag} {number}" for number in range(count)]
    return answered(provider, asked(provider, prompts, "model-1"), api_key=key, retry=MANY)


@pytest.mark.parametrize("vendor", FORMATS)
def test_the_faulty_provider_counts_what_it_delivered__every_wire_format(faulty: FaultyProvider, vendor: str) -> None:
    faulty.behave(fault_rate=0.3, seed=1, latency_ms=5, stall_s=1, hint_ms=20)
    done = ask(faulty, vendor, 150, timeout_s=0.3)
    served = faulty.served()

    assert done.result.stopped is None
    assert set(served["faults"]) == {"none", *FAULTS}
    assert len(served["arrivals"]) == sum(served["faults"].values()) == sum(done.reasons.values())
    assert {first for _, first in served["arrivals"]} == {"question"}
    rows = done.result.responses
    assert len(rows) == 150
    good = [row for row in rows if row.outcome == "answered"]
    assert sorted(numbers for (numbers,) in served["delivered"].values()) == sorted(
        int(str(row.provider_request_id or row.text).rpartition("-")[2]) for row in good
    )
    assert len(rows) - len(good) == sum(served["garbage"].values()) == served["faults"]["garbage"]
    assert all(row.text == f"question {row.sample_id[1:]}" for row in good)
    expected = {"rate_limited", "overloaded", "server_error", "timeout", "connection", "none"}
    assert expected <= set(done.reasons)


def test_the_faulty_provider_fails_alike__same_seed_other_order(faulty: FaultyProvider) -> None:
    seen: list[dict[str, int]] = []
    for in_flight_s in (1, 30):
        faulty.behave(fault_rate=0.5, faults=["server_error", "abort"], seed=3, latency_ms=in_flight_s)
        ask(faulty, "openai_chat", 60)
        seen.append(faulty.served()["faults"])
    assert seen[0] == seen[1]
    assert Counter(seen[0])["server_error"] > 10
    faulty.behave(fault_rate=0.5, faults=["server_error", "abort"], seed=4, latency_ms=1)
    ask(faulty, "openai_chat", 60)
    assert faulty.served()["faults"] != seen[0]
