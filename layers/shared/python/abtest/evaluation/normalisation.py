"""Normalised text: the options, and what they make of a text before it is compared.

Depends on: pydantic, `abtest.evaluation.model`, `abtest.evaluation.text`. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic import Field

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import JudgeParameters
from abtest.evaluation.text import composed, punctuation_table, reference_texts, shown

# Between white space only: the `a` of "a.m." and of "vitamin-a" is no article.
_ARTICLE = re.compile(r"(?<!\S)(?:a|an|the)(?:\s+|\Z)", re.IGNORECASE)


class NormalisedText(JudgeParameters):
    """Options of a judge that compares texts after normalising both."""

    case_sensitive: bool = Field(default=True, description="Whether `Yes` differs from `yes`.")
    strip: bool = Field(default=True, description="Whether white space around the text is ignored.")
    collapse_whitespace: bool = Field(default=False, description="Whether every run of white space is one space.")
    ignore_punctuation: bool = Field(default=False, description="Whether punctuation is deleted before comparing.")
    ignore_articles: bool = Field(
        default=False, description="Whether the words `a`, `an` and `the` are deleted before comparing."
    )


def normaliser(parameters: NormalisedText) -> Callable[[str], str]:
    """Return the function that normalises a text as the options say.

    The order is: Unicode form C, case, punctuation, articles, white space. Punctuation goes before articles, so that
    "a.m." becomes "am".
    """
    table = punctuation_table() if parameters.ignore_punctuation else None

    def normalise(text: str) -> str:
        text = composed(text)
        if not parameters.case_sensitive:
            text = text.casefold()
        if table is not None:
            text = text.translate(table)
        if parameters.ignore_articles:
            text = _ARTICLE.sub("", text)
        if parameters.collapse_whitespace:
            text = " ".join(text.split()) if parameters.strip else _collapsed(text)
        return text.strip() if parameters.strip else text

    return normalise


def _collapsed(text: str) -> str:
    # split() forgets the white space at the ends; a mark on each side keeps it.
    return " ".join(f"\0{text}\0".split())[1:-1]


def normalised_references(sample: Sample, normalise: Callable[[str], str]) -> tuple[str, ...]:
    """Return the accepted texts of a sample, normalised.

    Raises:
        UnjudgeableError: there is no text to compare with, or normalising leaves nothing of one.
    """
    return tuple(_something_left(sample, text, normalise(text)) for text in reference_texts(sample))


def _something_left(sample: Sample, text: str, normalised: str) -> str:
    # Else the reference "A" of a question with choices, without articles, would equal the empty answer.
    if not normalised and text.strip():
        raise UnjudgeableError(
            f"normalising leaves nothing of the reference {shown(text)} of the sample {sample.id!r}; "
            "turn ignore_punctuation or ignore_articles off"
        )
    return normalised
