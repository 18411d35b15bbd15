"""Is the number in the answer the number of the reference?

Measures: equality of two numbers within a tolerance, compared as decimals, so that 0.1 + 0.2 is 0.3. It reads
`18`, `-1.5`, `.5`, `1,234,567.89`, `$20`, `-$20`, `1e-3`, `50%`; a full stop that ends a sentence is not part of the
number. Digits glued to a letter before them (`H2O`, `GPT4`) are not a number; a unit after them (`18kg`) is ignored.

`percent: ignore` takes `50%` as 50; `percent: divide` takes it as 0.5, on both sides.

When it misleads: `last` takes the last number of the text, which may be a year, a step or a repeated question. `3/4`
is read as two numbers, 3 and 4; words ("seven"), decimal commas (`1,5`), spaces as thousands separators and numbers in
parentheses as negatives are not understood. An answer without a number is wrong, not missing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.text import reference_texts, shown

# A sign counts only where no digit, letter or bracket stands before it: 10-12 is ten and twelve.
_NUMBER = re.compile(
    r"""
    (?:(?<![\w.)\]])(?P<sign>[-+]))?
    (?:[$€£]\s?(?P<inner_sign>[-+])?)?
    (?<![^\W_])(?<!\d\.)
    (?P<digits>(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?|\.\d++)
    (?P<exponent>[eE][-+]?\d{1,3}(?!\w|\.\d))?
    (?P<percent>\s?%)?
    """,
    re.VERBOSE | re.ASCII,
)
_MINUS_SIGNS = str.maketrans({"−": "-", "﹣": "-", "－": "-"})
Tolerance = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Parameters(JudgeParameters):
    """Options of `numeric_match`."""

    extract: Literal["last", "first", "whole"] = Field(
        default="last", description="Which number of the text counts; `whole`: the text must be one number."
    )
    tolerance_abs: Tolerance = Field(default=Decimal(0), description="Allowed distance, in the number's own unit.")
    tolerance_rel: Tolerance = Field(default=Decimal(0), description="Allowed distance as a share of the reference.")
    percent: Literal["ignore", "divide"] = Field(default="ignore", description="Whether 50% is 50 or 0.5.")


def _value(match: re.Match[str], percent: str) -> Decimal:
    number = Decimal(match["digits"].replace(",", "") + (match["exponent"] or ""))
    if match["percent"] and percent == "divide":
        number = number.scaleb(-2)
    return -number if "-" in (match["sign"], match["inner_sign"]) else number


def number_in(text: str, extract: str = "last", percent: str = "ignore") -> Decimal | None:
    """Return the number a text gives, or None when it gives none.

    Args:
        text: any text.
        extract: `last`, `first`, or `whole` when the text must be nothing but one number.
        percent: `ignore` or `divide`.
    """
    text = text.translate(_MINUS_SIGNS)
    if extract == "whole":
        match = _NUMBER.fullmatch(text.strip())
        return None if match is None else _value(match, percent)
    if extract == "first":
        found = _NUMBER.search(text)
    else:
        found = None
        for match in _NUMBER.finditer(text):
            found = match
    return None if found is None else _value(found, percent)


def _reference(sample: Sample, parameters: Parameters) -> Decimal:
    if isinstance(sample.reference, bool | list):
        raise UnjudgeableError(f"the reference of the sample {sample.id!r} is not a number or a text with one")
    (text,) = reference_texts(sample)
    number = number_in(text, parameters.extract, parameters.percent)
    if number is None:
        raise UnjudgeableError(f"the reference of the sample {sample.id!r} gives no number: {shown(text)}")
    return number


def _compile(parameters: Parameters) -> Scorer:
    def score(sample: Sample, answer: str) -> Score:
        wanted = _reference(sample, parameters)
        given = number_in(answer, parameters.extract, parameters.percent)
        if given is None:
            return Score(0.0, f"no number in {shown(answer)}")
        allowed = max(parameters.tolerance_abs, parameters.tolerance_rel * abs(wanted))
        return verdict_of(given == wanted or abs(given - wanted) <= allowed, f"{given} is not {wanted}")

    return score


JUDGE = JudgeType(
    name="numeric_match",
    summary="1 when the number in the answer equals the reference within a tolerance.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
)
