"""What may be judged by, from a platform, or without any: judges, dimensions and templates that are built in.

Depends on: `connection`, `abtest.evaluation`. Used by: `abtest judges list` and `show`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from abtest.adapters.memory.judge_templates import MemoryTemplateStore
from abtest.core.errors import NotFoundError
from abtest.evaluation import workspace_templates
from abtest.evaluation.registry import describe_dimensions, describe_judges
from abtest_cli.connection import connect, names_a_platform
from abtest_cli.errors import ApiUnreachableError, SignInError

Item = dict[str, Any]
Found = TypeVar("Found")
_NOBODY = ""


class Catalogue(Protocol):
    """Where judges are looked up: a client of a platform, or `BuiltIn`."""

    def judges(self) -> list[Item]:
        """Return the judge types."""
        ...

    def judge_dimensions(self) -> list[Item]:
        """Return the built-in dimensions."""
        ...

    def judge_templates(self) -> list[Item]:
        """Return the templates, without their texts."""
        ...

    def judge_template(self, name: str, version: int | None = None) -> Item:
        """Return one version of a template; None is the latest."""
        ...


class BuiltIn:
    """What this installation has by itself, as a platform of its version shows it."""

    def judges(self) -> list[Item]:
        """Return the judge types."""
        return describe_judges()

    def judge_dimensions(self) -> list[Item]:
        """Return the built-in dimensions."""
        return describe_dimensions()

    def judge_templates(self) -> list[Item]:
        """Return the built-in templates, without their texts."""
        return workspace_templates.listed(_NOBODY, MemoryTemplateStore())

    def judge_template(self, name: str, version: int | None = None) -> Item:
        """Return one version of a built-in template; None is the latest."""
        return workspace_templates.shown(_NOBODY, name, version, MemoryTemplateStore())


def looked_up(environment: str, read: Callable[[Catalogue], Found]) -> tuple[Found, str | None]:
    """Return what a platform has; where no local stack is up, what is built in, and why nobody was asked.

    Args:
        environment: whose.
        read: looks up what is wanted.

    Raises:
        SignInError, ApiUnreachableError: a certain platform is meant, and it cannot be asked.
        NotFoundError: nobody has what is wanted.
    """
    try:
        with connect(environment) as client:
            return read(client), None
    except (SignInError, ApiUnreachableError) as error:
        if names_a_platform(environment):
            raise
        note = f"this is what is built in; a workspace's own templates were not asked for. {error.message}"
        try:
            return read(BuiltIn()), f"No platform was asked: {note}"
        except NotFoundError as missing:
            raise NotFoundError(f"{missing.message} No platform was asked: {note}") from error
