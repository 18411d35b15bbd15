"""`/v1/judges`: the judge types a test may use, their dimensions and their templates."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from abtest.core.errors import InputIssue, InvalidInputError, NotFoundError
from abtest.core.registry import unknown_name
from abtest.evaluation import workspace_templates
from abtest.evaluation.registry import describe_dimensions, describe_judges
from abtest.runtime.access import Role
from routes._request import caller, parsed_body, ports

router = Router()
_VERSION_DIGITS = 9


@router.get("/judges")
def list_judges() -> dict[str, Any]:
    """Return every judge type with its parameters as JSON schema."""
    caller(router, Role.VIEWER)
    return {"items": describe_judges()}


@router.get("/judges/dimensions")
def list_dimensions() -> dict[str, Any]:
    """Return every built-in dimension with its anchors."""
    caller(router, Role.VIEWER)
    return {"items": describe_dimensions()}


@router.get("/judges/templates")
def list_templates() -> dict[str, Any]:
    """Return every template: the built-in ones, and the workspace's own in their latest version."""
    who = caller(router, Role.VIEWER)
    return {"items": workspace_templates.listed(who.workspace, ports().templates)}


@router.get("/judges/templates/<name>")
def get_template(name: str) -> dict[str, Any]:
    """Return a template with its texts; without `version` in the query the latest."""
    who = caller(router, Role.VIEWER)
    return workspace_templates.shown(who.workspace, name, _version(), ports().templates)


@router.put("/judges/templates/<name>")
def put_template(name: str) -> dict[str, Any]:
    """Keep texts as the next version of a template of the workspace's own."""
    who = caller(router, Role.EXPERIMENTER)
    body, wired = parsed_body(router, workspace_templates.TemplateBody), ports()
    kept = workspace_templates.keep(who.workspace, name, body, wired.templates, now=wired.clock.now(), by=who.name)
    return workspace_templates.shown_own(kept)


@router.get("/judges/<judge_type>")
def get_judge(judge_type: str) -> dict[str, Any]:
    """Return one judge type."""
    caller(router, Role.VIEWER)
    known = {one["type"]: one for one in describe_judges()}
    if judge_type not in known:
        raise NotFoundError(f"There is no such judge: {unknown_name(judge_type, known)}")
    return known[judge_type]


def _version() -> int | None:
    raw = (router.current_event.query_string_parameters or {}).get("version")
    if raw is None:
        return None
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= _VERSION_DIGITS and int(raw) >= 1):
        issue = InputIssue("version", "not a version", raw[:80], "a whole number from 1")
        raise InvalidInputError("The query does not fit.", [issue])
    return int(raw)
