"""The judges as instruments, as tables for a report or a terminal: what they did, what they prefer, how far they agree.

Depends on: `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.reporting.report`, the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abtest.analytics.model import Agreement, AnalysisResult, JudgeQuality, LengthControlled, PanelQuality
from abtest.analytics.wording import level_text, number_text
from abtest.core.money import dollars

NONE = "–"
_VERSION_DIGITS = 8
"""Enough to tell two versions apart on a page; analysis.json has them whole."""


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        columns: heads of the columns, the first being that of the rows' names.
        rows: a name, a note beside it, and a cell for each further column.
        text: which of the further columns hold words and not numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    text: frozenset[str] = frozenset()


def judge_grid(analysis: AnalysisResult) -> Grid | None:
    """Return what each judge did, without columns that say nothing; None where all judges are code.

    Args:
        analysis: of a run.
    """
    told = [judge for judge in analysis.judges if judge.kind != "code" or judge.votes or judge.pairwise]
    if not told:
        return None
    every = [(head, tuple(cell(judge) for judge in told)) for head, cell in _COLUMNS]
    columns = [(head, cells) for head, cells in every if any(text != NONE for text in cells)]
    return Grid(
        columns=("Judge", *(head for head, _ in columns)),
        rows=tuple(
            (judge.judge, _kind(judge), tuple(cells[number] for _, cells in columns))
            for number, judge in enumerate(told)
        ),
        text=frozenset({"Model", "Version"}),
    )


def win_rate_grid(analysis: AnalysisResult) -> Grid | None:
    """Return how often pairwise judges prefer each treatment, by position and at equal length; None without one."""
    rows = [
        (
            judge.judge,
            f"{one.treatment}, disagreements only" if judge.escalated_only else one.treatment,
            (
                f"{one.n:,}",
                _percent(one.win_rate),
                f"{100 * one.ci_low:.1f} to {100 * one.ci_high:.1f}"
                if one.ci_low is not None and one.ci_high is not None
                else NONE,
                _percent(one.shown_first),
                _percent(one.shown_second),
                _at_equal_length(judge.length_controlled, one.treatment),
            ),
        )
        for judge in analysis.judges
        for one in judge.win_rates
        if one.n or one.first_votes or one.second_votes
    ]
    if not rows:
        return None
    level = f"{level_text(analysis.plan.alpha)} interval"
    return Grid(("Judge", "Pairs", "Preferred", level, "Shown first", "Shown second", "At equal length"), tuple(rows))


def member_grid(analysis: AnalysisResult) -> Grid | None:
    """Return the members of all panels, each beside the others; None without a panel."""
    estimated = any(member.accuracy is not None for panel in analysis.panels for member in panel.members)
    rows = [
        (
            member.judge,
            panel.panel,
            (
                f"{member.scored:,}",
                _percent(member.agrees),
                NONE if member.correlation is None else number_text(member.correlation, 2),
                *((_percent(member.accuracy),) if estimated else ()),
                "opposes the others" if member.opposes else _MEMBER[member.status],
            ),
        )
        for panel in analysis.panels
        for member in panel.members
    ]
    if not rows:
        return None
    head = ("Member", "Scored", "Same as others", "Correlation", *(("Estimated accuracy",) if estimated else ()), "")
    return Grid(head, tuple(rows), frozenset({""}))


_MEMBER = {"ok": "", "constant": "always the same score", "no_data": "no score"}


def panel_sentences(analysis: AnalysisResult) -> list[str]:
    """Return in a sentence each how the members of a panel became one."""
    return [_panel(panel) for panel in analysis.panels]


def agreement_grid(agreements: Sequence[Agreement]) -> Grid | None:
    """Return how far judges of the same thing agree, by every coefficient; None where nobody measured the same."""
    known = [one for one in agreements if one.metric]
    if not known:
        return None
    head = ("Metric", "Items", "Raw", "Krippendorff's alpha", "Cohen's kappa", "Fleiss' kappa", "Gwet's AC1")
    return Grid(
        head,
        tuple(
            (
                one.metric,
                ", ".join(one.judges),
                (
                    f"{one.units:,}",
                    _percent(one.raw),
                    *(
                        NONE if value is None else number_text(value, 2)
                        for value in (one.krippendorff_alpha, one.cohen_kappa, one.fleiss_kappa, one.gwet_ac1)
                    ),
                ),
            )
            for one in known
        ),
    )


def _kind(judge: JudgeQuality) -> str:
    return f"{judge.type}, disagreements only" if judge.escalated_only else judge.type


def _model(judge: JudgeQuality) -> str:
    if judge.model is None:
        return NONE
    share = judge.fallback_share
    return f"{judge.model} ({100 * share:.0f} % by a fallback)" if share else judge.model


def _verdicts(judge: JudgeQuality) -> str:
    total = sum(judge.verdicts.values())
    return f"{judge.verdicts.get('scored', 0):,} of {total:,}" if total else NONE


def _counted(name: str) -> Callable[[JudgeQuality], str]:
    def cell(judge: JudgeQuality) -> str:
        count = judge.verdicts.get(name, 0)
        return f"{count:,}" if count else NONE

    return cell


def _flips(judge: JudgeQuality) -> str:
    position = judge.position
    if position is None or position.flip_rate is None:
        return NONE
    low, high = position.flip_rate_low, position.flip_rate_high
    interval = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{_percent(position.flip_rate)}{interval}"


def _first(judge: JudgeQuality) -> str:
    return NONE if judge.position is None else _percent(judge.position.first_rate)


def _retest(judge: JudgeQuality) -> str:
    return NONE if judge.retest is None else _percent(judge.retest.same)


def _drift(judge: JudgeQuality) -> str:
    drift = judge.drift
    if drift is None:
        return NONE
    if drift.mean_deviation is None:
        return f"0 of {drift.examples} scored"
    return f"{drift.mean_deviation:.2f} of {drift.tolerance:.2g}{' (drifted)' if drift.drifted else ''}"


def _calls(judge: JudgeQuality) -> str:
    return NONE if judge.cost is None or not judge.cost.calls else f"{judge.cost.calls:,}"


def _cost(judge: JudgeQuality) -> str:
    cost = judge.cost
    if cost is None or not cost.calls:
        return NONE
    spent_usd = cost.spent_usd + cost.pinned_spent_usd
    if cost.cost_unknown:
        return f"at least {dollars(spent_usd)}" if spent_usd else "unknown"
    return dollars(spent_usd)


_COLUMNS: tuple[tuple[str, Callable[[JudgeQuality], str]], ...] = (
    ("Model", _model),
    ("Version", lambda judge: (judge.version or NONE)[:_VERSION_DIGITS]),
    ("Scored", _verdicts),
    ("Invalid", _counted("invalid")),
    ("Not judged", _counted("not_judged")),
    ("Flips", _flips),
    ("First named", _first),
    ("Same again", _retest),
    ("Drift", _drift),
    ("Calls", _calls),
    ("Paid", _cost),
)


def _panel(panel: PanelQuality) -> str:
    answers = f"{panel.answers:,} answers" if panel.answers != 1 else "1 answer"
    parts = [f"{panel.agreed:,} agreed", f"{panel.disagreed:,} disagreed"]
    if panel.alone:
        parts.append(f"{panel.alone:,} scored by one member")
    sentence = f"{panel.panel} is the {_WORDS.get(panel.consensus, panel.consensus)} of its members over {answers}: "
    sentence += ", ".join(parts)
    if panel.abstained:
        sentence += f"; it abstained on {panel.abstained:,}"
    if panel.escalation is not None:
        sentence += f"; {panel.escalation.escalated:,} have the score of {panel.escalation.judge}"
    return f"{sentence}."


_WORDS = {
    "weighted": "weighted mean",
    "majority": "majority vote",
    "dawid_skene": "Dawid-Skene consensus",
}


def _at_equal_length(found: Sequence[LengthControlled], treatment: str) -> str:
    one = next((one for one in found if one.treatment == treatment), None)
    if one is None or one.win_rate is None:
        return NONE
    return f"{_percent(one.win_rate)}{'' if one.status == 'ok' else ' (' + one.status.replace('_', ' ') + ')'}"


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
