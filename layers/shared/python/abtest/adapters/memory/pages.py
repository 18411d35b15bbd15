"""Pages of lists in memory: newest first, with cursors that continue only their own list.

Depends on: management's ports. Used by: the stores beside it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TypeVar

from abtest.core.errors import InvalidInputError
from abtest.management.ports import Page

Entry = TypeVar("Entry")


def page(entries: Mapping[str, Entry], *, of: str, limit: int, cursor: str | None) -> Page[Entry]:
    """Return up to `limit` entries, newest first.

    Args:
        entries: by identifier; identifiers sort by time of creation.
        of: names the list.
        limit: most entries of a page.
        cursor: from the page before; None begins.

    Raises:
        InvalidInputError: the cursor is of another list, or no cursor at all.
    """
    names = sorted(entries, reverse=True)
    if cursor is not None:
        after = _last_name(cursor, of)
        names = [name for name in names if name < after]
    shown = names[:limit]
    more = len(names) > limit
    return Page(tuple(entries[name] for name in shown), _cursor(of, shown[-1]) if more else None)


def _cursor(of: str, last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([of, last]).encode()).decode()


def _last_name(cursor: str, of: str) -> str:
    try:
        named, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError) as error:
        raise InvalidInputError("The cursor is not one of this list; start again without it.") from error
    if named != of or not isinstance(last, str):
        raise InvalidInputError("The cursor is not one of this list; start again without it.")
    return last
