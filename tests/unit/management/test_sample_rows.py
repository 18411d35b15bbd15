"""Samples with conversations, documents and words for judges: what is refused, kept and counted of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from abtest.contracts.records import Document, Sample, Turn
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.management import templates
from abtest.management.datasets import FrozenRows, freeze_rows
from abtest.runtime.catalogue import Tokenizers


def frozen(*rows: dict[str, Any], **changes: Any) -> FrozenRows:
    lines = [json.dumps({"id": f"s{number}", **row}).encode() for number, row in enumerate(rows, start=1)]
    return freeze_rows(lines, "samples", **changes)


def refused(*rows: dict[str, Any]) -> tuple[InputIssue, ...]:
    with pytest.raises(InvalidInputError) as caught:
        frozen(*rows)
    return caught.value.issues


def talk(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": f"{role} {number}"} for number, role in enumerate(roles)]


def test_a_row_without_the_later_fields_keeps_its_bytes__and_so_the_datasets_version() -> None:
    plain = {"inputs": {"q": "2+2"}, "reference": "4"}
    empty = {**plain, "messages": [], "documents": [], "expected_outcome": None, "rubric": None}

    assert frozen(plain).lines == (b'{"cluster":null,"id":"s1","inputs":{"q":"2+2"},"metadata":{},"reference":"4"}\n',)
    assert frozen(empty).version == frozen(plain).version


def test_a_row_with_the_later_fields_is_kept_whole() -> None:
    row = {
        "messages": talk("user", "assistant"),
        "documents": [{"text": "Paris is in France."}],
        "expected_outcome": "The user knows.",
        "rubric": "Names the country.",
    }

    (line,) = frozen(row).lines

    assert Sample.model_validate_json(line) == Sample(
        id="s1",
        messages=(Turn(role="user", content="user 0"), Turn(role="assistant", content="assistant 1")),
        documents=(Document(text="Paris is in France."),),
        expected_outcome="The user knows.",
        rubric="Names the country.",
    )


@pytest.mark.parametrize(
    ("roles", "path", "message"),
    [
        (["assistant", "user"], "messages.0.role", "the first message is the assistant's"),
        (["user", "user", "assistant"], "messages.1.role", "two messages in a row have the same role"),
        (["user", "assistant", "assistant"], "messages.2.role", "two messages in a row have the same role"),
        (["user", "assistant", "user"], "messages", "ends with a user's message"),
        (["user"], "messages", "ends with a user's message"),
        (["system", "user", "assistant"], "messages.0.role", "does not fit"),
    ],
)
def test_a_conversation_that_providers_would_read_differently_is_refused__with_its_line(
    roles: list[str], path: str, message: str
) -> None:
    (issue,) = refused({"messages": talk("user", "assistant")}, {"messages": talk(*roles)})

    assert (issue.line, issue.path) == (2, path)
    assert message in issue.message
    assert issue.allowed


def test_blank_messages_are_refused__each() -> None:
    blank = [{"role": "user", "content": " \n"}, {"role": "assistant", "content": "\t"}]

    assert [issue.path for issue in refused({"messages": blank})] == ["messages.0.content", "messages.1.content"]


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": talk(*["user", "assistant"] * 101)}, "messages"),
        ({"documents": [{"title": "no text"}]}, "documents.0.text"),
        ({"documents": [{"text": ""}]}, "documents.0.text"),
        ({"documents": ["text"]}, "documents.0"),
        ({"documents": [{"text": "x"}] * 101}, "documents"),
        ({"expected_outcome": ""}, "expected_outcome"),
        ({"rubric": 5}, "rubric"),
    ],
)
def test_a_later_field_of_the_wrong_shape_is_refused(row: dict[str, Any], path: str) -> None:
    assert [issue.path for issue in refused(row)] == [path]


def test_an_input_called_documents_is_refused__where_any_sample_has_documents() -> None:
    issues = refused(
        {"inputs": {"documents": "mine"}, "documents": [{"text": "x"}]},
        {"documents": [{"text": "y"}]},
        {"inputs": {"documents": "mine"}},
    )

    assert [(issue.line, issue.path) for issue in issues] == [(1, "inputs.documents"), (3, "inputs.documents")]


def test_an_input_called_documents_is_an_input__where_no_sample_has_documents() -> None:
    row = {"inputs": {"documents": "mine"}}

    assert frozen(row).summary.input_counts == {"documents": 1}
    assert templates.template_values(Sample(id="s1", **row)) == {"documents": "mine"}


def test_summary_counts_what_the_later_fields_hold__in_rows_and_characters() -> None:
    summary = frozen(
        {
            "inputs": {"q": "abc"},
            "messages": [{"role": "user", "content": "12345"}, {"role": "assistant", "content": "67"}],
            "documents": [{"title": "T", "text": "xyz"}, {"text": "w"}],
            "expected_outcome": "done",
            "rubric": "kind",
            "reference": 12,
        },
        {"inputs": {"q": "d"}, "rubric": "ok"},
        {"inputs": {"q": "e"}},
    ).summary

    assert (summary.conversations, summary.turns, summary.documents) == (1, 2, 1)
    assert (summary.expected_outcomes, summary.rubrics, summary.references) == (1, 2, 1)
    assert summary.part_characters == {"messages": 7, "reference": 2, "expected_outcome": 4, "rubric": 6}
    # As a template inserts them: "[1] T\nxyz\n\n[2]\nw".
    assert summary.input_characters == {"q": 5, "documents": 16}
    # Every row has a list of documents, which is empty in two of them.
    assert summary.input_counts == {"q": 3, "documents": 3}
    assert summary.blank_counts == {"documents": 2}


def test_summary_names_the_first_samples_without_a_reference() -> None:
    rows = [{"reference": 0}, *[{} for _ in range(7)]]

    summary = frozen(*rows).summary

    assert summary.references == 1
    assert summary.without_reference == ("s2", "s3", "s4", "s5", "s6")


def test_tokens_of_all_texts_are_counted__apart_for_inputs_and_the_rest() -> None:
    counter = Tokenizers()
    row = {
        "inputs": {"q": "hello"},
        "messages": talk("user", "assistant"),
        "documents": [{"text": "hello world"}],
        "rubric": "hello world",
    }

    found = frozen(row, counter=counter).summary.input_tokens["o200k_base"]

    assert found.by_input == {"q": 1, "documents": counter.count("o200k_base", "[1]\nhello world")}
    assert found.by_part == {"messages": counter.count("o200k_base", "user 0assistant 1"), "rubric": 2}
    assert found.error == 0.0


SAMPLE = Sample(
    id="s1",
    inputs={"q": "where?"},
    documents=(Document(title="Atlas", text="Paris is in France."), Document(text="So is Lyon.")),
)


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        ("{{ documents }}", "[1] Atlas\nParis is in France.\n\n[2]\nSo is Lyon."),
        (
            "{% for d in documents %}<{{ d.title }}|{{ d.text }}>{% endfor %}",
            "<Atlas|Paris is in France.><|So is Lyon.>",
        ),
        ("{{ documents | length }} {{ documents[1].text }} {{ q }}", "2 So is Lyon. where?"),
        ("{% if documents %}yes{% else %}no{% endif %}", "yes"),
        ("{{ documents | map(attribute='text') | join('; ') }}", "Paris is in France.; So is Lyon."),
        ("{{ documents[1:] | tojson }}", '[{"text": "So is Lyon.", "title": ""}]'),
    ],
)
def test_templates_use_documents__whole_or_one_by_one(source: str, prompt: str) -> None:
    assert templates.render(source, templates.template_values(SAMPLE)) == prompt


def test_a_sample_without_documents_has_an_empty_list_of_them() -> None:
    values = templates.template_values(Sample(id="s1"))

    assert templates.render("{% if documents %}yes{% else %}no{% endif %}{{ documents }}", values) == "no"


def test_text_of_documents_is_inserted_as_it_is__and_never_run() -> None:
    sample = Sample(id="s1", documents=(Document(text="{{ 7 * 7 }} {% raw %}"),))

    assert templates.render("{{ documents }}", templates.template_values(sample)) == "[1]\n{{ 7 * 7 }} {% raw %}"
