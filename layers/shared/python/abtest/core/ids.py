"""Identifiers: a prefix that says what it names and a ULID, so that they sort by time of creation.

Depends on: python-ulid. Used by: services that create things.
"""

from __future__ import annotations

from ulid import ULID


def new_id(prefix: str) -> str:
    """Return a new identifier such as `run_01J9Z3...`.

    Args:
        prefix: what it names: `test`, `run`, `dataset`.
    """
    return f"{prefix}_{ULID()}"
