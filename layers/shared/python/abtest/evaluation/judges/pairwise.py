"""Which answer is better, the control's or the treatment's, asked of a model?

Measures: the treatment's share of the preference: 1 where a model prefers its answer, 0 where it prefers the control's,
0.5 for a tie; averaged over both orders in which the two can be shown, and over repeats. With several dimensions the
preference on the whole is asked for by itself, after them.

When it misleads: models prefer what is shown first (or second) more often than they should; with both orders this costs
calls and cancels out, with one it does not. They like long answers and those of their own family. A preference says
nothing about whether either answer is good.

Source: L. Zheng and others, Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena, NeurIPS 2023 (position bias, both
orders). P. Wang and others, Large Language Models are not Fair Evaluators, ACL 2024 (averaging over the orders).

Depends on: `abtest.evaluation.asking`. Used by: the registry, by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from abtest.contracts.judging import JudgeFacts, MetricFacts
from abtest.contracts.records import ModelResponse, Order, Sample, Vote
from abtest.evaluation.asking.instrument import Instrument, facts_of, reply_schema
from abtest.evaluation.asking.judge import AskingJudge, Case, PinnedCase
from abtest.evaluation.asking.options import (
    OVERALL,
    AskingParameters,
    DimensionName,
    DimensionOptions,
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
from abtest.evaluation.parsing import Part, Value, one_of, read_reply
from abtest.evaluation.response_facts import answer_text, shortened, why_missing

_ORDERS: tuple[Order, Order] = ("control_first", "treatment_first")
_TIE = "tie"
_EXPECTED = {"first": 0.0, "second": 1.0, _TIE: 0.5}


class PairwiseTemplate(TemplateOptions):
    """Texts that replace the prompt of `pairwise`."""

    template: ClassVar[str] = "pairwise"


class PinnedPair(PinnedOptions):
    """Two answers of which it is known which one is better."""

    first: str = Field(max_length=200_000)
    second: str = Field(max_length=200_000)
    preference: Literal["first", "second", "tie"]


class Parameters(AskingParameters):
    """Options of `pairwise`."""

    dimensions: Annotated[dict[DimensionName, DimensionOptions], BeforeValidator(with_built_in)] = Field(
        min_length=1, max_length=20, description="What is looked at: names of built-in ones, or your own."
    )
    orders: Literal["both", "random"] = Field(
        default="both", description="Whether a pair is asked about in both orders, or in one that is drawn for it."
    )
    ties: bool = Field(default=True, description="Whether the judge may say that neither is better.")
    template: PairwiseTemplate | None = Field(default=None, description="Texts that replace the built-in prompt.")
    pinned_examples: tuple[PinnedPair, ...] = Field(
        default=(), max_length=50, description="Pairs with known preferences, asked in every run: they show a drift."
    )

    @field_validator("dimensions")
    @classmethod
    def _dimensions_have_no_weight(cls, dimensions: dict[str, DimensionOptions]) -> dict[str, DimensionOptions]:
        check_names(list(dimensions))
        weighted = [name for name, one in dimensions.items() if one.weight != 1]
        if weighted:
            raise ValueError(
                f"the preference on the whole is asked for by itself, so that a weight ({', '.join(weighted)}) does "
                "nothing; leave it out, or make a judge of the type 'rubric'"
            )
        return dimensions

    @model_validator(mode="after")
    def _parts_fit(self) -> Parameters:
        check_examples(self.pinned_examples)
        _instrument(self).check()
        return self


@dataclass(frozen=True)
class PairwiseJudge(AskingJudge):
    """A judge that compares the control's answer with a treatment's."""

    names: tuple[str, ...]
    both_orders: bool
    preference: Value

    def cases(
        self, samples: Sequence[Sample], responses: Mapping[str, Mapping[str, ModelResponse]], control: str
    ) -> Iterable[Case]:
        """Return every treatment's answer to every sample beside the control's."""
        controls = responses.get(control, {})
        for sample in samples:
            first = controls.get(sample.id)
            for variant, rows in responses.items():
                if variant != control:
                    yield _pair(sample, variant, control, first, rows.get(sample.id))

    def settled(self, case: Case) -> tuple[float, str] | None:
        """Return a tie where neither answered anything."""
        return None if any(answer.strip() for answer in case.answers) else (0.5, "both responses are empty")

    def orders(self, case: Case, repeat: int) -> tuple[Order | None, ...]:
        """Return both orders, or the one drawn for the pair: repeats then take turns."""
        if self.both_orders:
            return _ORDERS
        drawn = hashlib.sha256(f"{case.sample.id}\n{case.variant}".encode("utf-8", "surrogatepass")).digest()[0]
        return (_ORDERS[(drawn + repeat) % 2],)

    def read(self, text: str, order: Order | None) -> Mapping[str, Part]:
        """Return the treatment's share of each preference."""
        parts = read_reply(text, self.names, "preference", self.preference)
        # What was read is the share of the response that was shown second.
        if order == "treatment_first":
            parts = {name: Part(1.0 - part.value, part.reason) for name, part in parts.items()}
        return {"" if name == OVERALL else name: part for name, part in parts.items()}

    def overall(self, scores: Sequence[float]) -> float:
        """Return the only preference: where there are several, one on the whole was asked for."""
        return mean_of(scores)

    def reason(self, votes: Sequence[Vote]) -> str | None:
        """Return the first reason with what its numbers stand for, and whether the orders disagree."""
        told = next((vote for vote in votes if vote.status == "scored" and vote.reason), None)
        if told is None:
            return None
        sides = {vote.score for vote in votes if vote.status == "scored"}
        doubt = "the preference changed with the order; " if {0.0, 1.0} <= sides else ""
        first = "control" if told.order == "control_first" else "treatment"
        return shortened(f"{doubt}with the {first} as Response 1: {told.reason}")


