"""Commands end to end over a platform in memory: what they send, what they say, how they exit."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_platform import FakePlatform, credentials, run_item

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.model import AnalysisPlan, JudgeMetric
from abtest.analytics.service import analyse
from abtest_cli import running
from abtest_cli.credentials import CredentialStore
from abtest_cli.main import run_cli

pytestmark = pytest.mark.usefixtures("sign_ins")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SHORTEST_PAUSE_S", 0.0)


@pytest.fixture
def analysed(platform: FakePlatform) -> FakePlatform:
    judges = (JudgeMetric(name="right", type="exact_match", binary=True),)
    plan = AnalysisPlan(
        test_name="tiny", run_id="run_1", variants=("a", "b"), control="a", judges=judges, primary_metric="right"
    )
    platform.analysis = analyse(plan, RunStatistics()).model_dump(mode="json")
    return platform


def test_run_uploads_starts_and_shows_the_verdict__completed(
    analysed: FakePlatform, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["run", str(tiny)]) == 0
    paths = [f"{request.method} {request.url.path}" for request in analysed.requests]
    assert paths.count("PUT /bucket/rows") == 3
    assert paths.index("POST /api/v1/tests") < paths.index("POST /api/v1/tests/test_1/runs")
    start = next(request for request in analysed.requests if request.url.path.endswith("/runs"))
    assert len(start.headers["idempotency-key"]) > 16
    text = capsys.readouterr().out
    assert "Verdict:" in text
    assert "right (primary)" in text
    assert Path(".abtest/reports/run_1/report.html").is_file()


def test_run_prints_json_and_nothing_else__json(
    analysed: FakePlatform, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["run", str(tiny / "test.yaml"), "--json", "--output", str(tmp_path / "out")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["run_id"], said["status"]) == ("run_1", "COMPLETED")
    assert said["files"]["analysis.json"] == str(tmp_path / "out" / "analysis.json")
    assert said["analysis"]["plan"]["control"] == "a"


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_run_exits_1_and_keeps_the_partial_report__not_completed(
    platform: FakePlatform, tiny: Path, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    error = {
        "code": "provider_unavailable",
        "message": "The provider is down.",
        "what_to_do": "Start it and run again.",
    }
    platform.runs = [run_item("RUNNING", "generating", 1, 0), run_item(status, "done", 1, 0, error=error)]
    assert run_cli(["run", str(tiny)]) == 1
    said = capsys.readouterr()
    assert "The provider is down. Start it and run again." in said.err
    assert "Partial report" in said.out


def test_run_exits_2_and_sends_nothing__wrong_test(
    platform: FakePlatform, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "dataset.jsonl").write_text("{}\n")
    assert run_cli(["run", str(tiny)]) == 2
    assert platform.requests == []
    assert "line 1, id in dataset.jsonl" in capsys.readouterr().err


def test_run_returns_at_once__no_wait(platform: FakePlatform, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["run", str(tiny), "--no-wait", "--idempotency-key", "my-key"]) == 0
    assert platform.requests[-1].headers["idempotency-key"] == "my-key"
    assert "abtest watch run_1" in capsys.readouterr().out


def test_watching_stops_and_the_run_goes_on__ctrl_c(
    platform: FakePlatform, sign_ins: CredentialStore, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_ins.save(credentials("prod"))
    platform.interrupt_on_look = True
    assert run_cli(["watch", "run_1", "--env", "prod"]) == 130
    said = capsys.readouterr().out
    assert "abtest watch run_1 --env prod" in said
    assert "abtest cancel run_1 --env prod" in said


@pytest.mark.parametrize(
    ("cost", "environment", "options", "asked"),
    [
        ("0.02", "prod", [], True),
        (None, "prod", [], True),
        ("0", "prod", [], False),
        ("0.02", "prod", ["--yes"], False),
        ("0.02", "local", [], False),
    ],
)
def test_person_is_asked_before_money_is_spent__known_or_unknown_cost(
    platform: FakePlatform,
    sign_ins: CredentialStore,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    cost: str | None,
    environment: str,
    options: list[str],
    asked: bool,
) -> None:
    sign_ins.save(credentials("prod"))
    platform.cost_usd_max = cost
    monkeypatch.setattr("abtest_cli.output.interactive", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO())  # an end of input is a no
    code = run_cli(["run", str(tiny), "--env", environment, *options])
    started = any(request.url.path.endswith("/test_1/runs") for request in platform.requests)
    assert (code, started) == ((130, False) if asked else (0, True))


def test_report_comes_again__completed_run(analysed: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["report", "run_1", "-o", "again"]) == 0
    assert Path("again/samples.csv").is_file()
    assert "Verdict:" in capsys.readouterr().out


def test_sentence_is_shown_without_a_table__analysis_of_another_version(
    analysed: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    analysed.analysis["a_field_of_tomorrow"] = 1
    assert run_cli(["report", "run_1"]) == 0
    assert "Verdict: No difference was found." in capsys.readouterr().out


def test_report_is_not_there_yet__running(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.runs = [run_item("RUNNING", "judging", 4, 1)]
    assert run_cli(["report", "run_1"]) == 1
    assert "abtest watch run_1" in capsys.readouterr().err


def test_other_commands_answer__platform_is_there(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["cancel", "run_1"]) == 0
    assert run_cli(["judges", "list"]) == 0
    assert run_cli(["providers", "list"]) == 0
    assert run_cli(["providers", "add", "mine", "--base-url", "https://x.example/v1", "--price", "m:1=0.1,0.4"]) == 0
    assert json.loads(platform.requests[-1].content)["prices"] == {
        "m:1": {"input_usd_per_million": "0.1", "output_usd_per_million": "0.4"}
    }
    said = capsys.readouterr().out
    assert "contains" in said
    assert "replay" in said


def test_wrong_use_exits_2_in_one_sentence__no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = (
        ["rnu"],
        ["run"],
        ["run", "--nope"],
        ["providers", "add", "x", "--price", "m"],
        ["init", "x", "--example", "capitls"],
    )
    for arguments in wrong:
        assert run_cli(arguments) == 2, arguments
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "did you mean 'capitals'" in said


def test_unforeseen_failure_exits_1_without_traceback__unless_debug(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("abtest_cli.client.ApiClient.judges", lambda _self: 1 / 0)
    assert run_cli(["judges", "list"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        run_cli(["judges", "list", "--debug"])


def test_init_makes_a_folder_and_overwrites_nothing__example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["init", "mine", "--example", "capitals"]) == 0
    assert Path("mine/test.yaml").is_file()
    Path("mine/test.yaml").write_text("edited")
    assert run_cli(["init", "mine"]) == 2
    assert Path("mine/test.yaml").read_text() == "edited"


def test_help_needs_no_heavy_import__start() -> None:
    heavy = ("boto3", "httpx", "pydantic", "yaml", "jinja2", "numpy", "rich.progress")
    code = f"import sys, abtest_cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
