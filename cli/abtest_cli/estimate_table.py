"""What a run will ask for, as a terminal shows it: expected and at most, and how it was counted.

Depends on: rich. Used by: the commands that create tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from abtest.core.money import dollars
from abtest_cli.output import escape, money, print_warnings, seconds


def print_estimate(out: Console, test: Mapping[str, Any]) -> None:
    """Show what a run will ask for.

    Args:
        out: where.
        test: as the API shows it.
    """
    estimate = test["estimate"]
    table = Table(title="Estimate, before anything is spent", title_justify="left", title_style="bold")
    judges = estimate.get("by_judge") or ()
    asks = "variant or judge" if judges else "variant"
    for name in (asks, "model", "calls", "input tokens", "output tokens", "cost"):
        table.add_column(name, justify="left" if name in (asks, "model") else "right")
    rows = [*estimate["by_variant"], *({**judge, "variant": f"judge {judge['judge']}"} for judge in judges)]
    for row in rows:
        table.add_row(*map(escape, _cells(row)))
    out.print(table)
    for row in rows:
        counted = _counted(row)
        if counted:
            out.print(f"[dim]{escape(counted)}[/]")
    out.print(escape(_totals(estimate)))
    print_warnings(out, [*(estimate.get("notes") or ()), *(test.get("warnings") or ())])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    batch = ", batch" if row.get("mode") == "batch" else ""
    return (
        str(row["variant"]),
        f"{row['provider']}/{row['model']}{batch}",
        f"at most {row['calls']:,}" if row.get("only_disagreements") else f"{row['calls']:,}",
        _tokens(row.get("input_tokens_expected"), row["input_tokens"]),
        _tokens(row.get("output_tokens_expected"), row["output_tokens_max"]),
        _cost(row),
    )


def _tokens(expected: int | None, most: int) -> str:
    return f"at most {most:,}" if expected is None else f"{expected:,}, at most {most:,}" if most else "0"


def _cost(estimate: Mapping[str, Any]) -> str:
    expected, most = money(estimate.get("cost_usd_expected")), money(estimate["cost_usd_max"])
    if most is None or most == 0:
        return dollars(most)
    return f"at most {dollars(most)}" if expected is None else f"{dollars(expected)}, at most {dollars(most)}"


def _counted(row: Mapping[str, Any]) -> str:
    """Return how one variant's tokens were counted, or nothing where none are."""
    if not row.get("input_counted_by"):
        return ""
    parts = [f"input by {row['input_counted_by']}{_within(row.get('input_error'))}"]
    if row.get("output_known_from"):
        parts.append(f"output as in {row['output_known_from']}{_within(row.get('output_error'))}")
    parts.append(f"price: {row['price_source'] or 'unknown'}")
    return f"{row['variant']}: {'; '.join(parts)}."


def _within(error: float | None) -> str:
    return "" if error is None else f", within {100 * error:.0f} %"


def _totals(estimate: Mapping[str, Any]) -> str:
    bound = estimate.get("duration_bound")
    longest = estimate.get("duration_s_at_most")
    parts = [
        f"{estimate['samples']:,} samples, {estimate['calls']:,} calls",
        _cost(estimate),
        f"at least {seconds(float(estimate['duration_s_at_least']))}{f': {bound}' if bound else ''}",
        *([f"at most {seconds(float(longest))} for the batch interface"] if longest else []),
    ]
    if estimate.get("detectable_effect") is not None:
        parts.append(
            f"finds a difference of {100 * float(estimate['detectable_effect']):.1f} points four times in five"
        )
    return "; ".join(parts) + "."
