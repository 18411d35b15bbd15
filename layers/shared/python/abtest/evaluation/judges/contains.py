"""Does the answer contain certain texts?

Measures: whether the given values (or the sample's reference: a text or a list of texts) occur in the answer, any of
them, all of them, or none. `any_of`, `all_of` and `none_of` ask for several such lists at once: each must hold.

When it misleads: a long answer contains more by chance, and an answer that denies a text contains it too ("it is
not Paris"); with whole words off, `art` is found in `start`. It says nothing about what else the answer claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.text import composed, reference_texts, shown

Mode = Literal["any", "all", "none"]
Texts = tuple[Annotated[str, StringConstraints(min_length=1)], ...]


class Parameters(JudgeParameters):
    """Options of `contains`."""

    values: Texts | None = Field(
        default=None, description="What to look for; without it and without other lists, the sample's reference."
    )
    mode: Mode = Field(
        default="any", description="Whether one value (or reference) is enough, all must occur, or none may."
    )
    any_of: Texts | None = Field(default=None, description="Texts of which at least one must occur too.")
    all_of: Texts | None = Field(default=None, description="Texts that must all occur too.")
    none_of: Texts | None = Field(default=None, description="Texts of which none may occur.")
    case_sensitive: bool = Field(default=False, description="Whether `Paris` differs from `paris`.")
    whole_words: bool = Field(default=False, description="Whether a value must not touch other letters or digits.")

    @field_validator("values", "any_of", "all_of", "none_of")
    @classmethod
    def _something_to_find(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if values == ():
            raise ValueError("an empty list finds nothing; name at least one text, or leave the list out")
        return values

    @model_validator(mode="after")
    def _mode_has_values(self) -> Self:
        if "mode" in self.model_fields_set and self.values is None and self.lists():
            raise ValueError("`mode` belongs to `values`, and there are none; leave it out, or name `values`")
        return self

    def lists(self) -> list[tuple[Mode, tuple[str, ...]]]:
        """Return the lists that are given, each with how many of its texts must occur."""
        given: tuple[tuple[Mode, tuple[str, ...] | None], ...] = (
            (self.mode, self.values),
            ("any", self.any_of),
            ("all", self.all_of),
            ("none", self.none_of),
        )
        return [(mode, values) for mode, values in given if values is not None]


def _joins(character: str) -> bool:
    return character.isalnum() or character == "_"


def _has_word(text: str, value: str) -> bool:
    """Return whether a value stands in a text without a letter or digit on either side."""
    # Not a pattern: compiling one for every reference takes longer than looking for it.
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        if not (start and _joins(text[start - 1])) and not (end < len(text) and _joins(text[end])):
            return True
        start = text.find(value, start + 1)
    return False


def _fault(mode: Mode, values: Sequence[str], found: Sequence[bool]) -> str | None:
    """Return what is wrong with an answer in which some values were found, or None."""
    if mode == "none":
        present = [shown(value) for value, here in zip(values, found, strict=True) if here]
        return f"contains {', '.join(present)}" if present else None
    if all(found) or (mode == "any" and any(found)):
        return None
    missing = [shown(value) for value, here in zip(values, found, strict=True) if not here]
    return f"does not contain {', '.join(missing)}"


def _compile(parameters: Parameters) -> Scorer:
    def form(text: str) -> str:
        return composed(text) if parameters.case_sensitive else composed(text).casefold()

    def occurs(value: str, text: str) -> bool:
        return _has_word(text, value) if parameters.whole_words else value in text

    given = [(mode, values, [form(value) for value in values]) for mode, values in parameters.lists()]

    def score(sample: Sample, answer: str) -> Score:
        lists = given
        if not lists:
            values = reference_texts(sample)
            if not all(values):
                raise UnjudgeableError(
                    f"the reference of the sample {sample.id!r} is empty, which every answer contains"
                )
            lists = [(parameters.mode, values, [form(value) for value in values])]
        text = form(answer)
        faults = (_fault(mode, values, [occurs(value, text) for value in forms]) for mode, values, forms in lists)
        wrong = "; ".join(fault for fault in faults if fault)
        return verdict_of(not wrong, wrong)

    return score


JUDGE = JudgeType(
    name="contains",
    summary="1 when the answer contains any, all or none of the given texts, or of the reference.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda parameters: not parameters.lists(),
)
