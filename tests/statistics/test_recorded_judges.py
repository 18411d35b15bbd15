"""Recorded judges as votes in both orders, through the analysis of a run, give the figures published for them.

The recordings stand beside the repository in a development tree; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.judge_metric import JudgeMetric, PanelPlan
from abtest.analytics.model import AnalysisPlan, AnalysisResult
from abtest.analytics.service import analyse
from abtest.contracts.records import ModelResponse, Order, Sample, Verdict, Vote

DATA = Path(__file__).parents[2].parent / "shared/data"
LLMBAR = DATA / "llmbar_natural"
BATCH = 30
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recordings are not here")


def lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@cache
def published() -> dict[str, float]:
    """Figure to its value, of LLMBar's natural part."""
    if not LLMBAR.exists():
        return {}
    figures = json.loads((LLMBAR / "published.json").read_text(encoding="utf-8"))["figures"]
    return {figure["figure"]: figure["published"] for figure in figures}


CELLS = sorted(
    tuple(name.removeprefix("Natural/").removesuffix(" accuracy %").split("/"))
    for name in published()
    if name.endswith(" accuracy %")
)


@cache
def better_output() -> dict[str, str]:
    return {row["id"]: row["winner"] for row in lines(LLMBAR / "judgments/gold.jsonl")}


@cache
def recorded(judge: str) -> tuple[dict[str, Any], ...]:
    return tuple(lines(LLMBAR / f"judgments/{judge}.jsonl"))


def votes_of(row: dict[str, Any]) -> tuple[Vote, ...]:
    """Both orders of a pair: the better output is the treatment, and shown first where it is output 1 of that order."""
    better = better_output()[row["id"]]
    votes = []
    for first, field in (("1", "winner_order12"), ("2", "winner_order21")):
        order: Order = "treatment_first" if first == better else "control_first"
        said = row[field]
        score = None if said is None else float(said == better)
        votes.append(Vote(order=order, status="invalid" if score is None else "scored", score=score))
    return tuple(sorted(votes, key=lambda vote: str(vote.order)))


def pair_verdict(row: dict[str, Any], judge: str) -> Verdict:
    votes = votes_of(row)
    scores = [vote.score for vote in votes if vote.score is not None]
    whole = len(scores) == len(votes)
    return Verdict(
        sample_id=row["id"],
        variant="better",
        judge=judge,
        against="worse",
        status="scored" if whole else "invalid",
        score=sum(scores) / len(scores) if whole else None,
        votes=votes,
    )


def run_of(plan: AnalysisPlan, names: Sequence[str], verdicts: Sequence[Verdict]) -> AnalysisResult:
    samples = [Sample(id=name) for name in names]
    parts = []
    for start in range(0, len(samples), BATCH):
        batch = samples[start : start + BATCH]
        chosen = {sample.id for sample in batch}
        answers = {
            v: [ModelResponse(sample_id=s.id, variant=v, outcome="answered", text="x") for s in batch]
            for v in plan.variants
        }
        parts.append(RunStatistics.of_batch(plan, batch, answers, [v for v in verdicts if v.sample_id in chosen]))
    return analyse(plan, RunStatistics.merge(parts))


def pairwise(name: str) -> JudgeMetric:
    return JudgeMetric(name=name, type="pairwise", binary=False, kind="model", pairwise=True)


def llmbar_plan(judges: Sequence[JudgeMetric], primary: str) -> AnalysisPlan:
    return AnalysisPlan(
        test_name="llmbar", control="worse", variants=("worse", "better"), judges=tuple(judges), primary_metric=primary
    )


@pytest.mark.parametrize(("judge", "strategy"), CELLS)
def test_llmbar__accuracy_and_positional_agreement_are_the_published_ones(judge: str, strategy: str) -> None:
    rows = [row for row in recorded(judge) if row["strategy"] == strategy]
    name = "preferred"
    plan = llmbar_plan([pairwise(name)], name)
    result = run_of(plan, [row["id"] for row in rows], [pair_verdict(row, name) for row in rows])
    (measured,) = result.judges
    (rate,) = measured.win_rates
    position = measured.position
    assert position is not None
    assert position.flip_rate is not None
    assert rate.win_rate is not None
    assert rate.shown_first is not None
    assert rate.shown_second is not None
    n = len(rows)
    right = rate.shown_first * rate.first_votes + rate.shown_second * rate.second_votes
    # The study counts a verdict that could not be read as a wrong one, and two of them as an agreement.
    silent = sum(row["winner_order12"] is None and row["winner_order21"] is None for row in rows)
    agreement = position.pairs * (1 - position.flip_rate) + silent
    assert 100 * right / (2 * n) == pytest.approx(published()[f"Natural/{judge}/{strategy} accuracy %"], abs=1e-9)
    wanted = published()[f"Natural/{judge}/{strategy} positional agreement %"]
    assert 100 * agreement / n == pytest.approx(wanted, abs=1e-9)
    if measured.verdicts == {"scored": n}:
        assert 100 * rate.win_rate == pytest.approx(published()[f"Natural/{judge}/{strategy} accuracy %"], abs=1e-9)
        assert 100 * (1 - position.flip_rate) == pytest.approx(wanted, abs=1e-9)
    assert measured.votes.get("invalid", 0) == sum(
        row[f] is None for row in rows for f in row if f.startswith("winner")
    )


