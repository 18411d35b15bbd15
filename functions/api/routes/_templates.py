"""Follows the references to templates in what was sent, so that definitions hold the texts themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.template_references import JudgeTemplate, resolved_templates, without_references
from routes._request import ports


def with_templates(raw: Mapping[str, Any], workspace: str) -> tuple[dict[str, Any], Sequence[InputIssue]]:
    """Return a body whose judges hold their templates' texts, and what is wrong with references to them.

    Args:
        raw: a definition, or another body with `judges`.
        workspace: whose templates are meant.
    """

    def lookup(name: str, version: int | None) -> JudgeTemplate:
        return ports().templates.get(workspace, name, version)

    try:
        return resolved_templates(raw, lookup), ()
    except InvalidInputError as error:
        # The rest is checked all the same, so that everything that is wrong is told at once.
        return without_references(raw), error.issues
