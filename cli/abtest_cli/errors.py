"""What can go wrong at the command line itself, beside what the platform says.

```
AbTestError
├─ InvalidInputError
│  └─ UsageError            the command was used in a way that cannot work
├─ ApiUnreachableError      no answer from the API: connection, time-out, something else listens there
├─ ApiFailureError          the API answered that it failed
├─ SignInError              no valid sign-in, or the user pool refused
├─ RunNotCompletedError     a run ended as FAILED or CANCELLED
└─ ProviderCheckError       a provider was called and did not answer
```

Depends on: `abtest.core.errors`. Used by: every command.
"""

from __future__ import annotations

from abtest.core.errors import AbTestError, InvalidInputError


class UsageError(InvalidInputError):
    """The command was used in a way that cannot work."""

    code = "usage"


class ApiUnreachableError(AbTestError):
    """The API gave no usable answer."""

    code = "api_unreachable"


class ApiFailureError(AbTestError):
    """The API answered that it failed, through no fault of the request."""

    code = "api_failure"


class SignInError(AbTestError):
    """There is no valid sign-in, or the user pool refused it."""

    code = "sign_in"


class RunNotCompletedError(AbTestError):
    """A run ended without an analysis."""

    code = "run_not_completed"


class ProviderCheckError(AbTestError):
    """A provider was called for a check and did not answer."""

    code = "provider_check"
