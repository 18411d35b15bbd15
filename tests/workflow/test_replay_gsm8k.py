"""Recorded answers of published models, replayed through the whole platform, give the published comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness.platform import REPOSITORY, Platform

DATA = REPOSITORY.parent / "shared/data"
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(
        not (DATA / "gsm8k_solutions").is_dir(), reason="the recorded answers are not beside the checkout"
    ),
]


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_replay__gives_the_published_difference(platform: Platform) -> None:
    folder = DATA / "gsm8k_solutions"
    rows = [
        {"id": str(row["id"]), "inputs": {"question": row["prompt"]}, "reference": row["reference"]}
        for row in _rows(folder / "prompts.jsonl")
    ]
    models = ("6b_verification", "175b_finetuning")
    recordings = {
        model: platform.dataset(
            [{"id": str(r["id"]), "output": r["output"]} for r in _rows(folder / f"outputs/{model}.jsonl")], "recording"
        )
        for model in models
    }
    run = platform.start(
        {
            "name": "gsm8k",
            "dataset": {"version": platform.dataset(rows)},
            "control": f"m_{models[0]}",
            "variants": {
                f"m_{model}": {"provider": "replay", "model": model, "recording": {"version": recordings[model]}}
                for model in models
            },
            "judges": {"correct": {"type": "numeric_match"}},
            "primary_metric": "correct",
        }
    )
    done = platform.wait(run["run_id"])

    assert done["status"] == "COMPLETED", done
    assert "−4.3 points" in done["verdict"]["sentence"]
    expected = json.loads((DATA / "expected.json").read_text())["gsm8k"]["6b_verification__vs__175b_finetuning"]
    found = platform.call("GET", f"/v1/runs/{run['run_id']}/analysis")["comparisons"][0]
    assert (found["n"], found["n_missing"]) == (1319, 0)
    assert 100 * found["effect"] == pytest.approx(-4.321456, abs=1e-6)
    assert 100 * found["se"] == pytest.approx(1.435562, abs=1e-6)
    assert found["p_value"] == pytest.approx(expected["mcnemar_exact_p"], rel=1e-9)
    assert [100 * found["ci_low"], 100 * found["ci_high"]] == pytest.approx(expected["ci95_pp"], abs=1e-4)
    table = found["mcnemar"]
    assert (table["only_control"], table["only_treatment"]) == (expected["only_a"], expected["only_b"])
