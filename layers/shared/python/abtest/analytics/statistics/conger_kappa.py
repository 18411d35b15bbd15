"""Conger's kappa: Cohen's kappa for any number of judges, each with habits of its own.

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
from abtest.analytics.statistics._rating_table import CodedRatings, RatingTable
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Conger's kappa",
    formula="kappa = (pa - pe) / (1 - pe), pa = raw agreement, pe = mean over ordered pairs of judges g != h of "
    "sum of w_kl p_gk p_hl, p_gk = share of k in the ratings of g",
    source="Conger (1980), Integration and generalization of kappas for multiple raters; "
    "Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., for missing ratings, weights and the error",
)


def conger_kappa(ratings: Any, weights: Weights = "identity", *, alpha: float = 0.05) -> AgreementCoefficient:
    """Return Conger's kappa; of two judges with complete ratings it is Cohen's.

    Args:
        ratings: shape (judges, samples), None or NaN where missing; or a `RatingTable`, which can declare a scale.
            Judges without any rating do not count.
        weights: `linear` and `quadratic` take ratings for numbers on a scale.
        alpha: two-sided error rate of the interval, which is t(samples - 1).

    Raises:
        ValueError: the ratings are no matrix, or weights or alpha do not exist.

    Assumes: samples are independent; the judges are the ones of interest, not a draw from many.
    Source: Conger (1980); Gwet (2014) for missing ratings, weights and the error.
    """
    check_weights(weights)
    check_alpha(alpha)
    table = RatingTable.of(ratings)
    nothing = unrateable(table, table.pairable())
    if nothing is not None:
        return nothing
    coded = table.coded()
    if np.unique(coded.codes[coded.present]).size == 1:
        pairable = int(coded.repeats[coded.rated > 1].sum())
        return AgreementCoefficient("single_category", table.samples, pairable, observed=1.0, expected=1.0)
    return corrected(weights, table, coded, _chance(weights, coded), alpha)


def _chance(weights: Weights, coded: CodedRatings) -> ChanceModel:
    """Return the mean chance agreement of the pairs of judges and the share of each pattern in it."""
    shares, given = coded.judge_shares()
    active = np.flatnonzero(given)
    pairs = active.size * (active.size - 1)
    n = float(coded.repeats.sum())
    total = shares.sum(axis=0)
    expected, of_pattern = 0.0, np.zeros(len(coded.codes))
    for judge in active:
        # Chance agreement of each category with the other judges, and of this judge with them.
        others = weighted(weights, coded.categories, total - shares[judge])
        mean = float(shares[judge] @ others)
        expected += mean / pairs
        present, share_rated = coded.present[:, judge], given[judge] / n
        own = np.where(present, others[coded.codes[:, judge]] - mean, 0.0)
        of_pattern += (own / share_rated + mean) / pairs
    return ChanceModel(expected, of_pattern)
