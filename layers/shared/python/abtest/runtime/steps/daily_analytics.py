"""DailyAnalytics: the portfolio report of every workspace, by UTC day.

Depends on: management, reporting. Used by: `functions/daily_analytics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ValidationError

from abtest.analytics.model import Unit
from abtest.analytics.wording import effect_text
from abtest.contracts import object_keys
from abtest.contracts.steps import Step
from abtest.core.clock import Clock, iso
from abtest.core.errors import NotFoundError
from abtest.management.model import Run, TestStatus
from abtest.management.ports import ObjectStore, RunStore, TestStore
from abtest.reporting.portfolio import PortfolioEntry, render_portfolio

WINDOW = timedelta(days=30)
_PAGE = 100


class DailyReports(Step):
    """What one day's run wrote: how many workspaces, how many runs."""

    workspaces: int
    runs: int


@dataclass(frozen=True)
class DailyAnalyticsPorts:
    """What the portfolio needs."""

    tests: TestStore
    runs: RunStore
    objects: ObjectStore
    clock: Clock


def daily_analytics(ports: DailyAnalyticsPorts) -> DailyReports:
    """Write `portfolio.html` and `portfolio.json` of each workspace, over the runs of the last 30 days."""
    now = ports.clock.now()
    workspaces = ports.tests.workspaces()
    total = 0
    for workspace in workspaces:
        entries = [_entry(run, ports) for run in _recent(workspace, now, ports.runs)]
        html, data = render_portfolio(entries, now)
        day = now.strftime("%Y-%m-%d")
        page_key = object_keys.portfolio(workspace, day, "portfolio.html")
        ports.objects.put(page_key, html.encode(), content_type="text/html; charset=utf-8")
        ports.objects.put(object_keys.portfolio(workspace, day, "portfolio.json"), data)
        total += len(entries)
    return DailyReports(workspaces=len(workspaces), runs=total)


def _recent(workspace: str, now: datetime, runs: RunStore) -> Iterator[Run]:
    cursor = None
    while True:
        page = runs.list(workspace, test_id=None, limit=_PAGE, cursor=cursor)
        for run in page.items:
            if run.started_at < now - WINDOW:
                return
            yield run
        cursor = page.next_cursor
        if cursor is None:
            return


def _entry(run: Run, ports: DailyAnalyticsPorts) -> PortfolioEntry:
    spent = ports.runs.spending(run.workspace, run.run_id).spent_usd
    return PortfolioEntry.model_validate(
        {
            "test_name": run.test_name,
            "run_id": run.run_id,
            "status": run.status.value,
            "decision": run.verdict.decision if run.verdict else None,
            "sentence": run.verdict.sentence if run.verdict else (run.error.message if run.error else None),
            "effect": _effect(run, ports.objects),
            "spent_usd": spent,
            "started_at": iso(run.started_at),
            "finished_at": iso(run.finished_at) if run.finished_at else None,
        }
    )


def _effect(run: Run, objects: ObjectStore) -> str | None:
    if run.status != TestStatus.COMPLETED:
        return None
    try:
        body = objects.get(object_keys.artifact(run.workspace, run.run_id, object_keys.ANALYSIS))
    except NotFoundError:
        return None
    try:
        comparison = _Written.model_validate_json(body).first()
    except ValidationError:
        # Written by a version that says other things: the run stands in the list, its effect does not.
        return None
    return None if comparison is None or comparison.effect is None else effect_text(comparison.effect, comparison.unit)


class _WrittenComparison(BaseModel):
    """What every version has written of a comparison."""

    primary: bool
    treatment: str
    unit: Unit
    effect: float | None = None


class _WrittenDecision(BaseModel):
    treatment: str | None = None


class _Written(BaseModel):
    """What the list needs of an analysis; what else a version wrote is passed over."""

    decision: _WrittenDecision
    comparisons: tuple[_WrittenComparison, ...]

    def first(self) -> _WrittenComparison | None:
        """Return the primary comparison of the treatment that is named, else of the first."""
        primary = [c for c in self.comparisons if c.primary]
        named = [c for c in primary if c.treatment == self.decision.treatment]
        return next(iter(named or primary), None)
