"""The portfolio: every run of a period on one page, newest first, and the same as JSON.

Depends on: pydantic, jinja2. Used by: `functions/daily_analytics`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from abtest.core.clock import iso
from abtest.reporting.rendering import environment

DECISIONS = {
    "ship_treatment": ("Ship", "good"),
    "keep_control": ("Keep control", "bad"),
    "no_worse": ("No worse", "good"),
    "undecided": ("Undecided", "open"),
}
STATUSES = {"COMPLETED": "plain", "RUNNING": "open", "FAILED": "bad", "CANCELLED": "open"}


class PortfolioEntry(BaseModel):
    """One run in the portfolio.

    Args:
        test_name: the test's name.
        run_id: the run.
        status: of the run.
        decision: of a completed run; None otherwise.
        sentence: the verdict, or the error of a failed run.
        effect: the primary effect for a person, such as `+62.0 points`.
        spent_usd: what the run paid; None is unknown.
        started_at: UTC, ISO 8601.
        finished_at: UTC, ISO 8601.
        report_url: where its report is; only http(s) addresses become links.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    test_name: str
    run_id: str
    status: Literal["RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
    decision: Literal["ship_treatment", "keep_control", "no_worse", "undecided"] | None = None
    sentence: str | None = None
    effect: str | None = None
    spent_usd: Decimal | None = None
    started_at: str | None = None
    finished_at: str | None = None
    report_url: str | None = None


def render_portfolio(entries: Sequence[PortfolioEntry], generated_at: datetime) -> tuple[str, bytes]:
    """Return the portfolio as one HTML document and as JSON.

    Args:
        entries: the runs, in any order; shown newest first.
        generated_at: when this is made, with a time zone.
    """
    ordered = sorted(entries, key=lambda entry: (entry.started_at or "", entry.run_id), reverse=True)
    stamp = iso(generated_at)
    totals = _totals(ordered)
    page = environment().get_template("portfolio.html.j2")
    html = page.render(entries=[_view(e) for e in ordered], totals=totals, generated_at=stamp)
    data = {
        "schema_version": "1",
        "generated_at": stamp,
        "totals": {**totals, "spent_usd": str(totals["spent_usd"])},
        "runs": [entry.model_dump(mode="json") for entry in ordered],
    }
    return html, json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n"


def _view(entry: PortfolioEntry) -> dict[str, Any]:
    word, tone = DECISIONS[entry.decision] if entry.decision else ("", "")
    link = entry.report_url if entry.report_url and entry.report_url.startswith(("https://", "http://")) else None
    return {"run": entry, "decision": word, "tone": tone, "status_tone": STATUSES[entry.status], "link": link}


def _totals(entries: Sequence[PortfolioEntry]) -> dict[str, Any]:
    statuses = Counter(entry.status for entry in entries)
    decisions = Counter(entry.decision for entry in entries if entry.decision)
    return {
        "runs": len(entries),
        "tests": len({entry.test_name for entry in entries}),
        "completed": statuses["COMPLETED"],
        "running": statuses["RUNNING"],
        "failed": statuses["FAILED"],
        "cancelled": statuses["CANCELLED"],
        "ship_treatment": decisions["ship_treatment"],
        "keep_control": decisions["keep_control"],
        "no_worse": decisions["no_worse"],
        "undecided": decisions["undecided"],
        "spent_usd": sum((entry.spent_usd for entry in entries if entry.spent_usd is not None), Decimal(0)),
        "spend_unknown": sum(entry.spent_usd is None for entry in entries),
    }
