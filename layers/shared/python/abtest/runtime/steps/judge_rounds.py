"""Asks a judge's questions in rounds: all that is open, then once more what could not be read, then pinned examples.

Depends on: providers, the judged batch. Used by: the step AskJudge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from abtest.contracts.records import ModelResponse
from abtest.contracts.steps import JudgeMessage
from abtest.evaluation.model import Question
from abtest.providers import registry
from abtest.providers.model import BatchResult, BatchSettings, ChatMessage, ModelRequest
from abtest.providers.ports import BatchPorts
from abtest.providers.registration import ModelProvider
from abtest.providers.service import Batch, answer_batch
from abtest.runtime.judge_parameters import sendable
from abtest.runtime.steps.judged_batch import JudgedBatch

_Rows = tuple[ModelResponse, ...]


@dataclass(frozen=True)
class Round:
    """Some questions that are asked together.

    Args:
        questions: from what was said in the rounds before.
        asker: stands in the rows in the place of a variant's name.
        settings: of the ledger.
        ports: what is outside.
    """

    questions: Callable[[_Rows], Sequence[Question]]
    asker: str
    settings: BatchSettings
    ports: BatchPorts


@dataclass(frozen=True)
class JudgeRounds:
    """The questions of one batch and where they go.

    Args:
        batch: what is asked.
        provider: of the model that is asked.
        api_key: None when the provider needs none.
        message: knows what earlier passes came to.
    """

    batch: JudgedBatch
    provider: ModelProvider
    api_key: str | None = field(repr=False)
    message: JudgeMessage

    async def ask(self, ports: BatchPorts, settings: BatchSettings) -> BatchResult:
        """Return what became of all rounds, as of one batch; a round that ended early is the last one.

        Args:
            ports: what is outside; the first round tells of its progress.
            settings: cache mode and scope; pinned examples are asked anew in every run.
        """
        result = BatchResult(())
        for one in self._rounds(ports, settings):
            requests = self._requests(one.questions(result.responses), one.asker)
            if not requests:
                continue
            answered = sum(row.outcome != "failed" for row in result.responses)
            latest = await answer_batch(self._batch_of(requests, one.asker, answered), one.ports, one.settings)
            result = _joined(result, latest)
            if latest.fatal is not None or latest.stopped in ("cancelled", "deadline", "deferred"):
                break
        return result

    def _rounds(self, ports: BatchPorts, settings: BatchSettings) -> tuple[Round, ...]:
        batch, silent = self.batch, replace(ports, on_progress=None)
        anew = replace(settings, cache="off")
        return (
            Round(batch.unasked, batch.asker, settings, ports),
            Round(batch.repairs, batch.asker, settings, silent),
            Round(lambda _rows: batch.pinned, batch.asker_of_pinned, anew, silent),
            Round(batch.pinned_repairs, batch.asker_of_pinned, anew, silent),
        )

    def _batch_of(self, requests: Sequence[ModelRequest], asker: str, answered: int) -> Batch:
        return Batch(
            provider=self.provider,
            requests=requests,
            codec=registry.codec_of(self.provider.vendor),
            api_key=self.api_key,
            failed=[row for row in self.message.failed if row.variant == asker],
            attempts=self.message.attempts,
            answered=answered,
        )

    def _requests(self, questions: Sequence[Question], asker: str) -> list[ModelRequest]:
        if not questions:
            return []
        parameters = sendable(self.batch.judge, self.batch.asked, self.provider).parameters
        return [
            ModelRequest(
                provider=self.provider.id,
                vendor=self.provider.vendor,
                model=self.batch.asked.model,
                messages=tuple(ChatMessage(role=role, content=text) for role, text in question.messages),
                parameters=parameters,
                sample_id=question.id,
                variant=asker,
                repeat_index=question.repeat,
            )
            for question in questions
        ]


def _joined(before: BatchResult, latest: BatchResult) -> BatchResult:
    """Return two rounds as one: the end is the latest one's."""
    return replace(
        latest,
        responses=(*before.responses, *latest.responses),
        stopped=latest.stopped or before.stopped,
        answered_now=before.answered_now + latest.answered_now,
        attempts_now=before.attempts_now + latest.attempts_now,
        if_given_up=(*before.responses, *latest.if_given_up) if latest.if_given_up else (),
    )
