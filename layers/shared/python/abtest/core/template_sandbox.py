"""Jinja2's sandbox with an end: no template takes all time or memory of the process that renders it.

Jinja's own sandbox keeps a template from reaching out. It does not keep a hundred characters of it from running for
hours or from filling the memory, and here templates of many people are rendered by workers that everybody shares. So
each rendering has a budget of loop steps and of characters; what makes much of little by itself is bounded, or is not
there.

Depends on: jinja2. Used by: `abtest.core.templating`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, nodes, pass_context, pass_environment, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import do_indent, do_tojson, make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_STEPS = 10_000
"""Of all loops of one rendering together."""
MOST_CHARACTERS = 10_000_000
"""That one rendering may make, what it throws away included; a sample has at most a tenth of it."""
_LONGEST_REPETITION = 100_000
_WIDEST_INDENT = 40
_WIDE_FIELD = re.compile(r"%[^a-zA-Z%]*(\d{4}|\*)")
_NO_FILTERS = ("batch", "center", "slice", "urlize", "wordwrap", "xmlattr")
_NO_GLOBALS = ("cycler", "joiner", "lipsum", "namespace")
_NO_METHODS = {
    str: ("center", "expandtabs", "format", "format_map", "join", "ljust", "replace", "rjust", "translate", "zfill"),
    int: ("to_bytes",),
}
"""Methods that make much of little; filters that are bounded do the same."""


@dataclass
class Budget:
    """What one rendering may still take."""

    steps: int = MOST_STEPS
    characters: int = MOST_CHARACTERS

    def take_step(self) -> None:
        """Take one turn of a loop.

        Raises:
            SecurityError: there is none left.
        """
        self.steps -= 1
        if self.steps < 0:
            raise SecurityError(f"its loops turn more than {MOST_STEPS:,} times")

    def take(self, characters: int) -> None:
        """Take characters.

        Raises:
            SecurityError: there are not so many left.
        """
        self.characters -= characters
        if self.characters < 0:
            raise SecurityError(f"it makes more than {MOST_CHARACTERS:,} characters")


BUDGET: ContextVar[Budget] = ContextVar("template_budget")
"""Of the rendering that goes on; whoever renders sets it."""


def _take(characters: int) -> None:
    # Constants are made one when a template is compiled, which its own length bounds.
    budget = BUDGET.get(None)
    if budget is not None:
        budget.take(characters)


def _shown(value: Any) -> Any:
    """Count what a template puts out."""
    if isinstance(value, str):
        _take(len(value))
        return value
    text = str(value)
    _take(len(text))
    return text


@pass_context
def _counted(_: Context, items: Iterable[Any], own_characters: int) -> Iterator[Any]:
    """Yield the items of a loop, each for a step and for the text that the loop has of its own."""
    budget = BUDGET.get()
    for item in items:
        budget.take_step()
        budget.take(own_characters)
        yield item


def _concatenated(parts: Iterable[Any]) -> str:
    texts = [str(part) for part in parts]
    _take(sum(map(len, texts)))
    return "".join(texts)


@pass_environment
def _join(environment: Any, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    items = value if attribute is None else map(make_attrgetter(environment, attribute), value)
    texts = [str(item) for item in items]
    _take(sum(map(len, texts)) + len(d) * len(texts))
    return d.join(texts)


def _replace(value: Any, old: str, new: str, count: int = -1) -> str:
    text = str(value)
    found = text.count(old) if count < 0 else min(count, text.count(old))
    _take(len(text) + found * len(new))
    return text.replace(old, new, count)


def _format(value: Any, *arguments: Any) -> str:
    text = str(value)
    if _WIDE_FIELD.search(text):
        raise SecurityError("a field of a format may have at most three digits of width")
    _take(len(text) + sum(len(str(one)) for one in arguments))
    return text % arguments


def _indent(value: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
    if not isinstance(width, int) or width > _WIDEST_INDENT:
        raise SecurityError(f"an indent may be at most {_WIDEST_INDENT} wide")
    _take(len(value) + width * (value.count("\n") + 1))
    return do_indent(value, width, first, blank)


@pass_eval_context
def _tojson(context: Any, value: Any) -> Any:
    return do_tojson(context, value)


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MOST_STEPS:
        raise SecurityError(f"a range may have at most {MOST_STEPS:,} numbers")
    return found


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates that people write."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, finalize=_shown)
        for name in _NO_FILTERS:
            del self.filters[name]
        for name in _NO_GLOBALS:
            del self.globals[name]
        bounded = {"join": _join, "replace": _replace, "format": _format, "indent": _indent, "tojson": _tojson}
        self.filters.update(bounded, _counted=_counted, _concatenated=_concatenated)
        self.globals["range"] = _range

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return what an operator gives; refuse powers, long repetitions and endless doubling."""
        if operator == "**":
            raise SecurityError("powers are not available in a template")
        if operator == "%" and isinstance(left, str):
            return _format(left, *(right if isinstance(right, tuple) else (right,)))
        if operator == "+" and isinstance(left, str | list | tuple):
            _take(len(left) + len(right))
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(other, int) and not isinstance(one, int | float):
                    if len(one) * other > _LONGEST_REPETITION:
                        raise SecurityError(f"a repetition may have at most {_LONGEST_REPETITION:,} parts")
                    _take(len(one) * max(0, other))
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an attribute; refuse the methods that make much of little."""
        self._check_method(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item, or the attribute of that name."""
        self._check_method(obj, argument)
        return super().getitem(obj, argument)

    def _check_method(self, obj: Any, name: Any) -> None:
        for kind, methods in _NO_METHODS.items():
            if isinstance(obj, kind) and name in methods:
                raise SecurityError(f"the method {name!r} is not available in a template; a filter may do the same")

    def _generate(self, source: nodes.Template, *arguments: Any, **more: Any) -> str:
        """Make the code of a template whose loops and joins are counted."""
        for unbounded in source.find_all((nodes.Macro, nodes.CallBlock)):
            raise self._refused("a macro", unbounded)
        for loop in source.find_all(nodes.For):
            if loop.recursive:
                raise self._refused("a recursive loop", loop)
            own = sum(len(text.data) for text in loop.find_all(nodes.TemplateData))
            counted = nodes.Filter(loop.iter, "_counted", [nodes.Const(own)], [], None, None)
            loop.iter = counted.set_lineno(loop.lineno).set_environment(self)
        return super()._generate(_without_concatenation(source, self), *arguments, **more)

    @staticmethod
    def _refused(what: str, node: nodes.Node) -> SecurityError:
        return SecurityError(f"{what} (line {node.lineno}) is not available in a template")


def _without_concatenation(source: nodes.Template, environment: Sandbox) -> nodes.Template:
    """Return a tree whose `~` is a filter that counts."""
    for parent in [source, *source.find_all(nodes.Node)]:
        for name, value in parent.iter_fields():
            if isinstance(value, nodes.Concat):
                setattr(parent, name, _counted_concatenation(value, environment))
            elif isinstance(value, list):
                value[:] = [
                    _counted_concatenation(one, environment) if isinstance(one, nodes.Concat) else one for one in value
                ]
    return source


def _counted_concatenation(node: nodes.Concat, environment: Sandbox) -> nodes.Filter:
    parts = nodes.List(node.nodes, lineno=node.lineno)
    counted = nodes.Filter(parts, "_concatenated", [], [], None, None, lineno=node.lineno)
    counted.set_environment(environment)
    return counted
