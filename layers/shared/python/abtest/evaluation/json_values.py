"""JSON in texts: an answer that is JSON or holds some, and a reference that is JSON.

Strict JSON only: `NaN` and `Infinity` are not JSON, although Python's parser takes them.

Depends on: `abtest.contracts.records`. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError

NOTHING = object()
"""Stands for a text without a JSON value; None is one (`null`)."""

_MAX_STARTS = 1_000


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def whole_json(text: str) -> Any:
    """Return the JSON value that a text is, white space around it ignored, or `NOTHING`."""
    try:
        return _DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        return NOTHING


def first_json(text: str, opening: Literal["{", "["] = "{") -> Any:
    """Return the first JSON object (or list, for `[`) in a text, or `NOTHING`."""
    position = text.find(opening)
    # An unfinished value makes the search start again at the next bracket; the bound keeps that linear in practice.
    for _ in range(_MAX_STARTS):
        if position < 0:
            break
        try:
            return _DECODER.raw_decode(text, position)[0]
        except ValueError:
            position = text.find(opening, position + 1)
        except RecursionError:
            break
    return NOTHING


def reference_json(sample: Sample) -> Any:
    """Return a sample's reference as a JSON value.

    A dataset may carry the value as text; a text that is not JSON stands for itself.

    Raises:
        UnjudgeableError: there is no reference.
    """
    if sample.reference is None:
        raise UnjudgeableError(f"the sample {sample.id!r} has no reference; add one to the dataset")
    if not isinstance(sample.reference, str):
        return sample.reference
    parsed = whole_json(sample.reference)
    return sample.reference if parsed is NOTHING else parsed
