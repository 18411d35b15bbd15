"""Judging a run's answers anew: what may be asked for, what comes of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from entities import OTHER_VERSION, VERSION, a_dataset, a_summary, definition_body
from management_world import WORKSPACE, World

from abtest.adapters.memory.providers import MemoryProviderStore
from abtest.core.errors import (
    ConflictError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
)
from abtest.management.model import Run, RunPhase, ScoresSummary, TestStatus
from abtest.management.rejudging import Rejudging

LENIENT = {"lenient": {"type": "contains", "values": ["a"]}}


@pytest.fixture
def world() -> World:
    return World()


def completed(world: World, **definition: Any) -> str:
    run_id = world.start(world.create(definition_body(**definition)))
    world.complete(run_id)
    return run_id


def rejudge(world: World, run_id: str, key: str | None = None, **body: Any) -> Run:
    return world.service.rejudge_run(
        run_id, {"judges": LENIENT, **body}, workspace=WORKSPACE, started_by="bob", idempotency_key=key
    )


def planned(world: World, run_id: str, **body: Any) -> Rejudging:
    return world.service.plan_rejudging(run_id, {"judges": LENIENT, **body}, workspace=WORKSPACE)


def issues(world: World, run_id: str, **body: Any) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        rejudge(world, run_id, **body)
    return {issue.path: issue.message for issue in caught.value.issues}


def test_a_new_run_stands_beside_the_old_one(world: World) -> None:
    source = completed(world)

    run = rejudge(world, source)

    old = world.runs.get(WORKSPACE, source)
    assert run.rejudges == source
    assert (run.test_id, run.status, run.phase, run.started_by) == (
        old.test_id,
        TestStatus.RUNNING,
        RunPhase.PLANNING,
        "bob",
    )
    assert old.status is TestStatus.COMPLETED
    assert world.workflow.started == [source, run.run_id]
    assert world.runs.get(WORKSPACE, run.run_id) == run
    listed = world.runs.list(WORKSPACE, test_id=old.test_id, limit=5, cursor=None).items
    assert {one.run_id for one in listed} == {source, run.run_id}


def test_its_definition_is_the_tests__with_the_new_judges_and_their_metric(world: World) -> None:
    source = completed(world, primary_margin=0.05, seed=11)
    test = world.tests.get(WORKSPACE, world.runs.get(WORKSPACE, source).test_id)

    definition = rejudge(world, source).definition

    assert definition is not None
    assert set(definition.judges) == {"lenient"}
    assert (definition.primary_metric, definition.primary_margin) == ("lenient", None)
    changed = {"judges", "primary_metric", "primary_margin"}
    assert definition.model_dump(exclude=changed) == test.definition.model_dump(exclude=changed)
    assert set(test.definition.judges) == {"correct"}


def test_own_judges_stay_beside_the_new_ones__when_they_are_added(world: World) -> None:
    source = completed(world, primary_margin=0.05)

    definition = planned(world, source, add=True).definition

    assert list(definition.judges) == ["correct", "lenient"]
    assert (definition.primary_metric, definition.primary_margin) == ("correct", 0.05)


def test_a_judge_may_be_replaced_under_its_name__and_keeps_deciding(world: World) -> None:
    source = completed(world, primary_margin=0.05)

    definition = planned(world, source, judges={"correct": LENIENT["lenient"]}).definition

    assert definition.judges["correct"].type == "contains"
    assert (definition.primary_metric, definition.primary_margin) == ("correct", 0.05)


def test_a_judge_cannot_be_added__under_the_name_of_one_that_stays(world: World) -> None:
    source = completed(world)

    told = issues(world, source, add=True, judges={"correct": LENIENT["lenient"]})

    assert set(told) == {"judges.correct"}
    assert "both are to be kept" in told["judges.correct"]


def test_which_of_several_new_judges_decides_must_be_said(world: World) -> None:
    source = completed(world)
    several = {**LENIENT, "strict": {"type": "exact_match"}}

    assert set(issues(world, source, judges=several)) == {"primary_metric"}
    chosen = planned(world, source, judges=several, primary_metric="strict", primary_margin=0.1).definition
    assert (chosen.primary_metric, chosen.primary_margin) == ("strict", 0.1)


def test_guardrails_stay__as_far_as_anybody_measures_them(world: World) -> None:
    guardrails = {"fast": {"metric": "latency_ms", "margin": 100}, "right": {"metric": "correct", "margin": 0.1}}
    judges = {"correct": {"type": "exact_match"}, "short": {"type": "length", "at_most": 5}}
    source = completed(world, judges=judges, primary_metric="short", guardrails=guardrails)

    replaced, added = planned(world, source), planned(world, source, add=True)

    assert set(replaced.definition.guardrails) == {"fast"}
    assert "right: this guardrail is left out, because nobody measures its metric here." in replaced.warnings
    assert set(added.definition.guardrails) == {"fast", "right"}
    assert not any("left out" in warning for warning in added.warnings)


def test_guardrails_that_are_given_replace_all(world: World) -> None:
    source = completed(world, guardrails={"fast": {"metric": "latency_ms", "margin": 100}})

    given = planned(world, source, guardrails={"cheap": {"metric": "cost_usd", "margin_relative": 0.1}})
    none = planned(world, source, guardrails={})

    assert set(given.definition.guardrails) == {"cheap"}
    assert none.definition.guardrails == {}


def test_the_tests_cap_holds__unless_another_one_is_given(world: World) -> None:
    source = completed(world, budget={"cap_usd": "0.5"})

    assert rejudge(world, source).cap_usd == Decimal("0.5")


@pytest.mark.parametrize("cap", ["0.25", 0.25])
def test_a_cap_of_its_own_replaces_the_tests(world: World, cap: object) -> None:
    source = completed(world, budget={"cap_usd": "0.5"})

    run = rejudge(world, source, cap_usd=cap)

    assert run.cap_usd == Decimal("0.25")
    assert run.definition is not None
    assert run.definition.budget.cap_usd == Decimal("0.25")


def test_everything_that_is_wrong_is_told_at_once__under_the_fields_of_the_request(world: World) -> None:
    source = completed(world)

    found = issues(
        world,
        source,
        judges={"lenient": {"type": "contain"}, "length": {"type": "length", "at_mos": 3}},
        primary_metric="lenien",
        cap_usd=-1,
        guardrails={"odd": {"metric": "nothing", "margin": 1}},
    )

    assert set(found) == {
        "judges.lenient.type",
        "judges.length.at_mos",
        "primary_metric",
        "cap_usd",
        "guardrails.odd.metric",
    }
    assert world.workflow.started == [source]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"judges": {}}, "judges"),
        ({"judges": ["exact_match"]}, "judges"),
        ({"add": "yes"}, "add"),
        ({"variants": {}}, "variants"),
        ({"primary": "lenient"}, "primary"),
    ],
)
def test_a_request_of_another_shape_is_refused(world: World, body: dict[str, Any], path: str) -> None:
    assert set(issues(world, completed(world), **body)) == {path}


def test_issues_that_were_found_before_are_told_as_well(world: World) -> None:
    source = completed(world)
    (told,) = _caught(world, source, {"judges": {"x": {"type": "nothing"}}}).issues

    again = _caught(world, source, {"judges": LENIENT}, told=[told])

    assert again.issues == (told,)


def _caught(world: World, run_id: str, body: dict[str, Any], **more: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        world.service.plan_rejudging(run_id, body, workspace=WORKSPACE, **more)
    return caught.value


def test_only_a_completed_run_is_judged_anew(world: World) -> None:
    running = world.start(world.create())
    failed = world.start(world.create())
    world.runs.finish(world.runs.get(WORKSPACE, failed), "fail")

    for run_id, status in ((running, "RUNNING"), (failed, "FAILED")):
        with pytest.raises(ConflictError, match=f"is {status}; only a completed run can be judged anew"):
            rejudge(world, run_id)


def test_nothing_is_judged_anew__while_the_test_runs(world: World) -> None:
    source = completed(world)
    world.start(world.tests.get(WORKSPACE, world.runs.get(WORKSPACE, source).test_id))

    with pytest.raises(IllegalTransitionError, match="has a run that goes on"):
        rejudge(world, source)


def test_a_run_of_another_workspace_is_not_found(world: World) -> None:
    source = completed(world)

    with pytest.raises(NotFoundError):
        world.service.plan_rejudging(source, {"judges": LENIENT}, workspace="others")


def test_the_same_key_starts_nothing_twice(world: World) -> None:
    source = completed(world)

    first = rejudge(world, source, key="k")
    again = rejudge(world, source, key="k")

    assert again.run_id == first.run_id
    assert world.workflow.started == [source, first.run_id]
    with pytest.raises(IdempotencyKeyReusedError):
        rejudge(world, source, key="k", add=True)


def test_a_run_that_was_judged_anew_can_be_judged_anew_again(world: World) -> None:
    first = rejudge(world, completed(world))
    world.complete(first.run_id)

    again = rejudge(world, first.run_id, judges={"short": {"type": "length", "at_most": 5}}, add=True)

    assert again.rejudges == first.run_id
    assert again.definition is not None
    assert set(again.definition.judges) == {"lenient", "short"}


def test_planning_starts_nothing__and_estimates_only_the_judges(world: World) -> None:
    source = completed(world)

    found = planned(world, source)

    assert world.workflow.started == [source]
    assert found.estimate.calls == 0
    assert found.estimate.cost_usd_max == 0
    assert found.source.run_id == source


def test_the_run_keeps_its_estimate_and_warnings(world: World) -> None:
    world.datasets.freeze(a_dataset(WORKSPACE, version=VERSION, summary=a_summary(12)))
    run = rejudge(world, completed(world))

    assert run.estimate is not None
    assert run.estimate.samples == 12
    assert any(warning.startswith("Only 12 samples") for warning in run.warnings)


def test_answers_of_a_run_that_stopped_early_end_there__and_that_is_said(world: World) -> None:
    source = completed(world)
    run = world.runs.get(WORKSPACE, source)
    world.runs._runs[WORKSPACE, source] = run.model_copy(update={"stopped_early": "efficacy"})

    assert any(f"Run {source} stopped early" in warning for warning in planned(world, source).warnings)


def test_variants_whose_provider_is_gone_can_be_judged_all_the_same(world: World) -> None:
    source = completed(world)
    world.service = replace(world.service, providers=MemoryProviderStore())

    assert planned(world, source).definition.primary_metric == "lenient"


def test_scores_from_elsewhere_judge_a_run_anew(world: World) -> None:
    source = completed(world)
    body = {"judges": {"human": {"type": "imported", "scores": {"version": OTHER_VERSION}}}}
    assert set(issues(world, source, **body)) == {"judges.human.scores"}
    scores = ScoresSummary(
        preferences=False, samples=60, rows_by_variant={"terse": 60, "wordy": 58, "odd": 2}, lowest=0, highest=1
    )
    summary = a_summary(62, input_counts={}, scores=scores)
    world.datasets.freeze(a_dataset(WORKSPACE, kind="scores", version=OTHER_VERSION, summary=summary))

    warnings = planned(world, source, **body).warnings

    assert [warning for warning in warnings if warning.startswith("human: ")] == [
        "human: 2 rows name what is no variant of this test (odd); they are not used.",
        "human: it names 60 samples, and the dataset has 100; the others are not judged.",
    ]
