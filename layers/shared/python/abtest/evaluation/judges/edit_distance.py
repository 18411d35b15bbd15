"""How few edits turn the answer into the reference?

Measures: 1 minus the Levenshtein distance (insertions, deletions and substitutions of characters or words) divided by
the length of the longer text, after the declared normalisation: 1 is equal, 0 has nothing in its place. With a list
of accepted texts the nearest counts.

When it misleads: it sees letters, not meaning: "1945" is 0.75 of "1946", and a right answer with a sentence around it
scores near 0. It suits spelling, codes, names and transcripts, not free text.

Source: V. Levenshtein, 1966; the distance is computed by RapidFuzz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from abtest.evaluation.model import JudgeType, Score, Scorer
from abtest.evaluation.normalisation import NormalisedText, normaliser
from abtest.evaluation.similarity import Similarity, best_match_scorer
from abtest.evaluation.text import shown
from abtest.evaluation.tokens import TokenCodes


class Parameters(NormalisedText):
    """Options of `edit_distance`."""

    tokens: Literal["characters", "words"] = Field(default="characters", description="What one edit changes.")


@dataclass(frozen=True)
class _Reference:
    text: str
    codes: TokenCodes | None


def _compile(parameters: Parameters) -> Scorer:
    from rapidfuzz.distance import Levenshtein  # imported late: only tests with this judge pay for it

    normalise = normaliser(parameters)
    by_words = parameters.tokens == "words"

    def read_reference(text: str) -> _Reference | None:
        normalised = normalise(text)
        if not normalised and text.strip():
            return None
        return _Reference(normalised, TokenCodes(normalised.split()) if by_words else None)

    def compare(answer: str, reference: _Reference) -> Score:
        given, wanted = answer, reference.text
        if reference.codes is not None:
            given, wanted = reference.codes.encoded(answer.split()), reference.codes.reference
        edits = Levenshtein.distance(given, wanted)
        if not edits:
            return Score(1.0)
        return Score(1 - edits / max(len(given), len(wanted)), f"{edits} edits from {shown(reference.text)}")

    lacking = "text left once it is normalised"
    return best_match_scorer(Similarity(normalise, read_reference, compare, lacking))


JUDGE = JudgeType(
    name="edit_distance",
    summary="1 minus the edits between the answer and the reference, as a share of the longer text (Levenshtein).",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
    binary=False,
)
