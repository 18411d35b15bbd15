"""Is the number in the answer the number of the reference?

Measures: equality of two numbers within a tolerance, compared as decimals, so that 0.1 + 0.2 is 0.3. It reads
`18`, `-1.5`, `.5`, `1,234,567.89`, `$20`, `-$20`, `1e-3`, `50%`; a full stop that ends a sentence is not part of the
number. Digits glued to a letter before them (`H2O`, `GPT4`) are not a number. With a list of accepted numbers one of
them must be met.

`units: ignore` reads the number alone (`18kg` is 18); `same` asks for the reference's unit too; `convert` takes any
unit of the same kind, so that `5,000 m` is `5 km`. Currencies are never converted. A reference without a unit has that
of the option `unit`; an answer without one is wrong.

`percent: ignore` takes `50%` as 50; `percent: divide` takes it as 0.5, on both sides.

When it misleads: `last` takes the last number of the text, which may be a year, a step or a repeated question. `3/4`
is read as two numbers, 3 and 4; words ("seven", "2 million"), decimal commas (`1,5`), spaces as thousands separators
and numbers in parentheses as negatives are not understood. An answer without a number is wrong, not missing.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer
from abtest.evaluation.quantities import Quantity, number_in, quantity_in
from abtest.evaluation.text import reference_texts, shown
from abtest.evaluation.units import unit_named

N = TypeVar("N")
Tolerance = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Parameters(JudgeParameters):
    """Options of `numeric_match`."""

    extract: Literal["last", "first", "whole"] = Field(
        default="last", description="Which number of the text counts; `whole`: the text must be one number."
    )
    tolerance_abs: Tolerance = Field(default=Decimal(0), description="Allowed distance, in the reference's own unit.")
    tolerance_rel: Tolerance = Field(default=Decimal(0), description="Allowed distance as a share of the reference.")
    percent: Literal["ignore", "divide"] = Field(default="ignore", description="Whether 50% is 50 or 0.5.")
    units: Literal["ignore", "same", "convert"] = Field(
        default="ignore",
        description="Whether units count: not, as the reference's, or as any of its kind.",
    )
    unit: str | None = Field(default=None, description="The unit of a reference that names none, such as km, % or $.")

    @field_validator("unit")
    @classmethod
    def _unit_is_known(cls, unit: str | None) -> str | None:
        if unit is not None and unit_named(unit) is None:
            raise ValueError("this unit is not known; use a symbol or an English name, such as km, mile, %, $, USD")
        return unit

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        if self.units == "ignore" and self.unit is not None:
            raise ValueError("`unit` says nothing while units are ignored; set `units` to same or convert")
        if self.units != "ignore" and self.percent != "ignore":
            raise ValueError("where units count, % is a unit like others; leave `percent` out")
        return self


def _accepted(read: Callable[[str, str], N]) -> Callable[[Sample], tuple[N, ...]]:
    """Return what reads a sample's accepted numbers, once for the answers of all variants to it."""

    @lru_cache(maxsize=1)
    def all_of(sample_id: str, texts: tuple[str, ...]) -> tuple[N, ...]:
        return tuple(read(sample_id, text) for text in texts)

    def accepted(sample: Sample) -> tuple[N, ...]:
        items = sample.reference if isinstance(sample.reference, list) else [sample.reference]
        if any(isinstance(item, bool) for item in items):
            raise UnjudgeableError(f"the reference of the sample {sample.id!r} is a truth value, not a number")
        return all_of(sample.id, reference_texts(sample))

    return accepted


def _no_number(sample_id: str, text: str) -> UnjudgeableError:
    return UnjudgeableError(f"the reference of the sample {sample_id!r} gives no number: {shown(text)}")


def _compile_numbers(parameters: Parameters) -> Scorer:
    def read(sample_id: str, text: str) -> Decimal:
        number = number_in(text, parameters.extract, parameters.percent)
        if number is None:
            raise _no_number(sample_id, text)
        return number

    def matches(given: Decimal, wanted: Decimal) -> bool:
        allowed = max(parameters.tolerance_abs, parameters.tolerance_rel * abs(wanted))
        return given == wanted or abs(given - wanted) <= allowed

    accepted_numbers = _accepted(read)

    def score(sample: Sample, answer: str) -> Score:
        accepted = accepted_numbers(sample)
        given = number_in(answer, parameters.extract, parameters.percent)
        if given is None:
            return Score(0.0, f"no number in {shown(answer)}")
        if any(matches(given, wanted) for wanted in accepted):
            return Score(1.0)
        return Score(0.0, f"{given} is not {' or '.join(map(str, accepted))}")

    return score


def _compile_quantities(parameters: Parameters) -> Scorer:
    default = unit_named(parameters.unit) if parameters.unit is not None else None
    tolerance_abs, tolerance_rel = Fraction(parameters.tolerance_abs), Fraction(parameters.tolerance_rel)

    def read(sample_id: str, text: str) -> Quantity:
        found = quantity_in(text, parameters.extract)
        if found is None:
            raise _no_number(sample_id, text)
        if found.unit is None and default is None:
            raise UnjudgeableError(
                f"the reference of the sample {sample_id!r} names no unit that is known: {shown(text)}; "
                "write it there, or say it in the option `unit`"
            )
        return found if found.unit is not None else Quantity(found.value, default)

    def matches(given: Quantity, wanted: Quantity) -> bool:
        if wanted.unit is None or (parameters.units == "same" and given.unit != wanted.unit):
            return False
        value = given.value_in(wanted.unit)
        exact = Fraction(wanted.value)
        return value is not None and abs(value - exact) <= max(tolerance_abs, tolerance_rel * abs(exact))

    accepted_quantities = _accepted(read)

    def score(sample: Sample, answer: str) -> Score:
        accepted = accepted_quantities(sample)
        given = quantity_in(answer, parameters.extract)
        if given is None:
            return Score(0.0, f"no number in {shown(answer)}")
        if any(matches(given, wanted) for wanted in accepted):
            return Score(1.0)
        without = "" if given.unit else ", which has no unit that is known,"
        return Score(0.0, f"{given}{without} is not {' or '.join(map(str, accepted))}")

    return score


def _compile(parameters: Parameters) -> Scorer:
    return _compile_numbers(parameters) if parameters.units == "ignore" else _compile_quantities(parameters)


JUDGE = JudgeType(
    name="numeric_match",
    summary="1 when the number in the answer equals the reference within a tolerance.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
)
