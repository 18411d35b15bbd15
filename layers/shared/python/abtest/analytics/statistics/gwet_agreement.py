"""Gwet's AC1 and AC2: chance-corrected agreement that stays sensible when nearly all ratings are one category.

Depends on: numpy. Used by: `abtest.analytics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abtest.analytics.model import Method
from abtest.analytics.statistics._chance_agreement import (
    AgreementCoefficient,
    ChanceModel,
    Weights,
    check_weights,
    corrected,
    unrateable,
    weighted,
)
from abtest.analytics.statistics._rating_table import RatingTable
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Gwet's AC1",
    formula="AC1 = (pa - pe) / (1 - pe), pa = raw agreement, pe = sum over k of pi_k (1 - pi_k) / (q - 1), "
    "pi_k = mean over samples of the share of its ratings in k, q = categories",
    source="Gwet (2008), Computing inter-rater reliability and its variance in the presence of high agreement; "
    "Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., for missing ratings",
)
AC2 = Method(
    name="Gwet's AC2",
    formula="AC2 = (pa - pe) / (1 - pe), pa = weighted raw agreement, "
    "pe = T sum over k of pi_k (1 - pi_k) / (q (q - 1)), T = sum of all w_kl",
    source="Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed.",
)


def gwet_agreement(ratings: Any, weights: Weights = "identity", *, alpha: float = 0.05) -> AgreementCoefficient:
    """Return AC1, or AC2 when agreement is weighted.

    When everybody always said the same, the value is 1 whatever other categories the scale has; its error does not
    exist, and the status is `single_category`.

    Args:
        ratings: shape (judges, samples), None or NaN where missing; or a `RatingTable`, which can declare a scale:
            categories that nobody used count in q and in T.
        weights: `linear` and `quadratic` take ratings for numbers on a scale.
        alpha: two-sided error rate of the interval, which is t(samples - 1).

    Raises:
        ValueError: the ratings are no matrix, or weights or alpha do not exist.

    Assumes: samples are independent. Source: Gwet (2008); Gwet (2014).
    """
    check_weights(weights)
    check_alpha(alpha)
    table = RatingTable.of(ratings)
    nothing = unrateable(table, table.pairable())
    if nothing is not None:
        return nothing
    coded = table.coded()
    shares, width = coded.shares(), coded.categories.size
    if (shares > 0).sum() == 1:
        pairable = int(coded.repeats[coded.rated > 1].sum())
        return AgreementCoefficient("single_category", table.samples, pairable, 1.0, 1.0, 0.0)
    factor = float(weighted(weights, coded.categories, np.ones(width)).sum()) / (width * (width - 1))
    chance = ChanceModel(factor * float(shares @ (1 - shares)), factor * coded.mean_of(1 - shares))
    return corrected(weights, table, coded, chance, alpha)
