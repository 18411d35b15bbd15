"""Judges' templates in memory.

Depends on: evaluation. Used by: wiring without AWS.
"""

from __future__ import annotations

import builtins
import threading
from datetime import datetime

from abtest.core.errors import NotFoundError
from abtest.evaluation.template_references import JudgeTemplate, NewTemplate, TemplateHead, version_of


class MemoryTemplateStore:
    """Implements `TemplateStore`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._versions: dict[tuple[str, str], builtins.list[JudgeTemplate]] = {}

    def add(self, workspace: str, name: str, new: NewTemplate, *, now: datetime, by: str) -> JudgeTemplate:
        """Keep texts as the next version, or return the latest one when it has the same texts."""
        with self._lock:
            versions = self._versions.setdefault((workspace, name), [])
            if not versions or not versions[-1].says(new):
                versions.append(version_of(name, len(versions) + 1, new, now=now, by=by))
            return versions[-1]

    def get(self, workspace: str, name: str, version: int | None = None) -> JudgeTemplate:
        """Return a version; None is the latest.

        Raises:
            NotFoundError: there is no such template, or it has no such version.
        """
        with self._lock:
            versions = self._versions.get((workspace, name))
        if not versions:
            raise NotFoundError(f"There is no template {name!r} in workspace {workspace!r}.")
        if version is None:
            return versions[-1]
        if not 1 <= version <= len(versions):
            raise NotFoundError(f"The template {name!r} has the versions 1 to {len(versions)}, but no {version}.")
        return versions[version - 1]

    def list(self, workspace: str) -> tuple[TemplateHead, ...]:
        """Return the latest version of each template, by name."""
        with self._lock:
            mine = sorted((name, found[-1]) for (owner, name), found in self._versions.items() if owner == workspace)
        return tuple(latest.head for _, latest in mine)
