"""What the votes behind verdicts say of the judges themselves, batch by batch: counts and money that add up.

Depends on: contracts, `abtest.analytics.statistics.position_bias`. Used by: `abtest.analytics.data.batch`,
`abtest.analytics.judge_measuring`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations

from abtest.analytics.statistics.coverage import added
from abtest.analytics.statistics.position_bias import FIRST, SECOND, TIE, OrderCounts
from abtest.contracts.records import JudgeUse, Order, Verdict, Vote

EVEN = 0.5
NOT_BOTH = -1
"""Code of a pair that was not judged in both orders."""


@dataclass(frozen=True)
class Retest:
    """Votes of one judge on one question asked several times, two by two.

    Args:
        pairs: of votes on the same question in the same order.
        same: of those, the ones with the same score.
        distance: sum of the distances of the scores of a pair.
    """

    pairs: int = 0
    same: int = 0
    distance: float = 0.0

    def __add__(self, other: Retest) -> Retest:
        return Retest(self.pairs + other.pairs, self.same + other.same, self.distance + other.distance)

    @classmethod
    def of(cls, votes: Iterable[Vote]) -> Retest:
        """Return what the repeats of one verdict say."""
        by_order: dict[Order | None, list[float]] = {}
        for vote in votes:
            if vote.score is not None:
                by_order.setdefault(vote.order, []).append(vote.score)
        distances = [abs(a - b) for scores in by_order.values() for a, b in combinations(scores, 2)]
        return cls(len(distances), sum(distance == 0 for distance in distances), sum(distances))


@dataclass(frozen=True)
class UseTotals:
    """What all calls of a judge took.

    Args:
        cost_usd: list price of the calls whose price is known.
        cost_unknown: verdicts behind which a call has no known price.
        spent_usd: what this run paid itself, as far as it is known.
    """

    calls: int = 0
    repairs: int = 0
    from_ledger: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    cost_unknown: int = 0
    spent_usd: Decimal = Decimal(0)

    def __add__(self, other: UseTotals) -> UseTotals:
        return UseTotals(
            calls=self.calls + other.calls,
            repairs=self.repairs + other.repairs,
            from_ledger=self.from_ledger + other.from_ledger,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            cost_unknown=self.cost_unknown + other.cost_unknown,
            spent_usd=self.spent_usd + other.spent_usd,
        )

    @classmethod
    def of(cls, uses: Sequence[JudgeUse]) -> UseTotals:
        """Return the sum of what single verdicts took."""
        return cls(
            calls=sum(use.calls for use in uses),
            repairs=sum(use.repairs for use in uses),
            from_ledger=sum(use.from_ledger for use in uses),
            input_tokens=sum(use.input_tokens for use in uses),
            output_tokens=sum(use.output_tokens for use in uses),
            cost_usd=sum((use.cost_usd for use in uses if use.cost_usd is not None), Decimal(0)),
            cost_unknown=sum(use.cost_usd is None for use in uses),
            spent_usd=sum((use.spent_usd for use in uses), Decimal(0)),
        )


@dataclass(frozen=True)
class JudgeStatistics:
    """What one judge did; the sum of two is that of both batches.

    Args:
        statuses: status to count of verdicts.
        votes: the same of single votes.
        unaskable: invalid verdicts without a vote: the sample lacks what the judge would ask about.
        repaired: votes that were read at the second attempt.
        fallbacks: number of a fallback model, from 1, to votes that it gave.
        versions: version to verdicts.
        retest: of repeated questions.
        orders: treatment to wins, losses and ties of its answer by which one was shown first; one count a vote.
        use: what the calls behind its verdicts took.
        pinned: the same of the calls about its pinned examples.
    """

    statuses: Mapping[str, int] = field(default_factory=dict)
    votes: Mapping[str, int] = field(default_factory=dict)
    unaskable: int = 0
    repaired: int = 0
    fallbacks: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    retest: Retest = field(default_factory=Retest)
    orders: Mapping[str, OrderCounts] = field(default_factory=dict)
    use: UseTotals = field(default_factory=UseTotals)
    pinned: UseTotals = field(default_factory=UseTotals)

    @property
    def spent_usd(self) -> Decimal:
        """What this run paid for all of it, as far as it is known."""
        return self.use.spent_usd + self.pinned.spent_usd

    @property
    def cost_unknown(self) -> int:
        """Verdicts and calls about pinned examples with an unknown price."""
        return self.use.cost_unknown + self.pinned.cost_unknown

    def __add__(self, other: JudgeStatistics) -> JudgeStatistics:
        nothing = OrderCounts()
        return JudgeStatistics(
            statuses=added(self.statuses, other.statuses),
            votes=added(self.votes, other.votes),
            unaskable=self.unaskable + other.unaskable,
            repaired=self.repaired + other.repaired,
            fallbacks=added(self.fallbacks, other.fallbacks),
            versions=added(self.versions, other.versions),
            retest=self.retest + other.retest,
            orders={
                name: self.orders.get(name, nothing) + other.orders.get(name, nothing)
                for name in dict.fromkeys([*self.orders, *other.orders])
            },
            use=self.use + other.use,
            pinned=self.pinned + other.pinned,
        )

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> JudgeStatistics:
        """Return the statistics of the verdicts of one judge in one batch."""
        votes = [vote for verdict in verdicts for vote in verdict.votes]
        scored = [vote for vote in votes if vote.status == "scored"]
        retest = Retest()
        for verdict in verdicts:
            if len(verdict.votes) > 1:
                retest += Retest.of(verdict.votes)
        return cls(
            statuses=dict(Counter(verdict.status for verdict in verdicts)),
            votes=dict(Counter(vote.status for vote in votes)),
            unaskable=sum(verdict.status == "invalid" and not verdict.votes for verdict in verdicts),
            repaired=sum(vote.repaired for vote in scored),
            fallbacks=dict(Counter(str(vote.fallback) for vote in scored if vote.fallback)),
            versions=dict(Counter(verdict.judge_version for verdict in verdicts if verdict.judge_version)),
            retest=retest,
            orders=_orders(verdicts),
            use=UseTotals.of([verdict.use for verdict in verdicts if verdict.use is not None]),
        )


def _orders(verdicts: Sequence[Verdict]) -> dict[str, OrderCounts]:
    counts: dict[tuple[str, Order], Counter[int]] = {}
    for verdict in verdicts:
        if verdict.against is None:
            continue
        for vote in verdict.votes:
            if vote.order is not None and vote.score is not None:
                # Wins, losses and ties of the treatment stand in this order.
                result = 0 if vote.score > EVEN else 1 if vote.score < EVEN else 2
                counts.setdefault((verdict.variant, vote.order), Counter())[result] += 1

    def triple(variant: str, order: Order) -> tuple[int, int, int]:
        found = counts.get((variant, order), Counter())
        return found[0], found[1], found[2]

    variants = dict.fromkeys(variant for variant, _ in counts)
    return {v: OrderCounts(triple(v, "treatment_first"), triple(v, "control_first")) for v in variants}


def position_code(votes: Sequence[Vote], dimension: str | None = None) -> int:
    """Return which position won in each of both orders, as 3 times that of `control_first` plus the other's.

    Repeats are averaged within an order first. `NOT_BOTH` where an order has no vote with a score.

    Args:
        votes: on one pair of answers.
        dimension: what is looked at; None for the preference on the whole.
    """
    means: list[float] = []
    for order in ("control_first", "treatment_first"):
        said = [
            vote.score if dimension is None else vote.dimensions.get(dimension) for vote in votes if vote.order == order
        ]
        scores = [score for score in said if score is not None]
        if not scores:
            return NOT_BOTH
        means.append(sum(scores) / len(scores))
    straight = SECOND if means[0] > EVEN else FIRST if means[0] < EVEN else TIE
    turned = FIRST if means[1] > EVEN else SECOND if means[1] < EVEN else TIE
    return 3 * straight + turned
