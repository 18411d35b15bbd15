"""When failures of single calls mean that going on with the provider is pointless, and what to tell the person.

A wrong key or model is pointless at once. A provider that answers nothing is pointless only if it never answered
anybody: then its address is more likely wrong than its day bad. Else it is waited for, and the circuit says how long.

Depends on: `abtest.core.errors`, `abtest.providers.advice`. Used by: the service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from abtest.contracts.records import FailureReason
from abtest.core.duration import duration_text
from abtest.core.errors import (
    ProviderAuthError,
    ProviderConfigurationError,
    ProviderError,
    ProviderUnavailableError,
)
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.model import CallFailure, Deferral, WaitingFor
from abtest.providers.registration import ModelProvider
from abtest.providers.retry import THROTTLED

UNAVAILABLE_REASONS: frozenset[FailureReason] = frozenset(
    {"timeout", "connection", "tls", "rate_limited", "overloaded", "server_error"}
)
"""Reasons that say something about the provider and nothing about the request."""
NOT_ASKED: Mapping[WaitingFor | None, FailureReason] = {
    None: "timeout",
    "rate_limit": "rate_limited",
    "provider_throttles": "rate_limited",
    "circuit_open": "overloaded",
}
"""Why a request failed that no attempt ended for, by what its batch waited for; None when workers' time ran out."""
_KEY_REASONS: frozenset[FailureReason] = frozenset({"auth", "permission", "clock_skew"})
_NOTHING_THERE: frozenset[FailureReason] = frozenset({"not_found", "model_not_found", "model_retired"})
_WRONG_TOGETHER: frozenset[FailureReason] = frozenset(
    {"bad_request", "html_page", "malformed", "mismatched", "invalid_utf8", "too_large", "context_length"}
)
"""Reasons that one request may have, and that mean a wrong registration or variant when all the first have them."""
_FEWEST_FOR_AN_EARLY_END = 20
_WAIT_AFTER_AN_EMPTY_BATCH_S = 10.0