def _pair(
    sample: Sample, variant: str, control: str, first: ModelResponse | None, second: ModelResponse | None
) -> Case:
    answers = []
    for whose, response in ((control, first), (variant, second)):
        missing = why_missing(response)
        if response is None or missing is not None:
            return Case(sample, variant, control, (), f"{whose}: {missing}")
        answers.append(answer_text(response))
    return Case(sample, variant, control, tuple(answers))


def _dimensions(parameters: Parameters) -> tuple[Dimension, ...]:
    return dimensions_from(parameters.dimensions)


def _keys(dimensions: Sequence[Dimension]) -> tuple[str, ...]:
    """Return what a reply has a preference for."""
    names = tuple(one.name for one in dimensions)
    return names if len(names) == 1 else (*names, OVERALL)


def _choices(parameters: Parameters) -> dict[str, float]:
    return {"1": 0.0, "2": 1.0, **({_TIE: 0.5} if parameters.ties else {})}


def _instrument(parameters: Parameters) -> Instrument:
    dimensions = _dimensions(parameters)
    words = [f'"{word}"' for word in _choices(parameters)]
    preference = f"{', '.join(words[:-1])} or {words[-1]}"
    lines = [f'  "{key}": {{"reason": "...", "preference": {preference}}}' for key in _keys(dimensions)]
    return Instrument(
        type="pairwise",
        parameters=parameters,
        dimensions=dimensions,
        template=parameters.template,
        form="{\n" + ",\n".join(lines) + "\n}",
        what="preference",
        values={"dimensions": dimension_values(dimensions), "ties": parameters.ties},
        options={"orders": parameters.orders},
    )


def _facts(name: str, parameters: Parameters) -> JudgeFacts:
    dimensions = _dimensions(parameters)
    metrics = [MetricFacts(name=name)]
    if len(dimensions) > 1:
        metrics += [MetricFacts(name=f"{name}.{one.name}", dimension=one.name) for one in dimensions]
    orders = 2 if parameters.orders == "both" else 1
    return facts_of(name, _instrument(parameters), metrics, pairwise=True, calls_per_answer=orders * parameters.repeats)


def _compile(name: str, parameters: Parameters) -> PairwiseJudge:
    instrument = _instrument(parameters)
    keys = _keys(instrument.dimensions)
    choices = _choices(parameters)
    pinned = tuple(
        PinnedCase(Case(one.sample(number), "second", "first", (one.first, one.second)), _EXPECTED[one.preference])
        for number, one in enumerate(parameters.pinned_examples, start=1)
    )
    return PairwiseJudge(
        **instrument.common(name),
        output_schema=reply_schema(keys, "preference", {"type": "string", "enum": list(choices)}),
        pinned=pinned,
        names=keys,
        both_orders=parameters.orders == "both",
        preference=one_of(choices),
    )


JUDGE = ModelJudgeType(
    name="pairwise",
    summary="A model says which of two answers is better, the control's or a treatment's, in both orders.",
    Parameters=Parameters,
    facts=_facts,
    compile=_compile,
    dimensions=_dimensions,
)
