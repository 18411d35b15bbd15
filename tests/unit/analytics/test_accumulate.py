from __future__ import annotations

from decimal import Decimal

import pytest

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.service import analyse
from abtest.contracts.records import ModelResponse, Sample, Usage, Verdict
from tests.unit.analytics.support import analysed, answer, binary, plan_of, statistics_of


def verdict(sample_id: str, variant: str, score: float | None, **given: object) -> Verdict:
    status = given.get("status", "scored" if score is not None else "invalid")
    return Verdict.model_validate(
        {"sample_id": sample_id, "variant": variant, "judge": "correct", "status": status, "score": score}
    )


def test_every_asked_sample_is_judged_or_missing__for_one_reason() -> None:
    plan = plan_of()
    samples = [Sample(id=f"s{i}") for i in range(6)]
    failed = ModelResponse(sample_id="s1", variant="few_shot", outcome="failed", failure_reason="rate_limited")
    refused = ModelResponse(sample_id="s2", variant="few_shot", outcome="refused")
    responses = {
        "terse": [answer(sample.id, "terse") for sample in samples],
        "few_shot": [answer("s0", "few_shot"), failed, refused, answer("s3", "few_shot"), answer("s4", "few_shot")],
    }
    verdicts = [verdict(sample.id, "terse", 1.0) for sample in samples]
    verdicts += [
        verdict("s0", "few_shot", 1.0),
        verdict("s1", "few_shot", None, status="not_judged"),
        verdict("s2", "few_shot", 0.0),
        verdict("s3", "few_shot", None),
    ]
    result = analyse(plan, RunStatistics.of_batch(plan, samples, responses, verdicts))
    row = result.coverage.variants[1]
    assert (row.asked, row.answered, row.judged) == (6, 4, 2)
    assert row.missing == {"judge_invalid": 1, "no_response": 1, "no_verdict": 1, "rate_limited": 1}
    assert row.asked == row.judged + sum(row.missing.values())
    assert result.coverage.paired == {"few_shot": 2}
    summary = result.variants[1]
    assert summary.outcomes == {"answered": 3, "failed": 1, "refused": 1}
    assert summary.failures == {"rate_limited": 1}
    assert any("could not score 1 answers of few_shot" in warning for warning in result.warnings)


def test_merged_batches__equal_one_batch() -> None:
    plan = plan_of()
    scores = binary(both=11, only_a=7, only_b=13, neither=9)
    whole = analyse(plan, statistics_of(plan, scores))
    parts = [
        statistics_of(plan, {name: values[start : start + 7] for name, values in scores.items()}, start=start)
        for start in range(0, 40, 7)
    ]
    merged = analyse(plan, RunStatistics.merge(parts))
    assert merged.coverage == whole.coverage
    assert merged.decision == whole.decision
    one, other = merged.primary("few_shot"), whole.primary("few_shot")
    assert one.mcnemar == other.mcnemar
    assert one.se == pytest.approx(other.se, rel=1e-12)


def test_cluster_spread_over_batches__is_one_cluster() -> None:
    plan = plan_of()
    halves = [statistics_of(plan, binary(both=1, only_b=2), ["a", "a", "b"], start=start) for start in (0, 3)]
    assert analyse(plan, halves[0] + halves[1]).primary("few_shot").clusters == 2


def test_empty_run__says_so_without_numbers() -> None:
    result = analyse(plan_of(), RunStatistics.merge([]))
    assert result.decision.outcome == "undecided"
    assert result.coverage.share("few_shot") is None
    assert result.spent_usd == 0
    assert {comparison.status for comparison in result.comparisons} == {"no_data"}


def test_money_is_exact__and_the_ledger_costs_nothing() -> None:
    plan = plan_of()
    samples = [Sample(id=f"s{i}") for i in range(10)]
    responses = {
        variant: [answer(s.id, variant, cost_usd=Decimal("0.1"), from_ledger=i < 3) for i, s in enumerate(samples)]
        for variant in plan.variants
    }
    result = analyse(plan, RunStatistics.of_batch(plan, samples, responses, []))
    terse = result.variants[0]
    assert (terse.cost_usd_total, terse.cost_usd_mean) == (Decimal("1.0"), Decimal("0.1"))
    assert terse.spent_usd == Decimal("0.7")
    assert terse.from_ledger == 3
    assert result.spent_usd == Decimal("1.4")
    assert terse.price_sources == ("configured",)


def test_one_unknown_price__makes_the_total_unknown() -> None:
    plan = plan_of()
    samples = [Sample(id="s0"), Sample(id="s1")]
    responses = {v: [answer("s0", v), answer("s1", v, cost_usd=None)] for v in plan.variants}
    result = analyse(plan, RunStatistics.of_batch(plan, samples, responses, []))
    assert result.variants[0].cost_usd_total is None
    assert result.variants[0].cost_unknown == 1
    assert result.spent_usd is None
    assert result.spent_at_least_usd == Decimal("0.002")
    assert any("unknown" in warning for warning in result.warnings)


def test_operations_are_described__over_the_answers_that_report_them() -> None:
    plan = plan_of()
    samples = [Sample(id=f"s{i}") for i in range(5)]
    rows = [answer(s.id, "terse", latency_ms=float(i), usage=Usage(output_tokens=2)) for i, s in enumerate(samples)]
    rows[4] = rows[4].model_copy(update={"latency_ms": None, "usage": None})
    result = analyse(plan, RunStatistics.of_batch(plan, samples, {"terse": rows}, []))
    latency = result.variants[0].latency_ms
    assert (latency.n, latency.n_missing, latency.mean, latency.p50, latency.total) == (4, 1, 1.5, 1.5, 6.0)
    assert latency.p95 == pytest.approx(2.85)
    assert result.variants[0].output_tokens.total == 8


def test_failed_call__has_no_place_in_latency() -> None:
    plan = plan_of()
    failed = ModelResponse(
        sample_id="s0", variant="terse", outcome="failed", failure_reason="timeout", latency_ms=120_000.0
    )
    result = analyse(plan, RunStatistics.of_batch(plan, [Sample(id="s0")], {"terse": [failed]}, []))
    assert result.variants[0].latency_ms.n == 0


@pytest.mark.parametrize("judge", ["other", "latency_ms"])
def test_verdict_of_another_test__is_refused(judge: str) -> None:
    plan = plan_of()
    foreign = Verdict(sample_id="s0", variant="terse", judge=judge, status="scored", score=1.0)
    with pytest.raises(ValueError, match="does not belong to this test"):
        RunStatistics.of_batch(plan, [Sample(id="s0")], {}, [foreign])


def test_binary_metric_with_another_score__is_refused() -> None:
    with pytest.raises(ValueError, match="other than 0 and 1"):
        statistics_of(plan_of(), {"terse": [0.5], "few_shot": [1.0]})


def test_analysis_survives__a_round_trip_through_json() -> None:
    result = analysed(plan_of(seed=7, cap_usd=Decimal("0.50")), binary(both=3, only_b=8, only_a=1))
    text = result.model_dump_json()
    assert type(result).model_validate_json(text) == result
    assert '"cap_usd":"0.50"' in text
    assert "NaN" not in text
    assert "Infinity" not in text
