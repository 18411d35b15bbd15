"""Prices of calls: what an administrator configured, else the public list, else unknown. Unknown is never zero.

Depends on: `abtest.core.money`; genai-prices, imported only when a public price is asked for.
Used by: the service, the batch interface, management's estimate.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from abtest.contracts.records import Usage
from abtest.core.money import cost_of_tokens, rounded
from abtest.providers import registry
from abtest.providers.registration import ModelPrice, ModelProvider

CONFIGURED = "configured"
"""The price source of a price in the provider's registration."""
BATCH_SUFFIX = ", batch"
"""Ends the source of a price of a provider's batch interface."""
BATCH_SHARE = Decimal("0.5")
"""Of the price of a direct call, where a list does not have the batch interface's own price."""
PUBLISHED_ON = {"0.2.3": date(2026, 11, 10)}
"""When a version of genai-prices was published: the package carries prices, and no date of its own."""

_AWS, _AZURE = "aws", "azure"
_BATCH_CONTEXT = {"processing": "batch"}
_KINDS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def price_of(
    provider: ModelProvider, model: str, usage: Usage | None, at: datetime, *, batch: bool = False
) -> tuple[Decimal | None, str | None]:
    """Return the price of a call in USD and where the price comes from, or (None, None) when it is unknown.

    Args:
        provider: its configured prices go first; its address says whose public list applies.
        model: the provider's name of the model.
        usage: tokens of the call; None (the provider did not say) has no price.
        at: moment of the call in UTC; public prices change over time.
        batch: the call went through the provider's batch interface: the list's price for that, else half.

    Source: public prices are those of the package genai-prices, whose version and day the source names.
    """
    if usage is None:
        return None, None
    configured = provider.prices.get(model)
    if configured is not None:
        cost_usd = _configured_price(configured, usage)
        return (
            (rounded(cost_usd * BATCH_SHARE), CONFIGURED + BATCH_SUFFIX) if batch else (rounded(cost_usd), CONFIGURED)
        )
    minute = at.replace(second=0, microsecond=0)
    tariff = _public_tariff(provider.vendor, provider.base_url, model, minute, batch)
    return (None, None) if tariff is None else (rounded(tariff.price(usage)), tariff.source)


def _configured_price(price: ModelPrice, usage: Usage) -> Decimal:
    fresh = price.input_usd_per_million
    read, write = price.cache_read_usd_per_million, price.cache_write_usd_per_million
    return (
        cost_of_tokens(usage.input_tokens, fresh)
        + cost_of_tokens(usage.cache_read_tokens, fresh if read is None else read)
        + cost_of_tokens(usage.cache_write_tokens, fresh if write is None else write)
        + cost_of_tokens(usage.total_output_tokens, price.output_usd_per_million)
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    """Whom and what to ask the public list for, at one moment."""

    model: str
    place: tuple[str, str]
    at: datetime
    context: dict[str, str] | None

    def calculated(self, usage: Usage) -> Any:
        """Return what the list says of a usage: `total_price` and how it was found.

        Raises:
            LookupError: the list does not have the provider or the model.
        """
        import genai_prices

        # The list's input holds the cached parts, and its output the reasoning.
        tokens = genai_prices.Usage(
            input_tokens=usage.total_input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.total_output_tokens,
            output_reasoning_tokens=usage.reasoning_tokens,
        )
        name, value = self.place
        return genai_prices.calc_price(
            tokens, self.model, genai_request_timestamp=self.at, price_context=self.context, **{name: value}
        )


@dataclass(frozen=True, slots=True)
class _Tariff:
    """The public price of a model at a moment.

    Args:
        listed: asks the list.
        share: of the list's price that is paid.
        fixed_usd: of each call.
        usd_per_token: by kind of token, in the order of `_KINDS`.
        flat_up_to_tokens: with more input than this a token has another price, and the list is asked for each call;
            None where the price is always the same.
    """

    source: str
    listed: _Listed
    share: Decimal
    fixed_usd: Decimal
    usd_per_token: tuple[Decimal, ...]
    flat_up_to_tokens: int | None

    def price(self, usage: Usage) -> Decimal:
        """Return the exact price of a call in USD."""
        rates, limit = self.usd_per_token, self.flat_up_to_tokens
        if limit is not None and usage.total_input_tokens > limit:
            total_usd: Decimal = self.listed.calculated(usage).total_price
            return total_usd * self.share
        return self.share * (
            self.fixed_usd
            + usage.input_tokens * rates[0]
            + usage.cache_read_tokens * rates[1]
            + usage.cache_write_tokens * rates[2]
            + usage.output_tokens * rates[3]
            + usage.reasoning_tokens * rates[4]
        )


# Asking the list takes some 60 microseconds a call, and prices may differ by the hour of the day.
@lru_cache(maxsize=512)
def _public_tariff(vendor: str, base_url: str | None, model: str, minute: datetime, batch: bool) -> _Tariff | None:
    place = _place(vendor, base_url)
    if place is None:
        return None
    listed = _Listed(model, place, minute, _BATCH_CONTEXT if batch else None)
    try:
        found = listed.calculated(Usage())
    except LookupError:
        return None
    # The name of a deployment on Azure is its owner's choice: it says nothing about the model behind it.
    if found.provider.id == _AZURE or not _prices_tokens(found.model_price):
        return None
    halved = batch and not _has_batch_price(found)
    fixed_usd: Decimal = found.total_price
    return _Tariff(
        source=_source() + (BATCH_SUFFIX if batch else ""),
        listed=listed,
        share=BATCH_SHARE if halved else Decimal(1),
        fixed_usd=fixed_usd,
        usd_per_token=tuple(listed.calculated(Usage(**{kind: 1})).total_price - fixed_usd for kind in _KINDS),
        flat_up_to_tokens=_first_tier(found.model_price),
    )


def _place(vendor: str, base_url: str | None) -> tuple[str, str] | None:
    """Return the list's provider, by its name or by the address; None where no public list can apply."""
    if vendor == "bedrock" and (base_url is None or _host(base_url).endswith(".amazonaws.com")):
        return "provider_id", _AWS
    address = base_url or registry.codec_of(vendor).capabilities.default_base_url
    return None if address is None or not _may_be_public(_host(address)) else ("provider_api_url", address)


def _host(base_url: str) -> str:
    return (urlsplit(base_url).hostname or "").rstrip(".")


def _may_be_public(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host
    # A public list names hosts, never addresses.
    return False


def _prices_tokens(model_price: Any) -> bool:
    """Return whether a price of the list covers input and output; what has no price there is unknown, not free."""
    return model_price.input_mtok is not None and model_price.output_mtok is not None


def _first_tier(model_price: Any) -> int | None:
    """Return the number of input tokens beyond which a price of the list is another one; None where there is none."""
    starts = [tier.start for price in vars(model_price).values() for tier in getattr(price, "tiers", ())]
    return min(starts, default=None)


def _has_batch_price(found: Any) -> bool:
    # Prices that the list lends from another provider come without its variants.
    own = any(found.model is model for model in found.provider.models)
    return own and any(variant.when == _BATCH_CONTEXT for variant in found.model.price_variants or ())


def _source() -> str:
    import genai_prices

    version = genai_prices.__version__
    published = PUBLISHED_ON.get(version)
    return f"genai-prices {version}" + (f" of {published.isoformat()}" if published else "")
