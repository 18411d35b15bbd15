"""Bad and degenerate results end in a sentence with its place or in a typed status: no traceback, no made-up number."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from abtest_cli.main import run_cli
from tests.statistics.random_results import command

Analyse = Callable[..., dict[str, Any]]
Refused = Callable[..., str]
CONTENT = "sample,variant,score\n"
RANDOM_FILES = 400
FIXED_TIME_TESTS = ("paired t", "exact McNemar", "Wilcoxon", "ermutation")


def scores(pairs: Sequence[tuple[Any, Any]], names: tuple[str, str] = ("a", "b")) -> str:
    """Return a CSV of pairs of scores; None is a missing one."""
    lines = [
        f"s{i},{name},{'' if value is None else value}"
        for i, pair in enumerate(pairs)
        for name, value in zip(names, pair, strict=True)
    ]
    return CONTENT + "".join(f"{line}\n" for line in lines)


def clustered(pairs: Sequence[tuple[float, float]], clusters: Sequence[str]) -> str:
    lines = [
        f"s{i},{name},{value},{clusters[i]}"
        for i, pair in enumerate(pairs)
        for name, value in zip("ab", pair, strict=True)
    ]
    return "sample,variant,score,cluster\n" + "".join(f"{line}\n" for line in lines)


def verdicts(rows: Sequence[tuple[str, str, str, str]], *, judge: str = "") -> str:
    lines = [f"{','.join(row)},{judge}" for row in rows]
    return "sample,first,second,verdict,judge\n" + "".join(f"{line}\n" for line in lines)


@pytest.fixture
def analyse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Analyse:
    """Return what `abtest analyze --json` says of a file, after a look at the table that a person sees."""

    def said(content: str | bytes, *options: str, name: str = "f.csv") -> dict[str, Any]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        arguments = ["analyze", str(path), *options]
        code = run_cli([*arguments, "--json"])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        result: dict[str, Any] = json.loads(out, parse_constant=_no_constant)
        assert run_cli([*arguments, "--html", str(tmp_path / "r.html")]) == 0
        shown, err = capsys.readouterr()
        assert err == ""
        check_result(result, shown, (tmp_path / "r.html").read_text(encoding="utf-8"))
        return result

    return said


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return what the command says of a file that it refuses."""

    def said(content: str | bytes, *options: str, name: str = "f.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = run_cli(["analyze", str(path), *options])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert "the program failed" not in err
        return err

    return said


def _no_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a JSON value with the name it stands under."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from numbers(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from numbers(below, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def check_result(result: dict[str, Any], shown: str, html: str) -> None:
    """Assert what holds of every analysis: JSON, table and report."""
    fixed = result["plan"].get("design", {}).get("kind", "fixed") == "fixed"
    for name, value in numbers(result):
        assert math.isfinite(value), name
        if name in ("p_value", "p_adjusted", "p_value_adjusted"):
            assert 0 < value <= 1
        if name in ("asked", "judged", "paired", "n", "n_missing", "wins", "losses", "ties", "units", "pairs"):
            assert value >= 0
    for row in result["coverage"]["variants"]:
        assert row["asked"] == row["judged"] + sum(row["missing"].values())
    for one in result["comparisons"]:
        check_comparison(one, fixed)
    for one in result["guardrails"]:
        assert (one["status"] == "ok") == (one["p_value"] is not None)
        if one["loss_low"] is not None:
            assert one["loss_low"] <= one["loss"] <= one["loss_high"]
    if not fixed:
        assert result["slices"] == result["ranking"] == []
        assert result["position"] is None or result["position"]["p_value"] is None
        assert not [word for word in FIXED_TIME_TESTS if word in shown]
        body = html.partition(">Methods<")[0]
        assert not [word for word in FIXED_TIME_TESTS if word in body]
    assert "\x1b" not in shown
    assert not re.search(r"\b(nan|inf|None)\b", shown)
    assert not re.search(r">\s*(nan|inf|None)\s*<", html)


def check_comparison(one: dict[str, Any], fixed: bool) -> None:
    complete = one["p_value"] is not None and one["effect"] is not None
    assert complete == (one["status"] in ("ok", "no_discordant_pairs")), one
    assert one["wins"] + one["losses"] + one["ties"] == one["n"]
    assert one["status"] != "too_few" or one["n"] == 1
    assert one["se"] != 0 or one["status"] != "ok"
    if one["ci"] is not None:
        assert one["ci"][0] <= one["effect"] <= one["ci"][1]
    if not fixed:
        assert one["sensitivity"] is None
        assert one["test"] in ("group_sequential", "always_valid")
        assert one["mcnemar"] is None or one["mcnemar"]["p_value"] is None


@pytest.mark.parametrize("block", range(8))
def test_random_files__are_analysed_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], block: int) -> None:
    analysed = 0
    for seed in range(block * RANDOM_FILES // 8, (block + 1) * RANDOM_FILES // 8):
        arguments = command(seed, tmp_path)
        code = run_cli([*arguments, "--json"])
        out, err = capsys.readouterr()
        assert "the program failed" not in err, (seed, err)
        assert code in (0, 2), (seed, err)
        if code == 2:
            assert err.startswith("Error: ") and out == "", seed
            continue
        assert err == "", (seed, err)
        analysed += 1
        assert run_cli([*arguments, "--html", str(tmp_path / "r.html")]) == 0
        shown = capsys.readouterr().out
        check_result(json.loads(out, parse_constant=_no_constant), shown, (tmp_path / "r.html").read_text("utf-8"))
    assert analysed > 3


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("nan", "`score` is not a number (found 'nan')"),
        ("inf", "`score` is not a number (found 'inf')"),
        ("good", "`score` is not a number (found 'good')"),
        ("1e308", "`score` cannot be computed with (found 1e+308)"),
        ("5e-324", "`score` cannot be computed with (found 4.94066e-324)"),
        ("1" + "0" * 400, "`score` is not a number"),
    ],
)
def test_score_that_is_no_usable_number__is_named_with_its_line(refused: Refused, value: str, says: str) -> None:
    said = refused(scores([(1, 0), (value, 1)]))
    assert "line 4, " in said and says in said


