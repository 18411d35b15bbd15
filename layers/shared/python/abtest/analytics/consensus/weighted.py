"""The weighted mean of the judges that gave a score, by weights that somebody declared.

Depends on: numpy, `abtest.analytics.consensus._method`. Used by: `abtest.analytics.panels`, by name.
"""

from __future__ import annotations

import numpy as np

from abtest.analytics.consensus._method import Consensus, Joined, Ratings, measured
from abtest.analytics.model import Method


def join(ratings: Ratings) -> Joined:
    """Return the weighted mean score of each answer; none where only judges of weight 0 scored it.

    Assumes: the weights come from elsewhere, such as the judges' agreement with people on other samples.
    """
    known = ~np.isnan(ratings.scores)
    power = ratings.weights[:, None] * known
    given = power.sum(axis=0)
    total = (power * np.where(known, ratings.scores, 0.0)).sum(axis=0)
    return measured(np.divide(total, given, out=np.full(given.size, np.nan), where=given > 0))


CONSENSUS = Consensus(
    name="weighted",
    method=Method(
        name="Weighted mean of the judges",
        formula="s_i = sum of w_j x_ij / sum of w_j over the judges j that scored answer i",
        source="Stone (1961), The opinion pool; Genest and Zidek (1986), Combining probability distributions",
    ),
    counts_votes=False,
    join=join,
)
