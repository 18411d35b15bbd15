"""Inputs and outputs of the lifecycle's steps, and the messages on the queues.

They carry keys and counts, never bodies: a state's payload is limited to 256 KB. The fields are named in
`statemachines/test_lifecycle.asl.json`; `tests/workflow` proves that both agree.

Depends on: `abtest.core`. Used by: management, the functions.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

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
    """The state between two looks. The ASL's choices read its fields, and its state Escalate lists all of them.

    Args:
        wave: index from 0.
        generate_manifest_key: S3 key of the JSONL manifest, a line for each batch x variant.
        judge_manifest_key: the same for batch x judge in code.
        ask_manifest_key: the same for batch x judge that asks a model.
        escalation_manifest_key: the same for judges that are asked only where a panel's members disagree.
        map_results_prefix: where Step Functions may write what the children returned; nothing reads it.
        answers: `copied` from the run that is judged anew; nothing is generated then.
        scored_by_code: there are judges in code.
        asks_judges: there are judges that ask a model about every answer or pair.
        escalation: `due` once the wave is judged; `none` where no judge waits for a disagreement.
        next: what the look decided; `first_wave` before any look.
    """

    wave: int = Field(ge=0)
    generate_manifest_key: str
    judge_manifest_key: str
    ask_manifest_key: str = ""
    escalation_manifest_key: str = ""
    map_results_prefix: str
    answers: Literal["asked", "copied"] = "asked"
    scored_by_code: bool = True
    asks_judges: bool = False
    escalation: Literal["none", "due", "done"] = "none"
    next: Next = "first_wave"

    @classmethod
    def of(
        cls,
        run: RunInput,
        wave: int,
        decided: Next = "first_wave",
        *,
        copied: bool = False,
        scored_by_code: bool = True,
        asks_judges: bool = False,
        escalates: bool = False,
    ) -> WaveState:
        """Return the state that leads into a wave.

        Args:
            run: names the run.
            wave: index from 0.
            decided: what led there.
            copied: the answers are there already.
            scored_by_code, asks_judges: as the fields.
            escalates: there are judges that wait for a disagreement.
        """
        workspace, run_id = run.workspace, run.run_id
        return cls(
            workspace=workspace,
            run_id=run_id,
            wave=wave,
            generate_manifest_key=object_keys.generate_manifest(workspace, run_id, wave),
            judge_manifest_key=object_keys.judge_manifest(workspace, run_id, wave),
            ask_manifest_key=object_keys.ask_manifest(workspace, run_id, wave),
            escalation_manifest_key=object_keys.escalation_manifest(workspace, run_id, wave),
            map_results_prefix=object_keys.map_results(workspace, run_id, wave),
            answers="copied" if copied else "asked",
            scored_by_code=scored_by_code,
            asks_judges=asks_judges,
            escalation="due" if escalates else "none",
            next=decided,
        )

    def next_wave(self) -> WaveState:
        """Return the state that leads into the wave after this one."""
        return WaveState.of(
            self,
            self.wave + 1,
            "next_wave",
            copied=self.answers == "copied",
            scored_by_code=self.scored_by_code,
            asks_judges=self.asks_judges,
            escalates=self.escalation != "none",
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
        return self.key_of(self.wave, self.variant, self.batch)

    @staticmethod
    def key_of(wave: int, variant: str, batch: int) -> str:
        """Return the name of a batch in its run's progress."""
        return f"G#{wave}#{variant}#{batch}"


class JudgeItem(RunInput):
    """One line of the manifest of JudgeResponses: one batch x one judge in code.

    Args:
        size: number of verdicts; of a judge that waits for disagreements the most there can be.
    """

    wave: int
    batch: int
    judge: str
    size: int

    @property
    def progress_key(self) -> str:
        """Names the batch in the run's progress."""
        return f"J#{self.wave}#{self.judge}#{self.batch}"


class AskItem(JudgeItem):
    """One line of the manifest of AskJudges: one batch x one judge that asks a model.

    Args:
        vendor: names the queue; `queue_url` is that queue's address.
        fallback: which of the judge's models is asked; 0 is its own.
        panels: it judges only where the members of these panels disagree; empty judges everything.
    """

    vendor: str
    queue_url: str
    fallback: int = 0
    panels: tuple[str, ...] = ()


class BatchMessage(Step):
    """What a worker finds on its queue, whatever is to be asked.

    Args:
        task_token: hands the result back to the waiting execution.
        deferrals: how often a worker put the message back without failing.
        waiting_since_s: epoch seconds since which no call of the batch was answered, because its provider is down or
            refuses every one; None while it is not waited for.
        failed: rows of samples that failed for good before the batch was put back; they are not asked again.
        attempts: earlier attempts of samples without a row, by sample; so every attempt stands in the row in the end.
    """

    task_token: str
    deferrals: int = 0
    waiting_since_s: float | None = None
    failed: tuple[ModelResponse, ...] = ()
    attempts: dict[str, tuple[Attempt, ...]] = Field(default_factory=dict)


class GenerateMessage(BatchMessage):
    """One batch x one variant to be answered."""

    batch: GenerateItem


class JudgeMessage(BatchMessage):
    """One batch x one judge that asks a model; its rows are named by questions in place of samples."""

    batch: AskItem


QueuedMessage = GenerateMessage | JudgeMessage
"""All that is on the vendors' queues."""
_MESSAGE: TypeAdapter[QueuedMessage] = TypeAdapter(QueuedMessage)


def queued_message(body: str) -> QueuedMessage:
    """Return the message of a queue's record.

    Raises:
        ValidationError: it is not one of ours.
    """
    return _MESSAGE.validate_json(body)


class GenerateResult(Step):
    """What a worker reports: counts only."""

    responses: int
    failed: int
    from_ledger: int


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