def test_string_for_a_number_in_json__is_named_with_its_line(refused: Refused) -> None:
    rows = [{"sample": "x", "variant": v, "score": s} for v, s in (("a", 1), ("b", "1"))]
    assert "line 2, " in refused("".join(json.dumps(row) + "\n" for row in rows), name="f.jsonl")


def test_duplicate_row__names_both_lines(refused: Refused) -> None:
    assert "line 4, " in (said := refused(scores([(1, 0)]) + "s0,b,1\n")) and "line 3" in said


def test_score_outside_the_range__is_named_with_its_line(refused: Refused) -> None:
    said = refused(scores([(1, 0), (1, 7)]), "--range", "0:5")
    assert "line 5, " in said and "out of range (found 7); allowed: 0 to 5" in said


def test_two_judges_on_two_scales__are_refused(refused: Refused) -> None:
    rows = "".join(f"s{i},{v},{s},{j}\n" for i in range(3) for v in "ab" for j, s in (("x", 0.5), ("y", 8)))
    assert "use different scales" in refused(f"sample,variant,score,judge\n{rows}")


def test_cut_off_gzip__is_told(refused: Refused) -> None:
    content = gzip.compress(scores([(1, 0)] * 300).encode())
    assert "gzip" in refused(content[:-20], name="f.csv.gz")


def test_one_arm_or_no_common_sample__is_refused(refused: Refused) -> None:
    assert "there is only one variant" in refused(CONTENT + "x,a,1\ny,a,0\n")
    assert "no sample in common" in refused(CONTENT + "x,a,1\ny,b,0\n")


