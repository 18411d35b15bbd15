"""Cohen's kappa: agreement of two judges beyond what their own habits would give by chance; plain or weighted.

Depends on: numpy. Used by: `abtest.analytics`.
"""

from __future__ import annotations

import math
from typing import Any

from abtest.analytics.model import Method
from abtest.analytics.statistics._chance_agreement import (
    AgreementCoefficient,
    Weights,
    check_weights,
    pair_agreement,
    unrateable,
    weighted,
    with_t_interval,
)
from abtest.analytics.statistics._rating_table import CodedRatings, RatingTable
from abtest.analytics.statistics._wald import check_alpha

STATISTIC = Method(
    name="Cohen's kappa",
    formula="kappa = (po - pe) / (1 - pe), po = sum of w_ij p_ij, pe = sum of w_ij p_i. p_.j; w = 1 if equal else 0, "
    "or 1 - |i - j| / range, or 1 - ((i - j) / range)^2",
    source="Cohen (1960), A coefficient of agreement for nominal scales; Cohen (1968) for weights; "
    "standard error of Fleiss, Cohen and Everitt (1969), Large sample standard errors of kappa and weighted kappa",
)


def cohen_kappa(ratings: Any, weights: Weights = "identity", *, alpha: float = 0.05) -> AgreementCoefficient:
    """Return Cohen's kappa of two judges.

    Args:
        ratings: shape (2, samples), None or NaN where missing; or a `RatingTable` of two judges. Samples that only
            one judge rated do not count.
        weights: `linear` and `quadratic` take ratings for numbers on a scale.
        alpha: two-sided error rate of the normal interval.

    Raises:
        ValueError: there are not two judges, or weights or alpha do not exist.

    Assumes: samples are independent, and many. Source: Cohen (1960), (1968); Fleiss, Cohen and Everitt (1969).
    """
    check_weights(weights)
    check_alpha(alpha)
    table = RatingTable.of(ratings)
    if table.patterns.shape[1] != 2 and table.samples:
        raise ValueError(
            f"Cohen's kappa is of two judges, got {table.patterns.shape[1]}; use Fleiss or Conger for more"
        )
    several = table.pairable()
    nothing = unrateable(table, several)
    if nothing is not None:
        return nothing
    coded = several.coded()
    agreement = pair_agreement(weights, coded)
    n = several.samples
    observed = float(agreement @ several.repeats) / n
    if len(several.patterns) == 1 and several.patterns[0, 0] == several.patterns[0, 1]:
        return AgreementCoefficient("single_category", table.samples, n, observed=observed, expected=1.0)
    (first, second), _ = coded.judge_shares()
    by_first, by_second = weighted(weights, coded.categories, second), weighted(weights, coded.categories, first)
    expected = float(first @ by_first)
    value = (observed - expected) / (1 - expected)
    found = AgreementCoefficient("ok", table.samples, n, value, observed, expected)
    if n < 2:
        return found
    habit = by_first[coded.codes[:, 0]] + by_second[coded.codes[:, 1]]
    return with_t_interval(found, _standard_error(found, agreement - habit * (1 - value), coded), math.inf, alpha)


def _standard_error(found: AgreementCoefficient, own: Any, coded: CodedRatings) -> float:
    """Return the large-sample error from each pattern's w_ij - (w_i. + w_.j) (1 - kappa)."""
    value, expected = found.value or 0.0, found.expected or 0.0
    centre = value - expected * (1 - value)
    # The bracket of the formula, E[x^2] - E[x]^2, as a sum of squares about the mean, which cannot cancel.
    spread = float((own - centre) ** 2 @ coded.repeats) / found.pairable
    return math.sqrt(spread / found.pairable) / (1 - expected)
