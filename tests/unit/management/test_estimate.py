"""The estimate: what a run asks for, in calls, tokens and dollars; unknown stays unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from entities import a_definition, a_summary, definition_body, replay_body

from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import Usage
from abtest.management.estimate import estimate_run
from abtest.management.model import Estimate


def priced(_provider: str, _model: str, usage: Usage) -> tuple[Decimal | None, str | None]:
    return Decimal(usage.total_input_tokens + usage.total_output_tokens) / 1000, "configured"


def unpriced(_provider: str, model: str, usage: Usage) -> tuple[Decimal | None, str | None]:
    return (None, None) if model == "mystery" else priced("", model, usage)


def estimated(definition: TestDefinition, *, rows: int = 100, price_of=priced, max_in_flight: int = 10) -> Estimate:  # type: ignore[no-untyped-def]
    return estimate_run(
        definition,
        a_summary(rows, input_characters={"country": 8 * rows}),
        price_of=price_of,
        max_in_flight={"local": max_in_flight, "replay": 50},
        detectable_effect=0.2,
    )


def test_calls_and_tokens_are_counted__by_variant() -> None:
    estimate = estimated(a_definition())

    terse, wordy = estimate.by_variant
    # "Capital of " and "?" are 12 characters, a country 8: 2,000 characters over 100 samples; a frame has 32 tokens.
    assert (terse.calls, terse.input_tokens, terse.output_tokens_max) == (100, 1_000 + 3_200, 2_000)
    assert wordy.input_tokens > terse.input_tokens
    assert estimate.calls == 200
    assert estimate.input_tokens == terse.input_tokens + wordy.input_tokens
    assert estimate.output_tokens_max == 4_000
    assert terse.cost_usd_max == Decimal("6.2")
    assert estimate.cost_usd_max == sum(v.cost_usd_max for v in estimate.by_variant)
    assert terse.price_source == "configured"


@pytest.mark.parametrize(("max_in_flight", "seconds"), [(1, 40.0), (10, 4.0), (1_000, 0.0)])
def test_duration_follows_the_calls_in_flight__over_variants_of_one_provider(
    max_in_flight: int, seconds: float
) -> None:
    assert estimated(a_definition(), max_in_flight=max_in_flight).duration_s_at_least == seconds


def test_recorded_answers_cost_nothing() -> None:
    estimate = estimated(TestDefinition.model_validate(replay_body()))

    assert (estimate.calls, estimate.input_tokens, estimate.output_tokens_max) == (0, 0, 0)
    assert estimate.cost_usd_max == 0
    assert estimate.duration_s_at_least == 0
    assert {v.price_source for v in estimate.by_variant} == {"recorded answers cost nothing now"}


def test_unknown_price_makes_the_whole_unknown__and_a_note_says_so() -> None:
    body = definition_body()
    body["variants"]["wordy"]["model"] = "mystery"

    estimate = estimated(TestDefinition.model_validate(body), price_of=unpriced)

    assert estimate.cost_usd_max is None
    assert estimate.by_variant[0].cost_usd_max is not None
    assert any("The price of wordy is unknown" in note for note in estimate.notes)


def test_cap_below_the_upper_bound_is_noted() -> None:
    assert any("exceeds the cap of $0.5" in n for n in estimated(a_definition(budget={"cap_usd": "0.5"})).notes)
    assert not any("exceeds the cap" in n for n in estimated(a_definition(budget={"cap_usd": "500"})).notes)


def test_assumptions_are_named__in_the_notes() -> None:
    notes = " ".join(estimated(a_definition()).notes)

    assert "characters / 2 and 32 a call" in notes
    assert "upper bounds" in notes
    assert "0.2 s a call" in notes


def test_templates_are_not_run__to_be_counted() -> None:
    body = definition_body()
    body["variants"]["terse"]["prompt"] = {"user": "{{ country.name }} {{ country + 1 }}"}

    assert estimated(TestDefinition.model_validate(body)).by_variant[0].input_tokens > 0