def test_ten_thousand_variants__are_too_many_at_once(refused: Refused, analyse: Analyse) -> None:
    content = CONTENT + "".join(f"s{i % 2},v{i // 2},{i % 3}\n" for i in range(20_000))
    said = refused(content)
    assert "too many variants" in said and "9,999" in said and len(said) < 400
    assert analyse(content, "--treatment=v7")["comparisons"][0]["n"] == 2


def test_every_wrong_name__is_told_at_once(refused: Refused) -> None:
    said = refused(
        scores([(1, 0), (0, 1)]),
        "--control=A",
        "--treatment=bb",
        "--metric=scor",
        "--margin=tone=0.1",
        "--margin=score:p42=0.1",
        "--lower-is-better=speed",
    )
    parts = ("--control", "--treatment", "did you mean 'b'", "--metric", "did you mean 'score'", "tone", "p42", "speed")
    assert [part for part in parts if part not in said] == []
    assert said.count("•") == 6


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--margin=score=5", "score is a share, which cannot lose 1 or more"),
        ("--margin=score:p95=0.1", "a metric of 0 and 1 has no quantile"),
        ("--treatment=a", "the control cannot be compared with itself"),
    ],
)
def test_option_that_cannot_fit_the_data__is_refused(refused: Refused, option: str, says: str) -> None:
    assert says in refused(scores([(1, 0), (0, 1), (1, 1)]), option)


def test_no_rows__is_refused(refused: Refused) -> None:
    assert "no rows" in refused(CONTENT)


@pytest.mark.parametrize(
    ("pairs", "status", "says"),
    [
        ([(1, 0)], "too_few", "only one sample has a score of both"),
        ([(0.5, 0.25)], "too_few", "only one sample has a score of both"),
        ([(1, None), (None, 1)], "no_data", "no sample has a score of both"),
        ([(1, None), (0, None)], "no_data", "no sample has a score of both"),
        ([(1, 1)] * 9, "no_discordant_pairs", "score the same"),
        ([(0.5, 0.5)] * 9, "constant", "score the same"),
        ([(0.25, 0.5)] * 9, "constant", "differs by the same +0.250"),
    ],
)
@pytest.mark.parametrize("design", ["fixed", "always_valid", "group_sequential:2/2"])
def test_degenerate_scores__have_a_status_and_no_number(
    analyse: Analyse, pairs: list[tuple[Any, Any]], status: str, says: str, design: str
) -> None:
    result = analyse(scores(pairs), "--design", design)
    (one,) = result["comparisons"]
    assert one["status"] == status
    assert one["ci95"] is None and (one["p_value"] is None or status == "no_discordant_pairs")
    assert result["decision"]["outcome"] == "undecided"
    assert says in result["decision"]["sentence"]


def test_binary_pairs_that_all_go_one_way__have_a_test_but_no_interval(analyse: Analyse) -> None:
    (one,) = analyse(scores([(0, 1)] * 8))["comparisons"]
    assert (one["status"], one["se"], one["ci95"]) == ("ok", None, None)
    assert one["p_value"] == pytest.approx(2 * 0.5**8)


def test_all_ties_by_the_margin__count_no_win(analyse: Analyse) -> None:
    (one,) = analyse(scores([(0.5, 0.52), (0.4, 0.39), (0.7, 0.71)] * 5), "--tie-margin", "0.05")["comparisons"]
    assert (one["wins"], one["losses"], one["ties"], one["win_rate"]) == (0, 0, 15, 0.5)
    assert one["sensitivity"]["sign"]["status"] == "all_ties"


def test_cluster_that_spans_all__is_one_observation(analyse: Analyse) -> None:
    pairs = [(0.0, 1.0), (0.5, 0.25), (0.0, 0.75)] * 5
    result = analyse(clustered(pairs, ["c"] * 15))
    assert result["comparisons"][0]["status"] == "one_cluster"
    assert "belong to one cluster" in result["decision"]["sentence"]


