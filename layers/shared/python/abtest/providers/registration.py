"""A provider's registration: what an administrator says of an address that serves models.

Depends on: `abtest.contracts`. Used by: the codecs, the service, the API's provider routes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from abtest.contracts.definition import Name

BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2_000)]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/_+=.@-]{1,512}$")]
VendorName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Value(BaseModel):
    """A value of this domain: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelPrice(Value):
    """What an administrator says a model costs, in USD for a million tokens.

    Args:
        cache_read_usd_per_million, cache_write_usd_per_million: of cached input; None takes the price of input.
    """

    input_usd_per_million: Decimal = Field(ge=0, allow_inf_nan=False)
    output_usd_per_million: Decimal = Field(ge=0, allow_inf_nan=False)
    cache_read_usd_per_million: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)
    cache_write_usd_per_million: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)


class RateLimit(Value):
    """What a provider's account may ask of a model in any minute; None is no limit that we keep.

    Args:
        tokens_per_minute: input and output together.
        input_tokens_per_minute, output_tokens_per_minute: for providers that count them apart; input is uncached.
    """

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    input_tokens_per_minute: int | None = Field(default=None, ge=1)
    output_tokens_per_minute: int | None = Field(default=None, ge=1)


class Options(Value):
    """What a vendor's wire format needs to know beyond the common fields; each codec has its own, this one is empty."""


class ModelProvider(Value):
    """A registered provider: where a vendor's wire format is spoken, and how fast.

    Args:
        id: the name that tests use.
        vendor: wire name of the codec; a module of `providers/vendors`.
        base_url: address the vendor's paths are appended to; None is the vendor's own.
        secret_name: name of the secret that holds the API key; None sends no key.
        max_in_flight: most calls of one worker at the same time; the queue's maximum concurrency bounds the workers.
        timeout_s: longest one HTTP attempt may take.
        prices: prices by model; they go before any public price list.
        limits: limits by model; `*` is for every model that has none of its own.
        unsupported_parameters: by model, the names of parameters it refuses; `*` is for every model.
        options: the vendor's own, such as the version of its API.
        give_up_after_s: longest time a batch waits for a provider that is down or limits every call.
    """

    id: Name
    vendor: VendorName
    base_url: BaseUrl | None = None
    secret_name: SecretName | None = None
    max_in_flight: int = Field(default=50, ge=1, le=10_000)
    timeout_s: float = Field(default=120, gt=0, le=600)
    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    limits: dict[str, RateLimit] = Field(default_factory=dict)
    unsupported_parameters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    give_up_after_s: float = Field(default=3600, ge=0, le=86_400)

    def limit_of(self, model: str) -> RateLimit | None:
        """Return the limit of a model, or None when none is registered."""
        return self.limits.get(model) or self.limits.get(ANY_MODEL)

    def refused_by(self, model: str) -> frozenset[str]:
        """Return the parameters that the registration says a model refuses."""
        named = self.unsupported_parameters
        return frozenset((*named.get(model, ()), *named.get(ANY_MODEL, ())))


ANY_MODEL = "*"
"""Stands for every model in a registration's mappings."""
REPLAY_PROVIDER = ModelProvider(id="replay", vendor="replay")
"""The provider that always exists: it serves recorded answers."""
