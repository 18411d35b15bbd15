"""The built-in prompts of judges that ask a model: found by file name, named by their content.

A template is `NAME.vVERSION.system.j2` with `NAME.vVERSION.user.j2`. A version that was released never changes: a
better prompt is a new version, and the latest is used. `frame` is put after every judge's own prompt, written by whom
it may be: it says what is data and what form the reply has. `repair` asks again after a reply that could not be read.

Depends on: `abtest.core.templating`. Used by: `abtest.evaluation.asking`, `abtest.evaluation.registry`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from abtest.core.errors import InvalidInputError
from abtest.core.hashing import content_hash
from abtest.core.templating import variables
from abtest.evaluation import templates

FRAME, REPAIR = "frame", "repair"
_FILE = re.compile(r"(?P<name>[a-z_]+)\.v(?P<version>[0-9]+)\.(?P<part>system|user)\.j2")
_OF_THE_SAMPLE = ("question", "inputs", "messages", "documents", "reference", "expected_outcome", "rubric")
VARIABLES: dict[str, tuple[str, ...]] = {
    "rubric": (*_OF_THE_SAMPLE, "dimensions", "scale", "answer"),
    "pairwise": (*_OF_THE_SAMPLE, "dimensions", "ties", "first", "second"),
}
"""Template to the variables that an override of it may use."""
ANSWERS: dict[str, tuple[str, ...]] = {"rubric": ("answer",), "pairwise": ("first", "second")}
"""Template to the variables that its user part must show."""
_SUMMARIES = {
    "rubric": "Grades one response by dimensions with anchors.",
    "pairwise": "Compares two responses by dimensions.",
    FRAME: "Put after the parts of every judge's prompt, built in or not: what is data, and the form of the reply.",
    REPAIR: "Put after a prompt whose reply could not be read.",
}


@dataclass(frozen=True)
class PromptTemplate:
    """One version of a template.

    Args:
        name: the judge type it belongs to, or `frame` or `repair`.
        version: from 1.
        system, user: the Jinja2 text of each part; empty where there is none.
        latest: whether no later version exists.
    """

    name: str
    version: int
    system: str
    user: str
    latest: bool = True

    @cached_property
    def sha256(self) -> str:
        """Names the texts: two templates with one hash are the same prompt."""
        return content_hash({"system": self.system, "user": self.user})

    def described(self) -> dict[str, Any]:
        """Return the template as JSON-ready data."""
        return {
            "name": self.name,
            "version": self.version,
            "latest": self.latest,
            "sha256": self.sha256,
            "summary": _SUMMARIES[self.name],
            "variables": list(VARIABLES.get(self.name, ())),
            "system": self.system or None,
            "user": self.user or None,
        }


@cache
def built_in() -> tuple[PromptTemplate, ...]:
    """Return all versions of all templates, by name and version."""
    parts: dict[tuple[str, int], dict[str, str]] = {}
    for file in resources.files(templates).iterdir():
        found = _FILE.fullmatch(file.name)
        if found:
            text = file.read_text(encoding="utf-8").rstrip("\n")
            parts.setdefault((found["name"], int(found["version"])), {})[found["part"]] = text
    newest = {name: version for name, version in sorted(parts)}  # noqa: C416 - the last of a name stays
    return tuple(
        PromptTemplate(name, version, found.get("system", ""), found.get("user", ""), latest=newest[name] == version)
        for (name, version), found in sorted(parts.items())
    )


@cache
def latest(name: str) -> PromptTemplate:
    """Return the latest version of a template.

    Raises:
        KeyError: there is no template of that name.
    """
    for template in built_in():
        if template.name == name and template.latest:
            return template
    raise KeyError(name)


def check_part(name: str, source: str) -> None:
    """Return when a text can replace a part of a template.

    Args:
        name: of the template.
        source: Jinja2 text.

    Raises:
        ValueError: its syntax is wrong, or it uses variables that there are not.
    """
    try:
        unknown = sorted(variables(source) - set(VARIABLES[name]))
    except InvalidInputError as error:
        raise ValueError(error.message) from error
    if unknown:
        names = ", ".join(repr(one) for one in unknown)
        known = ", ".join(VARIABLES[name])
        raise ValueError(f"the template uses {names}, which a {name} judge has not; known: {known}")