def test_clusters_of_one__are_no_clusters(analyse: Analyse) -> None:
    pairs = [(0.0, 1.0), (0.5, 0.25), (0.0, 0.75), (1.0, 0.5)] * 3
    alone, plain = (analyse(content) for content in (clustered(pairs, [f"c{i}" for i in range(12)]), scores(pairs)))
    assert alone["comparisons"][0]["clusters"] is None
    assert alone["comparisons"][0]["p_value"] == plain["comparisons"][0]["p_value"]


def test_differences_that_cancel_within_clusters__are_not_called_the_same(analyse: Analyse) -> None:
    result = analyse(clustered([(0.0, 0.5), (0.5, 0.0)] * 4, [f"c{i // 2}" for i in range(8)]))
    assert result["comparisons"][0]["status"] == "constant"
    assert "score the same" not in result["decision"]["sentence"]


def test_metric_of_one_variant_only__is_no_data(analyse: Analyse) -> None:
    rows = "".join(f"s{i},{v},{i % 2},right\n" for i in range(6) for v in "ab")
    rows += "".join(f"s{i},b,{i},tone\n" for i in range(6))
    result = analyse(f"sample,variant,score,metric\n{rows}")
    statuses = {one["metric"]: one["status"] for one in result["comparisons"]}
    assert statuses == {"right": "no_discordant_pairs", "tone": "no_data"}


@pytest.mark.parametrize("metric", ["error_rate", "refusal_rate", "latency_ms", "cost_usd", "a:b", "x:p95", "m=n"])
def test_metric_with_a_name_of_its_own__decides_and_guards(analyse: Analyse, metric: str) -> None:
    rows = "".join(f"s{i},{v},{i * 0.5 + side * (i % 3)},{metric}\n" for i in range(9) for side, v in enumerate("ab"))
    result = analyse(f"sample,variant,score,metric\n{rows}", f"--margin={metric}=0.25", f"--margin={metric}:p50=0.5")
    assert result["comparisons"][0]["metric"] == metric
    assert [one["name"] for one in result["guardrails"]] == [f"{metric}:p50"]


