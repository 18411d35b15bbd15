"""A run that judges the answers of an earlier one: they are taken over as they are, and nobody is asked for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from entities import an_estimate, definition_body
from step_world import WORKSPACE, StepWorld, ok, refusal, rows

from abtest.adapters.memory.objects import MemoryObjectStore
from abtest.contracts.definition import TestDefinition
from abtest.contracts.steps import JudgeResult, WaveState
from abtest.core.errors import BudgetExceededError, ConflictError
from abtest.runtime.steps.take_look import take_look

RUBRIC = {"type": "rubric", "provider": "local", "model": "judge-1", "dimensions": ["helpfulness"]}


def finished(count: int = 25, *, waves: int = 1, answered_waves: int | None = None, **changes: Any) -> StepWorld:
    """Let a run answer its samples, and end."""
    world = StepWorld(definition_body(**changes), rows(count), batch_size=10)
    world.provider.script = lambda prompt: refusal(400) if "Land3?" in prompt else ok(prompt)
    world.plan()
    for wave in range(waves if answered_waves is None else answered_waves):
        for item in world.generate_items(wave):
            world.call(world.message().model_copy(update={"batch": item, "task_token": item.progress_key}))
    return world


def judged_anew(world: StepWorld, looks: int = 1, **facts: Any) -> WaveState:
    """End the run, start another one that judges it anew with another judge, and plan that."""
    source = world.run
    world.runs.update(source.model_copy(update={"looks_taken": looks}))
    world.runs.finish(world.stored, "complete")
    definition = world.test.definition.model_dump(mode="json") | {"judges": {"good": RUBRIC}, "primary_metric": "good"}
    world.start(
        rejudges=source.run_id,
        definition=TestDefinition.model_validate(definition),
        **{"estimate": an_estimate(), "cap_usd": None, **facts},
    )
    world.provider.asked.clear()
    return world.plan()


def progress(world: StepWorld) -> Any:
    return world.runs.progress(WORKSPACE, world.run.run_id)


def test_answers_are_taken_over__as_the_ledgers_and_in_the_same_batches() -> None:
    world = finished()
    source = world.bodies
    samples = [[sample.id for sample in source.samples(0, batch)] for batch in range(3)]

    state = judged_anew(world)

    assert (state.answers, state.scored_by_code, state.asks_judges) == ("copied", False, True)
    assert [[sample.id for sample in world.bodies.samples(0, batch)] for batch in range(3)] == samples
    for batch in range(3):
        before, after = source.responses(0, "terse", batch), world.bodies.responses(0, "terse", batch)
        assert [(row.sample_id, row.text, row.cost_usd, row.outcome) for row in after] == [
            (row.sample_id, row.text, row.cost_usd, row.outcome) for row in before
        ]
        assert all(row.from_ledger == (row.outcome != "failed") for row in after)
        assert not any(row.from_ledger for row in before)
    assert world.provider.asked.total() == 0
    assert not world.objects.keys(state.generate_manifest_key)


def test_taken_over_answers_are_done__and_cost_nothing() -> None:
    world = finished()

    judged_anew(world)

    now = progress(world)
    assert (now.responses_done, now.responses_failed, now.responses_from_ledger) == (50, 2, 48)
    assert (world.stored.responses_total, world.stored.verdicts_total) == (50, 50)
    assert world.runs.spending(WORKSPACE, world.run.run_id).spent_usd == 0


def test_new_judge_judges_them__and_its_definition_is_frozen() -> None:
    world = finished()
    judged_anew(world)

    results = [world.ask(item) for item in world.ask_items()]

    assert all(isinstance(result, JudgeResult) for result in results)
    assert sum(result.verdicts for result in results if result) == 50
    assert sum(result.not_scored for result in results if result) == 2
    frozen = world.bodies.frozen()
    assert list(frozen.definition.judges) == ["good"]
    assert list(frozen.judges) == ["good"]
    assert frozen.estimate == an_estimate()


def test_budget_is_that_of_the_judges() -> None:
    world = finished()
    estimate = an_estimate().model_copy(update={"cost_usd_max": Decimal("0.07")})

    judged_anew(world, estimate=estimate)

    assert world.stored.reserved_usd == Decimal("0.07")


def test_run_whose_judges_the_budget_does_not_cover_is_not_planned() -> None:
    world = finished()
    world.workspace_budget_usd = Decimal("0.51")

    with pytest.raises(BudgetExceededError):
        judged_anew(world, cap_usd=Decimal("0.3"))


def test_variants_need_no_provider_any_more() -> None:
    variants = definition_body()["variants"]
    world = finished()
    world.providers.put(WORKSPACE, world.providers.get(WORKSPACE, "local").model_copy(update={"id": "other"}))
    registration = world.bodies.frozen().providers["local"]
    world.providers._providers.pop((WORKSPACE, "local"))
    judge = RUBRIC | {"provider": "other"}
    source = world.run
    world.runs.finish(world.stored, "complete")
    body = definition_body(judges={"good": judge}, primary_metric="good", dataset={"version": "a" * 64})
    assert {variant["provider"] for variant in variants.values()} == {"local"}
    world.start(rejudges=source.run_id, definition=TestDefinition.model_validate(body), estimate=an_estimate())

    world.plan()

    assert set(world.bodies.frozen().providers) == {"local", "other"}
    assert world.bodies.frozen().providers["local"] == registration


def test_run_that_stopped_early_is_judged_as_far_as_it_went() -> None:
    world = finished(40, design={"kind": "group_sequential", "looks": 4}, waves=4, answered_waves=2)

    state = judged_anew(world, looks=2)

    frozen = world.bodies.frozen()
    assert frozen.batches_by_wave == (1, 1)
    assert frozen.dataset.rows == 20
    assert (world.stored.looks_planned, world.stored.responses_total) == (2, 40)
    following = state.next_wave()
    assert (following.answers, following.asks_judges, following.next) == ("copied", True, "next_wave")
    assert len(world.ask_items(1)) == 1


def test_wave_after_wave_is_judged__and_no_more() -> None:
    world = finished(20, design={"kind": "group_sequential", "looks": 2}, waves=2)
    state = judged_anew(world, looks=2)
    # Whether the design would stop is another test's.
    frozen = world.bodies.frozen()
    fixed = frozen.definition.model_copy(update={"design": definition_of("fixed")})
    key = state.generate_manifest_key.partition("/waves/")[0] + "/frozen.json"
    world.objects.put(key, frozen.model_copy(update={"definition": fixed}).model_dump_json().encode())

    second = take_look(state, world.runs, world.objects)

    assert (second.wave, second.answers, second.next) == (1, "copied", "next_wave")
    assert take_look(second, world.runs, world.objects).next == "finish"


def definition_of(kind: str) -> Any:
    return TestDefinition.model_validate(definition_body(design={"kind": kind})).design


def test_run_that_failed_while_it_was_judged_can_be_judged_anew() -> None:
    world = finished()

    judged_anew(world, looks=0)

    assert world.stored.responses_total == 50


def test_answers_that_are_gone_are_told__and_nothing_is_planned() -> None:
    world = finished()
    forget(world, "/responses/wordy/00001")

    with pytest.raises(ConflictError, match="no longer kept") as caught:
        judged_anew(world)
    assert "Start a new run" in caught.value.details["what_to_do"]
    assert world.objects.keys(f"runs/{WORKSPACE}/{world.run.run_id}/") == []


def test_samples_that_are_gone_are_told() -> None:
    world = finished()
    forget(world, "/samples/00001")

    with pytest.raises(ConflictError, match="no longer kept"):
        judged_anew(world)


def test_run_without_a_whole_wave_cannot_be_judged_anew() -> None:
    world = finished(answered_waves=0)

    with pytest.raises(ConflictError, match="no wave whose answers are all there"):
        judged_anew(world, looks=0)


def test_plan_repeated_is_the_same_plan() -> None:
    world = finished()
    first = judged_anew(world)
    bodies = {key: world.objects.get(key) for key in world.objects.keys("runs/")}

    assert world.plan() == first
    assert {key: world.objects.get(key) for key in world.objects.keys("runs/")} == bodies


def forget(world: StepWorld, word: str) -> None:
    """Lose the objects of a run with a word in their keys."""
    objects: MemoryObjectStore = world.objects
    for key in objects.keys("runs/"):
        if word in key:
            del objects._bodies[key]
