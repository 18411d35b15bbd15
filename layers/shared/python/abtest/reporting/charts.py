"""Geometry of the interval bars: each metric on its own axis around zero, as percentages of the width.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.reporting.report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from abtest.analytics.model import Comparison
from abtest.analytics.wording import effect_text, interval_text, significant

MARGIN = 6.0
"""Percent of the width left free at both ends."""
LABELS = {
    "latency_ms": "Latency",
    "input_tokens": "Input tokens",
    "output_tokens": "Output tokens",
    "cost_usd": "Cost per answer",
}

Tone = Literal["better", "worse", "unclear", "none"]


@dataclass(frozen=True)
class IntervalBar:
    """One comparison as a bar: positions in percent of the width, zero in the middle.

    Args:
        label: the metric for a person.
        treatment: the variant that is compared with the control.
        primary: the decision rests on it.
        low: left end of the interval; None when there is none.
        high: right end of the interval; None when there is none.
        point: the effect; None when there is none.
        tone: what the interval says: all of it on the better side, on the worse side, or neither.
        word: the tone as a word, so that colour is never alone.
        effect: the effect as text.
        interval: the interval as text.
        relative: the effect as a share of the control's mean; empty where that says nothing.
        left: what a position left of zero means.
        right: what a position right of zero means.
        note: why there is no bar or no interval; empty otherwise.
    """

    label: str
    treatment: str
    primary: bool
    low: float | None
    high: float | None
    point: float | None
    tone: Tone
    word: str
    effect: str
    interval: str
    relative: str
    left: str
    right: str
    note: str


def interval_bar(comparison: Comparison) -> IntervalBar:
    """Return the bar of one comparison."""
    ends = [abs(v) for v in (comparison.ci_low, comparison.ci_high, comparison.effect) if v is not None]
    reach = max(ends, default=0.0) or 1.0

    def place(value: float | None) -> float | None:
        return None if value is None else round(50 + value / reach * (50 - MARGIN), 2)

    effect = comparison.effect
    sides = ("better", "worse") if comparison.lower_is_better else ("worse", "better")
    return IntervalBar(
        label=LABELS.get(comparison.metric, comparison.metric),
        treatment=comparison.treatment,
        primary=comparison.primary,
        low=place(comparison.ci_low),
        high=place(comparison.ci_high),
        point=place(effect),
        tone=_tone(comparison),
        word=_word(comparison),
        effect="–" if effect is None else effect_text(effect, comparison.unit),
        interval=interval_text(comparison) or "",
        relative=_relative(comparison),
        left=sides[0],
        right=sides[1],
        note=_note(comparison),
    )


def _tone(comparison: Comparison) -> Tone:
    low, high = comparison.ci_low, comparison.ci_high
    if comparison.effect is None or low is None or high is None:
        return "none"
    if low <= 0 <= high:
        return "unclear"
    return "better" if (high < 0) == comparison.lower_is_better else "worse"


def _word(comparison: Comparison) -> str:
    tone = _tone(comparison)
    if tone in ("better", "worse"):
        return tone
    if comparison.effect is None:
        return "no data"
    if comparison.ci_low is None:
        return "same" if comparison.effect == 0 else "no interval"
    return "unclear"


def _relative(comparison: Comparison) -> str:
    """Percentage points need no percent of a percent; the others do."""
    before = comparison.mean_control
    if comparison.unit in ("points", "score") or comparison.effect is None or not before:
        return ""
    share = 100 * comparison.effect / before
    text = significant(abs(share), 2 if abs(share) < 100 else 3)
    return f"{'+' if share > 0 else '−' if share < 0 else '±'}{text} %"


def _note(comparison: Comparison) -> str:
    if comparison.n == 0:
        return "not reported by both variants"
    if comparison.ci_low is not None:
        return ""
    if comparison.status == "ok" and comparison.test == "group_sequential":
        return "no interval at this look yet"
    if comparison.effect == 0 and comparison.ties == comparison.n:
        return "no pair differs, so no interval"
    return {
        "too_few": "one pair only, so no interval",
        "one_cluster": "one cluster only, so no interval",
    }.get(comparison.status, "every pair differs alike, so there is no spread")
