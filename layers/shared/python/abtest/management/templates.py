"""Prompt templates: Jinja2 in its sandbox, strict about variables the sample lacks.

Depends on: jinja2. Used by: validation before a run, rendering by the workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
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


def variables(source: str) -> frozenset[str]:
    """Return the names a template takes from the sample.

    Raises:
        InvalidInputError: the syntax is wrong.
    """
    compiled(source)
    return frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(source)))


def fixed_text(source: str) -> str:
    """Return the text a template has of its own, of all its branches: blank means the sample alone makes the prompt.

    The template is read and not run: it would need a sample, and may take its time.

    Raises:
        InvalidInputError: the syntax is wrong.
    """
    compiled(source)
    tree = _ENVIRONMENT.parse(source)
    texts = [node.data for node in tree.find_all(nodes.TemplateData)]
    texts += [str(node.value) for node in tree.find_all(nodes.Const) if node.value is not None]
    return "".join(texts).strip()


@dataclass(frozen=True)
class Outline:
    """What a template is made of.

    Args:
        text: its own text, of all its branches, with the filler wherever something is inserted.
        fillers: how many there are.
        insertions: how often each variable of the sample is inserted; once where it is used in another way.
    """

    text: str
    fillers: int
    insertions: Mapping[str, int]


def outline(source: str, filler: str) -> Outline:
    """Return what a template is made of, without running it.

    Args:
        source: a template.
        filler: stands for what a sample would give.

    Raises:
        InvalidInputError: the syntax is wrong.
    """
    known = variables(source)
    texts: list[str] = []
    fillers = 0
    used: Counter[str] = Counter()
    for output in _ENVIRONMENT.parse(source).find_all(nodes.Output):
        for part in output.nodes:
            if isinstance(part, nodes.TemplateData):
                texts.append(part.data)
                continue
            fillers += 1
            texts.append(filler)
            names = [part] if isinstance(part, nodes.Name) else part.find_all(nodes.Name)
            used.update({name.name for name in names} & known)
    return Outline("".join(texts).strip(), fillers, {name: max(1, used[name]) for name in sorted(known)})


def only_inserts(source: str) -> bool:
    """Return whether a template does nothing but insert variables: then every sample that has them can be rendered.

    Raises:
        InvalidInputError: the syntax is wrong.
    """
    compiled(source)
    plain = (nodes.Output, nodes.TemplateData, nodes.Name)
    return all(isinstance(node, plain) for node in _ENVIRONMENT.parse(source).find_all(nodes.Node))


def render(source: str, inputs: Mapping[str, Any]) -> str:
    """Return the prompt for one sample.

    Raises:
        InvalidInputError: a variable is missing, the template does what the sandbox forbids, or what this sample's
            values cannot.
    """
    try:
        return compiled(source).render(inputs)
    except TemplateError as error:
        raise InvalidInputError(f"the template cannot be rendered: {error.message}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the template cannot be rendered: {type(error).__name__}: {error}") from error
