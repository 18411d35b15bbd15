"""Jobs at the vendors' batch interfaces, in memory.

Depends on: providers. Used by: wiring without AWS.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from abtest.providers.batches.model import JobId, JobRequests, JobState


class MemoryBatchJobStore:
    """Implements `BatchJobStore`. What is kept is text, so that nothing is shared with the caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[JobId, str] = {}
        self._requests: dict[JobId, str] = {}

    def get(self, job: JobId) -> JobState | None:
        """Return how far a job is, or None when there is none."""
        with self._lock:
            text = self._states.get(job)
        return None if text is None else JobState.model_validate_json(text)

    def requests(self, job: JobId) -> JobRequests | None:
        """Return what a job is made of, or None when there is no such job."""
        with self._lock:
            text = self._requests.get(job)
        return None if text is None else JobRequests.model_validate_json(text)

    def write(self, state: JobState, requests: JobRequests | None = None) -> JobState | None:
        """Keep the state that follows on another; None when somebody else was faster."""
        after = state.model_copy(update={"number": state.number + 1})
        with self._lock:
            standing = self._states.get(state.id)
            number = 0 if standing is None else JobState.model_validate_json(standing).number
            if number != state.number:
                return None
            self._states[state.id] = after.model_dump_json()
            if requests is not None:
                self._requests[state.id] = requests.model_dump_json()
        return after

    def open(self) -> Sequence[JobState]:
        """Return the jobs that are not closed, of all runs."""
        return [state for state in self._all() if state.phase != "closed"]

    def of_run(self, workspace: str, run_id: str) -> Sequence[JobState]:
        """Return all jobs of a run."""
        return [state for state in self._all() if (state.id.workspace, state.id.run_id) == (workspace, run_id)]

    def _all(self) -> list[JobState]:
        with self._lock:
            texts = list(self._states.values())
        return [JobState.model_validate_json(text) for text in texts]
