"""Tokens counted beforehand against what a tokenizer makes of the rendered prompts."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from entities import a_summary

from abtest.contracts.definition import Variant
from abtest.contracts.past_use import PastUse
from abtest.management import templates
from abtest.management.datasets import freeze_rows
from abtest.management.token_estimate import (
    FRAME_TOKENS,
    LEAST_ERROR,
    LONE_RUN_ERROR,
    MESSAGE_TOKENS,
    UNKNOWN_FRAME_TOKENS,
    TokenEstimate,
    estimate_tokens,
    prompt_name,
)
from abtest.runtime.catalogue import Tokenizers

COUNTER = Tokenizers()
PLACES = ["France", "Burkina Faso", "Côte d'Ivoire", "Österreich", "日本", "United Arab Emirates", "Peru", "Россия"]
SENTENCES = [
    "The committee met on Tuesday to decide whether the old bridge should be repaired or replaced.",
    "Die meisten Mitglieder waren sich einig, dass die Kosten unterschätzt worden waren.",
    "I ordered a blue jacket (order #48213-77) on March 3rd and it still hasn't arrived!!",
    '{"sku": "JKT-BLU-M", "quantity": 1, "price": 89.95}',
]


def a_variant(model: str = "gpt-5", **changes: Any) -> Variant:
    body: dict[str, Any] = {"provider": "p", "model": model, "prompt": {"user": "Capital of {{ country }}?"}}
    return Variant.model_validate({**body, **changes})


def rows_of(count: int, seed: int = 5) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "country": draw.choice(PLACES),
            "text": " ".join(draw.choice(SENTENCES) for _ in range(draw.randrange(1, 20))),
            "record": {"n": n, "value": round(draw.random(), 3)},
        }
        for n in range(count)
    ]


def estimated(variant: Variant, rows: list[dict[str, Any]], past: PastUse | None = None) -> TokenEstimate:
    lines = [json.dumps({"id": f"r{n}", "inputs": row}).encode() for n, row in enumerate(rows)]
    found = estimate_tokens(variant, freeze_rows(lines, "samples", COUNTER).summary, COUNTER, lambda _b, _p: past)
    assert found is not None
    return found


def rendered_tokens(variant: Variant, rows: list[dict[str, Any]], encoding: str) -> int:
    assert variant.prompt is not None
    parts = variant.prompt.parts().values()
    frame = FRAME_TOKENS + MESSAGE_TOKENS * len(parts)
    return sum(frame + sum(COUNTER.count(encoding, templates.render(source, row)) for source in parts) for row in rows)


@pytest.mark.parametrize(("model", "encoding"), [("gpt-5", "o200k_base"), ("gpt-4", "cl100k_base")])
@pytest.mark.parametrize(
    "prompt",
    [
        {"user": "Capital of {{ country }}?"},
        {"user": "Summarise:\n\n{{ text }}\n\nIn one sentence.", "system": "You are a careful editor."},
        {"user": "<a>{{ country }}</a><b>{{ record | tojson }}</b>{{ country }}"},
        {
            "system": "Answer with one word.",
            "messages": [
                {"role": "user", "content": "Capital of Italy?"},
                {"role": "assistant", "content": "Rome"},
                {"role": "user", "content": "Think of {{ country }}: {{ text }}"},
                {"role": "assistant", "content": "I do."},
            ],
            "user": "Capital of {{ country }}?",
        },
    ],
)
def test_a_known_tokenizer_counts_what_is_sent__every_part_of_the_prompt(
    model: str, encoding: str, prompt: dict[str, Any]
) -> None:
    variant, rows = a_variant(model, prompt=prompt), rows_of(3_000)

    estimate = estimated(variant, rows)

    real = rendered_tokens(variant, rows, encoding)
    assert estimate.input_expected == pytest.approx(real, rel=estimate.input_error)
    assert real <= estimate.input_most
    assert estimate.input_counted_by == f"tokenizer {encoding}"
    # A long prompt is counted closely; a short one has few tokens to be wrong about.
    assert abs(estimate.input_expected / real - 1) < 0.08


def test_the_stated_error_is_small__where_prompts_are_long() -> None:
    estimate = estimated(a_variant(prompt={"user": "Summarise: {{ text }}"}), rows_of(3_000))

    assert estimate.input_error < 0.06


@pytest.mark.parametrize("model", ["claude-opus-4-5", "llama-3.1-8b", "my-model"])
def test_an_unknown_tokenizer_has_a_stand_in__with_a_wider_error(model: str) -> None:
    variant, rows = a_variant(model, prompt={"user": "Summarise: {{ text }}"}), rows_of(500)

    estimate = estimated(variant, rows)

    assert estimate.input_counted_by == "tokenizer o200k_base as a stand-in"
    assert estimate.input_base == "stand-in o200k_base"
    assert 0.7 <= estimate.input_error < 1.2
    assert estimate.input_expected > rendered_tokens(variant, rows, "o200k_base")


def test_characters_are_counted__where_the_dataset_was_frozen_without_tokens() -> None:
    summary = a_summary(100, input_characters={"country": 900})
    estimate = estimate_tokens(a_variant(), summary, COUNTER, lambda _b, _p: None)

    assert estimate is not None
    # "Capital of " and "?" are 12 characters for each of 100 samples; the frame of one message has 7 tokens.
    assert estimate.input_expected == (1_200 + 900) // 3 + 700
    assert estimate.input_most == (1_200 + 900) // 2 + 700 + 100 * UNKNOWN_FRAME_TOKENS
    assert (estimate.input_counted_by, estimate.input_base) == ("characters / 3", "characters")


def test_a_prompt_of_no_sample_needs_no_counted_dataset() -> None:
    variant = a_variant(prompt={"user": "Tell me a joke."})
    estimate = estimate_tokens(variant, a_summary(10), COUNTER, lambda _b, _p: None)

    assert estimate is not None
    assert (estimate.input_counted_by, estimate.input_expected) == ("tokenizer o200k_base", 10 * (5 + 7))


def test_templates_are_not_run__to_be_counted() -> None:
    variant = a_variant(
        prompt={"user": "{{ country.name }} {{ country + 1 }} {% for x in country %}{{ x }}{% endfor %}"}
    )

    assert estimated(variant, rows_of(10)).input_expected > 0


def test_a_schema_of_the_answer_is_part_of_the_input() -> None:
    schema = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
    plain = a_variant()
    strict = a_variant(parameters={"output_schema": schema})

    rows = rows_of(10)
    assert estimated(strict, rows).input_expected > estimated(plain, rows).input_expected + 10 * 20


def test_nothing_is_estimated__for_recorded_answers() -> None:
    recorded = Variant(provider="replay", model="m", recording={"version": "a" * 64})  # type: ignore[arg-type]

    assert estimate_tokens(recorded, a_summary(10), COUNTER, lambda _b, _p: a_past()) is None


def a_past(**changes: Any) -> PastUse:
    known: dict[str, Any] = {
        "runs": 1,
        "calls": 50,
        "same_prompt": True,
        "input_ratio": 1.2,
        "input_spread": None,
        "output_tokens": 30.0,
        "output_spread": None,
    }
    return PastUse(**{**known, **changes})


@pytest.mark.parametrize(
    ("past", "input_error", "output_error"),
    [
        (a_past(), LONE_RUN_ERROR, LONE_RUN_ERROR),
        (a_past(runs=4, input_spread=0.001, output_spread=0.0), LEAST_ERROR, LEAST_ERROR),
        (a_past(runs=4, input_spread=0.4, output_spread=0.7), 0.4, 0.7),
        (a_past(runs=4, same_prompt=False, input_spread=0.4, output_spread=2.5), 0.4, 2.5),
    ],
)
def test_the_error_is_the_spread_of_earlier_runs__never_nothing(
    past: PastUse, input_error: float, output_error: float
) -> None:
    estimate = estimated(a_variant("my-model"), rows_of(20), past)

    assert estimate.input_error == pytest.approx(input_error, abs=0.002)
    assert estimate.output_error == pytest.approx(output_error)


def test_one_run_of_another_prompt_corrects_the_count__and_narrows_no_error() -> None:
    rows = rows_of(20)
    before = estimated(a_variant("my-model"), rows)
    after = estimated(a_variant("my-model"), rows, a_past(same_prompt=False))

    assert after.input_expected == pytest.approx(1.2 * before.input_expected, abs=1)
    assert after.input_error == pytest.approx(before.input_error, abs=0.01)
    assert after.output_known_from == "50 calls of 1 run of this model with other prompts"
    assert after.output_error == 1.0


def test_expected_answers_are_never_longer_than_they_may_be() -> None:
    variant = a_variant(parameters={"max_tokens": 10})
    estimate = estimated(variant, rows_of(20), a_past(output_tokens=300.0))

    assert (estimate.output_expected, estimate.output_most) == (200, 200)


def test_the_count_before_any_correction_is_kept__for_the_next_correction() -> None:
    rows = rows_of(20)
    bare, corrected = estimated(a_variant(), rows), estimated(a_variant(), rows, a_past())

    assert bare.input_base_tokens == corrected.input_base_tokens == pytest.approx(bare.input_expected, abs=1)


def test_a_prompts_name_follows_prompt_and_parameters__and_nothing_else() -> None:
    name = prompt_name(a_variant())

    assert prompt_name(a_variant("other-model", mode="batch")) == name
    assert prompt_name(a_variant(prompt={"user": "Capital of {{ country }}!"})) != name
    assert prompt_name(a_variant(parameters={"max_tokens": 7})) != name


@pytest.mark.parametrize(
    ("source", "text", "fillers", "insertions"),
    [
        ("Capital of {{ country }}?", "Capital of x?", 1, {"country": 1}),
        ("{{ a }}-{{ b | upper }}-{{ a }}", "x-x-x", 3, {"a": 2, "b": 1}),
        ("{% if hint %}Hint: {{ hint }}{% else %}None{% endif %}", "Hint: xNone", 1, {"hint": 1}),
        ("{% for item in items %}- {{ item }}\n{% endfor %}", "- x", 1, {"items": 1}),
        ("No variable.", "No variable.", 0, {}),
    ],
)
def test_an_outline_has_all_branches__with_a_filler_for_each_insertion(
    source: str, text: str, fillers: int, insertions: dict[str, int]
) -> None:
    assert templates.outline(source, "x") == templates.Outline(text, fillers, insertions)
