"""Inputs and outputs of the lifecycle's steps, and the messages on the queues.

They carry keys and counts, never bodies: a state's payload is limited to 256 KB. The fields are named in
`statemachines/test_lifecycle.asl.json`; `tests/workflow` proves that both agree.

Depends on: `abtest.core`. Used by: management, the functions.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts import object_keys
from abtest.contracts.records import Attempt, ModelResponse

Next = Literal["first_wave", "next_wave", "finish"]
"""What a look decided; `first_wave` before any look."""


class Step(BaseModel):
    """A payload: immutable; fields it does not know are ignored, so that a deployment may add some mid-run."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RunInput(Step):
    """What starts an execution; every later payload repeats it."""

    workspace: str
    run_id: str


class WaveState(RunInput):
    """The state between two looks.

    Args:
        wave: index from 0.
        generate_manifest_key: S3 key of the JSONL manifest, a line for each batch x variant.
        judge_manifest_key: the same for batch x judge.
        map_results_prefix: where Step Functions may write what the children returned; nothing reads it.
        next: what the look decided; `first_wave` before any look.
    """

    wave: int = Field(ge=0)
    generate_manifest_key: str
    judge_manifest_key: str
    map_results_prefix: str
    next: Next = "first_wave"

    @classmethod
    def of(cls, run: RunInput, wave: int, decided: Next = "first_wave") -> WaveState:
        """Return the state that leads into a wave.

        Args:
            run: names the run.
            wave: index from 0.
            decided: what led there.
        """
        workspace, run_id = run.workspace, run.run_id
        return cls(
            workspace=workspace,
            run_id=run_id,
            wave=wave,
            generate_manifest_key=object_keys.generate_manifest(workspace, run_id, wave),
            judge_manifest_key=object_keys.judge_manifest(workspace, run_id, wave),
            map_results_prefix=object_keys.map_results(workspace, run_id, wave),
            next=decided,
        )


class GenerateItem(RunInput):
    """One line of the manifest of GenerateResponses: one batch x one variant.

    Args:
        vendor: names the queue; `queue_url` is that queue's address.
        size: number of samples.
    """

    wave: int
    batch: int
    variant: str
    vendor: str
    queue_url: str
    size: int

    @property
    def progress_key(self) -> str:
        """Names the batch in the run's progress."""
        return f"G#{self.wave}#{self.variant}#{self.batch}"


class GenerateMessage(Step):
    """What the worker finds on its queue.

    Args:
        task_token: hands the result back to the waiting execution.
        deferrals: how often a worker put the message back without failing.
        waiting_since_s: epoch seconds since which no call of the batch was answered, because its provider is down or
            refuses every one; None while it is not waited for.
        failed: rows of samples that failed for good before the batch was put back; they are not asked again.
        attempts: earlier attempts of samples without a row, by sample; so every attempt stands in the row in the end.
    """

    task_token: str
    batch: GenerateItem
    deferrals: int = 0
    waiting_since_s: float | None = None
    failed: tuple[ModelResponse, ...] = ()
    attempts: dict[str, tuple[Attempt, ...]] = Field(default_factory=dict)


class GenerateResult(Step):
    """What a worker reports: counts only."""

    responses: int
    failed: int
    from_ledger: int


class JudgeItem(RunInput):
    """One line of the manifest of JudgeResponses: one batch x one judge."""

    wave: int
    batch: int
    judge: str
    size: int


class JudgeResult(Step):
    """What a judge step reports: counts only."""

    verdicts: int
    not_scored: int


class FailedState(RunInput):
    """What FailRun gets: the state so far and what was caught.

    Args:
        failure: `Error` and `Cause` as Step Functions gives them; None when a choice led here.
    """

    failure: dict[str, Any] | None = None


class FinalState(RunInput):
    """What ends a run."""

    status: Literal["COMPLETED", "FAILED", "CANCELLED"]
