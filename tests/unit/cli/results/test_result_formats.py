"""The files of other tools, and the examples of the documentation."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abtest.analytics.data.tables import PreferenceTable, ScoreTable
from abtest.core.errors import InvalidInputError
from abtest_cli.results.reading import format_names, read_results

FIXTURES = Path(__file__).parent / "fixtures"
DOCUMENT = Path(__file__).parents[4] / "docs" / "result-files.md"


def scores(paths: list[Path]) -> tuple[ScoreTable, dict[tuple[str, str, str], float | None], tuple[str, ...], str]:
    result = read_results(paths)
    table = result.table
    assert isinstance(table, ScoreTable)
    values = {
        (table.groups.samples[s], table.variants[v], table.metrics[m]): None if np.isnan(x) else float(x)
        for s, v, m, x in zip(table.sample, table.variant, table.metric, table.score, strict=True)
    }
    assert len(values) == len(table.score)
    return table, values, result.warnings, result.format


def promptfoo_results() -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = json.loads((FIXTURES / "promptfoo.json").read_text())["results"]["results"]
    return results


def test_promptfoo_is_read__providers_are_variants() -> None:
    table, values, warnings, name = scores([FIXTURES / "promptfoo.json"])
    assert (name, warnings, table.variants) == ("promptfoo", (), ("acme:small", "Large"))
    assert values["0", "acme:small", "tone"] == 0.5
    assert values["0", "Large", "score"] == 0.25  # an assertion failed: that is a score
    assert values["0", "Large", "success"] == 0
    assert values["1", "Large", "score"] is None  # the call failed
    assert values["1", "Large", "success"] is None
    assert table.groups.cluster.tolist() == [0, 0, 1]  # tests 0 and 1 repeat one question


@pytest.mark.parametrize("form", ["one line", "summary", "json lines"])
def test_promptfoo_is_read__its_other_forms(tmp_path: Path, form: str) -> None:
    document = json.loads((FIXTURES / "promptfoo.json").read_text())
    texts = {
        "one line": json.dumps(document),
        "summary": json.dumps(document["results"], indent=2),
        "json lines": "".join(json.dumps(row) + "\n" for row in promptfoo_results()),
    }
    path = tmp_path / "results"
    path.write_text(texts[form])
    assert scores([path])[1] == scores([FIXTURES / "promptfoo.json"])[1]


def test_promptfoo_prompts_are_variants__one_provider(tmp_path: Path) -> None:
    rows = promptfoo_results()
    long = "Answer kindly, and mention the number of the parcel whenever you know it: {{question}}"
    for row in rows:
        row["provider"] = {"id": "acme:small"}
        row["prompt"] = {"raw": "x", "label": long if row["promptIdx"] else "short"}
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"results": {"version": 3, "results": rows}}))
    variants = scores([path])[0].variants
    assert variants[0] == "short"
    assert re.fullmatch(r"Answer kindly.*\.\.\. \([0-9a-f]{6}\)", variants[1])


def test_promptfoo_tests_are_known_by_their_variables__no_numbers_and_no_reason(tmp_path: Path) -> None:
    rows = [row for row in promptfoo_results() if row["testIdx"] != 1]
    for row in rows:
        del row["testIdx"], row["failureReason"]
    rows[0] |= {"error": "503", "gradingResult": None}
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"version": 2, "results": {"version": 2, "results": rows}}))
    table, values, _, _ = scores([path])
    assert table.groups.samples == ('{"question": "Where is my parcel?"}', '{"question": "Can I change the address?"}')
    assert table.groups.clusters == ()  # no test is repeated
    assert values[table.groups.samples[0], "acme:small", "score"] is None


def test_inspect_json_logs_are_read__one_variant_each() -> None:
    table, values, warnings, name = scores([FIXTURES / "inspect_small.json", FIXTURES / "inspect_large.json"])
    assert (name, table.variants) == ("inspect", ("acme/small", "acme/large"))
    assert table.metrics == ("match", "rubric/clear", "rubric/kind")
    assert [values[s, "acme/small", "match"] for s in ("1#1", "1#2", "2#1", "2#2")] == [1, 0, 0.5, 0]
    assert values["2#2", "acme/small", "rubric/clear"] is None  # NaN is Inspect's word for not scored
    assert values["2#1", "acme/small", "rubric/kind"] is None
    assert [values["1#2", "acme/large", metric] for metric in table.metrics] == [None] * 3  # the sample failed
    assert (table.groups.clusters, table.groups.cluster.tolist()) == (("1", "2"), [0, 0, 1, 1])
    assert "status is 'error'" in warnings[0]


def archive(path: Path, log: dict[str, Any], form: str) -> Path:
    """Write a log as Inspect does: whole, cut off, without summaries, or as its first versions did."""
    header = {key: value for key, value in log.items() if key != "samples"}
    samples = log["samples"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("start.json" if form == "first versions" else "_journal/start.json", json.dumps(header))
        for sample in samples:
            name = f"samples/{sample['id']}_epoch_{sample['epoch']}.json"
            packed.writestr(name, json.dumps(sample | {"messages": [{"content": "long"}]}))
        if form in ("whole", "cut off"):
            for number, sample in enumerate(samples, 1):
                packed.writestr(f"_journal/summaries/{number}.json", json.dumps([sample]))
        if form == "whole":
            packed.writestr("summaries.json", json.dumps(samples))
            packed.writestr("header.json", json.dumps(header))
        if form == "first versions":
            packed.writestr("summary.json", json.dumps(samples))
    return path


@pytest.mark.parametrize("form", ["whole", "cut off", "no summaries", "first versions"])
def test_inspect_archives_say_the_same_as_json__every_form(tmp_path: Path, form: str) -> None:
    fixtures = [FIXTURES / "inspect_small.json", FIXTURES / "inspect_large.json"]
    paths = [archive(tmp_path / f"{path.stem}.eval", json.loads(path.read_text()), form) for path in fixtures]
    table, values, _, name = scores(paths)
    assert name == "inspect"
    expected, expected_values, _, _ = scores(fixtures)
    assert values == expected_values
    assert table.groups.samples == expected.groups.samples


def log(task: str, model: str, value: Any, **arguments: Any) -> dict[str, Any]:
    samples = [{"id": "a", "epoch": 1, "scores": {"m": {"value": value}}}]
    return {"status": "success", "eval": {"task": task, "task_args": arguments, "model": model}, "samples": samples}


def write_logs(folder: Path, *logs: dict[str, Any]) -> list[Path]:
    paths = [folder / f"log{number}.json" for number in range(len(logs))]
    for path, content in zip(paths, logs, strict=True):
        path.write_text(json.dumps(content))
    return paths


def test_inspect_logs_of_one_model_are_told_apart__by_arguments_then_file(tmp_path: Path) -> None:
    paths = write_logs(tmp_path, log("t", "m", "C", shots=0), log("t", "m", "I", shots=5))
    assert scores(paths)[0].variants == ("m (shots=0)", "m (shots=5)")
    paths = write_logs(tmp_path, log("t", "m", "C"), log("t", "m", "I"))
    assert scores(paths)[0].variants == ("log0", "log1")


def test_inspect_tasks_are_slices__several_of_two_models(tmp_path: Path) -> None:
    paths = write_logs(tmp_path, *(log(task, model, "yes") for task in ("t", "u") for model in ("m", "n")))
    table = scores(paths)[0]
    assert (table.variants, table.groups.samples, table.groups.slices) == (("m", "n"), ("t/a#1", "u/a#1"), ("t", "u"))
    assert table.groups.clusters == ()  # one epoch: nothing is shared


def test_inspect_metrics_that_are_no_numbers_are_left_out__with_a_warning(tmp_path: Path) -> None:
    contents = [log("t", "m", "0.5"), log("t", "n", 1)]
    contents[0]["samples"][0]["scores"] |= {"grade": {"value": "B+"}, "list": {"value": [1, 2]}}
    table, values, warnings, _ = scores(write_logs(tmp_path, *contents))
    assert (table.metrics, values["a#1", "m", "m"]) == (("m",), 0.5)
    assert [warning.split(" is ")[0] for warning in warnings] == ["Metric `grade`", "Metric `list`"]


def harness(*names: str) -> list[Path]:
    return [FIXTURES / "harness" / f"acme__{model}" / f"samples_{task}_2026-03-01T10-00-00.123456.jsonl"
            for task in names for model in ("small", "large")]  # fmt: skip


def test_harness_files_are_read__folders_are_variants() -> None:
    table, values, warnings, name = scores(harness("parcels"))
    assert (name, warnings, table.variants) == ("lm_evaluation_harness", (), ("acme__small", "acme__large"))
    assert (table.groups.samples, table.groups.slices) == (("0", "1"), ())
    assert table.metrics == ("exact_match,strict", "exact_match,flexible")
    assert values["0", "acme__large", "exact_match,strict"] == 1
    assert values["1", "acme__small", "exact_match,flexible"] == 0


def test_harness_tasks_are_slices__several() -> None:
    table, values, _, _ = scores(harness("parcels", "stories"))
    assert table.groups.slices == ("parcels", "stories")
    assert table.metrics == ("exact_match,strict", "exact_match,flexible", "acc", "acc_norm")
    assert values["stories/1", "acme__large", "acc_norm"] == 0


def test_harness_files_are_told_apart_by_name__one_folder_or_other_names(tmp_path: Path) -> None:
    content = harness("parcels")[0].read_bytes()
    one = tmp_path / "samples_parcels_2026-03-01T10-00-00.123456.jsonl"
    two = tmp_path / "samples_parcels_2026-03-02T10-00-00.123456.jsonl"
    one.write_bytes(content)
    two.write_bytes(content)
    assert scores([one, two])[0].variants == (one.stem, two.stem)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    (tmp_path / "b.jsonl").write_bytes(content)
    assert scores([tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"])[0].variants == ("a", "b")


def test_harness_metrics_that_are_no_numbers_are_left_out__named_by_the_harness(tmp_path: Path) -> None:
    row = json.loads(harness("stories")[0].read_text().splitlines()[0]) | {"metrics": ["acc", "byte_perplexity"]}
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    table, _, warnings, _ = scores([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    assert table.metrics == ("acc",)
    assert "Metric `byte_perplexity` is left out" in warnings[0]


def test_harness_nan_is_refused__with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"doc_id": 0, "doc": {}, "resps": [], "metrics": ["acc"], "acc": NaN}\n')
    with pytest.raises(InvalidInputError) as caught:
        read_results([path])
    assert (caught.value.issues[0].line, caught.value.issues[0].message) == (1, "`acc` is not a number")


def annotations(path: Path, preferences: list[Any]) -> Path:
    base = json.loads((FIXTURES / "annotations.json").read_text())[0]
    rows = [base | {"instruction": f"i{n}", "preference": value} for n, value in enumerate(preferences)]
    path.write_text(json.dumps(rows))
    return path


def test_alpaca_eval_is_read__output_2_is_the_variant() -> None:
    result = read_results([FIXTURES / "annotations.json"])
    table = result.table
    assert isinstance(table, PreferenceTable)
    assert (result.format, result.warnings, result.rows) == ("alpaca_eval", (), 4)
    assert [table.variants[code] for code in (table.variant[0], table.baseline[0])] == ["candidate", "reference"]
    np.testing.assert_array_equal(table.preference, [0.25, 1, 0.5, np.nan])
    np.testing.assert_array_equal(table.length_variant, [17, 10, 6, 0])
    np.testing.assert_array_equal(table.length_baseline, [4, 6, 6, 6])
    assert (table.judges, table.groups.slices) == (("judge-a",), ("short", "long"))


@pytest.mark.parametrize(
    ("written", "read"),
    [([1, 2, 1.5], [0, 1, 0.5]), ([0.25, 1, 0], [0.25, 1, 0]), ([1, 1], [0, 0]), ([2, 0, None], [1, 0.5, np.nan])],
)
def test_alpaca_eval_scales_are_told_apart__by_all_values(
    tmp_path: Path, written: list[Any], read: list[float]
) -> None:
    table = read_results([annotations(tmp_path / "a.json", written)]).table
    assert isinstance(table, PreferenceTable)
    np.testing.assert_array_equal(table.preference, read)


@pytest.mark.parametrize(
    ("written", "message"),
    [([0, 1], "two ways"), ([0.5, 2], "two scales"), ([1, 3], "out of range"), ([-1, 2], "out of range")],
)
def test_alpaca_eval_preferences_are_refused__not_to_be_understood(
    tmp_path: Path, written: list[Any], message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_results([annotations(tmp_path / "a.json", written)])
    assert message in caught.value.issues[0].message


def documented() -> dict[str, list[tuple[str, str]]]:
    """Return the fenced blocks of the documentation by format: language and text."""
    sections = re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        section.splitlines()[0].strip("`"): re.findall(r"^```(\w+)\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        for section in sections[1:]
    }


@pytest.mark.parametrize("name", format_names())
def test_the_documented_examples_are_read__as_their_format(tmp_path: Path, name: str) -> None:
    blocks = documented()[name]
    assert blocks
    paths = []
    for number, (language, text) in enumerate(blocks):
        ending = language.replace("ndjson", "jsonl")
        path = tmp_path / f"model-{number}" / f"samples_demo_2026-03-01T10-00-00.000000.{ending}"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    one_a_variant = name in ("inspect", "lm_evaluation_harness")
    for together in [paths] if one_a_variant else [[path] for path in paths]:
        result = read_results(together)
        assert result.format == name
        assert result.rows > 1
        assert result.warnings == ()
