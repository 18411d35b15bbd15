"""The vendors that are discovered, and what each must have."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from abtest.contracts.definition import Parameters
from abtest.core.errors import ProviderConfigurationError
from abtest.providers.ports import HttpCodec, RecordedCodec
from abtest.providers.registration import REPLAY_PROVIDER, ModelPrice, ModelProvider
from abtest.providers.registry import codec_of, vendor_names


def test_the_vendors_are_the_modules__of_the_folder():
    assert {"openai_chat", "replay"} <= set(vendor_names())


@pytest.mark.parametrize("vendor", vendor_names())
def test_every_vendor_has_a_codec__and_names_only_known_parameters(vendor: str):
    codec = codec_of(vendor)
    assert isinstance(codec, HttpCodec | RecordedCodec)
    assert isinstance(codec, HttpCodec) is codec.capabilities.calls_http
    assert codec.capabilities.parameters <= set(Parameters.model_fields)


def test_an_unknown_vendor_is_told_with_the_nearest__misspelt():
    with pytest.raises(ProviderConfigurationError, match="did you mean 'openai_chat'"):
        codec_of("openai_chats")


def test_the_provider_of_recordings_always_exists__replay():
    assert REPLAY_PROVIDER.vendor in vendor_names()
    assert REPLAY_PROVIDER.base_url is None


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "1x"},
        {"vendor": "Open AI"},
        {"base_url": "ftp://x"},
        {"base_url": "https://a b"},
        {"max_in_flight": 0},
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"secret_name": "with space"},
        {"prices": {"m": {"input_usd_per_million": "-1", "output_usd_per_million": "1"}}},
        {"prices": {"m": {"input_usd_per_million": "NaN", "output_usd_per_million": "1"}}},
        {"unknown": 1},
    ],
)
def test_a_registration_is_refused__wrong_field(changes: dict[str, object]):
    with pytest.raises(ValidationError):
        ModelProvider.model_validate({"id": "x", "vendor": "openai_chat"} | changes)


def test_a_registration_survives_json__with_prices():
    provider = ModelProvider.model_validate(
        {
            "id": "x",
            "vendor": "openai_chat",
            "prices": {"m": ModelPrice(input_usd_per_million="0.1", output_usd_per_million="0.4")},  # type: ignore[arg-type]
        }
    )
    assert ModelProvider.model_validate_json(provider.model_dump_json()) == provider
