"""Recorded answers and verdicts of published studies, through `abtest analyze`, give the figures known for them.

The recordings stand beside the repository in a development tree; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from abtest_cli.main import app

DATA = Path(__file__).parents[2].parent / "shared/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recordings are not here")

EXPECTED: dict[str, Any] = json.loads((DATA / "expected.json").read_text(encoding="utf-8")) if DATA.exists() else {}
VICUNA = {
    "llama-13b": "vicuna-13b_20230322-clean-lang__llama-13b_vicuna-13b.jsonl",
    "alpaca-13b": "vicuna-13b_20230322-clean-lang__alpaca-13b_vicuna-13b.jsonl",
    "bard": "vicuna-13b_20230322-clean-lang__bard_vicuna-13b.jsonl",
    "gpt35": "vicuna-13b_20230322-clean-lang__gpt35_vicuna-13b.jsonl",
}


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def analyzed(folder: Path, rows: Iterable[dict[str, Any]], *options: str) -> dict[str, Any]:
    """Write rows as JSONL and return what `abtest analyze --json` says of them."""
    path = folder / "results.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    result = CliRunner().invoke(app, ["analyze", str(path), "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.parametrize("pair", sorted(EXPECTED.get("gsm8k", {})))
def test_gsm8k__counts_effect_error_and_test(pair: str, tmp_path: Path) -> None:
    a, b = pair.split("__vs__")
    expected = EXPECTED["gsm8k"][pair]
    recorded = rows_of(DATA / "gsm8k_solutions/judgments/exact_match.jsonl")
    rows = [
        {"sample": str(row["id"]), "variant": row["model"], "score": float(row["correct"])}
        for row in recorded
        if row["model"] in (a, b)
    ]
    found = analyzed(tmp_path, rows, "--control", a)["comparisons"][0]
    table = found["mcnemar"]
    assert found["n"] == expected["n"]
    for ours, theirs in (
        ("only_control", "only_a"),
        ("only_treatment", "only_b"),
        ("both", "both"),
        ("neither", "neither"),
    ):
        assert table[ours] == expected[theirs]
    assert 100 * found["effect"] == pytest.approx(expected["diff_pp"], abs=1e-6)
    assert 100 * found["se"] == pytest.approx(expected["se_paired_pp"], abs=1e-6)
    assert found["p_value"] == pytest.approx(expected["mcnemar_exact_p"], rel=1e-3)
    assert [100 * end for end in found["ci95"]] == pytest.approx(expected["ci95_pp"], abs=1e-4)
    assert (found["wins"], found["losses"]) == (expected["only_b"], expected["only_a"])


@pytest.mark.parametrize("pair", sorted(EXPECTED.get("vicuna80", {})))
def test_vicuna80__scores_of_one_judge(pair: str, tmp_path: Path) -> None:
    a, b = pair.split("__vs__")
    expected = EXPECTED["vicuna80"][pair]
    rows = []
    for row in rows_of(DATA / "vicuna80/judgments/gpt-4-0328" / VICUNA[a]):
        rows += [{"sample": str(row["id"]), "variant": name, "score": row[key]} for name, key in sides_of(row)]
    found = analyzed(tmp_path, rows, "--control", a, "--treatment", b)["comparisons"][0]
    assert found["n"] == expected["n"]
    for ours, theirs in (("mean_control", "mean_a"), ("mean_treatment", "mean_b"), ("effect", "diff")):
        assert found[ours] == pytest.approx(expected[theirs], abs=1e-6)
    assert found["se"] == pytest.approx(expected["se_paired"], abs=1e-6)
    assert found["ci95"] == pytest.approx(expected["ci95"], abs=1e-5)
    assert found["p_value"] == pytest.approx(expected["p_t"], rel=1e-3)
    assert (found["wins"], found["losses"], found["ties"]) == tuple(
        expected[key] for key in ("wins_b", "losses_b", "ties")
    )
    other = found["sensitivity"]
    assert other["sign"]["p_value"] == pytest.approx(expected["p_sign"], rel=1e-3)
    assert other["wilcoxon"]["p_value"] == pytest.approx(expected["p_wilcoxon"], rel=1e-2)


def sides_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return both variants of a row, each with the field that holds its score."""
    return [(row["first"], "score_first"), (row["second"], "score_second")]


@pytest.mark.parametrize("judge", sorted(EXPECTED.get("llmbar_natural", {})))
def test_llmbar__accuracy_of_a_pairwise_judge(judge: str, tmp_path: Path) -> None:
    name, strategy = judge.split("/")
    expected = EXPECTED["llmbar_natural"][judge]
    gold = {row["id"]: row["winner"] for row in rows_of(DATA / "llmbar_natural/judgments/gold.jsonl")}
    rows: list[dict[str, Any]] = []
    for row in rows_of(DATA / f"llmbar_natural/judgments/{name}.jsonl"):
        if row["strategy"] == strategy:
            # A judge that could not say is wrong, in either order.
            right = [row[order] == gold[row["id"]] for order in ("winner_order12", "winner_order21")]
            rows.append({"sample": row["id"], "variant": judge, "score": sum(right) / 2})
            rows.append({"sample": row["id"], "variant": "gold", "score": 1})
    found = analyzed(tmp_path, rows, "--control", "gold", "--treatment", judge)
    assert found["coverage"]["asked"] == expected["n"]
    assert 100 * found["comparisons"][0]["mean_treatment"] == pytest.approx(expected["accuracy_pct"], abs=1e-6)


@pytest.mark.parametrize("judge", sorted(EXPECTED.get("llmbar_natural", {})))
def test_llmbar__both_orders_as_pairwise_verdicts(judge: str, tmp_path: Path) -> None:
    name, strategy = judge.split("/")
    gold = {row["id"]: row["winner"] for row in rows_of(DATA / "llmbar_natural/judgments/gold.jsonl")}
    recorded = [r for r in rows_of(DATA / f"llmbar_natural/judgments/{name}.jsonl") if r["strategy"] == strategy]
    rows = [line for row in recorded for line in pairwise_rows(row, gold[row["id"]])]
    found = analyzed(tmp_path, rows, "--control", "other", "--treatment", "gold")
    both = [r for r in recorded if r["winner_order12"] is not None and r["winner_order21"] is not None]
    flips = sum(r["winner_order12"] != r["winner_order21"] for r in both)
    published = next(
        figure["published"]
        for figure in json.loads((DATA / "llmbar_natural/published.json").read_text(encoding="utf-8"))["figures"]
        if figure["figure"] == f"Natural/{name}/{strategy} positional agreement %"
    )
    assert found["position"]["pairs"] == len(both)
    assert found["position"]["flip_rate"] == pytest.approx(flips / len(both), abs=1e-9)
    if len(both) == len(recorded):
        assert 100 * (1 - found["position"]["flip_rate"]) == pytest.approx(published, abs=1e-6)


def pairwise_rows(row: dict[str, Any], gold: str) -> list[dict[str, Any]]:
    """Return both orders of one pair, the better output being called `gold`."""
    names = {gold: "gold", {"1": "2", "2": "1"}[gold]: "other"}
    return [
        {
            "sample": row["id"],
            "first": names[first],
            "second": names[second],
            "verdict": {first: "first", second: "second"}.get(row[order], "invalid"),
        }
        for first, second, order in (("1", "2", "winner_order12"), ("2", "1", "winner_order21"))
    ]
