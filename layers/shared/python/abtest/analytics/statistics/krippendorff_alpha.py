"""Krippendorff's alpha: agreement of any number of judges on any scale, with any ratings missing.

Depends on: numpy. Used by: `abtest.analytics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._chance_agreement import unrateable
from abtest.analytics.statistics._rating_table import CodedRatings, Floats, RatingTable

STATISTIC = Method(
    name="Krippendorff's alpha",
    formula="alpha = 1 - Do / De, Do = sum over samples of sum over pairs of d(c, k) / (m - 1) / n, "
    "De = sum of n_c n_k d(c, k) / (n (n - 1)); d = [c != k], (rank c - rank k)^2, (c - k)^2 or ((c - k) / (c + k))^2",
    source="Krippendorff (2004), Content Analysis, 2nd ed., chapter 11; Krippendorff (2011), Computing "
    "Krippendorff's alpha-reliability, sections C and D",
)
Level = Literal["nominal", "ordinal", "interval", "ratio"]
_BLOCK = 1 << 20
"""Pairs of categories that are held at a time."""


@dataclass(frozen=True)
class KrippendorffAlpha:
    """Alpha and what it comes from; what does not exist is None and `status` says why.

    Args:
        status: `ok`; `no_data`: no rating; `single_judge`: only one judge rated; `too_few`: no sample has two
            ratings; `single_category`: no disagreement is possible, alpha is 0 / 0.
        samples: samples with at least one rating.
        pairable: samples with two or more; only these count.
        ratings: ratings of those samples.
        value: 1 is perfect, 0 what chance would give.
        observed: observed disagreement, in the unit of the level.
        expected: disagreement by chance.
    """

    status: Status
    samples: int
    pairable: int
    ratings: int = 0
    value: float | None = None
    observed: float | None = None
    expected: float | None = None


def krippendorff_alpha(ratings: Any, level: Level = "nominal") -> KrippendorffAlpha:
    """Return Krippendorff's alpha.

    Args:
        ratings: shape (judges, samples), None or NaN where missing; or a `RatingTable`.
        level: how far apart two ratings are; `ratio` needs ratings of at least 0.

    Raises:
        ValueError: the ratings are no matrix, the level does not exist, or a ratio-scaled rating is negative.

    Assumes: samples are independent; judges are interchangeable. The `ratio` level compares all distinct values with
    each other; the others are linear in the ratings. Source: Krippendorff (2011), sections C and D.
    """
    if level not in get_args(Level):
        raise ValueError(f"the level of measurement is one of {', '.join(get_args(Level))}; got {level!r}")
    table = RatingTable.of(ratings)
    several = table.pairable()
    nothing = unrateable(table, several)
    if nothing is not None:
        return KrippendorffAlpha(nothing.status, table.samples, 0)
    coded = several.coded()
    totals = coded.totals(np.ones(len(coded.codes)))
    n = float(totals.sum())
    if np.count_nonzero(totals) == 1:
        return KrippendorffAlpha("single_category", table.samples, several.samples, round(n), None, 0.0, 0.0)
    within, between = _disagreement(level, coded, totals)
    observed = float(within / (coded.rated - 1) @ coded.repeats) / n
    expected = between / (n * (n - 1))
    return KrippendorffAlpha(
        "ok", table.samples, several.samples, round(n), 1 - observed / expected, observed, expected
    )


def _disagreement(level: Level, coded: CodedRatings, totals: Floats) -> tuple[Floats, float]:
    """Return the sum of distances over the ordered pairs of each pattern, and over those of all ratings."""
    n, rated = float(totals.sum()), coded.rated.astype(np.float64)
    if level == "nominal":
        return rated**2 - coded.sum_of_squared_counts(), n**2 - float(totals @ totals)
    if level == "ratio":
        return _ratio_within(coded), _ratio_between(coded.categories, totals)
    # Half of a category's own ratings on each side of its rank makes the ordinal distance a squared difference.
    place = np.cumsum(totals) - totals / 2 if level == "ordinal" else coded.categories
    place = place - float(totals @ place) / n
    values = np.where(coded.present, place[coded.codes], 0.0)
    centre = values.sum(axis=1) / rated
    squares = np.where(coded.present, (values - centre[:, None]) ** 2, 0.0).sum(axis=1)
    return 2 * rated * squares, 2 * n * float(totals @ place**2)


def _ratio_within(coded: CodedRatings) -> Floats:
    """Return the sum of squared relative differences over the ordered pairs of each pattern."""
    if coded.categories[0] < 0:
        raise ValueError(f"ratings on a ratio scale are at least 0; got {coded.categories[0]:g}")
    judges = coded.codes.shape[1]
    found = np.zeros(len(coded.codes))
    for first in range(judges):
        for second in range(first + 1, judges):
            both = coded.present[:, first] & coded.present[:, second]
            one, two = coded.categories[coded.codes[both, first]], coded.categories[coded.codes[both, second]]
            found[both] += 2 * _relative_squares(one, two)
    return found


def _ratio_between(categories: Floats, totals: Floats) -> float:
    rows = max(1, _BLOCK // categories.size)
    found = 0.0
    for start in range(0, categories.size, rows):
        block = slice(start, start + rows)
        found += float(totals[block] @ _relative_squares(categories[block, None], categories[None, :]) @ totals)
    return found


def _relative_squares(one: Floats, two: Floats) -> Floats:
    """Return ((c - k) / (c + k))^2, which is 0 where both are 0."""
    total = one + two
    return np.asarray(((one - two) / np.where(total > 0, total, 1.0)) ** 2, dtype=np.float64)
