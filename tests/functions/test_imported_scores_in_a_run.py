"""The judge `imported` in a run's steps: rows of a dataset of scores become the run's verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from entities import definition_body
from step_world import WORKSPACE, StepWorld, rows

from abtest.contracts.records import Verdict
from abtest.core.errors import NotFoundError
from abtest.management.datasets import freeze_rows

CONTROL, TREATMENT = tuple(definition_body()["variants"])
SCORES = [
    b'{"id": "s000", "variant": "%s", "score": 0.25}' % CONTROL.encode(),
    b'{"id": "s001", "variant": "%s", "score": 1}' % TREATMENT.encode(),
]
PAIRS = [
    b'{"id": "s000", "first": "%s", "second": "%s", "winner": "%s"}'
    % (CONTROL.encode(), TREATMENT.encode(), TREATMENT.encode()),
    b'{"id": "s000", "first": "%s", "second": "%s", "winner": "tie"}' % (TREATMENT.encode(), CONTROL.encode()),
]


def answered(version: str, **options: Any) -> StepWorld:
    """Return a world of two samples that were answered, to be judged by a dataset of scores."""
    judge = {"type": "imported", "scores": {"version": version}, **options}
    world = StepWorld(definition_body(judges={"study": judge}, primary_metric="study"), rows(2))
    world.plan()
    for number in range(2):
        world.call(world.message(number))
    return world


def judged(scores: list[bytes], **options: Any) -> tuple[StepWorld, list[Verdict]]:
    """Return a world whose only batch was judged by rows, with its verdicts."""
    frozen = freeze_rows(scores, "scores")
    world = answered(frozen.version, **options)
    world.objects.put(f"datasets/{WORKSPACE}/{frozen.version}.jsonl", b"".join(frozen.lines))
    (item,) = world.judge_items()
    world.judge(item)
    return world, world.bodies.verdicts(0, "study", 0)


def test_imported_scores_are_the_verdicts__and_answers_without_one_are_not_judged() -> None:
    world, verdicts = judged(SCORES)

    found = {(v.sample_id, v.variant): (v.status, v.score) for v in verdicts}
    assert found == {
        ("s000", CONTROL): ("scored", 0.25),
        ("s000", TREATMENT): ("not_judged", None),
        ("s001", CONTROL): ("not_judged", None),
        ("s001", TREATMENT): ("scored", 1.0),
    }
    assert world.runs.progress(WORKSPACE, world.run.run_id).verdicts_done == world.stored.verdicts_total == 4


def test_imported_preferences_are_verdicts_on_pairs() -> None:
    world, verdicts = judged(PAIRS, preferences=True)

    (first,) = [verdict for verdict in verdicts if verdict.sample_id == "s000"]
    assert (first.variant, first.against, first.score) == (TREATMENT, CONTROL, 0.75)
    assert {vote.order for vote in first.votes} == {"control_first", "treatment_first"}
    assert world.runs.progress(WORKSPACE, world.run.run_id).verdicts_done == world.stored.verdicts_total == 2


def test_scores_that_are_gone_fail_the_step__and_leave_no_verdicts() -> None:
    world = answered("c" * 64)

    with pytest.raises(NotFoundError):
        world.judge(world.judge_items()[0])

    assert world.bodies.verdicts_so_far(0, "study", 0) == []
