"""Recorded answers of four published models: the engine reproduces the figures, the judge the judgements.

The recordings stand beside the repository in a development tree; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.model import AnalysisPlan, JudgeMetric
from abtest.analytics.service import analyse
from abtest.contracts.records import ModelResponse, Sample, Verdict
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import judge_batch

DATA = Path(__file__).parents[2].parent / "shared/data"
RECORDED = DATA / "gsm8k_solutions"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
PAIRS = [(a, b) for i, a in enumerate(MODELS) for b in MODELS[i + 1 :]]
BATCH = 100

pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not here")


def lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@cache
def samples() -> tuple[Sample, ...]:
    return tuple(
        Sample(id=str(row["id"]), inputs={"question": row["prompt"]}, reference=row["final_answer"])
        for row in lines(RECORDED / "prompts.jsonl")
    )


@cache
def responses(model: str) -> tuple[ModelResponse, ...]:
    return tuple(
        ModelResponse(sample_id=str(row["id"]), variant=model, outcome="answered", text=row["output"])
        for row in lines(RECORDED / f"outputs/{model}.jsonl")
    )


@cache
def recorded_verdicts() -> dict[tuple[str, str], Verdict]:
    return {
        (row["model"], str(row["id"])): Verdict(
            sample_id=str(row["id"]),
            variant=row["model"],
            judge="correct",
            status="scored",
            score=float(row["correct"]),
        )
        for row in lines(RECORDED / "judgments/exact_match.jsonl")
    }


@pytest.mark.parametrize("model", MODELS)
def test_numeric_match__agrees_with_every_recorded_judgement(model: str) -> None:
    judge = JudgeConfiguration(name="correct", type="numeric_match")
    verdicts = judge_batch(judge, samples(), {model: responses(model)})
    assert len(verdicts) == 1319
    wrong = [v for v in verdicts if v.score != recorded_verdicts()[model, v.sample_id].score]
    assert wrong == []


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_recorded_comparison__is_reproduced(a: str, b: str) -> None:
    expected = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))["gsm8k"][f"{a}__vs__{b}"]
    plan = AnalysisPlan(
        test_name="gsm8k",
        run_id="run_gsm8k",
        control=a,
        variants=(a, b),
        judges=(JudgeMetric(name="correct", type="numeric_match", binary=True),),
        primary_metric="correct",
    )
    parts = []
    for start in range(0, len(samples()), BATCH):
        batch = samples()[start : start + BATCH]
        answers = {model: responses(model)[start : start + BATCH] for model in (a, b)}
        verdicts = [recorded_verdicts()[model, sample.id] for model in (a, b) for sample in batch]
        parts.append(RunStatistics.of_batch(plan, batch, answers, verdicts))
    found = analyse(plan, RunStatistics.merge(parts)).primary(b)
    table = found.mcnemar
    assert table is not None
    assert found.n == expected["n"]
    counts = (table.only_control, table.only_treatment, table.both, table.neither)
    assert counts == tuple(expected[name] for name in ("only_a", "only_b", "both", "neither"))
    assert found.effect is not None
    assert found.se is not None
    assert 100 * found.effect == pytest.approx(expected["diff_pp"], abs=1e-6)
    assert 100 * found.se == pytest.approx(expected["se_paired_pp"], abs=1e-6)
    assert found.p_value == pytest.approx(expected["mcnemar_exact_p"], rel=1e-9)
    ends = [100 * end for end in (found.ci_low, found.ci_high) if end is not None]
    assert ends == pytest.approx(expected["ci95_pp"], abs=1e-4)
