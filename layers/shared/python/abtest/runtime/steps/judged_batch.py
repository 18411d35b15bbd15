"""A batch as a judge that asks a model sees it: what is still to be asked of which of its models, what was said.

Depends on: evaluation. Used by: the step AskJudge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from abtest.contracts.judging import AskedModel
from abtest.contracts.records import JudgeCall, ModelResponse, PinnedVerdict, Sample, Verdict
from abtest.evaluation.model import ModelJudge, Question, Reply


@dataclass(frozen=True)
class JudgedBatch:
    """A batch and its judge.

    Args:
        responses: variant to its responses.
        control: of a pair one side.
        only: (sample, variant) that are judged; None judges all.
        fallback: which of the judge's models is asked now.
        earlier: what those before it have answered, by the question's id.
        with_pinned: the judge's pinned examples are asked about with this batch, by its own model: what a fallback
            says of them would show no drift.
    """

    judge: ModelJudge
    samples: Sequence[Sample]
    responses: Mapping[str, Sequence[ModelResponse]]
    control: str
    only: frozenset[tuple[str, str]] | None = None
    fallback: int = 0
    earlier: Mapping[str, Reply] = field(default_factory=dict)
    with_pinned: bool = False

    @property
    def asked(self) -> AskedModel:
        """The model that is asked."""
        return self.judge.models[self.fallback]

    @property
    def has_another(self) -> bool:
        """Whether there is a model to ask after this one."""
        return self.fallback + 1 < len(self.judge.models)

    @property
    def asker(self) -> str:
        """What stands in rows in the place of a variant's name."""
        return f"judge/{self.judge.name}"

    @property
    def asker_of_pinned(self) -> str:
        """The same in rows about pinned examples."""
        return f"{self.asker}/pinned"

    @cached_property
    def questions(self) -> list[Question]:
        """All that is to be asked about the batch, whoever is asked."""
        return self.judge.questions(self.samples, self.responses, control=self.control, only=self.only)

    @cached_property
    def pinned(self) -> list[Question]:
        """All that is to be asked about pinned examples."""
        return self.judge.pinned_questions() if self.with_pinned and not self.fallback else []

    def replies(self, rows: Iterable[ModelResponse]) -> dict[str, Reply]:
        """Return what was said about the batch, by the question's id."""
        return {**self.earlier, **_by_question(rows, self.asker, self.fallback)}

    def unasked(self, rows: Iterable[ModelResponse]) -> list[Question]:
        """Return the questions that no model has answered yet; of this one only its failures are known."""
        replies = self.replies(rows)
        return [question for question in self.questions if question.id not in replies]

    def repairs(self, rows: Iterable[ModelResponse]) -> list[Question]:
        """Return the second questions that no model has answered yet."""
        replies = self.replies(rows)
        return [one for one in self.judge.repairs(self.questions, replies) if one.id not in replies]

    def pinned_repairs(self, rows: Iterable[ModelResponse]) -> list[Question]:
        """Return the second questions about pinned examples."""
        return self.judge.repairs(self.pinned, _by_question(rows, self.asker_of_pinned, self.fallback))

    def share_answered(self, answered_now: int) -> float:
        """Return the share of the questions that is answered, from 0 to 1."""
        done = sum(question.id in self.earlier for question in self.questions) + answered_now
        return min(1.0, done / len(self.questions)) if self.questions else 1.0

    def answered(self, rows: Iterable[ModelResponse]) -> int:
        """Return how many of the questions these rows answer."""
        asked = {question.id for question in self.questions}
        return sum(row.variant == self.asker and row.sample_id in asked and row.outcome != "failed" for row in rows)

    def calls(self, rows: Iterable[ModelResponse]) -> list[JudgeCall]:
        """Return the calls that were made about the batch and the pinned examples, as they are kept."""
        own = (row for row in rows if row.variant in (self.asker, self.asker_of_pinned))
        return [JudgeCall(question=row.sample_id, fallback=self.fallback, response=row) for row in own]

    def verdicts(self, rows: Iterable[ModelResponse]) -> list[Verdict]:
        """Return the verdicts on the batch."""
        return self.judge.verdicts(
            self.samples, self.responses, self.questions, self.replies(rows), control=self.control, only=self.only
        )

    def pinned_verdicts(self, rows: Iterable[ModelResponse]) -> list[PinnedVerdict]:
        """Return the verdicts on pinned examples."""
        return self.judge.pinned_verdicts(self.pinned, _by_question(rows, self.asker_of_pinned, self.fallback))


def _by_question(rows: Iterable[ModelResponse], asker: str, fallback: int) -> dict[str, Reply]:
    return {row.sample_id: (fallback, row) for row in rows if row.variant == asker}
