"""The median of the judges that gave a score.

Depends on: numpy, `abtest.analytics.consensus._method`. Used by: `abtest.analytics.panels`, by name.
"""

from __future__ import annotations

import numpy as np

from abtest.analytics.consensus._method import Consensus, Joined, Ratings, measured
from abtest.analytics.model import Method


def join(ratings: Ratings) -> Joined:
    """Return the median score of each answer; of an even number the mean of the two in the middle.

    Assumes: fewer than half of the judges of an answer are wrong by much.
    """
    # What is missing sorts last.
    ordered = np.sort(ratings.scores, axis=0)
    count = np.count_nonzero(~np.isnan(ordered), axis=0)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(ordered) - 1)
    answers = np.arange(count.size)
    middle = (ordered[low, answers] + ordered[high, answers]) / 2
    return measured(np.where(count > 0, middle, np.nan))


CONSENSUS = Consensus(
    name="median",
    method=Method(
        name="Median of the judges",
        formula="s_i = median of x_ij over the judges j that scored answer i; the mean of the middle two if even",
        source="Huber and Ronchetti (2009), Robust Statistics, 2nd ed., section 1.4: half of the values may be wrong",
    ),
    counts_votes=False,
    join=join,
)
