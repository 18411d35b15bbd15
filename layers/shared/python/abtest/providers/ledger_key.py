"""The ledger's keys: the hash of what a provider would be asked, so that equal questions share one answer.

Depends on: `abtest.core.hashing`. Used by: the service.
"""

from __future__ import annotations

from abtest.core.hashing import content_hash
from abtest.providers.model import CacheMode, ModelRequest
from abtest.providers.registration import ModelProvider

_FORMAT = 1
"""Changes when the meaning of a key changes, so that old answers are not taken for new ones."""


def request_key(request: ModelRequest, provider: ModelProvider) -> str:
    """Return the SHA-256 of the canonical request, as 64 hexadecimal digits.

    Nothing about the run, the sample or the variant is in it: identical requests share one key.

    Args:
        request: the rendered request.
        provider: the registration it goes to; the same id with another base URL is another provider.
    """
    # Only what is there is named, so that answers of earlier versions keep their keys.
    options = {"options": provider.options} if provider.options else {}
    mode = {} if request.mode == "direct" else {"mode": request.mode}
    return content_hash(
        {
            "format": _FORMAT,
            **options,
            **mode,
            "provider": provider.id,
            "vendor": provider.vendor,
            "base_url": provider.base_url.rstrip("/") if provider.base_url else None,
            "model": request.model,
            "parameters": request.parameters.model_dump(mode="json", exclude_none=True),
            "messages": [[message.role, message.content] for message in request.messages],
            "repeat_index": request.repeat_index,
        }
    )


def payer(request: ModelRequest, scope: str) -> str:
    """Return who pays for the answer to a request: a sample of a variant of a run.

    A redelivered batch finds its own answers in the ledger; they are not cheaper for that.

    Args:
        request: names the sample and the variant.
        scope: the run's id.
    """
    return f"{scope}#{request.variant}#{request.sample_id}"


def write_key(request: ModelRequest, key: str, scope: str, cache: CacheMode) -> str:
    """Return the ledger's name for the answer to a request.

    Args:
        request: names the sample and the variant.
        key: of `request_key`.
        scope: the run's id.
        cache: `on` names it for every run, `read` for this run, `off` for this sample of this variant of this run.
    """
    if cache == "on":
        return key
    if cache == "read":
        return f"{scope}#{key}"
    # The sample's id is hashed because it may be long, and a key of the store may not.
    return f"{scope}#{content_hash([key, request.variant, request.sample_id])}"


def read_keys(request: ModelRequest, key: str, scope: str, cache: CacheMode) -> tuple[str, ...]:
    """Return the ledger's names under which the answer to a request may stand, the preferred first.

    Args:
        request: names the sample and the variant.
        key: of `request_key`.
        scope: the run's id.
        cache: as in `write_key`; `read` also looks at what all runs share.
    """
    own = write_key(request, key, scope, cache)
    return (own, key) if cache == "read" else (own,)