class OutageWatch:
    """Counts what live calls of one batch came to, and says when going on is pointless.

    Args:
        provider: named in the messages.
        model: named in the messages.
        max_in_flight: of the batch; twice as many failed calls, and at least 20, are enough to stop early.
        has_answered_before: whether the provider is known by now to have answered somebody, of whatever run: then a
            silent one is waited for. Another worker may get the first answer while this one gets none.
        answered: calls of the same piece of work that were answered before this batch.
    """

    def __init__(
        self,
        provider: ModelProvider,
        model: str,
        max_in_flight: int,
        has_answered_before: Callable[[], bool],
        answered: int = 0,
    ) -> None:
        self._provider = provider
        self._model = model
        self._enough = max(_FEWEST_FOR_AN_EARLY_END, 2 * max_in_flight)
        self._failures: Counter[FailureReason] = Counter()
        self._answered = answered
        self._throttled_in_a_row = 0
        self._last_detail = ""
        self._has_answered_before = has_answered_before

    def note_answer(self) -> None:
        """Count a call that got an answer."""
        self._answered += 1
        self._throttled_in_a_row = 0

    def note_failure(self, failure: CallFailure) -> ProviderError | None:
        """Count a failed call, and return the failure of the whole provider if this one shows it.

        Args:
            failure: the last one of the call.
        """
        reason = failure.failure_reason
        self._failures[reason] += 1
        self._last_detail = failure.detail
        if reason in _KEY_REASONS and not (reason == "permission" and self._answered):
            return self._auth_error(failure)
        if reason in _NOTHING_THERE:
            return self._not_found_error(failure)
        if reason == "quota":
            return self._unavailable_error()
        if self._answered or self._failures.total() < self._enough:
            return None
        seen = set(self._failures)
        if seen <= UNAVAILABLE_REASONS:
            return None if self._has_answered_before() else self._unavailable_error()
        return self._refused_error(failure) if seen <= _WRONG_TOGETHER else None

    def note_interruption(self, failure: CallFailure) -> bool:
        """Count a call that should have been made again, and return whether it is pointless to make others now.

        That is so when call after call used up its attempts on "not now": each of the rest would do the same.
        """
        self._failures[failure.failure_reason] += 1
        self._last_detail = failure.detail
        self._throttled_in_a_row += failure.failure_reason in THROTTLED
        return self._throttled_in_a_row >= _FEWEST_FOR_AN_EARLY_END

    def explained(self, deferral: Deferral) -> Deferral:
        """Return what the batch waits for, as it is to be told.

        A provider that refuses every call makes our own limit tighter and tighter. What is waited for is the provider.
        """
        if deferral.why != "rate_limit" or self._answered or not self._failures:
            return deferral
        return replace(deferral, why="provider_throttles", detail=self._last_detail)

    def on_deferral(self, deferral: Deferral) -> ProviderError | None:
        """Return the failure of a provider that is down and never answered anybody; None when it is worth a wait.

        Args:
            deferral: what the batch is about to wait for.
        """
        if deferral.why != "circuit_open" or self._answered or self._has_answered_before():
            return None
        if self._failures:
            return self._unavailable_error()
        return ProviderUnavailableError(
            f"{self._where()} has answered no call for model {self._model!r} so far ({deferral.detail}).",
            details=self._details("check that the base URL is right and its server runs; then start the run again."),
        )

    def at_end(self) -> ProviderError | Deferral | None:
        """Return what it means when no call of a finished batch got an answer, for the provider's sake.

        Returns:
            The failure of a provider that never answered anybody; a wait for one that did; None when it is up.
        """
        if self._answered or not self._failures or not set(self._failures) <= UNAVAILABLE_REASONS:
            return None
        if self._has_answered_before():
            return Deferral(_WAIT_AFTER_AN_EMPTY_BATCH_S, "circuit_open", self._last_detail)
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
        todo = WHAT_TO_DO[failure.failure_reason].rstrip(".")
        if failure.failure_reason != "clock_skew":
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
            details=self._details(WHAT_TO_DO[failure.failure_reason], failure.status),
        )

    def _refused_error(self, failure: CallFailure) -> ProviderConfigurationError:
        return ProviderConfigurationError(
            f"{self._where()} gave no answer to any of the first {self._failures.total()} requests for model "
            f"{self._model!r} ({failure.detail}).",
            details=self._details(WHAT_TO_DO[failure.failure_reason], failure.status),
        )

    def _unavailable_error(self) -> ProviderUnavailableError:
        counts = ", ".join(f"{reason} {count}" for reason, count in self._failures.most_common())
        commonest = self._failures.most_common(1)[0][0]
        advice = WHAT_TO_DO["quota" if "quota" in self._failures else commonest].rstrip(".")
        return ProviderUnavailableError(
            f"{self._where()} answered none of {self._failures.total()} calls for model {self._model!r} "
            f"({counts}; last: {self._last_detail})."
            if not self._answered
            else f"{self._where()} answers no more calls for model {self._model!r} ({self._last_detail}).",
            details=self._details(f"{advice}; then start the run again."),
        )


def given_up(
    provider: ModelProvider, model: str, deferral: Deferral | None, waited_s: float
) -> ProviderUnavailableError:
    """Return the failure of a batch that waited for its provider as long as the registration allows.

    Args:
        provider: named in the message; its `give_up_after_s` is over.
        model: named in the message.
        deferral: what the batch waits for; None when its calls outlast its workers.
        waited_s: since its last answer.
    """
    what, last = "no call came to an end in the time of a worker", ""
    if deferral is not None:
        what = "it is down" if deferral.why == "circuit_open" else "it limits or refuses each call for now"
        last = f"; last: {deferral.detail}" if deferral.detail else ""
    return ProviderUnavailableError(
        f"Provider {provider.id!r} gave no answer for model {model!r} in {duration_text(waited_s)}: {what}{last}.",
        details={
            "what_to_do": (
                "Start the run again when the provider answers (what was answered is kept), or raise the provider's "
                "give_up_after_s to wait longer."
            ),
            "provider": provider.id,
            "model": model,
            "status": None,
        },
    )
