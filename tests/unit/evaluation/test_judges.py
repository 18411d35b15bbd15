from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.judges.json_schema import same_json
from abtest.evaluation.judges.numeric_match import number_in
from abtest.evaluation.model import Score
from abtest.evaluation.registry import load_judge

PERSON = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}


def judged(judge_type: str, answer: str, reference: Any = None, **parameters: Any) -> Score:
    judge = load_judge(judge_type)
    scorer = judge.compile(judge.Parameters.model_validate(parameters))
    return scorer(Sample(id="s1", reference=reference), answer)


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        ("Paris", "Paris", {}, 1),
        (" Paris\n", "Paris", {}, 1),
        (" Paris", "Paris", {"strip": False}, 0),
        ("paris", "Paris", {}, 0),
        ("STRASSE", "straße", {"case_sensitive": False}, 1),
        ("a  b\n c", "a b c", {}, 0),
        ("a  b\n c", "a b c", {"collapse_whitespace": True}, 1),
        (" a  b", "a b", {"collapse_whitespace": True, "strip": False}, 0),
        (" a  b", " a b", {"collapse_whitespace": True, "strip": False}, 1),
        ("Paris, France.", "Paris France", {"ignore_punctuation": True}, 1),
        ("“Paris”", "Paris", {"ignore_punctuation": True}, 1),
        ("The Eiffel Tower", "Eiffel Tower", {"ignore_articles": True}, 1),
        ("tower the", "tower", {"ignore_articles": True}, 1),
        ("Theme", "me", {"ignore_articles": True}, 0),
        ("9 a.m.", "9 am", {"ignore_articles": True, "ignore_punctuation": True}, 1),
        ("(The) Tower", "tower", {"ignore_articles": True, "ignore_punctuation": True, "case_sensitive": False}, 1),
        ("cafe\u0301", "caf\u00e9", {}, 1),
        ("two", ["one", "two"], {}, 1),
        ("three", ["one", "two"], {}, 0),
        ("18", 18, {}, 1),
        ("true", True, {}, 1),
        ("", "", {}, 1),
        ("", "Paris", {}, 0),
    ],
)
def test_exact_match_scores__by_normalisation(
    answer: str, reference: Any, parameters: dict[str, Any], score: int
) -> None:
    found = judged("exact_match", answer, reference, **parameters)
    assert found.score == score
    assert (found.reason is None) == (score == 1)


@pytest.mark.parametrize("reference", [None, [], {"a": 1}, [None], [["a"]]])
def test_exact_match_cannot_judge__without_a_text_to_compare(reference: Any) -> None:
    with pytest.raises(UnjudgeableError, match="'s1'"):
        judged("exact_match", "x", reference)


@pytest.mark.parametrize(
    ("reference", "parameters"),
    [
        ("A", {"ignore_articles": True}),
        ("?!", {"ignore_punctuation": True}),
        (["Eiffel Tower", "the"], {"ignore_articles": True}),
    ],
)
def test_exact_match_cannot_judge__when_normalising_leaves_nothing(reference: Any, parameters: dict[str, Any]) -> None:
    with pytest.raises(UnjudgeableError, match="turn ignore_punctuation or ignore_articles off"):
        judged("exact_match", "", reference, **parameters)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", "18"),
        ("A: 18.", "18"),
        ("-$20", "-20"),
        ("$-20", "-20"),
        ("$1,234,567.50 is", "1234567.50"),
        ("10-12", "12"),
        ("x = -5", "-5"),
        ("(-5)", "-5"),
        ("2*-3", "-3"),
        ("\u22127 degrees", "-7"),
        ("18kg", "18"),
        ("H2O", None),
        ("GPT4", None),
        ("50 %", "50"),
        ("1e-3", "0.001"),
        ("1.5e3.", "1500"),
        ("and .5", "0.5"),
        ("1,2,3", "3"),
        ("1,2345", "2345"),
        ("3/4", "4"),
        ("no number", None),
        ("", None),
        ("v1.2.3", None),
    ],
)
def test_number_is_read__from_a_text(text: str, number: str | None) -> None:
    found = number_in(text)
    assert (found is None) == (number is None)
    if number is not None:
        assert found == load_decimal(number)


