"""Content hashes: one canonical JSON form, so that equal content has one name everywhere.

Depends on: nothing. Used by: the ledger's keys, dataset versions, idempotency.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8.

    Args:
        value: JSON-ready data.

    Raises:
        ValueError: for NaN and infinities, which JSON does not have.
        TypeError: for a type JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def content_hash(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of a value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
