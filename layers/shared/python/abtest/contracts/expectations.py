"""What a value should have been, where pydantic's own words are about Python: its types, its classes, its steps.

Depends on: nothing. Used by: `abtest.contracts.definition`, `abtest.evaluation.validation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KINDS = {
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
    "list_type": "a list",
    "tuple_type": "a list",
}
_SIZES = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}


def expectation(finding: Mapping[str, Any]) -> str | None:
    """Return what is allowed in place of a value that does not fit, or None where pydantic's own words will do.

    Args:
        finding: one of pydantic's findings, with its `type` and, where it has one, its `ctx`.
    """
    kind = str(finding["type"])
    if kind not in _SIZES:
        return _KINDS.get(kind)
    name, words = _SIZES[kind]
    bound = int(finding["ctx"][name])
    return f"{words} {bound:,} item{'' if bound == 1 else 's'}"
