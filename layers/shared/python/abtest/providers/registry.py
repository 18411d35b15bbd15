"""The vendors there are, discovered by name in `providers/vendors`.

Depends on: `abtest.core.registry`. Used by: management's validation, the API, the worker, `infra` (a queue a vendor).
"""

from __future__ import annotations

from typing import cast

from abtest.core import registry
from abtest.core.errors import ProviderConfigurationError
from abtest.providers import vendors
from abtest.providers.ports import Codec

ATTRIBUTE = "CODEC"
"""What each module of `providers/vendors` exports."""


def vendor_names() -> tuple[str, ...]:
    """Return the wire names of all vendors, sorted."""
    return registry.names(vendors)


def codec_of(vendor: str) -> Codec:
    """Return a vendor's codec, importing only its module.

    Raises:
        ProviderConfigurationError: no vendor has that name.
    """
    try:
        return cast("Codec", registry.load(vendors, vendor, ATTRIBUTE))
    except KeyError as error:
        raise ProviderConfigurationError(f"The provider's vendor is not one of ours: {error.args[0]}") from error
