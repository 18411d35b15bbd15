"""The most probable true score, each judge weighed by the errors that are estimated of it.

Depends on: numpy, `abtest.analytics.statistics.dawid_skene`. Used by: `abtest.analytics.panels`, by name.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abtest.analytics.consensus._method import Consensus, Joined, Ratings
from abtest.analytics.consensus.majority import named
from abtest.analytics.statistics.dawid_skene import STATISTIC, DawidSkene, dawid_skene
from abtest.analytics.statistics.majority_vote import MOST_CATEGORIES

_MOST_STEPS = 10_000
"""Judges that contradict each other settle slowly; a step over distinct rows of scores costs little."""


def join(ratings: Ratings) -> Joined:
    """Return the most probable score of each answer, over the answers of all variants together.

    Assumes: given the true score, judges err independently, and on the answers of every variant alike. A judge that
    always says the same counts for nothing, one that says the opposite counts turned round.
    """
    none = np.zeros(ratings.scores.shape[1], dtype=np.bool_)
    if np.unique(ratings.scores[~np.isnan(ratings.scores)]).size > MOST_CATEGORIES:
        return Joined("not_categorical", np.full(none.size, np.nan), none)
    heard = np.flatnonzero(~np.isnan(ratings.scores).all(axis=1))
    if not heard.size:
        return Joined("no_data", np.full(none.size, np.nan), none)
    found = dawid_skene(ratings.scores[heard], max_iterations=_MOST_STEPS)
    scores, undecided = named(found.categories, found.codes, ratings.even)
    return Joined(found.status, scores, undecided, _accuracy(found, heard, len(ratings.scores)))


def _accuracy(found: DawidSkene, heard: npt.NDArray[np.intp], judges: int) -> tuple[float, ...]:
    """Return how often each judge says the true score, NaN for one that said nothing."""
    if found.prior is None or found.confusion is None:
        return ()
    every = np.full(judges, np.nan)
    every[heard] = np.einsum("jkk,k->j", found.confusion, found.prior)
    return tuple(every.tolist())


CONSENSUS = Consensus(name="dawid_skene", method=STATISTIC, counts_votes=True, join=join)
