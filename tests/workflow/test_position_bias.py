"""A judge with a known bias for positions, asked by a whole run: the run measures the bias, and averages it out.

The judge is once our stand-in that judges by plan, and once `aimock`, somebody else's server, with a fixture for each
question. A fifth of the pairs flips with the order: whatever is shown first is preferred there.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from harness.aimock_server import aimock_server, installed
from harness.judge_server import Plan, filled, flips, is_better, judging_model, preference_of
from harness.judged_runs import number_of, plan_of, register, rows, rows_of
from harness.platform import MockProvider, Platform

from abtest.contracts.records import ModelResponse, Sample
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import compile_model_judge

pytestmark = [pytest.mark.workflow, pytest.mark.usefixtures("mock")]

FLIPS, WINS = 0.2, 0.6
EXPECTED_WIN_RATE = (1 - FLIPS) * WINS + FLIPS / 2
OPTIONS = {"provider": "biased", "model": "judge-1", "dimensions": ["helpfulness"], "reference": "never"}
BETTER = {"type": "pairwise", **OPTIONS}


def test_bias_of_a_judge_is_measured__and_averaged_out(platform: Platform, tag: str) -> None:
    count = 400
    with judging_model() as judge:
        plan = judge.behave(flips=FLIPS, wins=WINS, seed=3)
        register(platform, "biased", f"{judge.url}/v1")
        run = platform.wait(platform.start(plan_of(platform, count, tag, {"better": BETTER}))["run_id"])
        asked = judge.served()["by_model"]

    assert asked == {"judge-1": 2 * count}
    check(platform, run, plan, count)


def test_bias_of_a_third_partys_model_is_measured__and_averaged_out(
    platform: Platform, mock: MockProvider, tag: str, tmp_path: Path
) -> None:
    count = 200
    plan = Plan(flips=FLIPS, wins=WINS, seed=5)
    with aimock_server(installed(tmp_path / "npm"), tmp_path, fixtures(plan, count, tag)) as judge:
        judge.behave()
        register(platform, "biased", f"{judge.url}/v1")
        run = platform.wait(platform.start(plan_of(platform, count, tag, {"better": BETTER}))["run_id"])

    check(platform, run, plan, count)


def fixtures(plan: Plan, count: int, tag: str) -> list[dict[str, Any]]:
    """Return what a biased model says to each question of a run, as aimock takes it."""
    judge = compile_model_judge(JudgeConfiguration(name="better", type="pairwise", parameters=OPTIONS))
    samples = [Sample.model_validate(row) for row in rows(count, tag)]
    responses = {
        variant: [
            ModelResponse(sample_id=one.id, variant=variant, outcome="answered", text=f"{letter}({one.inputs['q']})")
            for one in samples
        ]
        for variant, letter in (("same", "A"), ("prefixed", "B"))
    }
    found = []
    for question in judge.questions(samples, responses, control="same"):
        first = "A" if question.order == "control_first" else "B"
        said = preference_of(plan, int(question.sample_id.removeprefix("s")), first=first)
        content = json.dumps(filled(judge.output_schema, said))
        found.append({"match": {"userMessage": question.messages[-1][1]}, "response": {"content": content}})
    return found


def check(platform: Platform, run: dict[str, Any], plan: Plan, count: int) -> None:
    """Check each verdict against what is true of its pair, and the analysis against what is true of all of them."""
    assert run["status"] == "COMPLETED", run
    assert run["progress"]["verdicts"] == {"done": count, "total": count}
    found = rows_of(platform, run["run_id"], "verdicts/better")
    assert {(row["variant"], row["against"], row["status"]) for row in found} == {("prefixed", "same", "scored")}
    for row in found:
        number = number_of(row)
        assert row["score"] == (0.5 if flips(plan, number) else float(is_better(plan, number))), row
        assert Counter(vote["order"] for vote in row["votes"]) == {"control_first": 1, "treatment_first": 1}
    analysis = platform.call("GET", f"/v1/runs/{run['run_id']}/analysis")
    (judge,) = analysis["judges"]
    position, (win,) = judge["position"], judge["win_rates"]
    assert position["pairs"] == count
    assert position["flip_rate"] == pytest.approx(sum(flips(plan, i) for i in range(count)) / count)
    assert position["flip_rate_low"] <= FLIPS <= position["flip_rate_high"]
    assert win["win_rate"] == pytest.approx(sum(row["score"] for row in found) / count)
    assert win["ci_low"] <= EXPECTED_WIN_RATE <= win["ci_high"]
    # In either order alone the same judge says something else.
    assert win["shown_first"] == pytest.approx(win["win_rate"] + position["flip_rate"] / 2)
    assert win["shown_second"] == pytest.approx(win["win_rate"] - position["flip_rate"] / 2)
