"""The result of a run side by side: every metric of control and treatment, effect, interval, p; then the sentence.

Depends on: rich, `abtest.analytics`. Used by: `running`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abtest.analytics.model import AnalysisResult, Comparison
from abtest.analytics.wording import effect_text, interval_text, level_text, p_text, value_text
from abtest.core.errors import AbTestError
from abtest.core.money import dollars

_STATUS_WORDS = {
    "no_data": "no pair",
    "too_few": "too few pairs",
    "constant": "constant",
    "one_cluster": "one cluster only",
    "no_discordant_pairs": "never differ",
}
_OUTCOME_STYLE = {"ship_treatment": "bold green", "keep_control": "bold yellow", "undecided": "bold"}
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
    for treatment in result.plan.treatments:
        out.print(_table(result, treatment))
    out.print(escape(_coverage(result)))
    out.print()
    style = _OUTCOME_STYLE[result.decision.outcome]
    out.print(f"[bold]Verdict:[/] [{style}]{escape(result.decision.sentence)}[/]")
    for reason in result.decision.reasons:
        out.print(f"  {escape(reason)}")
    for warning in result.warnings:
        out.print(f"[yellow]Note:[/] {escape(warning)}")


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
        p_text(p, alpha).removeprefix("p = ") if p is not None else _STATUS_WORDS.get(comparison.status, _NONE),
    )


def _coverage(result: AnalysisResult) -> str:
    coverage = result.coverage
    pairs = ", ".join(f"{coverage.paired.get(t, 0):,} pairs with {t}" for t in result.plan.treatments)
    known = dollars(result.spent_at_least_usd)
    spent = known if result.spent_usd is not None else f"at least {known} (a price is unknown)"
    reused = sum(variant.from_ledger for variant in result.variants)
    ledger = f"; {reused:,} answers came from the ledger and cost nothing" if reused else ""
    return f"{coverage.asked:,} samples asked, {pairs}; spent {spent}{ledger}."
