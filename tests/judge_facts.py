"""Facts of judges to start a test from; each call makes new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abtest.contracts.definition import Parameters
from abtest.contracts.judging import AskedModel, JudgeFacts, MetricFacts


def asked(provider: str = "local", model: str = "judge-model", **changes: Any) -> AskedModel:
    """Return a model that a judge asks."""
    return AskedModel(provider=provider, model=model, parameters=Parameters(max_tokens=100), **changes)


def metrics(name: str, dimensions: Sequence[str] = (), **changes: Any) -> tuple[MetricFacts, ...]:
    """Return the overall metric of a judge, and one for each dimension."""
    overall = MetricFacts(name=name, **changes)
    return (overall, *(MetricFacts(name=f"{name}.{d}", dimension=d, **changes) for d in dimensions))


def code(name: str, **changes: Any) -> JudgeFacts:
    """Return a judge in code that says right or wrong."""
    facts = {"name": name, "type": "exact_match", "kind": "code", "metrics": metrics(name, binary=True), "version": "1"}
    return JudgeFacts.model_validate({**facts, **changes})


def rubric(name: str, dimensions: Sequence[str] = (), **changes: Any) -> JudgeFacts:
    """Return a judge that asks a model about each answer."""
    facts = {
        "name": name,
        "type": "rubric",
        "kind": "model",
        "reference": "used",
        "metrics": metrics(name, dimensions, scale=(1.0, 5.0)),
        "models": (asked(),),
        "version": "2",
        "calls_per_answer": 1,
        "fixed_text": "How good is it?",
    }
    return JudgeFacts.model_validate({**facts, **changes})


def pairwise(name: str, **changes: Any) -> JudgeFacts:
    """Return a judge that asks a model about each pair, in both orders."""
    facts = {"type": "pairwise", "pairwise": True, "metrics": metrics(name), "calls_per_answer": 2}
    return rubric(name, **{**facts, **changes})


def panel(name: str, members: Sequence[str], **changes: Any) -> JudgeFacts:
    """Return a panel of judges."""
    facts = {
        "name": name,
        "type": "panel",
        "kind": "panel",
        "metrics": metrics(name, scale=(1.0, 5.0)),
        "version": "3",
        "members": tuple(members),
        "consensus": "mean",
    }
    return JudgeFacts.model_validate({**facts, **changes})


def by_name(*facts: JudgeFacts) -> dict[str, JudgeFacts]:
    """Return facts by the judge's name."""
    return {one.name: one for one in facts}
