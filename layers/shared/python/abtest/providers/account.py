"""Which account of which provider a registration speaks to: what shares a limit and falls ill together.

Registrations of several workspaces, and of several wire formats of one vendor, may name one account. Their calls use up
one limit, so the account's name is made of what the provider tells accounts apart by: the address, the key, the region.

Depends on: `abtest.core.hashing`, the registry of vendors. Used by: the rate buckets, the health of providers.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from abtest.core.errors import ProviderConfigurationError
from abtest.core.hashing import content_hash
from abtest.providers import registry
from abtest.providers.registration import ModelProvider

_ACCOUNT_OPTIONS = ("region", "organization", "project")
_LENGTH = 32
_VERSION = re.compile(r"/v\d+(?:alpha|beta)?\d*$")


def account_key(provider: ModelProvider) -> str:
    """Return the name of the account a registration speaks to, as 32 hexadecimal digits.

    Args:
        provider: its address (the vendor's own when it names none), the name of its secret, and the options that choose
            a region, an organization or a project. Its id, its workspace and its wire format are not in the name.

    Returns:
        The same text for every registration of one account. It says nothing about the address or the secret.
    """
    chosen = {name: provider.options[name] for name in _ACCOUNT_OPTIONS if provider.options.get(name) is not None}
    return content_hash([_address(provider), provider.secret_name, chosen])[:_LENGTH]


def _address(provider: ModelProvider) -> str:
    base_url = provider.base_url or _default_base_url(provider.vendor)
    if base_url is None:
        return provider.vendor
    parts = urlsplit(base_url)
    # One host may serve several providers under several paths; a version at the end is no provider of its own.
    path = _VERSION.sub("", parts.path.rstrip("/"))
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"


def _default_base_url(vendor: str) -> str | None:
    try:
        return registry.codec_of(vendor).capabilities.default_base_url
    except ProviderConfigurationError:
        # A vendor of another version of the product; its records still want a name.
        return None
