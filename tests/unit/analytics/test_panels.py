"""Panels: how members' scores become one, and what a constant, an absent or an adversarial member does."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from abtest.analytics import consensus
from abtest.analytics.consensus._method import Ratings
from abtest.analytics.data.accumulate import RunStatistics, scored_batch
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.judge_metric import JudgeMetric
from abtest.analytics.model import AnalysisPlan, AnalysisResult
from abtest.analytics.panels import ConsensusBuilder, load_consensus
from abtest.analytics.service import analyse
from abtest.contracts.records import JudgeUse, Verdict
from abtest.core import registry
from tests.unit.analytics.judged import (
    PREFERRED,
    biased_votes,
    judged_statistics,
    opinions,
    pair_verdict,
    panel_of,
    samples_of,
    score_verdict,
)
from tests.unit.analytics.support import plan_of

NAN = float("nan")
ALL = ("mean", "median", "majority", "weighted", "dawid_skene")
VARIANTS = ("plain", "polite")


def binary_judges(names: Sequence[str]) -> tuple[JudgeMetric, ...]:
    return tuple(JudgeMetric(name=name, type="rubric", binary=True, kind="model") for name in names)


def panel_plan(names: Sequence[str], consensus_name: str, *, binary: bool = False, **given: Any) -> AnalysisPlan:
    """A plan whose primary metric is a panel of binary judges."""
    strong = given.pop("strong", None)
    escalates = {"on_disagreement": "escalate", "escalate_to": strong} if strong else {}
    judges = binary_judges([*names, *([strong] if strong else [])])
    judges = tuple(j.model_copy(update={"escalated_only": j.name == strong}) for j in judges)
    council = panel_of(names, consensus_name, binary=binary, **escalates, **given)
    return plan_of(VARIANTS, judges=(*judges, council), primary_metric="council")


def verdicts_of(scores: Mapping[str, Mapping[str, Sequence[float | None]]], **given: Any) -> list[Verdict]:
    """Verdicts of judges: judge to variant to scores, None being one that could not be read."""
    return [
        score_verdict(f"s{i}", variant, judge, score, **given)
        for judge, by_variant in scores.items()
        for variant, values in by_variant.items()
        for i, score in enumerate(values)
    ]


def analysed(plan: AnalysisPlan, verdicts: Sequence[Verdict], count: int) -> AnalysisResult:
    return analyse(plan, judged_statistics(plan, verdicts, samples=samples_of(count)))


def joined(name: str, rows: Sequence[Sequence[float]], **given: Any) -> list[float]:
    weights = np.asarray(given.pop("weights", [1.0] * len(rows)))
    return load_consensus(name).join(Ratings(np.asarray(rows, dtype=np.float64), weights, **given)).scores.tolist()


ROWS = [[1.0, 5.0, NAN, 2.0], [2.0, 5.0, NAN, NAN], [4.0, 1.0, NAN, 4.0]]


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("mean", [1, 1, 1], [7 / 3, 11 / 3, NAN, 3.0]),
        ("median", [1, 1, 1], [2.0, 5.0, NAN, 3.0]),
        ("majority", [1, 1, 1], [NAN, 5.0, NAN, NAN]),
        ("weighted", [3, 1, 0], [1.25, 5.0, NAN, 2.0]),
    ],
)
def test_joining__of_scores_with_gaps(name: str, weights: list[float], expected: list[float]) -> None:
    assert joined(name, ROWS, weights=weights) == pytest.approx(expected, nan_ok=True)


def test_majority_tie_of_a_preference__is_a_tie() -> None:
    assert joined("majority", [[1.0, 1.0], [0.0, 1.0]], even=0.5) == [0.5, 1.0]


@pytest.mark.parametrize("name", ["majority", "dawid_skene"])
def test_too_many_different_scores__have_no_votes(name: str) -> None:
    rows = np.random.default_rng(1).random((3, 200))
    found = load_consensus(name).join(Ratings(rows, np.ones(3)))
    assert found.status == "not_categorical"
    assert np.isnan(found.scores).all()


def test_ways_to_join__are_found_by_name() -> None:
    assert registry.names(consensus) == tuple(sorted(ALL))
    assert [load_consensus(name).name for name in ALL] == list(ALL)
    with pytest.raises(KeyError, match="did you mean 'median'"):
        load_consensus("medain")


@pytest.mark.parametrize("name", ALL)
def test_unheard_panel__is_no_data(name: str) -> None:
    found = load_consensus(name).join(Ratings(np.full((3, 4), NAN), np.ones(3)))
    assert found.status == "no_data"
    assert np.isnan(found.scores).all()


def truth_of(count: int, seed: int = 11) -> dict[str, list[float]]:
    drawn = random.Random(seed)
    return {
        v: [float(drawn.random() < share) for _ in range(count)] for v, share in zip(VARIANTS, (0.5, 0.7), strict=True)
    }


def said(truth: Mapping[str, Sequence[float]], accuracy: float, seed: int) -> dict[str, list[float]]:
    return {v: opinions(scores, accuracy, seed + code) for code, (v, scores) in enumerate(truth.items())}


@pytest.mark.parametrize("good", [2, 3, 4])
def test_dawid_skene__recovers_the_truth_with_one_adversary(good: int) -> None:
    truth = truth_of(400)
    names = [f"good{i}" for i in range(good)] + ["adversary"]
    scores: dict[str, dict[str, list[float]]] = {n: said(truth, 0.9, 100 * i) for i, n in enumerate(names[:-1])}
    scores["adversary"] = said(truth, 0.1, 9_000)
    plan = panel_plan(names, "dawid_skene", binary=True)
    statistics = judged_statistics(plan, verdicts_of(scores), samples=samples_of(400))
    columns, _ = ConsensusBuilder(plan).build(statistics.scores)
    right = np.mean([np.mean(columns.column(v, "council") == np.asarray(truth[v])) for v in VARIANTS])
    assert right > 0.9
    assert (
        right >= max(np.mean(np.asarray(scores[n][v]) == np.asarray(truth[v])) for n in names for v in VARIANTS) - 0.02
    )
    result = analyse(plan, statistics)
    (panel,) = result.panels
    accuracy = {member.judge: member.accuracy for member in panel.members}
    assert accuracy["adversary"] == pytest.approx(0.1, abs=0.05)
    assert accuracy["good0"] == pytest.approx(0.9, abs=0.05)
    assert [member.judge for member in panel.members if member.opposes] == ["adversary"]
    assert any(
        "adversary says the opposite of every other member" in w and "turned round" in w for w in result.warnings
    )


@pytest.mark.parametrize(("name", "words"), [("mean", "the mean counts it"), ("majority", "the majority counts it")])
def test_adversary_in_a_mean_or_majority__is_named_and_the_agreement_shown(name: str, words: str) -> None:
    truth = truth_of(400)
    scores = {"one": said(truth, 0.9, 1), "two": said(truth, 0.9, 50), "adversary": said(truth, 0.1, 9_000)}
    plan = panel_plan(list(scores), name, binary=name == "majority")
    result = analysed(plan, verdicts_of(scores), 400)
    assert any("adversary says the opposite" in warning and words in warning for warning in result.warnings)
    (agreement,) = result.agreements
    assert agreement == result.agreement
    assert agreement.krippendorff_alpha is not None
    assert agreement.krippendorff_alpha < 0.1
    assert any("members of council (one, two, adversary) agree little" in i.sentence for i in result.insights)
    assert any("agree little" in reason for reason in result.decision.reasons)


def test_two_members_that_contradict_each_other__are_not_told_apart() -> None:
    truth = truth_of(200)
    scores = {"one": said(truth, 0.9, 1), "other": said(truth, 0.1, 9_000)}
    result = analysed(panel_plan(list(scores), "mean"), verdicts_of(scores), 200)
    assert not any(member.opposes for member in result.panels[0].members)


def test_guessing_member__is_not_called_an_adversary() -> None:
    truth = truth_of(400)
    scores = {"one": said(truth, 0.9, 1), "two": said(truth, 0.9, 50), "guess": said(truth, 0.5, 7)}
    (panel,) = analysed(panel_plan(list(scores), "mean"), verdicts_of(scores), 400).panels
    assert not any(member.opposes for member in panel.members)


@pytest.mark.parametrize("name", ALL)
def test_constant_member__breaks_nothing_and_is_named(name: str) -> None:
    truth = truth_of(300)
    scores = {"one": said(truth, 0.9, 1), "two": said(truth, 0.9, 50)}
    scores["constant"] = {v: [1.0] * 300 for v in VARIANTS}
    result = analysed(panel_plan(list(scores), name), verdicts_of(scores), 300)
    (panel,) = result.panels
    assert panel.status == "ok"
    assert [member.status for member in panel.members] == ["ok", "ok", "constant"]
    assert panel.members[2].correlation is None
    assert any("constant gave all 600 answers the same score" in warning for warning in result.warnings)
    assert result.primary("polite").status == "ok"


def test_constant_member__has_no_vote_in_dawid_skene() -> None:
    truth = truth_of(300)
    scores = {f"good{i}": said(truth, 0.85, 10 * i) for i in range(3)}
    alone = built(panel_plan(list(scores), "dawid_skene"), scores, 300)
    scores["constant"] = {v: [1.0] * 300 for v in VARIANTS}
    beside = built(panel_plan(list(scores), "dawid_skene"), scores, 300)
    assert np.mean(alone == beside) > 0.99


def built(plan: AnalysisPlan, scores: Mapping[str, Mapping[str, Sequence[float | None]]], count: int) -> Any:
    statistics = judged_statistics(plan, verdicts_of(scores), samples=samples_of(count))
    columns, _ = ConsensusBuilder(plan).build(statistics.scores)
    return np.concatenate([columns.column(v, "council") for v in VARIANTS])


@pytest.mark.parametrize("name", ALL)
def test_absent_member__leaves_the_panel_to_the_others_and_is_named(name: str) -> None:
    truth = truth_of(300)
    scores: dict[str, dict[str, list[float | None]]] = {
        "one": {v: list(s) for v, s in said(truth, 0.9, 1).items()},
        "two": {v: list(s) for v, s in said(truth, 0.9, 1).items()},
        "absent": {v: [None] * 300 for v in VARIANTS},
    }
    result = analysed(panel_plan(list(scores), name), verdicts_of(scores), 300)
    (panel,) = result.panels
    assert panel.members[2].status == "no_data"
    assert (panel.answers, panel.partial, panel.agreed) == (600, 600, 600)
    expected = np.mean(scores["one"]["polite"])
    assert result.primary("polite").mean_treatment == pytest.approx(expected)
    assert any("absent gave no score at all" in warning for warning in result.warnings)
    assert any("scored by some of its members only" in warning for warning in result.warnings)
    assert any("Panel council: two judges cannot tell" in w for w in result.warnings) == (name == "dawid_skene")


@pytest.mark.parametrize("name", ALL)
def test_member_alone__does_not_win_silently(name: str) -> None:
    scores = {
        "one": {v: [1.0, 0.0] * 20 for v in VARIANTS},
        "other": {v: [None] * 40 for v in VARIANTS},
    }
    kept = analysed(panel_plan(list(scores), name), verdicts_of(scores), 40)
    assert any("other gave no score at all" in warning for warning in kept.warnings)
    assert kept.panels[0].alone == 80
    left = analysed(panel_plan(list(scores), name, on_disagreement="abstain"), verdicts_of(scores), 40)
    assert left.primary("polite").n == 0
    assert left.coverage.variants[0].missing == {"too_few_judges": 40}
    assert left.panels[0].abstained == 80


def test_abstaining__is_missing_with_its_own_reason() -> None:
    scores = {
        "one": {"plain": [1.0, 1.0, 0.0, None], "polite": [1.0, 0.0, 0.0, None]},
        "two": {"plain": [1.0, 1.0, 1.0, 1.0], "polite": [1.0, 0.0, 0.0, None]},
    }
    result = analysed(panel_plan(list(scores), "mean", on_disagreement="abstain"), verdicts_of(scores), 4)
    plain, polite = result.coverage.variants
    assert plain.missing == {"judges_disagree": 1, "too_few_judges": 1}
    # Nobody could be read: that is the reason, and not the panel.
    assert polite.missing == {"judge_invalid": 1}
    assert (result.panels[0].abstained, result.panels[0].disagreed, result.panels[0].alone) == (2, 1, 1)
    assert any("council abstained on 2 of 7 answers" in warning for warning in result.warnings)


def test_agreement__reaches_as_far_as_declared() -> None:
    scores = {"one": {v: [1.0, 2.0, 3.0] for v in VARIANTS}, "two": {v: [2.0, 4.0, 3.0] for v in VARIANTS}}
    judges = tuple(j.model_copy(update={"binary": False}) for j in binary_judges(list(scores)))
    council = panel_of(list(scores), "mean", agree_within=1.0, on_disagreement="abstain")
    plan = plan_of(VARIANTS, judges=(*judges, council), primary_metric="council")
    result = analysed(plan, verdicts_of(scores), 3)
    assert (result.panels[0].agreed, result.panels[0].disagreed) == (4, 2)
    assert result.primary("polite").mean_control == pytest.approx((1.5 + 3.0) / 2)


def test_majority_without_one__is_missing_and_counted() -> None:
    scores = {"one": {v: [1.0, 1.0] for v in VARIANTS}, "two": {v: [0.0, 1.0] for v in VARIANTS}}
    result = analysed(panel_plan(list(scores), "majority", binary=True), verdicts_of(scores), 2)
    assert result.coverage.variants[0].missing == {"no_majority": 1}
    assert result.panels[0].undecided == 2
    assert any("as many members said one thing as another" in warning for warning in result.warnings)


def escalated(**given: Any) -> AnalysisResult:
    scores: dict[str, dict[str, list[float | None]]] = {
        "one": {v: [1.0] * 10 for v in VARIANTS},
        "two": {v: [0.0, 0.0, None] + [1.0] * 7 for v in VARIANTS},
    }
    plan = panel_plan(["one", "two"], "mean", strong="strong")
    cheap = verdicts_of(scores, use=JudgeUse(calls=1, cost_usd=Decimal("0.001"), spent_usd=Decimal("0.001")))
    strong = {v: [1.0, None, 0.0] for v in VARIANTS}
    asked = verdicts_of({"strong": strong}, use=JudgeUse(calls=1, cost_usd=Decimal("0.02"), **given))
    return analysed(plan, [*cheap, *asked], 10)


def test_escalation__takes_the_strong_score_where_there_is_one() -> None:
    result = escalated()
    (panel,) = result.panels
    assert (panel.disagreed, panel.alone, panel.agreed) == (4, 2, 14)
    found = panel.escalation
    assert found is not None
    assert (found.judge, found.escalated, found.unanswered) == ("strong", 4, 2)
    assert found.share == pytest.approx(4 / 20)
    assert result.coverage.variants[0].missing == {"not_escalated": 1}
    assert result.primary("polite").mean_treatment == pytest.approx((1.0 + 0.0 + 7.0) / 9)
    # Of the saving: 40 cheap verdicts and 6 strong ones, against 20 strong ones.
    assert (found.members_usd, found.cost_usd, found.everywhere_usd) == tuple(map(Decimal, ("0.040", "0.12", "0.40")))
    assert found.saving_usd == Decimal("0.240")
    assert any(i.kind == "escalation" and "saves $0.24" in i.sentence for i in result.insights)
    assert any("strong gave no score" in warning for warning in result.warnings)


def test_judge_of_disagreements__is_compared_on_no_selected_part() -> None:
    result = escalated()
    assert "strong" not in {comparison.metric for comparison in result.comparisons}
    assert [judge.judge for judge in result.judges] == ["one", "two", "strong"]
    assert result.judges[2].escalated_only


def test_unknown_price__leaves_the_saving_unknown() -> None:
    plan = panel_plan(["one", "two"], "mean", strong="strong")
    scores = {j: {v: [s] for v in VARIANTS} for j, s in (("one", 1.0), ("two", 0.0), ("strong", 1.0))}
    result = analysed(plan, verdicts_of(scores, use=JudgeUse(calls=1, cost_usd=None)), 1)
    found = result.panels[0].escalation
    assert found is not None
    assert (found.escalated, found.cost_usd, found.saving_usd) == (2, None, None)


@pytest.mark.parametrize("treatments", [("polite",), ("polite", "chatty")])
def test_panel_of_pairwise_judges__votes_for_a_side(treatments: tuple[str, ...]) -> None:
    names = ("one", "two", "three")
    judges = tuple(PREFERRED.model_copy(update={"name": name}) for name in names)
    council = panel_of(names, "majority", pairwise=True)
    plan = plan_of(("plain", *treatments), judges=(*judges, council), primary_metric="council")
    shares = {"one": (1.0, 1.0, 0.5), "two": (1.0, 0.0, 0.0), "three": (0.0, 0.0, 1.0)}
    verdicts = [
        pair_verdict(f"s{i}", biased_votes(share, flips=False), judge=name, variant=treatment)
        for name, of_judge in shares.items()
        for i, share in enumerate(of_judge)
        for treatment in treatments
    ]
    result = analysed(plan, verdicts, 3)
    assert result.primary("polite").unit == "points"
    # One win, one loss, and a three-way tie, which is one half.
    assert result.primary("polite").effect == pytest.approx(0.0)
    assert (result.primary("polite").wins, result.primary("polite").ties) == (1, 1)
    assert result.panels[0].answers == 3 * len(treatments)


def test_dimensions_of_a_panel__are_joined_from_those_of_its_members() -> None:
    judges = []
    for name in ("one", "two"):
        judges.append(JudgeMetric(name=name, type="rubric", binary=False, kind="model", scale=(1.0, 5.0)))
        judges.append(judges[-1].model_copy(update={"name": f"{name}.tone", "from_judge": name, "dimension": "tone"}))
    council = panel_of(("one", "two"), "mean", scale=(1.0, 5.0))
    tone = council.model_copy(update={"name": "council.tone", "from_judge": "council", "dimension": "tone"})
    plan = plan_of(VARIANTS, judges=(*judges, council, tone), primary_metric="council")
    verdicts = [
        score_verdict(f"s{i}", v, judge, 3.0, dimensions={"tone": tone_score})
        for judge, tone_score in (("one", 2.0), ("two", 5.0))
        for v in VARIANTS
        for i in range(5)
    ]
    result = analysed(plan, verdicts, 5)
    assert result.variants[0].metrics["council.tone"].mean == pytest.approx(3.5)
    assert [agreement.metric for agreement in result.agreements] == ["council", "council.tone"]


def test_look__joins_the_panels_of_its_wave() -> None:
    plan = panel_plan(["one", "two"], "mean")
    verdicts = verdicts_of({"one": {v: [1.0, 0.0] for v in VARIANTS}, "two": {v: [0.0, 0.0] for v in VARIANTS}})
    wave = SampleScores.joined([scored_batch(plan, samples_of(2), verdicts)])
    scores, _ = ConsensusBuilder(plan).build(wave)
    assert scores.column("plain", "council").tolist() == [0.5, 0.0]


def test_panel_without_samples__has_nothing_to_join() -> None:
    result = analyse(panel_plan(["one", "two"], "dawid_skene"), RunStatistics.merge([]))
    assert result.panels == ()
    assert result.primary("polite").status == "no_data"


def test_members_missing_everywhere__say_why() -> None:
    plan = panel_plan(["one", "two"], "mean")
    silent = [
        score_verdict(f"s{i}", v, judge, None, status="not_judged")
        for i in range(3)
        for v in VARIANTS
        for judge in ("one", "two")
    ]
    result = analysed(plan, silent, 3)
    assert result.coverage.variants[0].missing == {"not_judged": 3}
    assert result.panels[0].status == "no_data"
    assert any("none of its members gave a score" in warning for warning in result.warnings)


def test_abstaining_often__stands_under_the_decision() -> None:
    scores = {"one": {v: [1.0, 0.0] * 20 for v in VARIANTS}, "two": {v: [1.0] * 40 for v in VARIANTS}}
    left = analysed(panel_plan(list(scores), "mean", on_disagreement="abstain"), verdicts_of(scores), 40)
    assert any("council abstained on 50 % of the answers" in reason for reason in left.decision.reasons)
    kept = analysed(panel_plan(list(scores), "mean"), verdicts_of(scores), 40)
    assert not any("abstained" in reason for reason in kept.decision.reasons)


def test_consensus_that_is_not_to_be_trusted__stands_under_the_decision() -> None:
    truth = truth_of(100)
    scores = {"one": said(truth, 0.9, 1), "two": said(truth, 0.7, 2)}
    result = analysed(panel_plan(list(scores), "dawid_skene", binary=True), verdicts_of(scores), 100)
    assert result.panels[0].status == "confounded"
    assert any("cannot tell Dawid-Skene who errs" in reason for reason in result.decision.reasons)


def test_judge_that_a_panel_escalates_to__is_doubted_like_a_member() -> None:
    plan = panel_plan(["one", "two"], "mean", strong="strong")
    family = {"family": "gpt", "model": "openai/gpt-5"}
    judges = [judge.model_copy(update=family) if judge.name == "strong" else judge for judge in plan.judges]
    plan = plan.model_copy(update={"judges": tuple(judges), "families": {"polite": "gpt", "plain": "llama"}})
    scores = {j: {v: [s] * 4 for v in VARIANTS} for j, s in (("one", 1.0), ("two", 0.0), ("strong", 1.0))}
    result = analysed(plan, verdicts_of(scores), 4)
    assert "The judge strong is of the same model family as polite." in result.decision.reasons
