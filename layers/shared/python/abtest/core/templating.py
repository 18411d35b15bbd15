"""Jinja2 in its sandbox: templates that people write, strict about what is missing, and harmless to run.

Depends on: jinja2, `abtest.core.template_sandbox`. Used by: `abtest.management.templates`, `abtest.evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError

from abtest.core.errors import InvalidInputError
from abtest.core.template_sandbox import BUDGET, Budget, Sandbox

_ENVIRONMENT = Sandbox()


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
    except SecurityError as error:
        raise InvalidInputError(str(error.message)) from error
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
    template = compiled(source)
    token = BUDGET.set(Budget())
    try:
        return template.render(values)
    except TemplateError as error:
        raise InvalidInputError(f"the template cannot be rendered: {error.message}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the template cannot be rendered: {type(error).__name__}: {error}") from error
    finally:
        BUDGET.reset(token)
