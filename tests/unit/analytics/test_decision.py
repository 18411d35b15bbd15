from __future__ import annotations

import pytest

from tests.unit.analytics.support import analysed, binary, graded_plan, plan_of


def test_better_treatment_is_shipped__with_one_honest_sentence() -> None:
    found = analysed(plan_of(), binary(both=10, only_a=4, only_b=66, neither=20)).decision
    assert found.outcome == "ship_treatment"
    assert found.treatment == "few_shot"
    assert found.sentence == (
        "few_shot is better than terse on correct: +62.0 points "
        "(95 % interval +50.8 to +73.2; exact McNemar p = 1.7e-15; 100 paired samples)."
    )
    assert found.reasons == ()


def test_worse_treatment__keeps_the_control() -> None:
    found = analysed(plan_of(), binary(both=40, only_a=30, only_b=5, neither=25)).decision
    assert found.outcome == "keep_control"
    assert found.sentence.startswith("few_shot is worse than terse on correct: −25.0 points (")


def test_no_significant_difference__is_not_called_equal() -> None:
    found = analysed(plan_of(), binary(both=40, only_a=18, only_b=15, neither=27)).decision
    assert found.outcome == "undecided"
    assert found.sentence.startswith("No significant difference between few_shot and terse on correct: −3.0 points (")
    assert "exact McNemar p = 0.73" in found.sentence
    assert found.sentence.endswith("This does not show that they are equal.")


def test_mcnemar_decides__where_the_interval_disagrees() -> None:
    # Six against none: p = 0.031, and the interval excludes 0; five against none: p = 0.0625, and it still does.
    assert analysed(plan_of(), binary(only_b=6, neither=94)).decision.outcome == "ship_treatment"
    found = analysed(plan_of(), binary(only_b=5, neither=95)).decision
    assert found.outcome == "undecided"
    assert any("disagree at 0.05" in reason for reason in found.reasons)
    assert any("too few for this test" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({"terse": [], "few_shot": []}, "no sample has a score of both"),
        ({"terse": [None, None], "few_shot": [1, 1]}, "no sample has a score of both"),
        ({"terse": [0], "few_shot": [1]}, "only one sample has a score of both"),
        ({"terse": [1, 0, 1], "few_shot": [1, 0, 1]}, "score the same on correct in each of the 3 paired samples"),
    ],
)
def test_degenerate_binary_run__is_undecided_in_words(scores: dict[str, list[float | None]], says: str) -> None:
    result = analysed(plan_of(), scores)
    assert result.decision.outcome == "undecided"
    assert says in result.decision.sentence
    assert result.primary("few_shot").ci_low is None


def test_all_pairs_won__is_decided_by_the_exact_test_without_an_interval() -> None:
    result = analysed(plan_of(), binary(only_b=10))
    assert result.decision.outcome == "ship_treatment"
    assert "no interval: every pair differs alike; exact McNemar p = 0.00195" in result.decision.sentence


def test_constant_difference_of_scores__is_no_evidence_of_any_size() -> None:
    result = analysed(graded_plan(), {"terse": [0.5] * 6, "few_shot": [0.6] * 6})
    comparison = result.primary("few_shot")
    assert comparison.status == "constant"
    assert comparison.p_value is None
    assert result.decision.outcome == "undecided"
    assert "differs by the same +0.100" in result.decision.sentence


def test_few_complete_pairs__are_told_in_the_reasons() -> None:
    scores = binary(both=10, only_b=60, neither=10)
    scores["terse"] += [None] * 20
    scores["few_shot"] += [1.0] * 20
    found = analysed(plan_of(), scores).decision
    assert found.outcome == "ship_treatment"
    assert "80 paired samples of 100" in found.sentence
    assert any(reason.startswith("Only 80 of 100 samples (80 %)") for reason in found.reasons)


def test_fewer_than_half_of_the_pairs__decide_nothing() -> None:
    scores = binary(only_b=40)
    scores["terse"] += [None] * 60
    scores["few_shot"] += [1.0] * 60
    found = analysed(plan_of(), scores).decision
    assert found.outcome == "undecided"
    assert "only 40 of 100 samples have a score of both, fewer than half" in found.sentence


