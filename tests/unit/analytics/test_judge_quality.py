"""What a run says of its judges: position, repeats, fallbacks, drift, kinship, length, cost."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.model import AnalysisPlan, AnalysisResult, JudgeMetric
from abtest.analytics.service import analyse
from abtest.contracts.records import JudgeUse, ModelResponse, PinnedVerdict, Verdict, Vote
from tests.unit.analytics.judged import (
    ORDERS,
    PREFERRED,
    QUALITY,
    answers_of,
    biased_votes,
    judged_statistics,
    pair_verdict,
    pairwise_plan,
    samples_of,
    score_verdict,
)
from tests.unit.analytics.support import answer, plan_of


def analysed(plan: AnalysisPlan, verdicts: list[Verdict], count: int, **given: Any) -> AnalysisResult:
    samples = samples_of(count, given.pop("clusters", None))
    pinned = given.pop("pinned", ())
    return analyse(plan, judged_statistics(plan, verdicts, samples=samples, **given), pinned=pinned)


def simulated(count: int = 2_000, flip: float = 0.2, win: float = 0.6, tie: float = 0.1) -> list[Verdict]:
    """Verdicts of a judge that goes by the place, the first one, in a share of the pairs."""
    drawn = random.Random(20)
    verdicts = []
    for number in range(count):
        chance = drawn.random()
        truth = 0.5 if chance < tie else 1.0 if chance < tie + win * (1 - tie) else 0.0
        verdicts.append(pair_verdict(f"s{number}", biased_votes(truth, flips=drawn.random() < flip)))
    return verdicts


def test_known_position_bias__is_recovered_and_averaged_out() -> None:
    result = analysed(pairwise_plan(), simulated(), 2_000)
    (judge,) = result.judges
    position = judge.position
    assert position is not None
    assert position.pairs == 2_000
    assert position.flip_rate_low is not None
    assert position.flip_rate_high is not None
    assert position.flip_rate_low < 0.2 < position.flip_rate_high
    # Of all votes 20 % go to the first place; of the others as many first answers win as second ones.
    assert position.first_rate == pytest.approx(0.5 + 0.2 / (0.8 * 0.9 + 0.2) / 2, abs=0.02)
    assert position.p_value is not None
    assert position.p_value < 1e-10
    (rate,) = judge.win_rates
    expected = 0.8 * (0.54 + 0.05) + 0.2 * 0.5
    assert rate.ci_low is not None
    assert rate.ci_high is not None
    assert rate.ci_low < expected < rate.ci_high
    assert rate.shown_first is not None
    assert rate.shown_second is not None
    assert rate.shown_first - rate.shown_second == pytest.approx(0.2, abs=0.03)
    assert rate.win_rate == pytest.approx((rate.shown_first + rate.shown_second) / 2)
    assert result.primary("polite").mean_treatment == pytest.approx(rate.win_rate)
    assert result.position == position
    assert any("preferred prefers the answer shown first" in insight.sentence for insight in result.insights)


def test_batches__say_together_what_one_batch_says() -> None:
    plan, samples, verdicts = pairwise_plan(), samples_of(300), simulated(300)
    whole = analyse(plan, judged_statistics(plan, verdicts, samples=samples, batch=300))
    parts = analyse(plan, judged_statistics(plan, verdicts, samples=samples, batch=7))
    assert parts.judges == whole.judges
    assert parts.coverage == whole.coverage


def test_several_orders_of_one_cluster__are_one_unit_of_the_sign_test() -> None:
    votes = biased_votes(1.0, flips=True)
    verdicts = [pair_verdict(f"s{i}", votes) for i in range(10)]
    alone = analysed(pairwise_plan(), verdicts, 10).judges[0].position
    together = analysed(pairwise_plan(), verdicts, 10, clusters=["a"] * 5 + ["b"] * 5).judges[0].position
    assert alone is not None
    assert together is not None
    assert alone.p_value == pytest.approx(2 * 0.5**10)
    assert together.p_value == pytest.approx(2 * 0.5**2)
    assert alone.flip_rate_low is not None
    assert together.flip_rate_low is not None
    assert together.flip_rate_low < alone.flip_rate_low


def test_unread_order__makes_the_pair_missing_and_never_a_tie() -> None:
    verdicts = [pair_verdict("s0", [("control_first", 1.0), ("treatment_first", None)])]
    verdicts += [pair_verdict(f"s{i}", biased_votes(1.0, flips=False)) for i in range(1, 10)]
    result = analysed(pairwise_plan(), verdicts, 10)
    assert result.primary("polite").n == 9
    assert [row.missing for row in result.coverage.variants] == [{"judge_invalid": 1}] * 2
    judge = result.judges[0]
    assert judge.verdicts == {"invalid": 1, "scored": 9}
    assert judge.votes == {"invalid": 1, "scored": 19}
    assert judge.position is not None
    assert judge.position.pairs == 9
    assert any("1 of 10 verdicts of preferred could not be read" in warning for warning in result.warnings)
    assert any(insight.kind == "judge_invalid" for insight in result.insights)
    assert any("could not be read on 10 %" in reason for reason in result.decision.reasons)


def test_sample_without_what_the_judge_needs__is_not_called_unreadable() -> None:
    verdicts = [pair_verdict("s0", [], status="invalid", use=None)]
    verdicts += [pair_verdict(f"s{i}", biased_votes(1.0, flips=False)) for i in range(1, 10)]
    result = analysed(pairwise_plan(), verdicts, 10)
    judge = result.judges[0]
    assert (judge.verdicts["invalid"], judge.unaskable, judge.unreadable) == (1, 1, 0)
    assert any("preferred could not be asked about 1 of 10" in warning for warning in result.warnings)
    assert not any("could not be read" in told for told in (*result.warnings, *result.decision.reasons))
    assert not any(insight.kind == "judge_invalid" for insight in result.insights)


def test_answer_without_a_counterpart__is_missing_for_that_reason() -> None:
    plan, samples = pairwise_plan(), samples_of(4)
    responses = answers_of(plan, samples)
    responses["plain"][0] = ModelResponse(sample_id="s0", variant="plain", outcome="failed", failure_reason="timeout")
    verdicts = [pair_verdict(f"s{i}", biased_votes(1.0, flips=False)) for i in range(1, 4)]
    silent = {"status": "not_judged", "score": None, "use": None}
    verdicts.append(pair_verdict("s0", [], **silent))
    result = analysed(plan, verdicts, 4, responses=responses)
    assert [row.missing for row in result.coverage.variants] == [{"timeout": 1}, {"no_counterpart": 1}]


def test_several_treatments__each_have_their_net_preference() -> None:
    plan = pairwise_plan(("plain", "polite", "chatty"))
    verdicts = []
    for i in range(40):
        verdicts.append(pair_verdict(f"s{i}", biased_votes(1.0 if i < 30 else 0.0, flips=False)))
        verdicts.append(pair_verdict(f"s{i}", biased_votes(1.0 if i < 10 else 0.0, flips=i >= 30), variant="chatty"))
    result = analysed(plan, verdicts, 40)
    polite, chatty = (result.primary(name) for name in ("polite", "chatty"))
    assert (polite.mean_control, polite.mean_treatment) == (0.0, 0.5)
    assert chatty.effect == pytest.approx((10 - 20) / 40)
    assert chatty.unit == "points"
    assert [rate.win_rate for rate in result.judges[0].win_rates] == pytest.approx([0.75, 0.375])
    assert any("net preferences over plain" in warning for warning in result.warnings)
    assert result.ranking is not None
    # No judge compared the two treatments, so 40 comparisons each, all with the control.
    assert [one.variant for one in result.ranking.variants] == ["polite", "plain", "chatty"]


def test_pairs_in_one_order__have_no_flips_but_a_test_of_the_order() -> None:
    drawn = random.Random(3)
    verdicts = []
    for i in range(400):
        order = drawn.choice(ORDERS)
        favours_first = drawn.random() < 0.3
        score = float(order == "treatment_first") if favours_first else float(drawn.random() < 0.5)
        verdicts.append(pair_verdict(f"s{i}", [(order, score)]))
    result = analysed(pairwise_plan(), verdicts, 400)
    position = result.judges[0].position
    assert position is not None
    assert (position.pairs, position.flip_rate) == (0, None)
    assert position.first_rate == pytest.approx(0.65, abs=0.06)
    assert position.p_value is not None
    assert position.p_value < 1e-4
    assert any("one order, drawn at random" in insight.sentence for insight in result.insights)
    assert any(method.name == "Position effect in a logit model" for method in result.methods)


def test_repeats__tell_how_far_the_judge_agrees_with_itself() -> None:
    votes = [("control_first", 1.0), ("control_first", 0.0), ("treatment_first", 1.0), ("treatment_first", 1.0)]
    result = analysed(pairwise_plan(), [pair_verdict(f"s{i}", votes) for i in range(5)], 5)
    retest = result.judges[0].retest
    assert retest is not None
    assert (retest.pairs, retest.same, retest.mean_distance) == (10, 0.5, 0.5)
    assert result.primary("polite").mean_treatment == pytest.approx(0.75)


def test_fallback_votes_and_second_attempts__are_counted() -> None:
    plan = plan_of(judges=(QUALITY,), primary_metric="quality")
    verdicts = []
    for i in range(10):
        for variant in plan.variants:
            vote = Vote(status="scored", score=4.0, repaired=i < 2, fallback=1 if i < 5 else 0)
            verdicts.append(score_verdict(f"s{i}", variant, "quality", 4.0, votes=(vote,)))
    judge = analysed(plan, verdicts, 10).judges[0]
    assert (judge.repaired, judge.fallbacks, judge.fallback_share) == (4, {"1": 10}, 0.5)
    assert any("10 of 20 votes of quality came from a fallback" in w for w in analysed(plan, verdicts, 10).warnings)


def test_two_versions_in_one_run__are_told() -> None:
    verdicts = [pair_verdict(f"s{i}", biased_votes(1.0, flips=False), judge_version=f"p{i % 2}") for i in range(6)]
    result = analysed(pairwise_plan(), verdicts, 6)
    assert result.judges[0].versions == {"p0": 3, "p1": 3}
    assert any("2 versions" in warning for warning in result.warnings)


def pinned(score: float | None, expected: float = 4.0) -> PinnedVerdict:
    status = "scored" if score is not None else "invalid"
    return PinnedVerdict(
        judge="quality", judge_version="r1", example="e", status=status, expected=expected, score=score
    )


@pytest.mark.parametrize(
    ("scores", "mean", "largest", "drifted"),
    [((4.0, 4.0), 0.0, 0.0, False), ((3.6, 4.4), 0.4, 0.4, False), ((3.0, 4.0, None), 0.5, 1.0, True)],
)
def test_drift__is_the_mean_distance_from_what_is_expected(
    scores: tuple[float | None, ...], mean: float, largest: float, drifted: bool
) -> None:
    plan = plan_of(judges=(QUALITY,), primary_metric="quality")
    result = analysed(plan, [], 3, pinned=[pinned(score) for score in scores])
    drift = result.judges[0].drift
    assert drift is not None
    assert (drift.examples, drift.drifted) == (len(scores), drifted)
    assert drift.tolerance == pytest.approx(0.4)
    assert (drift.mean_deviation, drift.largest_deviation) == (pytest.approx(mean), pytest.approx(largest))
    assert any("not the instrument it was" in warning for warning in result.warnings) == drifted
    assert any("pinned examples" in reason for reason in result.decision.reasons) == drifted


def test_pinned_examples_nobody_scored__say_nothing_of_drift() -> None:
    plan = plan_of(judges=(QUALITY,), primary_metric="quality")
    drift = analysed(plan, [], 3, pinned=[pinned(None)]).judges[0].drift
    assert drift is not None
    assert (drift.status, drift.mean_deviation, drift.drifted) == ("no_data", None, False)
    assert analysed(plan, [], 3).judges[0].drift is None


@pytest.mark.parametrize(
    ("families", "related", "words"),
    [
        ({"plain": "gpt", "polite": "claude"}, ("plain",), "same family, gpt, as plain, and not as the others"),
        ({"plain": "gpt", "polite": "gpt"}, ("plain", "polite"), "same family, gpt, as all variants"),
        ({"plain": "claude"}, (), ""),
    ],
)
def test_judge_of_a_variants_family__is_told(families: dict[str, str], related: tuple[str, ...], words: str) -> None:
    judge = PREFERRED.model_copy(update={"family": "gpt", "model": "openai/gpt-x"})
    plan = pairwise_plan(judges=(judge,), families=families)
    result = analysed(plan, [pair_verdict(f"s{i}", biased_votes(1.0, flips=False)) for i in range(6)], 6)
    assert result.judges[0].related_variants == related
    told = [warning for warning in result.warnings if "family" in warning]
    assert (words in told[0]) if words else told == []
    assert any("same model family as plain" in reason for reason in result.decision.reasons) == (related == ("plain",))


def test_money_of_judges__is_part_of_what_the_run_spent() -> None:
    plan = pairwise_plan()
    use = JudgeUse(calls=2, from_ledger=1, input_tokens=10, cost_usd=Decimal("0.03"), spent_usd=Decimal("0.01"))
    verdicts = [pair_verdict(f"s{i}", biased_votes(1.0, flips=False), use=use) for i in range(10)]
    result = analysed(plan, verdicts, 10)
    cost = result.judges[0].cost
    assert cost is not None
    assert (cost.calls, cost.from_ledger, cost.input_tokens) == (20, 10, 100)
    assert (cost.cost_usd, cost.spent_usd) == (Decimal("0.30"), Decimal("0.10"))
    assert result.spent_on_judges_usd == Decimal("0.10")
    assert result.spent_usd == Decimal("0.10") + 20 * Decimal("0.001")


def test_unknown_price_of_a_judge__makes_the_sum_unknown() -> None:
    use = JudgeUse(calls=2, cost_usd=None, spent_usd=Decimal("0.01"))
    verdicts = [pair_verdict("s0", biased_votes(1.0, flips=False), use=use)]
    result = analysed(pairwise_plan(), verdicts, 1)
    assert result.spent_usd is None
    assert result.spent_at_least_usd == Decimal("0.012")
    assert result.judges[0].cost is not None
    assert result.judges[0].cost.cost_usd is None
    assert any("price of calls behind 1 verdicts of preferred" in warning for warning in result.warnings)


def test_preference_for_length__is_taken_out() -> None:
    plan, samples = pairwise_plan(), samples_of(600)
    drawn, responses, verdicts = random.Random(5), answers_of(pairwise_plan(), samples), []
    for i, sample in enumerate(samples):
        lengths = {variant: drawn.randrange(20, 200) for variant in plan.variants}
        lengths["polite"] += 40
        for variant in plan.variants:
            responses[variant][i] = answer(sample.id, variant, text="x" * lengths[variant])
        longer = float(lengths["polite"] > lengths["plain"])
        truth = longer if drawn.random() < 0.6 else float(drawn.random() < 0.5)
        verdicts.append(pair_verdict(sample.id, biased_votes(truth, flips=False)))
    result = analysed(plan, verdicts, 600, responses=responses)
    (found,) = result.judges[0].length_controlled
    assert found.status == "ok"
    assert found.raw_win_rate is not None
    assert found.raw_win_rate > 0.6
    assert found.win_rate == pytest.approx(0.5, abs=0.06)
    assert result.length_controlled == (found,)
    assert any("Length explains" in insight.sentence for insight in result.insights)


def test_scores_that_follow_length__are_told_as_what_they_are() -> None:
    plan = plan_of(("plain", "polite"), judges=(QUALITY,), primary_metric="quality")
    samples = samples_of(80)
    drawn, responses, verdicts = random.Random(5), answers_of(plan, samples), []
    for i, sample in enumerate(samples):
        for variant in plan.variants:
            length = drawn.randrange(20, 200)
            responses[variant][i] = answer(sample.id, variant, text="x" * length)
            verdicts.append(score_verdict(sample.id, variant, "quality", 1 + 4 * length / 200))
    result = analysed(plan, verdicts, 80, responses=responses)
    (found,) = result.judges[0].length_correlation
    assert found.correlation == pytest.approx(1.0)
    assert any("scores cannot tell which" in insight.sentence for insight in result.insights)


def test_constant_scores__have_no_correlation_with_length() -> None:
    plan = plan_of(("plain", "polite"), judges=(QUALITY,), primary_metric="quality")
    verdicts = [score_verdict(f"s{i}", v, "quality", 3.0) for i in range(9) for v in plan.variants]
    (found,) = analysed(plan, verdicts, 9).judges[0].length_correlation
    assert (found.status, found.n, found.correlation) == ("constant", 9, None)


def test_dimensions__are_metrics_of_their_own() -> None:
    judges = (
        QUALITY,
        *(QUALITY.model_copy(update={"name": f"quality.{d}", "from_judge": "quality", "dimension": d}) for d in "ab"),
    )
    plan = plan_of(judges=judges, primary_metric="quality.a")
    verdicts = [
        score_verdict(f"s{i}", v, "quality", 3.0, dimensions={"a": 1.0 + (v == "few_shot") + i % 2, "b": 3.0, "c": 9.0})
        for i in range(20)
        for v in plan.variants
    ]
    result = analysed(plan, verdicts, 20)
    assert result.primary("few_shot").effect == pytest.approx(1.0)
    assert {c.metric for c in result.comparisons} >= {"quality", "quality.a", "quality.b"}
    assert [judge.judge for judge in result.judges] == ["quality"]
    assert result.variants[1].metrics["quality.b"].mean == 3.0


def test_sequential_design__shows_no_test_at_a_fixed_time() -> None:
    plan = pairwise_plan(design={"kind": "always_valid", "looks": 2})
    position = analysed(plan, simulated(200), 200).judges[0].position
    assert position is not None
    assert position.flip_rate is not None
    assert (position.p_value, position.flip_rate_low, position.flip_rate_high) == (None, None, None)


def test_judges_in_code__ask_nobody() -> None:
    plan = plan_of()
    verdicts = [score_verdict(f"s{i}", v, "correct", 1.0) for i in range(4) for v in plan.variants]
    judge = analysed(plan, verdicts, 4).judges[0]
    assert (judge.kind, judge.coverage, judge.cost, judge.position) == ("code", 1.0, None, None)


def test_nobody_judged__is_a_status_and_no_number() -> None:
    plan = pairwise_plan(judges=(PREFERRED, JudgeMetric(name="x", type="exact_match", binary=True)))
    result = analyse(plan, RunStatistics.merge([]))
    first = result.judges[0]
    assert (first.coverage, first.verdicts) == (None, {})
    assert first.position is not None
    assert first.position.status == "no_data"
    assert first.win_rates[0].win_rate is None


def test_length_of_a_refused_answer__is_that_of_what_the_judge_saw() -> None:
    plan, samples = pairwise_plan(), samples_of(60)
    drawn, responses, verdicts = random.Random(5), answers_of(pairwise_plan(), samples), []
    for i, sample in enumerate(samples):
        for variant in plan.variants:
            responses[variant][i] = answer(sample.id, variant, text="x" * drawn.randrange(20, 200))
        verdicts.append(pair_verdict(sample.id, biased_votes(float(drawn.random() < 0.6), flips=False)))

    def controlled(text: str) -> float | None:
        refused = answer("s0", "polite", outcome="refused", text=text)
        rows = {**responses, "polite": [refused, *responses["polite"][1:]]}
        return analysed(plan, verdicts, 60, responses=rows).judges[0].length_controlled[0].win_rate

    assert controlled("I must decline. " * 50) == controlled("")


def test_flips_of_several_treatments__have_an_interval_that_knows_the_samples() -> None:
    verdicts = [
        pair_verdict(f"s{i}", biased_votes(1.0, flips=i < 20), variant=treatment)
        for i in range(100)
        for treatment in ("polite", "warm")
    ]
    position = analysed(pairwise_plan(("plain", "polite", "warm")), verdicts, 100).judges[0].position
    alone = analysed(pairwise_plan(), verdicts[::2], 100).judges[0].position
    assert position is not None
    assert alone is not None
    assert (position.pairs, position.flip_rate) == (200, 0.2)
    # Both treatments flip on the same samples: 200 pairs are worth 100.
    assert position.flip_rate_low == pytest.approx(alone.flip_rate_low, abs=0.002)
    assert position.flip_rate_high == pytest.approx(alone.flip_rate_high, abs=0.002)


def test_dimension_that_decides__has_its_own_flips() -> None:
    tone = PREFERRED.model_copy(update={"name": "preferred.tone", "from_judge": "preferred", "dimension": "tone"})
    plan = pairwise_plan(judges=(PREFERRED, tone), primary_metric="preferred.tone")
    verdicts = []
    for i in range(40):
        whole, of_tone = biased_votes(1.0, flips=i < 4), biased_votes(1.0, flips=i < 10)
        votes = tuple(
            Vote(order=order, status="scored", score=score, dimensions={"tone": told or 0.0})
            for (order, score), (_, told) in zip(whole, of_tone, strict=True)
        )
        share = 0.5 if i < 10 else 1.0
        verdict = pair_verdict(f"s{i}", whole, dimensions={"tone": share})
        verdicts.append(verdict.model_copy(update={"votes": votes}))
    result = analysed(plan, verdicts, 40)
    assert result.position is not None
    assert (result.position.pairs, result.position.flip_rate) == (40, 0.25)
    # Ten pairs name the first answer twice, and thirty each answer once.
    assert result.position.first_rate == pytest.approx(50 / 80)
    assert result.judges[0].position is not None
    assert result.judges[0].position.flip_rate == 0.1