def load_decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        ("first 3, then 18", "18", {}, 1),
        ("first 3, then 18", "3", {"extract": "first"}, 1),
        ("18 apples", 18, {"extract": "whole"}, 0),
        (" $18 ", 18, {"extract": "whole"}, 1),
        ("0.30", 0.3, {}, 1),
        ("90,000", "90000", {}, 1),
        ("3.14", 3.14159, {}, 0),
        ("3.14", 3.14159, {"tolerance_abs": 0.01}, 1),
        ("99", 100, {"tolerance_rel": "0.01"}, 1),
        ("98.9", 100, {"tolerance_rel": "0.01"}, 0),
        ("50%", 0.5, {"percent": "divide"}, 1),
        ("50%", 50, {}, 1),
        ("none", 18, {}, 0),
        ("18.0", 18, {}, 1),
        ("the answer is 7", "step 1: 3\nA: 7", {}, 1),
        ("123456789012345678901234567890", "123456789012345678901234567891", {}, 0),
        ("It is 7.", [5, "7"], {}, 1),
        ("It is 7.", [5, 6], {"tolerance_abs": 1}, 1),
        ("It is 8.", [5, 6], {"tolerance_abs": 1}, 0),
        ("5,000 m", "5 km", {"units": "convert"}, 1),
        ("5,000 m", "5 km", {"units": "same"}, 0),
        ("5 kilometres", "5 km", {"units": "same"}, 1),
        ("5 miles", "5 km", {"units": "convert"}, 0),
        ("3.1 miles", "5 km", {"units": "convert", "tolerance_rel": "0.01"}, 1),
        ("5,040 m", "5 km", {"units": "convert", "tolerance_abs": "0.04"}, 1),
        ("5,041 m", "5 km", {"units": "convert", "tolerance_abs": "0.04"}, 0),
        ("5 kg", "5 km", {"units": "convert"}, 0),
        ("5", "5 km", {"units": "convert"}, 0),
        ("5 apples", "5 km", {"units": "same"}, 0),
        ("none", "5 km", {"units": "same"}, 0),
        ("5 km", 5, {"units": "same", "unit": "km"}, 1),
        ("5,000 m", 5, {"units": "convert", "unit": "kilometre"}, 1),
        ("212 °F", "100 °C", {"units": "convert"}, 1),
        ("0.5 %", "5 ‰", {"units": "convert"}, 1),
        ("$20", "20 USD", {"units": "same"}, 1),
        ("€20", "$20", {"units": "convert"}, 0),
        ("20 euros", ["$22", "€20"], {"units": "convert"}, 1),
        ("5 km ", "5 km", {"units": "same", "extract": "whole"}, 1),
        ("about 5 km", "5 km", {"units": "same", "extract": "whole"}, 0),
        ("5 km, so 6 km", "5 km", {"units": "same", "extract": "first"}, 1),
    ],
)
def test_numeric_match_scores__within_tolerance(
    answer: str, reference: Any, parameters: dict[str, Any], score: int
) -> None:
    assert judged("numeric_match", answer, reference, **parameters).score == score


@pytest.mark.parametrize("parameters", [{}, {"units": "convert", "unit": "km"}])
@pytest.mark.parametrize("reference", [None, True, "none", [], [1, "none"], [1, True], [[1]], {"a": 1}])
def test_numeric_match_cannot_judge__without_a_number_to_compare(reference: Any, parameters: dict[str, Any]) -> None:
    with pytest.raises(UnjudgeableError, match="'s1'"):
        judged("numeric_match", "18 km", reference, **parameters)


def test_numeric_match_cannot_judge__without_a_unit_to_compare() -> None:
    with pytest.raises(UnjudgeableError, match="names no unit that is known: '18 apples'"):
        judged("numeric_match", "18 apples", "18 apples", units="same")


def test_numeric_match_says_why__when_the_unit_is_missing_or_another() -> None:
    assert "has no unit that is known" in (judged("numeric_match", "5", "5 km", units="same").reason or "")
    assert judged("numeric_match", "5 m", "5 km", units="same").reason == "5 (metre) is not 5 (kilometre)"


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        ("It is paris.", "Paris", {}, 1),
        ("It is paris.", "Paris", {"case_sensitive": True}, 0),
        ("a and b", None, {"values": ["a", "z"]}, 1),
        ("a and b", None, {"values": ["a", "z"], "mode": "all"}, 0),
        ("a and b", ["a", "b"], {"mode": "all"}, 1),
        ("start", "art", {}, 1),
        ("start", "art", {"whole_words": True}, 0),
        ("art.", "art", {"whole_words": True}, 1),
        ("1+1=2", "1+1", {"whole_words": True}, 1),
        ("start art", "art", {"whole_words": True}, 1),
        ("art_1 arté", "art", {"whole_words": True}, 0),
        ("a and b", ["x", "y"], {"mode": "none"}, 1),
        ("a and b", ["x", "b"], {"mode": "none"}, 0),
        ("Paris, sorry", "Paris", {"mode": "none"}, 0),
        ("yes, thank you", None, {"any_of": ["yes", "no"], "all_of": ["thank", "you"], "none_of": ["sorry"]}, 1),
        ("thank you", None, {"any_of": ["yes", "no"], "all_of": ["thank", "you"]}, 0),
        ("yes, thank", None, {"any_of": ["yes", "no"], "all_of": ["thank", "you"]}, 0),
        ("yes, sorry", None, {"any_of": ["yes", "no"], "none_of": ["sorry"]}, 0),
        ("fine", None, {"none_of": ["SORRY"]}, 1),
        ("so sorry", None, {"none_of": ["SORRY"]}, 0),
        ("a b", None, {"values": ["a"], "none_of": ["b"]}, 0),
        ("", "x", {}, 0),
    ],
)
def test_contains_scores__by_occurrence(answer: str, reference: Any, parameters: dict[str, Any], score: int) -> None:
    assert judged("contains", answer, reference, **parameters).score == score


