"""Validation: all that can be known to be wrong is told at once, before anything is spent."""

from __future__ import annotations

from typing import Any

import pytest
from entities import OTHER_VERSION, VERSION, a_definition, a_summary, definition_body, replay_body

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.management.validation import (
    MAX_DEFINITION_BYTES,
    check_against_dataset,
    parse_definition,
)
from abtest.runtime.catalogue import JudgeRegistry

JUDGES = JudgeRegistry()


def issues_of(body: dict[str, Any]) -> dict[str, InputIssue]:
    with pytest.raises(InvalidInputError) as caught:
        parse_definition(body, JUDGES)
    paths = [issue.path for issue in caught.value.issues]
    assert len(set(paths)) == len(paths)
    return {issue.path: issue for issue in caught.value.issues}


def variants(**changes: Any) -> dict[str, Any]:
    body = definition_body()
    body["variants"]["terse"] |= changes
    return {"variants": body["variants"]}


def test_good_definitions_are_read() -> None:
    assert parse_definition(definition_body(), JUDGES).name == "capitals"
    assert parse_definition(replay_body(), JUDGES).control == "old"


def test_wrong_fields_of_every_kind_are_told_at_once() -> None:
    body = definition_body(
        **variants(parameters={"temperature": 9}),
        control="ters",
        primary_metric="corect",
        judges={"correct": {"type": "exact_mach"}, "numeric": {"type": "numeric_match", "tolerance": 1}},
        cache="maybe",
    )
    body["variants"]["wordy"]["prompt"]["user"] = "{{ country"

    found = issues_of(body)

    assert set(found) == {
        "variants.terse.parameters.temperature",
        "variants.wordy.prompt.user",
        "control",
        "primary_metric",
        "judges.correct.type",
        "judges.numeric.tolerance",
        "cache",
    }
    assert all(issue.allowed for issue in found.values())
    assert "did you mean 'terse'?" in found["control"].message
    assert "did you mean 'correct'?" in found["primary_metric"].message
    assert "did you mean 'exact_match'?" in found["judges.correct.type"].message


def test_control_must_be_a_variant() -> None:
    issue = issues_of(definition_body(control="wordie"))["control"]

    assert issue == InputIssue("control", "not one of the variants; did you mean 'wordy'?", "wordie", "terse, wordy")


def test_control_may_be_a_variant_that_is_wrong_itself__and_is_not_told_twice() -> None:
    assert set(issues_of(definition_body(**variants(model="")))) == {"variants.terse.model"}


def test_primary_metric_must_be_a_judge__not_one_that_always_exists() -> None:
    issue = issues_of(definition_body(primary_metric="latency_ms"))["primary_metric"]

    assert issue.allowed == "the name of a judge: correct"


def test_judge_must_not_take_the_name__of_a_metric_that_always_exists() -> None:
    body = definition_body(judges={"cost_usd": {"type": "exact_match"}}, primary_metric="cost_usd")

    assert set(issues_of(body)) == {"judges.cost_usd"}


def test_unknown_judge_is_told__with_the_nearest_and_all_names() -> None:
    issue = issues_of(definition_body(judges={"correct": {"type": "jsonschema"}}))["judges.correct.type"]

    assert "did you mean 'json_schema'?" in issue.message
    assert issue.found == '"jsonschema"'
    assert "numeric_match" in (issue.allowed or "")


def test_judge_options_are_checked__with_their_path() -> None:
    issue = issues_of(definition_body(judges={"correct": {"type": "regex", "pattern": "("}}))["judges.correct.pattern"]

    assert issue.found == '"("'


def test_same_variants_are_refused__because_nothing_can_differ() -> None:
    body = definition_body()
    body["variants"]["wordy"] = body["variants"]["terse"]

    assert set(issues_of(body)) == {"variants"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"prompt": None}, "variants.terse.prompt"),
        ({"recording": {"version": VERSION}}, "variants.terse.recording"),
        ({"provider": "replay", "prompt": None}, "variants.terse.recording"),
        ({"provider": "replay", "recording": {"version": VERSION}}, "variants.terse.prompt"),
    ],
)
def test_prompt_and_recording_go_with_their_provider(change: dict[str, Any], path: str) -> None:
    assert set(issues_of(definition_body(**variants(**change)))) == {path}


@pytest.mark.parametrize("part", ["system", "user"])
@pytest.mark.parametrize("source", ["{{ country", "{% include 'other' %}", "{{ country | nosuch }}"])
def test_template_that_cannot_work_is_told__where_it_stands(part: str, source: str) -> None:
    prompt = {"user": "Capital of {{ country }}?", part: source}

    assert set(issues_of(definition_body(**variants(prompt=prompt)))) == {f"variants.terse.prompt.{part}"}


@pytest.mark.parametrize("cap", ["1e30", "0.000000001", "1000000000.01"])
def test_cap_that_cannot_be_kept_exactly_is_refused(cap: str) -> None:
    assert set(issues_of(definition_body(budget={"cap_usd": cap}))) == {"budget.cap_usd"}


@pytest.mark.parametrize("cap", ["0.00000001", "0.5", "1000000000"])
def test_cap_that_can_be_kept_is_taken(cap: str) -> None:
    assert str(parse_definition(definition_body(budget={"cap_usd": cap}), JUDGES).budget.cap_usd) in (cap, "1E-8")


def test_definition_too_long_to_keep_is_refused__with_its_size() -> None:
    issue = issues_of(definition_body(**variants(prompt={"user": "x" * 150_000, "system": "y" * 150_000})))["(whole)"]

    assert f"{MAX_DEFINITION_BYTES:,} bytes" in (issue.allowed or "")


