"""What a sample becomes when it is asked: the prompt's parts, the sample's conversation, its documents."""

from __future__ import annotations

from typing import Any

import pytest
from entities import definition_body

from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import Document, Sample, Turn
from abtest.contracts.steps import GenerateItem
from abtest.core.errors import InvalidInputError
from abtest.providers.registration import ModelProvider
from abtest.runtime.steps.batch_requests import requests_of

PROVIDER = ModelProvider(id="local", vendor="openai_chat", base_url="http://127.0.0.1:9/v1")


def asked(sample: Sample, **prompt: Any) -> list[tuple[str, str]]:
    body = definition_body()
    name = next(iter(body["variants"]))
    body["variants"][name]["prompt"] = {"user": "{{ q }}", **prompt}
    item = GenerateItem(
        workspace="w", run_id="r", wave=0, batch=0, variant=name, vendor="openai_chat", queue_url="q", size=1
    )
    (request,) = requests_of(TestDefinition.model_validate(body), item, PROVIDER, [sample])
    return [(message.role, message.content) for message in request.messages]


def test_a_conversation_stands_before_the_prompts_user_message__after_the_prompts_own_turns() -> None:
    sample = Sample(
        id="s1",
        inputs={"q": "And now?"},
        messages=(Turn(role="user", content="Hello {{ q }}"), Turn(role="assistant", content="Hi")),
    )
    examples = [{"role": "user", "content": "Example {{ q }}"}, {"role": "assistant", "content": "Answer"}]

    assert asked(sample, system="Be brief.", messages=examples) == [
        ("system", "Be brief."),
        ("user", "Example And now?"),
        ("assistant", "Answer"),
        # What a sample says is data: no template is run in it.
        ("user", "Hello {{ q }}"),
        ("assistant", "Hi"),
        ("user", "And now?"),
    ]


def test_a_sample_without_a_conversation_is_asked__as_the_prompt_says() -> None:
    assert asked(Sample(id="s1", inputs={"q": "2+2"})) == [("user", "2+2")]


def test_documents_are_inserted__in_every_part_of_the_prompt() -> None:
    sample = Sample(id="s1", inputs={"q": "Where?"}, documents=(Document(title="Atlas", text="Paris."),))

    assert asked(sample, system="Rest on this:\n{{ documents }}", user="{{ documents[0].text }} {{ q }}") == [
        ("system", "Rest on this:\n[1] Atlas\nParis."),
        ("user", "Paris. Where?"),
    ]


def test_a_document_that_a_sample_lacks_is_told() -> None:
    with pytest.raises(InvalidInputError, match="the template cannot be rendered"):
        asked(Sample(id="s1", inputs={"q": "Where?"}), user="{{ documents[0].text }}")
