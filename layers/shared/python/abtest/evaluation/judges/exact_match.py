"""Is the answer the reference, character by character?

Measures: equality of the whole answer with the reference (or with one of a list of accepted texts), after the
declared normalisation. Both sides are put into Unicode normal form C first.

When it misleads: a right answer in other words is wrong here, so a variant that is only more talkative looks worse.
With `ignore_punctuation` the texts `-5` and `5`, or `1.5` and `15`, are equal: use `numeric_match` for numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from abtest.contracts.records import Sample
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.text import composed, punctuation_table, reference_texts, shown


class Parameters(JudgeParameters):
    """Options of `exact_match`."""

    case_sensitive: bool = Field(default=True, description="Whether `Yes` differs from `yes`.")
    strip: bool = Field(default=True, description="Whether white space around the text is ignored.")
    collapse_whitespace: bool = Field(default=False, description="Whether every run of white space is one space.")
    ignore_punctuation: bool = Field(default=False, description="Whether punctuation is deleted before comparing.")


def _normaliser(parameters: Parameters) -> Callable[[str], str]:
    table = punctuation_table() if parameters.ignore_punctuation else None

    def normalise(text: str) -> str:
        text = composed(text)
        if not parameters.case_sensitive:
            text = text.casefold()
        if table is not None:
            text = text.translate(table)
        if parameters.collapse_whitespace:
            text = " ".join(text.split()) if parameters.strip else _collapsed(text)
        return text.strip() if parameters.strip else text

    return normalise


def _collapsed(text: str) -> str:
    # split() forgets the white space at the ends; a mark on each side keeps it.
    return " ".join(f"\0{text}\0".split())[1:-1]


def _compile(parameters: Parameters) -> Scorer:
    normalise = _normaliser(parameters)

    def score(sample: Sample, answer: str) -> Score:
        accepted = reference_texts(sample)
        given = normalise(answer)
        if any(given == normalise(text) for text in accepted):
            return Score(1.0)
        return verdict_of(False, f"{shown(answer)} is not {' or '.join(map(shown, accepted))}")

    return score


JUDGE = JudgeType(
    name="exact_match",
    summary="1 when the answer equals the reference as text, after the declared normalisation.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
)
