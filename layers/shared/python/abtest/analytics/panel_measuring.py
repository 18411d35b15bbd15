"""Makes `PanelQuality` and the agreement of a panel's members of what its builder found.

Depends on: numpy, `abtest.analytics.comparison`, `abtest.analytics.panels`. Used by: `abtest.analytics.service`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from abtest.analytics.comparison.rating_agreement import agreement_of_ratings, members_of
from abtest.analytics.data.judging import JudgeStatistics
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.judge_metric import PanelPlan
from abtest.analytics.model import Agreement, AnalysisPlan, Escalation, PanelQuality
from abtest.analytics.panels import PanelFindings, ratings_of


def panels_of(
    plan: AnalysisPlan,
    scores: SampleScores,
    findings: Sequence[PanelFindings],
    statistics: Mapping[str, JudgeStatistics],
) -> tuple[tuple[PanelQuality, ...], tuple[Agreement, ...]]:
    """Return each panel by its overall score, and the agreement of its members on every one of its metrics.

    Args:
        plan: names the panels.
        scores: of all samples.
        findings: of `ConsensusBuilder`, one a metric of a panel.
        statistics: judge to what it did, for the cost of escalation.
    """
    by_metric = {one.metric: one for one in findings}
    panels, agreements = [], []
    for panel in plan.judges:
        found = by_metric.get(panel.name)
        if panel.panel is None or found is None:
            continue
        members, ratings = panel.panel.members, ratings_of(plan, scores, panel)
        agreements.append(agreement_of_ratings(members, ratings, nominal=False, metric=panel.name))
        if panel.dimension is None:
            panels.append(
                PanelQuality(
                    panel=panel.name,
                    consensus=panel.panel.consensus,
                    status=found.status,
                    members=members_of(members, ratings, found.accuracy),
                    answers=found.answers,
                    agreed=found.agreed,
                    disagreed=found.disagreed,
                    alone=found.alone,
                    partial=found.partial,
                    abstained=found.abstained,
                    undecided=found.undecided,
                    escalation=_escalation(plan, panel.panel, found, statistics),
                )
            )
    return tuple(panels), tuple(agreements)


def _escalation(
    plan: AnalysisPlan, panel: PanelPlan, found: PanelFindings, statistics: Mapping[str, JudgeStatistics]
) -> Escalation | None:
    if panel.on_disagreement != "escalate" or panel.escalate_to is None:
        return None
    strong = statistics.get(panel.escalate_to, JudgeStatistics())
    judge = plan.judge(panel.escalate_to)
    asked = strong.statuses.get("scored", 0) + strong.statuses.get("invalid", 0)
    whole_usd = _cost_usd([strong])
    members_usd = _cost_usd([statistics.get(name, JudgeStatistics()) for name in panel.members])
    mean_usd = None if whole_usd is None or not asked else whole_usd / asked
    only = judge is not None and judge.escalated_only
    cost_usd = whole_usd if only else _times(mean_usd, found.escalated)
    everywhere_usd = _times(mean_usd, found.answers)
    saving_usd = None
    # A judge that is asked about everything anyway saves nothing.
    if only and everywhere_usd is not None and cost_usd is not None and members_usd is not None:
        saving_usd = everywhere_usd - cost_usd - members_usd
    return Escalation(
        judge=panel.escalate_to,
        escalated=found.escalated,
        share=found.escalated / found.answers if found.answers else None,
        unanswered=found.not_escalated,
        cost_usd=cost_usd,
        members_usd=members_usd,
        everywhere_usd=everywhere_usd,
        saving_usd=saving_usd,
    )


def _cost_usd(judges: Sequence[JudgeStatistics]) -> Decimal | None:
    """Return what judges' calls cost by price list; None when a price is unknown."""
    if any(judge.use.cost_unknown for judge in judges):
        return None
    return sum((judge.use.cost_usd for judge in judges), Decimal(0))


def _times(mean_usd: Decimal | None, count: int) -> Decimal | None:
    return None if mean_usd is None else mean_usd * count
