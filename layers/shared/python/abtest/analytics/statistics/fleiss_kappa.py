"""Fleiss' kappa: agreement of any number of judges beyond what the common use of the categories would give.

Depends on: numpy. Used by: `abtest.analytics`.
"""

from __future__ import annotations

from typing import Any

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
    name="Fleiss' kappa",
    formula="kappa = (pa - pe) / (1 - pe), pa = raw agreement, pe = sum of w_kl pi_k pi_l, "
    "pi_k = mean over samples of the share of its ratings in k",
    source="Fleiss (1971), Measuring nominal scale agreement among many raters; "
    "Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., for missing ratings, weights and the error",
)


def fleiss_kappa(ratings: Any, weights: Weights = "identity", *, alpha: float = 0.05) -> AgreementCoefficient:
    """Return Fleiss' kappa, for complete ratings as in 1971, else generalised to missing ones.

    Args:
        ratings: shape (judges, samples), None or NaN where missing; or a `RatingTable`, which can declare a scale.
        weights: `linear` and `quadratic` take ratings for numbers on a scale.
        alpha: two-sided error rate of the interval, which is t(samples - 1).

    Raises:
        ValueError: the ratings are no matrix, or weights or alpha do not exist.

    Assumes: samples are independent; who rates which sample does not matter.
    Source: Fleiss (1971); Gwet (2014) for missing ratings, weights and the error.
    """
    check_weights(weights)
    check_alpha(alpha)
    table = RatingTable.of(ratings)
    nothing = unrateable(table, table.pairable())
    if nothing is not None:
        return nothing
    coded = table.coded()
    shares = coded.shares()
    if (shares > 0).sum() == 1:
        pairable = int(coded.repeats[coded.rated > 1].sum())
        return AgreementCoefficient("single_category", table.samples, pairable, observed=1.0, expected=1.0)
    by_chance = weighted(weights, coded.categories, shares)
    chance = ChanceModel(float(shares @ by_chance), coded.mean_of(by_chance))
    return corrected(weights, table, coded, chance, alpha)
