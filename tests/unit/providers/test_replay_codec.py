"""Recorded answers."""

from __future__ import annotations

from decimal import Decimal

from abtest.contracts.records import Recording, Usage
from abtest.providers.model import ModelRequest
from abtest.providers.vendors.replay import CODEC

REQUEST = ModelRequest(provider="replay", vendor="replay", model="old", sample_id="s1", variant="a")


def test_everything_recorded_is_served__full_recording():
    recording = Recording(
        id="s1", output="42", latency_ms=8.5, input_tokens=3, output_tokens=2, cost_usd=Decimal("0.0002")
    )
    row = CODEC.answer(REQUEST, {"s1": recording})
    assert (row.sample_id, row.variant, row.outcome, row.text) == ("s1", "a", "answered", "42")
    assert (row.latency_ms, row.cost_usd, row.price_source) == (8.5, Decimal("0.0002"), "recording")
    assert row.usage == Usage(input_tokens=3, output_tokens=2)
    assert not row.from_ledger


def test_what_is_not_recorded_is_unknown_and_not_zero__bare_recording():
    row = CODEC.answer(REQUEST, {"s1": Recording(id="s1", output="")})
    assert (row.outcome, row.text) == ("answered", "")
    assert (row.latency_ms, row.cost_usd, row.price_source, row.usage) == (None, None, None, None)


def test_half_a_usage_is_unknown__one_count_recorded():
    assert CODEC.answer(REQUEST, {"s1": Recording(id="s1", output="x", output_tokens=2)}).usage is None


def test_a_sample_without_a_recording_fails__missing():
    row = CODEC.answer(REQUEST, {"other": Recording(id="other", output="x")})
    assert (row.outcome, row.failure_reason, row.text) == ("failed", "no_recording", None)
