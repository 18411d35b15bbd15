"""The command line as a person uses it: real processes, the deployed platform, the bundled LLM."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from harness.platform import REPOSITORY, free_port

pytestmark = pytest.mark.e2e
EXAMPLE = REPOSITORY / "examples/json-extraction"
SAMPLES = 8


class Shell:
    """Runs `abtest` with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ABTEST_")},
            "ABTEST_HOME": str(folder / "stack"),
            "ABTEST_CONFIG_HOME": str(folder / "config"),
            "ABTEST_LOCAL_PORT": str(free_port()),
        }

    def __call__(self, *arguments: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "abtest_cli", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


@pytest.fixture(scope="module")
def abtest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("shell"))
    started = shell("up")
    assert started.returncode == 0, started.stdout + started.stderr
    yield shell
    assert shell("down").returncode == 0


def small_test(folder: Path, **changes: object) -> Path:
    """Write a test of a few samples of the example, and return its file."""
    folder.mkdir()
    definition = yaml.safe_load((EXAMPLE / "test.yaml").read_text()) | {"cache": "off"} | changes
    (folder / "prompts").mkdir()
    for prompt in (EXAMPLE / "prompts").iterdir():
        (folder / "prompts" / prompt.name).write_text(prompt.read_text())
    (folder / "dataset.jsonl").write_text(
        "".join((EXAMPLE / "dataset.jsonl").read_text().splitlines(keepends=True)[:SAMPLES])
    )
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(definition, sort_keys=False))
    return file


def answers(folder: Path) -> dict[tuple[str, str], str]:
    with (folder / "samples.csv").open(newline="") as file:
        return {(row["sample_id"], row["variant"]): row["text"] for row in csv.DictReader(file)}


def test_run_twice__the_model_says_the_same(abtest: Shell, tmp_path: Path) -> None:
    file = small_test(tmp_path / "test")
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        done = abtest("run", file, "--yes", "--output", folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "few_shot" in done.stdout
        assert "95 % interval" in done.stdout
        assert {path.name for path in folder.iterdir()} == {"report.html", "analysis.json", "samples.csv"}

    first, second = map(answers, folders)
    assert len(first) == 2 * SAMPLES
    assert all(first.values())
    # Both runs asked the model anew (the cache is off), at different times and beside different neighbours.
    assert first == second
    analyses = [json.loads((folder / "analysis.json").read_text()) for folder in folders]
    assert [a["coverage"]["asked"] for a in analyses] == [SAMPLES, SAMPLES]
    assert all(v["from_ledger"] == 0 for a in analyses for v in a["variants"])


def test_cancel_and_watch__tell_what_became_of_a_run(abtest: Shell, tmp_path: Path) -> None:
    file = small_test(tmp_path / "test", name="cancelled")
    started = abtest("run", file, "--yes", "--no-wait", "--json")
    assert started.returncode == 0, started.stdout + started.stderr
    run_id = json.loads(started.stdout)["run_id"]
    assert abtest("cancel", run_id).returncode == 0
    watched = abtest("watch", run_id)
    assert watched.returncode == 1
    assert "cancel" in (watched.stdout + watched.stderr).lower()


def test_unknown_model_provider__fails_with_advice(abtest: Shell, tmp_path: Path) -> None:
    added = abtest("providers", "add", "gone", "--vendor", "openai_chat", "--base-url", "http://127.0.0.1:9/v1")
    assert added.returncode == 0, added.stdout + added.stderr
    file = small_test(tmp_path / "test", name="gone")
    file.write_text(file.read_text().replace("provider: local", "provider: gone", 1))
    failed = abtest("run", file, "--yes")
    assert failed.returncode == 1
    told = " ".join((failed.stdout + failed.stderr).split())
    assert "'gone' (127.0.0.1:9) answered none" in told
    assert "base URL" in told


def test_wrong_definition__is_refused_with_every_issue(abtest: Shell, tmp_path: Path) -> None:
    file = small_test(tmp_path / "test", control="ters", primary_metric="corect")
    refused = abtest("run", file)
    assert refused.returncode == 2
    told = " ".join((refused.stdout + refused.stderr).split())
    assert "did you mean 'terse'" in told
    assert "did you mean 'correct'" in told
    assert "Traceback" not in told
