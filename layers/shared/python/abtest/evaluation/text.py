"""Text helpers that judges share: references as text, one Unicode form, patterns that cannot run away.

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError

_SHOWN_CHARACTERS = 60


def reference_texts(sample: Sample) -> tuple[str, ...]:
    """Return the accepted texts of a sample's reference: one, or each of a list.

    A number or a truth value stands for its JSON text: `18`, `2.5`, `true`.

    Raises:
        UnjudgeableError: there is no reference, or it is an object, or a list holds something else than texts.
    """
    reference = sample.reference
    if reference is None:
        raise UnjudgeableError(f"the sample {sample.id!r} has no reference; add one to the dataset")
    accepted = reference if isinstance(reference, list) else [reference]
    if not accepted:
        raise UnjudgeableError(f"the reference of the sample {sample.id!r} is an empty list")
    return tuple(_as_text(sample, item) for item in accepted)


def _as_text(sample: Sample, item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, bool | int | float):
        return json.dumps(item)
    kind = "null" if item is None else "an object" if isinstance(item, dict) else "a list"
    raise UnjudgeableError(f"the reference of the sample {sample.id!r} holds {kind}; this judge compares text")


def composed(text: str) -> str:
    """Return a text in Unicode normal form C, so that one letter has one spelling."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def shown(text: str) -> str:
    """Return a text short enough to stand in a reason."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= _SHOWN_CHARACTERS else flat[: _SHOWN_CHARACTERS - 1] + "…")


@cache
def punctuation_table() -> dict[int, None]:
    """Return the translation table that deletes punctuation (Unicode categories P*) of the basic plane."""
    return {code: None for code in range(0x10000) if unicodedata.category(chr(code)).startswith("P")}


def compiled_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Compile a pattern that cannot take exponential time.

    A repeat without a bound inside another one, such as `(a+)+`, can need time exponential in the text. Python's
    engine cannot be stopped from outside, so such a pattern is refused, even where this one might be harmless. A
    possessive or atomic inner part (`(a++)+`) does not backtrack and is allowed.

    Raises:
        ValueError: the pattern is not a regular expression, or nests unbounded repeats.
    """
    try:
        compiled = re.compile(pattern, flags)
        parsed = _parser.parse(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"this is not a regular expression: {error}") from error
    if _nests_repeats(parsed, inside=False):
        raise ValueError(
            "a repeat without a bound stands inside another one, which can take exponential time; write the inner one "
            r"possessively (`\w++` for `\w+`) or bound it (`\w{1,100}`)"
        )
    return compiled


def _nests_repeats(parsed: Iterable[Any], *, inside: bool) -> bool:
    for operation, argument in parsed:
        if operation in (_constants.POSSESSIVE_REPEAT, _constants.ATOMIC_GROUP):
            continue
        if operation in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            _, most, body = argument
            unbounded = most is _constants.MAXREPEAT
            if (unbounded and inside) or _nests_repeats(body, inside=inside or unbounded):
                return True
        elif any(_nests_repeats(body, inside=inside) for body in _bodies(argument)):
            return True
    return False


def _bodies(argument: Any) -> Iterable[Any]:
    """Yield the sub-patterns that groups, branches, looks and conditions carry, wherever they carry them."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from _bodies(part)
