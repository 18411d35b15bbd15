"""What docs/costs.md and its decision say are the numbers and fields of the code."""

from __future__ import annotations

import re

from documents import DOCS, read

from abtest.analytics.model import ModelPerformance
from abtest.management import duration, token_counts, token_estimate
from abtest.providers import calibration, pricing, tokens
from abtest.runtime import wiring

COSTS = read(DOCS / "costs.md")
FLAT = " ".join(COSTS.split())


def test_fields_of_a_performance__stand_in_their_table() -> None:
    section = COSTS.partition("## After the run")[2]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(ModelPerformance.model_fields)


def test_ways_of_counting_are_told__with_their_errors() -> None:
    for encoding in tokens.ENCODINGS:
        assert f"`tokenizer {encoding}`" in COSTS
    assert f"`tokenizer {token_estimate.STAND_IN} as a stand-in`" in COSTS
    assert f"times {token_estimate.STAND_IN_FACTOR:g}" in COSTS
    assert f"{100 * token_estimate.STAND_IN_ERROR:.0f} %, and {token_estimate.UNKNOWN_FRAME_TOKENS} tokens" in COSTS
    assert f"`characters / {token_estimate.CHARACTERS_PER_TOKEN}`" in COSTS
    assert f"{100 * token_estimate.CHARACTERS_ERROR:.0f} %, and" in COSTS
    assert token_estimate.JOINT_ERROR_TOKENS == 0.5
    assert f"up to half a token where a variable meets the template, {token_estimate.FRAME_ERROR_TOKENS} for" in COSTS
    assert f"at least {100 * token_estimate.LEAST_ERROR:.0f} %" in COSTS


def test_numbers_told__are_those_of_the_code() -> None:
    assert f"up to {token_counts.MOST_ROWS:,} rows" in FLAT
    assert f"up to {token_counts.MOST_CHARACTERS:,} characters" in FLAT
    assert f"the {calibration.MOST_RUNS} newest, for {wiring._HISTORY_LIFETIME_S // 86_400} days" in FLAT
    assert f"an assumed {duration.ASSUMED_LATENCY_S:g} s a call" in FLAT
    assert f"within {duration.BATCH_WINDOW_S / 3600:g} h" in FLAT
    assert f"ends with `{pricing.BATCH_SUFFIX}`" in FLAT
    assert pricing.BATCH_SHARE * 2 == 1


def test_decision_names_what_is_used() -> None:
    decision = read(DOCS / "decisions/0018-tokens-by-a-pure-tokenizer-corrected-by-runs.md")
    factor = f"times {token_estimate.STAND_IN_FACTOR:g}, within {100 * token_estimate.STAND_IN_ERROR:.0f} %"

    assert factor in " ".join(decision.split())
    assert f"{token_counts.MOST_CHARACTERS:,} characters" in decision
    assert tokens._CHARACTERS_A_LOAD == 10_000_000
    assert "ten million characters" in decision
