"""Jinja2 in its sandbox: templates that people write, strict about what is missing, and harmless to run.

Depends on: jinja2, `abtest.core.errors`. Used by: `abtest.management.templates`, `abtest.evaluation.prompts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from abtest.core.errors import InvalidInputError

_LONGEST_REPETITION = 100_000


class _Sandbox(ImmutableSandboxedEnvironment):
    """Refuses also the arithmetic that takes a worker's time or memory with a few characters."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return the product; refuse powers and long repetitions."""
        if operator == "**":
            raise SecurityError("powers are not available in a template")
        for one, other in ((left, right), (right, left)):
            if isinstance(other, int) and not isinstance(one, int | float) and len(one) * other > _LONGEST_REPETITION:
                raise SecurityError(f"a repetition may have at most {_LONGEST_REPETITION:,} parts")
        return super().call_binop(context, operator, left, right)


_ENVIRONMENT = _Sandbox(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)


@lru_cache(maxsize=256)
def compiled(source: str) -> Template:
    """Return the template of a source.

    Raises:
        InvalidInputError: the syntax is wrong (the message has the line), or it asks for another template.
    """
    try:
        if any(True for _ in meta.find_referenced_templates(_ENVIRONMENT.parse(source))):
            raise InvalidInputError("a template cannot include, import or extend another one")
        return _ENVIRONMENT.from_string(source)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f" on line {line}" if line else ""
        raise InvalidInputError(f"the template's syntax is wrong{where}: {error.message}") from error
    except (RecursionError, SyntaxError) as error:
        # Jinja makes Python of it, which has limits of its own.
        raise InvalidInputError("the template is nested too deeply") from error


def parsed(source: str) -> nodes.Template:
    """Return the syntax tree of a source.

    Raises:
        InvalidInputError: as `compiled`.
    """
    compiled(source)
    return _ENVIRONMENT.parse(source)


@lru_cache(maxsize=256)
def variables(source: str) -> frozenset[str]:
    """Return the names a template takes from outside.

    Raises:
        InvalidInputError: the syntax is wrong.
    """
    return frozenset(meta.find_undeclared_variables(parsed(source)))


def render(source: str, values: Mapping[str, Any]) -> str:
    """Return the text that a template makes of some values.

    Raises:
        InvalidInputError: a variable is missing, the template does what the sandbox forbids, or what these values
            cannot.
    """
    try:
        return compiled(source).render(values)
    except TemplateError as error:
        raise InvalidInputError(f"the template cannot be rendered: {error.message}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the template cannot be rendered: {type(error).__name__}: {error}") from error
