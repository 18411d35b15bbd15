"""The report of one run: a single HTML file that needs nothing else, for a person who must decide.

It makes no request and runs no script; its own policy forbids both. All text of samples and answers is escaped.

Depends on: `abtest.analytics.model`, `abtest.reporting.rows`, `abtest.reporting.charts`. Used by:
`functions/finish_run`, `functions/fail_run`, the command line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from abtest.analytics.model import AnalysisPlan, AnalysisResult, JudgeMetric, Unit
from abtest.analytics.wording import TEST_NAMES, decision_text, level_text, value_text
from abtest.contracts.records import ModelResponse
from abtest.reporting.charts import interval_bar
from abtest.reporting.evidence import design_text, guardrail_rows, p_cell, sensitivity_rows, slice_rows
from abtest.reporting.judges import agreement_grid, judge_grid, member_grid, panel_sentences, win_rate_grid
from abtest.reporting.performance import performance_rows
from abtest.reporting.rendering import environment
from abtest.reporting.rows import PairedRow, most_telling
from abtest.reporting.sample_view import row_view

ROWS_SHOWN = 200
TONES = {"ship_treatment": "good", "keep_control": "bad", "no_worse": "good", "undecided": "open"}


class PartialRun(BaseModel):
    """A run that did not finish, as its report tells it.

    Args:
        plan: what was declared before the run.
        status: how it ended.
        samples: samples the run was to answer; None when it failed before they were counted.
        error_message: what was wrong, where; None when nothing was (a cancelled run).
        what_to_do: the next step for a person.
        spent_usd: what the run paid, as far as known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: AnalysisPlan
    status: str
    samples: int | None = None
    error_message: str | None = None
    what_to_do: str | None = None
    spent_usd: Decimal | None = None


def render_report(analysis: AnalysisResult, pairs: Iterable[PairedRow]) -> str:
    """Return the report of a finished run, or of files of results, as one HTML document.

    Args:
        analysis: what `abtest.analytics.service.analyse` says.
        pairs: all rows of the run, in their order; read once, at most 200 are kept and shown.
    """
    plan = analysis.plan
    headline, evidence = _parts(analysis.decision.sentence)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            analysis=analysis,
            plan=plan,
            badge=decision_text(analysis),
            tone=TONES[analysis.decision.outcome],
            headline=headline,
            evidence=evidence,
            bars=[interval_bar(comparison) for comparison in analysis.comparisons],
            tests=_tests(analysis),
            guardrails=guardrail_rows(analysis),
            sensitivities=sensitivity_rows(analysis),
            slices=slice_rows(analysis),
            judges=_judges(analysis),
            design=design_text(analysis),
            table=_variant_table(analysis),
            performance=performance_rows(analysis),
            level=level_text(plan.alpha),
            missing=_missing(analysis),
            from_ledger=sum(variant.from_ledger for variant in analysis.variants),
            unpriced_answers=sum(variant.cost_unknown for variant in analysis.variants),
            unpriced_verdicts=sum(judge.cost.cost_unknown for judge in analysis.judges if judge.cost is not None),
            answers=sum(row.answered for row in analysis.coverage.variants),
            price_sources=sorted({source for variant in analysis.variants for source in variant.price_sources}),
            **_samples(plan, pairs),
        )
    )


def _judges(analysis: AnalysisResult) -> dict[str, Any]:
    """Return the tables of the judges; none of them where there is nothing to tell."""
    return {
        "judges": judge_grid(analysis),
        "win_rates": win_rate_grid(analysis),
        "panels": panel_sentences(analysis),
        "members": member_grid(analysis),
        "agreements": agreement_grid(analysis.agreements),
    }


def _parts(sentence: str) -> tuple[str, str]:
    """Return the claim and the figures behind its colon; where there are none, the first sentence and the rest."""
    claim, colon, figures = sentence.partition(": ")
    if colon:
        return claim, figures
    first, dot, rest = sentence.partition(". ")
    return f"{first}{dot.strip()}", rest


def render_partial_report(run: PartialRun, pairs: Iterable[PairedRow]) -> str:
    """Return the report of a failed or cancelled run: what was done, and no verdict, effect or p-value.

    Args:
        run: how it ended.
        pairs: the rows with any response, in their order; read once.
    """
    tally = _Tally(run.plan)
    samples = _samples(run.plan, tally.counting(pairs))
    return (
        environment()
        .get_template("partial.html.j2")
        .render(run=run, plan=run.plan, table=tally.table(), cancelled=run.status == "CANCELLED", **samples)
    )


def _samples(plan: AnalysisPlan, pairs: Iterable[PairedRow]) -> dict[str, Any]:
    shown = most_telling(pairs, plan.primary_metric, plan.variants, ROWS_SHOWN)
    return {"rows": [row_view(plan, row) for row in shown.rows], "rows_total": shown.total}


