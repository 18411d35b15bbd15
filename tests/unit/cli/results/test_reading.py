"""Reading our own three formats: values, shards, packing, speed of nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abtest.analytics.data.tables import FIRST, INVALID, SECOND, TIE, PairwiseTable, PreferenceTable, ScoreTable
from abtest_cli.results.reading import ReadResults, format_names, load_format, read_results

FIXTURES = Path(__file__).parent / "fixtures"


def read(*paths: Path, **options: Any) -> ReadResults:
    return read_results(list(paths), **options)


def scores_of(table: object) -> dict[tuple[str, str, str, str], float | None]:
    assert isinstance(table, ScoreTable)
    columns = zip(table.sample, table.variant, table.metric, table.judge, table.score, strict=True)
    return {
        (table.groups.samples[s], table.variants[v], table.metrics[m], table.judges[j]): None
        if np.isnan(x)
        else float(x)
        for s, v, m, j, x in columns
    }


ORDERS = {
    ("order-1", "plain", "helpful", "anna"): 0.0,
    ("order-1", "polite", "helpful", "anna"): 1.0,
    ("order-2", "plain", "helpful", "anna"): 0.5,
    ("order-2", "polite", "helpful", "anna"): None,
    ("order-3", "plain", "helpful", "anna"): 1.0,
    ("order-3", "polite", "helpful", "anna"): 0.25,
}


@pytest.mark.parametrize("name", ["scores.csv", "scores.jsonl"])
def test_scores_are_read__csv_and_json_lines(name: str) -> None:
    result = read(FIXTURES / name)
    assert (result.format, result.rows, result.warnings) == ("scores", 6, ())
    assert scores_of(result.table) == ORDERS
    groups = result.table.groups
    assert groups.samples == ("order-1", "order-2", "order-3")
    assert (groups.clusters, groups.cluster.tolist()) == (("customer-7",), [0, 0, -1])
    assert (groups.slices, groups.slice.tolist()) == (("refunds", "delivery"), [0, 0, 1])


def test_a_json_list_of_rows_is_read__scores(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (FIXTURES / "scores.jsonl").read_text().splitlines()]
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(rows, indent=1))
    assert scores_of(read(path).table) == ORDERS
    path.write_text(json.dumps(rows))
    assert scores_of(read(path).table) == ORDERS


def test_a_json_list_with_one_object_a_line_is_read__as_a_list(tmp_path: Path) -> None:
    lines = (FIXTURES / "scores.jsonl").read_text().splitlines()
    path = tmp_path / "scores.json"
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    assert scores_of(read(path).table) == ORDERS


def test_metric_and_judge_have_names__when_no_column_names_them(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("score,variant,sample\n1,a,x\n0,b,x\n")
    table = read(path).table
    assert isinstance(table, ScoreTable)
    assert (table.metrics, table.judges, table.groups.clusters, table.groups.slices) == (("score",), ("",), (), ())
    assert scores_of(table) == {("x", "a", "score", ""): 1.0, ("x", "b", "score", ""): 0.0}


def test_numbers_and_text_name_the_same_sample__json_and_csv_shards(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"sample": 7, "variant": "a", "score": 1}\n')
    (tmp_path / "b.csv").write_text("sample,variant,score\n7,b,0\n")
    result = read(tmp_path / "a.jsonl", tmp_path / "b.csv")
    assert result.rows == 2
    assert scores_of(result.table) == {("7", "a", "score", ""): 1.0, ("7", "b", "score", ""): 0.0}


def test_columns_differ_between_shards__empty_ones_are_filled(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sample,variant,score,judge,cluster\nx,a,1,anna,c1\nx,b,1,,c1\n")
    (tmp_path / "b.csv").write_text("sample,variant,score,metric\ny,a,1,tone\ny,b,0,\n")
    table = read(tmp_path / "a.csv", tmp_path / "b.csv").table
    assert scores_of(table) == {
        ("x", "a", "score", "anna"): 1.0,
        ("x", "b", "score", ""): 1.0,
        ("y", "a", "tone", ""): 1.0,
        ("y", "b", "score", ""): 0.0,
    }
    assert table.groups.cluster.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("text", "score"),
    [("1e-3", 0.001), (" 2 ", 2.0), ("-0.5", -0.5), ("TRUE", 1.0), ("false", 0.0), ("", None), ("+3", 3.0)],
)
def test_a_score_in_csv_is_a_number__or_a_truth_value_or_nothing(
    tmp_path: Path, text: str, score: float | None
) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"sample,variant,score\nx,a,{text}\nx,b,0\n")
    assert scores_of(read(path).table)["x", "a", "score", ""] == score


def test_pairwise_verdicts_are_read__all_four_words() -> None:
    result = read(FIXTURES / "pairwise.jsonl")
    table = result.table
    assert isinstance(table, PairwiseTable)
    assert (result.format, result.rows, table.variants, table.judges) == (
        "pairwise",
        4,
        ("plain", "polite"),
        ("anna", "ben"),
    )
    assert table.verdict.tolist() == [SECOND, FIRST, TIE, INVALID]
    assert (table.first.tolist(), table.second.tolist()) == ([0, 1, 0, 0], [1, 0, 1, 1])
    assert table.judge.tolist() == [0, 0, 0, 1]


def test_preferences_are_read__with_lengths() -> None:
    result = read(FIXTURES / "preference.csv")
    table = result.table
    assert isinstance(table, PreferenceTable)
    assert (result.format, table.variants) == ("preference", ("polite", "plain"))
    np.testing.assert_array_equal(table.preference, [0.9, 0.35, np.nan])
    np.testing.assert_array_equal(table.length_variant, [120, 80, 95])
    np.testing.assert_array_equal(table.length_baseline, [40, 75, np.nan])


def test_lengths_are_none__no_column_tells_them(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("sample,variant,baseline,preference\nx,a,b,0.5\n")
    table = read(path).table
    assert isinstance(table, PreferenceTable)
    assert table.length_variant is None
    assert table.length_baseline is None


def test_gzip_is_seen_by_its_bytes__whatever_the_name(tmp_path: Path) -> None:
    path = tmp_path / "no-ending"
    path.write_bytes(gzip.compress((FIXTURES / "scores.csv").read_bytes()))
    assert scores_of(read(path).table) == ORDERS


@pytest.mark.parametrize("name", ["scores.csv", "scores.jsonl"])
def test_byte_order_mark_and_windows_line_ends_are_tolerated__text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + (FIXTURES / name).read_bytes().replace(b"\n", b"\r\n"))
    assert scores_of(read(path).table) == ORDERS


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_read__dash(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    content = (FIXTURES / "scores.csv").read_bytes()
    stream = io.TextIOWrapper(io.BytesIO(gzip.compress(content) if packed else content))
    monkeypatch.setattr(sys, "stdin", stream)
    assert scores_of(read(Path("-")).table) == ORDERS


def test_a_named_pipe_is_read__once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"cat '{FIXTURES / 'scores.csv'}' > '{pipe}'"])
    try:
        assert scores_of(read(pipe).table) == ORDERS
    finally:
        writer.wait(10)


def test_quoted_fields_may_hold_commas_quotes_and_line_ends__csv(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text('sample,variant,score,answer\n"a ""b"", c",x,1,"two\nlines"\n"a ""b"", c",y,0,one\n')
    table = read(path).table
    assert table.groups.samples == ('a "b", c',)


def test_empty_lines_are_no_rows__csv_and_json_lines(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("\nsample,variant,score\n\nx,a,1\n\nx,b,1\n\n")
    (tmp_path / "s.jsonl").write_text(
        '\n{"sample":"y","variant":"a","score":1}\n\n{"sample":"y","variant":"b","score":1}\n\n'
    )
    assert read(tmp_path / "s.csv", tmp_path / "s.jsonl").rows == 4


def test_other_columns_are_named_once__and_those_that_were_probably_meant(tmp_path: Path) -> None:
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text(f"sample,variant,score,cluster_id,answer\n{name},a,1,c,hi\n{name},b,1,c,ho\n")
    warnings = read(tmp_path / "1.csv", tmp_path / "2.csv").warnings
    assert warnings == ("Columns not read: `cluster_id` (to be read it must be called `cluster`), `answer`.",)


def test_a_range_is_of_one_metric__when_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("sample,variant,score,metric\nx,a,5,tone\nx,b,4,tone\nx,a,1,right\nx,b,0,right\n")
    assert read(path, metric_range=(1, 5), metric="tone").rows == 4


def test_two_judges_may_use_one_wide_scale__the_range_is_given(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("sample,variant,score,judge\nx,a,1,anna\nx,b,1,anna\nx,a,5,ben\nx,b,4,ben\n")
    assert read(path, metric_range=(1, 5)).rows == 4


def test_many_rows_pass_through_several_chunks__both_kinds(tmp_path: Path) -> None:
    count = 40_000
    rows = [(f"s{i % (count // 2)}", "ab"[i // (count // 2)], i % 7) for i in range(count)]
    (tmp_path / "s.csv").write_text("sample,variant,score\n" + "".join(f"{s},{v},{x}\n" for s, v, x in rows))
    with (tmp_path / "s.jsonl").open("w") as stream:
        stream.writelines(json.dumps({"sample": s, "variant": v, "score": x}) + "\n" for s, v, x in rows)
    for name in ("s.csv", "s.jsonl"):
        table = read(tmp_path / name).table
        assert isinstance(table, ScoreTable)
        assert table.score.tolist() == [x for _, _, x in rows]
        assert [table.groups.samples[i] for i in table.sample[:50]] == [s for s, _, _ in rows[:50]]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
SCORES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(1e-50, 1e50), st.floats(-1e50, -1e-50)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.tuples(NAMES, st.sampled_from("ab")), SCORES, min_size=1, max_size=20))
def test_json_lines_and_csv_say_the_same__any_rows(tmp_path: Path, rows: dict[tuple[str, str], Any]) -> None:
    import csv

    rows = {("both", "a"): 0.5, ("both", "b"): None, **rows}
    with (tmp_path / "s.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sample", "variant", "score"])
        writer.writerows([sample, variant, "" if x is None else x] for (sample, variant), x in rows.items())
    with (tmp_path / "s.jsonl").open("w", encoding="utf-8") as stream:
        for (sample, variant), x in rows.items():
            stream.write(json.dumps({"sample": sample, "variant": variant, "score": x}, ensure_ascii=False) + "\n")
    expected = {(s, v, "score", ""): None if x is None else float(x) for (s, v), x in rows.items()}
    assert scores_of(read(tmp_path / "s.csv").table) == expected
    assert scores_of(read(tmp_path / "s.jsonl").table) == expected


def test_every_format_describes_itself__by_its_modules_name() -> None:
    assert set(format_names()) == {
        "alpaca_eval", "inspect", "lm_evaluation_harness", "pairwise", "preference", "promptfoo", "scores",
    }  # fmt: skip
    for name in format_names():
        known = load_format(name)
        assert known.name == name
        assert known.description
        assert known.shape


def test_nothing_heavy_is_imported__for_reading() -> None:
    code = (
        "import sys; from abtest_cli.results.reading import format_names, load_format\n"
        "[load_format(n) for n in format_names()]\n"
        "print([m for m in ('scipy', 'pydantic', 'boto3', 'httpx', 'rich', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
