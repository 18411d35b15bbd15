"""What every way of joining judges' scores takes and gives.

Depends on: numpy, `abtest.analytics.model`. Used by: the methods beside it, `abtest.analytics.panels`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abtest.analytics.data.tables import Values
from abtest.analytics.model import Method, Status


@dataclass(frozen=True)
class Ratings:
    """Scores of several judges on the same answers.

    Args:
        scores: shape (judges, answers), NaN where a judge gave none.
        weights: of the judges, shape (judges,).
        even: the score of as many votes for as against, where the scale has one; None leaves such an answer without.
    """

    scores: Values
    weights: Values
    even: float | None = None


@dataclass(frozen=True)
class Joined:
    """One score an answer.

    Args:
        status: `ok`, or why the scores are not to be trusted, or do not exist.
        scores: shape (answers,), NaN where there is none.
        undecided: answers with as many votes for one score as for another, shape (answers,).
        accuracy: of each judge, estimated; empty where the method estimates none.
    """

    status: Status
    scores: Values
    undecided: npt.NDArray[np.bool_]
    accuracy: tuple[float, ...] = ()


@dataclass(frozen=True)
class Consensus:
    """One way to join scores, as its module exports it under the name `CONSENSUS`.

    Args:
        name: equal to the module's name.
        method: its formula and source.
        counts_votes: whether it counts equal scores, so that a share of a preference counts as one vote: for the
            treatment, for the control or for neither.
        join: joins.
    """

    name: str
    method: Method
    counts_votes: bool
    join: Callable[[Ratings], Joined]


def measured(scores: Values) -> Joined:
    """Return scores that a formula gave to every answer with a rating."""
    status: Status = "no_data" if bool(np.isnan(scores).all()) else "ok"
    return Joined(status, scores, np.zeros(scores.size, dtype=np.bool_))
