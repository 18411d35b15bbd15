"""Options that judges which ask a model have in common, and the dimensions and models that come of them.

Depends on: pydantic, `abtest.contracts`, `abtest.evaluation.registry`. Used by: `abtest.evaluation.judges.rubric`,
`abtest.evaluation.judges.pairwise`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from abtest.contracts import definition
from abtest.contracts.definition import Name
from abtest.contracts.judging import AskedModel, ReferenceUse
from abtest.contracts.records import Document, Sample
from abtest.core.registry import nearest
from abtest.evaluation.asking.prompts import check_override
from abtest.evaluation.model import Dimension, JudgeParameters
from abtest.evaluation.registry import dimension_names, load_dimension

DimensionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
TemplateText = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
MOST_POINTS = 101
OVERALL = "overall"
"""Names the preference on the whole in a reply; no dimension may have this name."""
_REFERENCE_USE: Mapping[str, ReferenceUse] = {"if_present": "used", "never": "none", "required": "needed"}
WISHED_TEMPERATURE, WISHED_SEED, MAX_TOKENS = 0.0, 0, 1024


class DimensionOptions(JudgeParameters):
    """A dimension as a person writes it.

    Args:
        question: what the judge asks itself about an answer.
        scale: lowest and highest point.
        anchors: point to what an answer of that point is like.
        weight: in the overall score.
    """

    question: Text
    scale: tuple[int, int] = (1, 5)
    anchors: dict[int, Text] = Field(default_factory=dict)
    weight: float = Field(default=1.0, gt=0, le=1_000)

    @field_validator("scale")
    @classmethod
    def _scale_has_points(cls, scale: tuple[int, int]) -> tuple[int, int]:
        low, high = scale
        if low == high:
            raise ValueError(f"a scale of one point cannot tell answers apart; write [{low}, {low + 4}], for example")
        if low > high:
            raise ValueError(f"the lowest point comes first: [{high}, {low}]")
        if high - low + 1 > MOST_POINTS:
            raise ValueError(f"a scale has at most {MOST_POINTS} points; this one has {high - low + 1:,}")
        return scale

    @model_validator(mode="after")
    def _anchors_fit(self) -> DimensionOptions:
        low, high = self.scale
        outside = sorted(point for point in self.anchors if not low <= point <= high)
        if outside:
            points = ", ".join(map(str, outside))
            raise ValueError(f"anchors outside the scale {low} to {high}: {points}")
        missing = [point for point in (low, high) if point not in self.anchors]
        if self.anchors and missing:
            points = " and ".join(map(str, missing))
            raise ValueError(f"say what an answer of {points} points is like: both ends of the scale need an anchor")
        return self


class AnchoredDimensionOptions(DimensionOptions):
    """A dimension that is scored, so that its scale must be told."""

    @model_validator(mode="after")
    def _has_anchors(self) -> AnchoredDimensionOptions:
        if not self.anchors:
            low, high = self.scale
            raise ValueError(
                f"the dimension has no anchors: say in `anchors` what an answer of {low} and one of {high} points is "
                "like, or the judge's points mean nothing"
            )
        return self


class AskParameters(JudgeParameters):
    """Sampling parameters of the judge's model; what is left out is the judge's own choice."""

    temperature: float | None = Field(default=WISHED_TEMPERATURE, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=MAX_TOKENS, ge=16, le=1_000_000)
    seed: int | None = Field(default=WISHED_SEED, ge=0, le=2**31 - 1)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None

    def sent(self) -> tuple[definition.Parameters, tuple[str, ...]]:
        """Return what is sent, and the names of what nobody wrote and may be left out."""
        wished = tuple(name for name in ("temperature", "seed") if name not in self.model_fields_set)
        return definition.Parameters(**self.model_dump()), wished


class FallbackModel(JudgeParameters):
    """A model that is asked when the provider of the judge's own cannot be reached."""

    provider: Name
    model: str = Field(min_length=1, max_length=200)


class TemplateOptions(JudgeParameters):
    """Texts that replace the built-in prompt; a part that is left out stays built in."""

    template: ClassVar[str] = ""

    system: TemplateText | None = None
    user: TemplateText | None = None

    @field_validator("system", "user")
    @classmethod
    def _part_works(cls, source: str | None, info: ValidationInfo) -> str | None:
        if source is not None and info.field_name is not None:
            check_override(cls.template, info.field_name, source)
        return source

    @model_validator(mode="after")
    def _has_a_part(self) -> TemplateOptions:
        if self.system is None and self.user is None:
            raise ValueError("a template has a part: system, user or both")
        return self