def test_relative_margin_of_the_primary_metric__is_a_share_of_the_control(analyse: Analyse) -> None:
    content = scores([(10 + i % 3, 10 + i // 3 % 3) for i in range(60)])
    result = analyse(content, "--margin", "score=20%")
    assert result["decision"]["outcome"] == "no_worse"
    assert "by the declared margin of 2.20" in result["decision"]["sentence"]
    assert analyse(content, "--margin", "score=0.2")["decision"]["outcome"] == "undecided"


@pytest.mark.parametrize(
    "name", ["[red]x[/]", "x[/]", "line\nend", "tab\tx", "\x1b[31mred", "é😀", "<script>", "x" * 400, "\\"]
)
def test_name_that_means_something_elsewhere__is_shown_as_it_is(analyse: Analyse, name: str) -> None:
    rows = [
        {"sample": f"{name}{i}", "variant": variant, "score": (i + k) % 2}
        for i in range(8)
        for k, variant in enumerate((name, "b"))
    ]
    result = analyse("".join(json.dumps(row) + "\n" for row in rows), name="f.jsonl")
    assert result["comparisons"][0]["control"] == name


def test_separated_verdicts__have_a_status_instead_of_strengths(analyse: Analyse) -> None:
    rows = [(f"s{i}", x, y, "first" if x < y else "second") for i in range(5) for x in "abc" for y in "abc" if x != y]
    result = analyse(verdicts(rows))
    assert (result["ranking"], result["ranking_status"]) == ([], "separated")


def test_groups_that_never_met__have_a_status_instead_of_strengths(analyse: Analyse) -> None:
    pairs = (("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"))
    rows = [(f"s{i}", x, y, ("first", "second", "tie")[i % 3]) for i in range(6) for x, y in pairs]
    result = analyse(verdicts(rows))
    assert (result["ranking"], result["ranking_status"]) == ([], "disconnected")
    assert {one["treatment"]: one["status"] for one in result["comparisons"]}["c"] == "no_data"


def test_samples_without_the_control__are_counted_as_missing(analyse: Analyse) -> None:
    rows = [(f"s{i}", "a", "b", "first") for i in range(4)] + [(f"s{i}", "b", "c", "tie") for i in range(4, 9)]
    covered = {row["variant"]: row for row in analyse(verdicts(rows))["coverage"]["variants"]}
    assert (covered["a"]["judged"], covered["a"]["missing"]) == (4, {"no_row": 5})


def test_verdicts_that_nobody_could_read__are_missing(analyse: Analyse) -> None:
    rows = [(f"s{i}", x, y, "invalid") for i in range(4) for x, y in (("a", "b"), ("b", "a"))]
    result = analyse(verdicts(rows))
    assert result["comparisons"][0]["status"] == "no_data"
    assert result["coverage"]["variants"][0]["missing"] == {"no_score": 4}
    assert result["position"]["status"] == "no_data"


def test_one_order_only__says_nothing_of_positions(analyse: Analyse) -> None:
    result = analyse(verdicts([(f"s{i}", "a", "b", ("first", "second", "second")[i % 3]) for i in range(12)]))
    assert result["position"]["status"] == "no_data"
    assert result["position"]["flip_rate"] is None
    assert result["position"]["first_rate"] == pytest.approx(1 / 3)


def test_equal_lengths__leave_the_win_rate_as_it_is(analyse: Analyse) -> None:
    rows = "".join(f"s{i},b,a,{(i % 5) / 4},100,100\n" for i in range(20))
    result = analyse(f"sample,variant,baseline,preference,length_variant,length_baseline\n{rows}")
    (found,) = result["length_controlled"]
    assert found["status"] == "no_length_variation"
    assert found["win_rate"] == found["raw_win_rate"] == pytest.approx(0.5)


def test_preference_told_from_the_other_side__mirrors_the_rate_at_equal_length(analyse: Analyse) -> None:
    header = "sample,variant,baseline,preference,length_variant,length_baseline\n"
    rows = [(i, ((i * 7) % 11) / 10, 80 + (i * 13) % 50, 90 + (i * 5) % 40) for i in range(60)]
    plain = header + "".join(f"s{i},b,a,{p},{x},{y}\n" for i, p, x, y in rows)
    mixed = header + "".join(
        f"s{i},b,a,{p},{x},{y}\n" if i % 2 else f"s{i},a,b,{1 - p},{y},{x}\n" for i, p, x, y in rows
    )
    (one,) = analyse(plain)["length_controlled"]
    (other,) = analyse(mixed, "--control=a")["length_controlled"]
    (mirrored,) = analyse(plain, "--control=b")["length_controlled"]
    assert (one["n"], other["n"], mirrored["n"]) == (60, 60, 60)
    assert one["win_rate"] == pytest.approx(other["win_rate"]) == pytest.approx(1 - mirrored["win_rate"])
    assert one["se"] == pytest.approx(other["se"]) == pytest.approx(mirrored["se"])


def test_scores_that_differ_by_rounding_alone__tie_in_wins_and_in_the_ranking(analyse: Analyse) -> None:
    pairs = [(0.3, 0.1 + 0.2), (0.7, 0.1 + 0.2 * 3), (0.4, 0.5), (0.9, 0.8)] * 5
    result = analyse(scores(pairs))
    (one,) = result["comparisons"]
    assert (one["wins"], one["losses"], one["ties"]) == (5, 5, 10)
    assert [row["log_strength"] for row in result["ranking"]] == pytest.approx([0.0, 0.0], abs=1e-12)
