"""Prompt templates: Jinja2 in its sandbox, strict about variables the sample lacks.

Depends on: `abtest.core.templating`, `abtest.contracts.records`. Used by: validation before a run, rendering by the
workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from abtest.contracts.records import Sample
from abtest.core.templating import compiled, parsed, render, variables

__all__ = [
    "DOCUMENTS",
    "Outline",
    "compiled",
    "fixed_text",
    "only_inserts",
    "outline",
    "render",
    "template_values",
    "variables",
]

DOCUMENTS = "documents"
"""The template variable that holds a sample's documents."""


def fixed_text(source: str) -> str:
    """Return the text a template has of its own, of all its branches: blank means the sample alone makes the prompt.

    The template is read and not run: it would need a sample, and may take its time.

    Raises:
        InvalidInputError: the syntax is wrong.
    """
    tree = parsed(source)
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
    for output in parsed(source).find_all(nodes.Output):
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
    plain = (nodes.Output, nodes.TemplateData, nodes.Name)
    return all(isinstance(node, plain) for node in parsed(source).find_all(nodes.Node))


class _Documents(list[dict[str, str]]):
    """A sample's documents; inserted whole they read as numbered texts, and not as Python writes a list."""

    def __str__(self) -> str:
        parts = [
            f"[{number}] {document['title']}".rstrip() + f"\n{document['text']}"
            for number, document in enumerate(self, start=1)
        ]
        return "\n\n".join(parts)


def template_values(sample: Sample) -> dict[str, Any]:
    """Return what templates may use of a sample: its inputs by name, and `documents`.

    `documents` is a list of `{title, text}`, the title empty where there is none; a sample without documents has an
    empty list, unless it has an input of that name.
    """
    documents = _Documents({"title": one.title or "", "text": one.text} for one in sample.documents)
    return {DOCUMENTS: documents, **sample.inputs}