class PinnedOptions(JudgeParameters):
    """What the pinned examples of all judges have: one case whose verdict is known, asked again in every run."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    reference: Any = None
    documents: tuple[Document, ...] = Field(default=(), max_length=100)

    def sample(self, number: int) -> Sample:
        """Return the case as a sample named by its name, or its number from 1."""
        return Sample(
            id=self.name or str(number), inputs=self.inputs, reference=self.reference, documents=self.documents
        )


class AskingParameters(JudgeParameters):
    """Options of every judge that asks a model; a judge adds `dimensions`, `template` and `pinned_examples`."""

    provider: Name = Field(description="A registered provider.")
    model: str = Field(min_length=1, max_length=200, description="The provider's name of the model.")
    reference: Literal["if_present", "never", "required"] = Field(
        default="if_present", description="Whether the judge is shown the sample's reference."
    )
    repeats: int = Field(default=1, ge=1, le=10, description="How often each question is asked; scores are averaged.")
    parameters: AskParameters = Field(default=AskParameters(), description="Sampling parameters of the model.")
    structured_output: Literal["auto", "never"] = Field(
        default="auto", description="Whether the JSON schema of a reply is sent where the provider takes one."
    )
    fallbacks: tuple[FallbackModel, ...] = Field(
        default=(), max_length=5, description="Models that are asked in turn when the provider is given up."
    )

    @field_validator("fallbacks")
    @classmethod
    def _fallbacks_differ(cls, fallbacks: tuple[FallbackModel, ...]) -> tuple[FallbackModel, ...]:
        if len(set(fallbacks)) < len(fallbacks):
            raise ValueError("a fallback is named twice")
        return fallbacks

    def models(self) -> tuple[AskedModel, ...]:
        """Return whom the judge asks: its own model, then its fallbacks."""
        sent, wished = self.parameters.sent()
        asked = ((self.provider, self.model), *((other.provider, other.model) for other in self.fallbacks))
        return tuple(
            AskedModel(provider=provider, model=model, parameters=sent, wished=wished) for provider, model in asked
        )

    @property
    def reference_use(self) -> ReferenceUse:
        """What the judge does with a reference."""
        return _REFERENCE_USE[self.reference]


def with_built_in(value: Any) -> Any:
    """Return dimensions as they were written, as a mapping in which the built-in ones are filled in.

    Args:
        value: a list of names, or a mapping of a name to options; anything else is left to the validation.

    Raises:
        ValueError: it is one name alone, or a list that holds something else than names of built-in dimensions, or one
            twice.
    """
    known = dimension_names()
    if isinstance(value, str):
        raise ValueError(f"dimensions are a list, even one alone: [{value}]")
    if isinstance(value, list | tuple):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("a list of dimensions holds names; one with options is written as a mapping")
        unknown = [name for name in value if name not in known]
        if unknown:
            raise ValueError("; ".join(map(_unknown, unknown)))
        if len(set(value)) < len(value):
            raise ValueError("a dimension is named twice")
        value = {name: {} for name in value}
    if not isinstance(value, Mapping):
        return value
    return {name: _filled(name, options) if name in known else options for name, options in value.items()}


def _unknown(name: str) -> str:
    guess = nearest(name, dimension_names())
    hint = f"; did you mean {guess!r}?" if guess else ""
    return (
        f"no built-in dimension is called {name!r}{hint} Built in: {', '.join(dimension_names())}. One of your own is "
        "written as a mapping: its name to question, scale and anchors"
    )


def _filled(name: str, options: Any) -> Any:
    """Return the options of a built-in dimension, those that were written before its own."""
    if options is None:
        options = {}
    if not isinstance(options, Mapping):
        return options
    built_in = load_dimension(name)
    own: dict[str, Any] = {"question": built_in.question, "scale": built_in.scale}
    # Other points need other anchors: those of the built-in scale would not fit.
    anchors = {} if "scale" in options else {"anchors": dict(built_in.anchors)}
    return {**own, **anchors, **options}


def dimensions_from(options: Mapping[str, DimensionOptions]) -> tuple[Dimension, ...]:
    """Return checked options as dimensions, in the order they were written."""
    return tuple(
        Dimension(
            name=name,
            question=one.question,
            anchors=dict(sorted(one.anchors.items())),
            scale=one.scale,
            weight=one.weight,
            reads=load_dimension(name).reads if name in dimension_names() else (),
        )
        for name, one in options.items()
    )


def check_names(names: Sequence[str]) -> None:
    """Return when dimensions can have these names.

    Raises:
        ValueError: a name would be taken for another thing.
    """
    if OVERALL in names:
        raise ValueError(f"the name {OVERALL!r} is taken: it is what the judge says on the whole")


def check_examples(examples: Sequence[PinnedOptions]) -> None:
    """Return when each pinned example has a name of its own.

    Raises:
        ValueError: two have one name; one without a name is called by its number.
    """
    names = [one.name or str(number) for number, one in enumerate(examples, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two pinned examples are called {', '.join(map(repr, twice))}; give each a name of its own")
