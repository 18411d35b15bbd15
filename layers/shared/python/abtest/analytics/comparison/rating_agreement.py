"""How far judges agree on the same answers, from their ratings side by side; and which of them stands apart.

Depends on: numpy, `abtest.analytics.statistics`. Used by: `abtest.analytics.comparison.judge_quality`,
`abtest.analytics.judge_measuring`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from abtest.analytics.data.tables import Values
from abtest.analytics.model import Agreement, PanelMember, Status
from abtest.analytics.statistics.cohen_kappa import cohen_kappa
from abtest.analytics.statistics.fleiss_kappa import fleiss_kappa
from abtest.analytics.statistics.gwet_agreement import gwet_agreement
from abtest.analytics.statistics.krippendorff_alpha import Level, krippendorff_alpha
from abtest.analytics.statistics.raw_agreement import raw_agreement

MOST_CATEGORIES = 20
"""With more different ratings than this they are measurements: agreement is that of intervals."""
FEWEST_OTHERS = 2
"""Of two judges that contradict each other nobody can say which is the odd one."""
FEWEST_FOR_CORRELATION = 3
_ROUNDING = 1e-12
_BEYOND_CHANCE = 2.0
"""Standard errors of a correlation of 0, each 1 / sqrt(n)."""


def agreement_of_ratings(judges: Sequence[str], ratings: Values, *, nominal: bool, metric: str = "") -> Agreement:
    """Return raw agreement and every coefficient that fits the ratings.

    Args:
        judges: their names.
        ratings: shape (judges, answers), NaN where a judge gave none.
        nominal: the ratings are names, not numbers on a scale.
        metric: what was rated, for whoever reads the result.
    """
    told = np.count_nonzero(~np.isnan(ratings), axis=0) >= 2
    names, units = tuple(judges), int(np.count_nonzero(told))
    if units == 0:
        return Agreement(judges=names, units=0, status="no_data", metric=metric)
    ratings = ratings[:, told]
    categories = np.unique(ratings[~np.isnan(ratings)]).size
    level: Level = "nominal" if nominal or categories <= 2 else "interval"
    alpha = krippendorff_alpha(ratings, level=level)
    found = Agreement(judges=names, units=units, status=alpha.status, krippendorff_alpha=alpha.value, metric=metric)
    if categories > MOST_CATEGORIES:
        return found
    pair = cohen_kappa(ratings) if len(names) == 2 else None
    return found.model_copy(
        update={
            "raw": raw_agreement(ratings).value,
            "cohen_kappa": None if pair is None else pair.value,
            "fleiss_kappa": fleiss_kappa(ratings).value,
            "gwet_ac1": gwet_agreement(ratings).value,
        }
    )


def members_of(judges: Sequence[str], ratings: Values, accuracy: Mapping[str, float]) -> tuple[PanelMember, ...]:
    """Return each judge beside the others.

    Args:
        judges: their names.
        ratings: shape (judges, answers), NaN where a judge gave none.
        accuracy: what a consensus estimates of each; empty where it estimates none.
    """
    statuses = [_status(row) for row in ratings]
    same, correlation, met = _pairs(ratings)
    found = []
    for code, judge in enumerate(judges):
        others = [other for other in range(len(judges)) if other != code]
        shares = [float(same[code, other]) for other in others if met[code, other]]
        told = [other for other in others if not math.isnan(correlation[code, other])]
        rs = [float(correlation[code, other]) for other in told]
        least = min((int(met[code, other]) for other in told), default=0)
        mean_r = sum(rs) / len(rs) if rs else None
        found.append(
            PanelMember(
                judge=judge,
                status=statuses[code],
                scored=int(np.count_nonzero(~np.isnan(ratings[code]))),
                agrees=sum(shares) / len(shares) if shares else None,
                correlation=mean_r,
                accuracy=accuracy.get(judge),
                opposes=(
                    len(rs) >= FEWEST_OTHERS
                    and max(rs) < 0
                    and mean_r is not None
                    and mean_r < -_BEYOND_CHANCE / math.sqrt(least)
                ),
            )
        )
    return tuple(found)


def _status(ratings: Values) -> Status:
    known = ratings[~np.isnan(ratings)]
    if not known.size:
        return "no_data"
    return "constant" if known.size > 1 and bool((known == known[0]).all()) else "ok"


def _pairs(ratings: Values) -> tuple[Values, Values, Values]:
    """Return for each two judges the share of equal ratings, the correlation, and the answers that both rated."""
    judges = len(ratings)
    same, met = np.zeros((judges, judges)), np.zeros((judges, judges))
    correlation = np.full((judges, judges), np.nan)
    present = ~np.isnan(ratings)
    for i in range(judges):
        for j in range(i):
            both = present[i] & present[j]
            x, y = ratings[i, both], ratings[j, both]
            met[i, j] = met[j, i] = x.size
            if not x.size:
                continue
            same[i, j] = same[j, i] = float(np.mean(x == y))
            correlation[i, j] = correlation[j, i] = correlation_of(x, y)
    return same, correlation, met


def correlation_of(x: Values, y: Values) -> float:
    """Return Pearson's correlation, NaN where one of both does not vary."""
    if x.size < FEWEST_FOR_CORRELATION or _alike(x) or _alike(y):
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    return max(-1.0, min(1.0, float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))))


def _alike(values: Values) -> bool:
    """Return whether values differ by no more than rounding."""
    low, high = float(values.min()), float(values.max())
    return high - low <= _ROUNDING * max(1.0, abs(low), abs(high))
