"""What a reader must know of the judges, in sentences: warnings of a result, and reasons to trust its decision less.

Depends on: `abtest.analytics.model`. Used by: `abtest.analytics.service`.
"""

from __future__ import annotations

from collections.abc import Iterator

from abtest.analytics.insights.instrument import FLIPS_OFTEN, INVALID_OFTEN, LEAST_AGREEMENT
from abtest.analytics.model import AnalysisPlan, AnalysisResult, JudgeQuality, PanelQuality
from abtest.analytics.wording import number_text

PARTIAL_OFTEN = ABSTAINS_OFTEN = 0.05
_JOINING = {
    "confounded": "two judges cannot tell Dawid-Skene who errs: its scores depend on where it starts",
    "single_judge": "one judge alone gave scores, so the panel's are that judge's",
    "single_category": "its members always said the same",
    "not_converged": "Dawid-Skene did not settle; its scores are the last ones",
    "not_categorical": "its members give too many different scores to count votes; use mean or median",
    "no_data": "none of its members gave a score",
}


def judge_warnings(result: AnalysisResult) -> list[str]:
    """Return what a reader must know of judges and panels.

    Args:
        result: with its judges and panels measured.
    """
    found = [sentence for judge in result.judges for sentence in _of_judge(result.plan, judge)]
    found += [sentence for panel in result.panels for sentence in _of_panel(panel)]
    preferences = [judge.name for judge in result.plan.instruments if judge.pairwise]
    if preferences and len(result.plan.treatments) > 1:
        control = result.plan.control
        found.append(
            f"Effects on {', '.join(preferences)} are net preferences over {control}: the share of wins minus the "
            f"share of losses; {control}'s own value is 0 by definition."
        )
    return found


def _of_judge(plan: AnalysisPlan, judge: JudgeQuality) -> Iterator[str]:
    yield from _not_scored(judge)
    yield from _kinship(plan, judge)
    drift = judge.drift
    if drift is not None and drift.drifted:
        yield (
            f"The judge {judge.judge} scores its pinned examples {drift.mean_deviation:.2f} away from what is expected "
            f"on average ({drift.scored} of {drift.examples} scored, at most {drift.largest_deviation:.2f}), where "
            f"{drift.tolerance:.2g} is tolerated: it is not the instrument it was."
        )
    if drift is not None and drift.status == "no_data":
        yield f"The judge {judge.judge} scored none of its {drift.examples} pinned examples, so its drift is not known."
    if judge.fallbacks:
        count, votes = sum(judge.fallbacks.values()), judge.votes.get("scored", 0)
        yield (
            f"{count:,} of {votes:,} votes of {judge.judge} came from a fallback model: part of its scores are another "
            "instrument's."
        )
    if len(judge.versions) > 1:
        yield f"Verdicts of {judge.judge} come from {len(judge.versions)} versions of it: they are not one metric."
    cost = judge.cost
    if cost is not None and cost.cost_unknown:
        yield (
            f"The price of calls behind {cost.cost_unknown:,} verdicts of {judge.judge} is unknown; it is not "
            "taken for 0."
        )


def _not_scored(judge: JudgeQuality) -> Iterator[str]:
    total = sum(judge.verdicts.values())
    not_judged = judge.verdicts.get("not_judged", 0)
    if judge.kind == "code" or not total:
        return
    if judge.unreadable:
        yield (
            f"{judge.unreadable:,} of {total:,} verdicts of {judge.judge} could not be read: they count as missing, "
            "never as a tie or a zero."
        )
    if judge.unaskable:
        yield (
            f"{judge.judge} could not be asked about {judge.unaskable:,} of {total:,}: their samples lack what it "
            "needs, such as a reference. They count as missing; the report's samples say why."
        )
    if not_judged:
        yield f"{judge.judge} did not judge {not_judged:,} of {total:,}: there was no answer, or its call failed."


def _kinship(plan: AnalysisPlan, judge: JudgeQuality) -> Iterator[str]:
    related = judge.related_variants
    if not related or judge.family is None:
        return
    if len(related) == len(plan.variants):
        yield (
            f"The judge {judge.judge} ({judge.model}) is of the same family, {judge.family}, as all variants: it may "
            "favour none of them, and still prefer their common style to a right answer."
        )
        return
    yield (
        f"The judge {judge.judge} ({judge.model}) is of the same family, {judge.family}, as {_listed(related)}, and "
        "not as the others: models tend to prefer answers of their own kind. Use a judge of another family."
    )


