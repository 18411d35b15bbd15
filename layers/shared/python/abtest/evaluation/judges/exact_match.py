"""Is the answer the reference, character by character?

Measures: equality of the whole answer with the reference (or with one of a list of accepted texts), after the
declared normalisation. Both sides are put into Unicode normal form C first. Case, punctuation, articles and white
space ignored together is the normalised exact match of question answering.

When it misleads: a right answer in other words is wrong here, so a variant that is only more talkative looks worse.
With `ignore_punctuation` the texts `-5` and `5`, or `1.5` and `15`, are equal: use `numeric_match` for numbers.
`ignore_articles` knows English only.

Source: P. Rajpurkar, J. Zhang, K. Lopyrev, P. Liang, SQuAD, EMNLP 2016 (what normalised exact match ignores).
"""

from __future__ import annotations

from abtest.contracts.records import Sample
from abtest.evaluation.model import JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.normalisation import NormalisedText, normalised_references, normaliser
from abtest.evaluation.text import reference_texts, shown


class Parameters(NormalisedText):
    """Options of `exact_match`."""


def _compile(parameters: Parameters) -> Scorer:
    normalise = normaliser(parameters)

    def score(sample: Sample, answer: str) -> Score:
        if normalise(answer) in normalised_references(sample, normalise):
            return Score(1.0)
        return verdict_of(False, f"{shown(answer)} is not {' or '.join(map(shown, reference_texts(sample)))}")

    return score


JUDGE = JudgeType(
    name="exact_match",
    summary="1 when the answer equals the reference as text, after the declared normalisation.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
)
