"""How the variants' models performed, as a table for a report or a terminal: calls, tokens, latency, cost, estimate.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.reporting.report`, the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from abtest.analytics.model import AnalysisResult, EstimateCheck, LatencySummary, ModelPerformance, TokenTotals
from abtest.analytics.wording import value_text
from abtest.core.money import dollars
from abtest.reporting.reasons import reason_text

NONE = "–"
_MOST_NAMES = 3
_LESSER_OUTCOMES = ("refused", "filtered", "truncated")


@dataclass(frozen=True)
class PerformanceRow:
    """One row of the table.

    Args:
        label: what it is about; rows of the same label belong together.
        note: what exactly the cells show.
        cells: one for each variant.
    """

    label: str
    note: str
    cells: tuple[str, ...]


def performance_rows(analysis: AnalysisResult) -> list[PerformanceRow]:
    """Return the rows that have something to say, in the order of a call's life; none for results of files.

    Args:
        analysis: of a run.
    """
    found = analysis.performance
    reused = any(one.from_ledger for one in found)
    rows = [
        PerformanceRow(label, note, tuple(map(cell, found)))
        for label, note, cell in _ROWS
        # Without an answer from the ledger this is what was paid.
        if reused or cell is not _uncached
    ]
    return [row for row in rows if any(cell != NONE for cell in row.cells)]


def _answers(one: ModelPerformance) -> str:
    failed = one.outcomes.get("failed", 0)
    told = [f"{one.outcomes[name]:,} {name}" for name in _LESSER_OUTCOMES if one.outcomes.get(name)]
    answers = f"{sum(one.outcomes.values()) - failed:,} of {one.asked:,}"
    return f"{answers} ({', '.join(told)})" if told else answers


def _failures(one: ModelPerformance) -> str:
    return _reasons(one.failures)


def _ledger(one: ModelPerformance) -> str:
    if not one.from_ledger or one.ledger_share is None:
        return NONE
    return f"{one.from_ledger:,} ({100 * one.ledger_share:.0f} %)"


def _requests(one: ModelPerformance) -> str:
    if not one.attempts:
        return NONE
    if not one.retries:
        return f"{one.attempts:,}"
    retries = _counted(one.retries, "retry", "retries")
    return f"{one.attempts:,}, with {retries} of {_counted(one.retried_calls, 'call', 'calls')}"


def _attempt_failures(one: ModelPerformance) -> str:
    return _reasons(one.attempt_failures)


def _input(one: ModelPerformance) -> str:
    tokens = one.tokens
    parts = (("read from cache", tokens.cache_read), ("written to cache", tokens.cache_write))
    return _tokens(tokens, tokens.total_input, parts)


def _output(one: ModelPerformance) -> str:
    tokens = one.tokens
    return _tokens(tokens, tokens.total_output, (("of reasoning", tokens.reasoning),))


def _tokens(tokens: TokenTotals, total: int, parts: tuple[tuple[str, int], ...]) -> str:
    if not tokens.answers:
        return NONE
    told = [f"{count:,} {name}" for name, count in parts if count]
    if tokens.unknown:
        told.append(f"{_counted(tokens.unknown, 'answer', 'answers')} not counted")
    return f"{total:,}" + (f" ({', '.join(told)})" if told else "")


def _latency(summary: LatencySummary) -> str:
    if not summary.n:
        return NONE
    values = (value_text(value, "ms").removesuffix(" ms") for value in (summary.p50, summary.p95, summary.p99))
    return f"{' / '.join(values)} ms ({summary.n:,})"


def _uncached(one: ModelPerformance) -> str:
    if not one.tokens.answers and not one.cost_unknown:
        return NONE
    return "unknown" if one.cost_usd_uncached is None else dollars(one.cost_usd_uncached)


def _paid(one: ModelPerformance) -> str:
    if not one.tokens.answers and not one.cost_usd_paid and not one.cost_unknown:
        return NONE
    if not one.cost_unknown:
        return dollars(one.cost_usd_paid)
    least = f"at least {dollars(one.cost_usd_paid)}, " if one.cost_usd_paid else ""
    return f"{least}{_counted(one.cost_unknown, 'price', 'prices')} unknown"


def _prices(one: ModelPerformance) -> str:
    return ", ".join(one.price_sources) or NONE


def _served(one: ModelPerformance) -> str:
    names = sorted(one.served_models, key=lambda name: (-one.served_models[name], name))
    told = [f"{name} ({one.served_models[name]:,})" if len(names) > 1 else name for name in names[:_MOST_NAMES]]
    more = [f"{len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*told, *more]) or NONE


def _checked(part: Callable[[EstimateCheck], str]) -> Callable[[ModelPerformance], str]:
    return lambda one: NONE if one.estimate is None else part(one.estimate)


def _input_check(check: EstimateCheck) -> str:
    error = "" if check.input_error is None else f", within {100 * check.input_error:.0f} %"
    return _ratio(check.input_ratio, f" ({check.input_counted_by}{error})" if check.input_counted_by else "")


def _cost_check(check: EstimateCheck) -> str:
    if check.cost_ratio is not None:
        return _ratio(check.cost_ratio)
    return NONE if check.cost_of_max is None else f"{100 * check.cost_of_max:.0f} % of the most"


def _ratio(ratio: float | None, more: str = "") -> str:
    return NONE if ratio is None else f"{ratio:.2f}{more}"


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def _reasons(counts: Mapping[str, int]) -> str:
    told = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason_text(name)}" for name, count in told) or NONE


_ROWS: tuple[tuple[str, str, Callable[[ModelPerformance], str]], ...] = (
    ("Answers", "of samples asked", _answers),
    ("Failed", "calls, by reason", _failures),
    ("From ledger", "paid for before", _ledger),
    ("Requests", "over HTTP", _requests),
    ("Failed requests", "retries included", _attempt_failures),
    ("Input tokens", "of all answers", _input),
    ("Output tokens", "of all answers", _output),
    ("Latency", "p50 / p95 / p99, this run", lambda one: _latency(one.latency_ms)),
    ("Latency", "p50 / p95 / p99, ledger", lambda one: _latency(one.latency_from_ledger_ms)),
    ("Cost", "paid in this run", _paid),
    ("Cost", "without the ledger", _uncached),
    ("Prices", "where from", _prices),
    ("Actual / estimate", "input a call", _checked(_input_check)),
    ("Actual / estimate", "output a call", _checked(lambda check: _ratio(check.output_ratio))),
    ("Actual / estimate", "cost a call", _checked(_cost_check)),
    ("Served model", "as the provider says", _served),
)
