"""Facts about the judges: how far they agree, and what they prefer beside quality.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.analytics.insights.generator`.
"""

from __future__ import annotations

from collections.abc import Iterator

from abtest.analytics.data.scores import SampleScores
from abtest.analytics.model import AnalysisResult, Insight
from abtest.analytics.wording import p_text

LEAST_AGREEMENT = 0.667
"""Krippendorff's lowest alpha for tentative conclusions (Content Analysis, 2004, section 11.4)."""
LENGTH_MATTERS = 0.02
"""Two points of win rate."""


def judges_that_disagree(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield a low agreement between judges."""
    agreement = result.agreement
    if agreement is None or agreement.krippendorff_alpha is None or agreement.krippendorff_alpha >= LEAST_AGREEMENT:
        return
    raw = "" if agreement.raw is None else f", raw agreement {100 * agreement.raw:.0f} %"
    ac1 = "" if agreement.gwet_ac1 is None else f", Gwet's AC1 {agreement.gwet_ac1:.2f}"
    yield Insight(
        kind="judges_disagree",
        sentence=(
            f"The judges {', '.join(agreement.judges)} agree little: Krippendorff's alpha "
            f"{agreement.krippendorff_alpha:.2f}{raw}{ac1}, over {agreement.units:,} rated items; below "
            f"{LEAST_AGREEMENT:g} conclusions are tentative."
        ),
        weight=0.65,
    )


def judges_that_prefer_a_position(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield a preference for the answer shown first, or last, beyond chance."""
    position = result.position
    if position is None or position.flip_rate is None or position.p_value is None:
        return
    if position.p_value >= result.plan.alpha or position.first_rate is None:
        return
    side = "first" if position.first_rate > 0.5 else "second"
    who = "The judge prefers" if result.agreement is None else "The judges together prefer"
    yield Insight(
        kind="position",
        sentence=(
            f"{who} the answer shown {side}: {100 * position.first_rate:.1f} % of decisive verdicts name "
            f"the first one, and {100 * position.flip_rate:.1f} % of {position.pairs:,} pairs flip with the order "
            f"(exact {p_text(position.p_value)}). Both orders are averaged, which takes the preference out of the mean."
        ),
        weight=0.6,
    )


def judges_that_prefer_length(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield where controlling for length moves the win rate."""
    for found in result.length_controlled:
        if found.status != "ok" or found.win_rate is None or found.raw_win_rate is None or found.se is None:
            continue
        moved = found.raw_win_rate - found.win_rate
        if abs(moved) < LENGTH_MATTERS:
            continue
        turned = (found.raw_win_rate - 0.5) * (found.win_rate - 0.5) < 0
        what = "explains" if moved * (found.raw_win_rate - 0.5) > 0 else "hides"
        yield Insight(
            kind="length",
            sentence=(
                f"Length {what} {'the' if turned else 'part of the'} preference for {found.treatment}: its win rate is "
                f"{100 * found.raw_win_rate:.1f} %, and {100 * found.win_rate:.1f} % "
                f"(± {100 * found.se:.1f} SE, {found.n:,} rows) at equal length."
            ),
            weight=0.9 if turned else min(0.8, 0.5 + abs(moved)),
        )
