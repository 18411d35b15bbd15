"""What judging speaks of: a judge's configuration, its type, the score it gives.

Depends on: pydantic, `abtest.contracts`, `abtest.core`. Used by: `abtest.evaluation.*`, the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.judging import AskedModel, JudgeFacts, JudgeKind
from abtest.contracts.records import Identifier, ModelResponse, Order, PinnedVerdict, Sample, Verdict
from abtest.core.errors import InputIssue


class JudgeParameters(BaseModel):
    """The options of one judge type: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class JudgeConfiguration(BaseModel):
    """One judge of a test.

    Args:
        name: its name in the test, which is also the metric's name.
        type: which judge it is: a module name in `abtest.evaluation.judges`.
        parameters: its options as they were written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Identifier
    type: str
    parameters: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """What a judge gives one answer.

    Args:
        score: on the judge's scale; 0.0 or 1.0 for a binary judge.
        reason: one short sentence for a person; None when the score says it all.
    """

    score: float
    reason: str | None = None


Scorer = Callable[[Sample, str], Score]
"""A compiled judge: sample and answer in, score out. Raises `UnjudgeableError` when it cannot say."""


@dataclass(frozen=True)
class ResponseScorer:
    """A compiled judge that reads what the call took, besides the answer: tokens, latency, cost.

    Args:
        score: as `Scorer`, with the response the answer comes from as the third argument. The answer of a refused or
            filtered response is empty here too; its usage, latency and cost are what they were.
    """

    score: Callable[[Sample, str, ModelResponse], Score]


P = TypeVar("P", bound=JudgeParameters)


@dataclass(frozen=True)
class Dimension:
    """One thing that a judge which asks a model looks at.

    Args:
        name: as the metric `JUDGE.DIMENSION` has it.
        question: what the judge asks itself about an answer.
        anchors: point of the scale to what an answer of that point is like; the scale's ends at least, in order.
        scale: lowest and highest point; every whole number between is a point.
        weight: in the overall score, relative to the judge's other dimensions.
        reads: what of a sample it needs besides the question and the answer.
    """

    name: str
    question: str
    anchors: Mapping[int, str]
    scale: tuple[int, int] = (1, 5)
    weight: float = 1.0
    reads: tuple[Literal["reference", "documents"], ...] = ()


@dataclass(frozen=True)
class JudgeType(Generic[P]):
    """One kind of judge, as its module exports it under the name `JUDGE`.

    Args:
        name: the wire name (`type` in a test definition), equal to the module's name.
        summary: one sentence for a person who chooses a judge.
        Parameters: the pydantic model of its options.
        compile: makes a scorer from checked options, once a batch.
        needs_reference: whether these options make it read the sample's reference.
        binary: whether every score is 0 or 1.
        scale: lowest and highest score.
        facts: what is known of such a judge before it judges, from its name and options, where that is not what
            every judge in code has: one metric of its own name.
    """

    kind: ClassVar[JudgeKind] = "code"

    name: str
    summary: str
    Parameters: type[P]
    compile: Callable[[P], Scorer | ResponseScorer]
    needs_reference: Callable[[P], bool]
    binary: bool = True
    scale: tuple[float, float] = (0.0, 1.0)
    facts: Callable[[str, P], JudgeFacts] | None = None


def verdict_of(passed: bool, reason: str) -> Score:
    """Return the score of a binary judge: 1 without a reason, or 0 with one."""
    return Score(1.0) if passed else Score(0.0, reason)


Reply = tuple[int, ModelResponse]
"""Which of a judge's models was asked (0 is its own, then its fallbacks), and what became of the call."""


