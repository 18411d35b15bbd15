"""A step that fails leaves its reason where FailRun finds it.

The name and cause that Step Functions catches are not enough: an engine may give every exception one name, and a
failed child of a Map gives none to its parent.

Depends on: management. Used by: the functions of the steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from abtest.contracts.steps import RunInput
from abtest.core.errors import AbTestError, RunCancelledError
from abtest.management.endings import explained
from abtest.management.ports import RunStore


@contextlib.contextmanager
def reason_kept(runs: RunStore, step: RunInput) -> Iterator[None]:
    """Put up the run's stop sign with the reason when the step inside fails; the failure goes on.

    A retryable failure is left to the step's retries.
    """
    try:
        yield
    except AbTestError as error:
        if not error.retryable and not isinstance(error, RunCancelledError):
            runs.stop(step.workspace, step.run_id, "failed", explained(error))
        raise
