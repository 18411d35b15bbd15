"""When a vendor does not take a job at all: what the run fails with, and what to do.

Depends on: `abtest.providers.advice`, `abtest.providers.outage`. Used by: submission.
"""

from __future__ import annotations

from abtest.core.errors import ProviderAuthError, ProviderConfigurationError, ProviderError, ProviderUnavailableError
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.model import CallFailure
from abtest.providers.outage import UNAVAILABLE_REASONS
from abtest.providers.registration import ModelProvider

_KEY_REASONS = frozenset({"auth", "permission", "clock_skew"})
_NO_INTERFACE = "Use mode: direct: nothing of a batch interface is served at the provider's base_url."


def refused_error(provider: ModelProvider, model: str, failure: CallFailure) -> ProviderError:
    """Return the failure of a run whose vendor refuses its jobs.

    Args:
        failure: one that trying again does not change.
    """
    reason = failure.failure_reason
    kind: type[ProviderError] = ProviderConfigurationError
    if reason in _KEY_REASONS:
        kind = ProviderAuthError
    elif reason == "quota" or reason in UNAVAILABLE_REASONS:
        kind = ProviderUnavailableError
    advice = _NO_INTERFACE if reason == "not_found" else WHAT_TO_DO[reason]
    return kind(
        f"Provider {provider.id!r} took no batch for model {model!r} ({failure.detail}).",
        details={
            "what_to_do": f"{advice} Then start the run again.",
            "provider": provider.id,
            "model": model,
            "status": failure.status,
            "failures": {reason: 1},
        },
    )
