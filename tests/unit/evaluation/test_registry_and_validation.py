from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from abtest.core.errors import InvalidInputError
from abtest.evaluation import judges
from abtest.evaluation.model import JudgeType
from abtest.evaluation.registry import describe_judges, judge_types, load_judge
from abtest.evaluation.service import is_binary, kind_of, needs_reference
from abtest.evaluation.validation import check_parameters, option_names

SHARES = {"bleu", "chrf", "edit_distance", "field_f1", "imported", "rouge_l"}
"""Judges whose scores lie anywhere between 0 and 1."""


KINDS = {"pairwise": "model", "panel": "panel", "rubric": "model"}
"""Judges that are not code."""


@pytest.mark.parametrize("judge_type", judge_types())
def test_judge_exports_what_the_service_needs__for_every_file(judge_type: str) -> None:
    judge = load_judge(judge_type)
    assert judge.name == judge_type
    assert judge.summary.endswith(".")
    assert kind_of(judge_type) == KINDS.get(judge_type, "code")
    assert "type" not in option_names(judge.Parameters)
    assert all(field.description for field in judge.Parameters.model_fields.values())
    module = __import__(f"abtest.evaluation.judges.{judge_type}", fromlist=["JUDGE"])
    assert "Measures:" in module.__doc__
    assert "misleads:" in module.__doc__


@pytest.mark.parametrize("judge_type", sorted(set(judge_types()) - set(KINDS)))
def test_judge_in_code_says_what_its_scores_are__for_every_file(judge_type: str) -> None:
    judge = load_judge(judge_type)
    assert isinstance(judge, JudgeType)
    assert judge.scale == (0.0, 1.0)
    assert is_binary(judge_type) is (judge_type not in SHARES)


def test_judges_are_described__with_a_json_schema_of_their_options() -> None:
    described = {judge["type"]: judge for judge in describe_judges()}
    assert set(described) == {path.stem for path in Path(judges.__file__).parent.glob("[a-z]*.py")}
    assert "schema" in described["json_schema"]["parameters"]["properties"]
    assert described["json_schema"]["parameters"]["additionalProperties"] is False
    assert {name: one["kind"] for name, one in described.items() if one["kind"] != "code"} == KINDS
    assert (described["rubric"]["binary"], described["rubric"]["scale"]) == (None, None)
    json.dumps(list(described.values()))


def test_python_judge__is_sent_to_its_owners_machine() -> None:
    (issue,) = check_parameters("python", {"code": "import os"})
    assert issue.path == "type"
    assert "abtest judge RUN --local" in issue.message
    assert "'imported'" in issue.message


def test_unknown_judge__suggests_the_nearest() -> None:
    (issue,) = check_parameters("exat_match", {})
    assert issue.path == "type"
    assert "did you mean 'exact_match'" in issue.message


@pytest.mark.parametrize(
    ("judge_type", "parameters", "path", "says"),
    [
        ("exact_match", {"case_sensitve": False}, "case_sensitve", "did you mean 'case_sensitive'"),
        ("exact_match", {"strip": "maybe"}, "strip", "boolean"),
        ("numeric_match", {"extract": "lst"}, "extract", "choices"),
        ("numeric_match", {"tolerance_abs": -1}, "tolerance_abs", "greater than or equal to 0"),
        ("numeric_match", {"tolerance_abs": "NaN"}, "tolerance_abs", "finite"),
        ("contains", {"values": []}, "values", "empty list"),
        ("contains", {"values": [""]}, "values.0", "at least 1 character"),
        ("contains", {"none_of": []}, "none_of", "empty list"),
        ("contains", {"mode": "all", "any_of": ["a"]}, "parameters", "`mode` belongs to `values`"),
        ("numeric_match", {"unit": "km"}, "parameters", "set `units` to same or convert"),
        ("numeric_match", {"units": "same", "unit": "kmm"}, "unit", "not known"),
        ("numeric_match", {"units": "same", "percent": "divide"}, "parameters", "a unit like others"),
        ("rouge_l", {"measure": "f2"}, "measure", "choices"),
        ("bleu", {"highest_order": 5}, "highest_order", "less than or equal to 4"),
        ("chrf", {"beta": 0}, "beta", "greater than 0"),
        ("edit_distance", {"unit": "words"}, "unit", "no such option"),
        ("regex", {}, "pattern", "needs this option"),
        ("regex", {"pattern": "("}, "pattern", "not a regular expression"),
        ("regex", {"pattern": "(a+)+$"}, "pattern", "exponential"),
        ("regex", {"pattern": "(?:(?:ab|c+)d)*"}, "pattern", "exponential"),
        ("regex", {"pattern": "a(b)", "group": 2}, "group", "no group 2"),
        ("regex", {"pattern": "a(?P<x>b)", "group": "y"}, "group", "named groups: x"),
        ("json_schema", {}, "schema", "needs this option"),
        ("json_schema", {"schema": {"type": "foo"}}, "schema", "not a JSON Schema"),
        ("json_schema", {"schema": {"$ref": "http://example.com/x"}}, "schema", "only references within"),
        ("json_schema", {"schema": {"properties": {"a": {"pattern": "(a*)*"}}}}, "schema", "exponential"),
        ("json_schema", {"schema": {"patternProperties": {"(a*)*": {}}}}, "schema", "exponential"),
    ],
)
def test_wrong_option_is_named__with_its_path(
    judge_type: str, parameters: dict[str, Any], path: str, says: str
) -> None:
    (issue,) = check_parameters(judge_type, parameters)
    assert issue.path == path
    assert says in issue.message


@pytest.mark.parametrize(
    "pattern", ["a+b+", "(?:ab)+", r"(\w++, )*", "(?>a+)+", "(a{1,5})+", "(a|b)*", "(a+){1,3}", "(?=a+)b*"]
)
def test_harmless_pattern__is_allowed(pattern: str) -> None:
    assert check_parameters("regex", {"pattern": pattern}) == []


def test_every_mistake_is_reported__at_once() -> None:
    issues = check_parameters("regex", {"pattern": "(", "mode": "x", "grp": 1})
    assert {issue.path for issue in issues} == {"pattern", "mode", "grp"}


@pytest.mark.parametrize(
    ("judge_type", "parameters", "needed"),
    [
        ("exact_match", {}, True),
        ("numeric_match", {}, True),
        ("contains", {}, True),
        ("contains", {"values": ["a"]}, False),
        ("contains", {"none_of": ["a"]}, False),
        ("rouge_l", {}, True),
        ("bleu", {}, True),
        ("chrf", {}, True),
        ("edit_distance", {}, True),
        ("regex", {"pattern": "a"}, False),
        ("regex", {"pattern": "(a)", "group": 1}, True),
        ("json_schema", {"schema": {}}, False),
        ("json_schema", {"schema": {}, "match_reference": True}, True),
    ],
)
def test_reference_is_needed__only_where_it_is_read(judge_type: str, parameters: dict[str, Any], needed: bool) -> None:
    assert needs_reference(judge_type, parameters) is needed


def test_needs_reference_refuses__wrong_options() -> None:
    with pytest.raises(InvalidInputError, match="needs this option"):
        needs_reference("regex", {})
