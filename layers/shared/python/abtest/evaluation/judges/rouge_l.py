"""How much of the reference does the answer say, in the same order?

Measures: the longest common subsequence of words, as a share of the reference (recall), of the answer (precision), or
as the harmonic mean of both (ROUGE-L, F1). Case and punctuation do not count. With a list of accepted texts the best
match counts. For English it equals the package rouge-score without its stemmer.

When it misleads: it counts words, not truth: "it is not Paris" comes near "it is Paris", and a right answer in other
words scores low. `recall` rewards length, `precision` rewards silence. Words of languages without spaces (Chinese,
Japanese, Thai) need `tokens: characters`.

Source: C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries", 2004, section 3 (sentence level, beta 1).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer
from abtest.evaluation.similarity import Similarity, best_match_scorer
from abtest.evaluation.text import composed
from abtest.evaluation.tokens import TokenCodes, characters, words


class Parameters(JudgeParameters):
    """Options of `rouge_l`."""

    measure: Literal["f1", "recall", "precision"] = Field(
        default="f1", description="Share of the reference (recall), of the answer (precision), or their mean (f1)."
    )
    tokens: Literal["words", "characters"] = Field(
        default="words", description="What the texts are split into; characters for scripts without spaces."
    )
    case_sensitive: bool = Field(default=False, description="Whether `Paris` differs from `paris`.")


def _measured(measure: str, common: int, answer: int, reference: int) -> float:
    if not answer:
        return 0.0
    if measure == "recall":
        return common / reference
    if measure == "precision":
        return common / answer
    return 2 * common / (answer + reference)


def _compile(parameters: Parameters) -> Scorer:
    from rapidfuzz.distance import LCSseq  # imported late: only tests with this judge pay for it

    split = words if parameters.tokens == "words" else characters

    def read(text: str) -> list[str]:
        text = composed(text)
        return split(text if parameters.case_sensitive else text.casefold())

    def read_reference(text: str) -> TokenCodes | None:
        tokens = read(text)
        return TokenCodes(tokens) if tokens else None

    def compare(answer: list[str], reference: TokenCodes) -> Score:
        wanted = len(reference.reference)
        common = LCSseq.similarity(reference.encoded(answer), reference.reference)
        score = _measured(parameters.measure, common, len(answer), wanted)
        if score == 1:
            return Score(1.0)
        return Score(score, f"{common} {parameters.tokens} in common, of {len(answer)}; the reference has {wanted}")

    return best_match_scorer(Similarity(read, read_reference, compare, parameters.tokens))


JUDGE = JudgeType(
    name="rouge_l",
    summary="Longest common subsequence of the answer and the reference, as a share from 0 to 1 (ROUGE-L).",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
    binary=False,
)
