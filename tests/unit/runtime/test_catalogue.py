"""What management is told by the other domains: limits, prices, tokenizers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from abtest.adapters.provider_facts import provider_facts
from abtest.contracts.records import Usage
from abtest.management.ports import ModelLimits
from abtest.providers.registration import ModelPrice, ModelProvider, RateLimit
from abtest.runtime.catalogue import Tokenizers, price_book

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_registered_limits_are_told__of_the_model_or_of_every_model() -> None:
    limits = {
        "small": RateLimit(requests_per_minute=60, tokens_per_minute=9_000),
        "*": RateLimit(input_tokens_per_minute=500, output_tokens_per_minute=50),
    }
    facts = provider_facts(ModelProvider(id="p", vendor="openai_chat", limits=limits))

    assert facts.limits("small") == ModelLimits(requests=60, tokens=9_000)
    assert facts.limits("other") == ModelLimits(input_tokens=500, output_tokens=50)
    assert provider_facts(ModelProvider(id="p", vendor="openai_chat")).limits("small") is None


def test_prices_are_those_of_the_registration__halved_for_a_batch() -> None:
    price = ModelPrice(input_usd_per_million=Decimal(2), output_usd_per_million=Decimal(4))
    provider = ModelProvider(id="p", vendor="openai_chat", prices={"small": price})
    price_of = price_book(lambda: NOW)({"p": provider_facts(provider)})
    usage = Usage(input_tokens=1_000, output_tokens=500)

    assert price_of("p", "small", usage, False) == (Decimal("0.00400000"), "configured")
    assert price_of("p", "small", usage, True) == (Decimal("0.00200000"), "configured, batch")


def test_tokenizers_are_known_by_the_models_name() -> None:
    counter = Tokenizers()

    assert {counter.encoding_of(model) for model in ("gpt-5", "gpt-4")} == set(counter.encodings)
    assert counter.encoding_of("claude-opus-4-5") is None
    assert counter.count("o200k_base", "hello world") == 2
