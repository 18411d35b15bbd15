"""The frame of judges that say how alike two texts are: the best match among the accepted texts counts.

Depends on: `abtest.evaluation.text`. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import Score, Scorer
from abtest.evaluation.text import reference_texts, shown

LONGEST_CHARACTERS = 200_000
"""Longer texts are not compared: time or memory would grow past what one response may take."""

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True)
class Similarity(Generic[A, R]):
    """How two texts are compared.

    Args:
        read_answer: makes of an answer what is compared.
        read_reference: the same of a reference; None when nothing in it can be compared.
        compare: gives the score of an answer and one reference.
        lacking: what a reference without anything to compare has not, such as "words".
    """

    read_answer: Callable[[str], A]
    read_reference: Callable[[str], R | None]
    compare: Callable[[A, R], Score]
    lacking: str


def best_match_scorer(similarity: Similarity[A, R]) -> Scorer:
    """Return a scorer that compares an answer with every accepted text and gives the highest score.

    The scorer raises `UnjudgeableError` when a text is longer than `LONGEST_CHARACTERS`, when there is no reference,
    or when one accepted text has nothing to compare: a zero would blame the answer for it.
    """

    # The answers of all variants to one sample are judged one after the other: one entry serves them all, and a
    # larger memory would only hold texts.
    @lru_cache(maxsize=1)
    def read(sample_id: str, texts: tuple[str, ...]) -> tuple[R, ...]:
        _check_length(f"the reference of the sample {sample_id!r}", *texts)
        return tuple(_readable(similarity, sample_id, text) for text in texts)

    def score(sample: Sample, answer: str) -> Score:
        references = read(sample.id, reference_texts(sample))
        _check_length("the answer", answer)
        given = similarity.read_answer(answer)
        found = (similarity.compare(given, reference) for reference in references)
        return max(found, key=lambda one: one.score)

    return score


def _readable(similarity: Similarity[A, R], sample_id: str, text: str) -> R:
    reference = similarity.read_reference(text)
    if reference is None:
        raise UnjudgeableError(f"the reference {shown(text)} of the sample {sample_id!r} has no {similarity.lacking}")
    return reference


def _check_length(what: str, *texts: str) -> None:
    for text in texts:
        if len(text) > LONGEST_CHARACTERS:
            raise UnjudgeableError(
                f"{what} has {len(text):,} characters; this judge compares up to {LONGEST_CHARACTERS:,}"
            )
