"""Tokens of a dataset's texts, counted when it is frozen: of some rows, for all of them.

Depends on: nothing. Used by: the freezing of datasets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

MOST_ROWS = 1_000
"""Rows that are counted, spread evenly over the dataset."""
MOST_CHARACTERS = 400_000
"""Characters that are counted in all, shared evenly by those rows and their texts."""
ERROR_OF_ONE = 0.3
"""Error of a count of one row that is too long to be counted whole: nothing shows how the rest of it differs."""

Row = TypeVar("Row")
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Counted:
    characters: int
    tokens: int


def rows_to_count(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows that are worth a count: at most `MOST_ROWS`, spread evenly."""
    return rows[:: -(-len(rows) // MOST_ROWS)] if rows else rows


def count_texts(
    rows: Sequence[Mapping[Name, str]], characters: Mapping[Name, int], count: Callable[[str], int]
) -> tuple[dict[Name, int], float]:
    """Return the tokens of each text over all rows, from an even part of them, and the error of their sum.

    Args:
        rows: of `rows_to_count`, each row's texts by name.
        characters: for each name, its characters over all rows of the dataset.
        count: the number of tokens of a text.

    Returns:
        Tokens by name; two standard errors of their sum, as a share of it, 0 when every row was counted whole.
    """
    each = max(1, MOST_CHARACTERS // max(1, sum(len(row) for row in rows)))
    counted = [{name: _counted(text, each, count) for name, text in row.items()} for row in rows]
    whole = sum(one.characters for row in counted for one in row.values()) == sum(characters.values())
    ratio = _ratio([one for row in counted for one in row.values()])
    by_name = {
        name: round(total * _ratio([row[name] for row in counted if name in row], default=ratio))
        for name, total in characters.items()
    }
    return by_name, 0.0 if whole else _error(counted, ratio)


def _counted(text: str, most: int, count: Callable[[str], int]) -> _Counted:
    # A long text is read from its middle: what begins it is often the same in all rows.
    start = max(0, (len(text) - most) // 2)
    part = text[start : start + most]
    return _Counted(len(part), count(part))


def _ratio(counted: Sequence[_Counted], default: float = 0.0) -> float:
    characters = sum(one.characters for one in counted)
    return sum(one.tokens for one in counted) / characters if characters else default


def _error(counted: Sequence[Mapping[Name, _Counted]], ratio: float) -> float:
    """Return two standard errors of the ratio estimate of the sum of tokens, as a share of it.

    Source: Cochran, Sampling Techniques (1977), section 6.3; the correction for a finite population is left out, which
    errs on the safe side.
    """
    pairs = [(sum(one.characters for one in row.values()), sum(one.tokens for one in row.values())) for row in counted]
    total = sum(tokens for _, tokens in pairs)
    if total == 0:
        return 0.0
    if len(pairs) == 1:
        return ERROR_OF_ONE
    residuals = math.fsum((tokens - ratio * characters) ** 2 for characters, tokens in pairs)
    return round(2 * math.sqrt(residuals * len(pairs) / (len(pairs) - 1)) / total, 4)
