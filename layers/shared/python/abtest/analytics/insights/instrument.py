"""Facts about the judges: how far they agree, and what they prefer beside quality.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.analytics.insights.generator`.
"""

from __future__ import annotations

from collections.abc import Iterator

from abtest.analytics.data.scores import SampleScores
from abtest.analytics.model import AnalysisResult, Insight, PositionBias
from abtest.analytics.wording import number_text, p_text
from abtest.core.money import dollars

LEAST_AGREEMENT = 0.667
"""Krippendorff's lowest alpha for tentative conclusions (Content Analysis, 2004, section 11.4)."""
FLIPS_OFTEN = 0.25
"""Share of pairs that flip with the order, from which on a judge hardly tells the answers apart."""
INVALID_OFTEN = 0.05
LENGTH_CORRELATES = 0.3
FEWEST_FOR_LENGTH = 30
LENGTH_MATTERS = 0.02
"""Two points of win rate."""


def judges_that_disagree(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield a low agreement between judges."""
    for agreement in result.agreements or ((result.agreement,) if result.agreement is not None else ()):
        alpha = agreement.krippendorff_alpha
        judge = result.plan.judge(agreement.metric)
        of_dimension = judge is not None and judge.dimension is not None and judge.name != result.plan.primary_metric
        if alpha is None or alpha >= LEAST_AGREEMENT or of_dimension:
            continue
        raw = "" if agreement.raw is None else f", raw agreement {100 * agreement.raw:.0f} %"
        ac1 = "" if agreement.gwet_ac1 is None else f", Gwet's AC1 {agreement.gwet_ac1:.2f}"
        judges = ", ".join(agreement.judges)
        who = f"members of {agreement.metric} ({judges})" if result.judges and agreement.metric else f"judges {judges}"
        primary = agreement.metric in ("", result.plan.primary_metric) or not result.judges
        yield Insight(
            kind="judges_disagree",
            sentence=(
                f"The {who} agree little: Krippendorff's alpha "
                f"{number_text(alpha, 2)}{raw}{ac1}, over {agreement.units:,} rated items; below "
                f"{LEAST_AGREEMENT:g} conclusions are tentative."
            ),
            weight=0.65 if primary else 0.35,
        )


def judges_that_prefer_a_position(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield a preference for the answer shown first, or last, beyond chance."""
    for name, position in _positions(result):
        if position.p_value is None or position.p_value >= result.plan.alpha or position.first_rate is None:
            continue
        side = "first" if position.first_rate > 0.5 else "second"
        named = f"{100 * position.first_rate:.1f} % of decisive verdicts name the first one"
        who = name or ("The judge" if result.agreement is None else "The judges together")
        verb = "prefer" if who == "The judges together" else "prefers"
        if position.flip_rate is None:
            tail = f" ({p_text(position.p_value)}). Each pair was seen in one order, drawn at random: ask in both."
        else:
            tail = (
                f", and {100 * position.flip_rate:.1f} % of {position.pairs:,} pairs flip with the order (exact "
                f"{p_text(position.p_value)}). Both orders are averaged, which takes the preference out of the mean."
            )
        yield Insight(kind="position", sentence=f"{who} {verb} the answer shown {side}: {named}{tail}", weight=0.6)


def judges_that_flip(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield a judge that changes its mind with the order of the answers in many pairs."""
    for name, position in _positions(result):
        rate = position.flip_rate
        if not name or rate is None or rate < FLIPS_OFTEN:
            continue
        low, high = position.flip_rate_low, position.flip_rate_high
        interval = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f} %)"
        yield Insight(
            kind="judge_flips",
            sentence=(
                f"{name} changes its mind with the order of the answers in {100 * rate:.1f} % of {position.pairs:,} "
                f"pairs{interval}: such pairs count as ties, so a real difference is seen smaller than it is."
            ),
            weight=0.62,
        )


def judges_that_cannot_be_read(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield a judge whose verdicts are invalid often."""
    for judge in result.judges:
        invalid, total = judge.unreadable, sum(judge.verdicts.values()) - judge.unaskable
        if judge.kind == "model" and total and invalid / total >= INVALID_OFTEN:
            yield Insight(
                kind="judge_invalid",
                sentence=(
                    f"{judge.judge} could not be read on {invalid:,} of {total:,} verdicts "
                    f"({100 * invalid / total:.1f} %), a second attempt included: give it more "
                    "tokens, a structured output or a simpler template."
                ),
                weight=min(0.85, 0.5 + invalid / total),
            )


def judges_that_score_length(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield where the longer of two answers tends to get the higher, or the lower, score."""
    for judge in result.judges:
        for found in judge.length_correlation:
            r = found.correlation
            if r is None or abs(r) < LENGTH_CORRELATES or found.n < FEWEST_FOR_LENGTH:
                continue
            higher, better = ("higher", "better") if r > 0 else ("lower", "worse")
            yield Insight(
                kind="length",
                sentence=(
                    f"{judge.judge} gives the longer answer of {found.treatment} and {result.plan.control} the "
                    f"{higher} score (correlation of both differences {number_text(r, 2)}, {found.n:,} pairs): a "
                    f"preference for length, or answers that are {better} for being longer; scores cannot tell which."
                ),
                weight=0.4,
            )


def panels_that_escalated(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield what asking a strong judge only where a panel disagreed took, and saved."""
    for panel in result.panels:
        found = panel.escalation
        if found is None or found.share is None:
            continue
        money = ""
        if found.saving_usd is not None and found.cost_usd is not None and found.members_usd is not None:
            paid, everywhere = dollars(found.cost_usd + found.members_usd), dollars(found.everywhere_usd)
            verdict = "saves" if found.saving_usd >= 0 else "costs more by"
            money = (
                f": {paid} for members and escalation, against about {everywhere} for asking {found.judge} about "
                f"everything, which {verdict} {dollars(abs(found.saving_usd))}"
            )
        yield Insight(
            kind="escalation",
            sentence=(
                f"{panel.panel} took the score of {found.judge} on {found.escalated:,} of {panel.answers:,} answers "
                f"({100 * found.share:.1f} %), where its members disagree{money}."
            ),
            weight=0.3,
        )


def _positions(result: AnalysisResult) -> list[tuple[str, PositionBias]]:
    """Return position biases with the judge's name; that of a file has none."""
    if not result.judges:
        return [] if result.position is None else [("", result.position)]
    return [(judge.judge, judge.position) for judge in result.judges if judge.position is not None]


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
