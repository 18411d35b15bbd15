"""Prices: configured, public, unknown."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.contracts.records import Usage
from abtest.core.money import rounded
from abtest.providers.pricing import PUBLISHED_ON, price_of
from abtest.providers.registration import REPLAY_PROVIDER, ModelPrice, ModelProvider

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
USAGE = Usage(input_tokens=500, cache_read_tokens=400, cache_write_tokens=100, output_tokens=300, reasoning_tokens=200)
CONFIGURED = ModelProvider(
    id="openai",
    vendor="openai_chat",
    prices={"gpt-4o-mini": ModelPrice(input_usd_per_million=Decimal(2), output_usd_per_million=Decimal("0.5"))},
)
OPENAI = ModelProvider(id="openai", vendor="openai_chat")
BEDROCK = ModelProvider(id="bedrock", vendor="bedrock", options={"region": "us-east-1"})


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
    version = genai_prices.__version__
    assert source == f"genai-prices {version} of {PUBLISHED_ON[version].isoformat()}"


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


def test_cached_input_has_its_own_price__configured():
    price = ModelPrice(
        input_usd_per_million=Decimal(2),
        output_usd_per_million=Decimal("0.5"),
        cache_read_usd_per_million=Decimal("0.2"),
        cache_write_usd_per_million=Decimal("2.5"),
    )
    provider = OPENAI.model_copy(update={"prices": {"own": price}})

    # 500 x 2 + 400 x 0.2 + 100 x 2.5 + 500 x 0.5, for a million.
    assert price_of(provider, "own", USAGE, NOW) == (Decimal("0.00158000"), "configured")


def test_a_batch_costs_half__configured():
    assert price_of(CONFIGURED, "gpt-4o-mini", USAGE, NOW, batch=True) == (Decimal("0.00112500"), "configured, batch")


def test_a_batch_has_the_lists_own_price__where_the_list_has_one():
    cost_usd, source = price_of(OPENAI, "gpt-4o-mini", USAGE, NOW, batch=True)

    # Half of input and output; cached input costs the same as half of the input, in a batch as elsewhere.
    assert cost_usd == Decimal("0.00022500")
    assert source == f"{price_of(OPENAI, 'gpt-4o-mini', USAGE, NOW)[1]}, batch"


def test_a_batch_costs_half__where_the_list_has_no_price_of_its_own():
    single, _ = price_of(BEDROCK, "amazon.nova-lite-v1:0", USAGE, NOW)
    batch, _ = price_of(BEDROCK, "amazon.nova-lite-v1:0", USAGE, NOW, batch=True)

    assert single is not None
    assert batch == rounded(single / 2)


@pytest.mark.parametrize(
    ("vendor", "model", "dollars"),
    [
        ("openai_responses", "gpt-4o-mini", "0.00042000"),
        ("anthropic", "claude-haiku-4-5", "0.00316500"),  # 500 x 1, 400 x 0.1, 100 x 1.25, 500 x 5
        ("gemini", "gemini-2.5-flash", "0.00144200"),  # 600 x 0.3, 400 x 0.03, 500 x 2.5
    ],
)
def test_a_vendor_is_priced_at_its_own_address__without_a_base_url(vendor: str, model: str, dollars: str):
    cost_usd, _ = price_of(ModelProvider(id="p", vendor=vendor), model, USAGE, NOW)

    assert cost_usd == Decimal(dollars)


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
    ],
)
@pytest.mark.parametrize("base_url", [None, "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"])
def test_bedrock_is_priced__by_the_id_of_the_model(model: str, base_url: str | None):
    cost_usd, source = price_of(BEDROCK.model_copy(update={"base_url": base_url}), model, USAGE, NOW)

    assert cost_usd is not None
    assert cost_usd > 0
    assert (source or "").startswith("genai-prices ")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("bedrock", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefgh1234"),
        ("azure", "gpt-4o-mini"),
        ("audio", "whisper-1"),
    ],
)
def test_what_a_name_does_not_tell_is_unknown__profiles_deployments_audio(provider: str, model: str):
    azure = OPENAI.model_copy(update={"base_url": "https://team.openai.azure.com/openai/v1"})
    providers = {"bedrock": BEDROCK, "azure": azure, "audio": OPENAI}

    assert price_of(providers[provider], model, USAGE, NOW) == (None, None)


def test_a_deployment_on_azure_is_priced__by_its_registration():
    azure = CONFIGURED.model_copy(update={"base_url": "https://team.openai.azure.com/openai/v1"})

    assert price_of(azure, "gpt-4o-mini", USAGE, NOW) == (Decimal("0.00225000"), "configured")


TOKENS = st.integers(min_value=0, max_value=400_000)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            ("https://api.openai.com/v1", "gpt-5"),
            ("https://api.anthropic.com", "claude-haiku-4-5"),
            ("https://generativelanguage.googleapis.com", "gemini-2.5-pro"),  # dearer beyond 200,000 tokens of input
        ]
    ),
    st.builds(
        Usage,
        input_tokens=TOKENS,
        cache_read_tokens=TOKENS,
        cache_write_tokens=TOKENS,
        output_tokens=TOKENS,
        reasoning_tokens=TOKENS,
    ),
)
def test_a_public_price_is_the_lists_to_the_last_digit__short_and_long_calls(place: tuple[str, str], usage: Usage):
    base_url, model = place
    listed = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.total_input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.total_output_tokens,
            output_reasoning_tokens=usage.reasoning_tokens,
        ),
        model,
        provider_api_url=base_url,
        genai_request_timestamp=NOW,
    )

    cost_usd, _ = price_of(OPENAI.model_copy(update={"base_url": base_url}), model, usage, NOW)

    assert cost_usd == rounded(listed.total_price)


def test_the_installed_list_has_its_day():
    """A new version of genai-prices needs its day in `PUBLISHED_ON`, as the package index gives it."""
    assert genai_prices.__version__ in PUBLISHED_ON


def test_recorded_answers_have_no_public_price__replay():
    assert price_of(REPLAY_PROVIDER, "gpt-4o-mini", USAGE, NOW) == (None, None)


def test_the_public_list_is_not_loaded__local_and_configured_prices():
    script = """
import sys
from datetime import UTC, datetime
from abtest.contracts.records import Usage
from abtest.providers.pricing import price_of
from abtest.providers.registration import ModelProvider
local = ModelProvider(id="local", vendor="openai_chat", base_url="http://127.0.0.1:1/v1")
assert price_of(local, "m", Usage(input_tokens=1), datetime.now(UTC)) == (None, None)
assert "genai_prices" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
