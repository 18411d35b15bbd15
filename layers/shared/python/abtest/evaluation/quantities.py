r"""Numbers in texts, and the units beside them.

Numbers: `18`, `-1.5`, `.5`, `1,234,567.89`, `$20`, `-$20`, `1e-3`, `50%`; a full stop that ends a sentence is not part
of the number, and digits glued to a letter before them (`H2O`, `GPT4`) are none. A unit may follow, with or without
white space or a hyphen, as a symbol or a name of up to three words, also in Markdown or LaTeX (`5\text{ km}`); a
currency may stand before.

Depends on: `abtest.evaluation.units`. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from abtest.evaluation.units import Unit, currency_named, unit_named

# A sign counts only where no digit, letter or bracket stands before it: 10-12 is ten and twelve.
_NUMBER = re.compile(
    r"""
    (?:(?<![\w.)\]])(?P<sign>[-+]))?
    (?:(?P<currency>[$€£¥₹])\s?(?P<inner_sign>[-+])?)?
    (?<![^\W_])(?<!\d\.)
    (?P<digits>(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?|\.\d++)
    (?P<exponent>[eE][-+]?\d{1,3}(?!\w|\.\d))?
    (?P<percent>\s?%)?
    """,
    re.VERBOSE | re.ASCII,
)
_MINUS_SIGNS = str.maketrans({"−": "-", "﹣": "-", "－": "-"})
_LETTERS_BEFORE = re.compile(r"(?<!\w)([A-Z]{1,3})(\s?)\Z")
_MOST_BEFORE = 4
# What may stand between a number and its unit: white space within the line, a hyphen, the marks of LaTeX and Markdown.
_BETWEEN = re.compile(r"(?:[^\S\n]|[~*_-]|\\[,;:! ]|\\(?:text|mathrm|textrm)\s*\{|\\(?=%))*")
_WORD = re.compile(r"[^\S\n]*\S+")
# `$5\text{ km}$` is a formula; in `$5 or $6` the second sign belongs to a number.
_FORMULA_ENDS = re.compile(r"[^$\n]{0,60}\$(?!\s?\d)")
_AFTER_UNITS = ".,;:!?)]}*_\"'`\\"
_MOST_WORDS = 3
_LONGEST_UNIT = 60


@dataclass(frozen=True)
class Quantity:
    """A number in a text, with its unit.

    Args:
        value: the number.
        unit: None when none that is known stands beside it.
    """

    value: Decimal
    unit: Unit | None

    def value_in(self, target: Unit) -> Fraction | None:
        """Return the value in another unit, or None when this has none or one of another kind."""
        if self.unit is None or self.unit.kind != target.kind:
            return None
        return self.unit.converted(Fraction(self.value), target)

    def __str__(self) -> str:
        return f"{self.value} ({self.unit.name})" if self.unit else f"{self.value}"


def number_in(text: str, extract: str = "last", percent: str = "ignore") -> Decimal | None:
    """Return the number a text gives, or None when it gives none.

    Args:
        text: any text.
        extract: `last`, `first`, or `whole` when the text must be nothing but one number.
        percent: `ignore` takes 50% as 50, `divide` as 0.5.
    """
    text = text.translate(_MINUS_SIGNS)
    match = _NUMBER.fullmatch(text.strip()) if extract == "whole" else _found(text, extract)
    if match is None:
        return None
    number = _value(match)
    return number.scaleb(-2) if match["percent"] and percent == "divide" else number


def quantity_in(text: str, extract: str = "last") -> Quantity | None:
    """Return the number a text gives with its unit, or None when it gives no number.

    Args:
        text: any text.
        extract: `last`, `first`, or `whole` when the text must be nothing but one number and its unit.
    """
    text = text.translate(_MINUS_SIGNS).strip()
    match = _NUMBER.search(text) if extract == "whole" else _found(text, extract)
    if match is None:
        return None
    unit, start, end = _unit_beside(text, match)
    if extract == "whole" and (start > 0 or text[end:].strip(_AFTER_UNITS)):
        return None
    return Quantity(_value(match), unit)


def _found(text: str, extract: str) -> re.Match[str] | None:
    if extract == "first":
        return _NUMBER.search(text)
    found = None
    for match in _NUMBER.finditer(text):
        found = match
    return found


def _value(match: re.Match[str]) -> Decimal:
    number = Decimal(match["digits"].replace(",", "") + (match["exponent"] or ""))
    return -number if "-" in (match["sign"], match["inner_sign"]) else number


def _unit_beside(text: str, match: re.Match[str]) -> tuple[Unit | None, int, int]:
    """Return the unit of a number, and where the number with its unit starts and ends."""
    start, end = match.span()
    if match["percent"]:
        return unit_named("%"), start, end
    closes = _formula_end(text, match)
    sign = match["currency"] or "" if closes is None else ""
    after = None if sign else _unit_after(text[end : end + _LONGEST_UNIT if closes is None else closes])
    if after is not None:
        return after[0], start, end + after[1]
    letters = _LETTERS_BEFORE.search(text[max(0, start - _MOST_BEFORE) : start])
    code = currency_named(letters[1] if letters[1] != "US" else "USD") if letters else None
    if letters and code:
        return code, start - len(letters[0]), end
    if letters and not letters[2]:
        # A$20 and HK$20 are dollars of countries that the sign alone does not say.
        return None, start, end
    return currency_named(sign), start, end


def _formula_end(text: str, match: re.Match[str]) -> int | None:
    """Return where the `$` stands that closes a formula which this number opens; None when it opens none."""
    if match["currency"] != "$" or text[match.start() - 1 : match.start()] == "\\":
        return None
    rest = _FORMULA_ENDS.match(text, match.end())
    return rest.end() - 1 if rest else None


def _unit_after(tail: str) -> tuple[Unit, int] | None:
    """Return the unit that the words at the start of a text are, and where it ends; the most words win."""
    between = _BETWEEN.match(tail)
    start = position = between.end() if between else 0
    ends: list[int] = []
    while len(ends) < _MOST_WORDS and (word := _WORD.match(tail, position)):
        position = word.end()
        ends.append(position)
    for stop in reversed(ends):
        written = tail[start:stop].rstrip(_AFTER_UNITS)
        unit = unit_named(written)
        if unit is None and written.endswith("$"):
            # Here the sign is no currency but ends a formula: $2 + 3 = 5 km$.
            unit = unit_named(written.rstrip("$" + _AFTER_UNITS))
        # `18 in total` is no inch.
        if unit is not None and not (written.casefold() == "in" and re.match(r"\s+\w", tail[stop:])):
            return unit, stop
    return None
