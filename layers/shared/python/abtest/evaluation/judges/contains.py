"""Does the answer contain certain texts?

Measures: whether the given values (or the sample's reference: a text or a list of texts) occur in the answer,
any of them or all of them.

When it misleads: a long answer contains more by chance, and an answer that denies a text contains it too ("it is
not Paris"); with whole words off, `art` is found in `start`. It says nothing about what else the answer claims.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.text import composed, reference_texts, shown


class Parameters(JudgeParameters):
    """Options of `contains`."""

    values: tuple[Annotated[str, StringConstraints(min_length=1)], ...] | None = Field(
        default=None, description="What to look for; without it, the sample's reference."
    )
    mode: Literal["any", "all"] = Field(default="any", description="Whether one value is enough or all must occur.")
    case_sensitive: bool = Field(default=False, description="Whether `Paris` differs from `paris`.")
    whole_words: bool = Field(default=False, description="Whether a value must not touch other letters or digits.")

    @field_validator("values")
    @classmethod
    def _something_to_find(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if values == ():
            raise ValueError("an empty list finds nothing; name at least one text, or leave it out for the reference")
        return values


def _compile(parameters: Parameters) -> Scorer:
    def form(text: str) -> str:
        return composed(text) if parameters.case_sensitive else composed(text).casefold()

    def occurs(value: str, text: str) -> bool:
        if not parameters.whole_words:
            return form(value) in text
        return re.search(rf"(?<!\w){re.escape(form(value))}(?!\w)", text) is not None

    def score(sample: Sample, answer: str) -> Score:
        values = parameters.values if parameters.values is not None else reference_texts(sample)
        if not all(values):
            raise UnjudgeableError(f"the reference of the sample {sample.id!r} is empty, which every answer contains")
        text = form(answer)
        missing = [value for value in values if not occurs(value, text)]
        passed = not missing if parameters.mode == "all" else len(missing) < len(values)
        return verdict_of(passed, f"does not contain {', '.join(map(shown, missing))}")

    return score


JUDGE = JudgeType(
    name="contains",
    summary="1 when the answer contains any (or all) of the given texts, or of the reference.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda parameters: parameters.values is None,
)
