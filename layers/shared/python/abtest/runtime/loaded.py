"""Keeps Python's collector away from what a worker has loaded for good.

Modules, price lists and compiled models are hundreds of thousands of objects. A full collection goes through all of
them, takes 100 ms, finds nothing, and comes back every thousand calls or so.

Depends on: nothing. Used by: `functions/call_provider`.
"""

from __future__ import annotations

import gc
from functools import cache


@cache
def keep_what_is_loaded() -> None:
    """Take everything that lives now out of later collections, once a worker; call it when all is loaded."""
    gc.collect()
    gc.freeze()
