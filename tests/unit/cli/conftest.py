"""A signed-in command line whose network is a platform in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_platform import FakePlatform, credentials

from abtest_cli import connection
from abtest_cli.credentials import CredentialStore

TEST_YAML = """
name: tiny
dataset: dataset.jsonl
control: a
variants:
  a: {provider: replay, model: a, recording: a.jsonl}
  b: {provider: replay, model: b, recording: b.jsonl}
judges:
  right: {type: exact_match}
primary_metric: right
"""


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    fake = FakePlatform()
    monkeypatch.setattr(connection, "network", fake.transport)
    return fake


@pytest.fixture
def sign_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CredentialStore:
    for name in ("ABTEST_TOKEN", "ABTEST_API_URL", "ABTEST_ENV", "ABTEST_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ABTEST_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    kept = CredentialStore(tmp_path / "config" / "credentials.json")
    kept.save(credentials())
    return kept


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A test folder of four samples whose answers are recorded."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "test.yaml").write_text(TEST_YAML)
    samples = [{"id": f"s{i}", "inputs": {"q": "?"}, "reference": "yes"} for i in range(4)]
    (folder / "dataset.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
    for name, output in (("a", "yes"), ("b", "no")):
        rows = [{"id": f"s{i}", "output": output} for i in range(4)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
