"""Every failure of the product, as one tree.

```
AbTestError(message, *, details)
├─ InvalidInputError(message, issues)      what a person wrote is wrong: every issue with its path
├─ NotFoundError                           nothing has that identifier
├─ ConflictError                           the state of the thing forbids it
│  ├─ IllegalTransitionError               the lifecycle has no such step
│  └─ IdempotencyKeyReusedError            the same key came with another request
├─ AccessDeniedError                       the caller's role does not allow it
├─ BudgetExceededError                     the money is spent or reserved
├─ ProviderError                           a provider as a whole cannot serve
│  ├─ ProviderUnavailableError             no call of a batch got an answer
│  ├─ ProviderAuthError                    the key was refused
│  └─ ProviderConfigurationError           the registration cannot work
├─ RunError                                a run cannot go on
│  ├─ RunCancelledError                    somebody asked it to stop
│  └─ MessageUndeliverableError            a queue message nobody could process
├─ UnjudgeableError                        a judge cannot say anything about a sample
└─ StoreError                              a store did not do what was asked
   ├─ StoreThrottledError                  retryable
   └─ StoreUnavailableError                retryable
```

The class name of a leaf is what Step Functions sees in `SendTaskFailure`: names are a contract with
`statemachines/test_lifecycle.asl.json`, and `ErrorEquals` matches the exact name only.

Depends on: nothing. Used by: everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


class AbTestError(Exception):
    """A failure with a stable code, a sentence for a person and data for a machine.

    Args:
        message: what was wrong, where, and what to do about it.
        details: JSON-ready facts; never a secret, a prompt or an answer.
    """

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON-ready data: `code`, `error`, `message`, `details`."""
        return {"code": self.code, "error": type(self).__name__, "message": self.message, "details": self.details}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(cls: type[AbTestError], state: dict[str, Any]) -> AbTestError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


@dataclass(frozen=True)
class InputIssue:
    """One thing wrong in what a person wrote.

    Args:
        path: where, as the person sees it: `variants.terse.prompt.user` or `dataset`.
        message: what is wrong, as a sentence.
        found: what stands there now, shortened; None when nothing does.
        allowed: what may stand there; None when the message says it all.
        line: line number from 1 in a dataset file; None elsewhere.
    """

    path: str
    message: str
    found: str | None = None
    allowed: str | None = None
    line: int | None = None

    def sentence(self) -> str:
        """Return the issue as one line for a terminal."""
        where = f"line {self.line}, {self.path}" if self.line is not None else self.path
        found = f" (found {self.found})" if self.found is not None else ""
        allowed = f"; allowed: {self.allowed}" if self.allowed is not None else ""
        return f"{where}: {self.message}{found}{allowed}"


class InvalidInputError(AbTestError):
    """What a person or client sent is wrong; carries every issue at once."""

    code = "invalid_input"

    def __init__(self, message: str, issues: Sequence[InputIssue] = ()) -> None:
        super().__init__(message, details={"issues": [asdict(issue) for issue in issues]})
        self.issues = tuple(issues)


class NotFoundError(AbTestError):
    """Nothing has the identifier that was asked for."""

    code = "not_found"


class ConflictError(AbTestError):
    """The thing is in a state that forbids what was asked."""

    code = "conflict"


class IllegalTransitionError(ConflictError):
    """The lifecycle has no step from the current state for this event."""

    code = "illegal_transition"


class IdempotencyKeyReusedError(ConflictError):
    """An Idempotency-Key came a second time with a different request."""

    code = "idempotency_key_reused"


class AccessDeniedError(AbTestError):
    """The caller's role does not allow the operation."""

    code = "access_denied"


class BudgetExceededError(AbTestError):
    """The budget does not cover what was asked."""

    code = "budget_exceeded"


class ProviderError(AbTestError):
    """A provider as a whole cannot serve; one bad answer is an outcome, not this."""

    code = "provider_error"


class ProviderUnavailableError(ProviderError):
    """No call of a batch got an answer: connection, time-out or server error each time."""

    code = "provider_unavailable"


class ProviderAuthError(ProviderError):
    """The provider refused the key."""

    code = "provider_auth"


class ProviderConfigurationError(ProviderError):
    """The provider's registration cannot work: unknown model, wrong base URL, missing secret."""

    code = "provider_configuration"


class RunError(AbTestError):
    """A run cannot go on."""

    code = "run_error"


class RunCancelledError(RunError):
    """Somebody asked the run to stop."""

    code = "run_cancelled"


class MessageUndeliverableError(RunError):
    """A queue message failed as often as its queue allows; no worker could process it."""

    code = "message_undeliverable"


class UnjudgeableError(AbTestError):
    """The judge cannot say anything about this sample, through no fault of the answer."""

    code = "unjudgeable"


class StoreError(AbTestError):
    """A store did not do what was asked."""

    code = "store_error"


class StoreThrottledError(StoreError):
    """The store asks to slow down; trying again later helps."""

    code = "store_throttled"
    retryable = True


class StoreUnavailableError(StoreError):
    """The store did not answer; trying again later helps."""

    code = "store_unavailable"
    retryable = True
