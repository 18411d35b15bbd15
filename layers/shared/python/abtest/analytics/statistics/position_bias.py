"""Does the judge favour the answer shown first? Verdicts in both orders, or one order a sample with a logit.

Depends on: numpy, `abtest.analytics.statistics.binomial_interval`. Used by: `abtest.analytics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._binomial import fair_coin_p
from abtest.analytics.statistics._wald import Estimate, estimate
from abtest.analytics.statistics.binomial_interval import ShareInterval, wilson

STATISTIC = Method(
    name="Position bias from verdicts in both orders",
    formula="score of B = mean over samples of its two-order average (win 1, tie 1/2); flip rate = share of samples "
    "whose winner follows the position, Wilson interval; bias: flips to first against second, Binomial(flips, 1/2)",
    source="Zheng et al. (2023), Judging LLM-as-a-judge with MT-Bench and Chatbot Arena, section 3.4; "
    "Wang et al. (2023), Large language models are not fair evaluators, section 3; exact test as in McNemar (1947)",
)
POSITION_EFFECT = Method(
    name="Position effect in a logit model",
    formula="logit P(A wins) = theta + gamma o, o = 1 when A is first, -1 when B is: theta, gamma = (l1 +- l2) / 2, "
    "l = log odds of A by order; SE = sqrt(v1 + v2) / 2, v = variance of the score / (n (p (1 - p))^2) by order",
    source="Davidson and Beaver (1977), On extending the Bradley-Terry model to incorporate within-pair order effects",
)
FIRST, SECOND, TIE = 0, 1, 2
"""Codes of a verdict, by the position that won."""
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class PositionBias:
    """What both orders say about the judge and about the variants.

    Args:
        status: `ok`; `no_data`; `too_few` (one sample has no spread); `all_ties` (no decisive verdict); `constant` (all
            samples average to one score: its error is 0).
        n: samples, each judged in both orders.
        consistent: samples with the same winner (or a tie) in both orders.
        consistency: their share.
        flips_to_first: samples where the first answer won both times, so that the winner flipped.
        flips_to_second: samples where the second answer won both times.
        flip_rate: share of samples that flipped, with Wilson's interval.
        first_share: share of decisive verdicts for the first position; None without a decisive verdict.
        first_preference: mean over samples of (first - second) / 2 verdicts, from -1 to 1.
        p_bias: exact two-sided p of as many flips to first as to second; 1 by convention without a flip.
        score: of B, debiased, from 0 to 1, with its standard error over samples.
        wins: samples B wins in both orders; `losses`: A wins in both; `unresolved`: all others, counted as ties.
    """

    status: Status
    n: int
    consistent: int
    flips_to_first: int
    flips_to_second: int
    wins: int
    losses: int
    unresolved: int
    flip_rate: ShareInterval
    consistency: float | None = None
    first_share: float | None = None
    first_preference: Estimate | None = None
    p_bias: float | None = None
    score: Estimate | None = None


@dataclass(frozen=True)
class PositionCounts:
    """Samples judged in both orders, by the pair of verdicts; the sum of two is that of the pooled samples.

    Args:
        table: table[v][w] counts samples with verdict v when A came first and w when B did, each `FIRST`, `SECOND` or
            `TIE`.
    """

    table: tuple[Triple, ...] = ((0, 0, 0),) * 3

    def __post_init__(self) -> None:
        cells = [count for row in self.table for count in row]
        if len(self.table) != 3 or len(cells) != 9 or min(cells) < 0:
            raise ValueError("verdicts in two orders make a table of 3 by 3 counts of at least 0")

    @classmethod
    def of(cls, order_ab: Any, order_ba: Any) -> PositionCounts:
        """Return the counts of samples with both verdicts.

        Args:
            order_ab: verdicts with A shown first, shape (n,), each 0 (first wins), 1 (second wins) or 2 (tie).
            order_ba: verdicts with B shown first, in the same order.

        Raises:
            ValueError: the lists differ in length or hold another code.
        """
        ab, ba = _verdicts(order_ab), _verdicts(order_ba)
        if ab.size != ba.size:
            raise ValueError(f"samples need a verdict in both orders; got {ab.size} and {ba.size}")
        cells = [int(count) for count in np.bincount(ab * 3 + ba, minlength=9)]
        return cls(tuple((cells[row], cells[row + 1], cells[row + 2]) for row in (0, 3, 6)))

    def __add__(self, other: PositionCounts) -> PositionCounts:
        total = np.asarray(self.table) + np.asarray(other.table)
        return PositionCounts(tuple((int(x), int(y), int(z)) for x, y, z in total))

    @property
    def n(self) -> int:
        """Samples."""
        return sum(sum(row) for row in self.table)

    def result(self, alpha: float = 0.05) -> PositionBias:
        """Return consistency, bias and the debiased score.

        Args:
            alpha: two-sided error rate.

        Raises:
            ValueError: alpha is not between 0 and 1.

        Assumes: independent samples. The exact test sees only samples that flipped.
        Source: Zheng et al. (2023), section 3.4; McNemar (1947).
        """
        table, n = np.asarray(self.table), self.n
        losses, wins, both_tied = (int(table[cell]) for cell in ((FIRST, SECOND), (SECOND, FIRST), (TIE, TIE)))
        to_first, to_second = int(table[FIRST, FIRST]), int(table[SECOND, SECOND])
        first = int(table[FIRST].sum() + table[:, FIRST].sum())
        decisive = first + int(table[SECOND].sum() + table[:, SECOND].sum())
        consistent = losses + wins + both_tied
        score, score_se = _mean(table, np.asarray([0.0, 1.0, 0.5]), np.asarray([1.0, 0.0, 0.5]))
        lean, lean_se = _mean(table, np.asarray([1.0, -1.0, 0.0]), np.asarray([1.0, -1.0, 0.0]))
        return PositionBias(
            status=_bias_status(n, decisive, score_se),
            n=n,
            consistent=consistent,
            flips_to_first=to_first,
            flips_to_second=to_second,
            wins=wins,
            losses=losses,
            unresolved=n - wins - losses,
            flip_rate=wilson(to_first + to_second, n, alpha),
            consistency=consistent / n if n else None,
            first_share=first / decisive if decisive else None,
            first_preference=estimate(lean, lean_se, alpha) if n else None,
            p_bias=fair_coin_p(to_first, to_first + to_second) if n else None,
            score=estimate(score, score_se, alpha) if n else None,
        )


@dataclass(frozen=True)
class PositionEffect:
    """Log odds that A beats B without position, and what being first adds.

    `status`: `ok`; `no_data`; `confounded` (only one order occurred); `separated` (in one order one side always won, so
    that the log odds are infinite); `all_ties` (both effects are 0, without an error).
    """

    status: Status
    n: int
    strength: Estimate | None = None
    position: Estimate | None = None


@dataclass(frozen=True)
class OrderCounts:
    """Samples judged in one order each, as (wins of A, losses of A, ties) by who came first; sums are those pooled."""

    a_first: Triple = (0, 0, 0)
    b_first: Triple = (0, 0, 0)

    def __post_init__(self) -> None:
        if len(self.a_first) != 3 or len(self.b_first) != 3 or min(*self.a_first, *self.b_first) < 0:
            raise ValueError("each order has three counts of at least 0: wins, losses and ties of A")

    @classmethod
    def of(cls, a_first: Any, a_score: Any) -> OrderCounts:
        """Return the counts of samples.

        Args:
            a_first: whether A was shown first, shape (n,), each 0 or 1.
            a_score: result of A, in the same order: 1 win, 0 loss, 1/2 tie.

        Raises:
            ValueError: the lists differ in length or hold other values.
        """
        first, score = np.asarray(a_first, dtype=np.float64), np.asarray(a_score, dtype=np.float64)
        if first.shape != score.shape or first.ndim != 1:
            raise ValueError(f"samples need an order and a result each; got shapes {first.shape} and {score.shape}")
        if not (np.isin(first, (0.0, 1.0)).all() and np.isin(score, (0.0, 0.5, 1.0)).all()):
            raise ValueError("an order is 0 or 1, a result 0, 1/2 or 1")
        return cls(_results(score[first == 1]), _results(score[first == 0]))

    def __add__(self, other: OrderCounts) -> OrderCounts:
        return OrderCounts(_added(self.a_first, other.a_first), _added(self.b_first, other.b_first))

    def result(self, alpha: float = 0.05) -> PositionEffect:
        """Return the strength of A over B and the effect of position, both in log odds.

        Args:
            alpha: two-sided error rate.

        Raises:
            ValueError: alpha is not between 0 and 1.

        Assumes: independent samples; orders assigned without looking at the answers; a tie is half a win each.
        Source: Davidson and Beaver (1977).
        """
        sizes = sum(self.a_first), sum(self.b_first)
        n = sum(sizes)
        if min(sizes) == 0:
            return PositionEffect("confounded" if n else "no_data", n)
        one, other = _log_odds(self.a_first), _log_odds(self.b_first)
        if one is None or other is None:
            return PositionEffect("separated", n)
        all_ties = self.a_first[2] + self.b_first[2] == n
        se = None if all_ties else math.sqrt(one[1] + other[1]) / 2
        strength, position = estimate((one[0] + other[0]) / 2, se, alpha), estimate((one[0] - other[0]) / 2, se, alpha)
        return PositionEffect("all_ties" if all_ties else "ok", n, strength, position)


def _bias_status(n: int, decisive: int, score_se: float | None) -> Status:
    if n < 2:
        return "too_few" if n else "no_data"
    if decisive == 0:
        return "all_ties"
    return "constant" if score_se == 0 else "ok"


def _results(score: npt.NDArray[np.float64]) -> Triple:
    won, lost, tied = (int(np.count_nonzero(score == result)) for result in (1.0, 0.0, 0.5))
    return won, lost, tied


def _added(one: Triple, other: Triple) -> Triple:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _log_odds(counts: Triple) -> tuple[float, float] | None:
    """Return log odds and their sandwich variance; None when one side always won."""
    won, lost, tied = counts
    n = won + lost + tied
    p, q = (won + tied / 2) / n, (lost + tied / 2) / n
    if p == 0 or q == 0:
        return None
    squares = won * q**2 + lost * p**2 + tied * (0.5 - p) ** 2
    return math.log(p / q), squares / (n * p * q) ** 2


def _mean(
    table: npt.NDArray[np.int64], ab: npt.NDArray[np.float64], ba: npt.NDArray[np.float64]
) -> tuple[float, float | None]:
    """Return the mean over samples of the average of two values by verdict, and its standard error."""
    n = int(table.sum())
    values = (ab[:, None] + ba) / 2
    if n == 0:
        return 0.0, None
    mean = float((table * values).sum()) / n
    squares = float((table * (values - mean) ** 2).sum())
    return mean, math.sqrt(squares / (n - 1) / n) if n > 1 else None


def _verdicts(given: Any) -> npt.NDArray[np.int64]:
    codes = np.asarray(given)
    if codes.ndim != 1 or (codes.size and not np.isin(codes, (FIRST, SECOND, TIE)).all()):
        raise ValueError("verdicts are one list of 0 (first wins), 1 (second wins) and 2 (tie)")
    return codes.astype(np.int64)
