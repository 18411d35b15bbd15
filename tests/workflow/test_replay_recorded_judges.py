"""Recorded judges of published studies, replayed through the whole platform, give the figures known for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.platform import REPOSITORY, Platform

DATA = REPOSITORY.parent / "shared/data"
LLMBAR, VICUNA = DATA / "llmbar_natural", DATA / "vicuna80"
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the recorded verdicts are not beside the checkout"),
]
EXPECTED: dict[str, Any] = json.loads((DATA / "expected.json").read_text()) if DATA.is_dir() else {}
CLEAN = "vicuna-13b_20230322-clean-lang"


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def replayed(platform: Platform, outputs: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return variants that replay recorded texts, by variant and sample."""
    recordings = {
        name: platform.dataset([{"id": key, "output": text} for key, text in texts.items()], "recording")
        for name, texts in outputs.items()
    }
    return {
        name: {"provider": "replay", "model": name, "recording": {"version": version}}
        for name, version in recordings.items()
    }


def finished(platform: Platform, run_id: str) -> dict[str, Any]:
    done = platform.wait(run_id)
    assert done["status"] == "COMPLETED", done
    return dict(platform.call("GET", f"/v1/runs/{run_id}/analysis"))


def preferences(strategy: str, judge: str) -> list[dict[str, Any]]:
    """Return one recorded judge's verdicts on each pair in both orders; a winner nobody could read is null."""
    names = {"1": "output_1", "2": "output_2", None: None}
    return [
        {"id": row["id"], "first": names[first], "second": names[second], "winner": names[row[order]]}
        for row in rows_of(LLMBAR / f"judgments/{judge}.jsonl")
        if row["strategy"] == strategy
        for first, second, order in (("1", "2", "winner_order12"), ("2", "1", "winner_order21"))
    ]


def test_llmbar__judging_anew_gives_positional_agreement_and_labels_give_accuracy(platform: Platform) -> None:
    texts = {
        name: {row["id"]: row["output"] for row in rows_of(LLMBAR / f"outputs/{name}.jsonl")}
        for name in ("output_1", "output_2")
    }
    questions = {row["id"]: row["prompt"] for row in rows_of(LLMBAR / "prompts.jsonl")}
    better = {row["id"]: f"output_{row['winner']}" for row in rows_of(LLMBAR / "judgments/gold.jsonl")}
    first = platform.start(
        {
            "name": "llmbar",
            "dataset": {"version": platform.dataset([{"id": k, "inputs": {"q": q}} for k, q in questions.items()])},
            "control": "output_1",
            "variants": replayed(platform, texts),
            "judges": {"short": {"type": "length", "at_most": 100}},
            "primary_metric": "short",
        }
    )
    finished(platform, first["run_id"])
    cells = {name.replace("/", "_"): name.split("/") for name in EXPECTED["llmbar_natural"]}
    judges = {
        name: {
            "type": "imported",
            "scores": {"version": platform.dataset(preferences(strategy, judge), "scores")},
            "preferences": True,
        }
        for name, (judge, strategy) in cells.items()
    }

    anew = platform.call(
        "POST", f"/v1/runs/{first['run_id']}/rejudge", json={"judges": judges, "primary_metric": "GPT-4_Vanilla"}
    )
    analysis = finished(platform, anew["run_id"])

    published = {f["figure"]: f["published"] for f in json.loads((LLMBAR / "published.json").read_text())["figures"]}
    found = {judge["judge"]: judge for judge in analysis["judges"]}
    whole = [name for name in cells if found[name]["verdicts"] == {"scored": len(better)}]
    assert len(whole) >= 4
    for name in whole:
        judge, strategy = cells[name]
        agreement_pct = 100 * (1 - found[name]["position"]["flip_rate"])
        assert agreement_pct == pytest.approx(published[f"Natural/{judge}/{strategy} positional agreement %"])
        accuracy_pct = 100 * labelled(platform, anew["run_id"], name, questions, texts, better)["accuracy"]
        assert accuracy_pct == pytest.approx(EXPECTED["llmbar_natural"][f"{judge}/{strategy}"]["accuracy_pct"])
    # The first run and its result stay as they were.
    old = platform.call("GET", f"/v1/runs/{first['run_id']}/analysis")
    assert [judge["judge"] for judge in old["judges"]] == ["short"]