def test_contains_says_all_that_is_wrong__when_several_lists_fail() -> None:
    found = judged("contains", "sorry", all_of=["a", "b"], none_of=["sorry", "no"])
    assert found.reason is not None
    assert found.reason.endswith("; contains 'sorry'")


@given(st.text(alphabet="ab_ .é1", max_size=12), st.text(alphabet="ab_ .é1", min_size=1, max_size=3))
def test_whole_words__are_those_a_pattern_would_find(text: str, value: str) -> None:
    expected = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None
    assert judged("contains", text, values=[value], whole_words=True).score == expected


def test_contains_cannot_judge__with_an_empty_reference() -> None:
    with pytest.raises(UnjudgeableError, match="empty"):
        judged("contains", "x", "")


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        ("order 42 is ready", None, {"pattern": r"order \d+"}, 1),
        ("order 42 is ready", None, {"pattern": r"order \d+", "mode": "fullmatch"}, 0),
        ("order 42", None, {"pattern": r"order \d+", "mode": "fullmatch"}, 1),
        ("ORDER 42", None, {"pattern": r"order \d+", "case_sensitive": False}, 1),
        ("a\nb", None, {"pattern": "^b$"}, 0),
        ("a\nb", None, {"pattern": "^b$", "multiline": True}, 1),
        ("a\nb", None, {"pattern": "a.b", "dot_matches_newline": True}, 1),
        ("Answer: B", "B", {"pattern": r"Answer: (\w)", "group": 1}, 1),
        ("Answer: B", "C", {"pattern": r"Answer: (?P<letter>\w)", "group": "letter"}, 0),
        ("Answer: b", "B", {"pattern": r"Answer: (\w)", "group": 1, "case_sensitive": False}, 1),
        ("Answer", "B", {"pattern": r"Answer(: \w)?", "group": 1}, 0),
    ],
)
def test_regex_scores__by_match_and_group(answer: str, reference: Any, parameters: dict[str, Any], score: int) -> None:
    assert judged("regex", answer, reference, **parameters).score == score


def test_regex_does_not_judge__an_answer_longer_than_its_bound() -> None:
    with pytest.raises(UnjudgeableError, match="max_characters = 10"):
        judged("regex", "x" * 11, pattern="x", max_characters=10)


@pytest.mark.parametrize(
    ("answer", "reference", "parameters", "score"),
    [
        ('{"age": 3}', None, {"schema": PERSON}, 1),
        ('{"age": "3"}', None, {"schema": PERSON}, 0),
        ("{}", None, {"schema": PERSON}, 0),
        ('```json\n{"age": 3}\n```', None, {"schema": PERSON}, 0),
        ('```json\n{"age": 3}\n```', None, {"schema": PERSON, "extract": "first_object"}, 1),
        ('{oops {"age": 3}', None, {"schema": PERSON, "extract": "first_object"}, 1),
        ("no object", None, {"schema": PERSON, "extract": "first_object"}, 0),
        ("{" * 5_000, None, {"schema": PERSON, "extract": "first_object"}, 0),
        ('{"a":' * 100_000, None, {"schema": PERSON, "extract": "first_object"}, 0),
        ("[" * 100_000, None, {"schema": {}}, 0),
        ('{"age": NaN}', None, {"schema": {}}, 0),
        ('{"age": 3}', {"age": 3.0}, {"schema": PERSON, "match_reference": True}, 1),
        ('{"age": 3}', {"age": 4}, {"schema": PERSON, "match_reference": True}, 0),
        ('{"age": 3}', '{"age": 3}', {"schema": PERSON, "match_reference": True}, 1),
        ('{"n": "ANNA"}', {"n": "Anna"}, {"schema": {}, "match_reference": True}, 0),
        ('{"n": "ANNA"}', {"n": "Anna"}, {"schema": {}, "match_reference": True, "case_sensitive": False}, 1),
        ("[1]", None, {"schema": {"$ref": "#/$defs/x", "$defs": {"x": {"type": "array"}}}}, 1),
    ],
)
def test_json_schema_scores__by_schema_and_reference(
    answer: str, reference: Any, parameters: dict[str, Any], score: int
) -> None:
    assert judged("json_schema", answer, reference, **parameters).score == score


def test_json_schema_names_the_place__when_the_answer_does_not_fit() -> None:
    assert "$.age" in (judged("json_schema", '{"age": "3"}', schema=PERSON).reason or "")


@pytest.mark.parametrize("answer", ['{"age": 3}', '{"age": "x"}', "no JSON"])
def test_json_schema_cannot_judge__when_the_reference_is_missing(answer: str) -> None:
    with pytest.raises(UnjudgeableError, match="no reference"):
        judged("json_schema", answer, schema=PERSON, match_reference=True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1.0", True),
        ("1", "true", False),
        ("0", "false", False),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', True),
        ("[1, 2]", "[2, 1]", False),
        ("[1]", "[1, 1]", False),
        ("null", "{}", False),
        ('{"a": [true]}', '{"a": [1]}', False),
    ],
)
def test_json_values_are_compared__as_json(one: str, other: str, same: bool) -> None:
    assert same_json(json.loads(one), json.loads(other)) is same
