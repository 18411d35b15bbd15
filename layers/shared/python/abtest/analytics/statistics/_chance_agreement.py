"""What the chance-corrected coefficients share: weights of partial agreement, observed agreement, standard error.

Weights are applied by sums instead of a matrix, so that the cost is linear in the number of categories.

Depends on: numpy, scipy.special. Used by: `raw_agreement`, `gwet_agreement`, the kappas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from abtest.analytics.model import Status
from abtest.analytics.statistics._rating_table import CodedRatings, Floats, RatingTable
from abtest.analytics.statistics._student import critical_value
from abtest.analytics.statistics._wald import check_alpha

Weights = Literal["identity", "linear", "quadratic"]
"""How much two ratings agree: equal or not; 1 less their distance over the range; 1 less its square."""

_ROUNDING = 1e-13
"""A standard error below this is what rounding leaves of 0."""


@dataclass(frozen=True)
class AgreementCoefficient:
    """A coefficient of agreement; what does not exist is None and `status` says why.

    Args:
        status: `ok`; `no_data`: no rating; `single_judge`: only one judge rated; `too_few`: no sample has two
            ratings; `single_category`: everybody always said the same, which corrects to 0 / 0.
        samples: samples with at least one rating.
        pairable: samples with two or more.
        value: 1 is perfect, 0 what chance would give; less than 0 is worse than chance.
        observed: agreement before the correction, from 0 to 1.
        expected: agreement by chance.
        se: standard error over samples, the judges being the only ones of interest; None below two samples.
        ci_low: lower end of the interval; None where the error does not exist or is 0.
        ci_high: upper end, at most 1.
    """

    status: Status
    samples: int
    pairable: int
    value: float | None = None
    observed: float | None = None
    expected: float | None = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


def check_weights(weights: Weights) -> None:
    """Refuse weights that do not exist.

    Raises:
        ValueError: they do not.
    """
    if weights not in get_args(Weights):
        raise ValueError(f"weights are one of {', '.join(get_args(Weights))}; got {weights!r}")


def unrateable(table: RatingTable, pairable: RatingTable) -> AgreementCoefficient | None:
    """Return the answer where there is nothing to compare; None where two judges meet on a sample."""
    if pairable.samples:
        return None
    status: Status = "too_few" if table.judges > 1 else "single_judge" if table.judges else "no_data"
    return AgreementCoefficient(status, table.samples, 0)


def weighted(weights: Weights, categories: Floats, mass: Floats) -> Floats:
    """Return, for each category, the agreement with a rating drawn from a distribution: the product W mass.

    Args:
        weights: the kind of agreement.
        categories: ascending, shape (categories,).
        mass: of each category, shape (categories,).
    """
    place = _scaled(categories)
    if weights == "identity" or place is None:
        return mass
    total, first = float(mass.sum()), float(mass @ place)
    if weights == "quadratic":
        second = float(mass @ place**2)
        return np.asarray(total - (place**2 * total - 2 * place * first + second), dtype=np.float64)
    below, first_below = np.cumsum(mass), np.cumsum(mass * place)
    distance = place * (2 * below - total) - (2 * first_below - first)
    return np.asarray(total - distance, dtype=np.float64)


def pair_agreement(weights: Weights, coded: CodedRatings) -> Floats:
    """Return the mean agreement over the pairs of judges of each pattern, shape (patterns,).

    Args:
        weights: the kind of agreement.
        coded: patterns with at least two ratings each.
    """
    rated = coded.rated.astype(np.float64)
    place = _scaled(coded.categories)
    if weights == "identity" or place is None:
        return (coded.sum_of_squared_counts() - rated) / (rated * (rated - 1))
    values = place[coded.codes]
    if weights == "quadratic":
        centre = np.where(coded.present, values, 0.0).sum(axis=1) / rated
        squares = np.where(coded.present, (values - centre[:, None]) ** 2, 0.0).sum(axis=1)
        return np.asarray(1 - 2 * squares / (rated - 1), dtype=np.float64)
    # The sum of distances of all pairs is that of the sorted values times (2 i - m + 1); what is missing sorts last.
    ordered = np.sort(np.where(coded.present, values, np.inf), axis=1)
    lead = 2 * np.arange(values.shape[1]) - rated[:, None] + 1
    known = np.isfinite(ordered)
    distances = np.where(known, np.where(known, ordered, 0.0) * lead, 0.0).sum(axis=1)
    return np.asarray(1 - 2 * distances / (rated * (rated - 1)), dtype=np.float64)


def spread_pair_agreement(weights: Weights, coded: CodedRatings) -> tuple[Floats, Floats]:
    """Return each pattern's agreement, 0 where it has one rating, and whether it has two or more (1 or 0)."""
    several = coded.rated > 1
    part = CodedRatings(
        coded.categories, coded.codes[several], coded.present[several], coded.repeats[several], coded.rated[several]
    )
    agreement = np.zeros(len(several))
    agreement[several] = pair_agreement(weights, part)
    return agreement, several.astype(np.float64)


@dataclass(frozen=True)
class ChanceModel:
    """What a coefficient takes chance to be.

    Args:
        expected: agreement by chance.
        of_pattern: each pattern's own share in it, shape (patterns,), whose mean over samples is `expected`.
    """

    expected: float
    of_pattern: Floats


def corrected(
    weights: Weights, table: RatingTable, coded: CodedRatings, chance: ChanceModel, alpha: float
) -> AgreementCoefficient:
    """Return (observed - expected) / (1 - expected) with its linearised standard error and t interval.

    Args:
        weights: the kind of agreement.
        table: of the ratings, at least one sample with two.
        coded: the same table, coded.
        chance: agreement by chance, below 1.
        alpha: two-sided error rate of the interval.

    Assumes: samples are independent. Source: Gwet (2008), (2014).
    """
    check_alpha(alpha)
    n, repeats = table.samples, coded.repeats
    agreement, several = spread_pair_agreement(weights, coded)
    pairable = float(several @ repeats)
    observed, left = float(agreement @ repeats) / pairable, 1 - chance.expected
    value = (observed - chance.expected) / left
    found = AgreementCoefficient("ok", n, round(pairable), value, observed, chance.expected)
    if n < 2:
        return found
    own = n / pairable * (agreement - chance.expected * several) / left
    own = own - 2 * (1 - value) * (chance.of_pattern - chance.expected) / left
    return with_t_interval(found, math.sqrt(float((own - value) ** 2 @ repeats) / (n * (n - 1))), n - 1, alpha)


def with_t_interval(found: AgreementCoefficient, se: float, df: float, alpha: float) -> AgreementCoefficient:
    """Return a coefficient with its standard error and interval; without the interval where the error is 0."""
    if found.value is None or se <= _ROUNDING:
        return replace(found, se=0.0)
    reach = critical_value(alpha, df) * se
    return replace(found, se=se, ci_low=found.value - reach, ci_high=min(1.0, found.value + reach))


def _scaled(categories: Floats) -> Floats | None:
    """Return the categories on -1/2 ... 1/2, or None when there is only one."""
    if categories.size < 2:
        return None
    low, high = float(categories[0]), float(categories[-1])
    return np.asarray((categories - low) / (high - low) - 0.5, dtype=np.float64)
