"""How good is the answer, asked of a model, point by point?

Measures: what a model says of one answer on scales whose points are described (anchors), dimension by dimension, with
the reason before the score. The overall score is the weighted mean of the dimensions, on the same scale.

When it misleads: a model is a biased instrument. It tends to like long, confident and well laid out answers, answers of
its own family, and the upper half of the scale. It checks facts by its own memory where no reference or document is
given. Its points are not equal steps. Compare it with people's labels before a decision rests on it.

Source: L. Zheng and others, Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena, NeurIPS 2023 (single-answer
grading, reference-guided judging, verbosity and self-enhancement bias). Y. Liu and others, G-Eval, EMNLP 2023
(dimension by dimension, reasoning before the score).

Depends on: `abtest.evaluation.asking`. Used by: the registry, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from abtest.contracts.judging import JudgeFacts, MetricFacts
from abtest.contracts.records import ModelResponse, Order, Sample
from abtest.evaluation.asking.instrument import Instrument, facts_of, reply_schema
from abtest.evaluation.asking.judge import AskingJudge, Case, PinnedCase
from abtest.evaluation.asking.options import (
    AnchoredDimensionOptions,
    AskingParameters,
    DimensionName,
    PinnedOptions,
    TemplateOptions,
    check_examples,
    check_names,
    dimensions_from,
    with_built_in,
)
from abtest.evaluation.asking.prompts import dimension_values
from abtest.evaluation.asking.votes import mean_of
from abtest.evaluation.model import Dimension, ModelJudgeType
from abtest.evaluation.parsing import Part, Value, read_reply, score_on
from abtest.evaluation.response_facts import answer_text, why_missing

_MOST_CHOICES = 1_000
"""Of all scores together in one schema: the vendors take no more."""


class RubricTemplate(TemplateOptions):
    """Texts that replace the prompt of `rubric`."""

    template: ClassVar[str] = "rubric"


class PinnedAnswer(PinnedOptions):
    """An answer whose score is known."""

    answer: str = Field(max_length=200_000)
    score: float = Field(allow_inf_nan=False)


class Parameters(AskingParameters):
    """Options of `rubric`."""

    dimensions: Annotated[dict[DimensionName, AnchoredDimensionOptions], BeforeValidator(with_built_in)] = Field(
        min_length=1, max_length=20, description="What is looked at: names of built-in ones, or your own."
    )
    template: RubricTemplate | None = Field(default=None, description="Texts that replace the built-in prompt.")
    pinned_examples: tuple[PinnedAnswer, ...] = Field(
        default=(), max_length=50, description="Answers with known scores, asked in every run: they show a drift."
    )

    @field_validator("dimensions")
    @classmethod
    def _dimensions_share_a_scale(
        cls, dimensions: dict[str, AnchoredDimensionOptions]
    ) -> dict[str, AnchoredDimensionOptions]:
        check_names(list(dimensions))
        scales = {one.scale for one in dimensions.values()}
        if len(scales) > 1:
            told = ", ".join(f"{name} {one.scale[0]} to {one.scale[1]}" for name, one in dimensions.items())
            raise ValueError(f"all dimensions of one judge share one scale ({told}); make a judge of each scale")
        low, high = scales.pop()
        if (high - low + 1) * len(dimensions) > _MOST_CHOICES:
            raise ValueError(
                f"{len(dimensions)} dimensions of {high - low + 1} points are more than {_MOST_CHOICES:,} choices; "
                "take a coarser scale or fewer dimensions"
            )
        return dimensions

    @model_validator(mode="after")
    def _parts_fit(self) -> Parameters:
        low, high = next(iter(self.dimensions.values())).scale
        wrong = [one.score for one in self.pinned_examples if not low <= one.score <= high]
        if wrong:
            raise ValueError(f"a pinned example has the score {wrong[0]:g}, and the scale goes from {low} to {high}")
        check_examples(self.pinned_examples)
        _instrument(self).check()
        return self


@dataclass(frozen=True)
class RubricJudge(AskingJudge):
    """A judge that scores one answer."""

    weights: tuple[float, ...]
    score: Value

    def cases(
        self, samples: Sequence[Sample], responses: Mapping[str, Mapping[str, ModelResponse]], control: str
    ) -> Iterable[Case]:
        """Return every variant's answer to every sample."""
        del control
        for sample in samples:
            for variant, rows in responses.items():
                response = rows.get(sample.id)
                missing = why_missing(response)
                answers = () if response is None or missing is not None else (answer_text(response),)
                yield Case(sample, variant, None, answers, missing)

    def orders(self, case: Case, repeat: int) -> tuple[Order | None, ...]:
        """Return that one answer has no order."""
        del case, repeat
        return (None,)

    def read(self, text: str, order: Order | None) -> Mapping[str, Part]:
        """Return the score of each dimension."""
        del order
        return read_reply(text, self.dimensions, "score", self.score)

    def overall(self, scores: Sequence[float]) -> float:
        """Return the weighted mean of the dimensions' scores."""
        return mean_of(scores, self.weights)


def _dimensions(parameters: Parameters) -> tuple[Dimension, ...]:
    return dimensions_from(parameters.dimensions)


def _schema(dimensions: Sequence[Dimension]) -> dict[str, Any]:
    low, high = dimensions[0].scale
    points = {"type": "integer", "enum": list(range(low, high + 1))}
    return reply_schema([one.name for one in dimensions], "score", points)


def _instrument(parameters: Parameters) -> Instrument:
    dimensions = _dimensions(parameters)
    low, high = dimensions[0].scale
    lines = [f'  "{one.name}": {{"reason": "...", "score": a whole number from {low} to {high}}}' for one in dimensions]
    return Instrument(
        type="rubric",
        parameters=parameters,
        dimensions=dimensions,
        template=parameters.template,
        form="{\n" + ",\n".join(lines) + "\n}",
        what="score",
        values={"dimensions": dimension_values(dimensions), "scale": {"lowest": low, "highest": high}},
    )


def _facts(name: str, parameters: Parameters) -> JudgeFacts:
    dimensions = _dimensions(parameters)
    low, high = (float(end) for end in dimensions[0].scale)
    points = (low, high) == (0.0, 1.0) and parameters.repeats == 1
    metrics = [MetricFacts(name=name, binary=points and len(dimensions) == 1, scale=(low, high))]
    if len(dimensions) > 1:
        metrics += [
            MetricFacts(name=f"{name}.{one.name}", dimension=one.name, binary=points, scale=(low, high))
            for one in dimensions
        ]
    return facts_of(name, _instrument(parameters), metrics, pairwise=False, calls_per_answer=parameters.repeats)


def _compile(name: str, parameters: Parameters) -> RubricJudge:
    instrument = _instrument(parameters)
    dimensions = instrument.dimensions
    pinned = tuple(
        PinnedCase(Case(one.sample(number), "pinned", None, (one.answer,)), one.score)
        for number, one in enumerate(parameters.pinned_examples, start=1)
    )
    return RubricJudge(
        **instrument.common(name),
        output_schema=_schema(dimensions),
        pinned=pinned,
        weights=tuple(one.weight for one in dimensions),
        score=score_on(*dimensions[0].scale),
    )


JUDGE = ModelJudgeType(
    name="rubric",
    summary="A model grades each answer on described points, dimension by dimension, and says why first.",
    Parameters=Parameters,
    facts=_facts,
    compile=_compile,
    dimensions=_dimensions,
)
