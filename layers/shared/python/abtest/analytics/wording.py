"""Numbers as a person reads them: effects with sign and unit, intervals, p-values.

Depends on: `abtest.analytics.model`. Used by: `abtest.analytics.decision.deciding`, `abtest.reporting`.
"""

from __future__ import annotations

import math

from abtest.analytics.model import AnalysisResult, Comparison, TestName, Unit

MINUS = "−"
SMALLEST_SHOWN_P = 1e-300
SMALLEST_DECIMAL, LARGEST_DECIMAL = 1e-9, 1e15
"""Numbers of other sizes are shown with an exponent."""
TEST_NAMES: dict[TestName, str] = {
    "exact_mcnemar": "exact McNemar",
    "paired_t": "paired t",
    "clustered_t": "clustered t",
    "clustered_t_cr2": "clustered t (CR2)",
    "group_sequential": "repeated",
    "always_valid": "always-valid",
}


def effect_text(value: float, unit: Unit, *, with_unit: bool = True) -> str:
    """Return a difference with its sign: `+62.0 points`, `−123 ms`, `+$0.0012`."""
    text = _magnitude(abs(value), unit)
    zero = not any(digit in text for digit in "123456789")
    sign = "±" if zero else MINUS if value < 0 else "+"
    return f"{sign}{text}{_suffix(unit) if with_unit else ''}"


def value_text(value: float | None, unit: Unit) -> str:
    """Return a value: `62.0 %`, `123 ms`, `$0.0012`; a dash when there is none."""
    if value is None:
        return "–"
    text = _magnitude(abs(value), unit)
    return f"{MINUS if value < 0 else ''}{text}{' %' if unit == 'points' else _suffix(unit)}"


def amount_text(value: float | None, unit: Unit) -> str:
    """Return a loss, a margin or a bound: `5.0 points`, `123 ms`, `−0.20`; a dash when there is none."""
    if value is None:
        return "–"
    return f"{MINUS if value < 0 else ''}{_magnitude(abs(value), unit)}{_suffix(unit)}"


def number_text(value: float, decimals: int = 3) -> str:
    """Return a number without a unit: `0.335`, `−0.395`."""
    text = f"{abs(value):.{decimals}f}"
    return f"{MINUS if value < 0 and any(digit in text for digit in '123456789') else ''}{text}"


def probability_text(value: float) -> str:
    """Return a probability from 0 to 1: `0.9881`; `> 0.9999` where rounding would make it certain."""
    return "> 0.9999" if value > 0.99995 else "< 0.0001" if value < 0.00005 else f"{value:.4f}"


def decision_text(result: AnalysisResult) -> str:
    """Return what to do in a few words: `Ship candidate`, `Keep baseline`, `candidate is no worse`, `Undecided`."""
    decision = result.decision
    if decision.outcome == "ship_treatment":
        return f"Ship {decision.treatment}"
    if decision.outcome == "no_worse":
        return f"{decision.treatment} is no worse"
    return f"Keep {result.plan.control}" if decision.outcome == "keep_control" else "Undecided"


def interval_text(comparison: Comparison, *, with_unit: bool = False) -> str | None:
    """Return the interval as `+53.1 to +70.9`, or None when there is none."""
    if comparison.ci_low is None or comparison.ci_high is None:
        return None
    low = effect_text(comparison.ci_low, comparison.unit, with_unit=False)
    return f"{low} to {effect_text(comparison.ci_high, comparison.unit, with_unit=with_unit)}"


def p_text(p: float, alpha: float = 0.05) -> str:
    """Return a p-value as `p = 0.45`, `p = 0.0321`, `p = 3.1e-15`; never rounded across alpha, never 0."""
    if p <= SMALLEST_SHOWN_P:
        return f"p < {SMALLEST_SHOWN_P:.0e}"
    for digits in range(3 if 0.001 <= p < 0.1 else 2, 17):
        text = f"{p:.{digits}g}"
        if (float(text) < alpha) == (p < alpha):
            break
    return f"p = {text.replace('e-0', 'e-')}"


def level_text(alpha: float) -> str:
    """Return the level of the interval that belongs to alpha: `95 %`; never rounded to all."""
    for digits in range(4, 17):
        text = f"{100 * (1 - alpha):.{digits}g}"
        if text != "100":
            break
    return f"{text} %"


def _suffix(unit: Unit) -> str:
    return {"points": " points", "ms": " ms", "tokens": " tokens", "score": "", "usd": ""}[unit]


def _magnitude(value: float, unit: Unit) -> str:
    if unit == "points":
        return f"{100 * value:.1f}"
    return f"{'$' if unit == 'usd' else ''}{significant(value)}"


def significant(value: float, digits: int = 3) -> str:
    """Return a number >= 0 with so many significant digits: `1,234`, `12.3`, `0.000123`; `1.2e-12` where it is tiny."""
    if value == 0:
        return "0"
    if not SMALLEST_DECIMAL <= value < LARGEST_DECIMAL:
        return f"{value:.{digits - 1}e}"
    decimals = min(12, max(0, digits - 1 - math.floor(math.log10(value))))
    return f"{value:,.{decimals}f}"
