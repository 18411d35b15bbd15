"""Majority vote of several judges on each sample, plain or weighted; a tie stays a tie.

Depends on: numpy. Used by: `abtest.analytics.statistics.dawid_skene`, `abtest.analytics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._rating_table import (
    CodedRatings,
    Floats,
    Integers,
    RatingTable,
    distinct_rows,
    rating_rows,
)

STATISTIC = Method(
    name="Majority vote",
    formula="share_k = sum of weights of the judges that chose k / sum of weights of the judges that rated; "
    "consensus = the k of the largest share, a tie when two are largest",
    source="Condorcet (1785); weights as in Nitzan and Paroush (1982), Optimal decision rules in uncertain "
    "dichotomous choice situations",
)
TIE = -1
"""Code of a sample whose judges leave two or more categories in front."""
UNRATED = -2
"""Code of a sample that no judge rated (or only judges of weight 0)."""
MOST_CATEGORIES = 100
"""A consensus holds a number for each sample and category; beyond this, ratings are measurements, to be averaged."""

_SAME = 1e-12
Label = float | Literal["tie"] | None


@dataclass(frozen=True)
class MajorityVote:
    """What most judges say of each sample.

    Args:
        status: `ok`, or `no_data` when nobody rated anything.
        categories: ascending.
        shares: of the weighted votes, shape (samples, categories); 0 throughout where nobody rated.
        codes: position of the winning category, or `TIE`, or `UNRATED`; shape (samples,).
    """

    status: Status
    categories: tuple[float, ...]
    shares: Floats
    codes: Integers

    @property
    def ties(self) -> int:
        """Samples without a winner although somebody rated them."""
        return int(np.count_nonzero(self.codes == TIE))

    @property
    def unrated(self) -> int:
        """Samples that nobody rated."""
        return int(np.count_nonzero(self.codes == UNRATED))

    def labels(self) -> list[Label]:
        """Return the winning category of each sample, "tie" where there are several, None where nobody rated."""
        return labels_of(self.categories, self.codes)


def majority_vote(ratings: Any, weights: Sequence[float] | None = None) -> MajorityVote:
    """Return the majority of each sample.

    Args:
        ratings: shape (judges, samples), None or NaN where a judge did not rate.
        weights: of each judge, at least 0 and one of them positive; None for equal ones.

    Raises:
        ValueError: the ratings are no matrix or have more than `MOST_CATEGORIES` values, or the weights do not fit.

    Assumes: judges err independently and are right more often than not. Source: Condorcet (1785).
    """
    rows = rating_rows(ratings)
    power = _checked(weights, rows.shape[1])
    patterns, positions, _ = distinct_rows(rows)
    coded = coded_patterns(patterns)
    if coded.categories.size == 0:
        return MajorityVote("no_data", (), np.zeros((len(rows), 0)), np.full(len(rows), UNRATED, dtype=np.int64))
    shares = vote_shares(coded, power)
    return MajorityVote("ok", tuple(coded.categories.tolist()), shares[positions], winners(shares)[positions])


def vote_shares(coded: CodedRatings, weights: Floats | None = None) -> Floats:
    """Return the share of the votes for each category, shape (patterns, categories); 0 where nobody voted.

    Args:
        coded: the ratings.
        weights: of each judge, shape (judges,); None for equal ones.
    """
    count, width = len(coded.codes), coded.categories.size
    power = np.ones(coded.codes.shape[1]) if weights is None else weights
    cell = (np.arange(count)[:, None] * width + coded.codes)[coded.present]
    given = np.broadcast_to(power, coded.codes.shape)[coded.present]
    votes = np.bincount(cell, given, minlength=count * width).reshape(count, width)
    cast = votes.sum(axis=1, keepdims=True)
    return np.asarray(votes / np.where(cast > 0, cast, 1.0), dtype=np.float64)


def winners(shares: Floats, same: float = _SAME) -> Integers:
    """Return the position of the largest share of each row, `TIE` or `UNRATED`.

    Args:
        shares: shape (rows, categories), at least one category.
        same: shares no further apart than this tie.
    """
    largest = shares.max(axis=1, keepdims=True)
    tied = np.count_nonzero(shares >= largest - same, axis=1) > 1
    found = np.where(tied, TIE, shares.argmax(axis=1))
    return np.where(largest[:, 0] > 0, found, UNRATED).astype(np.int64)


def labels_of(categories: Sequence[float], codes: npt.NDArray[np.int64]) -> list[Label]:
    """Return what codes stand for: a category, "tie" or, where nobody rated, None."""
    names: list[Label] = [*categories, None, "tie"]
    return [names[code] for code in codes.tolist()]


def coded_patterns(patterns: Floats) -> CodedRatings:
    """Return distinct rows of ratings, each once, as positions among the categories.

    Raises:
        ValueError: there are more than `MOST_CATEGORIES`.
    """
    coded = RatingTable(patterns, np.ones(len(patterns), dtype=np.int64)).coded()
    if coded.categories.size > MOST_CATEGORIES:
        raise ValueError(
            f"a consensus is of at most {MOST_CATEGORIES} categories, got {coded.categories.size} distinct ratings; "
            "average ratings on a continuous scale"
        )
    return coded


def _checked(weights: Sequence[float] | None, judges: int) -> Floats | None:
    if weights is None:
        return None
    power = np.asarray(weights, dtype=np.float64)
    if power.shape != (judges,) or not np.isfinite(power).all() or (power < 0).any() or not power.any():
        raise ValueError(f"weights are {judges} finite numbers of at least 0, one for each judge, not all of them 0")
    return power
