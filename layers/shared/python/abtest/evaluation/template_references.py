"""A workspace's own prompts for judges: versions that never change, and definitions that name one.

A definition may say `template: {name: house, version: 3}` where it could write the texts. The reference is replaced by
the texts when the test is created, so that what is frozen with a run is whole and its hash covers every word.

Depends on: `abtest.contracts`, `abtest.core`. Used by: the API, the stores of templates, the command line.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.definition import Name
from abtest.core.errors import InputIssue, InvalidInputError, NotFoundError
from abtest.core.hashing import content_hash

MOST_CHARACTERS = 30_000
"""Of one text: both of a version, however they are escaped, fit into one item of DynamoDB (400 KB)."""
REFERENCE = "template"
_NAME, _VERSION, _SYSTEM, _USER = "name", "version", "system", "user"
_UNUSABLE = "A template of a judge cannot be used."


class NewTemplate(BaseModel):
    """The texts of a version to be kept.

    Args:
        judge: the type of judge whose prompt it is.
        system, user: Jinja2 templates over what that judge shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str = Field(min_length=1, max_length=64)
    system: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    user: str = Field(min_length=1, max_length=MOST_CHARACTERS)

    @property
    def sha256(self) -> str:
        """Names the texts: two versions with one hash are the same prompt."""
        return content_hash({_SYSTEM: self.system, _USER: self.user})


class TemplateHead(BaseModel):
    """What a list of templates says of one: its latest version, without the texts.

    Args:
        version: from 1; each change makes the next one.
        sha256: of the texts, see `NewTemplate.sha256`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    version: int = Field(ge=1)
    judge: str
    sha256: str
    created_at: datetime
    created_by: str


class JudgeTemplate(TemplateHead):
    """One version of a template, with its texts; it never changes."""

    system: str
    user: str

    def says(self, new: NewTemplate) -> bool:
        """Return whether these texts are the ones it has."""
        return (self.judge, self.sha256) == (new.judge, new.sha256)

    @property
    def head(self) -> TemplateHead:
        """What a list says of it."""
        return TemplateHead.model_validate(self.model_dump(exclude={_SYSTEM, _USER}))


class TemplateStore(Protocol):
    """Where the templates of all workspaces are."""

    def add(self, workspace: str, name: str, new: NewTemplate, *, now: datetime, by: str) -> JudgeTemplate:
        """Keep texts as the next version, or return the latest one when it has the same texts."""
        ...

    def get(self, workspace: str, name: str, version: int | None = None) -> JudgeTemplate:
        """Return a version; None is the latest.

        Raises:
            NotFoundError: there is no such template, or it has no such version.
        """
        ...

    def list(self, workspace: str) -> tuple[TemplateHead, ...]:
        """Return the latest version of each template, by name."""
        ...


Lookup = Callable[[str, int | None], JudgeTemplate]
"""Returns a version of a template (None: the latest), or raises `NotFoundError`."""


def version_of(name: str, version: int, new: NewTemplate, *, now: datetime, by: str) -> JudgeTemplate:
    """Return texts as a version."""
    return JudgeTemplate(
        name=name,
        version=version,
        judge=new.judge,
        sha256=new.sha256,
        created_at=now,
        created_by=by,
        system=new.system,
        user=new.user,
    )


def has_references(definition: Mapping[str, Any]) -> bool:
    """Return whether any judge of a definition names a template."""
    return any(map(_names_template, _by_path(definition).values()))


def resolved_templates(definition: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
    """Return a definition with every reference to a template replaced by the template's texts.

    Args:
        definition: as it was sent; parts that have not the shape of a definition are left for its own checks.
        lookup: finds the workspace's templates.

    Raises:
        InvalidInputError: a reference that cannot be followed; with every one of them.
    """
    resolved = _copied(definition)
    issues = _follow_all(_by_path(resolved), lookup)
    if issues:
        raise InvalidInputError(_UNUSABLE, issues)
    return resolved


def resolved_trial(body: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
    """Return the body of a trial with every reference of its judges replaced, as `resolved_templates` does.

    Args:
        body: as it was sent: `judge`, and `judges` by name.
        lookup: finds the workspace's templates.

    Raises:
        InvalidInputError: a reference that cannot be followed; with every one of them.
    """
    resolved = {**_copied(body), **({"judge": copy.deepcopy(body["judge"])} if "judge" in body else {})}
    issues = [
        *_follow_all({"judge": resolved.get("judge")}, lookup),
        *_follow_all(_by_path(resolved), lookup),
    ]
    if issues:
        raise InvalidInputError(_UNUSABLE, issues)
    return resolved


def without_references(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition without its references, for checks where nobody can follow them."""
    bare = _copied(definition)
    for judge in _by_path(bare).values():
        if _names_template(judge):
            del judge[REFERENCE]
    return bare


def _copied(definition: Mapping[str, Any]) -> dict[str, Any]:
    judges = definition.get("judges")
    return {**definition, **({"judges": copy.deepcopy(judges)} if isinstance(judges, Mapping) else {})}


def _by_path(definition: Mapping[str, Any]) -> dict[str, Any]:
    judges = definition.get("judges")
    return {f"judges.{name}": judge for name, judge in (judges.items() if isinstance(judges, Mapping) else ())}


def _names_template(judge: Any) -> bool:
    reference = judge.get(REFERENCE) if isinstance(judge, dict) else None
    return isinstance(reference, Mapping) and (_NAME in reference or _VERSION in reference)


def _follow_all(judges: Mapping[str, Any], lookup: Lookup) -> list[InputIssue]:
    """Put texts into the judges, by their paths; return what cannot be followed."""
    issues: list[InputIssue] = []
    for path, judge in judges.items():
        if not _names_template(judge):
            continue
        found = _followed(path, judge, lookup)
        if isinstance(found, JudgeTemplate):
            judge[REFERENCE] = {_SYSTEM: found.system, _USER: found.user}
        else:
            issues += found
    return issues


def _followed(where: str, judge: Mapping[str, Any], lookup: Lookup) -> JudgeTemplate | list[InputIssue]:
    reference, path = judge[REFERENCE], f"{where}.{REFERENCE}"
    issues = list(_shape_issues(path, reference))
    if issues:
        return issues
    name, version = reference[_NAME], reference.get(_VERSION)
    try:
        found = lookup(name, version)
    except NotFoundError as error:
        return [InputIssue(path, error.message, name if version is None else f"{name}, version {version}")]
    if version is None:
        message = f"which version? A test must not change when the template does; the latest is {found.version}"
        return [InputIssue(f"{path}.{_VERSION}", message)]
    if found.judge != judge.get("type"):
        message = f"the template is one for judges of the type {found.judge!r}"
        return [InputIssue(path, message, str(judge.get("type")), found.judge)]
    return found


def _shape_issues(path: str, reference: Mapping[str, Any]) -> Iterator[InputIssue]:
    others = sorted(str(key) for key in reference if key not in (_NAME, _VERSION))
    if others:
        allowed = f"either {_NAME} and {_VERSION}, or {_SYSTEM} and {_USER}"
        yield InputIssue(path, "a template is named or written out, not both", ", ".join(others), allowed)
    name, version = reference.get(_NAME), reference.get(_VERSION)
    if not isinstance(name, str):
        yield InputIssue(f"{path}.{_NAME}", "not a name", repr(name), "the name of a template")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 1):
        yield InputIssue(f"{path}.{_VERSION}", "not a version", repr(version), "a whole number from 1")
