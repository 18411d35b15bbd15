"""Names instruments: judges of one version give scores that may be laid beside each other.

Depends on: `abtest.core.hashing`. Used by: `abtest.evaluation.facts`, `abtest.evaluation.asking`, the judge `panel`.
"""

from __future__ import annotations

from typing import Any

from abtest.core.hashing import content_hash

_DIGITS = 16


def version_of(content: Any) -> str:
    """Return the version that stands for all that may move a judge's scores.

    Args:
        content: JSON-ready; names, fallbacks and whatever else moves no score are not in it.
    """
    return content_hash(content)[:_DIGITS]
