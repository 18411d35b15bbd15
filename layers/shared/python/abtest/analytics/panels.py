"""`ConsensusBuilder`: makes the scores of a panel from those of its members, and says what it did.

A panel has no verdicts of its own: its columns are joined from its members' when a run is analysed. Where members
disagree, or one alone gave a score, the panel does what it declared: it joins what there is, abstains, or takes the
score of the judge it escalates to. What it drops is missing, with a reason of its own.

Depends on: numpy, `abtest.analytics.consensus`, `abtest.analytics.data.scores`. Used by: `abtest.analytics.service`,
`abtest.runtime.steps.sequential_look`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

from abtest.analytics import consensus
from abtest.analytics.consensus._method import Consensus, Joined, Ratings
from abtest.analytics.data.reasons import CODES, Reasons
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.data.tables import Values
from abtest.analytics.judge_metric import JudgeMetric, PanelPlan
from abtest.analytics.model import AnalysisPlan, Status
from abtest.core import registry

EVEN = 0.5
"""The share of a preference that is a tie."""
_ROUNDING = 1e-9
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PanelFindings:
    """What one panel did on one of its metrics; the counts are answers, of pairs one a treatment.

    Args:
        metric: the panel's own, or one of its dimensions.
        status: of the joining; see `Joined`.
        answers: that a member scored.
        agreed: two or more members, no further apart than agreement allows.
        disagreed: two or more members, further apart.
        alone: one member only.
        partial: some members, but not all.
        abstained: left without a score because of that.
        escalated: have the score of the judge that was asked about disagreements.
        not_escalated: should have it, and that judge gave none.
        undecided: have no score because several had most votes.
        accuracy: member to how often it says the true score, as the method estimates; empty where it does not.
    """

    metric: str
    status: Status
    answers: int
    agreed: int
    disagreed: int
    alone: int
    partial: int
    abstained: int
    escalated: int
    not_escalated: int
    undecided: int
    accuracy: Mapping[str, float]


def load_consensus(name: str) -> Consensus:
    """Return one way to join scores.

    Raises:
        KeyError: none has that name; the message suggests the nearest.
    """
    return cast("Consensus", registry.load(consensus, name, "CONSENSUS"))


def ratings_of(plan: AnalysisPlan, scores: SampleScores, panel: JudgeMetric) -> Values:
    """Return the members' scores, shape (members, answers), NaN being missing; a preference is a share.

    Args:
        plan: names variants and judges.
        scores: of all samples.
        panel: a metric of a panel.
    """
    members = panel.panel.members if panel.panel is not None else ()
    return np.stack([_answers(plan, scores, panel, member) for member in members])


@dataclass(frozen=True)
class ConsensusBuilder:
    """Builds the columns of all panels of a plan.

    Args:
        plan: names variants, judges and panels.
    """

    plan: AnalysisPlan

    def build(self, scores: SampleScores) -> tuple[SampleScores, tuple[PanelFindings, ...]]:
        """Return the scores with the panels' among them, and what each panel did, in the order of the plan.

        Dawid-Skene estimates judges from the samples that are given: of one wave alone it knows that wave alone.

        Args:
            scores: of single judges.
        """
        panels = [judge for judge in self.plan.judges if judge.panel is not None]
        if not panels or not scores.samples:
            return scores, ()
        values, why, found = dict(scores.values), dict(scores.why), []
        splits: dict[str, _Split] = {}
        for panel in panels:
            if panel.judge not in splits:
                overall = next(judge for judge in panels if judge.name == panel.judge)
                splits[panel.judge] = _Split.of(ratings_of(self.plan, scores, overall), _options(panel))
            made = _made(self.plan, scores, panel, splits[panel.judge])
            values |= _columns(self.plan, panel, made.scores)
            if panel.name == self.plan.primary_metric:
                why = _reasons(self.plan, why, panel, made)
            found.append(made.findings)
        return replace(scores, values=values, why=why), tuple(found)


@dataclass(frozen=True)
class _Split:
    """Where members agree, by their overall scores; shape (answers,) each."""

    rated: npt.NDArray[np.int64]
    disagree: Flags

    @classmethod
    def of(cls, ratings: Values, options: PanelPlan) -> _Split:
        known = ~np.isnan(ratings)
        rated = np.count_nonzero(known, axis=0)
        high = np.where(known, ratings, -np.inf).max(axis=0)
        low = np.where(known, ratings, np.inf).min(axis=0)
        apart = np.subtract(high, low, out=np.zeros(high.size), where=rated > 1)
        return cls(rated.astype(np.int64), (rated > 1) & (apart > options.agree_within + _ROUNDING))

    @property
    def unsettled(self) -> Flags:
        """Answers on which fewer than two members agree, some member having scored them."""
        return np.asarray((self.rated == 1) | self.disagree)


@dataclass(frozen=True)
class _Made:
    """One metric of a panel: its scores, why answers were left out, and what that came to."""

    scores: Values
    dropped: Reasons
    findings: PanelFindings


@dataclass(frozen=True)
class _Settled:
    """What a panel made of the answers its members do not agree about; shape (answers,) each.

    Args:
        scores: with those of the judge it escalates to.
        escalated: have such a score.
        silent: were left without a score.
        dropped: codes of why.
    """

    scores: Values
    escalated: Flags
    silent: Flags
    dropped: Reasons

    @classmethod
    def of(cls, joined: Joined, split: _Split, options: PanelPlan, strong: Values | None) -> _Settled:
        scores, nothing = joined.scores.copy(), np.zeros(joined.scores.size, dtype=np.bool_)
        dropped = np.zeros(scores.size, dtype=np.int8)
        dropped[joined.undecided] = CODES["no_majority"]
        escalated = silent = nothing
        if options.on_disagreement == "abstain":
            silent = split.unsettled
            dropped[split.disagree] = CODES["judges_disagree"]
            dropped[split.rated == 1] = CODES["too_few_judges"]
        elif strong is not None:
            escalated = (split.unsettled | (split.rated == 0)) & ~np.isnan(strong)
            silent = split.unsettled & np.isnan(strong)
            scores[escalated] = strong[escalated]
            dropped[escalated] = 0
            dropped[silent] = CODES["not_escalated"]
        scores[silent] = np.nan
        return cls(scores, escalated, silent, dropped)


def _made(plan: AnalysisPlan, scores: SampleScores, panel: JudgeMetric, split: _Split) -> _Made:
    """Return one metric of a panel."""
    options = _options(panel)
    ratings = ratings_of(plan, scores, panel)
    joined = _joined(panel, options, ratings)
    escalates = options.on_disagreement == "escalate" and options.escalate_to is not None
    strong = _answers(plan, scores, panel, options.escalate_to or "") if escalates else None
    settled = _Settled.of(joined, split, options, strong)
    rated = np.count_nonzero(~np.isnan(ratings), axis=0)
    silent = _count(settled.silent)
    findings = PanelFindings(
        metric=panel.name,
        status=joined.status,
        answers=_count(rated > 0),
        agreed=_count((split.rated > 1) & ~split.disagree),
        disagreed=_count(split.disagree),
        alone=_count(split.rated == 1),
        partial=_count((rated > 0) & (rated < len(ratings))),
        abstained=0 if escalates else silent,
        escalated=_count(settled.escalated),
        not_escalated=silent if escalates else 0,
        undecided=_count(settled.dropped == CODES["no_majority"]),
        accuracy={
            member: right
            for member, right in zip(options.members, joined.accuracy, strict=False)
            if not math.isnan(right)
        },
    )
    return _Made(settled.scores, settled.dropped, findings)


def _joined(panel: JudgeMetric, options: PanelPlan, ratings: Values) -> Joined:
    method = load_consensus(options.consensus)
    if method.counts_votes and panel.pairwise:
        votes = np.where(ratings > EVEN, 1.0, np.where(ratings < EVEN, 0.0, EVEN))
        ratings = np.where(np.isnan(ratings), np.nan, votes)
    weights = np.asarray([options.weights.get(member, 1.0) for member in options.members])
    return method.join(Ratings(ratings, weights, EVEN if panel.pairwise else None))


def _options(panel: JudgeMetric) -> PanelPlan:
    if panel.panel is None:
        raise ValueError(f"{panel.name!r} is no panel")
    return panel.panel


def _answers(plan: AnalysisPlan, scores: SampleScores, panel: JudgeMetric, member: str) -> Values:
    """Return what one judge says of every answer, or of every treatment of a preference, one after the other."""
    metric = member if panel.dimension is None else f"{member}.{panel.dimension}"
    if panel.dimension is not None and plan.judge(metric) is None:
        # A judge of one dimension has no second name for it.
        alone = all(judge.dimension is None for judge in plan.judges if judge.judge == member)
        metric = member if alone else metric
    if not panel.pairwise:
        return np.concatenate([scores.column(variant, metric) for variant in plan.variants])
    columns = np.concatenate([scores.column(treatment, metric) for treatment in plan.treatments])
    return columns if len(plan.treatments) == 1 else (columns + 1) / 2


def _columns(plan: AnalysisPlan, panel: JudgeMetric, answers: Values) -> dict[tuple[str, str], Values]:
    """Return what `_answers` does the other way round: the columns of all variants."""
    if not panel.pairwise:
        parts = np.split(answers, len(plan.variants))
        return {(variant, panel.name): part for variant, part in zip(plan.variants, parts, strict=True)}
    parts = np.split(answers, len(plan.treatments))
    if len(parts) == 1:
        return {(plan.treatments[0], panel.name): parts[0], (plan.control, panel.name): 1 - parts[0]}
    columns = {(t, panel.name): 2 * part - 1 for t, part in zip(plan.treatments, parts, strict=True)}
    known = ~np.isnan(np.stack(parts)).all(axis=0)
    return {**columns, (plan.control, panel.name): np.where(known, 0.0, np.nan)}


def _reasons(plan: AnalysisPlan, why: Mapping[str, Reasons], panel: JudgeMetric, made: _Made) -> dict[str, Reasons]:
    """Return why the primary metric is missing, with what the panel itself left out."""
    names = plan.treatments if panel.pairwise else plan.variants
    found = dict(why)
    for variant, dropped in zip(names, np.split(made.dropped, len(names)), strict=True):
        touched = (variant, plan.control) if panel.pairwise else (variant,)
        for name in touched:
            before = found.get(name, np.zeros(dropped.size, dtype=np.int8))
            found[name] = np.where(dropped > 0, dropped, before).astype(np.int8)
    return found


def _count(flags: Flags) -> int:
    return int(np.count_nonzero(flags))
