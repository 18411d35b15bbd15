"""What the samples lack for a judge's own prompt: an input that its template takes by name.

A sample without the input gets an `invalid` verdict, so that one misspelt name can leave a whole run without a score.

Depends on: contracts, `abtest.core.templating`. Used by: `abtest.management.validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jinja2 import nodes

from abtest.contracts.definition import JudgeConfiguration
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.registry import nearest
from abtest.core.templating import parsed
from abtest.management.model import DatasetSummary

_INPUTS = "inputs"
_DEFAULTS = ("default", "d")


def template_issues(judges: Mapping[str, JudgeConfiguration], dataset: DatasetSummary) -> Iterator[InputIssue]:
    """Yield an issue for each input that a judge's template takes and no sample has.

    Args:
        judges: by name.
        dataset: summary of the frozen samples.
    """
    # Documents are counted as prompts of variants see them, by that name beside the inputs.
    inputs = sorted(name for name in dataset.input_counts if not (name == "documents" and dataset.documents))
    for judge, part, name in _taken(judges):
        if dataset.rows and name not in inputs:
            near = nearest(name, inputs)
            guess = f"; did you mean {near!r}?" if near else ""
            message = f"the template uses inputs.{name}, which no sample has: no verdict could be given{guess}"
            allowed = ", ".join(inputs) or "no sample has inputs"
            yield InputIssue(f"judges.{judge}.template.{part}", message, name, allowed)


def template_warnings(judges: Mapping[str, JudgeConfiguration], dataset: DatasetSummary) -> list[str]:
    """Return what a person should know of inputs that a judge's template takes and some samples lack."""
    return [
        f"{judge}: {dataset.rows - count} of {dataset.rows} samples have no input {name!r}, which its template uses; "
        "they get no score and count as missing."
        for judge, _, name in _taken(judges)
        if 0 < (count := dataset.input_counts.get(name, 0)) < dataset.rows
    ]


def _taken(judges: Mapping[str, JudgeConfiguration]) -> Iterator[tuple[str, str, str]]:
    """Yield each judge, the part of its template, and the name of an input that this part cannot do without."""
    for judge, configured in judges.items():
        template = configured.parameters.get("template")
        for part, source in template.items() if isinstance(template, Mapping) else ():
            if isinstance(source, str):
                yield from ((judge, str(part), name) for name in _inputs_of(source))


def _inputs_of(source: str) -> list[str]:
    try:
        tree = parsed(source)
    except InvalidInputError:
        # That it cannot be read was told already.
        return []
    # `is defined` and `default(...)` are how a template does without an input.
    lenient = [test.node for test in tree.find_all(nodes.Test)]
    lenient += [one.node for one in tree.find_all(nodes.Filter) if one.name in _DEFAULTS and one.node is not None]
    optional = {name for node in lenient for name in _names(node)}
    return sorted({name for one in tree.find_all((nodes.Getattr, nodes.Getitem)) for name in _names(one)} - optional)


def _names(node: nodes.Node) -> Iterator[str]:
    """Yield the input that a node names: `inputs.topic` or `inputs["topic"]`."""
    if not (isinstance(node, nodes.Getattr | nodes.Getitem) and isinstance(node.node, nodes.Name)):
        return
    name = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
    if node.node.name == _INPUTS and isinstance(name, str) and not hasattr(dict, name):
        yield name
