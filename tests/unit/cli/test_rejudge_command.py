"""`abtest rejudge`: what it reads, what it sends, what it says, how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_platform import FakePlatform, credentials, run_item

from abtest.core.errors import InvalidInputError
from abtest_cli import output, running
from abtest_cli.commands import rejudge as command
from abtest_cli.credentials import CredentialStore
from abtest_cli.main import run_cli
from abtest_cli.rejudging import read_judges

pytestmark = pytest.mark.usefixtures("sign_ins")

QUALITY = """
quality:
  type: rubric
  provider: local
  model: j
  dimensions:
    clarity:
      question: Is it clear?
      anchors: {1: It is unclear., 5: It is clear.}
"""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SHORTEST_PAUSE_S", 0.0)


@pytest.fixture
def judges(tmp_path: Path) -> Path:
    path = tmp_path / "judges.yaml"
    path.write_text(QUALITY, encoding="utf-8")
    return path


def sent(platform: FakePlatform) -> list[tuple[httpx.Request, dict[str, Any]]]:
    return [
        (request, json.loads(request.content)) for request in platform.requests if request.url.path.endswith("/rejudge")
    ]


def test_it_shows_the_estimate_then_starts_and_follows(
    platform: FakePlatform, judges: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["rejudge", "run_0", "--judge", str(judges)]) == 0

    (_, planned), (start, started) = sent(platform)
    assert planned == {**started, "dry_run": True}
    assert set(started) == {"judges"}
    assert started["judges"]["quality"]["dimensions"]["clarity"]["anchors"] == {
        "1": "It is unclear.",
        "5": "It is clear.",
    }
    assert len(start.headers["idempotency-key"]) > 16
    said = capsys.readouterr().out
    assert said.index("judge quality") < said.index("Run run_1 judges the answers of run_0 anew.")
    assert Path(".abtest/reports/run_1/report.html").is_file()


def test_every_wish_is_sent(platform: FakePlatform, judges: Path) -> None:
    wishes = ["--primary", "quality.clarity", "--margin", "0.2", "--add", "--cap", "1.50", "--idempotency-key", "k"]

    assert run_cli(["rejudge", "run_0", "--judge", str(judges), *wishes, "--no-wait"]) == 0

    _, (start, body) = sent(platform)
    assert start.headers["idempotency-key"] == "k"
    del body["judges"]
    assert body == {"primary_metric": "quality.clarity", "primary_margin": 0.2, "add": True, "cap_usd": "1.50"}
    assert not any(request.url.path.endswith("/runs/run_1") for request in platform.requests)


def test_judges_of_a_test_file_are_taken__and_of_several_files_all(
    platform: FakePlatform, judges: Path, tiny: Path
) -> None:
    assert run_cli(["rejudge", "run_0", "--judge", str(judges), "--judge", str(tiny), "--no-wait"]) == 0

    assert set(sent(platform)[-1][1]["judges"]) > {"quality"}


def test_json_is_all_that_stands_on_standard_output(
    platform: FakePlatform, judges: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["rejudge", "run_0", "--judge", str(judges), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["run_id"] == "run_1"


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_it_exits_1__when_the_new_run_does_not_complete(platform: FakePlatform, judges: Path, status: str) -> None:
    platform.runs = [run_item(status, "done", 1, 0, error={"message": "The judge is down.", "what_to_do": "Wait."})]

    assert run_cli(["rejudge", "run_0", "--judge", str(judges)]) == 1


def test_wrong_options_are_told__and_nothing_is_sent(
    platform: FakePlatform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "judges.yaml"
    path.write_text(f"{QUALITY.replace('question', 'qestion')}\nshort: {{type: lenght}}\n", encoding="utf-8")

    assert run_cli(["rejudge", "run_0", "--judge", str(path)]) == 2

    said = capsys.readouterr().err
    assert "judges.quality.dimensions.clarity" in said
    assert "did you mean 'length'?" in said
    assert sent(platform) == []


def test_two_files_must_not_have_a_judge_of_one_name(judges: Path, tmp_path: Path) -> None:
    other = tmp_path / "more.yaml"
    other.write_text("quality: {type: exact_match}", encoding="utf-8")

    with pytest.raises(InvalidInputError) as caught:
        read_judges([judges, other])

    assert [issue.path for issue in caught.value.issues] == ["judges.quality"]


def test_a_template_of_the_workspace_is_left_to_the_platform(tmp_path: Path) -> None:
    path = tmp_path / "judges.yaml"
    path.write_text(f"{QUALITY}  template: {{name: house, version: 3}}\n", encoding="utf-8")

    assert read_judges([path]).judges["quality"]["template"] == {"name": "house", "version": 3}


def test_scores_are_uploaded_first(platform: FakePlatform, tmp_path: Path) -> None:
    (tmp_path / "scores.jsonl").write_text('{"id": "s1", "variant": "a", "score": 1}\n', encoding="utf-8")
    path = tmp_path / "judges.yaml"
    path.write_text("human: {type: imported, scores: scores.jsonl}", encoding="utf-8")

    assert run_cli(["rejudge", "run_0", "--judge", str(path), "--no-wait"]) == 0

    paths = [request.url.path for request in platform.requests]
    assert paths.index("/bucket/rows") < paths.index("/api/v1/runs/run_0/rejudge")
    assert len(sent(platform)[0][1]["judges"]["human"]["scores"]["version"]) == 64


def test_a_person_is_asked__where_judging_may_cost_something(
    platform: FakePlatform, judges: Path, sign_ins: CredentialStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_ins.save(credentials("dev"))
    platform.cost_usd_max = "0.84"
    monkeypatch.setattr(output, "interactive", lambda: True)
    monkeypatch.setattr(command.typer, "confirm", _refused)

    assert run_cli(["rejudge", "run_0", "--judge", str(judges), "--env", "dev"]) == 130

    assert [body.get("dry_run") for _, body in sent(platform)] == [True]


def _refused(*_: object, **__: object) -> None:
    raise command.typer.Abort