@dataclass(frozen=True, slots=True)
class Question:
    """One call to be made of a judge's model.

    Args:
        id: unique among the judge's questions on a batch, and the same whenever the batch is judged again.
        sample_id: whose answers are judged; of a pinned example its name.
        variant: whose answer is judged; of a pair the treatment.
        against: of a pair the control.
        order: which answer is shown first; None where one is shown.
        repeat: from 0.
        messages: the rendered prompt as (role, text), the system message first.
    """

    id: str
    sample_id: str
    variant: str
    against: str | None
    order: Order | None
    repeat: int
    messages: tuple[tuple[Literal["system", "user", "assistant"], str], ...] = field(repr=False)


class ModelJudge(Protocol):
    """A compiled judge that asks a model; pure, it makes questions and reads replies."""

    @property
    def name(self) -> str:
        """Its name in the test."""
        ...

    @property
    def version(self) -> str:
        """See `JudgeFacts.version`."""
        ...

    @property
    def models(self) -> tuple[AskedModel, ...]:
        """Whom it asks: its own model, then its fallbacks."""
        ...

    @property
    def output_schema(self) -> dict[str, Any]:
        """The JSON schema of one answer, for providers that take one."""
        ...

    @property
    def structured(self) -> bool:
        """Whether the schema may be sent."""
        ...

    def questions(
        self,
        samples: Sequence[Sample],
        responses: Mapping[str, Sequence[ModelResponse]],
        *,
        control: str,
        only: Container[tuple[str, str]] | None = None,
    ) -> list[Question]:
        """Return all that must be asked about a batch; nothing about an answer that failed or is absent.

        Args:
            samples: the batch.
            responses: variant to its responses, in any order.
            control: of a pair one side.
            only: (sample, variant) that are to be judged; None judges all.
        """
        ...

    def repairs(self, questions: Sequence[Question], replies: Mapping[str, Reply]) -> list[Question]:
        """Return one second question for each reply that cannot be read.

        Args:
            questions: that were asked.
            replies: by the question's id.
        """
        ...

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
        """Return one verdict for each sample and judged variant, whatever the replies are.

        Args:
            questions: of `questions`, without repairs.
            replies: by the question's id, those to repairs among them.
        """
        ...

    def pinned_questions(self) -> list[Question]:
        """Return what is asked about the pinned examples, by which drift of the judge is seen; none where none are."""
        ...

    def pinned_verdicts(self, questions: Sequence[Question], replies: Mapping[str, Reply]) -> list[PinnedVerdict]:
        """Return what the judge says of its pinned examples beside what is expected."""
        ...


@dataclass(frozen=True)
class ModelJudgeType(Generic[P]):
    """One kind of judge that asks a model, as its module exports it under the name `JUDGE`.

    Args:
        name: the wire name, equal to the module's name.
        summary: one sentence for a person who chooses a judge.
        Parameters: the pydantic model of its options.
        facts: what is known of such a judge before it judges, from its name and options.
        compile: makes the judge from its name and options, once a batch.
        dimensions: what it looks at, from its options.
    """

    kind: ClassVar[JudgeKind] = "model"

    name: str
    summary: str
    Parameters: type[P]
    facts: Callable[[str, P], JudgeFacts]
    compile: Callable[[str, P], ModelJudge]
    dimensions: Callable[[P], tuple[Dimension, ...]]


@dataclass(frozen=True)
class PanelType(Generic[P]):
    """One kind of judge that joins the scores of others, as its module exports it under the name `JUDGE`.

    Args:
        name: the wire name, equal to the module's name.
        summary: one sentence for a person who chooses a judge.
        Parameters: the pydantic model of its options.
        facts: what is known of such a panel, from its name, its options and the facts of the judges it names.
        issues: what is wrong between its options and the judges it names; paths are the panel's options.
    """

    kind: ClassVar[JudgeKind] = "panel"

    name: str
    summary: str
    Parameters: type[P]
    facts: Callable[[str, P, Mapping[str, JudgeFacts]], JudgeFacts]
    issues: Callable[[P, Mapping[str, JudgeFacts]], list[InputIssue]]


AnyJudgeType = JudgeType[Any] | ModelJudgeType[Any] | PanelType[Any]
"""What a module of `abtest.evaluation.judges` exports."""
