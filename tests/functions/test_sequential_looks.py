"""The looks of a sequential design, over stores in memory: what stops a run, and what each look leaves."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from entities import definition_body
from step_world import WORKSPACE, Reply, ScriptedProvider, StepWorld, ok, rows

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts import object_keys
from abtest.contracts.steps import GenerateMessage, WaveState
from abtest.providers.model import HttpRequest
from abtest.runtime.steps.finish_run import FinishRunPorts, finish_run
from abtest.runtime.steps.take_look import take_look

SAMPLES, LOOKS = 100, 2


def world_of(**changes: Any) -> StepWorld:
    design = {"kind": "group_sequential", "looks": LOOKS}
    return StepWorld(definition_body(**{"design": design, **changes}), rows(SAMPLES), batch_size=25)


def reply(prompt: str, right: bool) -> Any:
    country = prompt.split(" ")[-1].removesuffix("?")
    return ok(f"{country} City" if right else "somewhere")


def one_side_wrong(prompt: str) -> Any:
    """`terse` is always right, `wordy` never."""
    return reply(prompt, right=prompt.startswith("Capital of"))


def both_right(prompt: str) -> Any:
    return reply(prompt, right=True)


def do_wave(world: StepWorld, state: WaveState) -> WaveState:
    """Answer and judge one wave, and take the look after it."""
    for number, item in enumerate(world.generate_items(state.wave)):
        world.call(GenerateMessage(task_token=f"token-{state.wave}-{number}", batch=item))
    for item in world.judge_items(state.wave):
        world.judge(item)
    return take_look(state, world.runs, world.objects)


def finished(world: StepWorld, state: WaveState) -> dict[str, Any]:
    finish_run(state, FinishRunPorts(world.runs, world.budgets, world.objects, world.clock, MemorySharedState()))
    key = object_keys.artifact(WORKSPACE, world.run.run_id, object_keys.ANALYSIS)
    analysis: dict[str, Any] = json.loads(world.objects.get(key))
    return analysis


def test_decided_run__stops_and_analyses_what_was_asked() -> None:
    world = world_of()
    world.provider = ScriptedProvider(one_side_wrong)
    state = do_wave(world, world.plan())

    assert (state.next, state.wave) == ("finish", 0)
    assert (world.stored.looks_planned, world.stored.looks_taken, world.stored.stopped_early) == (LOOKS, 1, "efficacy")
    analysis = finished(world, state)
    assert analysis["coverage"]["asked"] == SAMPLES // LOOKS
    assert analysis["decision"]["outcome"] == "keep_control"
    assert analysis["look"] == {"number": 1, "asked": [50], "planned": SAMPLES, "final": False}
    assert len(world.provider.asked) == 2 * SAMPLES // LOOKS


def test_open_run__goes_on_to_its_last_look() -> None:
    world = world_of()
    world.provider = ScriptedProvider(both_right)
    state, seen = world.plan(), []
    while state.next != "finish":
        state = do_wave(world, state)
        seen.append(state.next)

    assert seen == ["next_wave"] * (LOOKS - 1) + ["finish"]
    assert (world.stored.looks_taken, world.stored.stopped_early) == (LOOKS, None)
    analysis = finished(world, state)
    assert (analysis["coverage"]["asked"], analysis["look"]["final"]) == (SAMPLES, True)


def test_repeated_look__says_and_leaves_the_same() -> None:
    world = world_of()
    world.provider = ScriptedProvider(both_right)
    start = world.plan()
    second = do_wave(world, start)
    key = object_keys.look_state(WORKSPACE, world.run.run_id, 0)
    kept = world.objects.get(key)

    assert take_look(start, world.runs, world.objects) == second
    assert world.objects.get(key) == kept


def better_but_not_slower(prompt: str) -> Any:
    return reply(prompt, right=not prompt.startswith("Capital of"))


class UnevenProvider(ScriptedProvider):
    """Slow with one variant on every second sample and with the other on the rest: neither is slower on the whole."""

    async def send(self, request: HttpRequest, timeout_s: float) -> Reply:
        prompt = json.loads(request.body)["messages"][-1]["content"]
        odd = int(re.findall(r"\d+", prompt)[-1]) % 2 == 1
        await asyncio.sleep(0.01 if odd == prompt.startswith("Capital of") else 0.0)
        return await super().send(request, timeout_s)


@pytest.mark.parametrize(("margin", "stops"), [(0.0001, False), (1000.0, True)])
def test_better_treatment__stops_the_run_only_once_its_guardrails_are_clear(margin: float, stops: bool) -> None:
    guardrails = {"slow": {"metric": "latency_ms", "margin": margin}}
    world = world_of(guardrails=guardrails)
    world.provider = UnevenProvider(better_but_not_slower)
    state = do_wave(world, world.plan())

    look = json.loads(world.objects.get(object_keys.look(WORKSPACE, world.run.run_id, 0)))
    assert look["treatments"][0]["decided"] is True
    assert look["stop"] == ("efficacy" if stops else None)
    assert state.next == ("finish" if stops else "next_wave")


def test_spent_cap__ends_the_run_at_the_look() -> None:
    world = world_of(budget={"cap_usd": "0.01"})
    world.provider = ScriptedProvider(both_right)
    state = do_wave(world, world.plan())

    assert world.runs.spending(WORKSPACE, world.run.run_id).spent_usd >= Decimal("0.01")
    assert (state.next, world.stored.stopped_early) == ("finish", "budget")
    assert any("ended early" in warning and "money" in warning for warning in finished(world, state)["warnings"])


def test_futile_trend__ends_the_run_where_it_was_declared() -> None:
    design = {"kind": "group_sequential", "looks": LOOKS, "futility": 0.1}
    world = world_of(design=design)
    world.provider = ScriptedProvider(both_right)
    state = do_wave(world, world.plan())

    assert (state.next, world.stored.stopped_early) == ("finish", "futility")
    analysis = finished(world, state)
    assert analysis["decision"]["outcome"] == "undecided"
    assert any("ended early" in warning and "below" in warning for warning in analysis["warnings"])
