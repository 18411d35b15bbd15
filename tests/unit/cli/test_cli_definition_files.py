"""A test folder is read whole, and everything wrong in it is said at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abtest.core.errors import InvalidInputError
from abtest_cli.definition_files import load_test_file
from abtest_cli.preparation import prepare
from abtest_cli.yaml_files import MAX_BYTES


def issues_of(folder: Path) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        prepare(folder)
    return {issue.path: issue.sentence() for issue in caught.value.issues}


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "test.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_versions_and_bodies_go_together__right_folder(tiny: Path) -> None:
    prepared = prepare(tiny)
    versions = {body.name: body.version for body in prepared.uploads}
    assert prepared.definition["dataset"] == {"version": versions["dataset.jsonl"]}
    assert prepared.definition["variants"]["b"]["recording"] == {"version": versions["b.jsonl"]}
    assert (prepared.name, prepared.samples, len(prepared.uploads)) == ("tiny", 4, 3)


def test_same_file_is_uploaded_once__two_variants_play_it(tiny: Path) -> None:
    edit(tiny, "b.jsonl", "a.jsonl")
    assert [body.name for body in prepare(tiny).uploads] == ["dataset.jsonl", "a.jsonl"]


def test_frozen_dataset_is_not_uploaded__named_by_version(tiny: Path) -> None:
    edit(tiny, "dataset: dataset.jsonl", f"dataset: {{version: {'a' * 64}}}")
    prepared = prepare(tiny)
    assert prepared.definition["dataset"] == {"version": "a" * 64}
    assert prepared.samples is None


def test_duplicate_key_is_refused_with_its_line__yaml(tiny: Path) -> None:
    edit(tiny, "control: a\n", "control: a\ncontrol: b\n")
    with pytest.raises(InvalidInputError) as caught:
        load_test_file(tiny)
    (issue,) = caught.value.issues
    assert (issue.path, issue.line) == ("control", 5)
    assert "line 4 has the same key" in issue.sentence()


def test_key_that_yaml_reads_as_number_is_refused__variant_name(tiny: Path) -> None:
    edit(tiny, "  a: {provider", "  1: {provider")
    with pytest.raises(InvalidInputError, match="cannot be used") as caught:
        load_test_file(tiny)
    assert caught.value.issues[0].allowed == '"1"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "is not YAML"),
        ("- a\n- b\n", "cannot be used"),
        ("", "cannot be used"),
        ("a: !!python/object:os.system {}\n", "is not YAML"),
        ("a: " + "[" * 5000 + "]" * 5000, "is not YAML"),
    ],
)
def test_file_is_refused_in_words__not_a_plain_mapping(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "test.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=words):
        load_test_file(path)


def test_file_is_refused__too_large_or_not_utf8_or_missing(tmp_path: Path) -> None:
    path = tmp_path / "test.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InvalidInputError) as caught:
        load_test_file(path)
    assert "too large" in caught.value.issues[0].sentence()
    path.write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(InvalidInputError) as caught:
        load_test_file(path)
    assert "UTF-8" in caught.value.issues[0].sentence()
    with pytest.raises(InvalidInputError) as caught:
        load_test_file(tmp_path / "tst.yaml")
    assert "beside it are test.yaml" in caught.value.issues[0].sentence()


def test_bare_on_and_dates_stay_words__yaml(tiny: Path) -> None:
    edit(tiny, "primary_metric: right", "primary_metric: right\ncache: off\ndescription: 2026-01-31")
    definition = load_test_file(tiny).definition
    assert (definition["cache"], definition["description"]) == ("off", "2026-01-31")


def test_prompt_files_are_inlined__relative_to_the_test_file(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tiny / "prompts").mkdir()
    (tiny / "prompts" / "ask.j2").write_text("Say {{ q }}")
    edit(
        tiny,
        "{provider: replay, model: a, recording: a.jsonl}",
        "{provider: p, model: m, prompt: {user_file: prompts/ask.j2}}",
    )
    monkeypatch.chdir("/")
    assert prepare(tiny).definition["variants"]["a"]["prompt"] == {"user": "Say {{ q }}"}


def test_every_issue_is_said_at_once__many_mistakes(tiny: Path) -> None:
    (tiny / "dataset.jsonl").write_text('{"id": "s0", "inputs": {}}\n{"id": "s0"}\n{nonsense\n')
    edit(tiny, "control: a", "control: c")
    edit(tiny, "recording: b.jsonl", "recording: gone.jsonl")
    edit(tiny, "exact_match", "exact_mtch")
    found = issues_of(tiny)
    assert "line 2, id in dataset.jsonl: line 1 has the same id" in found["id in dataset.jsonl"]
    assert "line 3" in found["(row) in dataset.jsonl"]
    assert "there is no such file" in found["variants.b.recording"]
    assert "not one of the variants" in found["control"]
    assert "did you mean 'exact_match'" in found["judges.right.type"]


def test_both_prompt_and_prompt_file_are_refused__same_text(tiny: Path) -> None:
    edit(tiny, "recording: a.jsonl", "prompt: {user: x, user_file: y.j2}")
    assert "one of the two must go" in issues_of(tiny)["variants.a.prompt.user_file"]


def test_template_variable_that_samples_lack_is_refused__with_the_nearest(tiny: Path) -> None:
    edit(
        tiny, "{provider: replay, model: a, recording: a.jsonl}", "{provider: p, model: m, prompt: {user: '{{ qq }}'}}"
    )
    assert "which 4 of 4 samples lack" in issues_of(tiny)["variants.a.prompt.user"]


def test_missing_reference_is_refused__judge_that_compares(tiny: Path) -> None:
    rows = [{"id": f"s{i}", "inputs": {"q": "?"}} for i in range(4)]
    (tiny / "dataset.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "which all 4 samples lack" in issues_of(tiny)["judges.right"]


def test_samples_without_recording_are_told__some_or_all(tiny: Path) -> None:
    (tiny / "b.jsonl").write_text('{"id": "s0", "output": "no"}\n')
    assert any("3 of 4 samples have no recorded output" in warning for warning in prepare(tiny).warnings)
    (tiny / "b.jsonl").write_text('{"id": "other", "output": "no"}\n')
    assert "no row belongs to a sample" in issues_of(tiny)["variants.b.recording"]
