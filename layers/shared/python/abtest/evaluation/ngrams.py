"""Counts how many n-grams two sequences share: what BLEU and chrF are made of.

Depends on: nothing. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Overlap(NamedTuple):
    """The n-grams of one order: how many the answer has, how many the reference, and how many they share.

    `shared` counts a repeated n-gram as often as both sides have it (the smaller count).
    """

    answer: int
    reference: int
    shared: int


class _Order(NamedTuple):
    distinct: frozenset[str]
    repeated: dict[str, int]
    total: int


def _ngrams(sequence: str, order: int) -> list[str]:
    return [sequence[start : start + order] for start in range(len(sequence) - order + 1)]


def _order(sequence: str, order: int) -> _Order:
    found = _ngrams(sequence, order)
    distinct = frozenset(found)
    repeated = {} if len(distinct) == len(found) else {n: times for n, times in Counter(found).items() if times > 1}
    return _Order(distinct, repeated, len(found))


class NgramIndex:
    """The n-grams of a reference, ready to be compared with many answers.

    Args:
        reference: a sequence, one character an element.
        highest_order: n-grams of 1 to this many elements are counted.
    """

    def __init__(self, reference: str, highest_order: int) -> None:
        self._orders = [_order(reference, order) for order in range(1, highest_order + 1)]

    def overlaps(self, answer: str) -> list[Overlap]:
        """Return the overlap with an answer for every order, from 1 up."""
        overlaps: list[Overlap] = []
        shared = 1
        for number, order in enumerate(self._orders, start=1):
            # Where no shorter n-gram is shared, no longer one can be.
            shared = _shared(order, _ngrams(answer, number)) if shared else 0
            overlaps.append(Overlap(max(0, len(answer) - number + 1), order.total, shared))
        return overlaps


def _shared(order: _Order, ngrams: list[str]) -> int:
    # Almost all n-grams occur once: counting only the repeated ones takes half the time of counting all.
    shared = len(order.distinct.intersection(ngrams))
    if order.repeated:
        for ngram, times in Counter(filter(order.repeated.__contains__, ngrams)).items():
            shared += min(times, order.repeated[ngram]) - 1
    return shared
