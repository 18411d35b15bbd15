"""Judges' templates in DynamoDB: one item a version, and one a template that says which is the latest.

Depends on: the table. Used by: wiring.
"""

from __future__ import annotations

from datetime import datetime

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import ConditionFailedError, Table
from abtest.core.errors import NotFoundError, StoreThrottledError
from abtest.evaluation.template_references import JudgeTemplate, NewTemplate, TemplateHead, version_of

_TRIES = 5


class DynamoTemplateStore:
    """Implements `TemplateStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, workspace: str, name: str, new: NewTemplate, *, now: datetime, by: str) -> JudgeTemplate:
        """Keep texts as the next version, or return the latest one when it has the same texts.

        Raises:
            StoreThrottledError: others were faster each time.
        """
        for _ in range(_TRIES):
            head = self._head(workspace, name)
            latest = self._version(workspace, name, head.version) if head is not None else None
            if latest is not None and latest.says(new):
                return latest
            added = version_of(name, head.version + 1 if head is not None else 1, new, now=now, by=by)
            try:
                self._write(workspace, added)
            except ConditionFailedError:
                continue
            return added
        raise StoreThrottledError(f"Others changed the template {name!r} {_TRIES} times in a row; try again later.")

    def get(self, workspace: str, name: str, version: int | None = None) -> JudgeTemplate:
        """Return a version; None is the latest.

        Raises:
            NotFoundError: there is no such template, or it has no such version.
        """
        head = self._head(workspace, name)
        if head is None:
            raise NotFoundError(f"There is no template {name!r} in workspace {workspace!r}.")
        found = self._version(workspace, name, head.version if version is None else version)
        if found is None:
            raise NotFoundError(f"The template {name!r} has the versions 1 to {head.version}, but no {version}.")
        return found

    def list(self, workspace: str) -> tuple[TemplateHead, ...]:
        """Return the latest version of each template, by name."""
        items = self._table.query(keys.template_partition(workspace), prefix=keys.TEMPLATE_PREFIX)
        return tuple(TemplateHead.model_validate_json(item["document"]) for item in items)

    def _head(self, workspace: str, name: str) -> TemplateHead | None:
        item = self._table.get(keys.template(workspace, name))
        return TemplateHead.model_validate_json(item["document"]) if item else None

    def _version(self, workspace: str, name: str, version: int) -> JudgeTemplate | None:
        item = self._table.get(keys.template_version(workspace, name, version))
        return JudgeTemplate.model_validate_json(item["document"]) if item else None

    def _write(self, workspace: str, added: JudgeTemplate) -> None:
        version = keys.template_version(workspace, added.name, added.version)
        self._table.transact(
            [
                self._table.put_operation({**version, "document": added.model_dump_json()}, if_absent=True),
                self._table.update_operation(
                    keys.template(workspace, added.name),
                    "SET #document = :document, #latest = :latest",
                    {":document": added.head.model_dump_json(), ":latest": added.version, ":before": added.version - 1},
                    condition=f"attribute_not_exists({keys.PARTITION}) OR #latest = :before",
                ),
            ]
        )
