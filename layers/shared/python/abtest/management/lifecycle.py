"""The lifecycle of a test: one table, and nothing else decides what may follow what.

```
DRAFT --validate--> READY --start--> RUNNING --complete--> COMPLETED
                                        |-----fail------> FAILED
                                        `----cancel-----> CANCELLED      (each of the three --start--> RUNNING again)
```

Depends on: `abtest.core`. Used by: the management services; stores make every write conditional on the state.
"""

from __future__ import annotations

from typing import Literal

from abtest.core.errors import IllegalTransitionError
from abtest.management.model import TestStatus

Event = Literal["validate", "start", "complete", "fail", "cancel"]

TRANSITIONS: dict[tuple[TestStatus, Event], TestStatus] = {
    (TestStatus.DRAFT, "validate"): TestStatus.READY,
    (TestStatus.READY, "start"): TestStatus.RUNNING,
    (TestStatus.COMPLETED, "start"): TestStatus.RUNNING,
    (TestStatus.FAILED, "start"): TestStatus.RUNNING,
    (TestStatus.CANCELLED, "start"): TestStatus.RUNNING,
    (TestStatus.RUNNING, "complete"): TestStatus.COMPLETED,
    (TestStatus.RUNNING, "fail"): TestStatus.FAILED,
    (TestStatus.RUNNING, "cancel"): TestStatus.CANCELLED,
}


def next_status(status: TestStatus, event: Event) -> TestStatus:
    """Return the state that follows.

    Raises:
        IllegalTransitionError: the table has no such step.
    """
    try:
        return TRANSITIONS[(status, event)]
    except KeyError:
        allowed = sorted(e for s, e in TRANSITIONS if s == status)
        if (status, event) == (TestStatus.RUNNING, "start"):
            raise IllegalTransitionError(
                "The test is RUNNING: it has a run that goes on, and one at a time is all it can have. Wait for its "
                "end (`abtest watch RUN`), or cancel it (`abtest cancel RUN`).",
                details={"status": status, "event": event, "allowed": allowed},
            ) from None
        raise IllegalTransitionError(
            f"A test that is {status} cannot {event}; from here it can: {', '.join(allowed) or 'nothing'}.",
            details={"status": status, "event": event, "allowed": allowed},
        ) from None


def states_before(event: Event) -> tuple[TestStatus, ...]:
    """Return the states from which an event may happen."""
    return tuple(sorted(state for state, known in TRANSITIONS if known == event))
