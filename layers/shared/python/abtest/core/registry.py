"""Discovery of variants: one module a variant in a folder, found by name, never listed a second time.

Depends on: nothing. Used by: providers, evaluation, analytics.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import lru_cache
from types import ModuleType


@lru_cache(maxsize=64)
def names(package: ModuleType) -> tuple[str, ...]:
    """Return the sorted names of the variants in a package; module names are the wire names."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")))


def load(package: ModuleType, name: str, attribute: str) -> object:
    """Return one variant, importing only its module.

    Args:
        package: the folder of variants.
        name: the variant's wire name.
        attribute: what the module exports, such as `JUDGE`.

    Raises:
        KeyError: no variant has that name; the message suggests the nearest.
    """
    known = names(package)
    if name not in known:
        raise KeyError(unknown_name(name, known))
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), attribute)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like a wrong one, or None when none comes near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Return the sentence for a name nobody knows: what is known, and the nearest guess."""
    listing = sorted(known)
    guess = nearest(name, listing)
    hint = f"; did you mean {guess!r}?" if guess else "."
    return f"unknown name {name!r}{hint} Known: {', '.join(listing) or 'none'}."
