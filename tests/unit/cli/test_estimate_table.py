"""The estimate as a terminal shows it."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from abtest_cli.estimate_table import print_estimate


def row(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "variant": "terse",
        "provider": "openai",
        "model": "gpt-5",
        "calls": 100,
        "input_tokens": 2_125,
        "input_tokens_expected": 2_062,
        "input_counted_by": "tokenizer o200k_base",
        "input_error": 0.031,
        "output_tokens_max": 5_120,
        "output_tokens_expected": 1_250,
        "output_known_from": "1,200 calls of 3 runs with this prompt",
        "output_error": 0.1,
        "cost_usd_max": "0.42",
        "cost_usd_expected": "0.12",
        "price_source": "genai-prices 0.2.3 of 2026-11-10",
        "mode": "direct",
    }
    return {**known, **changes}


def shown(*rows: dict[str, Any], **changes: Any) -> str:
    estimate: dict[str, Any] = {
        "samples": 100,
        "calls": 200,
        "cost_usd_max": "0.84",
        "cost_usd_expected": "0.24",
        "duration_s_at_least": 95.0,
        "duration_bound": "the limit of 120 requests a minute of openai/gpt-5",
        "duration_s_at_most": None,
        "detectable_effect": 0.125,
        "by_variant": list(rows),
        "notes": ["Most: as it is."],
    }
    file = io.StringIO()
    out = Console(file=file, width=160, highlight=False, soft_wrap=True)
    print_estimate(out, {"estimate": {**estimate, **changes}, "warnings": ["Only 4 samples."]})
    return file.getvalue()


def test_what_is_expected_stands_before_the_most__and_how_it_was_counted_below() -> None:
    text = shown(row())

    for words in ("2,062, at most 2,125", "1,250, at most 5,120", "$0.12, at most $0.42"):
        assert words in text
    assert (
        "terse: input by tokenizer o200k_base, within 3 %; output as in 1,200 calls of 3 runs with this prompt, "
        "within 10 %; price: genai-prices 0.2.3 of 2026-11-10."
    ) in text
    assert (
        "100 samples, 200 calls; $0.24, at most $0.84; at least 95 s: the limit of 120 requests a minute of "
        "openai/gpt-5; finds a difference of 12.5 points four times in five."
    ) in text
    assert "Note: Most: as it is.\nNote: Only 4 samples." in text


def test_what_is_not_known_is_not_made_up__before_a_first_run() -> None:
    new = {"output_tokens_expected": None, "output_known_from": None, "output_error": None, "cost_usd_expected": None}
    text = shown(row(**new), cost_usd_expected=None)

    assert "at most 5,120" in text
    assert ", at most 5,120" not in text
    assert "calls; at most $0.84;" in text
    assert "output as in" not in text


def test_unknown_prices_are_unknown() -> None:
    unknown = {"cost_usd_max": None, "cost_usd_expected": None, "price_source": None}
    text = shown(row(**unknown), **dict.fromkeys(("cost_usd_max", "cost_usd_expected")))

    assert "price: unknown." in text
    assert "200 calls; unknown; at least" in text


def test_batches_are_marked__with_their_day() -> None:
    text = shown(row(mode="batch"), duration_s_at_most=86_400.0)

    assert "openai/gpt-5, batch" in text
    assert "at most 24.0 h for the batch interface" in text


def test_an_estimate_of_an_earlier_version_is_shown_as_far_as_it_goes() -> None:
    old = {name: row()[name] for name in ("variant", "provider", "model", "calls", "input_tokens")}
    old |= {"output_tokens_max": 5_120, "cost_usd_max": "0.42", "price_source": "configured"}
    file = io.StringIO()
    estimate = {"samples": 1, "calls": 1, "cost_usd_max": "0.42", "duration_s_at_least": 2.0, "by_variant": [old]}
    print_estimate(Console(file=file, width=160, soft_wrap=True), {"estimate": estimate})

    assert "at most 2,125" in file.getvalue()
    assert "1 samples, 1 calls; at most $0.42; at least 2" in file.getvalue()


def test_recorded_answers_have_nothing_to_count() -> None:
    text = shown(
        row(
            calls=0,
            input_tokens=0,
            input_tokens_expected=0,
            input_counted_by=None,
            output_tokens_max=0,
            output_tokens_expected=0,
            cost_usd_max="0",
            cost_usd_expected="0",
        )
    )

    assert "input by" not in text
    assert "at most 0" not in text


def test_judges_stand_below_the_variants__with_how_they_were_counted() -> None:
    judge = {**row(output_known_from="400 calls of 2 runs of this judge"), "judge": "quality", "model": "j"}
    del judge["variant"]
    strong = {**judge, "judge": "strong", "only_disagreements": True, "calls": 1_000}

    text = shown(row(), by_judge=[judge, strong])

    assert "variant or judge" in text
    assert "judge quality" in text
    assert "openai/j" in text
    assert "at most 1,000" in text
    assert (
        "judge quality: input by tokenizer o200k_base, within 3 %; output as in 400 calls of 2 runs of this judge"
        in text
    )
    assert text.index("terse") < text.index("judge quality") < text.index("judge strong")
