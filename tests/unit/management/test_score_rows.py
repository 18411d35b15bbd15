"""Scores given elsewhere: each row has one form, none says the same twice, and a file holds one form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from abtest.contracts.records import ImportedScore
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.management.datasets import FrozenRows, freeze_rows
from abtest.management.model import ScoresSummary

SCORE: dict[str, Any] = {"id": "s1", "variant": "a", "score": 4}
PAIR: dict[str, Any] = {"id": "s1", "first": "a", "second": "b", "winner": "b"}


def frozen(*rows: dict[str, Any]) -> FrozenRows:
    return freeze_rows([json.dumps(row).encode() for row in rows], "scores")


def refused(*rows: dict[str, Any]) -> list[InputIssue]:
    with pytest.raises(InvalidInputError) as caught:
        frozen(*rows)
    return list(caught.value.issues)


@pytest.mark.parametrize(
    ("row", "paths"),
    [
        ({"id": "s1"}, ["variant", "score"]),
        ({"id": "s1", "score": 4}, ["variant"]),
        ({"id": "s1", "variant": ""}, ["variant", "score"]),
        ({"id": "s1", "variant": "a"}, ["score"]),
        ({"id": "s1", "variant": "a", "score": "high"}, ["score"]),
        ({"id": "s1", "variant": "a", "score": "4"}, ["score"]),
        ({"id": "s1", "variant": "a", "score": True}, ["score"]),
        ({"id": "s1", "variant": "a", "score": 4, "dimensions": {"tone": "5"}}, ["dimensions.tone"]),
        ({"id": "s1", "variant": "a", "score": None, "dimensions": {"tone": 3}}, ["score"]),
        ({"id": "s1", "variant": "a", "score": 4, "dimensions": {"tone": None}}, ["dimensions.tone"]),
        ({"id": "s1", "variant": "a", "score": 4, "repeat": -1}, ["repeat"]),
        ({"id": "s1", "variant": "a", "score": 4, "judge": "me"}, ["judge"]),
        ({"id": "s1", "first": "a", "winner": "a"}, ["second"]),
        ({"id": "s1", "winner": "a"}, ["first", "second"]),
        ({"id": "s1", "first": "a", "second": "b"}, ["winner"]),
        ({"id": "s1", "first": "a", "second": "b", "winner": "c"}, ["winner"]),
        ({"id": "s1", "first": "a", "second": "a", "winner": "a"}, ["second"]),
        ({"id": "s1", "first": "a", "second": "tie", "winner": "tie"}, ["second"]),
        ({**PAIR, "dimensions": {"tone": 3}}, ["dimensions"]),
        ({**PAIR, **SCORE}, ["variant", "score"]),
    ],
)
def test_a_row_of_no_form_or_of_two_is_refused__with_its_line(row: dict[str, Any], paths: list[str]) -> None:
    good = PAIR if {"first", "second", "winner"} & set(row) else SCORE

    issues = refused({**good, "id": "s0"}, row)

    assert [(issue.line, issue.path) for issue in issues] == [(2, path) for path in paths]


@pytest.mark.parametrize("row", [b'{"id":"s1","variant":"a","score":NaN}', b'{"id":"s1","variant":"a","score":1e999}'])
def test_a_score_that_is_no_number_is_refused(row: bytes) -> None:
    with pytest.raises(InvalidInputError) as caught:
        freeze_rows([row], "scores")

    assert caught.value.issues[0].path == "(row)"


def test_the_same_said_twice_is_refused__whatever_was_said() -> None:
    (issue,) = refused(SCORE, {**SCORE, "score": 5})

    assert (issue.line, issue.path) == (2, "id")
    assert "line 1 scores the same" in issue.message


def test_another_variant_order_or_repeat_is_another_row() -> None:
    scores = [SCORE, {**SCORE, "variant": "b"}, {**SCORE, "repeat": 1}, {**SCORE, "id": "s2"}]
    pairs = [PAIR, {**PAIR, "first": "b", "second": "a"}, {**PAIR, "repeat": 1}]

    assert (frozen(*scores).summary.rows, frozen(*pairs).summary.rows) == (4, 3)


def test_scores_and_comparisons_in_one_file_are_refused__with_both_lines() -> None:
    (issue,) = refused(SCORE, {**SCORE, "id": "s2"}, PAIR)

    assert (issue.line, issue.path) == (3, "(row)")
    assert "another form than line 1" in issue.message


def test_summary_of_scores__says_what_a_test_can_make_of_them() -> None:
    rows = [
        {"id": "s1", "variant": "a", "score": 4, "dimensions": {"tone": 1, "truth": 5}},
        {"id": "s1", "variant": "b", "score": 2.5, "dimensions": {"tone": 3}, "repeat": 2},
        {"id": "s2", "variant": "a", "score": None, "reason": "unreadable"},
    ]

    assert frozen(*rows).summary.scores == ScoresSummary(
        preferences=False,
        samples=2,
        rows_by_variant={"a": 2, "b": 1},
        dimensions={"tone": 2, "truth": 1},
        lowest=1.0,
        highest=5.0,
        binary=False,
        unreadable=1,
        repeats=3,
    )


def test_summary_of_preferences__has_no_scale() -> None:
    rows = [PAIR, {**PAIR, "id": "s2", "winner": "tie"}, {**PAIR, "id": "s3", "winner": None}]

    assert frozen(*rows).summary.scores == ScoresSummary(
        preferences=True, samples=3, rows_by_variant={"a": 3, "b": 3}, unreadable=1
    )


@pytest.mark.parametrize(("scores", "binary"), [([0, 1, 1.0], True), ([0, 1, 0.5], False), ([None], False)])
def test_scores_are_binary__when_there_are_some_and_all_are_0_or_1(scores: list[float | None], binary: bool) -> None:
    rows = [{"id": str(number), "variant": "a", "score": score} for number, score in enumerate(scores)]

    summary = frozen(*rows).summary.scores

    assert summary is not None
    assert summary.binary is binary


def test_canonical_row_says_no_more_than_was_said__and_reads_as_the_same_score() -> None:
    (unreadable,) = frozen({"id": "s1", "first": "a", "second": "b", "winner": None, "repeat": 0}).lines

    assert unreadable == b'{"first":"a","id":"s1","second":"b"}\n'
    assert ImportedScore.model_validate_json(unreadable) == ImportedScore(id="s1", first="a", second="b")


def test_as_many_variants_as_rows_are_refused__because_no_test_has_them() -> None:
    rows = [{"id": "s", "variant": f"a variant of some length, number {number}", "score": 1} for number in range(4_000)]

    (issue,) = refused(*rows)

    assert (issue.path, issue.found) == ("variant", "4,000 variants, 0 dimensions")
