"""The mean of the judges that gave a score.

Depends on: numpy, `abtest.analytics.consensus._method`. Used by: `abtest.analytics.panels`, by name.
"""

from __future__ import annotations

import numpy as np

from abtest.analytics.consensus._method import Consensus, Joined, Ratings, measured
from abtest.analytics.model import Method


def join(ratings: Ratings) -> Joined:
    """Return the mean score of each answer.

    Assumes: judges use the scale alike. A constant judge pulls every answer to itself, one that says the opposite
    cancels another; neither is noticed here.
    """
    known = ~np.isnan(ratings.scores)
    count = known.sum(axis=0)
    total = np.where(known, ratings.scores, 0.0).sum(axis=0)
    return measured(np.divide(total, count, out=np.full(count.size, np.nan), where=count > 0))


CONSENSUS = Consensus(
    name="mean",
    method=Method(
        name="Mean of the judges",
        formula="s_i = sum of x_ij / m_i over the m_i judges j that scored answer i",
        source="Armstrong (2001), Combining forecasts, in Principles of Forecasting: equal weights by default",
    ),
    counts_votes=False,
    join=join,
)
