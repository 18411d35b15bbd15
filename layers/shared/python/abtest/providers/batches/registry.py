"""The batch interfaces there are, discovered by name in `providers/batches/vendors`.

Depends on: `abtest.core.registry`. Used by: provider facts, submission, polling.
"""

from __future__ import annotations

from typing import cast

from abtest.core import registry
from abtest.core.errors import ProviderConfigurationError
from abtest.providers.batches import vendors
from abtest.providers.batches.ports import BatchCodec
from abtest.providers.registration import ModelProvider

ATTRIBUTE = "CODEC"
"""What each module of `providers/batches/vendors` exports."""


def vendor_names() -> tuple[str, ...]:
    """Return the wire names of the vendors whose batch interface is spoken, sorted."""
    return registry.names(vendors)


def offers_batches(provider: ModelProvider) -> bool:
    """Return whether a registration has a batch interface that is spoken here."""
    return provider.vendor in vendor_names() and _codec(provider.vendor).refusal(provider) is None


def batch_codec_of(provider: ModelProvider) -> BatchCodec:
    """Return the batch interface of a registration, importing only its module.

    Raises:
        ProviderConfigurationError: it has none that is spoken here.
    """
    if provider.vendor not in vendor_names():
        why = f"the vendor {provider.vendor} has none that is spoken here"
    else:
        codec = _codec(provider.vendor)
        refusal = codec.refusal(provider)
        if refusal is None:
            return codec
        why = refusal
    raise ProviderConfigurationError(
        f"Provider {provider.id!r} has no batch interface: {why}.",
        details={"what_to_do": "Use mode: direct for the variant, and create the test again.", "provider": provider.id},
    )


def _codec(vendor: str) -> BatchCodec:
    return cast("BatchCodec", registry.load(vendors, vendor, ATTRIBUTE))
