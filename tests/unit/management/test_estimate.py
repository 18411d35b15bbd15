"""The estimate: what a run asks for, in calls, tokens, dollars and time; unknown stays unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from entities import a_definition, a_summary, definition_body, replay_body

from abtest.contracts.definition import TestDefinition
from abtest.contracts.past_use import PastUse
from abtest.contracts.records import Usage
from abtest.management.estimate import EstimatePorts, estimate_run
from abtest.management.model import DatasetSummary, Estimate
from abtest.management.ports import ModelLimits, PriceOf, ProviderFacts
from abtest.runtime.catalogue import Tokenizers


def priced(_provider: str, _model: str, usage: Usage, batch: bool) -> tuple[Decimal | None, str | None]:
    each = Decimal(usage.total_input_tokens + usage.total_output_tokens) / 1000
    return (each / 2, "configured, batch") if batch else (each, "configured")


def unpriced(_provider: str, model: str, usage: Usage, batch: bool) -> tuple[Decimal | None, str | None]:
    return (None, None) if model == "mystery" else priced("", model, usage, batch)


class KnownUse:
    """A history that always says the same."""

    def __init__(self, past: PastUse | None) -> None:
        self._past = past

    def past(self, _facts: ProviderFacts, _model: str, *, base: str, prompt: str) -> PastUse | None:
        return self._past


def facts(max_in_flight: int = 10, limits: ModelLimits | None = None) -> dict[str, ProviderFacts]:
    local = ProviderFacts(
        vendor="openai_chat", max_in_flight=max_in_flight, registration={}, limits=lambda _model: limits
    )
    return {"local": local, "replay": ProviderFacts(vendor="replay", max_in_flight=50, registration={})}


def estimated(
    definition: TestDefinition,
    *,
    rows: int = 100,
    summary: DatasetSummary | None = None,
    price_of: PriceOf = priced,
    past: PastUse | None = None,
    workers: int = 1,
    **provider: Any,
) -> Estimate:
    ports = EstimatePorts(
        providers=facts(**provider),
        price_of=price_of,
        counter=Tokenizers(),
        history=KnownUse(past),
        workers=workers,
    )
    dataset = summary or a_summary(rows, input_characters={"country": 8 * rows})
    return estimate_run(definition, dataset, ports, judges={}, recordings={}, detectable_effect=0.2)


def a_past(**changes: Any) -> PastUse:
    known: dict[str, Any] = {
        "runs": 3,
        "calls": 1_200,
        "same_prompt": True,
        "input_ratio": 1.5,
        "input_spread": 0.03,
        "output_tokens": 12.5,
        "output_spread": 0.1,
        "latency_ms": 800.0,
    }
    return PastUse(**{**known, **changes})


def in_batches() -> TestDefinition:
    body = definition_body()
    body["variants"]["wordy"]["mode"] = "batch"
    return TestDefinition.model_validate(body)


def test_calls_and_tokens_are_counted__by_variant() -> None:
    estimate = estimated(a_definition())

    terse, wordy = estimate.by_variant
    assert (terse.calls, terse.output_tokens_max) == (100, 2_000)
    assert terse.input_tokens_expected is not None
    assert wordy.input_tokens_expected is not None
    assert wordy.input_tokens_expected > terse.input_tokens_expected
    assert terse.input_tokens > terse.input_tokens_expected
    assert estimate.calls == 200
    assert estimate.input_tokens == terse.input_tokens + wordy.input_tokens
    assert estimate.input_tokens_expected == terse.input_tokens_expected + wordy.input_tokens_expected
    assert estimate.output_tokens_max == 4_000
    assert terse.price_source == "configured"


def test_cost_is_that_of_a_mean_call_times_the_calls__so_that_no_long_input_is_priced() -> None:
    seen: list[Usage] = []

    def watched(provider: str, model: str, usage: Usage, batch: bool) -> tuple[Decimal | None, str | None]:
        seen.append(usage)
        return priced(provider, model, usage, batch)

    estimate = estimated(a_definition(), rows=100_000, price_of=watched)

    terse = estimate.by_variant[0]
    assert max(usage.total_input_tokens for usage in seen) < 1_000
    assert terse.cost_usd_max == Decimal(-(-terse.input_tokens // 100_000) + 20) / 1000 * 100_000
    assert estimate.cost_usd_max == sum(v.cost_usd_max for v in estimate.by_variant if v.cost_usd_max is not None)


def test_output_and_its_cost_are_unknown__before_a_first_run() -> None:
    estimate = estimated(a_definition())

    assert {v.output_tokens_expected for v in estimate.by_variant} == {None}
    assert (estimate.output_tokens_expected, estimate.cost_usd_expected) == (None, None)
    assert estimate.cost_usd_max is not None
    assert any("not known before a first run" in note for note in estimate.notes)


def test_earlier_runs_tell_what_to_expect__of_input_output_cost_and_time() -> None:
    before = estimated(a_definition()).by_variant[0]
    estimate = estimated(a_definition(), past=a_past())

    terse = estimate.by_variant[0]
    assert before.input_tokens_expected is not None
    assert terse.input_tokens_expected == pytest.approx(1.5 * before.input_tokens_expected, abs=1)
    assert terse.input_tokens == pytest.approx(1.03 * terse.input_tokens_expected, abs=2)
    assert (terse.input_error, terse.output_error) == (0.03, 0.1)
    assert (terse.output_tokens_expected, terse.output_tokens_max) == (1_250, 2_000)
    assert str(terse.input_counted_by).endswith("calibrated from 1,200 calls of 3 runs")
    assert terse.output_known_from == "1,200 calls of 3 runs with this prompt"
    assert terse.cost_usd_expected is not None
    assert terse.cost_usd_max is not None
    assert terse.cost_usd_expected < terse.cost_usd_max
    assert estimate.cost_usd_expected == sum(v.cost_usd_expected or 0 for v in estimate.by_variant)
    # 200 calls of 0.8 s, 10 at a time.
    assert estimate.duration_s_at_least == 16.0
    assert "0.8 s each (as in earlier runs)" in (estimate.duration_bound or "")
    assert not any("first run" in note for note in estimate.notes)


@pytest.mark.parametrize(("max_in_flight", "workers", "seconds"), [(1, 1, 40.0), (10, 1, 4.0), (10, 4, 1.0)])
def test_duration_follows_the_calls_in_flight__over_variants_of_one_provider(
    max_in_flight: int, workers: int, seconds: float
) -> None:
    estimate = estimated(a_definition(), max_in_flight=max_in_flight, workers=workers)

    assert estimate.duration_s_at_least == seconds
    assert estimate.duration_bound == (f"{max_in_flight * workers} calls in flight at local, 0.2 s each (assumed)")


@pytest.mark.parametrize(
    ("limits", "past", "seconds", "what"),
    [
        (ModelLimits(requests=50), None, 240.0, "50 requests a minute of local/small"),
        # 1,250 tokens out of each of two variants.
        (ModelLimits(requests=6_000, output_tokens=500), a_past(), 300.0, "500 output tokens a minute of local/small"),
        (ModelLimits(output_tokens=60), None, 200.0, "60 output tokens a minute of local/small"),
    ],
)
def test_duration_respects_the_registered_limits__and_names_the_one_that_decides(
    limits: ModelLimits, past: PastUse | None, seconds: float, what: str
) -> None:
    estimate = estimated(a_definition(), limits=limits, past=past, max_in_flight=1_000)

    assert (estimate.duration_s_at_least, estimate.duration_bound) == (seconds, f"the limit of {what}")


def test_limits_of_tokens_count_input_and_output() -> None:
    past = a_past()
    once = estimated(a_definition(), past=past)
    limited = estimated(a_definition(), past=past, limits=ModelLimits(tokens=100), max_in_flight=1_000)

    tokens = (once.input_tokens_expected or 0) + (once.output_tokens_expected or 0)
    assert limited.duration_s_at_least == pytest.approx(tokens / 100 * 60, abs=0.1)


def test_a_batch_variant_is_half_the_price_and_takes_up_to_a_day__and_bounds_nothing_else() -> None:
    direct, batch = estimated(a_definition()), estimated(in_batches())

    assert batch.by_variant[1].mode == "batch"
    assert batch.by_variant[1].cost_usd_max == (direct.by_variant[1].cost_usd_max or 0) / 2
    assert batch.by_variant[1].price_source == "configured, batch"
    assert (direct.duration_s_at_most, batch.duration_s_at_most) == (None, 86_400.0)
    assert batch.duration_s_at_least == direct.duration_s_at_least / 2
    assert any(note.startswith("wordy: the provider's batch interface takes up to 24 h") for note in batch.notes)


def test_recorded_answers_cost_nothing() -> None:
    estimate = estimated(TestDefinition.model_validate(replay_body()))

    assert (estimate.calls, estimate.input_tokens, estimate.output_tokens_max) == (0, 0, 0)
    assert (estimate.cost_usd_max, estimate.cost_usd_expected) == (0, 0)
    assert (estimate.duration_s_at_least, estimate.duration_bound) == (0, None)
    assert {v.price_source for v in estimate.by_variant} == {"recorded answers cost nothing now"}
    assert estimate.notes == ()


def test_unknown_price_makes_the_whole_unknown__and_a_note_says_so() -> None:
    body = definition_body()
    body["variants"]["wordy"]["model"] = "mystery"

    estimate = estimated(TestDefinition.model_validate(body), price_of=unpriced, past=a_past())

    assert (estimate.cost_usd_max, estimate.cost_usd_expected) == (None, None)
    assert estimate.by_variant[0].cost_usd_max is not None
    assert any("The price of wordy is unknown" in note for note in estimate.notes)


def test_cap_below_the_upper_bound_is_noted() -> None:
    assert any("exceeds the cap of $0.5" in n for n in estimated(a_definition(budget={"cap_usd": "0.5"})).notes)
    assert not any("exceeds the cap" in n for n in estimated(a_definition(budget={"cap_usd": "5000"})).notes)


def test_models_whose_tokenizer_is_not_public_are_named__in_the_notes() -> None:
    body = definition_body()
    body["variants"]["wordy"]["model"] = "gpt-5"

    definition, summary = TestDefinition.model_validate(body), counted_summary()
    new = " ".join(estimated(definition, summary=summary).notes)
    known = " ".join(estimated(definition, summary=summary, past=a_past()).notes)

    assert "The tokenizer of terse is not public" in new
    assert "every answer at max_tokens" in new
    assert "not public" not in known


def counted_summary() -> DatasetSummary:
    tokens = {name: {"by_input": {"country": 200}, "error": 0.0} for name in Tokenizers.encodings}
    return DatasetSummary.model_validate({**a_summary(100).model_dump(), "input_tokens": tokens})
