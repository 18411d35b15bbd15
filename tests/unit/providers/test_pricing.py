"""Prices: configured, public, unknown."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from abtest.contracts.records import Usage
from abtest.providers.model import REPLAY_PROVIDER, ModelPrice, ModelProvider
from abtest.providers.pricing import price_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
USAGE = Usage(input_tokens=500, cache_read_tokens=400, cache_write_tokens=100, output_tokens=300, reasoning_tokens=200)
CONFIGURED = ModelProvider(
    id="openai",
    vendor="openai_chat",
    prices={"gpt-4o-mini": ModelPrice(input_usd_per_million=Decimal(2), output_usd_per_million=Decimal("0.5"))},
)
OPENAI = ModelProvider(id="openai", vendor="openai_chat")


def test_a_configured_price_goes_first__also_publicly_priced():
    assert price_of(CONFIGURED, "gpt-4o-mini", USAGE, NOW) == (Decimal("0.00225000"), "configured")


def test_a_configured_price_is_exact_to_eight_decimals__one_token():
    cost_usd, _ = price_of(CONFIGURED, "gpt-4o-mini", Usage(output_tokens=1), NOW)
    assert cost_usd == Decimal("0.00000050")
    assert str(cost_usd) == "5.0E-7"


def test_a_price_of_zero_is_a_price__configured():
    price = ModelPrice(input_usd_per_million=Decimal(0), output_usd_per_million=Decimal(0))
    provider = OPENAI.model_copy(update={"prices": {"own": price}})
    assert price_of(provider, "own", USAGE, NOW) == (Decimal(0), "configured")


@pytest.mark.parametrize("base_url", [None, "https://api.openai.com/v1"])
def test_a_public_price_names_its_list__known_model(base_url: str | None):
    provider = OPENAI.model_copy(update={"base_url": base_url})
    cost_usd, source = price_of(provider, "gpt-4o-mini", USAGE, NOW)
    # 0.15 for a million of input, half of that for cached input, 0.60 for output; reasoning is output.
    assert cost_usd == Decimal("0.00042000")
    assert source is not None
    assert source.startswith("genai-prices ")


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        (None, "model-nobody-knows"),
        ("https://llm.example.com/v1", "gpt-4o-mini"),
        ("http://127.0.0.1:8080/v1", "gpt-4o-mini"),
        ("http://[::1]:8080/v1", "gpt-4o-mini"),
        ("http://localhost:8080/v1", "gpt-4o-mini"),
    ],
)
def test_an_unknown_price_is_unknown__never_zero(base_url: str | None, model: str):
    assert price_of(OPENAI.model_copy(update={"base_url": base_url}), model, USAGE, NOW) == (None, None)


def test_a_call_without_usage_has_no_price__configured():
    assert price_of(CONFIGURED, "gpt-4o-mini", None, NOW) == (None, None)


def test_recorded_answers_have_no_public_price__replay():
    assert price_of(REPLAY_PROVIDER, "gpt-4o-mini", USAGE, NOW) == (None, None)


def test_the_public_list_is_not_loaded__local_and_configured_prices():
    script = """
import sys
from datetime import UTC, datetime
from abtest.contracts.records import Usage
from abtest.providers.model import ModelProvider
from abtest.providers.pricing import price_of
local = ModelProvider(id="local", vendor="openai_chat", base_url="http://127.0.0.1:1/v1")
assert price_of(local, "m", Usage(input_tokens=1), datetime.now(UTC)) == (None, None)
assert "genai_prices" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
