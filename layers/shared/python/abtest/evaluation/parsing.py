"""Reads what a judge's model wrote: total over any text, and never a value that does not stand there.

A reply is one JSON object with a key for each thing asked, each an object of `reason` and the value. Prose or a fence
around it is passed over. A value is taken only where it cannot be doubted: an object that breaks off, a name that
stands twice in one object, or two objects that differ make the whole reply unreadable.

Depends on: nothing. Used by: `abtest.evaluation.judges.rubric`, `abtest.evaluation.judges.pairwise`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_MOST_CHARACTERS = 200_000
_MOST_OBJECTS = 200
_THOUGHTS = re.compile(r"\s*<think(?:ing)?>(?P<thoughts>.*?)(?:</think(?:ing)?>|\Z)", re.DOTALL)
_LOOKS_LIKE_JSON = re.compile(r"\{\s*(?:[\"'}]|\Z)")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,4}", re.ASCII)
_SHOWN_CHARACTERS = 40


class UnreadableError(ValueError):
    """A reply cannot be read; the message is a part of a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a reply says of one thing that was asked: the value, and the reason that was written before it."""

    value: float
    reason: str | None


Value = Callable[[Any], float]
"""Returns the value that a JSON value stands for, or raises `UnreadableError`."""


def read_reply(text: str, asked: Sequence[str], value_name: str, value_of: Value) -> dict[str, Part]:
    """Return what a reply says of each thing that was asked.

    Args:
        text: the whole reply.
        asked: the keys that the object must have; others are passed over.
        value_name: what the value is called beside `reason`: `score` or `preference`.
        value_of: reads one value.

    Raises:
        UnreadableError: the reply cannot be read.
    """
    found: dict[str, Part] | None = None
    for candidate in _objects(text):
        if not any(key in candidate for key in asked):
            continue
        parts = {key: _part(candidate, key, value_name, value_of) for key in asked}
        if found is not None and found != parts:
            raise UnreadableError("it holds two objects that differ")
        found = parts
    if found is None:
        raise UnreadableError(f"it holds no JSON object with {' and '.join(repr(key) for key in asked)}")
    return found


def score_on(low: int, high: int) -> Value:
    """Return what reads a whole point of a scale: a number, or a text that is nothing but one."""

    def score(value: Any) -> float:
        number = _number(value)
        if number is None:
            raise UnreadableError(f"is {_shown(value)}, which is no number")
        if not low <= number <= high:
            raise UnreadableError(f"is {_shown(value)}, and the scale goes from {low} to {high}")
        if number != int(number):
            raise UnreadableError(f"is {_shown(value)}, which is no whole point")
        return float(number)

    return score


def one_of(choices: dict[str, float]) -> Value:
    """Return what reads one of some words, which may be numbers: case and white space do not count."""

    def choice(value: Any) -> float:
        number = None if isinstance(value, str) else _number(value)
        for word, stands_for in choices.items():
            if isinstance(value, str) and value.strip().lower() == word:
                return stands_for
            if number is not None and word.isdecimal() and number == int(word):
                return stands_for
        raise UnreadableError(f"is {_shown(value)}, and it may be {', '.join(choices)}")

    return choice


def _number(value: Any) -> Decimal | None:
    # A truth value is a number to Python, and none to a person.
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def _part(candidate: dict[str, Any], key: str, value_name: str, value_of: Value) -> Part:
    part = candidate.get(key)
    if not isinstance(part, dict):
        problem = "is missing" if key not in candidate else f"is {_shown(part)} and no object"
        raise UnreadableError(f"{key!r} {problem}")
    if value_name not in part:
        raise UnreadableError(f"{key!r} has no {value_name}")
    reason = part.get("reason")
    if reason is not None and not isinstance(reason, str):
        raise UnreadableError(f"the reason of {key!r} is no text")
    try:
        return Part(value_of(part[value_name]), reason)
    except UnreadableError as error:
        raise UnreadableError(f"the {value_name} of {key!r} {error}") from None


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects that stand in a text, those within others left out."""
    if len(text) > _MOST_CHARACTERS:
        raise UnreadableError(f"it is longer than {_MOST_CHARACTERS:,} characters")
    # Some models write down what they think, drafts of the reply among it.
    thoughts = _THOUGHTS.match(text)
    position = text.find("{", thoughts.end() if thoughts else 0)
    found: list[dict[str, Any]] = []
    for _ in range(_MOST_OBJECTS):
        if position < 0:
            return found
        try:
            value, end = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            if _LOOKS_LIKE_JSON.match(text, position):
                # What follows may lie within it: nothing can be said of it for certain.
                problem = str(error) if isinstance(error, UnreadableError) else "it holds an object that is not JSON"
                raise UnreadableError(problem) from None
            end = position + 1
        else:
            found.append(value)
        position = text.find("{", end)
    raise UnreadableError("it holds too many braces")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise UnreadableError("it holds an object in which a name stands twice")
    return made


def _no_constant(name: str) -> Any:
    raise UnreadableError(f"it holds {name}, which is not JSON")


def _decimal(digits: str) -> Decimal:
    # Numbers stay as they are written: 4.00000000000000001 is not 4.
    try:
        return Decimal(digits)
    except ArithmeticError:
        raise UnreadableError("it holds a number that is too large") from None


_DECODER = json.JSONDecoder(object_pairs_hook=_without_doubles, parse_constant=_no_constant, parse_float=_decimal)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
