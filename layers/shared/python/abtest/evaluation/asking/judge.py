"""What every judge that asks a model does: which questions, which repairs, which verdicts; a judge adds what differs.

Depends on: `abtest.contracts`, `abtest.evaluation.asking`. Used by: `abtest.evaluation.judges.rubric`,
`abtest.evaluation.judges.pairwise`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from abtest.contracts.judging import AskedModel
from abtest.contracts.records import ModelResponse, Order, PinnedVerdict, Sample, Verdict, Vote
from abtest.core.errors import InvalidInputError
from abtest.evaluation.asking.prompts import Messages, Prompts
from abtest.evaluation.asking.votes import REPAIR, averaged, can_be_repaired, reading, status_of, use_of, vote_of
from abtest.evaluation.model import Question, Reply
from abtest.evaluation.parsing import Part, UnreadableError
from abtest.evaluation.response_facts import shortened

PINNED = "/pinned"
"""Ends the name of a question about a pinned example."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to be judged: an answer, or a pair of answers.

    Args:
        sample: that was answered.
        variant: whose answer is judged; of a pair the treatment.
        against: of a pair the control.
        answers: one, or the control's and the treatment's; none where one is missing.
        missing: why there is nothing to judge; None where there is something.
    """

    sample: Sample
    variant: str
    against: str | None
    answers: tuple[str, ...] = field(default=(), repr=False)
    missing: str | None = None


@dataclass(frozen=True)
class PinnedCase:
    """A pinned example: a case whose score is known."""

    case: Case
    expected: float


@dataclass(frozen=True)
class AskingJudge(ABC):
    """A judge that asks a model; see `abtest.evaluation.model.ModelJudge`.

    Args:
        models: whom it asks.
        prompts: its prompts, compiled.
        repeats: how often each question is asked.
        needs_reference: a sample without a reference is not asked about.
        structured: whether the schema of a reply may be sent.
        output_schema: the JSON schema of one reply.
        pinned: its pinned examples.
        dimensions: names of what it looks at.
    """

    name: str
    version: str
    models: tuple[AskedModel, ...]
    prompts: Prompts
    repeats: int
    needs_reference: bool
    structured: bool
    output_schema: dict[str, Any]
    pinned: tuple[PinnedCase, ...]
    dimensions: tuple[str, ...]

    @abstractmethod
    def cases(
        self, samples: Sequence[Sample], responses: Mapping[str, Mapping[str, ModelResponse]], control: str
    ) -> Iterable[Case]:
        """Return what is judged of a batch; responses are given by variant and sample."""

    @abstractmethod
    def orders(self, case: Case, repeat: int) -> tuple[Order | None, ...]:
        """Return in which orders a question is asked."""

    @abstractmethod
    def read(self, text: str, order: Order | None) -> Mapping[str, Part]:
        """Return the scores of a reply by dimension, and under the empty name the overall score where one was asked.

        Raises:
            UnreadableError: the reply cannot be read.
        """

    @abstractmethod
    def overall(self, scores: Sequence[float]) -> float:
        """Return the overall score of the dimensions' scores, where none was asked."""

    def settled(self, case: Case) -> tuple[float, str] | None:
        """Return the score of a case that needs no model, with its reason; None where it is asked."""
        del case
        return None

    def questions(
        self,
        samples: Sequence[Sample],
        responses: Mapping[str, Sequence[ModelResponse]],
        *,
        control: str,
        only: Container[tuple[str, str]] | None = None,
    ) -> list[Question]:
        """Return all that must be asked about a batch."""
        return [
            question for case in self._wanted(samples, responses, control, only) for question in self._asked(case, "")
        ]

    def repairs(self, questions: Sequence[Question], replies: Mapping[str, Reply]) -> list[Question]:
        """Return one second question for each reply that cannot be read."""
        found = []
        for question in questions:
            reply = replies.get(question.id)
            if reply is None or not can_be_repaired(reply[1]):
                continue
            try:
                reading(reply[1], question.order, self.read)
            except UnreadableError as error:
                messages = self.prompts.repaired(question.messages, reply[1].text or "", str(error))
                found.append(replace(question, id=question.id + REPAIR, messages=messages))
        return found

    def verdicts(
        self,
        samples: Sequence[Sample],
        responses: Mapping[str, Sequence[ModelResponse]],
        questions: Sequence[Question],
        replies: Mapping[str, Reply],
        *,
        control: str,
        only: Container[tuple[str, str]] | None = None,
    ) -> list[Verdict]:
        """Return one verdict for each sample and judged variant, whatever the replies are."""
        asked: dict[tuple[str, str], list[Question]] = {}
        for question in questions:
            asked.setdefault((question.sample_id, question.variant), []).append(question)
        return [
            self._verdict(case, asked.get((case.sample.id, case.variant), ()), replies)
            for case in self._wanted(samples, responses, control, only)
        ]

    def pinned_questions(self) -> list[Question]:
        """Return what is asked about the pinned examples."""
        return [question for pinned in self.pinned for question in self._asked(pinned.case, PINNED)]

    def pinned_verdicts(self, questions: Sequence[Question], replies: Mapping[str, Reply]) -> list[PinnedVerdict]:
        """Return what the judge says of its pinned examples beside what is expected."""
        found = []
        for pinned in self.pinned:
            example = pinned.case.sample.id
            asked = [one for one in questions if one.sample_id == example and one.id.endswith(PINNED)]
            verdict = self._verdict(pinned.case, asked, replies)
            found.append(
                PinnedVerdict(
                    judge=self.name,
                    judge_version=self.version,
                    example=example,
                    status=verdict.status,
                    expected=pinned.expected,
                    score=verdict.score,
                )
            )
        return found

    def _wanted(
        self,
        samples: Sequence[Sample],
        responses: Mapping[str, Sequence[ModelResponse]],
        control: str,
        only: Container[tuple[str, str]] | None,
    ) -> Iterable[Case]:
        by_variant = {variant: {row.sample_id: row for row in rows} for variant, rows in responses.items()}
        for case in self.cases(samples, by_variant, control):
            if only is None or (case.sample.id, case.variant) in only:
                yield case

    def _asked(self, case: Case, ending: str) -> list[Question]:
        if case.missing is not None or self.settled(case) is not None or self._lacks_reference(case):
            return []
        texts = self.prompts.texts(case.sample)
        rendered: dict[Order | None, Messages] = {}
        found = []
        for repeat in range(self.repeats):
            for order in self.orders(case, repeat):
                if order not in rendered:
                    try:
                        rendered[order] = self.prompts.messages(texts, case.answers, _shown(order))
                    except InvalidInputError:
                        # The verdict says why; a template that one sample cannot fill must not take the batch with it.
                        return []
                found.append(
                    Question(
                        id=f"{case.sample.id}/{case.variant}/{order or 'alone'}/{repeat}{ending}",
                        sample_id=case.sample.id,
                        variant=case.variant,
                        against=case.against,
                        order=order,
                        repeat=repeat,
                        messages=rendered[order],
                    )
                )
        return found

    def _lacks_reference(self, case: Case) -> bool:
        return self.needs_reference and case.sample.reference is None

    def _verdict(self, case: Case, questions: Sequence[Question], replies: Mapping[str, Reply]) -> Verdict:
        if not questions:
            return self._unasked(case)
        votes = tuple(vote_of(question, replies, self.read, self.overall) for question in questions)
        status, reason = status_of(votes)
        score, dimensions = averaged(votes) if status == "scored" else (None, {})
        return Verdict(
            sample_id=case.sample.id,
            variant=case.variant,
            against=case.against,
            judge=self.name,
            judge_version=self.version,
            status=status,
            score=score,
            dimensions=dimensions,
            reason=self.reason(votes) if status == "scored" else reason,
            votes=votes,
            use=use_of(questions, replies),
        )

    def _unasked(self, case: Case) -> Verdict:
        """Return the verdict of a case that no question was made of."""
        settled = None if case.missing is not None else self.settled(case)
        score, reason = settled if settled is not None else (None, case.missing)
        several = self.dimensions if len(self.dimensions) > 1 else ()
        if reason is None:
            reason = self._why_impossible(case)
        return Verdict(
            sample_id=case.sample.id,
            variant=case.variant,
            against=case.against,
            judge=self.name,
            judge_version=self.version,
            status="scored" if settled is not None else "not_judged" if case.missing is not None else "invalid",
            score=score,
            dimensions=dict.fromkeys(several, score) if score is not None else {},
            reason=shortened(reason),
        )

    def _why_impossible(self, case: Case) -> str:
        if self._lacks_reference(case):
            return f"the sample {case.sample.id!r} has no reference; add one to the dataset"
        try:
            self.prompts.messages(self.prompts.texts(case.sample), case.answers, range(len(case.answers)))
        except InvalidInputError as error:
            return error.message
        return "the judge was not asked"

    def reason(self, votes: Sequence[Vote]) -> str | None:
        """Return why a verdict is what it is: the first reason that a valid vote has."""
        return next((vote.reason for vote in votes if vote.status == "scored" and vote.reason), None)


def _shown(order: Order | None) -> tuple[int, ...]:
    """Return the positions of the answers, one or the control's and the treatment's, as they are shown."""
    if order is None:
        return (0,)
    return (0, 1) if order == "control_first" else (1, 0)
