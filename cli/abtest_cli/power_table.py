"""A plan at the terminal: the answer first, then a curve, then what other effects and other sizes would mean.

Depends on: rich, `abtest.analytics`. Used by: `commands.power`.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abtest.analytics.power.answer import PowerPlan, PowerPoint
from abtest.analytics.power.wording import chance_text, effect_value
from abtest.core.duration import duration_text
from abtest.core.money import dollars
from abtest_cli.output import print_warnings

_NONE = "–"
_WIDTH, _HEIGHT = 60, 11
_EFFECT_HEADS = {"proportion": "difference (points)", "mean": "difference", "win_rate": "win rate"}


def show_plan(out: Console, plan: PowerPlan) -> None:
    """Show a plan.

    Args:
        out: where.
        plan: as planned.
    """
    out.print(f"[bold]{escape(plan.answer)}[/]")
    if plan.samples is not None and plan.expected_samples is not None and plan.looks > 1:
        out.print(
            f"Looking {plan.looks} times, it asks {plan.expected_samples:,} on average when the effect is there, "
            f"{plan.expected_samples_no_effect or 0:,} when there is none."
        )
    out.print()
    if len(plan.curve) > 2:
        out.print(f"Power against {_unit(plan)}, for the effect above:", markup=False)
        for line in curve_lines(plan.curve, plan.power):
            out.print(line, markup=False)
        out.print()
    for table in (_by_effect(plan), _by_size(plan)):
        if table.row_count > 1:
            out.print(table)
    out.print("Assumed:")
    for sentence in plan.assumptions:
        out.print(f"  {escape(sentence)}")
    print_warnings(out, plan.warnings)
    if plan.methods:
        out.print(f"Methods: {'; '.join(method.name for method in plan.methods)}.", markup=False)


def curve_lines(curve: tuple[PowerPoint, ...], wanted: float) -> list[str]:
    """Return a curve of power as lines of text, with a dotted line at the wanted power.

    Args:
        curve: at least two points, by samples.
        wanted: power to mark.
    """
    low, high = curve[0].samples, curve[-1].samples
    grid = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    grid[_row(wanted)] = ["·"] * _WIDTH
    for column in range(_WIDTH):
        grid[_row(_interpolated(curve, low + (high - low) * column / (_WIDTH - 1)))][column] = "•"
    lines = [f"{100 - 10 * row:>4} % │{''.join(cells).rstrip()}" for row, cells in enumerate(grid)]
    left, right = f"{low:,}", f"{high:,}"
    return [*lines, f"       └{'─' * _WIDTH}", f"        {left}{right:>{_WIDTH - len(left)}}"]


def _row(power: float) -> int:
    return round((1 - power) * (_HEIGHT - 1))


def _interpolated(curve: tuple[PowerPoint, ...], samples: float) -> float:
    for before, after in pairwise(curve):
        if samples <= after.samples:
            share = max(0.0, samples - before.samples) / max(1, after.samples - before.samples)
            return before.power + share * (after.power - before.power)
    return curve[-1].power


def _by_effect(plan: PowerPlan) -> Table:
    table = Table(title="Other effects", title_justify="left", title_style="bold")
    timed = any(row.cost_usd is not None or row.duration_s is not None for row in plan.table)
    for head in (
        _EFFECT_HEADS[plan.metric],
        f"{_unit(plan)} for power {chance_text(plan.power)}",
        f"power with {plan.samples or 0:,}",
        *(("cost", "time") if timed else ()),
    ):
        table.add_column(head, justify="right")
    for row in plan.table:
        table.add_row(
            effect_value(row.effect, plan.metric),
            _NONE if row.samples is None else f"{row.samples:,}",
            _NONE if row.power is None else chance_text(row.power),
            *(_running(row.cost_usd, row.duration_s) if timed else ()),
        )
    return table


def _by_size(plan: PowerPlan) -> Table:
    table = Table(title="Other sizes", title_justify="left", title_style="bold")
    timed = any(row.cost_usd is not None or row.duration_s is not None for row in plan.sizes)
    for head in (
        _unit(plan),
        f"{_EFFECT_HEADS[plan.metric]} found with power {chance_text(plan.power)}",
        "power for the effect above",
        *(("cost", "time") if timed else ()),
    ):
        table.add_column(head, justify="right")
    for row in plan.sizes:
        table.add_row(
            f"{row.samples:,}",
            _NONE if row.detectable_effect is None else effect_value(row.detectable_effect, plan.metric),
            _NONE if row.power is None else chance_text(row.power),
            *(_running(row.cost_usd, row.duration_s) if timed else ()),
        )
    return table


def _running(cost_usd: Decimal | None, duration_s: float | None) -> tuple[str, str]:
    return (
        _NONE if cost_usd is None else dollars(cost_usd),
        _NONE if duration_s is None else duration_text(duration_s),
    )


def _unit(plan: PowerPlan) -> str:
    return "samples (pairs)" if plan.paired else "samples of each variant"
