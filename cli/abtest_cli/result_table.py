"""The result of a run side by side: every metric of control and treatment, effect, interval, p; then the sentence.

Depends on: rich, `abtest.analytics`. Used by: `running`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from abtest.analytics.model import AnalysisResult, Comparison
from abtest.analytics.wording import (
    amount_text,
    decision_text,
    effect_text,
    interval_text,
    level_text,
    number_text,
    p_text,
    probability_text,
    value_text,
)
from abtest.core.errors import AbTestError
from abtest.core.money import dollars
from abtest.reporting.judges import Grid, judge_grid, member_grid, panel_sentences, win_rate_grid
from abtest.reporting.performance import performance_rows
from abtest_cli.output import escape

_STATUS_WORDS = {
    "no_data": "no pair",
    "too_few": "too few pairs",
    "constant": "constant",
    "one_cluster": "one cluster only",
    "no_discordant_pairs": "never differ",
}
_OUTCOME_STYLE = {
    "ship_treatment": "bold green",
    "keep_control": "bold yellow",
    "no_worse": "bold green",
    "undecided": "bold",
}
_NONE = "–"


class UnknownAnalysisError(AbTestError):
    """An analysis does not have the form this version knows."""

    code = "unknown_analysis"


def print_result(out: Console, analysis: Mapping[str, Any]) -> None:
    """Show the analysis of a run.

    Args:
        out: where.
        analysis: the content of `analysis.json`.

    Raises:
        UnknownAnalysisError: it was written by a version of the platform that says other things.
    """
    try:
        result = AnalysisResult.model_validate(analysis)
    except ValidationError as error:
        raise UnknownAnalysisError("The analysis was written by another version of the platform.") from error
    show_result(out, result)


def show_result(out: Console, result: AnalysisResult) -> None:
    """Show an analysis: a table a treatment, guardrails, coverage, the verdict, what is worth telling beside it."""
    for treatment in result.plan.treatments:
        out.print(_table(result, treatment))
    tables = (_guardrails(result), _ranking(result), _sensitivity(result), *_judges(result), _performance(result))
    for section in tables:
        if section is not None:
            out.print(section)
    out.print(escape(_coverage(result)))
    out.print()
    style = _OUTCOME_STYLE[result.decision.outcome]
    # That a treatment is no worse, the sentence says with the same words.
    what = "" if result.decision.outcome == "no_worse" else f"[{style}]{escape(decision_text(result))}.[/] "
    out.print(f"[bold]Verdict:[/] {what}{escape(result.decision.sentence)}")
    for reason in result.decision.reasons:
        out.print(f"  {escape(reason)}")
    for insight in result.insights:
        out.print(f"[cyan]Insight:[/] {escape(insight.sentence)}")
    for warning in result.warnings:
        out.print(f"[yellow]Note:[/] {escape(warning)}")


def _guardrails(result: AnalysisResult) -> Table | None:
    if not result.guardrails:
        return None
    level = level_text(result.plan.alpha)
    table = _titled(
        "Guardrails",
        f"bound: the loss is smaller with {level} confidence. p: one-sided, that the loss is the margin or more; "
        "adjusted (Holm) over the guardrails of the treatment.",
    )
    for name in ("guardrail", "treatment", "loss", "bound", "margin", "p (Holm)", ""):
        table.add_column(name, justify="left" if name in ("guardrail", "treatment", "") else "right")
    for g in result.guardrails:
        table.add_row(
            escape(g.name),
            escape(g.treatment),
            amount_text(g.loss, g.unit),
            amount_text(g.loss_high, g.unit),
            amount_text(g.margin, g.unit),
            _status_words(g.status) if g.p_value_adjusted is None else _p(g.p_value_adjusted, result.plan.alpha),
            {"holds": "[green]holds[/]", "broken": "[red]broken[/]", "unclear": "unclear"}[g.verdict],
        )
    return table


def _ranking(result: AnalysisResult) -> Table | None:
    if result.ranking is None or len(result.ranking.variants) < 3:
        return None
    table = _titled(
        "Ranking (Bradley-Terry)",
        "By how often one is better than another, not by how much. Variants that cannot be told apart share a rank.",
    )
    for name in ("rank", "variant", "log strength", "SE"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    for one in result.ranking.variants:
        strength, se = (_NONE if v is None else number_text(v) for v in (one.log_strength, one.se))
        table.add_row(str(one.rank or _NONE), escape(one.variant), strength, se)
    return table


def _sensitivity(result: AnalysisResult) -> Table | None:
    found = [c for c in result.comparisons if c.primary and c.sensitivity is not None]
    if not found:
        return None
    table = _titled("The same pairs by other tests", "The declared test decides; these show how much depends on it.")
    for name in ("treatment", "t", "permutation", "sign", "Wilcoxon", "P(better)"):
        table.add_column(name, justify="left" if name == "treatment" else "right")
    for c in found:
        tests = c.sensitivity
        if tests is None:
            continue
        cells = [
            _status_words(test.status) if test.p_value is None else _p(test.p_value, result.plan.alpha)
            for test in (tests.t, tests.permutation, tests.sign, tests.wilcoxon)
        ]
        better = tests.bayesian.probability_better
        table.add_row(escape(c.treatment), *cells, _NONE if better is None else probability_text(better))
    return table


def _performance(result: AnalysisResult) -> Table | None:
    rows = performance_rows(result)
    if not rows:
        return None
    table = Table(title="Calls, tokens and cost", title_justify="left", title_style="bold")
    table.add_column("")
    for one in result.performance:
        table.add_column(escape(one.variant), justify="right")
    for row in rows:
        table.add_row(f"{escape(row.label)}[dim], {escape(row.note)}[/]", *map(escape, row.cells))
    return table


_FLIPS = "flips: pairs in which it chose the other answer when the order was turned."


def _judges(result: AnalysisResult) -> list[Table | None]:
    """Return the judges as instruments; nothing of judges in code, which have no bias to tell."""
    return [
        _grid("Judges", judge_grid(result), _FLIPS if any(judge.pairwise for judge in result.judges) else ""),
        _grid(
            "Preferences",
            win_rate_grid(result),
            "over both orders of each pair, a tie counting half; and by the place an answer was shown in.",
        ),
        _grid("Members of panels", member_grid(result), " ".join(panel_sentences(result))),
    ]


def _grid(title: str, grid: Grid | None, caption: str) -> Table | None:
    if grid is None:
        return None
    table = _titled(title, escape(caption))
    for head in grid.columns:
        table.add_column(head.lower(), justify="left" if head == grid.columns[0] or head in grid.text else "right")
    for name, note, cells in grid.rows:
        table.add_row(f"{escape(name)}[dim], {escape(note)}[/]", *map(escape, cells))
    return table


def _table(result: AnalysisResult, treatment: str) -> Table:
    control = result.plan.control
    table = Table()
    table.add_column("metric")
    table.add_column(f"{escape(control)} (control)", justify="right")
    table.add_column(escape(treatment), justify="right")
    table.add_column("effect", justify="right")
    table.add_column(f"{level_text(result.plan.alpha)} interval", justify="right")
    table.add_column("p", justify="right")
    for comparison in result.comparisons:
        if comparison.treatment == treatment:
            style = "bold" if comparison.primary else None
            table.add_row(*_cells(comparison, result.plan.alpha), style=style)
    return table


def _cells(comparison: Comparison, alpha: float) -> tuple[str, ...]:
    name = f"{comparison.metric} (primary)" if comparison.primary else comparison.metric
    unit = comparison.unit
    p = comparison.decisive_p
    effect = _NONE if comparison.effect is None else effect_text(comparison.effect, unit)
    return (
        escape(name),
        value_text(comparison.mean_control, unit),
        value_text(comparison.mean_treatment, unit),
        effect,
        interval_text(comparison) or _NONE,
        _p(p, alpha) if p is not None else _STATUS_WORDS.get(comparison.status, _NONE),
    )


def _titled(title: str, caption: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")


def _p(p: float, alpha: float) -> str:
    return p_text(p, alpha).removeprefix("p ").removeprefix("= ")


def _status_words(status: str) -> str:
    return _STATUS_WORDS.get(status, status.replace("_", " "))


def _coverage(result: AnalysisResult) -> str:
    coverage = result.coverage
    if not result.variants:
        pairs = ", ".join(f"{coverage.paired.get(t, 0):,} pairs with {t}" for t in result.plan.treatments)
        missing = ", ".join(
            f"{row.asked - row.judged:,} without a score of {row.variant}"
            for row in coverage.variants
            if row.asked > row.judged
        )
        return f"{coverage.asked:,} samples, {pairs}{f'; {missing}' if missing else ''}."
    pairs = ", ".join(f"{coverage.paired.get(t, 0):,} pairs with {t}" for t in result.plan.treatments)
    known = dollars(result.spent_at_least_usd)
    spent = known if result.spent_usd is not None else f"at least {known} (a price is unknown)"
    if result.spent_on_judges_usd:
        spent += f", {dollars(result.spent_on_judges_usd)} of it on judges"
    reused = sum(variant.from_ledger for variant in result.variants)
    ledger = f"; {reused:,} answers had been paid for before and cost nothing" if reused else ""
    return f"{coverage.asked:,} samples asked, {pairs}; spent {spent}{ledger}."
