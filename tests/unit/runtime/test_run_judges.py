from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from abtest.analytics.judge_metric import PanelPlan
from abtest.contracts.definition import TestDefinition
from abtest.management.model import DatasetSummary, Run, RunFrozen, RunPhase, TestStatus
from abtest.runtime.steps.run_judges import facts_of, families_of, judge_metrics
from abtest.runtime.steps.run_rows import analysis_plan

NOW = datetime(2026, 1, 31, tzinfo=UTC)
VERSION = "a" * 64
MODEL = {"provider": "openai", "model": "gpt-5-mini"}


def definition_of(judges: dict[str, Any], primary_metric: str, **given: Any) -> TestDefinition:
    variant = {"provider": "anthropic", "model": "claude-haiku-4-5", "prompt": {"user": "{{ question }}"}}
    return TestDefinition.model_validate(
        {
            "name": "tone",
            "dataset": {"version": VERSION},
            "control": "plain",
            "variants": {"plain": variant, "polite": {**variant, "model": "unheard-of"}},
            "judges": judges,
            "primary_metric": primary_metric,
        }
        | given
    )


def frozen_of(definition: TestDefinition, **given: Any) -> RunFrozen:
    return RunFrozen(
        run_id="run_1",
        test_id="test_1",
        definition=definition,
        dataset=DatasetSummary(rows=10),
        providers={},
        started_at=NOW,
        batches_by_wave=(1,),
        **given,
    )


RUBRIC = {"type": "rubric", **MODEL, "dimensions": ["accuracy", "helpfulness"]}
SINGLE = {"type": "rubric", **MODEL, "dimensions": ["accuracy"]}


@pytest.mark.parametrize("kept", [True, False])
def test_metrics__are_the_judges_own_then_their_dimensions(kept: bool) -> None:
    definition = definition_of(
        {
            "quality": RUBRIC,
            "right": {"type": "exact_match"},
            "better": {"type": "pairwise", **MODEL, "dimensions": ["style"]},
        },
        "quality",
    )
    found = judge_metrics(frozen_of(definition, judges=dict(facts_of(definition)) if kept else {}))
    names = [metric.name for metric in found]
    assert names == ["quality", "quality.accuracy", "quality.helpfulness", "right", "better"]
    quality, accuracy, _, right, better = found
    assert (quality.kind, quality.scale, quality.model) == ("model", (1.0, 5.0), "openai/gpt-5-mini")
    assert (quality.family, quality.dimension, quality.judge) == ("gpt", None, "quality")
    assert (accuracy.judge, accuracy.dimension, accuracy.version) == ("quality", "accuracy", quality.version)
    assert (right.kind, right.binary, right.model, right.pairwise) == ("code", True, None, False)
    assert (better.pairwise, better.binary, better.preference) == (True, False, True)


def test_panel__has_its_options_with_their_defaults() -> None:
    definition = definition_of(
        {
            "one": SINGLE,
            "two": {**SINGLE, "model": "gpt-5"},
            "strong": {**SINGLE, "provider": "anthropic", "model": "claude-opus-4-1"},
            "council": {
                "type": "panel",
                "members": ["one", "two"],
                "agree_within": 1,
                "on_disagreement": "escalate",
                "escalate_to": "strong",
            },
        },
        "council",
    )
    found = {metric.name: metric for metric in judge_metrics(frozen_of(definition))}
    assert found["council"].panel == PanelPlan(
        members=("one", "two"),
        consensus="mean",
        agree_within=1.0,
        on_disagreement="escalate",
        escalate_to="strong",
    )
    assert [name for name, metric in found.items() if metric.escalated_only] == ["strong"]
    assert found["council"].kind == "panel"
    assert found["one"].panel is None


@pytest.mark.parametrize(("consensus", "binary"), [("majority", True), ("mean", False)])
def test_panel_of_binary_judges__is_binary_where_votes_are_counted(consensus: str, binary: bool) -> None:
    judges = {
        "one": {"type": "exact_match"},
        "two": {"type": "contains", "any_of": ["x"]},
        "council": {"type": "panel", "members": ["one", "two"], "consensus": consensus},
    }
    found = judge_metrics(frozen_of(definition_of(judges, "council")))
    assert found[-1].binary is binary


def test_families__are_those_of_models_and_not_of_labels() -> None:
    definition = definition_of({"right": {"type": "exact_match"}}, "right")
    recorded = {"provider": "replay", "model": "gpt-4", "recording": {"version": VERSION}}
    variants = {**definition.model_dump()["variants"], "old": recorded}
    assert families_of(definition) == {"plain": "claude"}
    widened = TestDefinition.model_validate({**definition.model_dump(), "variants": variants})
    assert families_of(widened) == {"plain": "claude"}


def test_plan_of_a_run__names_judges_and_families() -> None:
    definition = definition_of({"quality": RUBRIC}, "quality.accuracy")
    run = Run(
        run_id="run_1",
        test_id="test_1",
        test_name="tone",
        workspace="team",
        status=TestStatus.RUNNING,
        phase=RunPhase.ANALYSING,
        started_at=NOW,
        started_by="someone",
    )
    plan = analysis_plan(run, frozen_of(definition), None)
    assert plan.primary_metric == "quality.accuracy"
    assert plan.families == {"plain": "claude"}
    assert [judge.name for judge in plan.instruments] == ["quality"]
