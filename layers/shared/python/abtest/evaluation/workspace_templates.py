"""All templates a workspace sees, the built-in ones and its own, and what a new one of its own must be.

Depends on: `abtest.evaluation.registry`, `template_references`. Used by: the API.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from abtest.contracts.definition import Name
from abtest.core.errors import InputIssue, InvalidInputError, NotFoundError
from abtest.core.registry import unknown_name
from abtest.evaluation.model import ModelJudgeType
from abtest.evaluation.registry import describe_templates, judge_types, load_judge
from abtest.evaluation.template_references import MOST_CHARACTERS, REFERENCE, JudgeTemplate, NewTemplate, TemplateStore
from abtest.evaluation.validation import check_parameters

_TEXTS = ("system", "user")
_REJECTED = "The template cannot be kept."
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class TemplateBody(BaseModel):
    """Body of `PUT /v1/judges/templates/{name}`.

    Args:
        judge: the type of judge whose prompt it is.
        system, user: Jinja2 templates; one that is left out is the built-in one of today, which is then kept with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str = Field(min_length=1, max_length=64)
    system: str | None = Field(default=None, min_length=1, max_length=MOST_CHARACTERS)
    user: str | None = Field(default=None, min_length=1, max_length=MOST_CHARACTERS)


def listed(workspace: str, store: TemplateStore) -> list[dict[str, Any]]:
    """Return every template without its texts: the built-in ones, then the workspace's own in their latest version."""
    built_in = [{key: value for key, value in one.items() if key not in _TEXTS} for one in describe_templates()]
    own = [head.model_dump(mode="json") for head in store.list(workspace)]
    return [*({**one, "built_in": True} for one in built_in), *({**one, "built_in": False} for one in own)]


def shown(workspace: str, name: str, version: int | None, store: TemplateStore) -> dict[str, Any]:
    """Return one version of a template with its texts; None is the latest.

    Raises:
        NotFoundError: there is no such template, or it has no such version.
    """
    versions = {one["version"]: one for one in describe_templates() if one["name"] == name}
    if not versions:
        return shown_own(store.get(workspace, name, version))
    wanted = max(versions) if version is None else version
    if wanted not in versions:
        known = ", ".join(map(str, sorted(versions)))
        raise NotFoundError(f"The built-in template {name!r} has the versions {known}, but no {version}.")
    return {**versions[wanted], "built_in": True}


def shown_own(template: JudgeTemplate) -> dict[str, Any]:
    """Return a workspace's own template as clients see it."""
    return {**template.model_dump(mode="json"), "built_in": False}


def keep(
    workspace: str, name: str, body: TemplateBody, store: TemplateStore, *, now: datetime, by: str
) -> JudgeTemplate:
    """Keep texts as the next version of a template; the same texts again are the version there is.

    Raises:
        InvalidInputError: the name or the texts cannot be used; with every reason.
    """
    issues = [*_name_issues(name), *_text_issues(body)]
    if issues:
        raise InvalidInputError(_REJECTED, issues)
    built_in = next(one for one in describe_templates() if one["name"] == body.judge and one["latest"])
    system, user = body.system or built_in["system"], body.user or built_in["user"]
    return store.add(workspace, name, NewTemplate(judge=body.judge, system=system, user=user), now=now, by=by)


def _name_issues(name: str) -> list[InputIssue]:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return [InputIssue("name", "not a name", name[:80], "a letter, then up to 63 letters, digits, '.', '_' or '-'")]
    if any(one["name"] == name for one in describe_templates()):
        return [InputIssue("name", "the name is that of a built-in template", name, "another name")]
    return []


def _text_issues(new: TemplateBody) -> list[InputIssue]:
    """Return what is wrong with texts, as the judge's own options would say it."""
    asking = [name for name in judge_types() if isinstance(load_judge(name), ModelJudgeType)]
    if new.judge not in asking:
        return [InputIssue("judge", unknown_name(new.judge, asking), new.judge, ", ".join(asking))]
    texts = new.model_dump(include=set(_TEXTS), exclude_none=True)
    if not texts:
        return [InputIssue("user", "nothing to keep", None, "system, user or both")]
    options = {"provider": "any", "model": "any", "dimensions": ["accuracy"], REFERENCE: texts}
    return [
        # What is wrong with the template as a whole is wrong with the part that shows the answer.
        InputIssue(issue.path.partition(".")[2] or "user", issue.message, issue.found, issue.allowed)
        for issue in check_parameters(new.judge, options)
        if issue.path.partition(".")[0] == REFERENCE
    ]
