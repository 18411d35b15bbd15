"""`field_f1` and the comparison of JSON field by field."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.contracts.records import ModelResponse, Sample, Verdict
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.json_fields import Rules, compare_fields, field_count
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import is_binary, judge_batch
from abtest.evaluation.validation import check_parameters

INVOICE = {
    "number": "A-17",
    "total": 12.5,
    "buyer": {"name": "Ann", "city": "Rome"},
    "items": [{"name": "pen", "price": 2}, {"name": "ink", "price": 5}],
}
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["a", "b", "A"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=12,
)


def judged(answer: Any, reference: Any = INVOICE, **parameters: Any) -> Verdict:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    response = ModelResponse(sample_id="s", variant="a", outcome="answered", text=text)
    judge = JudgeConfiguration(name="j", type="field_f1", parameters=parameters)
    (verdict,) = judge_batch(judge, [Sample(id="s", reference=reference)], {"a": [response]})
    return verdict


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**INVOICE, **changes}.items() if value is not Ellipsis}


@pytest.mark.parametrize(
    ("answer", "f1", "precision", "recall"),
    [
        (INVOICE, 1, 1, 1),
        (changed(total=12.6), 7 / 8, 7 / 8, 7 / 8),
        (changed(total=...), 14 / 15, 1, 7 / 8),
        (changed(note="x", due=None), 16 / 18, 8 / 10, 1),
        (changed(buyer="Ann"), 12 / 15, 6 / 7, 6 / 8),
        (changed(items=[]), 8 / 13, 4 / 5, 4 / 8),
        (changed(items=INVOICE["items"][1:]), 8 / 14, 4 / 6, 4 / 8),
        ({}, 0, 0, 0),
        ([], 0, 0, 0),
        ("no JSON", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_fields_are_counted__as_by_hand(answer: Any, f1: float, precision: float, recall: float) -> None:
    for measure, score in (("f1", f1), ("precision", precision), ("recall", recall)):
        verdict = judged(answer, measure=measure)
        assert (verdict.status, verdict.score) == ("scored", pytest.approx(score, abs=1e-12)), measure
    assert (judged(answer).reason is None) == (f1 == 1)


def test_reason_names__the_fields_that_are_wrong() -> None:
    answer = {"number": "A-17", "total": 1, "buyer": {"name": "Bob"}, "items": INVOICE["items"], "note": "x"}
    assert judged(answer).reason == (
        "5 of 8 fields right, 8 given; wrong: total, buyer.name; missing: buyer.city; extra: note"
    )


def test_reason_names__a_few_fields_of_many() -> None:
    reference = {f"f{i}": i for i in range(20)}
    assert judged({f"f{i}": -1 for i in range(20)}, reference).reason == (
        "0 of 20 fields right, 20 given; wrong: f0, f1, f2, f3, f4 and 15 more"
    )


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (None, 0, False),
        ("x", " x\n", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("x", "X", False),
        ({}, {}, True),
        ({}, [], False),
        ({}, {"b": 1}, False),
        ([], None, False),
        (10**30, 10**30 + 1, False),
    ],
)
@pytest.mark.parametrize("lists", ["sequence", "set"])
def test_leaf_is_right__when_json_says_the_same(wanted: Any, found: Any, same: bool, lists: str) -> None:
    verdict = judged({"a": [found]}, {"a": [wanted]}, lists=lists)
    assert (verdict.score == 1) is same


def test_absent_field__is_not_null() -> None:
    assert judged({"a": 1}, {"a": 1, "b": None}).score == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("wanted", "found", "parameters", "same"),
    [
        ("STRASSE", "straße", {"case_sensitive": False}, True),
        (0.3, 0.4, {"tolerance_abs": "0.1"}, True),
        (0.3, 0.41, {"tolerance_abs": "0.1"}, False),
        (-100, -99, {"tolerance_rel": "0.01"}, True),
        (-100, -98.9, {"tolerance_rel": "0.01"}, False),
        (1, True, {"tolerance_abs": 1}, False),
        (1, None, {"tolerance_abs": 1}, False),
    ],
)
@pytest.mark.parametrize("lists", ["sequence", "set"])
def test_leaf_is_right__by_the_options(
    wanted: Any, found: Any, parameters: dict[str, Any], same: bool, lists: str
) -> None:
    assert (judged({"a": [found]}, {"a": [wanted]}, lists=lists, **parameters).score == 1) is same


def test_number_beyond_all_numbers__is_no_error() -> None:
    assert judged('{"a": 1e999}', {"a": 1}, tolerance_rel="0.1").score == 0
    assert judged('{"a": [1e999, 1]}', '{"a": [1, 1e999]}', tolerance_rel="0.1", lists="set").score == 1


@pytest.mark.parametrize(
    ("wanted", "found", "equal", "differences"),
    [
        ([1, 2, 3], [3, 1, 2], 3, []),
        ([1, 1, 2], [1, 2, 2], 2, [("missing", "[]"), ("extra", "[]")]),
        (["a"], [], 0, [("wrong", "the whole")]),
        ([{"n": "a", "p": 1}, {"n": "b", "p": 2}], [{"n": "b", "p": 2}, {"n": "a", "p": 1}], 4, []),
        ([{"n": "a", "p": 1}, {"n": "b", "p": 2}], [{"n": "b", "p": 1}, {"n": "a", "p": 2}], 2, None),
        ([{"n": "a", "p": 1}, {"n": "b", "p": 2}], [{"n": "b", "p": 9}], 1, [("wrong", "[].p"), ("missing", "[]")]),
        ([{"t": [1, 2]}], [{"t": [2, 1]}], 2, []),
        ([[1, 2], [3]], [[3], [2, 1]], 3, []),
        ([{"a": 1}], [{"b": 1}], 0, [("missing", "[]"), ("extra", "[]")]),
    ],
)
def test_lists_as_sets__are_paired(wanted: Any, found: Any, equal: int, differences: Any) -> None:
    counts = compare_fields(wanted, found, Rules(lists="set"))
    assert counts.equal == equal
    if differences is not None:
        assert list(counts.differences) == differences


def test_lists_as_sequences__are_compared_in_place() -> None:
    counts = compare_fields([1, 2, 3], [2, 3], Rules())
    assert (counts.equal, counts.wanted, counts.given) == (0, 3, 2)
    assert list(counts.differences) == [("wrong", "[0]"), ("wrong", "[1]"), ("missing", "[2]")]


def most_pairs(wanted: list[int], found: list[int], tolerance: int) -> int:
    longer, shorter = (wanted, found) if len(wanted) >= len(found) else (found, wanted)
    return max(
        sum(abs(a - b) <= tolerance for a, b in zip(order, shorter, strict=False)) for order in permutations(longer)
    )


@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.lists(st.integers(0, 12), min_size=1, max_size=5))
def test_near_numbers__are_paired_as_many_as_can_be(wanted: list[int], found: list[int]) -> None:
    rules = Rules(lists="set", tolerance_abs=Decimal(2))
    assert compare_fields(wanted, found, rules).equal == most_pairs(wanted, found, 2)


@given(VALUES, st.sampled_from(["sequence", "set"]), st.sampled_from(["0", "0.5"]))
def test_value_agrees_with_itself__in_every_field(value: Any, lists: Any, tolerance: str) -> None:
    counts = compare_fields(value, value, Rules(lists=lists, tolerance_abs=Decimal(tolerance)))
    assert counts.equal == counts.wanted == counts.given == field_count(value)
    assert counts.differences == ()
    assert counts.f1 == 1


@given(VALUES, VALUES, st.sampled_from(["sequence", "set"]), st.booleans())
def test_counts_are_sound__for_any_two_values(one: Any, other: Any, lists: Any, case_sensitive: bool) -> None:
    rules = Rules(lists=lists, case_sensitive=case_sensitive)
    counts, back = compare_fields(one, other, rules), compare_fields(other, one, rules)
    assert 0 <= counts.equal <= min(counts.wanted, counts.given)
    assert (counts.differences == ()) == (counts.equal == counts.wanted == counts.given)
    assert (counts.wanted, counts.given) == (back.given, back.wanted)
    if lists == "sequence":
        assert counts.equal == back.equal


@given(st.dictionaries(st.sampled_from("xyz"), VALUES, min_size=1), st.randoms(use_true_random=False))
def test_set_score_is_one__whatever_the_order_of_items(value: dict[str, Any], random: Any) -> None:
    def shuffled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: shuffled(item) for key, item in node.items()}
        return random.sample(list(map(shuffled, node)), len(node)) if isinstance(node, list) else node

    assert judged(shuffled(value), value, lists="set").score == 1


@given(st.text(), st.sampled_from(["whole", "first"]), st.sampled_from([INVOICE, [1, 2]]))
def test_any_answer__is_scored(text: str, extract: str, reference: Any) -> None:
    assert judged(text, reference, extract=extract, lists="set").status == "scored"


@pytest.mark.parametrize(
    ("answer", "reference", "extract", "score"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}, "whole", 0),
        ('```json\n{"a": 1}\n```', {"a": 1}, "first", 1),
        ('Here: [{"a": 1}]', [{"a": 1}], "first", 1),
        ('Here: [{"a": 1}]', {"a": 1}, "first", 1),
        ('{"a": 1}', [{"a": 1}], "first", 0),
        ('{"a": 1}', '{"a": 1}', "whole", 1),
        ("[]", [], "whole", 1),
    ],
)
def test_json_is_taken__from_answer_and_reference(answer: str, reference: Any, extract: str, score: int) -> None:
    assert judged(answer, reference, extract=extract).score == score


@pytest.mark.parametrize("reference", [None, "text", 3, "3", True])
def test_field_f1_cannot_judge__without_an_object_or_list(reference: Any) -> None:
    verdict = judged("{}", reference)
    assert (verdict.status, verdict.score) == ("invalid", None)
    assert "'s'" in (verdict.reason or "")


def test_lists_too_long_to_pair__are_invalid() -> None:
    reference = {"items": [{"a": i, "b": 0} for i in range(400)]}
    answer = {"items": [{"a": -1 - i, "b": 0} for i in range(400)]}
    verdict = judged(answer, reference, lists="set")
    assert verdict.status == "invalid"
    assert "200,000" in (verdict.reason or "")
    assert judged(answer, reference).score == pytest.approx(0.5)
    # Equal items and plain values cost no comparison of pairs.
    assert judged(reference, reference, lists="set").score == 1
    assert judged([str(i) for i in range(3_000)], list(range(3_000)), lists="set").score == 0


@pytest.mark.parametrize("lists", ["sequence", "set"])
def test_values_nested_too_deeply__are_no_crash(lists: Any) -> None:
    deep: Any = 1
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(UnjudgeableError, match="nested too deeply"):
        compare_fields(deep, deep, Rules(lists=lists))
    assert compare_fields({"a": 1}, {"a": deep}, Rules(lists=lists)).equal == 0


def test_field_f1_is_a_share__not_a_verdict() -> None:
    assert not is_binary("field_f1")


@pytest.mark.parametrize(
    ("parameters", "path", "says"),
    [
        ({"measure": "accuracy"}, "measure", "choices"),
        ({"tolerance_abs": -1}, "tolerance_abs", "greater than or equal to 0"),
        ({"lists": "bag"}, "lists", "choices"),
        ({"list": "set"}, "list", "did you mean 'lists'"),
    ],
)
def test_wrong_option_of_field_f1__is_named(parameters: dict[str, Any], path: str, says: str) -> None:
    (issue,) = check_parameters("field_f1", parameters)
    assert issue.path == path
    assert says in issue.message
