"""Inputs that a judge's own prompt takes by name, and that samples lack."""

from __future__ import annotations

import pytest
from entities import a_summary

from abtest.contracts.definition import JudgeConfiguration
from abtest.management.judge_template_checks import template_issues, template_warnings

SUMMARY = a_summary(100, input_counts={"country": 100, "year": 40})


def judges(source: str, part: str = "user") -> dict[str, JudgeConfiguration]:
    return {"grade": JudgeConfiguration.model_validate({"type": "rubric", "template": {part: source}})}


@pytest.mark.parametrize(
    "source", ["{{ inputs.contry }} {{ answer }}", "{{ inputs['contry'] }}", "{% if inputs.contry %}x{% endif %}"]
)
def test_input_that_no_sample_has_is_an_error__with_the_nearest_name(source: str) -> None:
    (issue,) = template_issues(judges(source), SUMMARY)

    assert (issue.path, issue.found, issue.allowed) == ("judges.grade.template.user", "contry", "country, year")
    assert "did you mean 'country'?" in issue.message
    assert template_warnings(judges(source), SUMMARY) == []


def test_documents_are_no_input() -> None:
    summary = a_summary(100, input_counts={"country": 100, "documents": 100}, documents=30)

    (issue,) = template_issues(judges("{{ inputs.documents }}"), summary)

    assert issue.allowed == "country"


def test_input_that_some_samples_lack_is_told__with_their_number() -> None:
    asked = judges("Judge of {{ inputs.year }}.", "system")

    assert list(template_issues(asked, SUMMARY)) == []
    (warning,) = template_warnings(asked, SUMMARY)
    assert "60 of 100 samples have no input 'year'" in warning


@pytest.mark.parametrize(
    "source",
    [
        "{{ inputs.country }} {{ question }} {{ answer }}",
        "{% if inputs.topic is defined %}{{ inputs.topic }}{% endif %}{{ answer }}",
        "{{ inputs.topic | default('none') }}{{ answer }}",
        "{% for name, text in inputs.items() %}{{ text }}{% endfor %}{{ answer }}",
        "{{ documents.topic }}",
        "{{ answer ",
    ],
)
def test_nothing_is_said__of_inputs_that_are_there_or_not_needed(source: str) -> None:
    assert list(template_issues(judges(source), SUMMARY)) == []
    assert template_warnings(judges(source), SUMMARY) == []


def test_nothing_is_said__of_judges_without_a_template_of_their_own() -> None:
    plain = {
        "exact": JudgeConfiguration(type="exact_match"),
        "odd": JudgeConfiguration.model_validate({"type": "rubric", "template": "house"}),
    }
    assert list(template_issues(plain, SUMMARY)) == []