def test_samples_of_one_cluster__decide_nothing() -> None:
    found = analysed(plan_of(), binary(only_b=10, neither=2), ["doc"] * 12)
    assert found.primary("few_shot").status == "one_cluster"
    assert "belong to one cluster" in found.decision.sentence
    assert found.decision.outcome == "undecided"


def test_clustered_samples__are_decided_by_the_clustered_test() -> None:
    scores = binary(both=6, only_a=2, only_b=12, neither=4)
    result = analysed(plan_of(), scores, [f"doc{i % 8}" for i in range(24)])
    comparison = result.primary("few_shot")
    assert comparison.test == "clustered_t_cr2"
    assert comparison.clusters == 8
    assert comparison.mcnemar is not None
    assert comparison.mcnemar.p_value != comparison.p_value
    assert "24 paired samples in 8 clusters" in result.decision.sentence
    assert any("8 clusters" in reason for reason in result.decision.reasons)


def test_clusters_of_one_sample_each__leave_the_exact_test() -> None:
    result = analysed(plan_of(), binary(both=3, only_b=7), [f"doc{i}" for i in range(10)])
    assert result.primary("few_shot").test == "exact_mcnemar"


def test_lower_is_better__for_an_operational_primary_metric() -> None:
    from abtest.analytics.data.accumulate import RunStatistics
    from abtest.analytics.service import analyse
    from abtest.contracts.records import Sample
    from tests.unit.analytics.support import answer

    plan = plan_of(judges=(), primary_metric="latency_ms")
    samples = [Sample(id=f"s{i}") for i in range(40)]
    responses = {
        variant: [answer(s.id, variant, latency_ms=base + i % 7) for i, s in enumerate(samples)]
        for variant, base in (("terse", 200.0), ("few_shot", 150.0))
    }
    for i, row in enumerate(responses["few_shot"]):
        responses["few_shot"][i] = row.model_copy(update={"latency_ms": 150.0 + (i * 3) % 5})
    result = analyse(plan, RunStatistics.of_batch(plan, samples, responses, []))
    assert result.decision.outcome == "ship_treatment"
    assert result.decision.sentence.startswith("few_shot is better than terse on latency_ms: −")
    assert result.primary("few_shot").wins == 40


def test_several_treatments__are_adjusted_and_the_best_is_shipped() -> None:
    scores = binary(both=10, only_a=4, only_b=66, neither=20)
    scores["chain"] = [1.0] * 30 + [0.0] * 70
    result = analysed(plan_of(("terse", "few_shot", "chain")), scores)
    assert result.decision.outcome == "ship_treatment"
    assert result.decision.treatment == "few_shot"
    assert "Holm-adjusted exact McNemar" in result.decision.sentence
    assert any("Holm-adjusted over 2 treatments" in reason for reason in result.decision.reasons)
    best = result.primary("few_shot")
    assert best.p_value_adjusted == pytest.approx(2 * (best.p_value or 0))
    assert "Holm's step-down adjustment" in {method.name for method in result.methods}


def test_every_treatment_worse__keeps_the_control() -> None:
    scores = {"terse": [1.0] * 40, "few_shot": [0.0] * 30 + [1.0] * 10, "chain": [1.0] * 15 + [0.0] * 25}
    found = analysed(plan_of(("terse", "few_shot", "chain")), scores).decision
    assert found.outcome == "keep_control"
    assert found.sentence == "Every treatment is worse than terse on correct."


def test_one_worse_and_one_unclear_treatment__is_undecided() -> None:
    scores = {"terse": [1.0] * 40, "few_shot": [0.0] * 30 + [1.0] * 10, "chain": [1.0] * 39 + [0.0]}
    found = analysed(plan_of(("terse", "few_shot", "chain")), scores).decision
    assert found.outcome == "undecided"
    assert len([reason for reason in found.reasons if "on correct:" in reason]) == 2
