"""Prices of calls: what an administrator configured, else the public list, else unknown. Unknown is never zero.

Depends on: `abtest.core.money`; genai-prices, imported only when a public price is asked for.
Used by: the service, management's estimate.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from abtest.contracts.records import Usage
from abtest.core.money import cost_of_tokens, rounded
from abtest.providers import registry
from abtest.providers.model import ModelProvider

CONFIGURED = "configured"
"""The price source of a price in the provider's registration."""


def price_of(
    provider: ModelProvider, model: str, usage: Usage | None, at: datetime
) -> tuple[Decimal | None, str | None]:
    """Return the price of a call in USD and where the price comes from, or (None, None) when it is unknown.

    A configured price takes cached input at the price of input: an upper bound where the provider gives a discount.

    Args:
        provider: its configured prices go first; its base URL says whose public list applies.
        model: the provider's name of the model.
        usage: tokens of the call; None (the provider did not say) has no price.
        at: moment of the call in UTC; public prices change over time.

    Source: public prices are those of the package genai-prices, whose version is the source's second word.
    """
    if usage is None:
        return None, None
    configured = provider.prices.get(model)
    if configured is not None:
        cost_usd = cost_of_tokens(usage.total_input_tokens, configured.input_usd_per_million)
        cost_usd += cost_of_tokens(usage.total_output_tokens, configured.output_usd_per_million)
        return rounded(cost_usd), CONFIGURED
    return _public_price(provider, model, usage, at)


def _public_price(provider: ModelProvider, model: str, usage: Usage, at: datetime) -> tuple[Decimal | None, str | None]:
    base_url = provider.base_url or registry.codec_of(provider.vendor).capabilities.default_base_url
    if base_url is None or not _may_be_public(base_url):
        return None, None
    import genai_prices  # 0.4 s of processor time, needed only where a public price is

    tokens = genai_prices.Usage(
        input_tokens=usage.total_input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.total_output_tokens,
    )
    try:
        price = genai_prices.calc_price(tokens, model, provider_api_url=base_url, genai_request_timestamp=at)
    except LookupError:
        return None, None
    return rounded(price.total_price), f"genai-prices {genai_prices.__version__}"


def _may_be_public(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host.rstrip(".")
    # A public list names hosts, never addresses.
    return False
