"""The table of calls, tokens and cost, as a report and a terminal show it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.model import AnalysisPlan, AnalysisResult
from abtest.analytics.plan import ExpectedUse
from abtest.analytics.service import analyse
from abtest.contracts.records import Attempt, FailureReason, ModelResponse, Sample, Usage
from abtest.reporting.performance import performance_rows
from abtest.reporting.reasons import REASONS, reason_text
from abtest.reporting.report import render_report
from tests.unit.analytics.support import answer, plan_of

OK = Attempt(status=200, latency_ms=100.0)
LIMITED = Attempt(status=429, latency_ms=5.0, failure_reason="rate_limited")
SOURCE = "genai-prices 0.2.3 of 2026-11-10"


def analysis_of(terse: list[ModelResponse], few_shot: list[ModelResponse], **plan: Any) -> AnalysisResult:
    declared: AnalysisPlan = plan_of(models={"terse": "openai/gpt-5"}, **plan)
    samples = [Sample(id=f"s{n}") for n in range(max(len(terse), len(few_shot)))]
    rows = {"terse": terse, "few_shot": few_shot}
    return analyse(declared, RunStatistics.of_batch(declared, samples, rows, []))


def cells(analysis: AnalysisResult) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(row.label, row.note): row.cells for row in performance_rows(analysis)}


def busy_run(**plan: Any) -> AnalysisResult:
    usage = Usage(input_tokens=900, cache_read_tokens=100, output_tokens=40, reasoning_tokens=10)
    terse = [
        answer("s0", "terse", usage=usage, attempts=(LIMITED, OK), price_source=SOURCE, served_model="gpt-5-a"),
        answer("s1", "terse", usage=usage, from_ledger=True, latency_ms=900.0, price_source=SOURCE),
        ModelResponse(sample_id="s2", variant="terse", outcome="failed", failure_reason="timeout"),
    ]
    few_shot = [answer(f"s{n}", "few_shot", attempts=(OK,), served_model=f"m{n}") for n in range(3)]
    return analysis_of(terse, few_shot, **plan)


def test_rows_follow_a_call__from_the_question_to_its_price() -> None:
    found = cells(busy_run())

    assert found == {
        ("Answers", "of samples asked"): ("2 of 3", "3 of 3"),
        ("Failed", "calls, by reason"): ("1 timed out", "–"),
        ("From ledger", "paid for before"): ("1 (50 %)", "–"),
        ("Requests", "over HTTP"): ("2, with 1 retry of 1 call", "3"),
        ("Failed requests", "retries included"): ("1 rate limited", "–"),
        ("Input tokens", "of all answers"): ("2,000 (200 read from cache)", "30"),
        ("Output tokens", "of all answers"): ("100 (20 of reasoning)", "15"),
        ("Latency", "p50 / p95 / p99, this run"): ("100 / 100 / 100 ms (1)", "100 / 100 / 100 ms (3)"),
        ("Latency", "p50 / p95 / p99, ledger"): ("900 / 900 / 900 ms (1)", "–"),
        ("Cost", "paid in this run"): ("$0.001", "$0.003"),
        ("Cost", "without the ledger"): ("$0.002", "$0.003"),
        ("Prices", "where from"): (SOURCE, "configured"),
        ("Served model", "as the provider says"): ("gpt-5-a", "m0 (1), m1 (1), m2 (1)"),
    }


def test_rows_without_anything_to_say_are_left_out__in_a_quiet_run() -> None:
    found = cells(analysis_of([answer("s0", "terse")], [answer("s0", "few_shot")]))

    assert set(found) == {
        ("Answers", "of samples asked"),
        ("Input tokens", "of all answers"),
        ("Output tokens", "of all answers"),
        ("Latency", "p50 / p95 / p99, this run"),
        ("Cost", "paid in this run"),
        ("Prices", "where from"),
    }


def test_answers_tell_which_were_refused_filtered_or_cut_short() -> None:
    terse = [
        answer(f"s{n}", "terse", outcome=o) for n, o in enumerate(("answered", "truncated", "refused", "filtered"))
    ]

    found = cells(analysis_of(terse, [answer("s0", "few_shot")]))

    assert found["Answers", "of samples asked"] == ("4 of 4 (1 refused, 1 filtered, 1 truncated)", "1 of 4")


def test_unknown_prices_are_said__and_never_taken_for_nothing() -> None:
    unpriced = {"cost_usd": None, "price_source": None}
    terse = [answer("s0", "terse", **unpriced), answer("s1", "terse", from_ledger=True)]
    few_shot = [answer("s0", "few_shot", usage=None, **unpriced), answer("s1", "few_shot")]

    found = cells(analysis_of(terse, few_shot))

    assert found["Cost", "paid in this run"] == ("1 price unknown", "at least $0.001, 1 price unknown")
    assert found["Cost", "without the ledger"] == ("unknown", "unknown")
    assert found["Input tokens", "of all answers"] == ("20", "10 (1 answer not counted)")


def test_estimate_stands_beside_what_was_used() -> None:
    use = ExpectedUse(
        calls=2,
        input_tokens_expected=1_600,
        input_tokens_max=1_700,
        input_counted_by="tokenizer o200k_base",
        input_error=0.042,
        output_tokens_max=1_024,
        cost_usd_max=Decimal("0.02"),
    )
    found = cells(busy_run(expected={"terse": use}))

    assert found["Actual / estimate", "input a call"] == ("1.25 (tokenizer o200k_base, within 4 %)", "–")
    assert found["Actual / estimate", "cost a call"] == ("10 % of the most", "–")
    assert ("Actual / estimate", "output a call") not in found


def test_report_has_the_table__and_escapes_what_a_provider_says() -> None:
    terse = [answer("s0", "terse", served_model="<b>m</b>")]
    html = render_report(analysis_of(terse, [answer("s0", "few_shot")]), [])

    assert "Calls, tokens and cost" in html
    assert "&lt;b&gt;m&lt;/b&gt;" in html
    assert "<b>m</b>" not in html


def test_results_of_files_have_no_table() -> None:
    analysis = busy_run().model_copy(update={"performance": (), "variants": ()})

    assert performance_rows(analysis) == []
    assert "Calls, tokens and cost" not in render_report(analysis, [])


def test_every_reason_has_its_words__and_another_is_shown_by_its_name() -> None:
    assert set(FailureReason.__args__) <= set(REASONS)
    assert reason_text("solar_flare") == "solar flare"
