"""Scores that a test file names: read, checked against the test, and uploaded as a dataset of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from abtest.core.errors import InvalidInputError
from abtest_cli.preparation import PreparedTest, prepare, prepare_judges

SCORES = [{"id": f"s{i}", "variant": name, "score": i / 4} for i in range(4) for name in ("a", "b")]


@pytest.fixture
def scored(tiny: Path) -> Path:
    """A test folder whose judge reads scores of a file."""
    text = (tiny / "test.yaml").read_text()
    judges = "{right: {type: exact_match}, study: {type: imported, scores: study.jsonl}}"
    text = text.replace("\n  right: {type: exact_match}", f" {judges}").replace("metric: right", "metric: study")
    (tiny / "test.yaml").write_text(text)
    write(tiny, SCORES)
    return tiny


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "study.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def judge(prepared: PreparedTest) -> dict[str, Any]:
    found: dict[str, Any] = prepared.definition["judges"]["study"]
    return found


def refused(folder: Path) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        prepare(folder)
    return {issue.path: issue.sentence() for issue in caught.value.issues}


def test_scores_of_a_file_are_uploaded__and_the_judge_names_their_version(scored: Path) -> None:
    prepared = prepare(scored)

    (body,) = [body for body in prepared.uploads if body.kind == "scores"]
    assert judge(prepared) == {"type": "imported", "scores": {"version": body.version}}
    assert (body.name, len(body.rows.splitlines())) == ("study.jsonl", 8)


def test_scores_named_by_their_version_are_not_uploaded(scored: Path) -> None:
    version = "a" * 64
    text = (scored / "test.yaml").read_text().replace("study.jsonl", f"{{version: {version}}}")
    (scored / "test.yaml").write_text(text)

    prepared = prepare(scored)

    assert judge(prepared)["scores"] == {"version": version}
    assert {body.kind for body in prepared.uploads} == {"samples", "recording"}


def test_wrong_rows_and_a_missing_file_are_told__with_everything_else(scored: Path) -> None:
    write(scored, [{"id": "s0", "variant": "a"}, {"id": "s1", "variant": "a", "score": "high"}])
    with pytest.raises(InvalidInputError) as caught:
        prepare(scored)
    told = [(issue.line, issue.path) for issue in caught.value.issues]
    assert told[:2] == [(1, "score in study.jsonl"), (2, "score in study.jsonl")]

    (scored / "study.jsonl").unlink()
    assert "there is no such file" in refused(scored)["judges.study.scores"]


@pytest.mark.parametrize(
    ("rows", "path", "message"),
    [
        ([{**row, "id": f"x{row['id']}"} for row in SCORES], "judges.study.scores", "no row belongs to a sample"),
        (
            [{**row, "variant": "c"} for row in SCORES[::2]],
            "judges.study.scores",
            "nothing scores the control and another variant",
        ),
        ([{**row, "score": 7} for row in SCORES], "judges.study.scale", "scores outside the judge's scale"),
        (
            [{"id": "s0", "first": "a", "second": "b", "winner": "b"}],
            "judges.study.scores",
            "the dataset holds preferences",
        ),
    ],
)
def test_scores_that_fit_no_answer_of_the_test_are_refused__before_anything_is_sent(
    scored: Path, rows: list[dict[str, Any]], path: str, message: str
) -> None:
    write(scored, rows)

    assert message in refused(scored)[path]


def test_scores_of_some_strangers_are_told__by_number_and_name(scored: Path) -> None:
    write(scored, [*SCORES, {"id": "x1", "variant": "a", "score": 1}, {"id": "x1", "variant": "b", "score": 1}])

    (warning,) = [warning for warning in prepare(scored).warnings if warning.startswith("study")]

    assert "1 of the 5 samples that its scores name are not in the dataset (x1, ...)" in warning


def test_a_judge_of_the_own_program_is_refused__with_the_way_to_use_it(tiny: Path) -> None:
    text = (tiny / "test.yaml").read_text().replace("exact_match", "python, file: scorer.py")
    (tiny / "test.yaml").write_text(text)

    assert "abtest judge RUN --local SCORER.py" in refused(tiny)["judges.right.type"]


def test_judges_of_a_file_bring_their_scores__for_judging_anew(tiny: Path) -> None:
    write(tiny, SCORES)
    (tiny / "judges.yaml").write_text("study: {type: imported, scores: study.jsonl}\nright: {type: exact_match}\n")

    found = prepare_judges(tiny / "judges.yaml")

    (body,) = found.uploads
    assert found.judges == {
        "study": {"type": "imported", "scores": {"version": body.version}},
        "right": {"type": "exact_match"},
    }
    assert found.issues == ()


def test_judges_of_a_file_with_wrong_scores_tell_so__and_upload_nothing(tiny: Path) -> None:
    write(tiny, [{"id": "s0"}])
    (tiny / "judges.yaml").write_text("study: {type: imported, scores: study.jsonl}\n")

    found = prepare_judges(tiny / "judges.yaml")

    assert {issue.path for issue in found.issues} >= {"score in study.jsonl"}
    assert found.uploads == ()
