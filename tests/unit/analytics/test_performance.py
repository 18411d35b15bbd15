"""How a variant's model performed: calls, tokens, latency, cost, and the estimate against what was used."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.model import AnalysisPlan, AnalysisResult, LatencySummary, ModelPerformance, TokenTotals
from abtest.analytics.plan import ExpectedUse
from abtest.analytics.service import analyse
from abtest.contracts.records import Attempt, ModelResponse, Sample, Usage
from tests.unit.analytics.support import answer, plan_of

OK = Attempt(status=200, latency_ms=100.0)
LIMITED = Attempt(status=429, latency_ms=5.0, failure_reason="rate_limited")
GONE = Attempt(latency_ms=30.0, failure_reason="connection")


def analysed_rows(
    terse: list[ModelResponse], plan: AnalysisPlan | None = None, *, batches: int = 1, asked: int | None = None
) -> AnalysisResult:
    plan = plan or plan_of()
    samples = [Sample(id=f"s{n}") for n in range(asked or len(terse))]
    parts = []
    for batch in range(batches):
        chosen = samples[batch::batches]
        ids = {sample.id for sample in chosen}
        rows = {"terse": [row for row in terse if row.sample_id in ids], "few_shot": []}
        parts.append(RunStatistics.of_batch(plan, chosen, rows, []))
    return analyse(plan, RunStatistics.merge(parts))


def performance_of(terse: list[ModelResponse], **given: Any) -> ModelPerformance:
    result = analysed_rows(terse, **given)
    assert [one.variant for one in result.performance] == ["terse", "few_shot"]
    return result.performance[0]


def failed(sample_id: str, reason: str, attempts: tuple[Attempt, ...] = ()) -> ModelResponse:
    row = {"sample_id": sample_id, "variant": "terse", "outcome": "failed", "failure_reason": reason}
    return ModelResponse.model_validate({**row, "attempts": attempts})


def mixed() -> list[ModelResponse]:
    return [
        answer("s0", "terse", attempts=(OK,)),
        answer("s1", "terse", attempts=(LIMITED, GONE, OK)),
        answer("s2", "terse", outcome="truncated", attempts=(OK,)),
        answer("s3", "terse", outcome="refused", attempts=(OK,)),
        answer("s4", "terse", from_ledger=True, attempts=(LIMITED, OK), latency_ms=900.0),
        failed("s5", "rate_limited", (LIMITED, LIMITED)),
        failed("s6", "budget"),
    ]


def test_calls_are_counted__by_outcome_reason_and_attempt() -> None:
    found = performance_of(mixed(), asked=8)

    assert found.asked == 8
    assert found.outcomes == {"answered": 3, "truncated": 1, "refused": 1, "failed": 2}
    assert found.failures == {"rate_limited": 1, "budget": 1}
    # The answer from the ledger was asked for earlier, whatever that took.
    assert (found.attempts, found.retries, found.retried_calls) == (8, 3, 2)
    assert found.attempt_failures == {"rate_limited": 3, "connection": 1}
    assert (found.from_ledger, found.ledger_share) == (1, 0.2)


def test_tokens_are_summed_by_kind__of_all_answers_and_of_those_paid_now() -> None:
    usage = Usage(input_tokens=7, cache_read_tokens=5, cache_write_tokens=3, output_tokens=2, reasoning_tokens=11)
    rows = [
        answer("s0", "terse", usage=usage),
        answer("s1", "terse", usage=usage, from_ledger=True),
        answer("s2", "terse", usage=None),
        failed("s3", "timeout"),
    ]

    found = performance_of(rows)

    each = {"input": 7, "cache_read": 5, "cache_write": 3, "output": 2, "reasoning": 11}
    twice = {name: 2 * count for name, count in each.items()}
    assert found.tokens == TokenTotals(answers=2, unknown=1, **twice)
    assert found.tokens_paid == TokenTotals(answers=1, unknown=1, **each)
    assert (found.tokens.total_input, found.tokens.total_output) == (30, 26)


def test_latency_of_the_ledger_stands_apart__so_that_this_run_shows_its_own() -> None:
    rows = [answer(f"s{n}", "terse", latency_ms=float(n + 1)) for n in range(100)]
    rows += [answer(f"s{n}", "terse", latency_ms=5_000.0, from_ledger=True) for n in range(100, 103)]
    rows += [answer("s103", "terse", latency_ms=None)]

    found = performance_of(rows)

    assert found.latency_ms.n == 100
    assert found.latency_ms.mean == pytest.approx(50.5)
    assert (found.latency_ms.p50, found.latency_ms.p95, found.latency_ms.p99) == pytest.approx((50.5, 95.05, 99.01))
    assert found.latency_from_ledger_ms == LatencySummary(n=3, mean=5_000, p50=5_000, p95=5_000, p99=5_000)


def test_cost_is_told_twice__as_paid_now_and_as_without_the_ledger() -> None:
    rows = [answer(f"s{n}", "terse", cost_usd=Decimal("0.1"), from_ledger=n < 3) for n in range(10)]

    found = performance_of(rows)

    assert (found.cost_usd_paid, found.cost_usd_uncached) == (Decimal("0.7"), Decimal("1.0"))
    assert found.price_sources == ("configured",)


def test_one_unknown_price_makes_the_cost_without_the_ledger_unknown() -> None:
    found = performance_of([answer("s0", "terse"), answer("s1", "terse", cost_usd=None, price_source=None)])

    assert (found.cost_usd_uncached, found.cost_unknown, found.cost_usd_paid) == (None, 1, Decimal("0.001"))


def test_batches_add_up__to_the_whole() -> None:
    rows = [
        answer(
            f"s{n}", "terse", latency_ms=float(n % 17), from_ledger=n % 5 == 0, attempts=(LIMITED,) * (n % 3) + (OK,)
        )
        for n in range(60)
    ]
    rows += [failed(f"s{n}", "timeout", (GONE,)) for n in range(60, 70)]

    whole, parts = performance_of(rows), performance_of(rows, batches=7)

    close = {"latency_ms", "latency_from_ledger_ms"}
    assert parts.model_dump(exclude=close) == whole.model_dump(exclude=close)
    for one, other in (
        (parts.latency_ms, whole.latency_ms),
        (parts.latency_from_ledger_ms, whole.latency_from_ledger_ms),
    ):
        assert one.model_dump() == pytest.approx(other.model_dump())


def test_a_variant_without_a_response_has_no_numbers__and_no_zero_that_looks_like_one() -> None:
    few_shot = analysed_rows([answer("s0", "terse")]).performance[1]

    assert (few_shot.asked, few_shot.outcomes, few_shot.ledger_share) == (1, {}, None)
    assert few_shot.latency_ms == LatencySummary()
    assert few_shot.cost_usd_uncached is None


def expected(**changes: Any) -> ExpectedUse:
    known: dict[str, Any] = {
        "calls": 10,
        "input_tokens_expected": 80,
        "input_tokens_max": 160,
        "input_counted_by": "tokenizer o200k_base",
        "input_error": 0.04,
        "output_tokens_expected": 100,
        "output_tokens_max": 5_120,
        "cost_usd_expected": Decimal("0.02"),
        "cost_usd_max": Decimal("0.05"),
    }
    return ExpectedUse(**{**known, **changes})


def test_estimate_is_checked_a_call__so_that_calls_that_were_not_made_do_not_count() -> None:
    # 10 calls were expected; 4 were answered, with 10 tokens in, 5 out and 0.001 USD each, and one failed.
    rows = [answer(f"s{n}", "terse", from_ledger=n == 0) for n in range(4)] + [failed("s4", "timeout")]

    check = performance_of(rows, plan=plan_of(expected={"terse": expected()})).estimate

    assert check is not None
    assert check.input_ratio == pytest.approx(10 / 8)
    assert check.output_ratio == pytest.approx(5 / 10)
    assert check.cost_ratio == pytest.approx(0.001 / 0.002)
    assert check.cost_of_max == pytest.approx(0.001 / 0.005)
    assert (check.input_counted_by, check.input_error) == ("tokenizer o200k_base", 0.04)
    assert (check.input_tokens_expected, check.input_tokens_max) == (80, 160)


def test_what_was_not_expected_or_not_counted_has_no_ratio() -> None:
    unknown = expected(output_tokens_expected=None, cost_usd_expected=None, cost_usd_max=None)
    check = performance_of([answer("s0", "terse")], plan=plan_of(expected={"terse": unknown})).estimate
    silent = performance_of([answer("s0", "terse", usage=None)], plan=plan_of(expected={"terse": expected()})).estimate
    nothing = performance_of([failed("s0", "timeout")], plan=plan_of(expected={"terse": expected()})).estimate

    assert check is not None
    assert (check.output_ratio, check.cost_ratio, check.cost_of_max) == (None, None, None)
    assert silent is not None
    assert (silent.input_ratio, silent.cost_ratio) == (None, 0.5)
    assert nothing is not None
    assert (nothing.input_ratio, nothing.output_ratio, nothing.cost_ratio) == (None, None, None)


def test_no_estimate_no_check() -> None:
    assert performance_of([answer("s0", "terse")]).estimate is None


def test_a_variant_that_several_models_answered_is_warned_of__with_their_names() -> None:
    rows = [answer(f"s{n}", "terse", served_model="m-2026-01" if n else "m-2026-09") for n in range(5)]

    result = analysed_rows(rows)

    assert result.performance[0].served_models == {"m-2026-01": 4, "m-2026-09": 1}
    (warning,) = [warning for warning in result.warnings if "models" in warning]
    assert warning == (
        "terse was answered by 2 models, as the provider names them: m-2026-01 (4), m-2026-09 (1). "
        "Name a dated version of the model, so that it stays one treatment."
    )


def test_many_served_models_are_told_in_short() -> None:
    rows = [answer(f"s{n}", "terse", served_model=f"m{n}") for n in range(6)]

    assert any("6 models" in w and "m0 (1), m1 (1), m2 (1) and 3 more." in w for w in analysed_rows(rows).warnings)


def test_one_served_model_is_no_warning__nor_is_none() -> None:
    rows = [answer("s0", "terse", served_model="m"), answer("s1", "terse")]

    assert not any("models" in warning for warning in analysed_rows(rows).warnings)
