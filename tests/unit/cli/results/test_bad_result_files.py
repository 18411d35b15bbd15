"""Every way a file of results can be wrong ends in a sentence with its place."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abtest.core.errors import InputIssue, InvalidInputError
from abtest_cli.results.mistakes import MAX_MISTAKES
from abtest_cli.results.reading import format_names, read_results

HEADER = "sample,variant,score"
GOOD = f"{HEADER}\nx,a,1\nx,b,0\n"
FIXTURES = Path(__file__).parent / "fixtures"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: str | bytes, name: str = "f.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def issues(*paths: Path, **options: Any) -> list[InputIssue]:
    with pytest.raises(InvalidInputError) as caught:
        read_results(list(paths), **options)
    assert caught.value.issues
    assert "cannot be read" in caught.value.message
    return list(caught.value.issues)


def only(*paths: Path, **options: Any) -> InputIssue:
    found = issues(*paths, **options)
    assert len(found) == 1, [issue.sentence() for issue in found]
    return found[0]


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "good", "1_000", "1,5", "N/A", "0x10", "1e999"])
def test_a_score_is_refused__no_finite_number_in_csv(write: Write, value: str) -> None:
    field = f'"{value}"'
    path = write(f"{HEADER}\nx,a,1\nx,b,{field}\n")
    issue = only(path)
    assert (issue.line, issue.path, issue.message) == (3, str(path), "`score` is not a number")
    assert issue.found == repr(value)


@pytest.mark.parametrize("value", ['"0.5"', "NaN", "-Infinity", "[1]", '{"a": 1}', "1" + "0" * 400])
def test_a_score_is_refused__no_finite_number_in_json(write: Write, value: str) -> None:
    path = write(
        f'{{"sample": "x", "variant": "a", "score": 1}}\n{{"sample": "x", "variant": "b", "score": {value}}}\n'
    )
    issue = only(path)
    assert issue.line == 2
    assert "number" in issue.message


def test_a_score_is_refused__its_key_is_absent_in_a_row(write: Write) -> None:
    issue = only(write('{"sample": "x", "variant": "a", "score": 1}\n{"sample": "x", "variant": "b"}\n'))
    assert (issue.line, issue.message) == (2, "no `score`")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"sample": "", "variant": "a", "score": 1}', "`sample` is empty"),
        ('{"sample": null, "variant": "a", "score": 1}', "`sample` is empty"),
        ('{"sample": 1.5, "variant": "a", "score": 1}', "`sample` is no name"),
        ('{"sample": true, "variant": "a", "score": 1}', "`sample` is no name"),
        ('{"sample": "x", "variant": ["a"], "score": 1}', "`variant` is no name"),
        ('{"sample": "x", "score": 1}', "no `variant`"),
        ('{"sample": "x", "variant": "a", "score": 1, "judge": {}}', "`judge` is no name"),
        ("[1, 2]", "the row is no JSON object"),
        ('"text"', "the row is no JSON object"),
        ('{"sample": "x", ', "no valid JSON"),
    ],
)
def test_a_row_is_refused__json_lines(write: Write, row: str, message: str) -> None:
    good = '{"sample": "x", "variant": "b", "score": 1}'
    issue = only(write(f"{good}\n{row}\n{good.replace('x', 'y')}\n"))
    assert issue.line == 2
    assert issue.message.startswith(message)


def test_the_first_line_may_be_the_broken_one__json_lines(write: Write) -> None:
    issue = only(write('{"sample": "x", \n{"sample": "x", "variant": "b", "score": 1}\n'))
    assert issue.line == 1


def test_rows_are_no_objects__from_the_first(write: Write) -> None:
    found = issues(write("[1, 2]\n[3, 4]\n"), format_name="scores")
    assert "no column `sample`" in found[0].message


def test_the_last_line_is_cut_off__json_lines(write: Write) -> None:
    issue = only(write('{"sample": "x", "variant": "a", "score": 1}\n{"sample": "x", "vari'))
    assert (issue.line, issue.message) == (2, "the last line is cut off")


def test_gzip_is_cut_off__any_place(write: Write) -> None:
    whole = gzip.compress("".join([GOOD, *(f"s{i},a,{i % 3}\n" for i in range(20_000))]).encode())
    for length in (12, len(whole) // 2, len(whole) - 4):
        assert "gzip" in only(write(whole[:length])).message
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    assert issues(write(bytes(damaged)))


def test_zip_is_damaged_or_something_else__no_log(write: Write, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.eval", "w") as archive:
        archive.writestr("header.json", json.dumps({"eval": {"model": "m", "task": "t"}}))
        archive.writestr("samples/1_epoch_1.json", "{" * 50)
    assert "no valid JSON" in only(tmp_path / "z.eval").message
    content = (tmp_path / "z.eval").read_bytes()
    assert "zip" in only(write(content[: len(content) // 2], "cut.eval")).message
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<a/>")
    assert "zip archive" in str(only(tmp_path / "book.xlsx").found)
    assert "not a table" in only(tmp_path / "book.xlsx", format_name="scores").message


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused__any_emptiness(write: Write, content: bytes) -> None:
    assert only(write(content)).message == "empty"
    assert only(write(gzip.compress(content), "e.gz")).message == "empty"


@pytest.mark.parametrize("content", [HEADER, f"{HEADER}\n", f"{HEADER}\n\n\n"])
def test_a_header_alone_is_refused__csv(write: Write, content: str) -> None:
    assert only(write(content)).message == "no rows"


def test_an_empty_list_is_refused__json(write: Write) -> None:
    assert "no known format" in only(write("[]")).message
    assert issues(write("[]"), format_name="scores")


def test_a_file_is_refused__missing_a_directory_or_twice(write: Write, tmp_path: Path) -> None:
    assert only(tmp_path / "nothing.csv").message == "no such file"
    assert only(tmp_path).message == "is a directory"
    path = write(GOOD)
    assert only(path, path.parent / "." / path.name).message == "the file is named twice"
    assert "no file" in only().message


def test_binary_content_is_refused__with_its_first_bytes(write: Write) -> None:
    issue = only(write(b"PAR1\x15\x04\x00\x00garbage"))
    assert issue.message == "not a text file"
    assert "50 41 52 31" in str(issue.found)
    assert "UTF-16" in only(write(GOOD.encode("utf-16"))).message
    assert issues(write(random.Random(1).randbytes(5000)))


@pytest.mark.parametrize("name", ["f.csv", "f.jsonl"])
def test_bytes_that_are_no_utf8_are_named__with_their_lines(write: Write, name: str) -> None:
    csv = b"sample,variant,score\nx,a,1\ncaf\xe9,b,1\n"
    lines = b'{"sample": "x", "variant": "a", "score": 1}\n\n{"sample": "caf\xe9", "variant": "b", "score": 1}\n'
    issue = only(write(csv if name == "f.csv" else lines, name))
    assert issue.line == 3
    assert issue.message.startswith("not UTF-8")


def test_fields_are_counted__csv_rows(write: Write) -> None:
    found = issues(write(f"{HEADER}\nx,a,1,9\n\nx,b\nx,c,1\n"))
    assert [(issue.line, issue.message, issue.found) for issue in found] == [
        (2, "too many fields", "4"),
        (4, "too few fields", "2"),
    ]


def test_lines_are_counted_through_quoted_line_ends__csv(write: Write) -> None:
    issue = only(write(f'{HEADER},note\nx,a,1,"one\ntwo\nthree"\nx,b,bad,""\n'))
    assert issue.line == 5


@pytest.mark.parametrize("row", ['"x,b,1\n', '"x"y,b,1\n', "x,b,1\ry,b,1\n"])
def test_quotes_and_line_ends_must_be_right__csv(write: Write, row: str) -> None:
    assert only(write(f"{GOOD}{row}")).message.startswith("no valid CSV")


def test_a_column_stands_twice__csv(write: Write) -> None:
    assert "more than once" in only(write(f"{HEADER},score\nx,a,1,1\n")).message


def test_a_near_miss_is_suggested__detected_or_named(write: Write) -> None:
    path = write("sample_id,variant,score\nx,a,1\nx,b,1\n")
    assert "no column `sample`; did you mean `sample_id`?" in only(path).message
    issue = only(path, format_name="scores")
    assert issue.message == "no column `sample`; did you mean `sample_id`?"
    assert issue.found == "`sample_id`, `variant`, `score`"


def test_an_unknown_file_is_refused__all_formats_and_what_was_found(write: Write) -> None:
    issue = only(write("alpha,beta\n1,2\n"))
    assert "`alpha`, `beta`" in str(issue.found)
    assert all(name in str(issue.allowed) for name in format_names())
    assert "`left`" in str(only(write('{"left": 1}')).found)
    assert "separated" in only(write("sample;variant;score\nx;a;1\n")).message
    assert only(write("[1, 2]"))


def test_a_file_that_fits_two_formats_is_refused__unless_one_is_named(write: Write) -> None:
    path = write("sample,variant,baseline,preference,score\nx,a,b,0.5,1\nx,b,a,0.5,1\n")
    assert only(path).found == "`preference`, `scores`"
    assert read_results([path], "scores").format == "scores"


def test_files_of_several_formats_are_refused__naming_each(write: Write) -> None:
    issue = only(write(GOOD), FIXTURES / "pairwise.jsonl")
    assert "is `scores`" in str(issue.found)
    assert "is `pairwise`" in str(issue.found)


def test_an_unknown_format_is_refused__with_the_nearest(write: Write) -> None:
    assert "did you mean 'scores'?" in only(write(GOOD), format_name="score").message


@pytest.mark.parametrize(
    "name", ["promptfoo", "inspect", "lm_evaluation_harness", "alpaca_eval", "pairwise", "preference"]
)
@pytest.mark.parametrize(
    "content", [GOOD, '{"a": 1}', "[]", "[3]", '{"a": 1}\n{"a": 2}\n', '{"results": {"results": [3]}}']
)
def test_another_files_format_is_refused__never_a_traceback(write: Write, name: str, content: str) -> None:
    assert issues(write(content), format_name=name)


def test_rows_that_stand_twice_are_refused__both_lines_named(write: Write) -> None:
    issue = only(write(f"{GOOD}y,a,1\nx,a,0\n"))
    assert issue.line == 5
    assert issue.message == "sample 'x', variant 'a', metric 'score' stands at line 2 already"
    first, second = write(GOOD, "1.csv"), write("sample,variant,score\nx,b,1\n", "2.csv")
    issue = only(first, second)
    assert (issue.path, issue.line) == (str(second), 2)
    assert issue.message.endswith(f"stands at {first}, line 3 already")


def test_rows_differ_by_judge_or_metric__they_stand_once(write: Write) -> None:
    rows = "x,a,1,j,m\nx,b,1,j,m\nx,a,1,k,m\nx,a,1,j,n\n"
    assert read_results([write(f"{HEADER},judge,metric\n{rows}")]).rows == 4


def test_pairwise_rows_are_refused__word_order_and_repetition(write: Write) -> None:
    header = "sample,first,second,verdict"
    found = issues(write(f"{header}\nx,a,b,First\nx,b,a,\n"))
    assert [(issue.line, issue.message, issue.found) for issue in found] == [
        (2, "`verdict` is an unknown word", "'First'"),
        (3, "`verdict` is an unknown word", "''"),
    ]
    assert found[0].allowed == "first, second, tie, invalid"
    assert "same variant" in only(write(f"{header}\nx,a,a,tie\n")).message
    assert only(write(f"{header}\nx,a,b,tie\nx,b,a,tie\nx,a,b,first\n")).message.endswith("stands at line 2 already")


def test_preference_rows_are_refused__range_and_lengths(write: Write) -> None:
    header = "sample,variant,baseline,preference,length_variant"
    found = issues(write(f"{header}\nx,a,b,1.2,1\ny,a,b,-0.1,1\nz,a,b,0.5,-3\n"))
    assert {(issue.line, issue.found, issue.allowed) for issue in found} == {
        (2, "1.2", "0 to 1"),
        (3, "-0.1", "0 to 1"),
        (4, "-3", "0 or more"),
    }
    assert "same variant" in only(write(f"{header}\nx,a,a,0.5,1\n")).message
    assert "already" in only(write(f"{header}\nx,a,b,0.5,1\nx,a,b,0.5,1\n")).message


def test_a_score_is_refused__outside_the_given_range(write: Write) -> None:
    issue = only(write(f"{HEADER}\nx,a,5\nx,b,7\n"), metric_range=(1, 5))
    assert (issue.line, issue.found, issue.allowed) == (3, "7", "1 to 5")
    assert only(write(GOOD), metric_range=(1, 1)).message == "no range"
    assert only(write(GOOD), metric_range=(0, float("inf"))).message == "no range"


def test_a_comparison_needs_two_variants__that_share_samples(write: Write) -> None:
    assert only(write(f"{HEADER}\nx,a,1\ny,a,1\n")).message == "there is only one variant"
    issue = only(write(f"{HEADER}\nx,a,1\ny,b,1\n"))
    assert issue.message == "the variants have no sample in common"
    assert issue.found == "`a` has 'x'; `b` has 'y'"


@pytest.mark.parametrize("kind", ["cluster", "slice"])
def test_a_sample_belongs_to_one_group__both_lines_named(write: Write, kind: str) -> None:
    issue = only(write(f"{HEADER},{kind}\nx,a,1,g\nx,b,1,h\n"))
    assert issue.line == 3
    assert issue.message == f"sample 'x' is in {kind} 'h' here and in 'g' at line 2"


def test_judges_of_two_scales_are_refused__one_metric(write: Write) -> None:
    rows = "x,a,0.5,anna\nx,b,1,anna\nx,a,4,ben\nx,b,5,ben\nx,a,,cleo\nx,b,,cleo\n"
    issue = only(write(f"{HEADER},judge\n{rows}"))
    assert "different scales" in issue.message
    assert issue.found == "'anna' stays within 0 to 1, 'ben' goes up to 5"
    assert read_results([write(f"{HEADER},judge,metric\nx,a,1,anna,m\nx,b,1,anna,m\nx,a,4,ben,n\nx,b,5,ben,n\n")])


def test_reading_stops__after_a_hundred_mistakes(write: Write) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_results([write(HEADER + "\n" + "x,a,bad\n" * 500)])
    assert len(caught.value.issues) == MAX_MISTAKES
    assert "first 100" in caught.value.message
    assert caught.value.issues[-1].line == 101


def test_promptfoo_results_are_refused__no_provider_or_no_object(write: Write) -> None:
    document = json.loads((FIXTURES / "promptfoo.json").read_text())
    document["results"]["results"][1]["provider"] = None
    document["results"]["results"][2] = 7
    path = write(json.dumps(document), "p.json")
    assert [issue.path for issue in issues(path)] == [f"{path}, result 2", f"{path}, result 3"]


def test_log_samples_are_refused__no_name_or_no_scores(write: Write) -> None:
    log = json.loads((FIXTURES / "inspect_small.json").read_text())
    log["samples"][1]["id"] = None
    path = write(json.dumps(log), "l.json")
    assert only(path).path == f"{path}, sample 2"
    path = write(json.dumps(log | {"samples": []}), "l.json")
    assert only(path).message == "no samples"
    log["samples"] = [{"id": 1, "epoch": 1, "scores": {"m": {"value": "B+"}}}]
    assert "no score that is a number" in only(write(json.dumps(log), "l.json")).message


@pytest.mark.parametrize("name", sorted(p.name for p in FIXTURES.glob("*.*")))
def test_a_file_cut_anywhere_is_read_or_refused__never_a_traceback(write: Write, name: str) -> None:
    content = (FIXTURES / name).read_bytes()
    for length in range(0, len(content), max(1, len(content) // 60)):
        for piece in (content[:length], content[:length] + b"\xff\x00\x01" + content[length:]):
            try:
                read_results([write(piece, name)])
            except InvalidInputError as error:
                assert error.issues


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_more_rows_than_can_be_held__are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abtest_cli.results.rows.MAX_ROWS", 9)
    lines = [f"s{i},{v},1" for i in range(6) for v in ("a", "b")]
    objects = [json.dumps({"sample": f"s{i}", "variant": v, "score": 1}) for i in range(6) for v in ("a", "b")]
    text = "\n".join(["sample,variant,score", *lines] if name.endswith("csv") else objects)
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        read_results([tmp_path / name])
    assert [(issue.path, issue.message) for issue in caught.value.issues] == [(str(tmp_path / name), "too many rows")]
