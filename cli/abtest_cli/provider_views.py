"""What a terminal shows of a provider: the sentence of a check, the table of its health.

Depends on: rich, `abtest_cli.output`. Used by: `abtest providers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from abtest.core.money import dollars
from abtest_cli.output import escape, money, seconds

_STATES = {
    "closed": "closed: calls go out",
    "half_open": "half open: one call tries whether it serves again",
}


def check_sentence(result: Mapping[str, Any]) -> str:
    """Return what a check showed.

    Args:
        result: as the API shows it.
    """
    named = f"{result['provider']}/{result['model']}"
    if not result["ok"]:
        detail = f" ({result['detail']})" if result.get("detail") else ""
        return f"{named} does not work: {result['reason']}{detail}. {result['what_to_do']}"
    served = result.get("served_model")
    as_served = f" as {served}" if served and served != result["model"] else ""
    took = f" in {result['latency_ms']:,.0f} ms"
    return f"{named} works: {result['outcome']}{as_served}{took}, cost {dollars(money(result.get('cost_usd')))}."


def health_table(found: Mapping[str, Any]) -> Table:
    """Return the health of a model, a line for each fact.

    Args:
        found: as the API shows it.
    """
    title = escape(f"{found['provider']}/{found['model']}, the last {seconds(found['window_s'])}")
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    rate = found.get("success_rate")
    facts = {
        "attempts": f"{found['attempts']:,}",
        "answered": "–" if rate is None else f"{found['answered']:,} ({100 * rate:.1f} %)",
        "failed": ", ".join(f"{reason} {count:,}" for reason, count in found["failed"].items()) or "–",
        "latency p50": _milliseconds(found.get("latency_p50_ms")),
        "latency p95": _milliseconds(found.get("latency_p95_ms")),
        "last answer": found.get("last_success_at") or "–",
        "last failure": _last_error(found.get("last_error")),
        "circuit": _circuit(found["circuit"]),
    }
    for name, value in facts.items():
        table.add_row(name, escape(str(value)))
    return table


def _milliseconds(latency_ms: float | None) -> str:
    return "–" if latency_ms is None else f"{latency_ms:,.0f} ms"


def _last_error(error: Mapping[str, Any] | None) -> str:
    if error is None:
        return "–"
    detail = f" ({error['detail']})" if error.get("detail") else ""
    return f"{error['at']} {error['reason']}{detail}. {error['what_to_do']}"


def _circuit(circuit: Mapping[str, Any]) -> str:
    state = str(circuit["state"])
    if state != "open":
        return _STATES.get(state, state)
    return f"open since {circuit['since']}: nobody calls; the next try is due at {circuit['next_probe_at']}"
