"""Our OpenAI formats against a real LLM: the server of llama.cpp that the local stack uses, with its small model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from harness.batches import Answered, answered, asked
from harness.local_llm import MODEL, local_llm

from abtest.providers.registration import ModelProvider

pytestmark = pytest.mark.e2e
VENDORS = ("openai_chat", "openai_responses")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_llm(tmp_path_factory.mktemp("llm")) as url:
        yield url


def ask(vendor: str, base_url: str, *prompts: str, **parameters: object) -> Answered:
    provider = ModelProvider(id="local", vendor=vendor, base_url=base_url, timeout_s=60)
    return answered(provider, asked(provider, prompts, MODEL, **parameters), api_key=None, in_flight=4)


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_question_gets_its_own_answer__four_at_once(base_url: str, vendor: str) -> None:
    questions = [f"What is the capital of {name}?" for name in ("France", "Italy", "Japan", "Germany")]
    together = ask(vendor, base_url, *questions, temperature=0, max_tokens=24)
    alone = [ask(vendor, base_url, question, temperature=0, max_tokens=24).texts[0] for question in questions]

    assert together.texts == alone
    assert len(set(alone)) == 4
    for row in together.result.responses:
        assert row.outcome in ("answered", "truncated")
        assert row.text
        assert row.usage is not None
        assert row.usage.total_input_tokens > 5
        assert 1 < row.usage.total_output_tokens <= 24
        assert row.served_model == MODEL


@pytest.mark.parametrize(
    ("vendor", "outcome"),
    # Its Responses say `completed` of an answer that was cut: what a server does not say, nobody can know.
    [("openai_chat", "truncated"), ("openai_responses", "answered")],
)
def test_a_cut_answer_is_what_the_server_calls_it__max_tokens(base_url: str, vendor: str, outcome: str) -> None:
    (row,) = ask(vendor, base_url, "Tell a long story about a ship.", temperature=0, max_tokens=8).result.responses
    assert row.outcome == outcome
    assert row.text
    assert row.usage is not None
    assert row.usage.total_output_tokens == 8


def test_an_answer_follows_its_schema__chat(base_url: str) -> None:
    """The server ignores the schema of a Responses request, so only Chat Completions can be held to it."""
    done = ask("openai_chat", base_url, "Paris is in France.", temperature=0, max_tokens=60, output_schema=SCHEMA)
    (row,) = done.result.responses
    assert row.outcome == "answered"
    assert row.text is not None
    assert set(json.loads(row.text)) == {"city", "country"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_prompt_longer_than_the_context_fails_once__context_length(base_url: str, vendor: str) -> None:
    (row,) = ask(vendor, base_url, "word " * 4_000, max_tokens=8).result.responses
    assert row.failure_reason == "context_length"
    assert len(row.attempts) == 1