WEAK = ("ChatGPT", "PaLM2", "LLaMA2", "Falcon")


def plain_majority(shares: Sequence[float]) -> float:
    """One vote a judge: for a side, or for a tie; what is even counts half."""
    votes = [1.0 if share > 0.5 else 0.0 if share < 0.5 else 0.5 for share in shares]
    counts = {vote: votes.count(vote) for vote in votes}
    most = [vote for vote, count in counts.items() if count == max(counts.values())]
    return most[0] if len(most) == 1 else 0.5


def weak_panel(consensus: str) -> tuple[AnalysisResult, dict[str, list[float]]]:
    """The analysis of a panel of four recorded judges, and their shares of each sample."""
    panel = PanelPlan(members=WEAK, consensus=consensus)
    council = JudgeMetric(name="council", type="panel", binary=False, kind="panel", pairwise=True, panel=panel)
    verdicts = [pair_verdict(row, judge) for judge in WEAK for row in recorded(judge) if row["strategy"] == "Vanilla"]
    names = list(dict.fromkeys(verdict.sample_id for verdict in verdicts))
    shares: dict[str, list[float]] = {name: [] for name in names}
    for verdict in verdicts:
        if verdict.score is not None:
            shares[verdict.sample_id].append(verdict.score)
    return run_of(llmbar_plan([*map(pairwise, WEAK), council], "council"), names, verdicts), shares


@pytest.mark.parametrize("consensus", ["majority", "mean"])
def test_llmbar__a_panel_of_four_judges_says_what_counting_says(consensus: str) -> None:
    result, shares = weak_panel(consensus)
    joined = [plain_majority(of) if consensus == "majority" else sum(of) / len(of) for of in shares.values()]
    assert result.primary("better").mean_treatment == pytest.approx(sum(joined) / len(joined))
    (panel,) = result.panels
    assert [member.judge for member in panel.members] == list(WEAK)
    assert panel.disagreed + panel.agreed + panel.alone == len(shares)
    assert result.agreement is not None
    assert result.agreement.raw is not None


def test_llmbar__dawid_skene_is_right_more_often_than_its_best_member() -> None:
    result, _ = weak_panel("dawid_skene")
    means = {name: result.variants[1].metrics[name].mean or 0.0 for name in (*WEAK, "council")}
    assert means["council"] > max(means[name] for name in WEAK)
    accuracy = {member.judge: member.accuracy or 0.0 for member in result.panels[0].members}
    assert min(accuracy, key=lambda name: accuracy[name]) == "Falcon"


VICUNA = {
    "llama-13b": "vicuna-13b_20230322-clean-lang__llama-13b_vicuna-13b.jsonl",
    "alpaca-13b": "vicuna-13b_20230322-clean-lang__alpaca-13b_vicuna-13b.jsonl",
    "bard": "vicuna-13b_20230322-clean-lang__bard_vicuna-13b.jsonl",
    "gpt35": "vicuna-13b_20230322-clean-lang__gpt35_vicuna-13b.jsonl",
}


@cache
def expected(part: str) -> dict[str, Any]:
    if not DATA.exists():
        return {}
    found: dict[str, Any] = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))[part]
    return found


@pytest.mark.parametrize("pair", sorted(expected("vicuna80")))
def test_vicuna80__recorded_scores_are_reproduced(pair: str) -> None:
    a, b = pair.split("__vs__")
    wanted = expected("vicuna80")[pair]
    rows = lines(DATA / "vicuna80/judgments/gpt-4-0328" / VICUNA[a])
    judge = JudgeMetric(name="gpt4", type="rubric", binary=False, kind="model", scale=(1.0, 10.0))
    plan = AnalysisPlan(test_name="vicuna", control=a, variants=(a, b), judges=(judge,), primary_metric="gpt4")
    verdicts = []
    for row in rows:
        for place in ("first", "second"):
            score = float(row[f"score_{place}"])
            vote = Vote(status="scored", score=score)
            sample_id, variant = str(row["id"]), row[place]
            verdicts.append(
                Verdict(sample_id=sample_id, variant=variant, judge="gpt4", status="scored", score=score, votes=(vote,))
            )
    result = run_of(plan, [str(row["id"]) for row in rows], verdicts)
    found = result.primary(b)
    assert (found.n, found.wins, found.losses, found.ties) == tuple(
        wanted[key] for key in ("n", "wins_b", "losses_b", "ties")
    )
    for ours, theirs in ((found.mean_control, "mean_a"), (found.mean_treatment, "mean_b"), (found.effect, "diff")):
        assert ours == pytest.approx(wanted[theirs], abs=1e-6)
    assert found.se == pytest.approx(wanted["se_paired"], abs=1e-6)
    assert [found.ci_low, found.ci_high] == pytest.approx(wanted["ci95"], abs=1e-5)
    assert found.p_value == pytest.approx(wanted["p_t"], rel=1e-3)
    assert result.judges[0].verdicts == {"scored": 2 * wanted["n"]}
