"""Progress for logs and the pauses between looks."""

from __future__ import annotations

import io
from typing import Any

import pytest
from fake_platform import run_item
from rich.console import Console

from abtest_cli.output import seconds
from abtest_cli.progress import PhaseTimes, PlainProgress, progress_view
from abtest_cli.running import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, pause_after, watch


class Looks:
    """A client whose run is in the next state each time it is looked at."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)

    def run(self, _run_id: str) -> dict[str, Any]:
        return self.states.pop(0)


class Clock:
    def __init__(self) -> None:
        self.moment = 0.0

    def __call__(self) -> float:
        return self.moment

    def sleep(self, seconds_slept: float) -> None:
        self.moment += seconds_slept


def test_lines_tell_rate_and_time_left__run_moves() -> None:
    clock, lines = Clock(), []
    view = PlainProgress(lines.append, clock)
    view.update(run_item("RUNNING", "planning", 0, 0))
    for moment, done, judged in ((4.0, 2, 0), (4.1, 3, 0), (8.0, 4, 0), (8.1, 4, 4)):
        clock.moment = moment
        view.update(run_item("RUNNING", "generating", done, judged))
    view.update(run_item())
    assert lines == [
        "generate: 2 of 4, 0.5 a second, about 4.0 s left",
        "generate: 4 of 4, 0.5 a second",
        "judge: 4 of 4, 0.5 a second",
        "analyse: done",
    ]


def test_failed_answers_are_counted__provider_in_trouble() -> None:
    lines: list[str] = []
    run = run_item("RUNNING", "generating", 4, 0)
    run["progress"]["responses"]["failed"] = 3
    PlainProgress(lines.append, Clock()).update(run)
    assert lines == ["generate: 4 of 4, 3 failed"]


def test_what_a_run_waits_for_is_told_once__until_it_changes() -> None:
    lines: list[str] = []
    view = PlainProgress(lines.append, Clock())
    down = {"provider": "acme", "model": "m1", "why": "circuit_open", "batches": 2, "detail": "HTTP 500"}
    busy = {"provider": "acme", "model": "m1", "why": "rate_limit", "batches": 1, "detail": ""}
    for waiting in ([down], [{**down, "batches": 3}], [busy], []):
        view.update({**run_item("RUNNING", "generating", 0, 0), "waiting": waiting})
    assert lines == [
        "waiting for acme, which is down (m1, 2 batches; last: HTTP 500)",
        "waiting for the rate limit registered for acme (m1, 1 batch)",
    ]


def test_nothing_is_drawn_over__output_is_a_file() -> None:
    file = io.StringIO()
    with progress_view(Console(file=file)) as view:
        view.update(run_item())
    assert "\x1b" not in file.getvalue()
    assert "generate: 4 of 4" in file.getvalue()


def test_bars_move_to_the_end__terminal() -> None:
    file = io.StringIO()
    with progress_view(Console(file=file, force_terminal=True, width=100)) as view:
        view.update(run_item("RUNNING", "planning", 0, 0))
        view.update(run_item("RUNNING", "generating", 2, 0))
        view.update(run_item())
    assert "4/4" in file.getvalue()


def test_looking_adds_little_to_a_run__short_and_long() -> None:
    assert pause_after(0.0) == pause_after(2.0) == SHORTEST_PAUSE_S
    assert pause_after(30.0) == pytest.approx(1.2)
    assert pause_after(3600.0) == LONGEST_PAUSE_S


def test_watching_ends_with_the_run__phases_are_timed() -> None:
    clock = Clock()
    times = PhaseTimes(clock)
    states = [
        run_item("RUNNING", "planning", 0, 0),
        run_item("RUNNING", "generating", 1, 0),
        run_item("FAILED", "done"),
    ]
    run = watch(Looks(*states), "run_1", PlainProgress(lambda _: None, clock), times, sleep=clock.sleep, now=clock)  # type: ignore[arg-type]
    assert run["status"] == "FAILED"
    assert times.seconds == pytest.approx({"planning": 0.1, "generating": 0.1})


@pytest.mark.parametrize(("value", "text"), [(0.44, "0.4 s"), (37, "37 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_are_short__for_a_person(value: float, text: str) -> None:
    assert seconds(value) == text


def test_looks_are_shown__design_has_several() -> None:
    lines: list[str] = []
    view = PlainProgress(lines.append, Clock())
    run = run_item("RUNNING", "generating", 4, 4) | {"looks_planned": 5, "looks_taken": 2}
    view.update(run)
    assert "look: 2 of 5" in lines
    assert not any("left" in line for line in lines if line.startswith("look"))
