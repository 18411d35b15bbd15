"""What the providers domain knows, as the management domain asks for it; the two do not import each other.

Depends on: management's ports, providers. Used by: the provider stores.
"""

from __future__ import annotations

from functools import partial

from abtest.management.ports import ModelLimits, ProviderFacts
from abtest.providers import capabilities
from abtest.providers.registration import ModelProvider


def provider_facts(provider: ModelProvider) -> ProviderFacts:
    """Return what management needs to know of a provider."""
    # 10 ms that every function's start would pay, for the two that ask.
    from abtest.providers.batches.registry import offers_batches

    return ProviderFacts(
        vendor=provider.vendor,
        max_in_flight=provider.max_in_flight,
        registration=provider.model_dump(mode="json"),
        unsupported=partial(capabilities.unsupported, provider),
        batches=offers_batches(provider),
        limits=partial(_limits, provider),
    )


def _limits(provider: ModelProvider, model: str) -> ModelLimits | None:
    limit = provider.limit_of(model)
    if limit is None:
        return None
    return ModelLimits(
        requests=limit.requests_per_minute,
        tokens=limit.tokens_per_minute,
        input_tokens=limit.input_tokens_per_minute,
        output_tokens=limit.output_tokens_per_minute,
    )