def _tests(analysis: AnalysisResult) -> list[dict[str, str]]:
    """Return the means, p-values, wins and losses of every comparison, for the table beside the bars."""
    rows = []
    for c in analysis.comparisons:
        rows.append(
            {
                "p": p_cell(c.p_value, analysis.plan.alpha),
                "adjusted": p_cell(c.p_value_adjusted, analysis.plan.alpha),
                "test": TEST_NAMES[c.test],
                "pairs": f"{c.n:,}",
                "control": value_text(c.mean_control, c.unit),
                "treatment": value_text(c.mean_treatment, c.unit),
                "record": f"{c.wins} / {c.ties} / {c.losses}",
            }
        )
    return rows


def _missing(analysis: AnalysisResult) -> list[dict[str, Any]]:
    """Return what is missing, by variant and reason, the most frequent first."""
    found = [
        {"variant": row.variant, "reason": reason, "count": count}
        for row in analysis.coverage.variants
        for reason, count in row.missing.items()
    ]
    return sorted(found, key=lambda item: -int(item["count"]))


def _variant_table(analysis: AnalysisResult) -> list[dict[str, Any]]:
    """Return the rows of the table side by side: a label and one cell a variant."""
    plan, variants = analysis.plan, analysis.variants
    rows = [
        {
            "label": judge.name,
            "note": _metric_note(judge, several=len(plan.treatments) > 1),
            "cells": [value_text(v.metrics[judge.name].mean, plan.unit(judge.name)) for v in variants],
            "primary": judge.name == plan.primary_metric,
        }
        for judge in plan.judges
        if not judge.escalated_only
    ]

    def add(label: str, note: str, cells: list[str], metric: str = "") -> None:
        rows.append({"label": label, "note": note, "cells": cells, "primary": metric == plan.primary_metric})

    def value(number: float | None, unit: Unit) -> str:
        return value_text(number, unit)

    add("Latency", "median", [value(v.latency_ms.p50, "ms") for v in variants], "latency_ms")
    add("Latency", "95th percentile", [value(v.latency_ms.p95, "ms") for v in variants])
    add("Input tokens", "mean per answer", [value(v.input_tokens.mean, "score") for v in variants], "input_tokens")
    add("Output tokens", "mean per answer", [value(v.output_tokens.mean, "score") for v in variants], "output_tokens")
    add("Cost", "mean per answer", [_money(v.cost_usd_mean, v.cost_unknown) for v in variants], "cost_usd")
    add("Cost", "all answers", [_money(v.cost_usd_total, v.cost_unknown) for v in variants])
    outcomes = [name for name in _OUTCOMES if any(v.outcomes.get(name) for v in variants)]
    for name in outcomes:
        add(
            name.capitalize(),
            "answers" if name != "failed" else "calls",
            [f"{v.outcomes.get(name, 0):,}" for v in variants],
        )
    return rows


def _metric_note(judge: JudgeMetric, *, several: bool) -> str:
    if judge.preference:
        return "net preference over the control" if several else "share of the preference"
    if judge.binary:
        return "share that passes"
    return f"mean score, {judge.type}" if judge.dimension is None else "mean score of the dimension"


_OUTCOMES = ("answered", "refused", "filtered", "truncated", "failed")


def _money(amount: Decimal | None, unknown: int) -> str:
    if amount is None:
        return "unknown" if unknown else "–"
    return value_text(float(amount), "usd")


@dataclass
class _Tally:
    """Counts what a partial run did while its rows pass by."""

    plan: AnalysisPlan
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    cost_usd: dict[str, Decimal] = field(default_factory=dict)

    def counting(self, rows: Iterable[PairedRow]) -> Iterable[PairedRow]:
        """Yield the rows unchanged and count their responses."""
        for row in rows:
            for variant, response in row.responses.items():
                self._count(variant, response)
            yield row

    def _count(self, variant: str, response: ModelResponse) -> None:
        counts = self.counts.setdefault(variant, Counter())
        counts["responses"] += 1
        counts[response.outcome] += 1
        counts["ledger"] += response.from_ledger
        if response.usage is not None:
            counts["input"] += response.usage.total_input_tokens
            counts["output"] += response.usage.total_output_tokens
        if response.cost_usd is not None:
            self.cost_usd[variant] = self.cost_usd.get(variant, Decimal(0)) + response.cost_usd
        elif response.outcome != "failed":
            counts["unpriced"] += 1

    def table(self) -> list[dict[str, Any]]:
        """Return the rows of the table: a label and one cell a variant."""
        counts = [self.counts.get(variant, Counter()) for variant in self.plan.variants]
        names = {"responses": "Responses", **{name: name.capitalize() for name in _OUTCOMES}}
        names |= {"ledger": "From ledger", "input": "Input tokens", "output": "Output tokens"}
        rows = [
            {"label": label, "cells": [f"{c[name]:,}" for c in counts]}
            for name, label in names.items()
            if name in ("responses", "answered", "input", "output") or any(c[name] for c in counts)
        ]
        costs = [
            "unknown" if c["unpriced"] else value_text(float(self.cost_usd.get(variant, 0)), "usd")
            for variant, c in zip(self.plan.variants, counts, strict=True)
        ]
        return [*rows, {"label": "Cost", "cells": costs}]