def _of_panel(panel: PanelQuality) -> Iterator[str]:
    if panel.status in _JOINING:
        yield f"Panel {panel.panel}: {_JOINING[panel.status]}."
    for member in panel.members:
        if member.status == "no_data":
            yield f"Panel {panel.panel}: {member.judge} gave no score at all; the panel rests on the others."
        elif member.status == "constant":
            yield (
                f"Panel {panel.panel}: {member.judge} gave all {member.scored:,} answers the same score, which tells "
                f"nothing{_constant(panel)}."
            )
        elif member.opposes:
            yield (
                f"Panel {panel.panel}: {member.judge} says the opposite of every other member (mean correlation "
                f"{number_text(member.correlation or 0.0, 2)}){_opposing(panel)}. Check its scale and "
                "prompt, or leave it out."
            )
    if panel.answers and panel.partial / panel.answers >= PARTIAL_OFTEN:
        yield (
            f"Panel {panel.panel}: {panel.partial:,} of {panel.answers:,} answers were scored by some of its members "
            "only; their score is that of those."
        )
    yield from _left_out(panel)


def _constant(panel: PanelQuality) -> str:
    return {
        "mean": " and pulls every mean towards it",
        "weighted": " and pulls every mean towards it",
        "majority": " and is a vote all the same",
        "median": " and stands in the middle when the others differ",
        "dawid_skene": "; Dawid-Skene gives it no weight",
    }.get(panel.consensus, "")


def _opposing(panel: PanelQuality) -> str:
    if panel.consensus == "dawid_skene":
        return "; Dawid-Skene reads it turned round"
    return f", and the {panel.consensus.replace('weighted', 'weighted mean')} counts it all the same"


def _left_out(panel: PanelQuality) -> Iterator[str]:
    if panel.abstained:
        yield (
            f"Panel {panel.panel} abstained on {panel.abstained:,} of {panel.answers:,} answers ({panel.disagreed:,} "
            f"its members disagree about, {panel.alone:,} scored by one alone): they count as missing, so that its "
            "effect is that of the answers on which judges agree, which are rarely the hard ones."
        )
    if panel.undecided:
        yield (
            f"Panel {panel.panel}: on {panel.undecided:,} of {panel.answers:,} answers as many members said one thing "
            "as another; they count as missing."
        )
    escalation = panel.escalation
    if escalation is not None and escalation.unanswered:
        yield (
            f"Panel {panel.panel}: on {escalation.unanswered:,} answers its members disagree and {escalation.judge} "
            "gave no score; they count as missing."
        )


def trust_reasons(result: AnalysisResult) -> list[str]:
    """Return what makes the decision less certain than its numbers: faults of the judges it rests on.

    Args:
        result: with its judges, panels and agreements measured.
    """
    deciding = result.plan.judge(result.plan.primary_metric)
    if deciding is None:
        return []
    panel = deciding.panel
    names = (deciding.judge,) if panel is None else (*panel.members, panel.escalate_to)
    reasons = [reason for one in result.panels if one.panel == deciding.judge for reason in _doubts_of_panel(one)]
    reasons += [reason for judge in result.judges if judge.judge in names for reason in _doubts(result.plan, judge)]
    agreement = next((a for a in result.agreements if a.metric == result.plan.primary_metric), None)
    alpha = None if agreement is None else agreement.krippendorff_alpha
    if alpha is not None and alpha < LEAST_AGREEMENT:
        reasons.append(
            f"The judges behind {result.plan.primary_metric} agree little (Krippendorff's alpha "
            f"{number_text(alpha, 2)}): another panel might say something else."
        )
    return reasons


def _doubts_of_panel(panel: PanelQuality) -> Iterator[str]:
    if panel.status in _JOINING:
        yield f"Panel {panel.panel}: {_JOINING[panel.status]}."
    if panel.answers and panel.abstained / panel.answers >= ABSTAINS_OFTEN:
        yield (
            f"Panel {panel.panel} abstained on {100 * panel.abstained / panel.answers:.0f} % of the answers: the "
            "effect is that of the others, on which its members agree."
        )


def _doubts(plan: AnalysisPlan, judge: JudgeQuality) -> Iterator[str]:
    if judge.related_variants and len(judge.related_variants) < len(plan.variants):
        yield f"The judge {judge.judge} is of the same model family as {_listed(judge.related_variants)}."
    if judge.drift is not None and judge.drift.drifted:
        yield f"The judge {judge.judge} no longer scores its pinned examples as expected."
    flips = judge.position.flip_rate if judge.position is not None else None
    if flips is not None and flips >= FLIPS_OFTEN:
        yield (
            f"The judge {judge.judge} changes its mind with the order of the answers in {100 * flips:.0f} % of pairs; "
            "such pairs count as ties, which favours neither variant and makes a real difference look smaller."
        )
    asked = sum(judge.verdicts.values()) - judge.unaskable
    unread = judge.unreadable / asked if asked else 0.0
    if unread >= INVALID_OFTEN:
        yield f"The judge {judge.judge} could not be read on {100 * unread:.0f} % of what it was asked."


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
