"""How many character sequences do the answer and the reference share?

Measures: chrF: the mean precision and the mean recall of the character n-grams of length 1 to 6, white space left
out, as one F-score in which recall weighs `beta` times as much; with `word_order: 2` word n-grams count too (chrF++).
Lengths that one of the texts is too short for are left out. With a list of accepted texts the best match counts.

When it misleads: endings and compounds cost little, so it suits languages with many word forms, but any two texts of
one language share their short n-grams: 0.2 is not a fifth right. It knows no meaning: "not" costs three characters.
Compare it only between answers to the same samples.

Source: M. Popović, "chrF", WMT 2015; "chrF++", WMT 2017. It equals sacreBLEU's sentence chrF divided by 100.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer
from abtest.evaluation.ngrams import NgramIndex, Overlap
from abtest.evaluation.similarity import Similarity, best_match_scorer
from abtest.evaluation.text import composed
from abtest.evaluation.tokens import TokenCodes

_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class Parameters(JudgeParameters):
    """Options of `chrf`."""

    character_order: int = Field(default=6, ge=1, le=10, description="The longest character n-grams that count.")
    word_order: int = Field(default=0, ge=0, le=4, description="The longest word n-grams that count; 2 is chrF++.")
    beta: float = Field(default=2, gt=0, le=10, description="How many times as much recall weighs as precision.")
    case_sensitive: bool = Field(default=True, description="Whether `Paris` differs from `paris`.")


def mean_precision_and_recall(overlaps: Iterable[Overlap]) -> tuple[float, float]:
    """Return the means over the n-gram lengths that both texts are long enough for; 0 and 0 without one."""
    precision = recall = 0.0
    orders = 0
    for answer, reference, shared in overlaps:
        if answer and reference:
            precision += shared / answer
            recall += shared / reference
            orders += 1
    return (precision / orders, recall / orders) if orders else (0.0, 0.0)


def f_score(precision: float, recall: float, beta: float) -> float:
    """Return the F-score in which recall weighs `beta` times as much as precision; 0 when nothing is shared."""
    weight = beta * beta
    below = weight * precision + recall
    return (1 + weight) * precision * recall / below if below else 0.0


def _words(text: str) -> list[str]:
    """Return the words of chrF++: one punctuation mark at a word's end, else one at its start, is a word of its own."""
    found: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in _PUNCTUATION:
            found += (word[:-1], word[-1])
        elif len(word) > 1 and word[0] in _PUNCTUATION:
            found += (word[0], word[1:])
        else:
            found.append(word)
    return found


@dataclass(frozen=True)
class _Reference:
    characters: NgramIndex
    codes: TokenCodes
    words: NgramIndex


@dataclass(frozen=True)
class _Answer:
    characters: str
    words: list[str]


def _compile(parameters: Parameters) -> Scorer:
    def read(text: str) -> _Answer:
        text = composed(text)
        if not parameters.case_sensitive:
            text = text.casefold()
        return _Answer("".join(text.split()), _words(text) if parameters.word_order else [])

    def read_reference(text: str) -> _Reference | None:
        read_text = read(text)
        if not read_text.characters:
            return None
        codes = TokenCodes(read_text.words)
        characters = NgramIndex(read_text.characters, parameters.character_order)
        return _Reference(characters, codes, NgramIndex(codes.reference, parameters.word_order))

    def compare(answer: _Answer, reference: _Reference) -> Score:
        overlaps = reference.characters.overlaps(answer.characters)
        overlaps += reference.words.overlaps(reference.codes.encoded(answer.words))
        precision, recall = mean_precision_and_recall(overlaps)
        score = f_score(precision, recall, parameters.beta)
        return Score(1.0) if score == 1 else Score(score, f"precision {precision:.3f}, recall {recall:.3f}")

    return best_match_scorer(Similarity(read, read_reference, compare, lacking="characters"))


JUDGE = JudgeType(
    name="chrf",
    summary="Character sequences that the answer and the reference share, from 0 to 1 (chrF, chrF++).",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
    binary=False,
)
