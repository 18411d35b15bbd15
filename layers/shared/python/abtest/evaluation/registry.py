"""Finds judges and dimensions by name: a new file in `judges/` is a new judge, and nothing else changes.

Depends on: `abtest.core.registry`. Used by: `abtest.evaluation.service`, the API.
"""

from __future__ import annotations

from typing import Any, cast

from abtest.core import registry
from abtest.evaluation import dimensions, judges
from abtest.evaluation.model import AnyJudgeType, Dimension, JudgeType


def judge_types() -> tuple[str, ...]:
    """Return the names of all judges, sorted."""
    return registry.names(judges)


def load_judge(judge_type: str) -> AnyJudgeType:
    """Return one judge, importing only its module.

    Raises:
        KeyError: no judge has that name; the message suggests the nearest.
    """
    return cast("AnyJudgeType", registry.load(judges, judge_type, "JUDGE"))


def dimension_names() -> tuple[str, ...]:
    """Return the names of the built-in dimensions, sorted."""
    return registry.names(dimensions)


def load_dimension(name: str) -> Dimension:
    """Return one built-in dimension.

    Raises:
        KeyError: no dimension has that name; the message suggests the nearest.
    """
    return cast("Dimension", registry.load(dimensions, name, "DIMENSION"))


def describe_judges() -> list[dict[str, Any]]:
    """Return every judge as JSON-ready data.

    Returns:
        `type`, `summary`, `kind`, `parameters` (a JSON schema of the options), and of judges in code `binary` and
        `scale`: of the others these depend on the options, and are None here.
    """
    return [
        {
            "type": judge.name,
            "summary": judge.summary,
            "kind": judge.kind,
            "binary": judge.binary if isinstance(judge, JudgeType) else None,
            "scale": list(judge.scale) if isinstance(judge, JudgeType) else None,
            "parameters": judge.Parameters.model_json_schema(by_alias=True),
        }
        for judge in map(load_judge, judge_types())
    ]


def describe_dimensions() -> list[dict[str, Any]]:
    """Return every built-in dimension as JSON-ready data: `name`, `question`, `scale`, `anchors`, `reads`.

    Returns:
        `anchors` has the points as text, as JSON has the keys of objects.
    """
    return [
        {
            "name": one.name,
            "question": one.question,
            "scale": list(one.scale),
            "anchors": {str(point): text for point, text in one.anchors.items()},
            "reads": list(one.reads),
        }
        for one in map(load_dimension, dimension_names())
    ]


def describe_templates() -> list[dict[str, Any]]:
    """Return every built-in template as JSON-ready data.

    Returns:
        `name`, `version` (from 1), `sha256` (of both parts), `summary`, `system` and `user` (the Jinja2 text of each
        part, None where it has none), `variables` (what an override of it may use; empty where it has none), and
        `latest`: whether it is the version that is used. The parts of `frame` are put around every judge's own.
    """
    # Jinja2 is needed here and by judges that ask a model, and not by the worker of judges in code.
    from abtest.evaluation.prompt_templates import built_in

    return [template.described() for template in built_in()]
