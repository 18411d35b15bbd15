"""What no row alone can get wrong: rows that stand twice, samples in two clusters, variants that share nothing.

Depends on: numpy, `stack`, `mistakes`. Used by: `accumulating`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from abtest.analytics.data.tables import Codes, Values
from abtest_cli.results.mistakes import MAX_MISTAKES, Mistakes, quoted, shown
from abtest_cli.results.stack import Array, Stack

_MAX_CODE = 2**62
SMALLEST, LARGEST = 1e-50, 1e50
"""Sizes of a number other than 0 between which its fourth power is a number too."""
_SHOWN_NAMES = 5


class Checks:
    """The checks of all rows together.

    Args:
        rows: where each row stands.
        where: names of the files, for what is wrong with all of them.
        mistakes: takes what is wrong.
    """

    def __init__(self, rows: Stack, where: str, mistakes: Mistakes) -> None:
        self.rows = rows
        self.where = where
        self.mistakes = mistakes

    def outside(self, column: str, values: Values, span: tuple[float, float], only: Array | None = None) -> None:
        """Note each number of a column that lies outside a range, both ends being inside; missing ones do not.

        Args:
            column: its name.
            values: of each row.
            span: lowest and highest.
            only: the rows to look at; None is all.
        """
        low, high = span
        wrong = (values < low) | (values > high)
        allowed = f"{low:g} to {high:g}" if high < np.inf else f"{low:g} or more"
        for row in np.flatnonzero(wrong if only is None else wrong & only).tolist():
            self._add(row, f"`{column}` is out of range", found=f"{values[row]:g}", allowed=allowed)

    def sized(self, column: str, values: Values) -> None:
        """Note each number of a column that is too large or too small to compute with.

        Args:
            column: its name.
            values: of each row; 0 and missing ones are no mistake.
        """
        size = np.abs(values)
        if not ((size > LARGEST).any() or ((size < SMALLEST) & (size > 0)).any()):
            return
        allowed = f"0, or a size from {SMALLEST:g} to {LARGEST:g}; use another unit"
        for row in np.flatnonzero((size > LARGEST) | ((size < SMALLEST) & (size > 0))).tolist():
            self._add(row, f"`{column}` cannot be computed with", found=f"{values[row]:g}", allowed=allowed)

    def equal(self, columns: tuple[str, str], left: Codes, right: Codes, names: Sequence[str]) -> None:
        """Note each row that compares a variant with itself."""
        for row in np.flatnonzero(left == right).tolist():
            message = f"`{columns[0]}` and `{columns[1]}` are the same variant"
            self._add(row, message, found=shown(names[left[row]]), allowed="two variants")

    def duplicates(self, keys: Sequence[tuple[str, Codes, Sequence[str]]]) -> None:
        """Note rows whose key stands in an earlier row already.

        Args:
            keys: what identifies a row: column, codes, names.
        """
        combined = _combined([codes for _, codes, _ in keys])
        ordered = np.sort(combined)
        if not (ordered[1:] == ordered[:-1]).any():
            return
        order = np.argsort(combined, kind="stable")
        repeated = combined[order][1:] == combined[order][:-1]
        pairs = sorted(zip(order[1:][repeated].tolist(), order[:-1][repeated].tolist(), strict=True))
        for row, earlier in pairs[:MAX_MISTAKES]:
            said = [f"{column} {shown(names[codes[row]])}" for column, codes, names in keys if names[codes[row]]]
            first = self.rows.place(earlier).beside(self.rows.place(row))
            allowed = f"one row for each {', '.join(column for column, _, _ in keys)}"
            self._add(row, f"{', '.join(said)} stands at {first} already", allowed=allowed)

    def groups(
        self, kind: str, sample: Codes, group: Codes | None, *, names: Sequence[str], samples: Sequence[str]
    ) -> Codes:
        """Return the group of each sample, and note samples that rows put into two.

        Args:
            kind: `cluster` or `slice`.
            sample: of each row.
            group: of each row, -1 being none; None when no row has one.
            names: of the groups.
            samples: names of the samples.
        """
        result = np.full(len(samples), -1, np.int32)
        if group is None:
            return result
        named = np.flatnonzero(group >= 0)
        # Of several assignments to one place the last stays: from the end it is the first row's.
        result[sample[named][::-1]] = group[named][::-1]
        for row in named[result[sample[named]] != group[named]][:MAX_MISTAKES].tolist():
            code = sample[row]
            first = int(np.flatnonzero((sample == code) & (group == result[code]))[0])
            message = (
                f"sample {shown(samples[code])} is in {kind} {shown(names[group[row]])} here and in "
                f"{shown(names[result[code]])} at {self.rows.place(first).beside(self.rows.place(row))}"
            )
            self._add(row, message, allowed=f"one {kind} a sample")
        return result

    def arms(self, sample: Codes, variant: Codes, *, samples: Sequence[str], variants: Sequence[str]) -> None:
        """Note that there is one variant only, or that no sample stands with two of them."""
        if len(variants) < 2:
            found = f"only {quoted(variants)}" if variants else "none"
            allowed = "rows of two variants or more"
            self.mistakes.add(self.where, "there is only one variant", found=found, allowed=allowed)
            return
        one = np.zeros(len(samples), np.int32)
        one[sample] = variant
        if (one[sample] != variant).any():
            return
        named = list(enumerate(variants))[:_SHOWN_NAMES]
        rows = [(name, np.flatnonzero(variant == code)) for code, name in named]
        examples = [(name, samples[sample[own[0]]]) for name, own in rows if own.size]
        found = "; ".join(f"`{name}` has {shown(example)}" for name, example in examples)
        allowed = "the same sample names for every variant, because each sample is compared with itself"
        self.mistakes.add(self.where, "the variants have no sample in common", found=found, allowed=allowed)

    def scales(
        self,
        codes: tuple[Codes, Codes],
        score: Values,
        *,
        metrics: Sequence[str],
        judges: Sequence[str],
        known: Collection[str],
    ) -> None:
        """Note metrics that one judge scores from 0 to 1 and another higher.

        Args:
            codes: metric and judge of each row.
            score: of each row.
            metrics: names.
            judges: names.
            known: metrics whose range a person has given.
        """
        if len(judges) < 2:
            return
        cell = codes[0].astype(np.int64) * len(judges) + codes[1]
        scored = ~np.isnan(score)
        shape = len(metrics), len(judges)
        highest, lowest = np.full(shape, -np.inf), np.full(shape, np.inf)
        np.maximum.at(highest.reshape(-1), cell[scored], score[scored])
        np.minimum.at(lowest.reshape(-1), cell[scored], score[scored])
        unit = (lowest >= 0) & (highest <= 1) & (lowest < np.inf)
        wide = highest > 1
        for index in np.flatnonzero(unit.any(axis=1) & wide.any(axis=1)).tolist():
            if metrics[index] in known:
                continue
            low, high = int(unit[index].argmax()), int(wide[index].argmax())
            message = f"the judges of metric `{metrics[index]}` use different scales"
            found = (
                f"{shown(judges[low])} stays within 0 to 1, {shown(judges[high])} goes up to {highest[index, high]:g}"
            )
            allowed = (
                "one scale a metric: bring the scores of one judge to the other's scale, or name two metrics; "
                "if both do use one scale, give its range"
            )
            self.mistakes.add(self.where, message, found=found, allowed=allowed)

    def _add(self, row: int, message: str, *, found: str | None = None, allowed: str | None = None) -> None:
        place = self.rows.place(row)
        self.mistakes.add(place.path, message, found=found, allowed=allowed, line=place.line)


def _combined(codes: Sequence[Codes]) -> npt.NDArray[np.int64]:
    """Return one integer for each combination of codes."""
    result = codes[0].astype(np.int64)
    for column in codes[1:]:
        size = int(column.max(initial=0)) + 1
        if (int(result.max(initial=0)) + 1) * size > _MAX_CODE:
            result = np.unique(result, return_inverse=True)[1].astype(np.int64)
        result *= size
        result += column
    return result
