"""What a panel makes of its members' scores of one answer, as a trial shows it.

A run is joined by the analysis, over all answers; the rules that one answer is enough for are the same here. What needs
many answers, the errors of each judge, says so.

Depends on: `abtest.evaluation.trial`. Used by: `abtest.evaluation.trial_result`.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from abtest.contracts.records import Verdict
from abtest.evaluation.registry import load_judge
from abtest.evaluation.trial import Trial

EVEN = 0.5
"""The share of a preference for neither answer."""
_ROUNDING = 1e-9


class PanelOpinion(BaseModel):
    """What a panel says of one answer, of a pair of the treatment.

    Args:
        score: None when it says nothing; the reason tells why.
        scores: of the members that scored.
        spread: distance of the highest from the lowest of them; None with fewer than two.
        agreed: at least two members scored, and they are no further apart than the panel allows.
        escalated: the score is that of the judge the panel escalates to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: str
    consensus: str
    score: float | None
    scores: dict[str, float]
    spread: float | None
    agreed: bool
    escalated: bool = False
    reason: str | None = None


def opinions_of(trial: Trial, verdicts: Mapping[str, Sequence[Verdict]]) -> tuple[PanelOpinion, ...]:
    """Return what the tried panel says of each answer.

    Args:
        verdicts: of its members, and of the judge it escalates to when that was asked.
    """
    members = trial.facts[trial.tried].members
    variants = dict.fromkeys(verdict.variant for name in members for verdict in verdicts.get(name, ()))
    return tuple(_opinion(trial, variant, _scores(verdicts, variant)) for variant in variants)


def disagrees(trial: Trial, verdicts: Mapping[str, Sequence[Verdict]]) -> bool:
    """Return whether the members disagree on any answer and the panel has a judge for that."""
    facts = trial.facts[trial.tried]
    if facts.kind != "panel" or _strong(trial) is None:
        return False
    return any(not opinion.agreed for opinion in opinions_of(trial, verdicts))


def _scores(verdicts: Mapping[str, Sequence[Verdict]], variant: str) -> dict[str, float]:
    return {
        name: verdict.score
        for name, found in verdicts.items()
        for verdict in found
        if verdict.variant == variant and verdict.score is not None
    }


def _opinion(trial: Trial, variant: str, scored: Mapping[str, float]) -> PanelOpinion:
    facts, options = trial.facts[trial.tried], _options(trial)
    scores = {name: scored[name] for name in facts.members if name in scored}
    spread = max(scores.values()) - min(scores.values()) if len(scores) > 1 else None
    agreed = spread is not None and spread <= options.agree_within + _ROUNDING
    common: dict[str, Any] = {
        "variant": variant,
        "consensus": options.consensus,
        "scores": scores,
        "spread": spread,
        "agreed": agreed,
    }
    if not agreed and options.on_disagreement != "keep":
        split = "the members disagree" if spread is not None else "fewer than two members scored it"
        return _without_agreement(common, split, _strong(trial), scored)
    score, reason = _joined(options, scores, pairwise=facts.pairwise)
    return PanelOpinion(**common, score=score, reason=reason)


def _without_agreement(
    common: dict[str, Any], split: str, strong: str | None, scored: Mapping[str, float]
) -> PanelOpinion:
    """Return what a panel says that does not speak where its members are split."""
    if strong is None:
        return PanelOpinion(**common, score=None, reason=split)
    if strong not in scored:
        return PanelOpinion(**common, score=None, reason=f"{split}, and {strong} gave no score")
    return PanelOpinion(**common, score=scored[strong], escalated=True, reason=f"{split}, so {strong} decides")


def _strong(trial: Trial) -> str | None:
    """Return the judge that decides where the members are split."""
    return trial.facts[trial.tried].escalate_to if _options(trial).on_disagreement == "escalate" else None


def _options(trial: Trial) -> Any:
    judge = trial.judges[trial.tried]
    return load_judge(judge.type).Parameters.model_validate(judge.parameters)


def _joined(options: Any, scores: Mapping[str, float], *, pairwise: bool) -> tuple[float | None, str | None]:
    """Return the one score that several make, or None with the reason."""
    if not scores:
        return None, "no member scored it"
    if options.consensus == "dawid_skene":
        return None, "dawid_skene learns each judge's errors from many answers; one answer has no consensus"
    if options.consensus == "majority":
        return _majority(list(scores.values()), pairwise=pairwise)
    if options.consensus == "median":
        return statistics.median(scores.values()), None
    weights = options.weights if options.consensus == "weighted" else {}
    power = sum(weights.get(name, 1.0) for name in scores)
    if power <= 0:
        return None, "only members of weight 0 scored it"
    return sum(weights.get(name, 1.0) * score for name, score in scores.items()) / power, None


def _majority(scores: Sequence[float], *, pairwise: bool) -> tuple[float | None, str | None]:
    """Return the score most members gave; a share of a preference is one vote for a side or for neither."""
    votes = [(score > EVEN) - (score < EVEN) for score in scores] if pairwise else list(scores)
    (first, most), *others = Counter(votes).most_common()
    if any(count == most for _, count in others):
        return (EVEN, None) if pairwise else (None, "as many members gave one score as another")
    return (EVEN + first / 2 if pairwise else first), None
