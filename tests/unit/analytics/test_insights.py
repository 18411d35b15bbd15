from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.data.tables import FIRST, SECOND, PairwiseTable, PreferenceTable, SampleGroups, ScoreTable
from abtest.analytics.insights.generator import FACTS, MOST_INSIGHTS
from abtest.analytics.model import AnalysisResult, Insight
from abtest.analytics.offline import Request, analyse_table
from abtest.analytics.service import analyse
from abtest.contracts.records import ModelResponse, Sample, Verdict
from tests.unit.analytics.judged import (
    PREFERRED,
    QUALITY,
    biased_votes,
    judged_statistics,
    pair_verdict,
    pairwise_plan,
    samples_of,
    score_verdict,
)
from tests.unit.analytics.support import answer, plan_of

N = 200
RANDOM = np.random.default_rng(5)
BASE = RANDOM.normal(size=N)
NOISE = RANDOM.normal(size=N)


def groups_of(slices: list[str] | None = None) -> SampleGroups:
    names = tuple(dict.fromkeys(slices or ()))
    codes = [names.index(word) for word in slices] if slices else [-1] * N
    ids = tuple(f"s{i:03d}" for i in range(N))
    return SampleGroups(ids, (), np.full(N, -1, np.int32), names, np.asarray(codes, np.int32))


def of_scores(metrics: dict[str, tuple[Any, Any]], slices: list[str] | None = None, **more: Any) -> AnalysisResult:
    """Analyse metrics, each as the scores of control and treatment."""
    parts = [(m, v, pair[v]) for m, pair in enumerate(metrics.values()) for v in (0, 1)]
    table = ScoreTable(
        groups=groups_of(slices),
        variants=("a", "b"),
        metrics=tuple(metrics),
        judges=("",),
        sample=np.tile(np.arange(N, dtype=np.int32), len(parts)),
        variant=np.repeat([v for _, v, _ in parts], N).astype(np.int32),
        metric=np.repeat([m for m, _, _ in parts], N).astype(np.int32),
        judge=np.zeros(N * len(parts), np.int32),
        score=np.concatenate([np.asarray(scores, float) for *_, scores in parts]),
    )
    return analyse_table(table, Request(title="t", **more))


def kinds(result: AnalysisResult) -> dict[str, Insight]:
    return {insight.kind: insight for insight in result.insights}


def test_same_scores_everywhere__raise_suspicion() -> None:
    found = kinds(of_scores({"q": (BASE, BASE)}))["same_answers"]
    assert "100.0 % of 200 paired samples" in found.sentence
    assert "same_answers" not in kinds(of_scores({"q": (BASE, BASE + NOISE)}))


def test_slice_that_turns_the_effect__is_told_with_its_adjusted_p() -> None:
    slices = ["de"] * 50 + ["en"] * 150
    shift = np.where(np.arange(N) < 50, -2.0, 1.0)
    first, *_ = [i for i in of_scores({"q": (BASE, BASE + shift + NOISE)}, slices).insights if i.kind == "slice"]
    assert first.sentence.startswith("Where slice is de, b differs from a by −")
    assert "adjusted over 2 slices" in first.sentence


def test_metrics_that_point_both_ways__are_told() -> None:
    found = kinds(of_scores({"q": (BASE, BASE + 1 + NOISE), "tone": (BASE, BASE - 1 + NOISE)}))["metrics_disagree"]
    assert "q" in found.sentence
    assert "tone" in found.sentence


def test_tests_that_disagree__are_told_with_their_p_values() -> None:
    # A few large losses against many small wins: the mean and the number of wins part.
    difference = np.where(np.arange(N) < 10, -8.0, 0.3) + 0.01 * NOISE
    found = kinds(of_scores({"q": (BASE, BASE + difference)}))["tests_disagree"]
    assert found.sentence.count("p =") >= 3


@pytest.mark.parametrize(("cheaper", "kind"), [(0.5, "dominance"), (2.0, "trade_off")])
def test_cost_against_quality(cheaper: float, kind: str) -> None:
    cost = np.exp(0.1 * BASE)
    result = of_scores({"q": (BASE, BASE + 1 + NOISE), "cost_usd": (cost, cost * cheaper)})
    assert "% cost per answer" in kinds(result)[kind].sentence


def test_flipped_samples__are_counted_and_named() -> None:
    before, after = np.zeros(N), np.zeros(N)
    before[:3], after[10:30] = 1, 1
    found = kinds(of_scores({"passed": (before, after)}))["flips"]
    assert "20 samples" in found.sentence
    assert "3" in found.sentence
    assert "s000" in found.sentence


