"""Raw agreement: how often two judges of the same sample say the same, without any correction for chance.

Depends on: numpy. Used by: `abtest.analytics`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from abtest.analytics.model import Method
from abtest.analytics.statistics._chance_agreement import (
    AgreementCoefficient,
    Weights,
    check_weights,
    pair_agreement,
    unrateable,
    with_t_interval,
)
from abtest.analytics.statistics._rating_table import Floats, RatingTable
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Raw agreement",
    formula="mean over samples with m >= 2 ratings of sum over k of n_k (n_k - 1) / (m (m - 1)), "
    "n_k = judges that chose category k",
    source="Fleiss (1971), Measuring nominal scale agreement among many raters; "
    "Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., for missing ratings",
)


def raw_agreement(ratings: Any, weights: Weights = "identity", *, alpha: float = 0.05) -> AgreementCoefficient:
    """Return the share of judge pairs that agree, the sample being the unit.

    Args:
        ratings: shape (judges, samples), None or NaN where missing; or a `RatingTable`.
        weights: what counts as agreement.
        alpha: two-sided error rate of the interval, which is t(samples - 1).

    Raises:
        ValueError: the ratings are no matrix, or weights or alpha do not exist.

    Assumes: samples are independent; what is missing is like the rest.
    Source: Fleiss (1971); Gwet (2014) for missing ratings.
    """
    check_weights(weights)
    check_alpha(alpha)
    table = RatingTable.of(ratings)
    several = table.pairable()
    nothing = unrateable(table, several)
    if nothing is not None:
        return nothing
    # Distances are shares of the whole scale, also of categories that only samples with one rating show.
    scale = tuple(float(category) for category in table.coded().categories)
    agreement = pair_agreement(weights, replace(several, scale=scale).coded())
    n = several.samples
    value = float(agreement @ several.repeats) / n
    found = AgreementCoefficient("ok", table.samples, n, value, value)
    if n < 2:
        return found
    se = math.sqrt(float((agreement - value) ** 2 @ several.repeats) / (n * (n - 1)))
    found = with_t_interval(found, se, n - 1, alpha)
    return found if found.ci_low is None else replace(found, ci_low=max(0.0, found.ci_low))


def pairwise_agreement(ratings: Any) -> tuple[Floats, Floats]:
    """Return how often each two judges agree: shares, shape (judges, judges), and the samples both rated.

    A pair that never met has the share 0 beside 0 samples; a judge agrees with itself.

    Args:
        ratings: shape (judges, samples), None or NaN where missing; or a `RatingTable`.

    Raises:
        ValueError: the ratings are no matrix.
    """
    table = RatingTable.of(ratings)
    judges = table.patterns.shape[1]
    same, met = np.zeros((judges, judges)), np.zeros((judges, judges))
    present = ~np.isnan(table.patterns)
    for judge in range(judges):
        both = present & present[:, [judge]]
        met[judge] = table.repeats @ both
        same[judge] = table.repeats @ (both & (table.patterns == table.patterns[:, [judge]]))
    return same / np.maximum(met, 1.0), met
