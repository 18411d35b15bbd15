"""Ratings of several judges, collapsed to the distinct rows of verdicts and how often each occurs.

Few categories make few distinct rows however many samples there are, so that every coefficient costs little after
one sort, and tables of batches add up.

Depends on: numpy. Used by: the agreement coefficients, `majority_vote` and `dawid_skene`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RatingTable:
    """Sufficient statistics of agreement; the sum of two is that of the pooled samples.

    Args:
        patterns: the distinct rows of ratings, shape (patterns, judges); NaN where a judge gave none. Rows without
            any rating are not among them.
        repeats: samples that show each pattern, shape (patterns,).
        unrated: samples that no judge rated.
        scale: declared categories in ascending order; None for those observed.
    """

    patterns: Floats
    repeats: Integers
    unrated: int = 0
    scale: tuple[float, ...] | None = None

    @classmethod
    def of(cls, ratings: Any, scale: Sequence[float] | None = None) -> RatingTable:
        """Return the table of ratings.

        Args:
            ratings: shape (judges, samples), finite; None or NaN where a judge did not rate. A table is returned as
                it is.
            scale: all categories a judge can give, used or not; None for those observed.

        Raises:
            ValueError: it is no matrix, a rating is infinite, or a rating is not on the declared scale.
        """
        if isinstance(ratings, cls):
            return ratings
        patterns, _, repeats = distinct_rows(rating_rows(ratings))
        declared = None if scale is None else _declared(scale, patterns)
        return cls._without_empty_rows(patterns, repeats, 0, declared)

    @classmethod
    def _without_empty_rows(
        cls, patterns: Floats, repeats: Integers, unrated: int, scale: tuple[float, ...] | None
    ) -> RatingTable:
        rated = ~np.isnan(patterns).all(axis=1)
        return cls(patterns[rated], repeats[rated], unrated + int(repeats[~rated].sum()), scale)

    def __add__(self, other: RatingTable) -> RatingTable:
        if self.patterns.shape[1] != other.patterns.shape[1] or self.scale != other.scale:
            raise ValueError("tables add up when they have the same judges and the same declared scale")
        both = np.concatenate((self.patterns, other.patterns))
        patterns, positions, _ = distinct_rows(both)
        repeats = np.bincount(positions, np.concatenate((self.repeats, other.repeats)), minlength=len(patterns))
        return RatingTable(patterns, repeats.astype(np.int64), self.unrated + other.unrated, self.scale)

    @property
    def samples(self) -> int:
        """Samples that at least one judge rated."""
        return int(self.repeats.sum())

    @property
    def judges(self) -> int:
        """Judges that rated at least one sample."""
        return int(np.count_nonzero(~np.isnan(self.patterns).all(axis=0))) if len(self.patterns) else 0

    def coded(self) -> CodedRatings:
        """Return the ratings as positions among the categories."""
        return CodedRatings.of(self)

    def pairable(self) -> RatingTable:
        """Return the table of the samples that two or more judges rated."""
        several = np.count_nonzero(~np.isnan(self.patterns), axis=1) > 1
        return RatingTable(self.patterns[several], self.repeats[several], self.unrated, self.scale)


@dataclass(frozen=True)
class CodedRatings:
    """Ratings as positions among the categories, ready for table look-ups.

    Args:
        categories: ascending, shape (categories,): the declared ones or those observed.
        codes: position of each rating, shape (patterns, judges); 0 where there is none.
        present: whether there is a rating, same shape.
        repeats: samples that show each pattern, shape (patterns,).
        rated: judges that rated each pattern, shape (patterns,), at least 1.
    """

    categories: Floats
    codes: Integers
    present: npt.NDArray[np.bool_]
    repeats: Integers
    rated: Integers

    @classmethod
    def of(cls, table: RatingTable) -> CodedRatings:
        """Return the coded ratings of a table."""
        present = ~np.isnan(table.patterns)
        values = table.patterns[present]
        observed = np.unique(values)
        categories = observed if table.scale is None else np.asarray(table.scale, dtype=np.float64)
        codes = np.zeros(table.patterns.shape, dtype=np.int64)
        codes[present] = np.searchsorted(categories, values)
        return cls(categories, codes, present, table.repeats, np.count_nonzero(present, axis=1).astype(np.int64))

    def totals(self, of_each: Floats) -> Floats:
        """Return the sum over patterns and judges of a value a pattern, by category of the rating."""
        values = np.broadcast_to((of_each * self.repeats)[:, None], self.codes.shape)[self.present]
        found = np.bincount(self.codes[self.present], values, minlength=self.categories.size)
        return np.asarray(found, dtype=np.float64)

    def mean_of(self, of_category: Floats) -> Floats:
        """Return each pattern's mean, over the judges that rated it, of a value a category; shape (patterns,)."""
        found = np.where(self.present, of_category[self.codes], 0.0).sum(axis=1) / self.rated
        return np.asarray(found, dtype=np.float64)

    def shares(self) -> Floats:
        """Return the share of each category, each sample counting once whatever its number of judges."""
        return np.asarray(self.totals(1 / self.rated) / self.repeats.sum(), dtype=np.float64)

    def judge_shares(self) -> tuple[Floats, Floats]:
        """Return each judge's shares of the categories, shape (judges, categories), and its number of ratings.

        A judge without ratings has shares of 0.
        """
        judges, width = self.codes.shape[1], self.categories.size
        cell = (np.arange(judges) * width + self.codes)[self.present]
        weight = np.broadcast_to(self.repeats[:, None], self.codes.shape)[self.present]
        counts = np.bincount(cell, weight, minlength=judges * width).reshape(judges, width)
        given = counts.sum(axis=1)
        return counts / np.maximum(given, 1.0)[:, None], given

    def sum_of_squared_counts(self) -> Floats:
        """Return each pattern's sum over categories of the squared number of judges that chose it."""
        row = np.broadcast_to(np.arange(len(self.codes))[:, None], self.codes.shape)[self.present]
        cells, counts = np.unique(row * self.categories.size + self.codes[self.present], return_counts=True)
        squares = counts.astype(np.float64) ** 2
        found = np.bincount(cells // max(1, self.categories.size), squares, minlength=len(self.codes))
        return np.asarray(found, dtype=np.float64)


def rating_rows(ratings: Any) -> Floats:
    """Return ratings with a row for each sample, shape (samples, judges).

    Args:
        ratings: shape (judges, samples), finite; None or NaN where a judge did not rate.

    Raises:
        ValueError: it is no matrix, or a rating is infinite.
    """
    try:
        matrix = np.asarray(ratings, dtype=np.float64)
    except ValueError:
        raise ValueError("ratings are a matrix of numbers: a row for each judge, all of one length") from None
    if matrix.size == 0:
        matrix = matrix.reshape(len(matrix), 0)
    if matrix.ndim != 2:
        raise ValueError(f"ratings are a matrix, a row for each judge; got {matrix.ndim} dimension(s)")
    if np.isinf(matrix).any():
        raise ValueError("a rating is infinite; ratings are finite numbers, or missing")
    # Adding 0 makes -0 and 0 one category.
    return np.ascontiguousarray(matrix.T) + 0.0


def distinct_rows(rows: Floats) -> tuple[Floats, Integers, Integers]:
    """Return the distinct rows in ascending order, the position of each row among them, and their repeats.

    Args:
        rows: shape (samples, judges); NaN equals NaN here.
    """
    count, width = rows.shape
    if count == 0 or width == 0:
        return rows[:0], np.zeros(count if width else 0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    # Every value by its rank among all: sorting integers is faster, and NaN, the last rank, equals itself.
    codes = np.unique(rows, return_inverse=True, equal_nan=True)[1].reshape(rows.shape)
    keys = _row_keys(codes)
    order = np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(keys[::-1])
    starts = np.zeros(count, dtype=bool)
    starts[0] = True
    for key in keys:
        ordered = key[order]
        starts[1:] |= ordered[1:] != ordered[:-1]
    positions = np.empty(count, dtype=np.int64)
    positions[order] = np.cumsum(starts) - 1
    return rows[order[starts]], positions, np.bincount(positions)


def _row_keys(codes: Integers) -> list[Integers]:
    """Return as few integer keys a row as hold all its codes, the most significant first."""
    base = int(codes.max()) + 1
    per_key = max(1, int(62 // max(1.0, np.log2(base))))
    keys = []
    for start in range(0, codes.shape[1], per_key):
        block = codes[:, start : start + per_key]
        key = np.zeros(len(codes), dtype=np.int64)
        for column in block.T:
            key = key * base + column
        keys.append(key)
    return keys


def _declared(scale: Sequence[float], patterns: Floats) -> tuple[float, ...]:
    categories = np.unique(np.asarray(scale, dtype=np.float64))
    if categories.size == 0 or not np.isfinite(categories).all():
        raise ValueError("a scale declares at least one category, all finite numbers")
    strangers = np.setdiff1d(patterns[~np.isnan(patterns)], categories)
    if strangers.size:
        raise ValueError(f"a rating is not on the declared scale: {strangers[0]:g}")
    return tuple(categories.tolist())
