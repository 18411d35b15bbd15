"""`abtest analyze` end to end: what it prints for people and machines, what it writes, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from abtest_cli.main import run_cli

COMPARISON = (
    "metric control treatment n n_missing mean_control mean_treatment effect se ci95 p_value p_adjusted test status "
    "wins losses ties win_rate win_rate_se sensitivity"
)
FIXED_TIME = ("paired t", "McNemar", "Wilcoxon", "ermutation", "P(better)", "Sign")
Run = Callable[..., tuple[int, str, str]]
Said = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = run_cli(["analyze", *arguments])
        return (code, *capsys.readouterr())

    return ran


@pytest.fixture
def said(run: Run) -> Said:
    """Return the JSON of an analysis."""

    def parsed(*arguments: str) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        assert (code, err) == (0, "")
        result: dict[str, Any] = json.loads(out)
        return result

    return parsed


@pytest.fixture
def binary(tmp_path: Path) -> str:
    """100 samples in two slices: 30 won, 10 lost, 60 alike; one answer of the control is missing."""
    sides = [(0, 1)] * 30 + [(1, 0)] * 10 + [(1, 1)] * 45 + [(0, 0)] * 14 + [(None, 1)]
    lines = ["sample,variant,score,slice"]
    for i, pair in enumerate(sides):
        lines += [
            f"s{i},{v},{'' if x is None else x},{'de' if i % 2 else 'en'}" for v, x in zip("ab", pair, strict=True)
        ]
    (tmp_path / "binary.csv").write_text("\n".join(lines) + "\n")
    return "binary.csv"


@pytest.fixture
def metrics(tmp_path: Path) -> str:
    """60 samples, three variants, a score and a latency."""
    rows = []
    for i in range(60):
        for k, variant in enumerate("abc"):
            rows.append(
                {"sample": i, "variant": variant, "metric": "tone", "score": 3 + k * 0.5 + (i * (k + 3)) % 7 / 4}
            )
            latency = 400 + i + 10 * k + (i * (k + 5)) % 11
            rows.append({"sample": i, "variant": variant, "metric": "latency_ms", "score": latency})
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "metrics.jsonl"


@pytest.fixture
def verdicts(tmp_path: Path) -> str:
    """40 samples, two judges, both orders; the judges like what they see first."""
    lines = ["sample,first,second,verdict,judge"]
    for i in range(40):
        for j in range(2):
            for first, second in (("old", "new"), ("new", "old")):
                biased = (i + j) % 4 == 0
                verdict = "first" if biased or (first == "new") == (i % 3 > 0) else "second"
                lines.append(f"s{i},{first},{second},{verdict},judge-{j}")
    (tmp_path / "verdicts.csv").write_text("\n".join(lines) + "\n")
    return "verdicts.csv"


def test_json_has_the_declared_keys__scores(said: Said, binary: str) -> None:
    result = said(binary)
    declared = "decision coverage comparisons ranking agreement position warnings"
    assert set(declared.split()) <= set(result)
    assert (
        result["coverage"].items() >= {"asked": 100, "answered": 100, "judged": 99, "paired": 99, "missing": 1}.items()
    )
    (one,) = result["comparisons"]
    assert set(COMPARISON.split()) <= set(one)
    assert (one["n"], one["n_missing"], one["wins"], one["losses"], one["ties"]) == (99, 1, 30, 10, 59)
    assert (one["test"], one["status"], one["p_adjusted"]) == ("exact_mcnemar", "ok", one["p_value"])
    assert one["p_value"] == pytest.approx(stats.binomtest(10, 40).pvalue)
    assert one["effect"] == pytest.approx(20 / 99)
    assert one["mean_treatment"] - one["mean_control"] == pytest.approx(one["effect"])
    assert one["win_rate"] == pytest.approx((30 + 59 / 2) / 99)
    assert one["ci95"][0] < one["effect"] < one["ci95"][1]
    assert set(one["sensitivity"]) == {"t", "permutation", "sign", "wilcoxon", "bayesian"}
    assert (result["agreement"]["status"], result["agreement"]["raw"]) == ("single_judge", None)
    assert (result["position"]["status"], result["position"]["flip_rate"]) == ("no_data", None)
    assert {s["value"]: s["n"] for s in result["slices"]} == {"en": 50, "de": 49}
    assert result["decision"]["outcome"] == "ship_treatment"


def test_json_has_the_declared_keys__verdicts_of_two_judges(said: Said, verdicts: str) -> None:
    result = said(verdicts)
    assert {"raw", "cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"} <= set(result["agreement"])
    assert {"flip_rate", "first_rate"} <= set(result["position"])
    assert result["position"]["flip_rate"] == pytest.approx(0.25)
    assert all(set(one) >= {"variant", "log_strength", "se", "ci95"} for one in result["ranking"])
    assert sum(one["log_strength"] for one in result["ranking"]) == pytest.approx(0)
    (one,) = result["comparisons"]
    assert (one["metric"], one["control"], one["treatment"], one["n"]) == ("preference", "old", "new", 40)


def test_table_shows_effect_and_verdict__for_a_person(run: Run, binary: str) -> None:
    code, out, err = run(binary)
    assert (code, err) == (0, "")
    for words in ("score (primary)", "a (control)", "+20.2 points", "95 % interval", "The same pairs by other tests"):
        assert words in out
    assert "Verdict: Ship b. b is better than a on score: +20.2 points" in out
    assert "100 samples, 99 pairs with b; 1 without a score of a." in out


def test_verdict_names_what_to_do__although_the_primary_metric_is_better(run: Run, metrics: str) -> None:
    _, out, _ = run(metrics, "--treatment", "c", "--margin", "latency_ms:p95=1")
    assert "Verdict: Keep a. c is better than a on tone, but breaks the guardrail latency_ms:p95: " in out
    assert "p: one-sided, that the loss is the margin or more; adjusted (Holm)" in " ".join(out.split())


def test_report_is_written__beside_either_output(run: Run, binary: str, tmp_path: Path) -> None:
    code, out, _ = run(binary, "--html", "report.html")
    assert (code, "Report: report.html" in out) == (0, True)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ("Ship b", "b is better than a on score", "Exact McNemar test", "binary.csv", "99 of 100"):
        assert words in html
    code, out, _ = run(binary, "--html", "other.html", "--json")
    assert code == 0 and json.loads(out)
    assert (tmp_path / "other.html").read_text(encoding="utf-8") == html


def test_report_that_cannot_be_written__is_refused(run: Run, binary: str) -> None:
    code, _, err = run(binary, "--html", "no/such/folder.html")
    assert (code, "cannot be written" in err) == (2, True)


def test_control_and_treatment__are_chosen(said: Said, metrics: str) -> None:
    result = said(metrics, "--control", "b", "--treatment", "a")
    assert {(c["control"], c["treatment"]) for c in result["comparisons"]} == {("b", "a")}
    both = said(metrics, "--control", "c")
    assert [c["treatment"] for c in both["comparisons"] if c["primary"]] == ["a", "b"]
    assert all(c["p_adjusted"] >= c["p_value"] for c in both["comparisons"] if c["primary"])


def test_metric_that_decides__is_chosen(said: Said, metrics: str) -> None:
    primary = [c["metric"] for c in said(metrics, "--metric", "latency_ms")["comparisons"] if c["primary"]]
    assert set(primary) == {"latency_ms"}


def test_direction__turns_wins_and_verdict_but_not_the_effect(said: Said, metrics: str) -> None:
    up, down = said(metrics, "--treatment=c"), said(metrics, "--treatment=c", "--lower-is-better=tone")
    one, other = up["comparisons"][0], down["comparisons"][0]
    assert (one["effect"], one["wins"]) == (other["effect"], other["losses"])
    assert (up["decision"]["outcome"], down["decision"]["outcome"]) == ("ship_treatment", "keep_control")


def test_tie_margin__makes_ties(said: Said, metrics: str) -> None:
    assert said(metrics, "--tie-margin=100", "--treatment=c")["comparisons"][0]["ties"] == 60


def test_alpha__sets_the_level_and_hides_what_is_no_ci95(said: Said, binary: str) -> None:
    plain, strict = (said(binary, "--alpha", alpha)["comparisons"][0] for alpha in ("0.05", "0.01"))
    assert (strict["ci95"], strict["ci_level"]) == (None, 0.99)
    assert plain["ci95"] == plain["ci"]
    assert strict["ci"][0] < plain["ci"][0] < plain["ci"][1] < strict["ci"][1]


@pytest.mark.parametrize(
    ("margin", "name", "value", "verdict"),
    [
        ("latency_ms=40", "latency_ms", 40.0, "holds"),
        ("latency_ms=10%", "latency_ms", 43.45, "holds"),
        ("latency_ms:p95=200", "latency_ms:p95", 200.0, "holds"),
        ("latency_ms:p50=1", "latency_ms:p50", 1.0, "broken"),
    ],
)
def test_margin__is_a_guardrail(said: Said, metrics: str, margin: str, name: str, value: float, verdict: str) -> None:
    (found,) = said(metrics, "--treatment=c", "--margin", margin)["guardrails"]
    assert (found["name"], found["verdict"]) == (name, verdict)
    assert found["margin"] == pytest.approx(value, rel=0.02)


def test_margin_of_the_primary_metric__says_no_worse(said: Said, metrics: str) -> None:
    result = said(metrics, "--control=c", "--treatment=b", "--margin=tone=1")
    assert (result["guardrails"], result["decision"]["outcome"]) == ([], "no_worse")
    assert "one-sided p = " in result["decision"]["reasons"][0]


def test_range__refuses_scores_outside(run: Run, metrics: str) -> None:
    code, _, err = run(metrics, "--range", "0:500")
    assert code == 0, err
    code, _, err = run(metrics, "--range", "0:5")
    assert (code, "out of range" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "test"),
    [
        (("--design=always_valid",), "always_valid"),
        (("--design=always_valid", "--planned=400"), "always_valid"),
        (("--design=group_sequential:2/4", "--planned=200"), "group_sequential"),
        (("--design=group_sequential:4/4:pocock",), "group_sequential"),
    ],
)
@pytest.mark.parametrize("name", ["binary", "verdicts", "metrics"])
def test_sequential_design__shows_no_figure_of_a_fixed_time(
    request: pytest.FixtureRequest, run: Run, said: Said, tmp_path: Path, name: str, options: tuple[str, ...], test: str
) -> None:
    file = request.getfixturevalue(name)
    result = said(file, *options)
    for one in result["comparisons"]:
        assert (one["test"], one["sensitivity"]) == (test, None)
        assert one["mcnemar"] is None or one["mcnemar"]["p_value"] is None
    assert (result["slices"], result["ranking"]) == ([], [])
    assert (result["position"]["p_value"], result["position"]["flip_rate_low"]) == (None,) * 2
    assert not {"tests_disagree", "slice", "position"} & {insight["kind"] for insight in result["insights"]}
    _, out, _ = run(file, *options, "--html", "r.html")
    assert [word for word in FIXED_TIME if word in out] == []
    body, methods, _ = (tmp_path / "r.html").read_text(encoding="utf-8").partition(">Methods<")
    assert methods
    assert [word for word in FIXED_TIME if word in body.partition("</style>")[2]] == []
    fixed = said(file)["comparisons"][0]["p_value"]
    assert result["comparisons"][0]["p_value"] > fixed


def test_early_look__needs_the_planned_samples_and_is_stricter(run: Run, said: Said, binary: str) -> None:
    code, _, err = run(binary, "--design", "group_sequential:1/3")
    assert (code, "--planned" in err) == (2, True)
    early = said(binary, "--design", "group_sequential:1/3", "--planned", "300")["comparisons"][0]
    last = said(binary, "--design", "group_sequential:3/3")["comparisons"][0]
    assert early["p_value"] > last["p_value"]


def test_seed__is_told_and_gives_the_same_numbers(run: Run, said: Said, metrics: str) -> None:
    options = (metrics, "--margin", "latency_ms:p95=20", "--json")
    one, again, other = run(*options, "--seed=3"), run(*options, "--seed=3"), run(*options, "--seed=4")
    assert one == again != other
    assert json.loads(one[1])["plan"]["seed"] == 3


def test_every_wrong_option__is_told_at_once(run: Run, binary: str) -> None:
    wrong = ("--alpha=2", "--tie-margin=-1", "--margin=score", "--margin=score=-1", "--design=peek", "--range=5:1")
    code, out, err = run(binary, *wrong)
    assert (code, out) == (2, "")
    assert err.count("•") == len(wrong)
    for option in ("--alpha", "--tie-margin", "--margin", "--design", "--range"):
        assert option in err


@pytest.mark.parametrize(
    "options",
    [
        ("--planned=10",),
        ("--design=group_sequential:5/3",),
        ("--design=group_sequential:1/1",),
        ("--design=always_valid", "--planned=0"),
        ("--margin=score=0.1", "--margin=score=0.2"),
        ("--margin=score=nan",),
        ("--alpha=nan",),
        ("--alpha=often",),
        ("--seed=-1",),
        ("--format=excel",),
        ("--no-such-option",),
    ],
)
def test_option_that_cannot_be_meant__is_refused(run: Run, binary: str, options: tuple[str, ...]) -> None:
    code, out, err = run(binary, *options)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ") and "the program failed" not in err


def test_file_that_is_not_there__is_refused(run: Run) -> None:
    assert run("nothing.csv")[0] == 2
    assert run()[0] == 2


def test_standard_input__is_read_by_a_fresh_process(binary: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "abtest_cli", "analyze", "-"]
    given = (tmp_path / binary).read_bytes()
    environment = {"PYTHONIOENCODING": "ascii", "PATH": ""}
    found = subprocess.run(command, input=given, capture_output=True, check=False, env=environment)
    assert (found.returncode, found.stderr) == (0, b"")
    assert b"Verdict: Ship b." in found.stdout


def test_documented_example__says_what_is_shown(run: Run) -> None:
    root = Path(__file__).resolve().parents[3]
    page = (root / "docs/getting-started.md").read_text(encoding="utf-8")
    shown = page.partition("```text\n")[2].partition("```")[0]
    _, out, _ = run(str(root / "examples/results/tickets.csv"), "--margin", "latency_ms:p95=25%")
    assert shown in out
    table = page.partition("```csv\n")[2].partition("```")[0]
    assert (root / "examples/results/tickets.csv").read_text(encoding="utf-8").startswith(table)
