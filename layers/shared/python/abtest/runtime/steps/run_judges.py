"""The judges of a run as its analysis takes them: what each measures, whom it asks, how a panel joins its members.

Depends on: analytics' plan, evaluation, management's planning. Used by: `run_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from abtest.analytics.judge_metric import JudgeMetric, PanelPlan
from abtest.contracts.definition import TestDefinition
from abtest.contracts.judging import JudgeFacts, MetricFacts
from abtest.evaluation.families import model_family
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.registry import load_judge
from abtest.evaluation.service import judge_facts
from abtest.management.model import RunFrozen
from abtest.management.planning import escalations

COUNTING = ("majority", "dawid_skene")
"""Ways of joining that keep scores of 0 and 1 what they are."""


def judge_metrics(frozen: RunFrozen) -> tuple[JudgeMetric, ...]:
    """Return the metrics of all judges of a run, in the order of its definition, each judge's overall score first.

    Args:
        frozen: what the run was started with; where it tells no facts of its judges, they are made anew.
    """
    facts = frozen.judges or facts_of(frozen.definition)
    waiting = escalations(frozen.definition, facts)
    return tuple(
        metric
        for name in frozen.definition.judges
        for metric in _metrics(facts, name, _panel(frozen.definition, facts[name]), only=name in waiting)
    )


def facts_of(definition: TestDefinition) -> Mapping[str, JudgeFacts]:
    """Return what is known of the judges of a definition."""
    return judge_facts(
        [
            JudgeConfiguration(name=name, type=judge.type, parameters=judge.parameters)
            for name, judge in definition.judges.items()
        ]
    )


def families_of(definition: TestDefinition) -> dict[str, str]:
    """Return the family of each variant's model, as far as it is known; a recording has a label, not a model."""
    found = {
        name: model_family(variant.model) for name, variant in definition.variants.items() if variant.recording is None
    }
    return {name: family for name, family in found.items() if family is not None}


def _metrics(
    known: Mapping[str, JudgeFacts], name: str, panel: PanelPlan | None, *, only: bool
) -> Iterator[JudgeMetric]:
    facts = known[name]
    model = facts.models[0] if facts.models else None
    for metric in facts.metrics:
        yield JudgeMetric(
            name=metric.name,
            type=facts.type,
            binary=_is_binary(known, metric, panel) if panel is not None else metric.binary and not facts.pairwise,
            from_judge=None if metric.name == facts.name else facts.name,
            dimension=metric.dimension,
            kind=facts.kind,
            pairwise=facts.pairwise,
            scale=metric.scale,
            version=facts.version,
            model=None if model is None else f"{model.provider}/{model.model}",
            family=None if model is None else model_family(model.model),
            panel=panel,
            escalated_only=only,
        )


def _is_binary(known: Mapping[str, JudgeFacts], metric: MetricFacts, panel: PanelPlan) -> bool:
    """Return whether a panel's scores are 0 or 1: those of all judges are, and joining them makes no others."""
    judges = [known[name] for name in (*panel.members, panel.escalate_to) if name is not None]
    same = all(judge.metrics[0].binary and not judge.pairwise for judge in judges)
    return same and metric.dimension is None and panel.consensus in COUNTING


def _panel(definition: TestDefinition, facts: JudgeFacts) -> PanelPlan | None:
    if facts.kind != "panel":
        return None
    judge = definition.judges[facts.name]
    options = load_judge(judge.type).Parameters.model_validate(judge.parameters).model_dump()
    given = {name: options.get(name) for name in PanelPlan.model_fields}
    return PanelPlan.model_validate({name: value for name, value in given.items() if value is not None})
