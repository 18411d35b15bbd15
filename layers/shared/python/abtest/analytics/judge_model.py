"""What is known of each judge and panel of a run: what it did, what it took, how far it can be trusted.

Depends on: pydantic, `abtest.analytics.instrument`. Used by: `abtest.analytics.model`, which names it again.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from abtest.analytics.instrument import LengthControlled, PositionBias
from abtest.analytics.status import AnalysisModel, Number, Status
from abtest.contracts.judging import JudgeKind


class JudgeCost(AnalysisModel):
    """What a judge's calls took; those about pinned examples stand apart.

    Args:
        calls: answered, second attempts included.
        repairs: of those, second attempts at an output that could not be read.
        from_ledger: of those, the ones that had been paid for before.
        cost_usd: price list value of all of them; None when any is unknown.
        cost_unknown: verdicts behind which a price is unknown.
        spent_usd: what this run paid itself, as far as it is known.
        pinned_calls: about pinned examples, and `pinned_spent_usd` what they took.
    """

    calls: int
    repairs: int = 0
    from_ledger: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    cost_unknown: int = 0
    spent_usd: Decimal = Decimal(0)
    pinned_calls: int = 0
    pinned_spent_usd: Decimal = Decimal(0)


class OrderedWinRate(AnalysisModel):
    """How often a pairwise judge prefers one treatment, by where its answer stood.

    Args:
        n: pairs with a score.
        win_rate: share of the preference, averaged over both orders of each pair, so that a preference for a position
            cancels; a tie is one half.
        ci_low: lower end of its interval, as the declared design allows it.
        shown_first: share of single votes where its answer was shown first, over `first_votes`.
        shown_second: share where it was shown second, over `second_votes`.
    """

    treatment: str
    n: int
    win_rate: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None
    shown_first: Number | None = None
    first_votes: int = 0
    shown_second: Number | None = None
    second_votes: int = 0


class LengthCorrelation(AnalysisModel):
    """Whether the longer of two answers gets the higher score: correlation of both differences over paired samples.

    It shows a judge's preference for length, or that longer answers are better: the numbers cannot tell which.
    """

    treatment: str
    status: Status
    n: int
    correlation: Number | None = None


class Retest(AnalysisModel):
    """How far a judge agrees with itself when it is asked the same again.

    Args:
        pairs: of votes on one question in one order.
        same: share of them with equal scores.
        mean_distance: of their scores.
    """

    pairs: int
    same: Number
    mean_distance: Number


class Drift(AnalysisModel):
    """A judge's scores of its pinned examples against what their author expects.

    Args:
        examples: pinned.
        scored: of those, the ones the judge scored in this run.
        mean_deviation: mean absolute distance from the expected score.
        largest_deviation: of one example.
        tolerance: mean distance up to which the judge counts as unchanged: a tenth of its scale.
        drifted: the mean is beyond it.
    """

    status: Status
    examples: int
    scored: int
    mean_deviation: Number | None = None
    largest_deviation: Number | None = None
    tolerance: Number
    drifted: bool = False


class JudgeQuality(AnalysisModel):
    """One judge as an instrument.

    Args:
        version: what was declared; results of other versions are other metrics.
        versions: versions that verdicts name, to their count; more than one says that the instrument changed.
        model: whom it asks first; `family` of that model.
        related_variants: variants whose model is of the same family.
        verdicts: status to count.
        coverage: share of its verdicts that have a score; None when there are none.
        votes: status to count of single calls of a judge that asks a model.
        unaskable: of its invalid verdicts, those that nothing was asked for: the sample lacks what the judge needs.
        repaired: votes that were read at the second attempt.
        fallbacks: votes of fallback models, by number from 1.
        fallback_share: of all votes with a score; None when there are none.
        cost: what its calls took; None for a judge that asks nobody.
        position: of a pairwise judge.
        win_rates: of a pairwise judge, one a treatment.
        length_controlled: of a pairwise judge, one a treatment.
        length_correlation: of a judge of single answers that asks a model, one a treatment.
        escalated_only: it was asked only where a panel disagreed.
    """

    judge: str
    type: str
    kind: JudgeKind
    pairwise: bool = False
    version: str | None = None
    versions: dict[str, int] = Field(default_factory=dict)
    model: str | None = None
    family: str | None = None
    related_variants: tuple[str, ...] = ()
    verdicts: dict[str, int] = Field(default_factory=dict)
    coverage: Number | None = None
    votes: dict[str, int] = Field(default_factory=dict)
    unaskable: int = 0
    repaired: int = 0
    fallbacks: dict[str, int] = Field(default_factory=dict)
    fallback_share: Number | None = None
    cost: JudgeCost | None = None
    position: PositionBias | None = None
    win_rates: tuple[OrderedWinRate, ...] = ()
    length_controlled: tuple[LengthControlled, ...] = ()
    length_correlation: tuple[LengthCorrelation, ...] = ()
    retest: Retest | None = None
    drift: Drift | None = None
    escalated_only: bool = False

    @property
    def unreadable(self) -> int:
        """Invalid verdicts on what the judge was asked: nobody could read its reply."""
        return self.verdicts.get("invalid", 0) - self.unaskable


class PanelMember(AnalysisModel):
    """One member of a panel beside the others.

    Args:
        status: `ok`; `no_data`: it scored nothing; `constant`: it gave every answer one score.
        scored: answers, or pairs, that it scored.
        agrees: mean over the other members of the share of answers that both gave the same score.
        correlation: mean over the other members of the correlation of both scores.
        accuracy: how often it says the true score, as Dawid-Skene estimates it; None for other methods.
        opposes: it says the opposite of every other member, beyond chance.
    """

    judge: str
    status: Status
    scored: int
    agrees: Number | None = None
    correlation: Number | None = None
    accuracy: Number | None = None
    opposes: bool = False


class Escalation(AnalysisModel):
    """What it took to ask another judge only where a panel disagreed.

    Money is by price list, answers from the ledger included; None when a price is unknown.

    Args:
        judge: that was asked.
        escalated: answers, or pairs, that have its score.
        share: of the panel's answers.
        unanswered: where it gave no score: the panel has none there.
        cost_usd: of its calls, and `members_usd` of those of the panel's members.
        everywhere_usd: what asking it about all answers would have cost, at its mean cost.
        saving_usd: `everywhere_usd` less the cost of members and escalation; negative where it did not pay.
    """

    judge: str
    escalated: int
    share: Number | None = None
    unanswered: int = 0
    cost_usd: Decimal | None = None
    members_usd: Decimal | None = None
    everywhere_usd: Decimal | None = None
    saving_usd: Decimal | None = None


class PanelQuality(AnalysisModel):
    """One panel: how its members' scores became one.

    Args:
        consensus: how they were joined.
        status: of the joining; see `Status`.
        members: each beside the others.
        answers: answers, or pairs, that some member scored; the counts below are of these.
        agreed: two or more members, no further apart than agreement allows.
        disagreed: two or more members, further apart.
        alone: scored by one member only.
        partial: scored by some members, but not all.
        abstained: left without a score because members disagreed or one was alone.
        undecided: without a score because several scores had most votes.
        escalation: to another judge; None where none was declared.
    """

    panel: str
    consensus: str
    status: Status
    members: tuple[PanelMember, ...]
    answers: int
    agreed: int
    disagreed: int
    alone: int
    partial: int
    abstained: int
    undecided: int
    escalation: Escalation | None = None
