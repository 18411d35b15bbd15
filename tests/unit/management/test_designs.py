from __future__ import annotations

from typing import Any

import pytest
from entities import a_summary, definition_body

from abtest.contracts.definition import Design
from abtest.core.errors import InputIssue
from abtest.management.planning import RunToPlan, plan_waves
from abtest.management.validation import check_against_dataset, check_definition, parse_definition
from abtest.runtime.catalogue import JudgeRegistry

JUDGES = JudgeRegistry()


def issues_of(**changes: Any) -> dict[str, InputIssue]:
    _, _, issues = check_definition(definition_body() | changes, JUDGES)
    return {issue.path: issue for issue in issues}


def metric_of(body: dict[str, Any]) -> str:
    return str(body["primary_metric"])


@pytest.mark.parametrize(
    ("design", "waves"),
    [
        ({}, 1),
        ({"kind": "fixed", "looks": 1}, 1),
        ({"kind": "group_sequential"}, 5),
        ({"kind": "group_sequential", "looks": 3, "spending": "pocock", "futility": 0.1}, 3),
        ({"kind": "always_valid"}, 10),
        ({"kind": "always_valid", "looks": 25, "futility": 0.2}, 25),
    ],
)
def test_design_says_into_how_many_waves_a_run_is_cut(design: dict[str, Any], waves: int) -> None:
    definition = parse_definition(definition_body() | {"design": design}, JUDGES)
    assert definition.design.waves == waves
    plan = RunToPlan(
        workspace="default",
        run_id="run_1",
        definition=definition,
        judges={},
        vendors={variant.provider: "openai_chat" for variant in definition.variants.values()},
        queue_urls={"openai_chat": "https://queue"},
    )
    planned = plan_waves(plan, sample_count=100, looks=definition.design.waves, batch_size=50)
    assert len(planned) == waves
    assert sum(len(batch) for wave in planned for batch in wave.batches) == 100


@pytest.mark.parametrize(
    ("design", "path"),
    [
        ({"kind": "fixed", "looks": 3}, "design.looks"),
        ({"kind": "fixed", "futility": 0.1}, "design.futility"),
        ({"kind": "fixed", "spending": "pocock"}, "design.spending"),
        ({"kind": "always_valid", "spending": "pocock"}, "design.spending"),
        ({"kind": "group_sequential", "looks": 1}, "design.looks"),
        ({"kind": "group_sequential", "looks": 51}, "design.looks"),
        ({"kind": "group_sequential", "spending": "haybittle"}, "design.spending"),
        ({"kind": "peeking"}, "design.kind"),
        ({"kind": "always_valid", "futility": 0.5}, "design.futility"),
    ],
)
def test_design_that_contradicts_itself__is_told_where(design: dict[str, Any], path: str) -> None:
    assert path in issues_of(design=design)


def test_guardrails_that_can_be_kept__are_taken() -> None:
    guardrails = {
        "latency": {"metric": "latency_ms", "statistic": "p95", "margin_relative": 0.2},
        "errors": {"metric": "error_rate", "margin": 0.02},
        "refusals": {"metric": "refusal_rate", "margin_relative": 0.5},
        "cost": {"metric": "cost_usd", "margin": 0.001},
    }
    assert issues_of(guardrails=guardrails, primary_margin=0.05, tie_margin=0.1) == {}


@pytest.mark.parametrize(
    ("guardrail", "path"),
    [
        ({"metric": "latency", "margin": 10}, "guardrails.g.metric"),
        ({"metric": "latency_ms"}, "guardrails.g"),
        ({"metric": "latency_ms", "margin": 10, "margin_relative": 0.1}, "guardrails.g"),
        ({"metric": "latency_ms", "margin": 0}, "guardrails.g.margin"),
        ({"metric": "latency_ms", "margin": float("nan")}, "guardrails.g.margin"),
        ({"metric": "error_rate", "statistic": "p95", "margin": 0.1}, "guardrails.g.statistic"),
        ({"metric": "error_rate", "margin": 2}, "guardrails.g.margin"),
        ({"metric": "cost_usd", "statistic": "p90", "margin": 1}, "guardrails.g.statistic"),
        ({"margin": 1}, "guardrails.g.metric"),
    ],
)
def test_guardrail_that_cannot_work__is_told_where(guardrail: dict[str, Any], path: str) -> None:
    assert path in issues_of(guardrails={"g": guardrail})


def test_guardrail_on_a_misspelt_metric__guesses_the_right_one() -> None:
    issue = issues_of(guardrails={"g": {"metric": "latency", "margin": 10}})["guardrails.g.metric"]
    assert "did you mean 'latency_ms'" in issue.message


def test_guardrail_on_the_primary_metric__points_to_its_margin() -> None:
    metric = metric_of(definition_body())
    issue = issues_of(guardrails={"g": {"metric": metric, "margin": 0.1}})["guardrails.g.metric"]
    assert "primary_margin" in (issue.allowed or "")


@pytest.mark.parametrize("name", ["error_rate", "refusal_rate"])
def test_judge_must_not_take_the_name_of_a_rate(name: str) -> None:
    body = definition_body()
    judges = {name: next(iter(body["judges"].values())), **body["judges"]}
    assert f"judges.{name}" in issues_of(judges=judges)


def test_few_samples_a_look__are_warned_of() -> None:
    definition = parse_definition(definition_body() | {"design": {"kind": "group_sequential", "looks": 10}}, JUDGES)
    _, few = check_against_dataset(definition, a_summary(rows=100), JUDGES)
    _, enough = check_against_dataset(definition, a_summary(rows=400), JUDGES)
    assert any("fewer than 20 a look" in warning for warning in few)
    assert not any("a look" in warning for warning in enough)


def test_every_kind_of_design__has_its_module() -> None:
    from abtest.analytics import designs
    from abtest.core import registry

    kinds = Design.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    assert set(registry.names(designs)) == set(kinds)
