"""The score that most judges gave.

Depends on: numpy, `abtest.analytics.statistics.majority_vote`. Used by: `abtest.analytics.panels`, by name.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abtest.analytics.consensus._method import Consensus, Joined, Ratings
from abtest.analytics.data.tables import Values
from abtest.analytics.statistics.majority_vote import MOST_CATEGORIES, STATISTIC, TIE, majority_vote


def join(ratings: Ratings) -> Joined:
    """Return the score with most votes for each answer; where several have most, the even score or none.

    Assumes: judges err independently and are right more often than not.
    """
    none = np.zeros(ratings.scores.shape[1], dtype=np.bool_)
    if np.unique(ratings.scores[~np.isnan(ratings.scores)]).size > MOST_CATEGORIES:
        return Joined("not_categorical", np.full(none.size, np.nan), none)
    found = majority_vote(ratings.scores)
    return Joined(found.status, *named(found.categories, found.codes, ratings.even))


def named(
    categories: tuple[float, ...], codes: npt.NDArray[np.int64], even: float | None
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Return the scores that codes stand for, and which of them stand for none because several are first.

    Args:
        categories: the scores, by code.
        codes: shape (answers,), negative where there is no winner.
        even: score of an answer that several won; None gives it none.
    """
    undecided = codes == TIE
    scores = np.append(np.asarray(categories, dtype=np.float64), np.nan)[np.where(codes < 0, len(categories), codes)]
    if even is None:
        return scores, undecided
    return np.where(undecided, even, scores), np.zeros(codes.size, dtype=np.bool_)


CONSENSUS = Consensus(name="majority", method=STATISTIC, counts_votes=True, join=join)
