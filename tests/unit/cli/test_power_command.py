"""`abtest power`: what it says, what it reads, how it refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_platform import FakePlatform, problem

from abtest.analytics.model import AnalysisResult, Comparison, Coverage, Decision, McNemarTable
from abtest.analytics.plan import AnalysisPlan, JudgeMetric
from abtest.analytics.power.answer import PowerPoint
from abtest_cli.main import run_cli
from abtest_cli.power_table import curve_lines


def says(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run_cli(["power", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def plan(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(says(capsys, *words, "--json"))
    return found


def refuses(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run_cli(["power", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_answer_comes_first__in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    text = says(capsys, "--discordance", "0.2", "--effect", "0.05", "--cost-usd", "0.0025", "--calls-per-minute", "120")
    first = "You need 658 samples (pairs) to find a difference of 5 points four times in five; about $1.64 and 11 min."
    assert text.splitlines()[0] == first
    for word in ("•", "Other effects", "Other sizes", "$1.64", "Assumed:", "Methods: Sample size of McNemar"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--baseline", "0.5", "--effect", "0.1", "--unpaired"], {"samples": 388, "paired": False}),
        (["--sd-difference", "1", "--effect", "0.2"], {"metric": "mean", "samples": 199}),
        (["--sd", "1", "--correlation", "0.5", "--effect", "-0.2"], {"metric": "mean", "samples": 199}),
        (["--ties", "0", "--target", "0.55"], {"metric": "win_rate", "samples": 783}),
        (["--metric", "win_rate", "--effect", "0.05", "--power", "0.9"], {"metric": "win_rate", "power": 0.9}),
        (["--sd-difference", "1", "--samples", "199"], {"samples": 199, "samples_needed": None}),
        (["--sd-difference", "1", "--effect", "0.2", "--design", "group_sequential:3:pocock"], {"looks": 3}),
        (["--sd-difference", "1", "--effect", "0.2", "--design", "always_valid"], {"looks": 20}),
        (["--sd-difference", "1", "--samples", "50", "--cluster-size", "5", "--icc", "0.3"], {"clusters": 10}),
        (["--sd-difference", "1", "--effect", "0.2", "--judges", "3", "--judge-noise", "0.3"], {"samples": 159}),
        (["--sd-difference", "1", "--effect", "0.2", "--answers", "4", "--within-variance", "0.4"], {"calls": 1120}),
    ],
)
def test_options_say_what_is_planned(
    words: list[str], expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    found = plan(capsys, *words)
    assert {name: found[name] for name in expected} == expected


def test_unreachable_plan__is_an_answer_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert says(capsys, "--sd-difference", "1", "--effect", "1e-7").startswith("No number of samples")
    assert "too few" in says(capsys, "--discordance", "0.2", "--samples", "5")
    assert "win rate" in says(capsys, "--metric", "win_rate", "--samples", "300", "--design", "group_sequential:4")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], ["--effect", "--baseline"]),
        (["--effect", "0.3", "--discordance", "0.2", "--power", "0.01"], ["--discordance", "--power"]),
        (["--effect", "0.1", "--discordance", "0.2", "--alpha", "2"], ["--alpha"]),
        (["--effect", "nan", "--discordance", "0.2"], ["--effect"]),
        (["--effect", "0.1", "--discordance", "0.2", "--icc", "0.2"], ["--cluster-size"]),
        (["--effect", "0.1", "--discordance", "0.2", "--cluster-size", "3"], ["--icc"]),
        (["--effect", "0.1", "--sd-difference", "1", "--judge-noise", "1"], ["--judges"]),
        (["--effect", "0.1", "--sd-difference", "1", "--judges", "3"], ["--judge-correlation"]),
        (["--effect", "0.1", "--sd-difference", "1", "--answers", "3"], ["--within-variance"]),
        (["--effect", "0.1", "--discordance", "0.2", "--design", "peek"], ["--design", "always_valid"]),
        (["--effect", "0.1", "--discordance", "0.2", "--design", "group_sequential:1"], ["--design"]),
        (["--effect", "0.1", "--discordance", "0.2", "--design", "always_valid:99"], ["--design"]),
        (["--effect", "0.1", "--discordance", "0.2", "--cost-usd", "ten"], ["--cost-usd"]),
        (["--effect", "0.1", "--discordance", "0.2", "--metric", "median"], ["--metric"]),
        (["--effect", "0.1", "--metric", "win_rate", "--unpaired"], ["--unpaired"]),
        (["--effect", "0.1", "--pilot", "a.csv", "--pilot-run", "run_1"], ["--pilot-run"]),
    ],
)
def test_what_cannot_be_planned__is_named_by_its_option(
    words: list[str], named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = refuses(capsys, *words)
    for name in named:
        assert name in text


# Pilots


def rows_of_scores(path: Path, binary: bool, *, clusters: bool = False) -> Path:
    rng = random.Random(3)
    lines = []
    for n in range(80):
        extra = {"cluster": f"c{n // 4}"} if clusters else {}
        for variant, chance in (("old", 0.6), ("new", 0.7)):
            score = float(rng.random() < chance) if binary else round(rng.gauss(5, 1), 3)
            lines.append(json.dumps({"sample": f"s{n}", "variant": variant, "score": score, **extra}))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_file_of_results__fills_the_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passes = plan(capsys, "--pilot", str(rows_of_scores(tmp_path / "passes.jsonl", True)), "--effect", "0.1")
    assert (passes["metric"], passes["status"]) == ("proportion", "ok")
    assert any("passes.jsonl, new against old, score: 80 pairs" in text for text in passes["assumptions"])
    scores = rows_of_scores(tmp_path / "scores.jsonl", False, clusters=True)
    clustered = plan(capsys, "--pilot", str(scores), "--effect", "0.1")
    assert (clustered["metric"], clustered["clusters"] * 4) == ("mean", clustered["samples"])
    swapped = plan(capsys, "--pilot", str(scores), "--effect", "0.1", "--control", "new", "--treatment", "old")
    assert swapped["samples"] == clustered["samples"]
    for option, value in (("--control", "nobody"), ("--treatment", "nobody"), ("--pilot-metric", "nothing")):
        text = refuses(capsys, "--pilot", str(scores), "--effect", "0.1", option, value)
        assert option in text and value in text


def test_file_of_preferences__gives_the_ties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = ["first", "second", "tie", "first"] * 20
    path = tmp_path / "verdicts.jsonl"
    rows = [{"sample": f"s{n}", "first": "a", "second": "b", "verdict": v} for n, v in enumerate(verdicts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = plan(capsys, "--pilot", str(path), "--target", "0.6")
    by_hand = plan(capsys, "--ties", "0.25", "--target", "0.6")
    assert (found["metric"], found["samples"]) == ("win_rate", by_hand["samples"])


def analysis() -> dict[str, Any]:
    judges = (JudgeMetric(name="right", type="exact_match", binary=True),)
    about = AnalysisPlan(
        test_name="tiny", run_id="run_1", control="a", variants=("a", "b"), judges=judges, primary_metric="right"
    )
    comparison = Comparison(
        metric="right",
        unit="points",
        control="a",
        treatment="b",
        primary=True,
        lower_is_better=False,
        n=200,
        n_missing=0,
        test="exact_mcnemar",
        status="ok",
        mcnemar=McNemarTable(both=122, only_control=18, only_treatment=22, neither=38),
    )
    decision = Decision(outcome="undecided", sentence="No difference was found.")
    coverage = Coverage(asked=200, paired={"b": 200}, variants=())
    result = AnalysisResult(plan=about, decision=decision, coverage=coverage, comparisons=(comparison,))
    return result.model_dump(mode="json")


class WithAnalysis(FakePlatform):
    """A platform whose run has an analysis."""

    def _api(self, method: str, path: str, request: httpx.Request) -> httpx.Response:
        if (method, path) == ("GET", "/v1/runs/run_1/analysis"):
            return httpx.Response(200, json=self.analysis)
        if path.endswith("/analysis"):
            return problem(404, "not_found", "There is no such run.")
        return super()._api(method, path, request)


@pytest.mark.usefixtures("sign_ins")
def test_finished_run__fills_the_gaps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from abtest_cli import connection

    platform = WithAnalysis(analysis=analysis())
    monkeypatch.setattr(connection, "network", platform.transport)
    assert plan(capsys, "--pilot-run", "run_1", "--effect", "0.05")["samples"] == 658
    assert "run_1" in says(capsys, "--pilot-run", "run_1", "--effect", "0.05", "--env", "local")
    assert run_cli(["power", "--pilot-run", "run_2", "--effect", "0.05"]) == 1
    platform.analysis = {"schema_version": "0"}
    assert run_cli(["power", "--pilot-run", "run_1", "--effect", "0.05"]) == 1
    assert "another version" in capsys.readouterr().err


def test_curve__climbs_and_crosses_the_wanted_power() -> None:
    points = tuple(PowerPoint(samples=n, power=min(1.0, n / 100)) for n in range(10, 110, 10))
    lines = curve_lines(points, 0.8)
    assert lines[2].startswith("  80 % │···") and lines[-1].split() == ["10", "100"]
    columns = [min(row for row, line in enumerate(lines[:11]) if line.ljust(70)[8 + c] == "•") for c in range(60)]
    assert columns == sorted(columns, reverse=True)
    assert (columns[0], columns[-1]) == (9, 0)
