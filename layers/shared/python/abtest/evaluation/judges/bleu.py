"""How many of the answer's word sequences stand in the reference?

Measures: BLEU of one answer: the geometric mean of the shares of its 1- to 4-grams that the reference has, times a
penalty for an answer shorter than the reference. Orders that the answer is too short for are left out. With a list
of accepted texts the best match counts: the n-grams of several texts are not pooled, as corpus tools do.

When it misleads: BLEU was made for whole corpora; of one short answer it is coarse, and its smoothing decides much of
it. It knows no meaning: a right answer in other words scores near 0, and "not" costs one word. Compare it only between
answers to the same samples. Texts without spaces need `tokens: characters`.

Source: K. Papineni, S. Roukos, T. Ward, W.-J. Zhu, "BLEU", ACL 2002; B. Chen, C. Cherry, "A systematic comparison of
smoothing techniques for sentence-level BLEU", WMT 2014 (methods 1 to 3); M. Post, "A call for clarity in reporting
BLEU scores", WMT 2018. With the defaults it equals sacreBLEU's sentence BLEU divided by 100.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer
from abtest.evaluation.ngrams import NgramIndex, Overlap
from abtest.evaluation.similarity import Similarity, best_match_scorer
from abtest.evaluation.text import composed
from abtest.evaluation.tokens import TokenCodes, characters, mteval_tokens, words

Smoothing = Literal["exponential", "floor", "add_one", "none"]
_FLOOR = 0.1
_SPLITTERS: dict[str, Callable[[str], list[str]]] = {
    "13a": mteval_tokens,
    "words": words,
    "characters": characters,
}


class Parameters(JudgeParameters):
    """Options of `bleu`."""

    tokens: Literal["13a", "words", "characters"] = Field(
        default="13a",
        description="What the texts are split into: words and punctuation as the usual BLEU, words, or characters.",
    )
    smoothing: Smoothing = Field(
        default="exponential", description="What an order without a match counts as; with `none` the score is 0."
    )
    highest_order: int = Field(default=4, ge=1, le=4, description="The longest n-grams that count.")
    case_sensitive: bool = Field(default=True, description="Whether `Paris` differs from `paris`.")


def bleu(overlaps: Sequence[Overlap], answer_tokens: int, reference_tokens: int, smoothing: Smoothing) -> float:
    """Return BLEU of one answer and one reference.

    Args:
        overlaps: what they share, for the orders 1, 2, and so on.
        answer_tokens: the answer's length.
        reference_tokens: the reference's length.
        smoothing: how an order without a match is counted.

    Returns:
        From 0 to 1; 0 when not one word is shared.

    Source: the formulas of the papers named above, with the effective order of sacreBLEU.
    """
    if not overlaps[0].shared:
        return 0.0
    logarithms = []
    halvings = 0
    for order, (total, _, shared) in enumerate(overlaps, start=1):
        extra = 1 if smoothing == "add_one" and order > 1 else 0
        if total + extra == 0:
            break
        hits: float = shared + extra
        if not hits:
            if smoothing == "none":
                return 0.0
            halvings += 1
            hits = _FLOOR if smoothing == "floor" else 0.5**halvings
        logarithms.append(math.log(hits / (total + extra)))
    penalty = min(0.0, 1 - reference_tokens / answer_tokens)
    return math.exp(penalty + sum(logarithms) / len(logarithms))


@dataclass(frozen=True)
class _Reference:
    codes: TokenCodes
    ngrams: NgramIndex


def _compile(parameters: Parameters) -> Scorer:
    split = _SPLITTERS[parameters.tokens]

    def read(text: str) -> list[str]:
        text = composed(text)
        return split(text if parameters.case_sensitive else text.casefold())

    def read_reference(text: str) -> _Reference | None:
        tokens = read(text)
        if not tokens:
            return None
        codes = TokenCodes(tokens)
        return _Reference(codes, NgramIndex(codes.reference, parameters.highest_order))

    def compare(answer: list[str], reference: _Reference) -> Score:
        wanted = len(reference.codes.reference)
        overlaps = reference.ngrams.overlaps(reference.codes.encoded(answer))
        score = bleu(overlaps, len(answer), wanted, parameters.smoothing)
        if score == 1:
            return Score(1.0)
        shares = ", ".join(f"{one.shared} of {one.answer}" for one in overlaps)
        return Score(score, f"shared n-grams by length: {shares}; {len(answer)} tokens, the reference has {wanted}")

    lacking = "characters" if parameters.tokens == "characters" else "words"
    return best_match_scorer(Similarity(read, read_reference, compare, lacking))


JUDGE = JudgeType(
    name="bleu",
    summary="Word sequences of the answer that the reference has, from 0 to 1 (sentence BLEU).",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
    binary=False,
)
