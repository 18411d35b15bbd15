"""The shape of a definition: every wrong field at once, with its path, what was found and what is allowed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from entities import VERSION, definition_body, replay_body
from pydantic import ValidationError

from abtest.contracts.definition import TestDefinition, parse_shape
from abtest.core.errors import InputIssue


def issue_at(path: str, body: dict[str, Any]) -> InputIssue:
    definition, issues = parse_shape(body)
    assert definition is None
    found = {issue.path: issue for issue in issues}
    assert path in found, sorted(found)
    return found[path]


def with_variant(**changes: Any) -> dict[str, Any]:
    body = definition_body()
    body["variants"]["terse"].update(changes)
    return body


def test_whole_definition_is_read__with_the_defaults() -> None:
    definition, issues = parse_shape(definition_body())

    assert issues == []
    assert definition is not None
    assert definition.treatments == ("wordy",)
    assert definition.cache == "on"
    assert definition.design.alpha == 0.05
    assert definition.budget.cap_usd is None
    assert definition.variants["terse"].parameters.stop == ()
    assert definition.judges["correct"].parameters == {}


def test_recorded_variants_are_read__without_a_prompt() -> None:
    definition, issues = parse_shape(replay_body())

    assert issues == []
    assert definition is not None
    assert definition.variants["old"].recording is not None


def test_judge_keeps_its_own_options__beside_its_type() -> None:
    body = definition_body(judges={"correct": {"type": "numeric_match", "tolerance_abs": 0.5}})
    definition, _ = parse_shape(body)

    assert definition is not None
    assert definition.judges["correct"].parameters == {"tolerance_abs": 0.5}


def test_money_is_exact__from_text_and_from_a_number() -> None:
    assert TestDefinition.model_validate(definition_body(budget={"cap_usd": "0.10"})).budget.cap_usd == Decimal("0.10")
    assert TestDefinition.model_validate(definition_body(budget={"cap_usd": 0.1})).budget.cap_usd == Decimal("0.1")


def test_definition_is_immutable() -> None:
    definition = TestDefinition.model_validate(definition_body())

    with pytest.raises(ValidationError):
        definition.name = "other"


def test_json_form_reads_back__to_the_same_definition() -> None:
    definition = TestDefinition.model_validate(definition_body(budget={"cap_usd": "0.5"}))

    assert TestDefinition.model_validate_json(definition.model_dump_json()) == definition


@pytest.mark.parametrize(
    ("path", "value", "found", "allowed"),
    [
        ("temperature", 3, "3", "less than or equal to 2"),
        ("temperature", "hot", "'hot'", "valid number"),
        ("max_tokens", 0, "0", "greater than or equal to 1"),
        ("top_p", 0, "0", "greater than 0"),
        ("seed", -1, "-1", "greater than or equal to 0"),
        ("stop", ["a", "b", "c", "d", "e"], "['a', 'b', 'c', 'd', 'e']", "at most 4 items"),
        ("stop", "a", "'a'", "a list"),
    ],
)
def test_wrong_parameter_is_told__with_what_is_allowed(path: str, value: Any, found: str, allowed: str) -> None:
    issue = issue_at(f"variants.terse.parameters.{path}", with_variant(parameters={path: value}))

    assert issue.found == found
    assert allowed in (issue.allowed or "")


@pytest.mark.parametrize(("field", "value"), [("judges", ["rubric"]), ("judges.correct", "rubric"), ("judges", {})])
def test_wrong_kind_of_value_is_told__without_words_of_python(field: str, value: Any) -> None:
    judges = value if field == "judges" else {"correct": value}

    allowed = issue_at(field, definition_body(judges=judges)).allowed

    assert allowed == ("at least 1 item" if value == {} else "a mapping of names to values")


def test_unknown_field_is_told__where_it_stands() -> None:
    issue = issue_at("variants.terse.temprature", with_variant(temprature=0))

    assert issue.message == "nothing reads this field"
    assert issue.found == "0"
    assert "misspelt" in (issue.allowed or "")


@pytest.mark.parametrize("field", ["name", "dataset", "control", "variants", "judges", "primary_metric"])
def test_missing_field_is_told__by_name(field: str) -> None:
    body = definition_body()
    del body[field]

    assert issue_at(field, body).message == "this field is required"


def test_one_variant_is_too_few() -> None:
    body = definition_body()
    del body["variants"]["wordy"]

    assert "at least 2 items" in (issue_at("variants", body).allowed or "")


def test_empty_prompt_is_refused() -> None:
    issue = issue_at("variants.terse.prompt.user", with_variant(prompt={"user": ""}))

    assert issue.found == "''"
    assert "at least 1 character" in (issue.allowed or "")


@pytest.mark.parametrize("name", ["", "1st", "two words", "ü", "a" * 65, "a/b"])
def test_names_are_plain__everywhere(name: str) -> None:
    body = definition_body(name=name, judges={name: {"type": "exact_match"}})
    _, issues = parse_shape(body)

    assert {"name", f"judges.{name}"} <= {issue.path for issue in issues}
    assert all("a name: a letter" in (issue.allowed or "") for issue in issues)


def test_choices_are_listed__for_a_wrong_word() -> None:
    issue = issue_at("cache", definition_body(cache="maybe"))

    assert issue.found == "'maybe'"
    assert issue.allowed == "'off', 'read' or 'on'"


def test_dataset_version_is_64_digits__and_says_so() -> None:
    issue = issue_at("dataset.version", definition_body(dataset={"version": "dataset.jsonl"}))

    assert issue.allowed == "the content version of a dataset: 64 hexadecimal digits"
    assert parse_shape(definition_body(dataset={"version": VERSION}))[1] == []


def test_long_value_is_shortened__in_what_was_found() -> None:
    issue = issue_at("control", definition_body(control="x" * 500))

    assert len(issue.found or "") == 80
    assert (issue.found or "").endswith("...")


def test_every_wrong_field_is_told_at_once() -> None:
    body = with_variant(parameters={"temperature": 9}, prompt={"user": ""}, extra=1)
    body |= {"cache": "maybe", "seed": -1, "budget": {"cap_usd": 0}, "design": {"alpha": 0.7, "kind": "endless"}}

    _, issues = parse_shape(body)

    assert {issue.path for issue in issues} == {
        "variants.terse.parameters.temperature",
        "variants.terse.prompt.user",
        "variants.terse.extra",
        "cache",
        "seed",
        "budget.cap_usd",
        "design.alpha",
        "design.kind",
    }
    assert all(issue.found is not None and issue.allowed is not None for issue in issues)


@pytest.mark.parametrize("cap", ["NaN", "Infinity", "-1", "0", "a dollar"])
def test_cap_must_be_an_amount(cap: str) -> None:
    assert issue_at("budget.cap_usd", definition_body(budget={"cap_usd": cap})).found == repr(cap)
