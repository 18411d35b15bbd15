"""Finds judges by name: a new file in `judges/` is a new judge, and nothing else changes.

Depends on: `abtest.core.registry`. Used by: `abtest.evaluation.service`, the API.
"""

from __future__ import annotations

from typing import Any, cast

from abtest.core import registry
from abtest.evaluation import judges
from abtest.evaluation.ports import Judge


def judge_types() -> tuple[str, ...]:
    """Return the names of all judges, sorted."""
    return registry.names(judges)


def load_judge(judge_type: str) -> Judge:
    """Return one judge, importing only its module.

    Raises:
        KeyError: no judge has that name; the message suggests the nearest.
    """
    return cast("Judge", registry.load(judges, judge_type, "JUDGE"))


def describe_judges() -> list[dict[str, Any]]:
    """Return every judge as JSON-ready data: `type`, `summary`, `binary`, `scale`, `parameters` (a JSON schema)."""
    return [
        {
            "type": judge.name,
            "summary": judge.summary,
            "binary": judge.binary,
            "scale": list(judge.scale),
            "parameters": judge.Parameters.model_json_schema(by_alias=True),
        }
        for judge in map(load_judge, judge_types())
    ]
