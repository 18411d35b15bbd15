"""Freezing datasets: every bad row is told with its line; good rows have one name, by content."""

from __future__ import annotations

import hashlib
import json

import pytest

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.management.datasets import MAX_ISSUES, MAX_ROW_BYTES, freeze_rows

GOOD = b'{"id": "s1", "inputs": {"q": "2+2"}, "reference": "4"}'


def refused(*lines: bytes, kind: str = "samples") -> tuple[InputIssue, ...]:
    with pytest.raises(InvalidInputError) as caught:
        freeze_rows(lines, kind)  # type: ignore[arg-type]
    return caught.value.issues


@pytest.mark.parametrize(
    ("row", "path", "message"),
    [
        (b"{", "(row)", "not JSON"),
        (b"plain text", "(row)", "not JSON"),
        (b"[1, 2]", "(row)", "not an object"),
        (b"null", "(row)", "not an object"),
        (b"\xff\xfe\x00", "(row)", "not JSON"),
        (b'{"id": "a", "reference": NaN}', "(row)", "NaN is not a JSON value"),
        (b'{"id": "a", "reference": 1e999}', "(row)", "larger than any number"),
        (b'{"id": "a", "reference": ' + b"9" * 5_000 + b"}", "(row)", "not JSON"),
        (b'{"id": "a", "inputs": {"q": "\\ud800"}}', "(row)", "cannot be kept"),
        (b'{"id": "a", "metadata": {"q": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "(row)", "not JSON"),
        (b'{"id": "a", "metadata": {"q": ' + b"[" * 400 + b"]" * 400 + b"}}", "(row)", "cannot be kept"),
        (b'{"id": "a", "inputs": {"q": "' + b"x" * MAX_ROW_BYTES + b'"}}', "(row)", "too long"),
        (b'{"inputs": {}}', "id", "required"),
        (b'{"id": 7}', "id", "does not fit"),
        (b'{"id": ""}', "id", "does not fit"),
        (b'{"id": "a", "input": {}}', "input", "nothing reads this field"),
        (b'{"id": "a", "inputs": "text"}', "inputs", "does not fit"),
        (b'{"id": "a", "cluster": 3}', "cluster", "does not fit"),
    ],
)
def test_bad_sample_is_told__with_its_line(row: bytes, path: str, message: str) -> None:
    (issue,) = refused(GOOD, b"", row)

    assert (issue.line, issue.path) == (3, path)
    assert message in issue.message
    assert issue.allowed


@pytest.mark.parametrize(
    ("row", "path"),
    [
        (b'{"id": "a"}', "output"),
        (b'{"id": "a", "output": 4}', "output"),
        (b'{"id": "a", "output": "x", "latency_ms": -1}', "latency_ms"),
        (b'{"id": "a", "output": "x", "input_tokens": 1.5}', "input_tokens"),
        (b'{"id": "a", "output": "x", "cost_usd": "cheap"}', "cost_usd"),
        (b'{"id": "a", "output": "x", "inputs": {}}', "inputs"),
    ],
)
def test_bad_recording_is_told__with_its_line(row: bytes, path: str) -> None:
    (issue,) = refused(row, kind="recording")

    assert (issue.line, issue.path) == (1, path)


def test_missing_field_names_the_fields__of_a_row() -> None:
    (issue,) = refused(b'{"inputs": {}}')

    fields = "id, inputs, reference, messages, documents, expected_outcome, rubric, cluster, metadata"
    assert issue.allowed == f"the fields of a row are {fields}"


def test_same_id_twice_is_told__with_both_lines() -> None:
    (issue,) = refused(GOOD, b'{"id": "s2"}', b"", GOOD)

    assert issue == InputIssue("id", "line 1 has the same id", "s1", "ids are unique", 4)


def test_every_bad_row_is_told_at_once__and_counted() -> None:
    with pytest.raises(InvalidInputError, match="3 of the dataset's rows cannot be used") as caught:
        freeze_rows([b"{", GOOD, b"[]", b'{"id": 1, "extra": 2}'], "samples")

    assert [(issue.line, issue.path) for issue in caught.value.issues] == [
        (1, "(row)"),
        (3, "(row)"),
        (4, "id"),
        (4, "extra"),
    ]


def test_issues_end_at_a_hundred__and_all_rows_are_counted() -> None:
    with pytest.raises(InvalidInputError, match="250 of the dataset's rows") as caught:
        freeze_rows([b'{"id": 1, "extra": 2}'] * 250, "samples")

    assert len(caught.value.issues) == MAX_ISSUES


@pytest.mark.parametrize("lines", [[], [b"", b"  ", b"\t"]])
def test_empty_dataset_is_refused(lines: list[bytes]) -> None:
    assert refused(*lines) == (InputIssue("dataset", "no row", None, "one JSON object a line, at least one"),)


def test_as_many_names_as_rows_are_refused__because_no_prompt_could_use_them() -> None:
    rows = [json.dumps({"id": str(n), "inputs": {f"question number {n}": "x"}}).encode() for n in range(5_000)]

    (issue,) = refused(*rows)

    assert (issue.path, issue.found) == ("inputs", "5,000 different names")


def test_version_is_the_hash__of_the_canonical_rows() -> None:
    frozen = freeze_rows([GOOD], "samples")

    line = b'{"cluster":null,"id":"s1","inputs":{"q":"2+2"},"metadata":{},"reference":"4"}\n'
    assert frozen.lines == (line,)
    assert frozen.version == hashlib.sha256(line).hexdigest()


def test_version_is_the_same__however_the_rows_were_written() -> None:
    spaced = b' {"reference" : "4", "inputs": {"q": "2\\u002b2"}, "id": "s1"} \r'

    assert freeze_rows([b"", spaced], "samples").version == freeze_rows([GOOD], "samples").version
    assert freeze_rows([b"\xef\xbb\xbf" + GOOD], "samples").version == freeze_rows([GOOD], "samples").version


def test_version_differs__by_the_order_of_rows() -> None:
    one, other = b'{"id":"a"}', b'{"id":"b"}'

    assert freeze_rows([one, other], "samples").version != freeze_rows([other, one], "samples").version


def test_summary_counts__what_later_checks_need() -> None:
    rows = [
        b'{"id":"a","inputs":{"q":"abc","n":12},"reference":"x","cluster":"c1"}',
        b'{"id":"b","inputs":{"q":"  "},"cluster":"c1"}',
        b'{"id":"c","inputs":{"q":""},"reference":0}',
    ]

    summary = freeze_rows(rows, "samples").summary

    assert summary.rows == 3
    assert summary.input_counts == {"q": 3, "n": 1}
    assert summary.blank_counts == {"q": 2}
    assert summary.input_characters == {"q": 5, "n": 2}
    assert summary.references == 2
    # The third row names no cluster, so it is its own.
    assert summary.clusters == 2


def test_clusters_are_unknown__when_no_row_names_one() -> None:
    assert freeze_rows([GOOD], "samples").summary.clusters is None


def test_recording_is_frozen__with_its_rows_only() -> None:
    frozen = freeze_rows([b'{"id":"a","output":"x","cost_usd":"0.10"}'], "recording")

    assert frozen.summary.rows == 1
    assert frozen.summary.input_counts == {}
    assert json.loads(frozen.lines[0])["cost_usd"] == "0.10"