def test_missing_scores__are_told_by_variant_and_side() -> None:
    gone = np.where(np.arange(N) % 8 == 0, np.nan, BASE + NOISE)
    sentences = [i.sentence for i in of_scores({"q": (BASE, gone)}).insights if i.kind == "coverage"]
    assert any("25 of 200 samples (12.5 %)" in sentence for sentence in sentences)
    assert any("McNemar" in sentence for sentence in sentences)


def pairwise(verdict: Any, judge: Any, judges: tuple[str, ...]) -> AnalysisResult:
    """Analyse verdicts, the first half with `a` shown first."""
    rows = len(verdict)
    half = rows // 2
    order = np.arange(rows) >= half
    table = PairwiseTable(
        groups=groups_of(),
        variants=("a", "b"),
        judges=judges,
        sample=np.tile(np.arange(half, dtype=np.int32) % N, 2),
        first=order.astype(np.int32),
        second=(~order).astype(np.int32),
        verdict=np.asarray(verdict, np.int32),
        judge=np.asarray(judge, np.int32),
    )
    return analyse_table(table, Request(title="t"))


def test_preference_for_the_first_position__is_told_with_the_flips() -> None:
    straight = np.where(np.arange(N) < 150, FIRST, SECOND)
    found = kinds(pairwise(np.concatenate([straight, straight]), np.zeros(2 * N), ("j",)))["position"]
    assert "shown first" in found.sentence
    assert "100.0 % of 200 pairs flip" in found.sentence


def test_judges_that_toss_coins__are_said_to_agree_little() -> None:
    toss = np.random.default_rng(1).integers(0, 2, 4 * N)
    sample = np.tile(np.arange(N, dtype=np.int32), 4)
    table = PairwiseTable(
        groups=groups_of(),
        variants=("a", "b"),
        judges=("strict", "mild"),
        sample=sample,
        first=np.repeat([0, 1, 0, 1], N).astype(np.int32),
        second=np.repeat([1, 0, 1, 0], N).astype(np.int32),
        verdict=toss.astype(np.int32),
        judge=np.repeat([0, 0, 1, 1], N).astype(np.int32),
    )
    found = kinds(analyse_table(table, Request(title="t")))["judges_disagree"]
    assert "strict, mild" in found.sentence
    assert "Krippendorff" in found.sentence


def test_preference_for_length__is_told_where_it_moves_the_win_rate() -> None:
    random = np.random.default_rng(2)
    longer = random.normal(20, 60, N)
    preference = (random.random(N) < 1 / (1 + np.exp(-longer / 40))).astype(float)
    table = PreferenceTable(
        groups=groups_of(),
        variants=("b", "a"),
        judges=("",),
        sample=np.arange(N, dtype=np.int32),
        variant=np.zeros(N, np.int32),
        baseline=np.ones(N, np.int32),
        preference=preference,
        judge=np.zeros(N, np.int32),
        length_variant=300 + longer,
        length_baseline=np.full(N, 300.0),
    )
    found = kinds(analyse_table(table, Request(title="t")))["length"]
    assert "at equal length" in found.sentence


def test_answers_that_were_cut_off__are_counted() -> None:
    plan = plan_of()
    samples = [Sample(id=f"s{i}") for i in range(40)]
    responses: dict[str, list[ModelResponse]] = {
        "terse": [
            answer(sample.id, "terse", outcome="truncated" if i < 12 else "answered")
            for i, sample in enumerate(samples)
        ],
        "few_shot": [answer(sample.id, "few_shot") for sample in samples],
    }
    verdicts = [
        Verdict(sample_id=sample.id, variant=variant, judge="correct", status="scored", score=1.0)
        for sample in samples
        for variant in responses
    ]
    result = analyse(plan, RunStatistics.of_batch(plan, samples, responses, verdicts))
    assert "12 of 40 answers of terse were cut off" in kinds(result)["cut_short"].sentence


def test_every_sentence_has_a_figure__and_the_most_telling_come_first() -> None:
    slices = ["de"] * 50 + ["en"] * 150
    shift = np.where(np.arange(N) < 50, -2.0, 1.0)
    metrics = {"q": (BASE, BASE + shift + NOISE), "tone": (BASE, BASE - 1 + NOISE)}
    insights = of_scores(metrics, slices).insights
    assert insights
    assert all(re.search(r"\d", insight.sentence) for insight in insights)
    assert [i.weight for i in insights] == sorted((i.weight for i in insights), reverse=True)
    assert len(insights) <= MOST_INSIGHTS
    assert len(FACTS) == len({fact.__name__ for fact in FACTS})


