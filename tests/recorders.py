"""Small parts that stand where AWS does, and remember what they were told."""

from __future__ import annotations

from dataclasses import dataclass, field

from abtest.contracts.steps import QueuedMessage, Step
from abtest.core.errors import StoreUnavailableError


@dataclass
class RecordedWorkflow:
    """A workflow that starts nothing; `broken` makes it unavailable."""

    broken: bool = False
    started: list[str] = field(default_factory=list)

    def execution_arn(self, run_id: str) -> str:
        return f"arn:aws:states:us-east-1:123456789012:execution:test_lifecycle:{run_id}"

    def start(self, *, run_id: str, workspace: str) -> str:
        if self.broken:
            raise StoreUnavailableError("Step Functions did not start the run: it is away.")
        if run_id not in self.started:
            self.started.append(run_id)
        return self.execution_arn(run_id)


@dataclass
class RecordedTasks:
    """Waiting executions; `waiting` False means that nobody waits any more."""

    waiting: bool = True
    succeeded: list[tuple[str, Step]] = field(default_factory=list)
    failed: list[tuple[str, str, str]] = field(default_factory=list)

    def succeed(self, task_token: str, result: Step) -> bool:
        self.succeeded.append((task_token, result))
        return self.waiting

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        self.failed.append((task_token, error, cause))
        return self.waiting


@dataclass
class RecordedQueue:
    """A queue that remembers what was put back and which messages are kept."""

    put: list[tuple[QueuedMessage, int]] = field(default_factory=list)
    kept: list[tuple[str, str, int]] = field(default_factory=list)

    def put_back(self, message: QueuedMessage, *, delay_s: int = 0) -> None:
        self.put.append((message, delay_s))

    def keep(self, queue_url: str, receipt_handle: str, lease_s: int) -> None:
        self.kept.append((queue_url, receipt_handle, lease_s))
