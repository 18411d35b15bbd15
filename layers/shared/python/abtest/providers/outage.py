"""When failures of single calls mean that the provider as a whole cannot serve, and what to tell the person.

Depends on: `abtest.core.errors`. Used by: the service.
"""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from abtest.contracts.records import FailureReason
from abtest.core.errors import (
    ProviderAuthError,
    ProviderConfigurationError,
    ProviderError,
    ProviderUnavailableError,
)
from abtest.providers.model import CallFailure, ModelProvider

UNAVAILABLE_REASONS: frozenset[FailureReason] = frozenset(
    {"timeout", "connection", "rate_limited", "server_error", "quota"}
)
"""Reasons that say something about the provider and nothing about the request."""

_FEWEST_FOR_AN_EARLY_END = 20
_ADVICE: dict[str, str] = {
    "connection": "check that the base URL is right and its server runs",
    "timeout": "check that the server is not overloaded, or raise the provider's timeout_s",
    "rate_limited": "lower the provider's max_in_flight, or ask for a higher limit",
    "server_error": "look at the provider's status page or the server's log",
    "quota": "the provider says that its credit is used up: add credit or raise the limit there",
}


class OutageWatch:
    """Counts what live calls of one batch came to, and says when going on is pointless.

    Args:
        provider: named in the messages.
        model: named in the messages.
        max_in_flight: of the batch; twice as many failed calls, and at least 20, are enough to stop early.
    """

    def __init__(self, provider: ModelProvider, model: str, max_in_flight: int) -> None:
        self._provider = provider
        self._model = model
        self._enough = max(_FEWEST_FOR_AN_EARLY_END, 2 * max_in_flight)
        self._failures: Counter[FailureReason] = Counter()
        self._answered = 0
        self._last_detail = ""

    def note_answer(self) -> None:
        """Count a call that got an answer."""
        self._answered += 1

    def note_failure(self, failure: CallFailure) -> ProviderError | None:
        """Count a failed call, and return the failure of the whole provider if this one shows it.

        Args:
            failure: the last one of the call.
        """
        self._failures[failure.failure_reason] += 1
        self._last_detail = failure.detail
        if failure.failure_reason == "auth":
            return self._auth_error(failure)
        if failure.failure_reason == "not_found":
            return self._not_found_error(failure)
        if self._answered or self._failures.total() < self._enough:
            return None
        if set(self._failures) <= UNAVAILABLE_REASONS:
            return self._unavailable_error()
        return self._refused_error(failure) if set(self._failures) == {"bad_request"} else None

    def at_end(self) -> ProviderError | None:
        """Return the failure of the whole provider if no call of a finished batch got an answer for its sake."""
        if self._answered or not self._failures or not set(self._failures) <= UNAVAILABLE_REASONS:
            return None
        return self._unavailable_error()

    def _where(self) -> str:
        base_url = self._provider.base_url
        host = urlsplit(base_url).netloc.rpartition("@")[2] if base_url else "the vendor's own address"
        return f"Provider {self._provider.id!r} ({host})"

    def _details(self, what_to_do: str, status: int | None = None) -> dict[str, object]:
        return {
            "what_to_do": what_to_do[0].upper() + what_to_do[1:],
            "provider": self._provider.id,
            "model": self._model,
            "status": status,
            "failures": dict(self._failures),
        }

    def _auth_error(self, failure: CallFailure) -> ProviderAuthError:
        secret = self._provider.secret_name
        todo = (
            f"put a valid key into the secret {secret!r}, and check that the key may use model {self._model!r}"
            if secret
            else "it is registered without secret_name, so no key was sent: register it with the name of a secret"
        )
        return ProviderAuthError(
            f"{self._where()} refused the key ({failure.detail}).",
            details=self._details(f"{todo}; then start the run again.", failure.status),
        )

    def _not_found_error(self, failure: CallFailure) -> ProviderConfigurationError:
        return ProviderConfigurationError(
            f"{self._where()} does not serve model {self._model!r} at its base URL ({failure.detail}).",
            details=self._details(
                "correct the variant's model or the provider's base_url (up to, without, /chat/completions).",
                failure.status,
            ),
        )

    def _refused_error(self, failure: CallFailure) -> ProviderConfigurationError:
        return ProviderConfigurationError(
            f"{self._where()} refused each of the first {self._failures.total()} requests for model "
            f"{self._model!r} ({failure.detail}).",
            details=self._details("correct the variant's parameters or prompt.", failure.status),
        )

    def _unavailable_error(self) -> ProviderUnavailableError:
        counts = ", ".join(f"{reason} {count}" for reason, count in self._failures.most_common())
        commonest = self._failures.most_common(1)[0][0]
        return ProviderUnavailableError(
            f"{self._where()} answered none of {self._failures.total()} calls for model {self._model!r} "
            f"({counts}; last: {self._last_detail}).",
            details=self._details(f"{_ADVICE[commonest]}; then start the run again."),
        )