def labelled(
    platform: Platform,
    run_id: str,
    metric: str,
    questions: dict[str, str],
    texts: dict[str, dict[str, str]],
    better: dict[str, str],
) -> dict[str, Any]:
    """Label all pairs by the study's gold labels through a blinded sheet; return how far judge and people agree."""
    asked = {"metric": metric, "items": len(better), "seed": 1}
    sheet = platform.call("POST", f"/v1/runs/{run_id}/labelling-sheets", json=asked)
    body = httpx.get(sheet["downloads"]["jsonl"]["url"], trust_env=False).raise_for_status().text
    assert "output_1" not in body
    by_texts = {(questions[key], frozenset(texts[name][key].strip() for name in texts)): key for key in questions}
    labels = []
    for row in map(json.loads, body.splitlines()):
        shown = (row["response_1"], row["response_2"])
        key = by_texts[row["inputs"]["q"], frozenset(text.strip() for text in shown)]
        labels.append({"item": row["item"], "label": "1" if shown[0] == texts[better[key]][key] else "2"})
    assert len(labels) == len(better)
    platform.call(
        "POST",
        f"/v1/runs/{run_id}/labels",
        json={"sheet_id": sheet["sheet_id"], "labeller": "gold", "labels": labels},
    )
    said = platform.call("GET", f"/v1/runs/{run_id}/labels/analysis", params={"metric": metric})
    return dict(said["judge_human"][0])


@pytest.mark.parametrize("pair", sorted(EXPECTED.get("vicuna80", {})))
def test_vicuna80__imported_scores_give_the_published_comparison(platform: Platform, pair: str) -> None:
    control, treatment = pair.split("__vs__")
    expected = EXPECTED["vicuna80"][pair]
    recorded = rows_of(VICUNA / f"judgments/gpt-4-0328/{CLEAN}__{control}_vicuna-13b.jsonl")
    # A recording of the text is not needed for scores that were given elsewhere, but each answer must exist.
    texts = {name: {str(row["id"]): f"{name} {row['id']}" for row in recorded} for name in (control, treatment)}
    scores = [
        {"id": str(row["id"]), "variant": row[side], "score": row[f"score_{side}"]}
        for row in recorded
        for side in ("first", "second")
    ]
    run = platform.start(
        {
            "name": "vicuna",
            "dataset": {"version": platform.dataset([{"id": str(row["id"]), "inputs": {}} for row in recorded])},
            "control": control,
            "variants": replayed(platform, texts),
            # The judge was asked for 1 to 10, and gave a 0 all the same.
            "judges": {
                "gpt4": {
                    "type": "imported",
                    "scores": {"version": platform.dataset(scores, "scores")},
                    "scale": [0, 10],
                }
            },
            "primary_metric": "gpt4",
        }
    )

    found = finished(platform, run["run_id"])["comparisons"][0]

    assert (found["n"], found["n_missing"]) == (expected["n"], 0)
    for ours, theirs in (("mean_control", "mean_a"), ("mean_treatment", "mean_b"), ("effect", "diff")):
        assert found[ours] == pytest.approx(expected[theirs], abs=1e-6)
    assert found["se"] == pytest.approx(expected["se_paired"], abs=1e-6)
    assert [found["ci_low"], found["ci_high"]] == pytest.approx(expected["ci95"], abs=1e-5)
    assert found["p_value"] == pytest.approx(expected["p_t"], rel=1e-3)
    assert [found[k] for k in ("wins", "losses", "ties")] == [expected[k] for k in ("wins_b", "losses_b", "ties")]
    assert found["sensitivity"]["sign"]["p_value"] == pytest.approx(expected["p_sign"], rel=1e-3)