def test_option_that_utf8_cannot_hold_is_refused__and_no_crash() -> None:
    body = definition_body(judges={"correct": {"type": "contains", "values": ["\ud800"]}})

    assert set(issues_of(body)) <= {"(whole)", "judges.correct.values.0"}


@pytest.mark.parametrize(
    "raw", [{}, {"variants": 3, "judges": []}, {"variants": {"a": 1}, "control": 2}, {"dataset": "x"}]
)
def test_nonsense_is_told__as_issues(raw: dict[str, Any]) -> None:
    assert issues_of(raw)


def test_template_variable_that_samples_lack_is_told__with_the_nearest_name() -> None:
    definition = a_definition(**variants(prompt={"user": "Capital of {{ contry }}?"}))

    issues, _ = check_against_dataset(definition, a_summary(100, input_counts={"country": 100, "year": 40}), JUDGES)

    assert issues == [
        InputIssue(
            "variants.terse.prompt.user",
            "the template uses {{ contry }}, which 100 of 100 samples lack; did you mean 'country'?",
            "contry",
            "country, year",
        )
    ]


def test_template_variable_that_some_samples_lack_is_told__with_their_number() -> None:
    issues, _ = check_against_dataset(a_definition(), a_summary(100, input_counts={"country": 93}), JUDGES)

    assert [issue.path for issue in issues] == ["variants.terse.prompt.user", "variants.wordy.prompt.user"]
    assert "7 of 100 samples lack" in issues[0].message


@pytest.mark.parametrize(
    "user", [" \n ", "{{ country }}", "{# say it #}{{ country }}", "{% if country %}{{ country }}{% endif %}"]
)
def test_empty_prompt_is_told__with_the_number_of_samples(user: str) -> None:
    definition = a_definition(**variants(prompt={"user": user}))

    issues, _ = check_against_dataset(definition, a_summary(100, blank_counts={"country": 3}), JUDGES)

    expected = 100 if not user.strip() else 3
    assert [(issue.path, issue.message) for issue in issues] == [
        ("variants.terse.prompt.user", f"the prompt is empty for {expected} of 100 samples")
    ]


def test_prompt_of_two_variables_is_empty_only__where_both_must_be_blank() -> None:
    definition = a_definition(**variants(prompt={"user": "{{ a }}{{ b }}"}))
    counts = {"a": 100, "b": 100, "country": 100}

    def issues(**blank: int) -> list[str]:
        return [
            i.message
            for i in check_against_dataset(definition, a_summary(100, input_counts=counts, blank_counts=blank), JUDGES)[
                0
            ]
        ]

    assert issues(a=50, b=50) == []
    assert issues(a=60, b=60) == ["the prompt is empty for 20 of 100 samples"]
    assert issues(a=100) == []


def test_blank_inputs_are_fine__where_the_template_has_text_of_its_own() -> None:
    issues, _ = check_against_dataset(a_definition(), a_summary(100, blank_counts={"country": 3}), JUDGES)

    assert issues == []


def test_templates_that_look_into_objects_are_not_run__by_the_check() -> None:
    definition = a_definition(
        **variants(prompt={"user": "{{ country.name }} {{ country + 1 }} {{ country[0] | round }}"})
    )

    assert check_against_dataset(definition, a_summary(), JUDGES)[0] == []


@pytest.mark.parametrize(
    ("judge", "needed"),
    [
        ({"type": "exact_match"}, True),
        ({"type": "numeric_match"}, True),
        ({"type": "json_schema", "schema": {}, "match_reference": True}, True),
        ({"type": "json_schema", "schema": {}}, False),
        ({"type": "regex", "pattern": "a"}, False),
    ],
)
def test_missing_references_are_told__where_the_judge_needs_them(judge: dict[str, Any], needed: bool) -> None:
    definition = a_definition(judges={"correct": judge})

    none, _ = check_against_dataset(definition, a_summary(100, references=0), JUDGES)
    some, warnings = check_against_dataset(definition, a_summary(100, references=88, without_reference=("s4",)), JUDGES)

    assert [issue.path for issue in none] == (["judges.correct"] if needed else [])
    assert some == []
    assert [words.split(";")[0] for words in warnings] == (
        ["correct: 12 of 100 samples have no reference (s4, ...)"] if needed else []
    )


def test_few_samples_are_warned_of__and_clusters_count_as_samples() -> None:
    few = check_against_dataset(a_definition(), a_summary(29), JUDGES)[1]
    clustered = check_against_dataset(a_definition(), a_summary(100, clusters=5), JUDGES)[1]
    enough = check_against_dataset(a_definition(), a_summary(30), JUDGES)[1]

    assert few == ["Only 29 samples: intervals will be wide, and small effects will not be found."]
    assert clustered[0].startswith("Only 5 clusters")
    assert enough == []


def test_sampling_is_warned_of__by_variant() -> None:
    definition = a_definition(**variants(parameters={}))

    assert check_against_dataset(definition, a_summary(), JUDGES)[1] == [
        "terse: temperature is not 0, so answers differ between runs; the ledger keeps the first ones."
    ]


def test_recorded_variants_need_nothing_of_the_samples_inputs() -> None:
    definition = parse_definition(replay_body(), JUDGES)

    assert definition.variants["new"].recording is not None
    assert definition.variants["new"].recording.version == OTHER_VERSION
    assert check_against_dataset(definition, a_summary(100, input_counts={}), JUDGES) == ([], [])
