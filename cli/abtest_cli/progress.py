"""How far a run is: bars for a person at a terminal, plain lines for a log.

Depends on: rich (bars only). Used by: `running`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from abtest_cli.output import seconds
from abtest_cli.waiting import WaitingNews

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_LINE_EVERY_S = 2.0
_LINE_EVERY_SHARE = 0.1
"""A line comes after this share of the time so far, so that the log of a long run stays short."""


@dataclass(frozen=True)
class Step:
    """How far one phase is: `done` of `total`, where total 0 is not known yet."""

    phase: str
    done: int
    total: int

    @property
    def finished(self) -> bool:
        """Whether nothing is left of it."""
        return self.total > 0 and self.done >= self.total


def steps_of(run: Mapping[str, Any]) -> tuple[Step, ...]:
    """Return the phases of a run as the API shows it."""
    progress = run["progress"]
    analysed = int(run["phase"] == "done" and run["status"] == "COMPLETED")
    looks = int(run.get("looks_planned") or 0)
    # A fixed design has one look, which is the analysis itself.
    look = (Step("look", int(run.get("looks_taken") or 0), looks),) if looks > 1 else ()
    return (
        Step("generate", int(progress["responses"]["done"]), int(progress["responses"]["total"])),
        Step("judge", int(progress["verdicts"]["done"]), int(progress["verdicts"]["total"])),
        *look,
        Step("analyse", analysed, 1),
    )


class ProgressView(Protocol):
    """Shows a run while it goes on."""

    def update(self, run: Mapping[str, Any]) -> None:
        """Show a run as the API has it now."""
        ...


class PlainProgress:
    """One line when a phase moves, every two seconds at first and rarer later, with rate and time left.

    Args:
        write: takes a line.
        now: seconds on a clock that never goes back.
    """

    def __init__(self, write: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._now = now
        self._began: dict[str, tuple[float, int]] = {}
        self._shown: dict[str, int] = {}
        self._last = float("-inf")
        self._waiting = WaitingNews()
        self._started = now()

    def update(self, run: Mapping[str, Any]) -> None:
        """Write a line for each phase that moved, and for what the run begins to wait for."""
        moment = self._now()
        for line in self._waiting.lines(run):
            self._write(line)
        for step in steps_of(run):
            if step.total:
                self._began.setdefault(step.phase, (moment, step.done))
            if step.done == self._shown.get(step.phase, 0):
                continue
            pause = max(_LINE_EVERY_S, _LINE_EVERY_SHARE * (moment - self._started))
            if step.finished or step.phase == "look" or moment - self._last >= pause:
                self._shown[step.phase] = step.done
                self._last = moment
                self._write(self._line(step, moment, run))

    def _line(self, step: Step, moment: float, run: Mapping[str, Any]) -> str:
        began, before = self._began[step.phase]
        elapsed_s = moment - began
        line = f"{step.phase}: {step.done:,} of {step.total:,}"
        if step.phase == "analyse":
            return f"{step.phase}: done"
        if step.phase == "look":
            return line
        if elapsed_s > 0 and step.done > before:
            rate = (step.done - before) / elapsed_s
            line += f", {rate:.1f} a second"
            if not step.finished:
                line += f", about {seconds((step.total - step.done) / rate)} left"
        failed = int(run["progress"]["responses"]["failed"])
        return f"{line}, {failed:,} failed" if failed and step.phase == "generate" else line


class BarProgress:
    """A bar a phase, with rate and time left.

    Args:
        progress: rich's display, started.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._waiting = WaitingNews()

    def update(self, run: Mapping[str, Any]) -> None:
        """Move the bars, and say above them what the run begins to wait for."""
        for line in self._waiting.lines(run):
            self._progress.console.print(line, markup=False)
        for step in steps_of(run):
            task = self._tasks.get(step.phase)
            if task is None:
                task = self._tasks[step.phase] = self._progress.add_task(step.phase, start=False, total=None)
            if step.total and not self._progress.tasks[task].started and (step.done or run["phase"] != "planning"):
                self._progress.start_task(task)
            self._progress.update(task, completed=step.done, total=step.total or None)


@contextmanager
def progress_view(out: Console) -> Iterator[ProgressView]:
    """Show progress on a console for the duration of a block."""
    if not out.is_terminal:
        yield PlainProgress(lambda line: out.print(line, markup=False))
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Units a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None or task.description == "analyse" else f"{speed:,.1f}/s")

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=out) as progress:
        yield BarProgress(progress)


class PhaseTimes:
    """Seconds each phase of a run took, as seen from here.

    Args:
        now: seconds on a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._phase: str | None = None
        self._since = 0.0
        self.seconds: dict[str, float] = {}

    def enter(self, phase: str | None) -> None:
        """Note that a phase goes on from now; None ends the last one."""
        moment = self._now()
        if phase == self._phase:
            return
        if self._phase is not None:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + moment - self._since
        self._phase, self._since = phase, moment