def test_nothing_to_tell__tells_nothing() -> None:
    assert of_scores({"q": (BASE, BASE + NOISE - NOISE.mean())}).insights == ()


def test_several_judges_of_one_sample__count_once_for_the_position() -> None:
    # Eight samples lean to the first answer: one judge says so, or ten that are copies of it.
    def lean(judges: int) -> Any:
        verdicts = np.where(np.arange(N) < 8, FIRST, np.arange(N) % 2)
        turned = np.where(np.arange(N) < 8, FIRST, 1 - np.arange(N) % 2)
        table = PairwiseTable(
            groups=groups_of(),
            variants=("a", "b"),
            judges=tuple(f"j{k}" for k in range(judges)),
            sample=np.tile(np.arange(N, dtype=np.int32), 2 * judges),
            first=np.tile(np.repeat([0, 1], N), judges).astype(np.int32),
            second=np.tile(np.repeat([1, 0], N), judges).astype(np.int32),
            verdict=np.tile(np.concatenate([verdicts, turned]), judges).astype(np.int32),
            judge=np.repeat(np.arange(judges), 2 * N).astype(np.int32),
        )
        return analyse_table(table, Request(title="t")).position

    one, ten = lean(1), lean(10)
    assert one.p_value == pytest.approx(2 * 0.5**8)
    assert (ten.p_value, ten.flip_rate) == (one.p_value, one.flip_rate)
    # Ten copies of a judge are worth one.
    assert ten.flip_rate_low == pytest.approx(one.flip_rate_low, abs=0.001)
    assert ten.flip_rate_high == pytest.approx(one.flip_rate_high, abs=0.001)


def test_win_rate_at_equal_length__knows_clusters_as_a_run_does() -> None:
    random = np.random.default_rng(3)
    clusters = np.repeat(np.arange(N // 10), 10)
    share = (random.random(N) < np.repeat(random.random(N // 10), 10)).astype(float)
    own, other = random.integers(20, 300, N), random.integers(20, 300, N)
    names = tuple(f"c{k}" for k in range(N // 10))
    groups = SampleGroups(groups_of().samples, names, clusters.astype(np.int32), (), np.full(N, -1, np.int32))
    table = PreferenceTable(
        groups=groups,
        variants=("b", "a"),
        judges=("",),
        sample=np.arange(N, dtype=np.int32),
        variant=np.zeros(N, np.int32),
        baseline=np.ones(N, np.int32),
        preference=share,
        judge=np.zeros(N, np.int32),
        length_variant=own.astype(float),
        length_baseline=other.astype(float),
    )
    (offline,) = analyse_table(table, Request(title="t")).length_controlled
    plan, samples = pairwise_plan(("a", "b")), samples_of(N, [names[k] for k in clusters])
    responses = {
        variant: [answer(s.id, variant, text="x" * int(n)) for s, n in zip(samples, of, strict=True)]
        for variant, of in (("a", other), ("b", own))
    }
    verdicts = [
        pair_verdict(s.id, biased_votes(float(x), flips=False), variant="b", against="a")
        for s, x in zip(samples, share, strict=True)
    ]
    run = analyse(plan, judged_statistics(plan, verdicts, samples=samples, responses=responses))
    assert run.length_controlled[0].se == pytest.approx(offline.se)
    assert run.length_controlled[0].win_rate == pytest.approx(offline.win_rate)


def test_net_preference__is_not_told_from_nothing() -> None:
    plan, samples = pairwise_plan(("plain", "polite", "warm"), judges=(PREFERRED, QUALITY)), samples_of(40)
    verdicts = [
        pair_verdict(s.id, biased_votes(float(i % 10 < 9), flips=False), variant=treatment)
        for i, s in enumerate(samples)
        for treatment in plan.treatments
    ]
    verdicts += [
        score_verdict(s.id, v, "quality", 4.0 - (v != "plain") * (1 + i % 2))
        for i, s in enumerate(samples)
        for v in plan.variants
    ]
    found = kinds(analyse(plan, judged_statistics(plan, verdicts, samples=samples)))["metrics_disagree"]
    assert "on preferred (p" in found.sentence
    assert "on quality (from 4.00; p" in found.sentence
